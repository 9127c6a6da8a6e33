package column

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// AppendJSON appends row i as JSON: an int as a number with all its digits, a float as a number or "NaN", "Infinity", "-Infinity",
// bytes in base64, a time in RFC 3339, a duration as "1m30s", an enum as its value, a map as an object.
func AppendJSON(b []byte, c *Column, i int) []byte {
	if c.IsNull(i) {
		return append(b, "null"...)
	}
	switch c.Type.Kind {
	case schema.KindBool:
		return strconv.AppendBool(b, c.Bools[i])
	case schema.KindInt:
		return strconv.AppendInt(b, c.Ints[i], 10)
	case schema.KindFloat:
		return appendFloat(b, c.Floats[i])
	case schema.KindString, schema.KindEnum:
		return appendQuoted(b, c.Texts[i])
	case schema.KindBytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(c.Texts[i]))
		return append(b, '"')
	case schema.KindTime:
		b = append(b, '"')
		b = time.Unix(0, c.Ints[i]).UTC().AppendFormat(b, time.RFC3339Nano)
		return append(b, '"')
	case schema.KindDuration:
		return appendQuoted(b, time.Duration(c.Ints[i]).String())
	case schema.KindList:
		start, end := c.Range(i)
		b = append(b, '[')
		for j := start; j < end; j++ {
			if j > start {
				b = append(b, ',')
			}
			b = AppendJSON(b, c.Items, j)
		}
		return append(b, ']')
	case schema.KindMap:
		start, end := c.Range(i)
		b = append(b, '{')
		for j := start; j < end; j++ {
			if j > start {
				b = append(b, ',')
			}
			if c.Keys.Type.Kind == schema.KindInt {
				b = append(strconv.AppendInt(append(b, '"'), c.Keys.Ints[j], 10), '"')
			} else {
				b = appendQuoted(b, c.Keys.Texts[j])
			}
			b = AppendJSON(append(b, ':'), c.Items, j)
		}
		return append(b, '}')
	case schema.KindObject:
		b = append(b, '{')
		for j, f := range c.Type.Fields {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), f.Name...), '"', ':')
			b = AppendJSON(b, c.Fields[j], i)
		}
		return append(b, '}')
	case schema.KindUnknown, schema.KindEntity:
	}
	return append(b, "null"...)
}

func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// ReadJSON reads one value of type t as a column of one row, of at most so many cells. Fields of an object that are
// missing are null if they may be; those that the type does not have are an error.
func ReadJSON(b []byte, t schema.Type, cells int) (*Column, error) {
	r := jsonReader{dec: json.NewDecoder(bytes.NewReader(b)), cells: cells, limit: cells}
	r.dec.UseNumber()
	c := New(t)
	r.value(c, r.token())
	if r.err == nil {
		if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
			r.fail("something follows the value")
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, c.check()
}

// New returns an empty column.
func New(t schema.Type) *Column {
	c := &Column{Type: t}
	switch t.Kind {
	case schema.KindMap:
		c.Keys = New(schema.Of(t.Key))
		c.Items = New(*t.Elem)
	case schema.KindList:
		c.Items = New(*t.Elem)
	case schema.KindObject:
		for _, f := range t.Fields {
			c.Fields = append(c.Fields, New(f.Type))
		}
	case schema.KindUnknown, schema.KindBool, schema.KindInt, schema.KindFloat, schema.KindString, schema.KindBytes, schema.KindTime,
		schema.KindDuration, schema.KindEnum, schema.KindEntity:
	}
	return c
}

type jsonReader struct {
	dec          *json.Decoder
	cells, limit int
	err          error
}

func (r *jsonReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d: %s", r.dec.InputOffset(), fmt.Sprintf(format, args...))
	}
}

func (r *jsonReader) token() json.Token {
	if r.err != nil {
		return nil
	}
	tok, err := r.dec.Token()
	if err != nil {
		r.fail("%v", err)
	}
	return tok
}

func (r *jsonReader) more() bool { return r.err == nil && r.dec.More() }

// value appends to c the value that begins with tok.
func (r *jsonReader) value(c *Column, tok json.Token) {
	if r.cells--; r.cells < 0 && r.err == nil {
		r.err = &LimitError{r.limit}
	}
	if r.err != nil {
		return
	}
	if tok == nil {
		if !c.Type.Null {
			r.fail("null where %s is expected", c.Type.Short())
			return
		}
		c.appendNull()
		return
	}
	switch c.Type.Kind {
	case schema.KindBool:
		v, ok := tok.(bool)
		r.want(ok, c, tok)
		c.Bools = append(c.Bools, v)
	case schema.KindInt:
		v, ok := tok.(json.Number)
		i, err := strconv.ParseInt(v.String(), 10, 64)
		r.want(ok && err == nil, c, tok)
		c.Ints = append(c.Ints, i)
	case schema.KindFloat:
		c.Floats = append(c.Floats, r.float(c, tok))
	case schema.KindString, schema.KindBytes, schema.KindTime, schema.KindDuration, schema.KindEnum:
		s, ok := tok.(string)
		r.want(ok, c, tok)
		r.text(c, s)
	case schema.KindList:
		r.want(tok == json.Delim('['), c, tok)
		for r.more() {
			r.value(c.Items, r.token())
		}
		r.token()
		c.Ends = append(c.Ends, int32(c.Items.Len))
	case schema.KindMap:
		r.want(tok == json.Delim('{'), c, tok)
		seen := map[string]bool{}
		for r.more() {
			key, _ := r.token().(string)
			if seen[key] {
				r.fail("the key %q is there twice", key)
			}
			seen[key] = true
			r.key(c.Keys, key)
			r.value(c.Items, r.token())
		}
		r.token()
		c.Ends = append(c.Ends, int32(c.Items.Len))
	case schema.KindObject:
		r.want(tok == json.Delim('{'), c, tok)
		r.object(c)
	case schema.KindUnknown, schema.KindEntity:
		r.fail("a value cannot be of the type %s", c.Type)
	}
	if c.Null != nil {
		c.Null = append(c.Null, false)
	}
	c.Len++
}

func (r *jsonReader) want(ok bool, c *Column, tok json.Token) {
	if ok {
		return
	}
	if s, isText := tok.(string); isText {
		r.fail("%.40q where %s is expected", s, c.Type.Short())
		return
	}
	r.fail("%.40v where %s is expected", tok, c.Type.Short())
}

func (r *jsonReader) float(c *Column, tok json.Token) float64 {
	switch tok := tok.(type) {
	case json.Number:
		f, err := tok.Float64()
		r.want(err == nil, c, tok)
		return f
	case string:
		if f, ok := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[tok]; ok {
			return f
		}
	}
	r.want(false, c, tok)
	return 0
}

func (r *jsonReader) text(c *Column, s string) {
	switch c.Type.Kind {
	case schema.KindBytes:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			r.fail("bytes are written in base64: %v", err)
		}
		c.Texts = append(c.Texts, string(b))
	case schema.KindTime:
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.Year() < 1678 || t.Year() > 2261 {
			r.fail("%.40q is no time like \"2006-01-02T15:04:05Z\" between 1678 and 2261", s)
			return
		}
		c.Ints = append(c.Ints, t.UnixNano())
	case schema.KindDuration:
		d, err := time.ParseDuration(s)
		if err != nil {
			r.fail("%.40q is no duration like \"1m30s\"", s)
		}
		c.Ints = append(c.Ints, int64(d))
	case schema.KindEnum:
		if !slices.Contains(c.Type.Values, s) {
			r.fail("%s", c.Type.NoValue(s))
		}
		c.Texts = append(c.Texts, s)
	default:
		if !utf8.ValidString(s) {
			r.fail("a string that is not UTF-8")
		}
		c.Texts = append(c.Texts, s)
	}
}

func (r *jsonReader) key(c *Column, s string) {
	c.Len++
	if c.Type.Kind == schema.KindString {
		c.Texts = append(c.Texts, s)
		return
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.fail("the key %.40q where an int is expected", s)
	}
	c.Ints = append(c.Ints, i)
}

func (r *jsonReader) object(c *Column) {
	row := c.Len
	for r.more() {
		name, _ := r.token().(string)
		f := c.Field(name)
		if f == nil || f.Len > row {
			r.fail("a field %.40q that is not in %s, or twice", name, c.Type.Short())
			return
		}
		r.value(f, r.token())
	}
	r.token()
	for i, f := range c.Fields {
		if r.err == nil && f.Len == row {
			if !f.Type.Null {
				r.fail("the field %q of %s is missing", c.Type.Fields[i].Name, c.Type.Short())
				return
			}
			f.appendNull()
		}
	}
}

// appendNull appends a row that is null, whatever the type says of that: in the fields of an object that is null, all are.
func (c *Column) appendNull() {
	if c.Null == nil {
		c.Null = make([]bool, c.Len)
	}
	c.AppendZero()
	c.Null[c.Len-1] = true
}

// AppendZero appends a row of zero value.
func (c *Column) AppendZero() {
	switch c.Type.Kind {
	case schema.KindBool:
		c.Bools = append(c.Bools, false)
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		c.Ints = append(c.Ints, 0)
	case schema.KindFloat:
		c.Floats = append(c.Floats, 0)
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		c.Texts = append(c.Texts, "")
	case schema.KindList, schema.KindMap:
		c.Ends = append(c.Ends, int32(c.Items.Len))
	case schema.KindObject:
		for _, f := range c.Fields {
			f.AppendZero()
		}
	case schema.KindUnknown, schema.KindEntity:
	}
	if c.Null != nil {
		c.Null = append(c.Null, false)
	}
	c.Len++
}
