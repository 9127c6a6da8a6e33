package jaeger

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
)

// formatTraceID has 16 digits while the high half is zero, else 32.
func formatTraceID(id span.TraceID) string {
	if id.Hi == 0 {
		return span.ID(id.Lo).String()
	}
	return id.String()
}

// shown is a trace as it is to be shown: by row of the batch, but for order.
type shown struct {
	order    []int32
	spanID   []span.ID
	parent   []span.ID // 0: none
	start    []int64   // ns
	shift    []int64   // by which events move with their span, ns
	warnings map[int32][]string
	notes    []string
}

// asStored shows the spans as they were sent.
func asStored(b *span.Batch) *shown {
	s := &shown{spanID: b.SpanID, parent: b.Parent, start: b.Start, shift: make([]int64, b.Len())}
	for i := range b.Len() {
		s.order = append(s.order, int32(i))
	}
	return s
}

// adjusted shows the spans as our own UI does: clocks corrected, parents before children, spans without a
// parent under the root, no circles. Jaeger's clients cannot tell spans of one id apart, so all but the
// first get another. Every span that is not as it was sent says so in a warning.
func adjusted(b *span.Batch) *shown {
	n := b.Len()
	t := analyze.NewTree(b)
	s := &shown{
		order: t.Row, spanID: make([]span.ID, n), parent: make([]span.ID, n), start: make([]int64, n), shift: make([]int64, n),
		warnings: map[int32][]string{}, notes: t.Notes,
	}
	stored, used := make(map[span.ID]bool, n), make(map[span.ID]bool, n)
	for _, id := range b.SpanID {
		stored[id] = true
	}
	var next span.ID
	warn := func(r int32, format string, args ...any) {
		s.warnings[r] = append(s.warnings[r], fmt.Sprintf(format, args...))
	}
	for p, r := range t.Row {
		id := b.SpanID[r]
		if used[id] {
			for next++; stored[next] || next == 0; {
				next++
			}
			warn(r, "another span of the trace has this span's id, %s; it is shown with an id of its own", id)
			id = next
		}
		used[id], s.spanID[r] = true, id

		if parent := t.Parent[p]; parent >= 0 {
			s.parent[r] = s.spanID[t.Row[parent]]
		}
		if t.Flags[p]&analyze.Adopted != 0 {
			if s.parent[r] != 0 {
				warn(r, "the span names %s as its parent, which is not stored or below it; it is shown under the root", b.Parent[r])
			} else if !stored[b.Parent[r]] { // else the link closed a circle
				s.parent[r] = b.Parent[r]
			}
		}

		s.start[r] = t.Start + t.Offset[p]
		switch by := time.Duration(s.start[r] - b.Start[r]); {
		case t.Flags[p]&analyze.Moved == 0:
		case b.Start[r] <= 0:
			warn(r, "the span came without a start; it is shown at the start of its parent")
		default:
			s.shift[r] = int64(by)
			warn(r, "the clock of this span's host differs from its caller's; the span was moved by %v", by)
		}
	}
	return s
}

// traceIDOf is the id of the trace: of an id that was asked for by its low half, the whole, if the spans
// know it and agree.
func traceIDOf(b *span.Batch, asked span.TraceID) (id span.TraceID, several bool) {
	id = asked
	for _, have := range b.TraceID {
		if have.Hi == 0 || have == id {
			continue
		}
		if id != asked {
			return asked, true
		}
		id = have
	}
	return id, false
}

// File is a trace, as it was sent, as a file that Jaeger's UI opens. asked is the id that it was asked for by.
func File(b *span.Batch, asked span.TraceID) []byte {
	return append(appendTrace([]byte(`{"data":[`), b, asked, true), "]}"...)
}

// appendTrace appends a trace as Jaeger's JSON has it, without reflection: a trace of 50,000 spans has
// tens of megabytes.
func appendTrace(dst []byte, b *span.Batch, asked span.TraceID, raw bool) []byte {
	var s *shown
	if raw {
		s = asStored(b)
	} else {
		s = adjusted(b)
	}
	id, several := traceIDOf(b, asked)
	if several {
		s.notes = append(s.notes, "spans of more than one trace share these 64 bits of the id; they are shown together")
	}
	w := writer{b: b, shown: s, traceID: formatTraceID(id), dst: dst, process: make([]int, len(b.Resources)), numbers: map[string]int{}}
	w.text(`{"traceID":"`, w.traceID, `","spans":[`)
	for i, r := range s.order {
		if i > 0 {
			w.text(",")
		}
		w.span(r)
	}
	w.text(`],"processes":{`)
	for i, p := range w.processes {
		if i > 0 {
			w.text(",")
		}
		w.text(`"p`, strconv.Itoa(i+1), `":`, p)
	}
	w.text(`},"warnings":`)
	w.warnings(s.notes)
	w.text("}")
	return w.dst
}

// writer writes one trace.
type writer struct {
	*shown
	b       *span.Batch
	traceID string
	dst     []byte

	process   []int          // of each resource: its number, from 1; 0 while unknown
	numbers   map[string]int // of each process, by its JSON
	processes []string
}

func (w *writer) text(parts ...string) {
	for _, s := range parts {
		w.dst = append(w.dst, s...)
	}
}

func (w *writer) quoted(t span.Text) { w.dst = span.AppendJSONString(w.dst, w.b.String(t)) }

// micros writes ns as µs, truncated.
func (w *writer) micros(ns int64) { w.dst = strconv.AppendInt(w.dst, ns/1000, 10) }

func (w *writer) span(r int32) {
	b := w.b
	w.text(`{"traceID":"`, w.traceID, `","spanID":"`, w.spanID[r].String(), `"`)
	if b.Flags[r]&span.FlagSampled != 0 { // the other bits of OTLP's flags mean something else to Jaeger
		w.text(`,"flags":1`)
	}
	w.text(`,"operationName":`)
	w.quoted(b.Name[r])
	w.text(`,"references":[`)
	w.references(r)
	w.text(`],"startTime":`)
	w.micros(w.start[r])
	w.text(`,"duration":`)
	w.micros(b.Duration[r])
	w.text(`,"tags":[`)
	w.tags(r)
	w.text(`],"logs":[`)
	for i, e := range b.Events[b.EventsOf[r].From:b.EventsOf[r].To] {
		if i > 0 {
			w.text(",")
		}
		w.text(`{"timestamp":`)
		w.micros(e.Time + w.shift[r])
		w.text(`,"fields":[`)
		l := list{w, 0}
		if e.Name.Len > 0 {
			l.string("event", b.String(e.Name))
		}
		l.attributes(e.Attrs)
		w.text("]}")
	}
	w.text(`],"processID":"p`, strconv.Itoa(w.processOf(b.Resource[r])), `","warnings":`)
	w.warnings(w.shown.warnings[r])
	w.text("}")
}

func (w *writer) warnings(list []string) {
	if len(list) == 0 {
		w.text("null")
		return
	}
	w.dst = appendStrings(w.dst, list)
}

// references writes the parent, then the links; a link without an id points nowhere and is left out.
func (w *writer) references(r int32) {
	n := 0
	put := func(kind, traceID string, id span.ID) {
		if n++; n > 1 {
			w.text(",")
		}
		w.text(`{"refType":"`, kind, `","traceID":"`, traceID, `","spanID":"`, id.String(), `"}`)
	}
	if p := w.parent[r]; p != 0 {
		put("CHILD_OF", w.traceID, p)
	}
	b := w.b
	for _, l := range b.Links[b.LinksOf[r].From:b.LinksOf[r].To] {
		if l.TraceID.IsZero() || l.SpanID == 0 {
			continue
		}
		kind := "FOLLOWS_FROM"
		if a, ok := b.Lookup(l.Attrs, "opentracing.ref_type"); ok && a.Type == span.String && string(b.Bytes(a.Text())) == "child_of" {
			kind = "CHILD_OF"
		}
		put(kind, formatTraceID(l.TraceID), l.SpanID)
	}
}

// tags writes the attributes, then what Jaeger shows as tags though the model has fields for it.
func (w *writer) tags(r int32) {
	b := w.b
	l := list{w, 0}
	l.attributes(b.Attrs[r])
	if k := b.Kind[r]; k > span.KindUnspecified && k <= span.KindConsumer {
		l.string("span.kind", k.String())
	}
	scope := b.Scopes[b.Scope[r]]
	l.some("otel.scope.name", scope.Name)
	l.some("otel.scope.version", scope.Version)
	if s := b.Status[r]; s == span.StatusOK || s == span.StatusError {
		l.string("otel.status_code", strings.ToUpper(s.String()))
	}
	l.some("otel.status_description", b.StatusMessage[r])
	if b.Status[r] == span.StatusError {
		l.put("error", "bool")
		w.text("true}")
	}
	l.some("w3c.tracestate", b.TraceState[r])
}

// processOf is the number of the process that a resource describes; equal ones share it.
func (w *writer) processOf(resource uint32) int {
	if n := w.process[resource]; n > 0 {
		return n
	}
	b := w.b
	sub := writer{b: b}
	service := span.UnknownService
	attrs := b.Resources[resource].Attrs
	named := -1 // the attribute that is the name
	for i := int(attrs.From); i < int(attrs.To); i++ {
		if a := b.Values[i]; a.Type == span.String && a.Text().Len > 0 && string(b.Bytes(a.Key)) == "service.name" {
			service, named = b.String(a.Text()), i
		}
	}
	sub.dst = span.AppendJSONString([]byte(`{"serviceName":`), service)
	sub.text(`,"tags":[`)
	l := list{&sub, 0}
	for i := int(attrs.From); i < int(attrs.To); i++ {
		if i != named {
			l.attribute(b.Values[i])
		}
	}
	sub.text("]}")
	n, ok := w.numbers[string(sub.dst)]
	if !ok {
		w.processes = append(w.processes, string(sub.dst))
		n = len(w.processes)
		w.numbers[string(sub.dst)] = n
	}
	w.process[resource] = n
	return n
}

// list writes the key-value pairs of one array.
type list struct {
	*writer
	n int
}

// put opens a pair, up to its value.
func (l *list) put(key, typ string) {
	if l.n++; l.n > 1 {
		l.text(",")
	}
	l.text(`{"key":`)
	l.dst = span.AppendJSONString(l.dst, key)
	l.text(`,"type":"`, typ, `","value":`)
}

func (l *list) string(key, value string) {
	l.put(key, "string")
	l.dst = append(span.AppendJSONString(l.dst, value), '}')
}

// some writes a text unless it is empty.
func (l *list) some(key string, t span.Text) {
	if t.Len > 0 {
		l.string(key, l.b.String(t))
	}
}

func (l *list) attributes(r span.Range) {
	for _, a := range l.b.Values[r.From:r.To] {
		l.attribute(a)
	}
}

// maxSafe is the largest integer that JavaScript's numbers hold with all before it; those beyond are sent
// as text, and so are the numbers that JSON has no word for.
const maxSafe = 1<<53 - 1

func (l *list) attribute(a span.Attr) {
	key, v := l.b.String(a.Key), l.b.Value(a)
	switch v.Type {
	case span.Bool:
		l.put(key, "bool")
		l.dst = strconv.AppendBool(l.dst, v.Bool())
	case span.Int:
		l.put(key, "int64")
		if i := v.Int(); i > maxSafe || i < -maxSafe {
			l.text(`"`, strconv.FormatInt(i, 10), `"`)
		} else {
			l.dst = strconv.AppendInt(l.dst, i, 10)
		}
	case span.Double:
		l.put(key, "float64")
		if f := v.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			l.text(`"`, v.String(), `"`)
		} else {
			l.dst = strconv.AppendFloat(l.dst, f, 'g', -1, 64)
		}
	case span.Bytes:
		l.put(key, "binary")
		l.text(`"`)
		l.dst = base64.StdEncoding.AppendEncode(l.dst, []byte(v.Str))
		l.text(`"`)
	case span.Null, span.String, span.List, span.Map:
		l.put(key, "string")
		l.dst = span.AppendJSONString(l.dst, v.String())
	}
	l.text("}")
}
