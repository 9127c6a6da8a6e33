package wire

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads JSON (RFC 8259), whatever it says.

// jsonDepth bounds the nesting of a document; OTLP needs 8 levels and 4 for each list within an attribute.
const jsonDepth = 1000

// jsonDecoder reads the document text, which is also the batch's text; at is the next byte.
type jsonDecoder struct {
	filler
	text  []byte
	at    int
	depth int
	err   error    // the first; sticky
	short bool     // the value at work was shortened
	key   jsonText // of the member at work, until its value is read
}

// begin makes the decoder ready for a body that becomes the text of b.
func (d *jsonDecoder) begin(body []byte, lim Limits, b *span.Batch) {
	d.reset(lim, b)
	d.text, d.at, d.depth, d.err, d.short = body, 0, 0, nil, false
	b.SetText(body)
}

// end is what became of a body of which one value has been read.
func (d *jsonDecoder) end() (Report, error) {
	if d.space(); d.err == nil && d.at < len(d.text) {
		d.fail(d.at, "text after the end of the request")
	}
	rep, err := d.rep, d.err
	d.text, d.key, d.err = nil, jsonText{}, nil
	d.reset(Limits{}, nil)
	return rep, err
}

func (d *jsonDecoder) fail(at int, msg string) {
	if d.err == nil {
		d.err = &Error{at, msg}
	}
}

func (d *jsonDecoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (d *jsonDecoder) peek() byte {
	if d.at < len(d.text) {
		return d.text[d.at]
	}
	return 0
}

// next skips space and takes c if it comes next.
func (d *jsonDecoder) next(c byte) bool {
	if d.space(); d.peek() != c || d.at >= len(d.text) {
		return false
	}
	d.at++
	return true
}

// word takes w if it comes next.
func (d *jsonDecoder) word(w string) bool {
	d.space()
	if n := d.at + len(w); n <= len(d.text) && string(d.text[d.at:n]) == w {
		d.at = n
		return true
	}
	return false
}

func (d *jsonDecoder) null() bool {
	d.space()
	return d.peek() == 'n' && d.word("null")
}

func (d *jsonDecoder) enter() bool {
	if d.depth++; d.depth > jsonDepth {
		d.fail(d.at, fmt.Sprintf("nested deeper than %d", jsonDepth))
	}
	return d.err == nil
}

// object reads an object, or null; member must consume the value of each key.
func (d *jsonDecoder) object(member func(key []byte)) {
	defer func() { d.depth-- }()
	if !d.enter() || d.null() {
		return
	}
	if !d.next('{') {
		d.unexpected("an object")
		return
	}
	for n := 0; d.err == nil && !d.next('}'); n++ {
		if n > 0 && !d.next(',') {
			d.unexpected("a comma or }")
			return
		}
		d.space()
		d.key = d.quoted()
		if !d.next(':') {
			d.unexpected("a colon")
			return
		}
		d.space()
		member(d.key.text)
	}
}

// array reads an array, or null; element must consume each element.
func (d *jsonDecoder) array(element func()) {
	defer func() { d.depth-- }()
	if !d.enter() || d.null() {
		return
	}
	if !d.next('[') {
		d.unexpected("an array")
		return
	}
	for n := 0; d.err == nil && !d.next(']'); n++ {
		if n > 0 && !d.next(',') {
			d.unexpected("a comma or ]")
			return
		}
		d.space()
		element()
	}
}

func (d *jsonDecoder) unexpected(want string) {
	if d.space(); d.at >= len(d.text) {
		d.fail(d.at, "the text ends where "+want+" should be")
		return
	}
	d.fail(d.at, fmt.Sprintf("%q where %s should be", d.peek(), want))
}

// skip reads any value.
func (d *jsonDecoder) skip() {
	if d.err != nil {
		return
	}
	switch d.space(); d.peek() {
	case '{':
		d.object(func([]byte) { d.skip() })
	case '[':
		d.array(d.skip)
	case '"':
		d.quoted()
	case 't', 'f', 'n':
		if !d.word("true") && !d.word("false") && !d.word("null") {
			d.unexpected("a value")
		}
	default:
		d.number()
	}
}

// number reads a number and returns its text.
func (d *jsonDecoder) number() []byte {
	from := d.at
	digits := func() {
		n := d.at
		for c := d.peek(); '0' <= c && c <= '9'; c = d.peek() {
			d.at++
		}
		if d.at == n {
			d.unexpected("a digit")
		}
	}
	if d.peek() == '-' {
		d.at++
	}
	if d.peek() == '0' {
		d.at++
	} else {
		digits()
	}
	if d.peek() == '.' {
		d.at++
		digits()
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.at++
		if c := d.peek(); c == '+' || c == '-' {
			d.at++
		}
		digits()
	}
	if d.err != nil {
		return nil
	}
	return d.text[from:d.at]
}

// jsonText is a string as read: where it lies in the document, or unescaped in memory of its own.
type jsonText struct {
	text []byte
	off  int // in the document; -1 if it does not stand there as it reads
}

// put is where the batch has the text.
func (d *jsonDecoder) put(t jsonText) span.Text {
	if t.off < 0 {
		return d.b.PutBytes(t.text)
	}
	return span.Text{Off: uint32(t.off), Len: uint32(len(t.text))}
}

// quoted reads a string. Its text is good until the next string is read.
func (d *jsonDecoder) quoted() jsonText {
	if d.err != nil {
		return jsonText{}
	}
	if d.peek() != '"' {
		d.unexpected("a string")
		return jsonText{}
	}
	from := d.at + 1
	plain := true
	for i := from; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.at = i + 1
			raw := d.text[from:i]
			if plain && isUTF8(raw) {
				return jsonText{raw, from}
			}
			return jsonText{d.unescaped(raw, from), -1}
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			d.fail(i, "a control character in a string")
			return jsonText{}
		}
	}
	d.fail(len(d.text), "the text ends within a string")
	return jsonText{}
}

// unescaped resolves the escapes of a string and repairs what is not UTF-8; at is its place.
func (d *jsonDecoder) unescaped(raw []byte, at int) []byte {
	out := d.scratch[:0]
	bad := false
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(raw[i:])
			bad = bad || r == utf8.RuneError && n == 1
			out = utf8.AppendRune(out, r)
			i += n
			continue
		case c != '\\':
			out = append(out, c)
			i++
			continue
		case i+1 == len(raw):
			d.fail(at+i, "a broken escape")
			return nil
		}
		c = raw[i+1]
		if j := strings.IndexByte(`"\/bfnrt`, c); j >= 0 {
			out = append(out, "\"\\/\b\f\n\r\t"[j])
			i += 2
			continue
		}
		r, ok := hex4(raw[i:])
		if !ok {
			d.fail(at+i, "a broken escape")
			return nil
		}
		i += 6
		if utf16.IsSurrogate(r) {
			second, _ := hex4(raw[i:])
			if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
				i += 6
			} else {
				bad = true
			}
		}
		out = utf8.AppendRune(out, r)
	}
	if bad {
		d.rep.Replaced++
	}
	d.scratch = out
	return out
}

// hex4 reads \uXXXX.
func hex4(p []byte) (rune, bool) {
	if len(p) < 6 || p[0] != '\\' || p[1] != 'u' {
		return 0, false
	}
	var b [2]byte
	if _, err := hex.Decode(b[:], p[2:6]); err != nil {
		return 0, false
	}
	return rune(b[0])<<8 | rune(b[1]), true
}

// string reads a string, or null as "".
func (d *jsonDecoder) string() span.Text {
	if d.null() {
		return span.Text{}
	}
	t := d.put(d.quoted())
	t.Len = uint32(len(d.shortened(d.b.Bytes(t))))
	return t
}

// integer reads a number or a string that holds one. bits is 32 or 64 for an unsigned one, which may yet be a
// negative one of 32 bits, -64 for a signed one. null is 0.
func (d *jsonDecoder) integer(bits int) uint64 {
	if d.null() {
		return 0
	}
	at := d.at
	p := d.numeral()
	if d.err != nil {
		return 0
	}
	most := uint64(math.MaxUint64)
	switch bits {
	case 32:
		most = math.MaxUint32
	case -64:
		most = math.MaxInt64
	}
	if v, ok := digits(p); ok && v <= most {
		return v
	}
	text := string(p)
	if bits != 64 {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil && (bits == -64 || math.MinInt32 <= v && v <= math.MaxUint32) {
			return uint64(v)
		}
	} else if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		return v
	}
	// 1e3 and 5.0 are integers too, as JSON has them.
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) {
		switch {
		case bits == 64 && 0 <= f && f < 1<<64:
			return uint64(f)
		case bits == -64 && -1<<63 <= f && f < 1<<63, bits == 32 && math.MinInt32 <= f && f <= math.MaxUint32:
			return uint64(int64(f))
		}
	}
	hint := ""
	if bits == 32 {
		hint = " (enums are numbers, not names)"
	}
	d.fail(at, fmt.Sprintf("%.40q is not an integer that fits here%s", text, hint))
	return 0
}

// digits is the number that up to 19 digits are.
func digits(p []byte) (v uint64, ok bool) {
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, 0 < len(p) && len(p) <= 19
}

// numeral reads a number, or the text of a string in its place.
func (d *jsonDecoder) numeral() []byte {
	d.space()
	if d.peek() == '"' {
		return d.quoted().text
	}
	return d.number()
}
