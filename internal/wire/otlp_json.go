package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads OTLP/JSON (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding"): keys
// in lowerCamelCase, ids as hex, 64-bit integers as strings or numbers, enums as numbers, other bytes as
// base64, unknown keys ignored, null as if the key were absent. Where a key comes twice in an object,
// the last one counts.

func decodeJSON(body []byte, lim Limits, b *span.Batch) (Report, error) {
	var d jsonDecoder
	d.begin(body, lim, b)
	d.object(func(key []byte) {
		if string(key) == "resourceSpans" {
			d.array(d.resourceSpans)
		} else {
			d.skip()
		}
	})
	return d.end()
}

func (d *jsonDecoder) resourceSpans() {
	b := d.b
	before := d.mark()
	at := len(b.Resources)
	b.Resources = append(b.Resources, span.ResourceRow{})
	d.object(func(key []byte) {
		switch string(key) {
		case "resource":
			var row span.ResourceRow
			d.owner(&row.Attrs, &row.Dropped, func([]byte) bool { return false })
			row.SchemaURL = b.Resources[at].SchemaURL
			b.Resources[at] = row
		case "scopeSpans":
			d.array(func() { d.scopeSpans(at) })
		case "schemaUrl":
			d.dropped = 0
			b.Resources[at].SchemaURL = d.string()
			b.Resources[at].Dropped = plus(b.Resources[at].Dropped, d.dropped)
		default:
			d.skip()
		}
	})
	if b.Len() == before.spans { // nothing uses the resource
		d.undo(before)
		b.Resources = b.Resources[:at]
	}
}

func (d *jsonDecoder) scopeSpans(resource int) {
	b := d.b
	before := d.mark()
	at := len(b.Scopes)
	b.Scopes = append(b.Scopes, span.ScopeRow{})
	d.object(func(key []byte) {
		switch string(key) {
		case "scope":
			row := span.ScopeRow{}
			d.owner(&row.Attrs, &row.Dropped, func(key []byte) bool {
				switch string(key) {
				case "name":
					row.Name = d.string()
				case "version":
					row.Version = d.string()
				default:
					return false
				}
				return true
			})
			row.SchemaURL = b.Scopes[at].SchemaURL
			b.Scopes[at] = row
		case "spans":
			d.array(func() { d.span(resource, at) })
		case "schemaUrl":
			d.dropped = 0
			b.Scopes[at].SchemaURL = d.string()
			b.Scopes[at].Dropped = plus(b.Scopes[at].Dropped, d.dropped)
		default:
			d.skip()
		}
	})
	if b.Len() == before.spans {
		d.undo(before)
		b.Scopes = b.Scopes[:at]
	}
}

// owner reads an object that has attributes and a count of those dropped; field reads its other keys, or
// says that it does not know one.
func (d *jsonDecoder) owner(attrs *span.Range, dropped *uint32, field func(key []byte) bool) {
	cut := uint32(0)
	d.beginAttrs()
	*attrs = d.attrs()
	d.object(func(key []byte) {
		switch string(key) {
		case "attributes":
			cut += d.dropped
			d.beginAttrs()
			d.array(d.attribute)
			*attrs = d.attrs()
		case "droppedAttributesCount":
			*dropped = uint32(d.integer(32))
		default:
			if !field(key) {
				d.skip()
			}
		}
	})
	*dropped = plus(*dropped, plus(cut, d.dropped))
}

func (d *jsonDecoder) span(resource, scope int) {
	if d.full() {
		d.skip()
		return
	}
	b := d.b
	before := d.mark()
	row := b.Add()
	b.Resource[row], b.Scope[row] = uint32(resource), uint32(scope)
	var (
		traceID, spanID, parent int // lengths in bytes
		start, end              uint64
		dropped                 span.Dropped
		cutEvents, cutLinks     uint32
	)
	d.owner(&b.Attrs[row], &dropped.Attrs, func(key []byte) bool {
		switch string(key) {
		case "traceId":
			b.TraceID[row], traceID = d.traceID()
		case "spanId":
			b.SpanID[row], spanID = d.spanID()
		case "parentSpanId":
			b.Parent[row], parent = d.spanID()
		case "traceState":
			b.TraceState[row] = d.string()
		case "name":
			b.Name[row] = d.string()
		case "kind":
			b.Kind[row] = kindOf(int32(d.integer(32)))
		case "startTimeUnixNano":
			start = d.integer(64)
		case "endTimeUnixNano":
			end = d.integer(64)
		case "flags":
			b.Flags[row] = uint32(d.integer(32))
		case "droppedEventsCount":
			dropped.Events = uint32(d.integer(32))
		case "droppedLinksCount":
			dropped.Links = uint32(d.integer(32))
		case "events":
			b.EventsOf[row], cutEvents = d.events()
		case "links":
			b.LinksOf[row], cutLinks = d.links()
		case "status":
			d.object(func(key []byte) {
				switch string(key) {
				case "message":
					b.StatusMessage[row] = d.string()
				case "code":
					b.Status[row] = statusOf(int32(d.integer(32)))
				default:
					d.skip()
				}
			})
		default:
			return false
		}
		return true
	})
	dropped.Events, dropped.Links = plus(dropped.Events, cutEvents), plus(dropped.Links, cutLinks)
	b.Dropped[row] = dropped
	if d.err != nil || !d.valid(row, traceID, spanID, parent) {
		d.undo(before)
		return
	}
	if b.SetTimes(row, start, end) {
		d.rep.Clamped++
	}
}

// events reads a span's events; it leaves what the span itself has dropped as it is.
func (d *jsonDecoder) events() (r span.Range, cut uint32) {
	b, outer := d.b, d.dropped
	r.From = uint32(len(b.Events))
	d.array(func() {
		if !d.room(len(b.Events)-int(r.From), d.lim.Events) {
			cut++
			d.skip()
			return
		}
		var row span.EventRow
		d.owner(&row.Attrs, &row.Dropped, func(key []byte) bool {
			switch string(key) {
			case "timeUnixNano":
				row.Time = nanos(d.integer(64))
			case "name":
				row.Name = d.string()
			default:
				return false
			}
			return true
		})
		b.Events = append(b.Events, row)
	})
	r.To = uint32(len(b.Events))
	d.dropped = outer
	return r, cut
}

func (d *jsonDecoder) links() (r span.Range, cut uint32) {
	b, outer := d.b, d.dropped
	r.From = uint32(len(b.Links))
	d.array(func() {
		if !d.room(len(b.Links)-int(r.From), d.lim.Links) {
			cut++
			d.skip()
			return
		}
		before := d.mark()
		var (
			row             span.LinkRow
			traceID, spanID int
		)
		d.owner(&row.Attrs, &row.Dropped, func(key []byte) bool {
			switch string(key) {
			case "traceId":
				row.TraceID, traceID = d.traceID()
			case "spanId":
				row.SpanID, spanID = d.spanID()
			case "traceState":
				row.TraceState = d.string()
			case "flags":
				row.Flags = uint32(d.integer(32))
			default:
				return false
			}
			return true
		})
		if !d.validLink(traceID, spanID) {
			cut++
			d.undo(before)
			d.elements--
			return
		}
		b.Links = append(b.Links, row)
	})
	r.To = uint32(len(b.Links))
	d.dropped = outer
	return r, cut
}

func (d *jsonDecoder) attribute() {
	d.short = false
	key, value := d.keyValue(1)
	raw := d.b.Bytes(key)
	if len(raw) > d.lim.KeyBytes {
		d.cut()
		return
	}
	a := span.Attr{Key: key, Type: value.typ, Num: value.num}
	switch {
	case value.nested != "":
		a.Num = span.TextNum(d.b.PutText(value.nested))
	case value.typ == span.String || value.typ == span.Bytes:
		a.Num = span.TextNum(value.text)
	}
	if d.short {
		d.cut()
	}
	d.add(raw, a)
}

// jsonValue is an AnyValue: a number, a text in the arena, or the JSON of a list or map.
type jsonValue struct {
	typ    span.ValueType
	num    uint64
	text   span.Text
	nested string
}

// value turns an AnyValue into one that can stand in a list or map.
func (d *jsonDecoder) value(v jsonValue) span.Value {
	switch {
	case v.typ == span.String || v.typ == span.Bytes:
		return span.TextValue(v.typ, d.b.String(v.text))
	case v.typ.IsText():
		return span.TextValue(v.typ, v.nested)
	}
	return span.Value{Type: v.typ, Num: v.num}
}

// keyValue reads a KeyValue at a depth of lists and maps. The key is not shortened.
func (d *jsonDecoder) keyValue(depth int) (key span.Text, v jsonValue) {
	d.object(func(name []byte) {
		switch string(name) {
		case "key":
			if !d.null() {
				key = d.put(d.quoted())
			}
		case "value":
			v = d.anyValue(depth)
		default:
			d.skip()
		}
	})
	return key, v
}

// anyValue reads an AnyValue; of several values in it the last counts.
func (d *jsonDecoder) anyValue(depth int) (v jsonValue) {
	d.object(func(name []byte) {
		at := d.at
		typ, ok := jsonValueTypes[string(name)]
		if !ok {
			d.skip()
			return
		}
		v = jsonValue{typ: typ}
		if d.null() {
			v.typ = span.Null
			return
		}
		switch v.typ {
		case span.String:
			v.text = d.shortenedText(d.put(d.quoted()))
		case span.Bool:
			switch {
			case d.word("true"):
				v.num = 1
			case !d.word("false"):
				d.fail(at, "boolValue wants true or false")
			}
		case span.Int:
			v.num = d.integer(-64)
		case span.Double:
			v.num = math.Float64bits(d.double())
		case span.Bytes:
			v.text = d.base64()
		case span.List, span.Map:
			if depth > d.lim.Depth {
				d.short = true
				v.typ = span.Null
				d.skip()
				return
			}
			v.nested = d.nested(v.typ, depth)
		case span.Null:
		}
	})
	return v
}

var jsonValueTypes = map[string]span.ValueType{
	"stringValue": span.String,
	"boolValue":   span.Bool,
	"intValue":    span.Int,
	"doubleValue": span.Double,
	"bytesValue":  span.Bytes,
	"arrayValue":  span.List,
	"kvlistValue": span.Map,
}

// nested reads an ArrayValue or KeyValueList and returns its text.
func (d *jsonDecoder) nested(typ span.ValueType, depth int) string {
	var (
		values []span.Value
		attrs  []span.Attribute
		places = map[string]int{}
		size   int
	)
	full := func() bool {
		if size <= d.lim.ValueBytes {
			return false
		}
		d.short = true
		d.skip()
		return true
	}
	d.object(func(name []byte) {
		if string(name) != "values" {
			d.skip()
			return
		}
		values, attrs, size = nil, nil, 0
		clear(places)
		d.array(func() {
			if full() {
				return
			}
			if typ == span.List {
				v := d.value(d.anyValue(depth + 1))
				values = append(values, v)
				size += len(v.Str) + 1
				return
			}
			key, jv := d.keyValue(depth + 1)
			v := d.value(jv)
			k := d.b.String(d.shortenedText(key))
			size += len(k) + len(v.Str) + 1
			if at, ok := places[k]; ok {
				attrs[at].Value = v
				return
			}
			places[k] = len(attrs)
			attrs = append(attrs, span.Attribute{Key: k, Value: v})
		})
	})
	if typ == span.List {
		return string(span.AppendJSONList(nil, values))
	}
	return string(span.AppendJSONMap(nil, attrs))
}

// shortenedText cuts a text of an attribute's value to the limit.
func (d *jsonDecoder) shortenedText(t span.Text) span.Text {
	p := d.b.Bytes(t)
	if len(p) <= d.lim.ValueBytes {
		return t
	}
	d.short = true
	t.Len = uint32(cutAt(p, d.lim.ValueBytes))
	return t
}

// traceID reads the hex of a trace id and says how many bytes it has, -1 if it is not hex.
func (d *jsonDecoder) traceID() (id span.TraceID, n int) {
	var p [16]byte
	if n = d.hex(p[:]); n == len(p) {
		id = span.TraceID{Hi: binary.BigEndian.Uint64(p[:]), Lo: binary.BigEndian.Uint64(p[8:])}
	}
	return id, n
}

func (d *jsonDecoder) spanID() (id span.ID, n int) {
	var p [8]byte
	if n = d.hex(p[:]); n == len(p) {
		id = span.ID(binary.BigEndian.Uint64(p[:]))
	}
	return id, n
}

func (d *jsonDecoder) hex(p []byte) int {
	if d.null() {
		return 0
	}
	s := d.quoted().text
	switch {
	case len(s)%2 != 0:
		return -1
	case len(s) != 2*len(p):
		return len(s) / 2
	}
	if _, err := hex.Decode(p, s); err != nil {
		return -1
	}
	return len(p)
}

func (d *jsonDecoder) base64() span.Text {
	at := d.at
	s := strings.TrimRight(string(d.quoted().text), "=")
	enc := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		enc = base64.RawURLEncoding
	}
	raw, err := enc.DecodeString(s)
	if err != nil {
		d.fail(at, "bytesValue is not base64")
	}
	if len(raw) > d.lim.ValueBytes {
		raw, d.short = raw[:d.lim.ValueBytes], true
	}
	return d.b.PutBytes(raw)
}

func (d *jsonDecoder) double() float64 {
	at := d.at
	text := string(d.numeral())
	switch text {
	case "NaN", "Infinity", "-Infinity":
	default:
		if strings.Trim(text, "0123456789.eE+-") != "" {
			d.fail(at, fmt.Sprintf("doubleValue: %.40q is not a number", text))
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && d.err == nil {
		d.fail(at, fmt.Sprintf("doubleValue: %.40q is not a number", text))
	}
	return f
}
