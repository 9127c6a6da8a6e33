package tracefile

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/fuwu-project/fuwu/internal/span"
)

// EncodeOTLP writes a batch as OTLP/JSON (an ExportTraceServiceRequest): nothing is lost.
func EncodeOTLP(b *span.Batch) []byte {
	w := writer{dst: make([]byte, 0, 512*b.Len()), b: b}
	type key struct{ resource, scope uint32 }
	var order []key
	rows := map[key][]int{}
	for i := range b.Len() {
		k := key{b.Resource[i], b.Scope[i]}
		if rows[k] == nil {
			order = append(order, k)
		}
		rows[k] = append(rows[k], i)
	}
	w.raw(`{"resourceSpans":[`)
	for i, k := range order {
		if i > 0 {
			w.raw(",")
		}
		r, s := b.Resources[k.resource], b.Scopes[k.scope]
		w.raw(`{"resource":{"attributes":`)
		w.attrs(r.Attrs)
		w.count("droppedAttributesCount", r.Dropped)
		w.raw(`},"scopeSpans":[{"scope":{"attributes":`)
		w.attrs(s.Attrs)
		w.some("name", s.Name)
		w.some("version", s.Version)
		w.count("droppedAttributesCount", s.Dropped)
		w.raw(`},"spans":[`)
		for j, row := range rows[k] {
			if j > 0 {
				w.raw(",")
			}
			w.span(row)
		}
		w.raw("]")
		w.some("schemaUrl", s.SchemaURL)
		w.raw("}]")
		w.some("schemaUrl", r.SchemaURL)
		w.raw("}")
	}
	w.raw("]}")
	return w.dst
}

// writer writes OTLP/JSON.
type writer struct {
	dst []byte
	b   *span.Batch
}

func (w *writer) raw(s string) { w.dst = append(w.dst, s...) }

func (w *writer) quoted(s string) { w.dst = span.AppendJSONString(w.dst, s) }

func (w *writer) member(name string) {
	w.dst = append(append(append(w.dst, `,"`...), name...), `":`...)
}

func (w *writer) text(name, s string) {
	w.member(name)
	w.quoted(s)
}

// some and count write a member unless it is empty.
func (w *writer) some(name string, t span.Text) {
	if t.Len > 0 {
		w.text(name, w.b.String(t))
	}
}

func (w *writer) count(name string, n uint32) {
	if n > 0 {
		w.member(name)
		w.dst = strconv.AppendUint(w.dst, uint64(n), 10)
	}
}

func (w *writer) span(i int) {
	b := w.b
	w.raw(`{"traceId":"` + b.TraceID[i].String() + `","spanId":"` + b.SpanID[i].String() + `"`)
	if p := b.Parent[i]; p != 0 {
		w.text("parentSpanId", p.String())
	}
	w.some("traceState", b.TraceState[i])
	w.count("flags", b.Flags[i])
	w.text("name", b.String(b.Name[i]))
	w.member("kind")
	w.dst = strconv.AppendUint(w.dst, uint64(b.Kind[i]), 10)
	w.text("startTimeUnixNano", strconv.FormatInt(b.Start[i], 10))
	w.text("endTimeUnixNano", strconv.FormatInt(b.End(i), 10))
	w.member("attributes")
	w.attrs(b.Attrs[i])
	d := b.Dropped[i]
	w.count("droppedAttributesCount", d.Attrs)
	if of := b.EventsOf[i]; of.Len() > 0 {
		w.member("events")
		w.raw("[")
		for j, e := range b.Events[of.From:of.To] {
			if j > 0 {
				w.raw(",")
			}
			w.raw(`{"timeUnixNano":"` + strconv.FormatInt(max(e.Time, 0), 10) + `"`)
			w.text("name", b.String(e.Name))
			w.member("attributes")
			w.attrs(e.Attrs)
			w.count("droppedAttributesCount", e.Dropped)
			w.raw("}")
		}
		w.raw("]")
	}
	w.count("droppedEventsCount", d.Events)
	if of := b.LinksOf[i]; of.Len() > 0 {
		w.member("links")
		w.raw("[")
		for j, l := range b.Links[of.From:of.To] {
			if j > 0 {
				w.raw(",")
			}
			w.raw(`{"attributes":`)
			w.attrs(l.Attrs)
			if !l.TraceID.IsZero() {
				w.text("traceId", l.TraceID.String())
			}
			if l.SpanID != 0 {
				w.text("spanId", l.SpanID.String())
			}
			w.some("traceState", l.TraceState)
			w.count("flags", l.Flags)
			w.count("droppedAttributesCount", l.Dropped)
			w.raw("}")
		}
		w.raw("]")
	}
	w.count("droppedLinksCount", d.Links)
	if b.Status[i] != span.StatusUnset || b.StatusMessage[i].Len > 0 {
		w.raw(`,"status":{"code":`)
		w.dst = strconv.AppendUint(w.dst, uint64(b.Status[i]), 10)
		w.some("message", b.StatusMessage[i])
		w.raw("}")
	}
	w.raw("}")
}

func (w *writer) attrs(r span.Range) {
	w.raw("[")
	for i, a := range w.b.Values[r.From:r.To] {
		if i > 0 {
			w.raw(",")
		}
		w.keyValue(w.b.String(a.Key), w.b.Value(a))
	}
	w.raw("]")
}

func (w *writer) keyValue(key string, v span.Value) {
	w.raw(`{"key":`)
	w.quoted(key)
	w.raw(`,"value":`)
	w.value(v)
	w.raw("}")
}

// value writes an AnyValue. Lists and maps are nested no deeper than their decoder lets them be.
func (w *writer) value(v span.Value) {
	switch v.Type {
	case span.Null:
		w.raw("{}")
	case span.String:
		w.raw(`{"stringValue":`)
		w.quoted(v.Str)
		w.raw("}")
	case span.Bool:
		w.raw(`{"boolValue":` + strconv.FormatBool(v.Bool()) + "}")
	case span.Int:
		w.raw(`{"intValue":"` + strconv.FormatInt(v.Int(), 10) + `"}`)
	case span.Double:
		w.raw(`{"doubleValue":`)
		switch f := v.Double(); {
		case math.IsNaN(f):
			w.raw(`"NaN"`)
		case math.IsInf(f, 1):
			w.raw(`"Infinity"`)
		case math.IsInf(f, -1):
			w.raw(`"-Infinity"`)
		default:
			w.dst = strconv.AppendFloat(w.dst, f, 'g', -1, 64)
		}
		w.raw("}")
	case span.Bytes:
		w.raw(`{"bytesValue":"`)
		w.dst = base64.StdEncoding.AppendEncode(w.dst, []byte(v.Str))
		w.raw(`"}`)
	case span.List:
		values, err := span.ParseJSONList(v.Str)
		if err != nil { // not what a codec of ours has made
			w.value(span.StringValue(v.Str))
			return
		}
		w.raw(`{"arrayValue":{"values":[`)
		for i, x := range values {
			if i > 0 {
				w.raw(",")
			}
			w.value(x)
		}
		w.raw("]}}")
	case span.Map:
		attrs, err := span.ParseJSONMap(v.Str)
		if err != nil {
			w.value(span.StringValue(v.Str))
			return
		}
		w.raw(`{"kvlistValue":{"values":[`)
		for i, a := range attrs {
			if i > 0 {
				w.raw(",")
			}
			w.keyValue(a.Key, a.Value)
		}
		w.raw("]}}")
	}
}
