package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Kind is the outermost part of a type.
type Kind uint8

// The kinds of types.
const (
	KindUnknown Kind = iota // no type; also that of None, and of the elements of []
	KindBool
	KindInt
	KindFloat
	KindString
	KindBytes
	KindTime
	KindDuration
	KindEnum
	KindList
	KindMap
	KindObject
	KindEntity
)

var kindNames = [...]string{"unknown", "bool", "int", "float", "string", "bytes", "time", "duration", "enum", "list", "map", "object", "entity"}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Scalar reports whether values of the kind have no parts.
func (k Kind) Scalar() bool { return k >= KindBool && k <= KindEnum }

// Ordered reports whether < is defined, and so sort, min and max.
func (k Kind) Ordered() bool { return k >= KindInt && k <= KindDuration }

// Type is a type of Redeye's language; package ast says what each means. A Type is not changed once it is in use. The
// zero Type is no type.
type Type struct {
	Kind   Kind
	Null   bool     // T?
	Elem   *Type    // of a list's elements, of a map's values
	Key    Kind     // of a map's keys: KindString or KindInt
	Fields []Field  // of an object, in order
	Name   string   // of an entity or enum
	Values []string // of an enum, in the order of their declaration
}

// Field is a field of an object.
type Field struct {
	Name string
	Type Type
}

// Of returns the type of a scalar kind.
func Of(k Kind) Type { return Type{Kind: k} }

// ListOf returns list<elem>.
func ListOf(elem Type) Type { return Type{Kind: KindList, Elem: &elem} }

// EntityOf returns the type of references to the entity of that name.
func EntityOf(name string) Type { return Type{Kind: KindEntity, Name: name} }

// OrNull returns T? of T.
func (t Type) OrNull() Type {
	t.Null = true
	return t
}

// NotNull returns T of T?.
func (t Type) NotNull() Type {
	t.Null = false
	return t
}

// Field returns the number of an object's field, -1 if it has none of that name.
func (t Type) Field(name string) int {
	return slices.IndexFunc(t.Fields, func(f Field) bool { return f.Name == name })
}

// Has reports whether the type, or something that it is made of, is of the kind.
func (t Type) Has(k Kind) bool {
	has := false
	t.each(func(part Type) { has = has || part.Kind == k })
	return has
}

// each calls f with the type and with all that it is made of.
func (t Type) each(f func(Type)) {
	f(t)
	if t.Elem != nil {
		t.Elem.each(f)
	}
	for _, field := range t.Fields {
		field.Type.each(f)
	}
}

// Equal reports whether the types are the same, null included.
func (t Type) Equal(u Type) bool {
	if t.Kind != u.Kind || t.Null != u.Null || t.Key != u.Key || t.Name != u.Name || (t.Elem == nil) != (u.Elem == nil) {
		return false
	}
	return (t.Elem == nil || t.Elem.Equal(*u.Elem)) && slices.Equal(t.Values, u.Values) &&
		slices.EqualFunc(t.Fields, u.Fields, func(f, g Field) bool { return f.Name == g.Name && f.Type.Equal(g.Type) })
}

// String writes the type as [Parse] reads it: "list<{id: int, title: string?, genre: enum Genre<drama, \"science fiction\">}>".
func (t Type) String() string {
	var b strings.Builder
	t.write(&b, false)
	return b.String()
}

// Short is String with the names of enums alone, for messages: "list<{id: int, title: string?, genre: Genre}>".
func (t Type) Short() string {
	var b strings.Builder
	t.write(&b, true)
	return b.String()
}

func (t Type) write(b *strings.Builder, short bool) {
	switch t.Kind {
	case KindList:
		b.WriteString("list<")
		t.Elem.write(b, short)
		b.WriteByte('>')
	case KindMap:
		b.WriteString("map<" + t.Key.String() + ", ")
		t.Elem.write(b, short)
		b.WriteByte('>')
	case KindObject:
		b.WriteByte('{')
		for i, f := range t.Fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.Name + ": ")
			f.Type.write(b, short)
		}
		b.WriteByte('}')
	case KindEnum:
		if short {
			b.WriteString(t.Name)
			break
		}
		t.writeEnum(b)
	case KindEntity:
		b.WriteString(t.Name)
	default:
		b.WriteString(t.Kind.String())
	}
	if t.Null {
		b.WriteByte('?')
	}
}

// MarshalText is [Type.String].
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is [Parse].
func (t *Type) UnmarshalText(b []byte) (err error) {
	*t, err = Parse(string(b))
	return err
}

// kindOf finds a kind by its name, KindUnknown if it is none's.
func kindOf(name string) Kind { return Kind(max(0, slices.Index(kindNames[:], name))) }

const (
	maxTypeBytes = 1 << 20
	maxTypeDepth = 64
)

// Parse reads a type. A name that is no kind's is an entity's; whether there is such an entity is not asked. Types of more than 1 MiB
// or 64 levels are refused.
func Parse(s string) (Type, error) {
	if len(s) > maxTypeBytes {
		return Type{}, fmt.Errorf("a type of %d bytes", len(s))
	}
	p := typeParser{text: s}
	t := p.parse(0)
	p.space()
	if p.err == nil && p.pos < len(s) {
		p.fail("the end")
	}
	if p.err != nil {
		return Type{}, p.err
	}
	return t, nil
}

type typeParser struct {
	text string
	pos  int
	err  error
}

func (p *typeParser) fail(want string) {
	if p.err == nil {
		near := p.text[p.pos:]
		if len(near) > 20 {
			near = near[:20] + "…"
		}
		p.err = fmt.Errorf("type, byte %d: %s is expected, not %q", p.pos, want, near)
	}
}

func (p *typeParser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take passes over a token, if it is next.
func (p *typeParser) take(token string) bool {
	p.space()
	if p.err != nil || !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

func (p *typeParser) need(token string) {
	if !p.take(token) {
		p.fail(token)
	}
}

func (p *typeParser) name() string {
	p.space()
	start := p.pos
	for p.pos < len(p.text) && (p.text[p.pos] == '_' || p.text[p.pos]|0x20 >= 'a' && p.text[p.pos]|0x20 <= 'z' || p.text[p.pos] >= '0' && p.text[p.pos] <= '9') {
		p.pos++
	}
	name := p.text[start:p.pos]
	if !ast.IsName(name) {
		p.pos = start
		p.fail("a name")
	}
	return name
}

func (p *typeParser) parse(depth int) (t Type) {
	if depth > maxTypeDepth {
		p.fail("less nesting")
	}
	if p.err != nil {
		return t
	}
	if p.take("{") {
		t.Kind = KindObject
		for p.err == nil && !p.take("}") {
			if len(t.Fields) > 0 {
				p.need(",")
			}
			f := Field{Name: p.name()}
			p.need(":")
			f.Type = p.parse(depth + 1)
			if t.Field(f.Name) >= 0 {
				p.fail("another name than " + f.Name)
			}
			t.Fields = append(t.Fields, f)
		}
		t.Null = p.take("?")
		return t
	}
	name := p.name()
	switch kind := kindOf(name); kind {
	case KindList:
		p.need("<")
		elem := p.parse(depth + 1)
		p.need(">")
		t = ListOf(elem)
	case KindMap:
		p.need("<")
		t.Kind = KindMap
		switch key := p.name(); key {
		case "string":
			t.Key = KindString
		case "int":
			t.Key = KindInt
		default:
			p.fail("a key of string or int")
		}
		p.need(",")
		elem := p.parse(depth + 1)
		t.Elem = &elem
		p.need(">")
	case KindEnum:
		t = p.enum()
	case KindUnknown:
		if name != kindNames[KindUnknown] {
			t = EntityOf(name)
		}
	case KindObject, KindEntity:
		p.fail("a type")
	case KindBool, KindInt, KindFloat, KindString, KindBytes, KindTime, KindDuration:
		t.Kind = kind
	}
	t.Null = p.take("?")
	return t
}
