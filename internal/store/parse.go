package store

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

// The bounds of a filter: its text in bytes, how deep parentheses and ! nest, how many conditions it has.
const (
	maxFilterLen   = 64 << 10
	maxFilterDepth = 100
	maxConditions  = 1000
)

// FilterError says what is wrong with a filter and where.
type FilterError struct {
	At   int    // byte offset in the text, 0 to its length
	Msg  string // one line, written for the one who typed the filter
	text string
}

// Error is the message and, below it, the text with a caret under the place.
func (e *FilterError) Error() string {
	const around = 50 // runes shown on either side of a place in a long text
	at := min(max(e.At, 0), len(e.text))
	before, after := e.text[:at], e.text[at:]
	if from := max(0, at-around*utf8.UTFMax); from > 0 { // so that a long text is not converted whole
		before = before[from:]
	}
	left, right := []rune(strings.Map(printable, before)), []rune(strings.Map(printable, after[:min(len(after), around*utf8.UTFMax)]))
	if len(left) > around {
		left = append([]rune("… "), left[len(left)-around:]...)
	}
	if len(right) > around {
		right = append(right[:around:around], []rune(" …")...)
	}
	return fmt.Sprintf("filter: %s\n  %s%s\n  %s^", e.Msg, string(left), string(right), strings.Repeat(" ", len(left)))
}

// ParseFilter reads the filter language (docs/filters.md), a subset of what TraceQL writes inside one
// pair of braces: { service.name = "web" && duration > 100ms }. The braces may be left out; nil, which
// matches every span, is what blank text, {} and { true } give. As in TraceQL, && and || bind equally
// and from the left. Every error is a *FilterError.
func ParseFilter(text string) (Expr, error) {
	p := parser{text: text}
	if len(text) > maxFilterLen {
		return nil, p.errorf(maxFilterLen, "a filter has at most %d bytes, this one has %d", maxFilterLen, len(text))
	}
	p.space()
	if p.pos == len(text) {
		return nil, nil
	}
	braces := p.take("{")
	var e Expr
	if p.space(); !braces || p.peek() != '}' {
		var err error
		if e, err = p.chain(); err != nil {
			return nil, err
		}
	}
	if p.space(); braces && !p.take("}") {
		return nil, p.unexpected(`&&, || or }`)
	}
	if p.space(); p.pos == len(text) {
		return e, nil
	}
	switch {
	case braces:
		return nil, p.errorf(p.pos, "a filter ends with its }; several { … }, structural operators and | pipelines are not understood")
	case p.peek() == '}':
		return nil, p.errorf(p.pos, "} without {")
	}
	return nil, p.unexpected("&& or ||")
}

type parser struct {
	text       string
	pos        int
	depth      int
	conditions int
}

func (p *parser) errorf(at int, format string, args ...any) error {
	const longest = 300 // of a message that repeats a part of the text
	msg := strings.Map(printable, fmt.Sprintf(format, args...))
	if r := []rune(msg[:min(len(msg), longest*utf8.UTFMax)]); len(r) > longest {
		msg = string(r[:longest]) + "…"
	}
	return &FilterError{At: at, Msg: msg, text: p.text}
}

// printable shows on one line what may be unprintable.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// unexpected complains about what stands at the present place, where want should.
func (p *parser) unexpected(want string) error {
	rest := p.text[p.pos:]
	switch {
	case rest == "":
		return p.errorf(p.pos, "expected %s, but the filter ends here", want)
	case strings.HasPrefix(want, "&&"):
		switch rest[0] {
		case ')':
			return p.errorf(p.pos, ") without (")
		case '&', '|':
			return p.errorf(p.pos, "expected %s: and is written &&, or is written ||", want)
		case ',':
			return p.errorf(p.pos, "expected %s: conditions are joined with &&, not with a comma", want)
		}
		if w := strings.ToLower(p.wordAhead()); w == "and" || w == "or" {
			return p.errorf(p.pos, "expected %s: and is written &&, or is written ||", want)
		}
	}
	return p.errorf(p.pos, "expected %s", want)
}

func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) take(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *parser) space() {
	p.pos = len(p.text) - len(strings.TrimLeftFunc(p.text[p.pos:], unicode.IsSpace))
}

// wordAhead is the run of word runes at the present place, perhaps empty.
func (p *parser) wordAhead() string {
	rest := p.text[p.pos:]
	if i := strings.IndexFunc(rest, func(r rune) bool { return !isWordRune(r) }); i >= 0 {
		return rest[:i]
	}
	return rest
}

func (p *parser) word() string {
	w := p.wordAhead()
	p.pos += len(w)
	return w
}

// chain reads operand { (&& | ||) operand }. An operand that is true is nil.
func (p *parser) chain() (Expr, error) {
	x, err := p.operand()
	for err == nil {
		var y Expr
		switch p.space(); {
		case p.take("&&"):
			if y, err = p.operand(); err == nil {
				x = AllOf(x, y)
			}
		case p.take("||"):
			if y, err = p.operand(); err == nil {
				if x == nil || y == nil {
					x = nil
				} else {
					x = Or{x, y}
				}
			}
		default:
			return x, nil
		}
	}
	return nil, err
}

// operand reads a condition, (chain), or ! before one in parentheses or before root.
func (p *parser) operand() (Expr, error) {
	p.space()
	start := p.pos
	if p.peek() != '(' && p.peek() != '!' {
		return p.condition()
	}
	if p.depth++; p.depth > maxFilterDepth {
		return nil, p.errorf(start, "nested more than %d deep", maxFilterDepth)
	}
	defer func() { p.depth-- }()

	if p.take("(") {
		x, err := p.chain()
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take(")") {
			if p.pos < len(p.text) && strings.IndexByte("}", p.peek()) < 0 {
				return nil, p.unexpected("&&, || or )")
			}
			return nil, p.errorf(p.pos, "expected ) for the ( at byte %d", start)
		}
		return x, nil
	}
	p.take("!")
	p.space()
	at := p.pos
	next := p.peek()
	x, err := p.operand()
	switch {
	case err != nil:
		return nil, err
	case x == nil:
		return nil, p.errorf(start, "not true matches no span at all")
	case next != '(' && next != '!' && strings.TrimSpace(p.text[at:p.pos]) != Root.Name:
		return nil, p.errorf(at, "expected ( after !, as in !(%s)", x)
	}
	return Not{x}, nil
}

func (p *parser) condition() (Expr, error) {
	at := p.pos
	if p.conditions++; p.conditions > maxConditions {
		return nil, p.errorf(at, "more than %d conditions", maxConditions)
	}
	f, err := p.field()
	if err != nil {
		return nil, err
	}
	p.space()
	opAt := p.pos
	op, ok := p.op()
	if !ok {
		switch f {
		case Root:
			return IsRoot(), nil
		case alwaysTrue:
			return nil, nil
		}
		return nil, p.unexpected("one of = != < <= > >= =~ !~ after " + strings.TrimSpace(p.text[at:opAt]))
	}
	if f == alwaysTrue {
		return nil, p.errorf(at, "true stands alone; a condition starts with a field")
	}
	if f == nestedSetParent {
		p.space()
		if w := p.word(); op != Lt || w != "0" {
			return nil, p.errorf(opAt, "nestedSetParent is known only as nestedSetParent < 0, which is root")
		}
		return IsRoot(), nil
	}
	return p.comparison(f, op, opAt)
}

func (p *parser) op() (Op, bool) {
	for _, o := range [...]Op{Match, NotMatch, Ne, Le, Ge, Eq, Lt, Gt} { // a prefix of another comes after it
		if p.take(o.String()) {
			return o, true
		}
	}
	return 0, false
}

// Words that stand where a field does and are none.
var (
	alwaysTrue      = Field{Intrinsic, "true"}
	nestedSetParent = Field{Intrinsic, "nestedSetParent"}
)

var intrinsics = map[string]Field{
	"name": Name, "duration": Duration, "status": StatusCode, "statusMessage": StatusMessage, "kind": KindOf, "root": Root,
	"traceDuration": TraceDuration, "rootName": RootName, "rootServiceName": RootService,
	"span:name": Name, "span:duration": Duration, "span:status": StatusCode, "span:statusMessage": StatusMessage, "span:kind": KindOf,
	"trace:duration": TraceDuration, "trace:rootName": RootName, "trace:rootService": RootService,
	"service.name": ServiceName, "nestedSetParent": nestedSetParent, "true": alwaysTrue,
}

// foreign are TraceQL's scopes that we have not, as prefixes.
var foreign = [...]string{"parent.", "event.", "link.", "instrumentation.", "span:", "trace:", "event:", "link:", "instrumentation:"}

func (p *parser) field() (Field, error) {
	at := p.pos
	word := p.wordAhead()
	if f, ok := intrinsics[word]; ok && !p.quoteAt(at+len(word)) {
		p.pos += len(word)
		return f, nil
	}
	scope, prefix := Anywhere, ""
	switch c := p.peek(); {
	case p.pos == len(p.text):
		return Field{}, p.errorf(at, "expected a condition, but the filter ends here")
	case c == '"' || c == '`':
		return Field{}, p.errorf(at, `expected a field, such as name or http.route; a quoted attribute name needs a dot before it: ."…"`)
	case c == '.':
		prefix = "."
	case word == "" || isNumberStart(word) || word == "nil" || word == "false":
		return Field{}, p.errorf(at, "expected a field, such as name, duration, status or http.route")
	case strings.HasPrefix(word, "span."):
		scope, prefix = OnSpan, "span."
	case strings.HasPrefix(word, "resource."):
		scope, prefix = OnResource, "resource."
	default:
		for _, s := range foreign {
			if !strings.HasPrefix(word, s) {
				continue
			}
			if strings.HasSuffix(s, ":") {
				return Field{}, p.errorf(at, "%s is not among the fields of a filter; there are name, duration, status, statusMessage, kind, root, "+
					"traceDuration, rootName and rootServiceName", word)
			}
			return Field{}, p.errorf(at, "TraceQL's scope %s is not understood; for an attribute of the span or resource called %s write .%[2]s", s, word)
		}
	}
	p.pos += len(prefix)
	key, err := p.key()
	if err != nil {
		return Field{}, err
	}
	if key == "" && p.text[p.pos-1] != '"' && p.text[p.pos-1] != '`' {
		return Field{}, p.errorf(p.pos, "expected an attribute name after %s", prefix)
	}
	return Field{scope, key}, nil
}

// key reads an attribute name: plain and quoted pieces, joined.
func (p *parser) key() (string, error) {
	var key strings.Builder
	key.WriteString(p.word())
	for p.quoteAt(p.pos) {
		s, err := p.quoted()
		if err != nil {
			return "", err
		}
		key.WriteString(s + p.word())
	}
	return key.String(), nil
}

func (p *parser) quoteAt(i int) bool {
	return i < len(p.text) && (p.text[i] == '"' || p.text[i] == '`')
}

// quoted reads "…" with Go's escapes, or `…` without any.
func (p *parser) quoted() (string, error) {
	start := p.pos
	quote := p.text[start]
	p.pos++
	if quote == '`' {
		raw, _, ok := strings.Cut(p.text[p.pos:], "`")
		if !ok {
			return "", p.errorf(start, "no closing ` for this one")
		}
		p.pos += len(raw) + 1
		return raw, nil
	}
	var s []byte
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; c {
		case '"':
			p.pos++
			return string(s), nil
		case '\\':
			r, multibyte, rest, err := strconv.UnquoteChar(p.text[p.pos:], '"')
			if err != nil {
				return "", p.errorf(p.pos, "not an escape; a backslash is written \\\\, or the text stands in `…` where nothing is escaped")
			}
			if multibyte {
				s = utf8.AppendRune(s, r)
			} else {
				s = append(s, byte(r))
			}
			p.pos = len(p.text) - len(rest)
		default:
			s = append(s, c)
			p.pos++
		}
	}
	return "", p.errorf(start, `no closing " for this one`)
}

// A fieldType says what a field compares with.
type fieldType uint8

const (
	anyField fieldType = iota // an attribute: whatever the literal is
	textField
	durationField
	statusField
	kindField
	boolField
)

func (f Field) fieldType() fieldType {
	switch f {
	case Name, StatusMessage, RootName, RootService, ServiceName:
		return textField
	case Duration, TraceDuration:
		return durationField
	case StatusCode:
		return statusField
	case KindOf:
		return kindField
	case Root:
		return boolField
	}
	return anyField
}

var valueExamples = [...]string{
	anyField:      `a value, such as "text", 200, 1.5, 100ms, true or nil`,
	textField:     `text in quotes`,
	durationField: `a duration, such as 100ms or 1m30s`,
	statusField:   `ok, error or unset`,
	kindField:     `server, client, producer, consumer, internal or unspecified`,
	boolField:     `true or false`,
}

// comparison reads the value and checks that field, op and value go together.
func (p *parser) comparison(f Field, op Op, opAt int) (Expr, error) {
	p.space()
	at, typ := p.pos, f.fieldType()
	if p.wordAhead() == "nil" && !p.quoteAt(at+len("nil")) {
		p.pos += len("nil")
		switch op {
		case Eq:
			return Not{Exists{f}}, nil
		case Ne:
			return Exists{f}, nil
		case Lt, Le, Gt, Ge, Match, NotMatch:
		}
		return nil, p.errorf(opAt, "nil goes with = (is absent) and != (is there) only")
	}
	l, err := p.literal(f)
	if err != nil {
		return nil, err
	}
	want := [...]LiteralType{
		textField: StringLiteral, durationField: DurationLiteral, statusField: StatusLiteral, kindField: KindLiteral, boolField: BoolLiteral,
	}
	if typ == durationField && l.Type == NumberLiteral && l.Num == 0 {
		l = Literal{Type: DurationLiteral} // 0 needs no unit
	}
	if typ != anyField && l.Type != want[typ] {
		return nil, p.mistyped(at, f, l)
	}
	switch {
	case op == Match || op == NotMatch:
		if l.Type != StringLiteral {
			return nil, p.errorf(at, "expected a regular expression in quotes after %s", op)
		}
		if l.Re, err = compile(l.Str); err != nil {
			return nil, p.errorf(at, "not a regular expression: %s", err)
		}
	case op != Eq && op != Ne && (l.Type == BoolLiteral || l.Type == StatusLiteral || l.Type == KindLiteral):
		return nil, p.errorf(opAt, "%s has no order; use = or !=", f)
	}
	return Compare{f, op, l}, nil
}

// mistyped explains why the literal at is not for f, and how to write one that is.
func (p *parser) mistyped(at int, f Field, l Literal) error {
	typ := f.fieldType()
	hint := ""
	switch {
	case typ == textField:
		hint = fmt.Sprintf("; write %s", strconv.Quote(p.text[at:p.pos]))
	case typ == durationField && l.Type == NumberLiteral:
		hint = fmt.Sprintf("; with a unit, as in %sms", p.text[at:p.pos])
	case l.Type == StringLiteral:
		if inner, err := (&parser{text: l.Str}).literal(f); err == nil && inner.Type != StringLiteral && inner.Type != NumberLiteral {
			hint = fmt.Sprintf("; without quotes: %s", inner)
		}
	}
	return p.errorf(at, "%s is compared with %s%s", f, valueExamples[typ], hint)
}

func (p *parser) literal(f Field) (Literal, error) {
	at, want := p.pos, valueExamples[f.fieldType()]
	if p.quoteAt(at) {
		s, err := p.quoted()
		return Literal{Type: StringLiteral, Str: s}, err
	}
	w := p.word()
	switch f {
	case StatusCode:
		if s, ok := span.ParseStatus(w); ok {
			return Literal{Type: StatusLiteral, Int: int64(s)}, nil
		}
	case KindOf:
		if k, ok := span.ParseKind(w); ok {
			return Literal{Type: KindLiteral, Int: int64(k)}, nil
		}
	}
	switch w {
	case "":
		return Literal{}, p.unexpected(want)
	case "true":
		return Literal{Type: BoolLiteral, Int: 1}, nil
	case "false":
		return Literal{Type: BoolLiteral}, nil
	}
	if l, ok := parseNumber(w); ok {
		return l, nil
	}
	if d, ok := parseDuration(w); ok {
		return Literal{Type: DurationLiteral, Int: d}, nil
	}
	switch {
	case isNumberStart(w):
		return Literal{}, p.errorf(at, "%s is neither a number in range nor a duration; units are ns us ms s m h", clip(w))
	case f.fieldType() == anyField || f.fieldType() == textField:
		return Literal{}, p.errorf(at, "expected %s; text stands in quotes: %s", want, strconv.Quote(clip(w)))
	}
	return Literal{}, p.errorf(at, "expected %s", want)
}

func clip(s string) string {
	if r := []rune(s[:min(len(s), 200)]); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// compile makes the regular expression match whole values, of several lines too.
func compile(re string) (*regexp.Regexp, error) {
	if _, err := syntax.Parse(re, syntax.Perl); err != nil { // alone, so that ) cannot close our group
		if e, ok := errors.AsType[*syntax.Error](err); ok {
			return nil, fmt.Errorf("%s: %s", e.Code, clip(e.Expr))
		}
		return nil, err
	}
	return regexp.Compile("^(?s:" + re + ")$")
}

func isNumberStart(s string) bool {
	s = strings.TrimLeft(s, "+-")
	s = strings.TrimPrefix(s, ".")
	return s != "" && '0' <= s[0] && s[0] <= '9'
}

// parseNumber reads a decimal number, as a literal and as the text of an attribute: no hex, no Inf, no
// NaN, no underscores. An integer beyond int64 is a float.
func parseNumber(s string) (Literal, bool) {
	if len(s) == 0 || len(s) > 400 || s[0] > '9' || !isNumberStart(s) || strings.Trim(s, "0123456789+-.eE") != "" {
		return Literal{}, false
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Literal{Type: NumberLiteral, Num: float64(i), Int: i}, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Literal{}, false
	}
	if f == 0 {
		f = 0 // not -0: zero has one form
	}
	return Literal{Type: NumberLiteral, Num: f}, true
}

// parseDuration reads 1m30s, in ns.
func parseDuration(s string) (int64, bool) {
	if len(s) > 100 || !isNumberStart(s) {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return int64(d), err == nil
}
