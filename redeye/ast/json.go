package ast

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// AppendJSON appends the program's JSON form:
//
//	node      [operation, part, …], the parts in canonical order
//	literal   null, true, 7, 2.5 or 1e30 (a float has a point or an exponent), "text";
//	          ["bytes", base64], ["time", RFC 3339], ["duration", "1m30s"]
//	lambda    [["x"], body], or [1, body] with the number of variables if they have no names
//	object    ["object", {"id": node, …}]
//	sort      ["sort", list, key, …]; a key is a lambda, and one that descends ["desc", lambda]
//	others    ["param", "ids"], ["var", 0], ["attr", x, "year"], ["source", "get_movies", arg, …], ["call", x, "title", arg, …]
//
// The tree must be one that [Check] accepts.
func AppendJSON(b []byte, n Node) []byte {
	w := jsonWriter{buf: b}
	w.write(n)
	return w.buf
}

type jsonWriter struct{ buf []byte }

func (w *jsonWriter) write(n Node) {
	if lit, ok := n.(*Lit); ok {
		w.literal(lit.Value)
		return
	}
	w.raw("[")
	w.quote(n.Op().String())
	n.parts(w)
	w.raw("]")
}

func (w *jsonWriter) raw(s string) { w.buf = append(w.buf, s...) }

func (w *jsonWriter) quote(s string) {
	quoted, err := json.Marshal(s)
	if err != nil { // of a string there is none
		quoted = []byte(`""`)
	}
	w.buf = append(w.buf, quoted...)
}

func (w *jsonWriter) literal(v Value) {
	switch v.kind {
	case KindNull:
		w.raw("null")
	case KindBool:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case KindInt, KindFloat:
		w.raw(Literal(v))
	case KindString:
		w.quote(v.text)
	case KindBytes:
		w.raw(`["bytes",`)
		w.quote(base64.StdEncoding.EncodeToString([]byte(v.text)))
		w.raw("]")
	case KindTime:
		w.raw(`["time",`)
		w.quote(v.Time().Format(time.RFC3339Nano))
		w.raw("]")
	case KindDuration:
		w.raw(`["duration",`)
		w.quote(v.Duration().String())
		w.raw("]")
	}
}

func (w *jsonWriter) node(n *Node) {
	w.raw(",")
	w.write(*n)
}

func (w *jsonWriter) optional(n *Node) {
	if *n != nil {
		w.node(n)
	}
}

func (w *jsonWriter) lambda(f *Lambda, vars int) {
	w.raw(",")
	w.function(f, vars)
}

func (w *jsonWriter) function(f *Lambda, vars int) {
	w.raw("[")
	if len(f.Vars) == 0 {
		w.buf = strconv.AppendInt(w.buf, int64(vars), 10)
	} else {
		w.raw("[")
		for i, name := range f.Vars {
			if i > 0 {
				w.raw(",")
			}
			w.quote(name)
		}
		w.raw("]")
	}
	w.node(&f.Body)
	w.raw("]")
}

func (w *jsonWriter) nodes(ns *[]Node) {
	for i := range *ns {
		w.node(&(*ns)[i])
	}
}

func (w *jsonWriter) fields(names *[]string, values *[]Node) {
	w.raw(",{")
	for i, name := range *names {
		if i > 0 {
			w.raw(",")
		}
		w.quote(name)
		w.raw(":")
		w.write((*values)[i])
	}
	w.raw("}")
}

func (w *jsonWriter) keys(keys *[]Key) {
	for i := range *keys {
		key := &(*keys)[i]
		if !key.Desc {
			w.lambda(&key.By, 1)
			continue
		}
		w.raw(`,["desc"`)
		w.lambda(&key.By, 1)
		w.raw("]")
	}
}

func (w *jsonWriter) name(s *string) { w.text(s) }

func (w *jsonWriter) text(s *string) {
	w.raw(",")
	w.quote(*s)
}

func (w *jsonWriter) number(i *int) {
	w.raw(",")
	w.buf = strconv.AppendInt(w.buf, int64(*i), 10)
}

func (w *jsonWriter) value(v *Value) {
	w.raw(",")
	w.literal(*v)
}

// ReadJSON reads a program from its JSON form, as [ReadProto] does from the other.
func ReadJSON(b []byte, limits Limits) (Node, error) {
	limits = limits.Or()
	if len(b) > limits.Bytes {
		return nil, &LimitError{"bytes", limits.Bytes}
	}
	r := jsonReader{dec: json.NewDecoder(bytes.NewReader(b)), limits: limits}
	r.dec.UseNumber()
	n := r.read(r.token())
	if r.err == nil {
		if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
			r.fail("something follows the program")
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := Check(n, limits); err != nil {
		return nil, err
	}
	return n, nil
}

type jsonReader struct {
	dec    *json.Decoder
	limits Limits
	count  int // of nodes
	depth  int
	op     Op // of the node whose parts are being read
	err    error
}

func (r *jsonReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("program, byte %d: %s", r.dec.InputOffset(), fmt.Sprintf(format, args...))
	}
}

// token returns the next token, nil also after an error.
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

func (r *jsonReader) expect(d json.Delim) {
	if tok := r.token(); r.err == nil && tok != d {
		r.fail("%s, not %v, is expected here", d, tok)
	}
}

func (r *jsonReader) more() bool { return r.err == nil && r.dec.More() }

// read reads the node that begins with tok.
func (r *jsonReader) read(tok json.Token) Node {
	if r.err != nil {
		return nil
	}
	if r.count++; r.count > r.limits.Nodes {
		r.err = &LimitError{"nodes", r.limits.Nodes}
		return nil
	}
	if r.depth >= r.limits.Depth {
		r.err = &LimitError{"levels", r.limits.Depth}
		return nil
	}
	switch tok := tok.(type) {
	case nil:
		return &Lit{Null()}
	case bool:
		return &Lit{Bool(tok)}
	case string:
		return &Lit{String(tok)}
	case json.Number:
		return &Lit{r.numeral(tok.String())}
	case json.Delim:
		if tok == '[' {
			return r.operation()
		}
	}
	r.fail("a node is a literal or [operation, part, …], not %v", tok)
	return nil
}

func (r *jsonReader) numeral(s string) Value {
	if !strings.ContainsAny(s, ".eE") {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			r.fail("%s is no int of 64 bits", clip(s))
		}
		return Int(i)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		r.fail("%s is no float of 64 bits", clip(s))
	}
	return Float(f)
}

// operation reads a node after its bracket.
func (r *jsonReader) operation() Node {
	var name string
	r.text(&name)
	if v, ok := r.scalar(name); ok {
		r.expect(']')
		return &Lit{v}
	}
	op, ok := opsByName[name]
	if !ok {
		r.fail("there is no operation %q", clip(name))
		return nil
	}
	outer := r.op
	r.op = op
	r.depth++
	n := op.New()
	n.parts(r)
	r.depth--
	r.op = outer
	r.expect(']')
	return n
}

// scalar reads the text of a literal that JSON has no kind for.
func (r *jsonReader) scalar(kind string) (v Value, ok bool) {
	var s string
	var err error
	switch kind {
	default:
		return Value{}, false
	case "bytes":
		r.text(&s)
		var b []byte
		b, err = base64.StdEncoding.DecodeString(s)
		v = Bytes(string(b))
	case "time":
		r.text(&s)
		v, err = ParseTime(s)
	case "duration":
		r.text(&s)
		v, err = ParseDuration(s)
	}
	if err != nil {
		r.fail("%v", err)
	}
	return v, true
}

// ParseTime reads a literal of a point in time in RFC 3339.
func ParseTime(s string) (Value, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Value{}, fmt.Errorf("%q is no time like \"2006-01-02T15:04:05Z\"", clip(s))
	}
	if t.Before(minTime) || t.After(maxTime) {
		return Value{}, fmt.Errorf("%q is not between 1678 and 2262", clip(s))
	}
	return Time(t), nil
}

// ParseDuration reads a literal of a span of time in Go's notation.
func ParseDuration(s string) (Value, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return Value{}, fmt.Errorf("%q is no duration like \"1m30s\"", clip(s))
	}
	return Duration(d), nil
}

func (r *jsonReader) node(n *Node) { *n = r.read(r.token()) }

func (r *jsonReader) optional(n *Node) {
	if r.op != OpSource {
		r.node(n)
	}
}

func (r *jsonReader) lambda(f *Lambda, vars int) {
	r.expect('[')
	r.function(f, vars, r.token())
}

// function reads a lambda that begins, after its bracket, with tok.
func (r *jsonReader) function(f *Lambda, vars int, tok json.Token) {
	if n, ok := tok.(json.Number); ok {
		if n.String() != strconv.Itoa(vars) {
			r.fail("%s takes a function of %d variables, not of %s", r.op, vars, clip(n.String()))
		}
	} else {
		if r.err == nil && tok != json.Delim('[') {
			r.fail("a function is [[\"x\"], body], not [%v", tok)
		}
		for r.more() {
			var name string
			r.text(&name)
			f.Vars = append(f.Vars, name)
		}
		r.expect(']')
		if len(f.Vars) != vars {
			r.fail("%s takes a function of %d variables, not of %d", r.op, vars, len(f.Vars))
		}
	}
	r.node(&f.Body)
	r.expect(']')
}

func (r *jsonReader) nodes(ns *[]Node) {
	for r.more() {
		*ns = append(*ns, r.read(r.token()))
	}
}

func (r *jsonReader) fields(names *[]string, values *[]Node) {
	r.expect('{')
	for r.more() {
		var name string
		r.text(&name)
		*names = append(*names, name)
		*values = append(*values, r.read(r.token()))
	}
	r.expect('}')
}

func (r *jsonReader) keys(keys *[]Key) {
	for r.more() {
		var key Key
		r.expect('[')
		tok := r.token()
		if key.Desc = tok == "desc"; key.Desc {
			r.lambda(&key.By, 1)
			r.expect(']')
		} else {
			r.function(&key.By, 1, tok)
		}
		*keys = append(*keys, key)
	}
}

func (r *jsonReader) name(s *string) { r.text(s) }

func (r *jsonReader) text(s *string) {
	tok := r.token()
	text, ok := tok.(string)
	if !ok {
		r.fail("a text, not %v, is expected here", tok)
	}
	*s = text
}

func (r *jsonReader) number(i *int) {
	tok := r.token()
	n, ok := tok.(json.Number)
	v, err := strconv.ParseInt(n.String(), 10, 32)
	if !ok || err != nil {
		r.fail("a small whole number, not %v, is expected here", tok)
	}
	*i = int(v)
}

func (r *jsonReader) value(v *Value) {
	lit, ok := r.read(r.token()).(*Lit)
	if !ok {
		r.fail("a literal is expected here")
		return
	}
	*v = lit.Value
}
