package span

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// This file is the JSON text of values, the form in which lists, maps and whole sets of attributes are
// kept (see [ValueType]). Append and Parse are inverses for valid UTF-8.

// maxJSONDepth bounds the nesting that the parser follows; codecs cut deeper values on arrival.
const maxJSONDepth = 128

var errJSONDepth = fmt.Errorf("nested deeper than %d", maxJSONDepth)

// The keys that stand for what JSON cannot say.
const (
	bytesKey  = "bytesValue"
	doubleKey = "doubleValue"
	kvlistKey = "kvlistValue"
)

// AppendJSON appends v as JSON. The text of a List or Map is taken as it is.
func AppendJSON(dst []byte, v Value) []byte {
	switch v.Type {
	case Null:
		return append(dst, "null"...)
	case String:
		return AppendJSONString(dst, v.Str)
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case Double:
		return appendJSONDouble(dst, v.Double())
	case Bytes:
		dst = append(dst, `{"`+bytesKey+`":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(v.Str))
		return append(dst, `"}`...)
	case List, Map:
		return append(dst, v.Str...)
	}
	return append(dst, "null"...)
}

// AppendJSONMap appends attributes as a JSON object, in their order.
func AppendJSONMap(dst []byte, attrs []Attribute) []byte {
	wrapped := len(attrs) == 1 && isEscapeKey(attrs[0].Key)
	if wrapped {
		dst = append(dst, `{"`+kvlistKey+`":`...)
	}
	dst = append(dst, '{')
	for i, a := range attrs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, a.Key)
		dst = append(dst, ':')
		dst = AppendJSON(dst, a.Value)
	}
	dst = append(dst, '}')
	if wrapped {
		dst = append(dst, '}')
	}
	return dst
}

// AppendJSONList appends values as a JSON array.
func AppendJSONList(dst []byte, values []Value) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSON(dst, v)
	}
	return append(dst, ']')
}

// AppendJSONString appends s quoted. Bytes that are not UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && isPlain(s[i:i+8]) {
			i += 8
			continue
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// AppendPlainJSON appends p quoted if JSON has it as it is: ASCII without control characters, quotes and backslashes.
// Else it appends nothing and is false.
func AppendPlainJSON(dst, p []byte) ([]byte, bool) {
	s := unsafe.String(unsafe.SliceData(p), len(p))
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if !isPlain(s[i : i+8]) {
			return dst, false
		}
	}
	if len(s) >= 8 { // the rest, and some of what was seen
		if i < len(s) && !isPlain(s[len(s)-8:]) {
			return dst, false
		}
		i = len(s)
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return dst, false
		}
	}
	return append(append(append(dst, '"'), s...), '"'), true
}

// isPlain says that none of eight bytes is a control character, a quote, a backslash, or not ASCII. By the test for a zero
// byte (x-0x01…)&^x&0x80…, which may find one too many behind one that is there, but none where there is none.
func isPlain(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	quote, backslash := x^ones*'"', x^ones*'\\'
	return (x|(x-ones*' ')|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs == 0
}

func appendJSONDouble(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		text := "NaN"
		if math.IsInf(f, 1) {
			text = "Infinity"
		} else if math.IsInf(f, -1) {
			text = "-Infinity"
		}
		return append(append(append(dst, `{"`+doubleKey+`":"`...), text...), `"}`...)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	for _, c := range dst[from:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...) // a point tells a double from an integer
}

func isEscapeKey(k string) bool { return k == bytesKey || k == doubleKey || k == kvlistKey }

// ParseJSONMap reads what AppendJSONMap wrote. Errors name the byte offset.
func ParseJSONMap(text string) ([]Attribute, error) {
	p := jsonParser{text: text}
	v, attrs, err := p.object(0, true)
	if err == nil && v.Type != Map {
		err = errors.New("a single value, not a map")
	}
	return attrs, p.finish(err)
}

// ParseJSONList reads what AppendJSONList wrote. Errors name the byte offset.
func ParseJSONList(text string) ([]Value, error) {
	p := jsonParser{text: text}
	values, err := p.array(0, true)
	return values, p.finish(err)
}

// NormalJSON is v as the functions Append… write it, whose text others may have written: the parser takes more than these write, control
// characters in strings and spaces between things, and a key that comes twice, of which the last counts. What cannot be parsed is null.
func NormalJSON(v Value) Value {
	switch v.Type {
	case List:
		values, err := ParseJSONList(v.Str)
		if err != nil {
			return Value{}
		}
		for i := range values {
			values[i] = NormalJSON(values[i])
		}
		return TextValue(List, string(AppendJSONList(nil, values)))
	case Map:
		attrs, err := ParseJSONMap(v.Str)
		if err != nil {
			return Value{}
		}
		places := make(map[string]int, len(attrs))
		kept := attrs[:0]
		for _, a := range attrs {
			a.Value = NormalJSON(a.Value)
			if at, ok := places[a.Key]; ok {
				kept[at] = a
				continue
			}
			places[a.Key] = len(kept)
			kept = append(kept, a)
		}
		return TextValue(Map, string(AppendJSONMap(nil, kept)))
	default:
		return v
	}
}

// jsonParser reads one document of text; at is the next byte.
type jsonParser struct {
	text string
	at   int
}

func (p *jsonParser) finish(err error) error {
	if p.space(); err == nil && p.at < len(p.text) {
		err = errors.New("text after the end")
	}
	if err != nil {
		return fmt.Errorf("value text, byte %d: %w", p.at, err)
	}
	return nil
}

func (p *jsonParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next skips space and consumes c if it comes next.
func (p *jsonParser) next(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// value reads any value; lists and maps keep their text.
func (p *jsonParser) value(depth int) (Value, error) {
	if depth > maxJSONDepth {
		return Value{}, errJSONDepth
	}
	p.space()
	if p.at >= len(p.text) {
		return Value{}, errors.New("text ends within a value")
	}
	from := p.at
	switch c := p.text[p.at]; {
	case c == '{':
		v, _, err := p.object(depth, false)
		return v, err
	case c == '[':
		_, err := p.array(depth, false)
		return TextValue(List, p.text[from:p.at]), err
	case c == '"':
		s, err := p.quoted()
		return StringValue(s), err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	for word, v := range map[string]Value{"null": {}, "true": BoolValue(true), "false": BoolValue(false)} {
		if strings.HasPrefix(p.text[p.at:], word) {
			p.at += len(word)
			return v, nil
		}
	}
	return Value{}, fmt.Errorf("unexpected %q", p.text[p.at])
}

// object reads a map, or the object form of another value. The attributes are those of a map, and good only if they
// are wanted: a map that is wrapped is read twice for them, and would be 2ⁿ times where n are wrapped in each other.
func (p *jsonParser) object(depth int, wanted bool) (Value, []Attribute, error) {
	p.space()
	from := p.at
	attrs, last, err := p.members(depth)
	if err != nil {
		return Value{}, nil, err
	}
	whole := TextValue(Map, p.text[from:p.at])
	if len(attrs) != 1 {
		return whole, attrs, nil
	}
	switch key, only := attrs[0].Key, attrs[0].Value; {
	case key == bytesKey && only.Type == String:
		if raw, err := base64.StdEncoding.DecodeString(only.Str); err == nil {
			return TextValue(Bytes, string(raw)), nil, nil
		}
	case key == doubleKey && only.Type == String:
		if f, err := strconv.ParseFloat(only.Str, 64); err == nil {
			return DoubleValue(f), nil, nil
		}
	case key == kvlistKey && p.text[last] == '{' && wanted:
		// The value's text stays wrapped, for it must read back as this map wherever it is embedded;
		// inside the wrapping every key is plain.
		inner := jsonParser{text: p.text[last:p.at]}
		attrs, _, err := inner.members(depth + 1)
		return whole, attrs, err
	}
	return whole, attrs, nil
}

// members reads { "key": value, … } and says where the last value starts.
func (p *jsonParser) members(depth int) (attrs []Attribute, last int, err error) {
	if !p.next('{') {
		return nil, 0, errors.New("want {")
	}
	for !p.next('}') {
		if len(attrs) > 0 && !p.next(',') {
			return nil, 0, errors.New("want a comma or }")
		}
		p.space()
		key, err := p.quoted()
		if err != nil {
			return nil, 0, err
		}
		if !p.next(':') {
			return nil, 0, errors.New("want a colon")
		}
		p.space()
		last = p.at
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, 0, err
		}
		attrs = append(attrs, Attribute{key, v})
	}
	return attrs, last, nil
}

// array reads a list, whose values it gathers only if they are wanted.
func (p *jsonParser) array(depth int, wanted bool) ([]Value, error) {
	if !p.next('[') {
		return nil, errors.New("want [")
	}
	values := []Value{}
	for first := true; !p.next(']'); first = false {
		if !first && !p.next(',') {
			return nil, errors.New("want a comma or ]")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if wanted {
			values = append(values, v)
		}
	}
	return values, nil
}

func (p *jsonParser) quoted() (string, error) {
	if p.at >= len(p.text) || p.text[p.at] != '"' {
		return "", errors.New("want a string")
	}
	escaped := false
	for i := p.at + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			raw := p.text[p.at : i+1]
			p.at = i + 1
			if !escaped {
				return raw[1 : len(raw)-1], nil
			}
			var s string
			err := json.Unmarshal([]byte(raw), &s)
			return s, err
		}
	}
	return "", errors.New("text ends within a string")
}

func (p *jsonParser) number() (Value, error) {
	from := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789eE", p.text[p.at]) >= 0 {
		p.at++
	}
	digits := p.text[from:p.at]
	if strings.ContainsAny(digits, ".eE") {
		f, err := strconv.ParseFloat(digits, 64)
		return DoubleValue(f), err
	}
	i, err := strconv.ParseInt(digits, 10, 64)
	return IntValue(i), err
}
