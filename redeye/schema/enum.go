package schema

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Bounds of enums, so that the type of an answer can be read whatever a program puts into it.
const (
	maxValues     = 1000
	maxValueBytes = 64
)

// EnumOf returns the enum of that name with these values: texts of 1 to 64 bytes, 1,000 at most.
func EnumOf(name string, values ...string) (Type, error) {
	t := Type{Kind: KindEnum, Name: name, Values: values}
	return t, t.checkEnum()
}

// checkEnum says what is wrong with an enum.
func (t Type) checkEnum() error {
	if !ast.IsName(t.Name) || kindOf(t.Name) != KindUnknown {
		return fmt.Errorf("%q cannot be the name of an enum; it has letters, digits and _, and is no word of the language", t.Name)
	}
	if n := len(t.Values); n == 0 || n > maxValues {
		return fmt.Errorf("the enum %s has %d values; it can have 1 to %d", t.Name, n, maxValues)
	}
	seen := make(map[string]bool, len(t.Values))
	for _, v := range t.Values {
		switch {
		case v == "" || len(v) > maxValueBytes || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
			return fmt.Errorf("%q cannot be a value of the enum %s; it has 1 to %d bytes of UTF-8, and no control characters", v, t.Name, maxValueBytes)
		case seen[v]:
			return fmt.Errorf("the enum %s has the value %q twice", t.Name, v)
		}
		seen[v] = true
	}
	return nil
}

// NoValue is what is to be said of a text that is none of an enum's values.
func (t Type) NoValue(text string) string {
	const most = 10
	has := strings.Join(t.Values[:min(len(t.Values), most)], ", ")
	if more := len(t.Values) - most; more > 0 {
		has += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s has no value %.40q; it has %s", t.Name, text, has)
}

// quoted makes a value of an enum that is no name what stands between quotes.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// writeEnum writes the enum as parser.enum reads it: "enum Genre<drama, \"science fiction\">".
func (t Type) writeEnum(b *strings.Builder) {
	b.WriteString("enum " + t.Name + "<")
	for i, v := range t.Values {
		if i > 0 {
			b.WriteString(", ")
		}
		if !ast.IsName(v) {
			v = `"` + quoted.Replace(v) + `"`
		}
		b.WriteString(v)
	}
	b.WriteByte('>')
}

// value reads a value of an enum: a name, or any text in quotes, in which \ stands before a quote and before itself.
func (p *typeParser) value() string {
	if !p.take(`"`) {
		return p.name()
	}
	var b strings.Builder
	for ; p.pos < len(p.text); p.pos++ {
		c := p.text[p.pos]
		if c == '"' {
			p.pos++
			return b.String()
		}
		if c == '\\' && p.pos+1 < len(p.text) && (p.text[p.pos+1] == '"' || p.text[p.pos+1] == '\\') {
			p.pos++
		} else if c == '\\' {
			p.fail(`\\ or \"`)
			return ""
		}
		b.WriteByte(p.text[p.pos])
	}
	p.fail(`a closing "`)
	return ""
}

func (p *typeParser) enum() Type {
	t := Type{Kind: KindEnum, Name: p.name()}
	p.need("<")
	for p.err == nil && !p.take(">") {
		if len(t.Values) > 0 {
			p.need(",")
		}
		t.Values = append(t.Values, p.value())
	}
	if p.err == nil {
		if err := t.checkEnum(); err != nil {
			p.err = fmt.Errorf("type, byte %d: %w", p.pos, err)
		}
	}
	return t
}
