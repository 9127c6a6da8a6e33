package local

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unique"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file is the JSON in which resources, scopes, events and links stand in their columns:
//
//	resource  {"attributes":{…},"droppedAttributesCount":1,"schemaUrl":"…"}
//	scope     {"name":"…","version":"…","attributes":{…},"droppedAttributesCount":1,"schemaUrl":"…"}
//	events    [{"time":1700000000000000000,"name":"…","attributes":{…},"droppedAttributesCount":1},…]
//	links     [{"traceId":"…","spanId":"…","traceState":"…","attributes":{…},"droppedAttributesCount":1,"flags":1},…]
//
// The attributes of a resource are always there; other members that are empty or zero are left out.
// Maps of attributes are as package span writes them, ascending by key but for those of more_attributes; of equal keys the last is
// kept. So equal resources have equal text. What JSON text cannot hold, strings that are not UTF-8 and
// NaNs of unusual bits, is {"$raw":{"type":1,"bytes":…}} with the value's bytes, or big-endian bits, and
// such a key is "$raw:" and its base64.

func attribute(b *span.Batch, a span.Attr) span.Attribute {
	return span.Attribute{Key: b.String(a.Key), Value: b.Value(a)}
}

func attributes(b *span.Batch, r span.Range) []span.Attribute {
	attrs := make([]span.Attribute, 0, r.Len())
	for _, a := range b.Values[r.From:r.To] {
		attrs = append(attrs, attribute(b, a))
	}
	return canonical(attrs)
}

// canonical sorts by key in place, keeping the last of equal keys.
func canonical(attrs []span.Attribute) []span.Attribute {
	slices.SortStableFunc(attrs, func(a, b span.Attribute) int { return strings.Compare(a.Key, b.Key) })
	out := attrs[:0]
	for i, a := range attrs {
		if i+1 == len(attrs) || attrs[i+1].Key != a.Key {
			out = append(out, a)
		}
	}
	return out
}

func valueOf(attrs []span.Attribute, key string) (span.Value, bool) {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value, true
		}
	}
	return span.Value{}, false
}

func serviceOf(resource []span.Attribute) string {
	if v, ok := valueOf(resource, "service.name"); ok && v.Type == span.String && v.Str != "" {
		return v.Str
	}
	return span.UnknownService
}

// object collects the members of a JSON object.
type object []span.Attribute

func (o *object) text(key string, p string) {
	if p != "" {
		*o = append(*o, span.Attribute{Key: key, Value: span.StringValue(p)})
	}
}

func (o *object) num(key string, n uint32) {
	if n != 0 {
		*o = append(*o, span.Attribute{Key: key, Value: span.IntValue(int64(n))})
	}
}

func (o *object) attrs(b *span.Batch, r span.Range, always bool) {
	if r.Len() > 0 || always {
		text := appendMap(nil, attributes(b, r))
		*o = append(*o, span.Attribute{Key: "attributes", Value: span.TextValue(span.Map, string(text))})
	}
}

func appendResource(dst []byte, b *span.Batch, r span.ResourceRow) []byte {
	var o object
	o.attrs(b, r.Attrs, true)
	o.num("droppedAttributesCount", r.Dropped)
	o.text("schemaUrl", b.String(r.SchemaURL))
	return appendMap(dst, o)
}

func appendScope(dst []byte, b *span.Batch, s span.ScopeRow) []byte {
	var o object
	o.text("name", b.String(s.Name))
	o.text("version", b.String(s.Version))
	o.attrs(b, s.Attrs, false)
	o.num("droppedAttributesCount", s.Dropped)
	o.text("schemaUrl", b.String(s.SchemaURL))
	return appendMap(dst, o)
}

func appendEvents(dst []byte, b *span.Batch, r span.Range) []byte {
	dst = append(dst, '[')
	for i, e := range b.Events[r.From:r.To] {
		if i > 0 {
			dst = append(dst, ',')
		}
		o := object{{Key: "time", Value: span.IntValue(e.Time)}}
		o.text("name", b.String(e.Name))
		o.attrs(b, e.Attrs, false)
		o.num("droppedAttributesCount", e.Dropped)
		dst = appendMap(dst, o)
	}
	return append(dst, ']')
}

func appendLinks(dst []byte, b *span.Batch, r span.Range) []byte {
	dst = append(dst, '[')
	for i, l := range b.Links[r.From:r.To] {
		if i > 0 {
			dst = append(dst, ',')
		}
		var o object
		o.text("traceId", l.TraceID.String())
		o.text("spanId", l.SpanID.String())
		o.text("traceState", b.String(l.TraceState))
		o.attrs(b, l.Attrs, false)
		o.num("droppedAttributesCount", l.Dropped)
		o.num("flags", l.Flags)
		dst = appendMap(dst, o)
	}
	return append(dst, ']')
}

// parsed is an object of any of the columns: the members that it does not have are zero.
type parsed struct {
	name, version, schemaURL string
	traceID, spanID          string
	traceState               string
	time                     int64
	attrs                    []span.Attribute
	dropped, flags           uint32

	text  unique.Handle[string] // of a resource or scope: what it was parsed from
	block block                 // of a resource or scope: its attrs
}

// block is attributes as a batch has them.
type block struct {
	text   []byte
	values []span.Attr // their texts are places in text
}

func newBlock(attrs []span.Attribute) block {
	var b span.Batch
	for _, a := range attrs {
		b.AddAttr(b.PutText(a.Key), a.Value)
	}
	return block{b.Bytes(span.Text{Len: uint32(b.TextLen())}), b.Values}
}

// put adds the attributes to a batch.
func (o *block) put(b *span.Batch) span.Range {
	r, base := span.Range{From: uint32(len(b.Values))}, b.PutBytes(o.text).Off
	b.Values = append(b.Values, o.values...)
	for i := range b.Values[r.From:] {
		a := &b.Values[int(r.From)+i]
		a.Key.Off += base
		if a.Type.IsText() {
			t := a.Text()
			t.Off += base
			a.Num = span.TextNum(t)
		}
	}
	r.To = uint32(len(b.Values))
	return r
}

// size is what p takes in memory, roughly.
func (p *parsed) size() int {
	n := 256 + len(p.text.Value()) + len(p.block.text)
	for _, a := range p.attrs {
		n += 64 + 24 + len(a.Key) + len(a.Value.Str)
	}
	return n
}

func parseObject(text string) (p parsed, err error) {
	members, err := parseMap(text)
	if err != nil {
		return p, err
	}
	for _, m := range members {
		switch m.Key {
		case "name":
			p.name = m.Value.Str
		case "version":
			p.version = m.Value.Str
		case "schemaUrl":
			p.schemaURL = m.Value.Str
		case "traceId":
			p.traceID = m.Value.Str
		case "spanId":
			p.spanID = m.Value.Str
		case "traceState":
			p.traceState = m.Value.Str
		case "time":
			p.time = m.Value.Int()
		case "attributes":
			if p.attrs, err = parseMap(m.Value.Str); err != nil {
				return p, err
			}
		case "droppedAttributesCount":
			p.dropped = uint32(m.Value.Int())
		case "flags":
			p.flags = uint32(m.Value.Int())
		}
	}
	return p, nil
}

func parseObjects(text string) ([]parsed, error) {
	values, err := span.ParseJSONList(text)
	if err != nil {
		return nil, err
	}
	list := make([]parsed, len(values))
	for i, v := range values {
		if list[i], err = parseObject(v.Str); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// parseID reads the hex digits of a link's id; all zeros is an id there.
func parseID(s string) uint64 {
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0
	}
	return id
}

// parseCode reads the name of a kind or status, or the form "kind(9)" of one that has no name.
func parseCode(name string, parse func(string) (uint8, bool)) (uint8, error) {
	if v, ok := parse(name); ok {
		return v, nil
	}
	_, rest, _ := strings.Cut(name, "(")
	n, err := strconv.ParseUint(strings.TrimSuffix(rest, ")"), 10, 8)
	if err != nil {
		return 0, fmt.Errorf("%.40q is neither a kind nor a status", name)
	}
	return uint8(n), nil
}

func parseKind(name string) (uint8, bool)   { k, ok := span.ParseKind(name); return uint8(k), ok }
func parseStatus(name string) (uint8, bool) { s, ok := span.ParseStatus(name); return uint8(s), ok }

const (
	rawKey    = "$raw"
	rawPrefix = `{"` + rawKey + `":`
)

// appendMap is [span.AppendJSONMap], lossless for all bytes.
func appendMap(dst []byte, attrs []span.Attribute) []byte {
	if slices.ContainsFunc(attrs, isRaw) {
		attrs = slices.Clone(attrs)
		for i := range attrs {
			a := &attrs[i]
			if isRawKey(a.Key) {
				a.Key = rawKey + ":" + base64.StdEncoding.EncodeToString([]byte(a.Key))
			}
			if isRawValue(a.Value) {
				a.Value = rawValue(a.Value)
			}
		}
	}
	return span.AppendJSONMap(dst, attrs)
}

// maxPlainMap is how many attributes appendPlainMap takes: it compares each key with all before it.
const maxPlainMap = 32

// appendPlainMap is appendMap of attributes with nothing special, without sorting them, which is for who reads them. Ok is false, and
// nothing appended, for what it leaves to appendMap: keys that occur twice or are not plain, values that JSON does not have as they are.
func appendPlainMap(dst []byte, b *span.Batch, attrs []span.Attr) (_ []byte, ok bool) {
	if len(attrs) < 2 || len(attrs) > maxPlainMap { // the key of one alone may be one that stands for something
		return dst, false
	}
	from := len(dst)
	dst = append(dst, '{')
	for i := range attrs {
		a := &attrs[i]
		key := b.Bytes(a.Key)
		for j := range attrs[:i] {
			if attrs[j].Key.Len == a.Key.Len && string(b.Bytes(attrs[j].Key)) == string(key) {
				return dst[:from], false
			}
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, ok = span.AppendPlainJSON(dst, key); !ok || strings.HasPrefix(viewString(key), rawKey+":") {
			return dst[:from], false
		}
		dst = append(dst, ':')
		if dst, ok = appendPlainValue(dst, b, a); !ok {
			return dst[:from], false
		}
	}
	return append(dst, '}'), true
}

func appendPlainValue(dst []byte, b *span.Batch, a *span.Attr) ([]byte, bool) {
	if a.Type == span.String {
		p := b.Bytes(a.Text())
		if dst, ok := span.AppendPlainJSON(dst, p); ok {
			return dst, true
		}
		if !utf8.Valid(p) {
			return dst, false
		}
		return span.AppendJSONString(dst, viewString(p)), true
	}
	v := borrowed(b, a).Value
	if isRawValue(v) {
		return dst, false
	}
	return span.AppendJSON(dst, v), true
}

func isRaw(a span.Attribute) bool { return isRawKey(a.Key) || isRawValue(a.Value) }

func isRawKey(key string) bool {
	return strings.HasPrefix(key, rawKey+":") || !utf8.ValidString(key)
}

func isRawValue(v span.Value) bool {
	switch v.Type {
	case span.String:
		return !utf8.ValidString(v.Str)
	case span.Double:
		return v.Num != math.Float64bits(math.NaN()) && math.IsNaN(v.Double())
	case span.Map: // a map that looks like one of these
		return strings.HasPrefix(v.Str, rawPrefix)
	case span.Null, span.Bool, span.Int, span.Bytes, span.List:
	}
	return false
}

func rawValue(v span.Value) span.Value {
	raw := v.Str
	if !v.Type.IsText() {
		raw = string(binary.BigEndian.AppendUint64(nil, v.Num))
	}
	inner := span.AppendJSONMap(nil, []span.Attribute{
		{Key: "type", Value: span.IntValue(int64(v.Type))}, {Key: "bytes", Value: span.TextValue(span.Bytes, raw)},
	})
	outer := span.AppendJSONMap(nil, []span.Attribute{{Key: rawKey, Value: span.TextValue(span.Map, string(inner))}})
	return span.TextValue(span.Map, string(outer))
}

// parseMap is the inverse of appendMap.
func parseMap(text string) ([]span.Attribute, error) {
	attrs, err := span.ParseJSONMap(text)
	if err != nil {
		return nil, err
	}
	for i := range attrs {
		a := &attrs[i]
		if code, ok := strings.CutPrefix(a.Key, rawKey+":"); ok {
			key, err := base64.StdEncoding.DecodeString(code)
			if err != nil {
				return nil, fmt.Errorf("key %.40q: %w", a.Key, err)
			}
			a.Key = string(key)
		}
		if a.Value.Type == span.Map && strings.HasPrefix(a.Value.Str, rawPrefix) {
			if a.Value, err = parseRaw(a.Value.Str); err != nil {
				return nil, fmt.Errorf("value of %.40q: %w", a.Key, err)
			}
		}
	}
	return attrs, nil
}

func parseRaw(text string) (span.Value, error) {
	outer, err := span.ParseJSONMap(text)
	if err != nil {
		return span.Value{}, err
	}
	inner, err := span.ParseJSONMap(outer[0].Value.Str)
	if err != nil {
		return span.Value{}, err
	}
	typ, _ := valueOf(inner, "type")
	raw, _ := valueOf(inner, "bytes")
	v := span.Value{Type: span.ValueType(typ.Num)}
	switch {
	case v.Type.IsText():
		v.Str = raw.Str
	case len(raw.Str) == 8:
		v.Num = binary.BigEndian.Uint64([]byte(raw.Str))
	default:
		return v, fmt.Errorf("%d bytes for a %s", len(raw.Str), v.Type)
	}
	return v, nil
}
