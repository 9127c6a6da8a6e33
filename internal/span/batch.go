package span

import (
	"math"
	"slices"
)

// Text is a piece of a batch's text: read it with [Batch.Bytes] or [Batch.String].
type Text struct{ Off, Len uint32 }

// Range is the half-open range [From, To) of a shared column.
type Range struct{ From, To uint32 }

// Len is the number of elements.
func (r Range) Len() int { return int(r.To - r.From) }

// Attr is one attribute of a batch, without pointers: Num holds the bits of a number, or the Text
// of a text type.
type Attr struct {
	Key  Text
	Num  uint64
	Type ValueType
}

// Text is the place of a text value.
func (a Attr) Text() Text { return Text{uint32(a.Num >> 32), uint32(a.Num)} }

// TextNum packs a Text as the Num of an Attr.
func TextNum(t Text) uint64 { return uint64(t.Off)<<32 | uint64(t.Len) }

// EventRow is an event in a batch's Events.
type EventRow struct {
	Time    int64
	Name    Text
	Attrs   Range
	Dropped uint32
}

// LinkRow is a link in a batch's Links.
type LinkRow struct {
	TraceID    TraceID
	SpanID     ID
	TraceState Text
	Attrs      Range
	Dropped    uint32
	Flags      uint32
}

// ResourceRow is a resource in a batch's Resources.
type ResourceRow struct {
	Attrs     Range
	Dropped   uint32
	SchemaURL Text
}

// ScopeRow is an instrumentation scope in a batch's Scopes.
type ScopeRow struct {
	Name, Version Text
	Attrs         Range
	Dropped       uint32
	SchemaURL     Text
}

// Batch holds spans by column: element i of every column is span i. Nothing in it is a pointer but
// the columns themselves, so a batch of any size costs the garbage collector nothing, and one that
// is [Batch.Reset] is filled again without allocation.
//
// All text lives in one arena. A codec adopts the request's body as the arena ([Batch.SetText]) and
// lets Texts point into it, so decoding copies no string; text that is not in the body as it must be
// read (unescaped JSON, say) is put behind it with [Batch.PutText]. Attributes of spans, events,
// links, resources and scopes share one column, Values; each owner has a Range of it. Several spans
// share a resource or a scope by index.
//
// A batch is filled by one goroutine and may then be read by many.
type Batch struct {
	TraceID       []TraceID
	SpanID        []ID
	Parent        []ID // 0: a root
	Start         []int64
	Duration      []int64
	Name          []Text
	Kind          []Kind
	Status        []Status
	StatusMessage []Text
	TraceState    []Text
	Flags         []uint32
	Attrs         []Range // of Values
	EventsOf      []Range // of Events
	LinksOf       []Range // of Links
	Resource      []uint32
	Scope         []uint32
	Dropped       []Dropped

	Values    []Attr
	Events    []EventRow
	Links     []LinkRow
	Resources []ResourceRow
	Scopes    []ScopeRow

	// Wire is the request that the batch was decoded from, if it was: the engine's log keeps it
	// instead of encoding the spans again. Format is the codec's own number for it (package wire).
	Wire struct {
		Format byte
		Body   []byte
	}

	text []byte
}

// Dropped counts what the sender of a span says it left out.
type Dropped struct{ Attrs, Events, Links uint32 }

// Len is the number of spans.
func (b *Batch) Len() int { return len(b.TraceID) }

// Reset empties the batch and keeps its memory, but lets go of the text and the wire body, which
// may be the caller's.
func (b *Batch) Reset() {
	b.TraceID, b.SpanID, b.Parent = b.TraceID[:0], b.SpanID[:0], b.Parent[:0]
	b.Start, b.Duration, b.Name = b.Start[:0], b.Duration[:0], b.Name[:0]
	b.Kind, b.Status, b.StatusMessage = b.Kind[:0], b.Status[:0], b.StatusMessage[:0]
	b.TraceState, b.Flags = b.TraceState[:0], b.Flags[:0]
	b.Attrs, b.EventsOf, b.LinksOf = b.Attrs[:0], b.EventsOf[:0], b.LinksOf[:0]
	b.Resource, b.Scope, b.Dropped = b.Resource[:0], b.Scope[:0], b.Dropped[:0]
	b.Values, b.Events, b.Links = b.Values[:0], b.Events[:0], b.Links[:0]
	b.Resources, b.Scopes = b.Resources[:0], b.Scopes[:0]
	b.Wire.Format, b.Wire.Body = 0, nil
	b.text = nil
}

// SetText makes p the batch's text; Texts made before are void. The batch does not write to p, but
// appends behind it: give it a slice whose spare capacity nobody else uses.
func (b *Batch) SetText(p []byte) { b.text = p }

// PutText adds text to the arena.
func (b *Batch) PutText(s string) Text {
	t := Text{uint32(len(b.text)), uint32(len(s))}
	b.text = append(b.text, s...)
	return t
}

// PutBytes adds text to the arena.
func (b *Batch) PutBytes(p []byte) Text {
	t := Text{uint32(len(b.text)), uint32(len(p))}
	b.text = append(b.text, p...)
	return t
}

// TextLen is the size of the arena in bytes; it stays below 4 GiB because requests are limited.
func (b *Batch) TextLen() int { return len(b.text) }

// Bytes is the text at t, valid until the batch is reset; do not write to it.
func (b *Batch) Bytes(t Text) []byte {
	end := t.Off + t.Len
	return b.text[t.Off:end:end]
}

// String is a copy of the text at t.
func (b *Batch) String(t Text) string { return string(b.Bytes(t)) }

// Add appends a span of zeros to every column and returns its row.
func (b *Batch) Add() int {
	b.TraceID = append(b.TraceID, TraceID{})
	b.SpanID = append(b.SpanID, 0)
	b.Parent = append(b.Parent, 0)
	b.Start = append(b.Start, 0)
	b.Duration = append(b.Duration, 0)
	b.Name = append(b.Name, Text{})
	b.Kind = append(b.Kind, 0)
	b.Status = append(b.Status, 0)
	b.StatusMessage = append(b.StatusMessage, Text{})
	b.TraceState = append(b.TraceState, Text{})
	b.Flags = append(b.Flags, 0)
	b.Attrs = append(b.Attrs, Range{})
	b.EventsOf = append(b.EventsOf, Range{})
	b.LinksOf = append(b.LinksOf, Range{})
	b.Resource = append(b.Resource, 0)
	b.Scope = append(b.Scope, 0)
	b.Dropped = append(b.Dropped, Dropped{})
	return len(b.TraceID) - 1
}

// Grow makes room for n more spans.
func (b *Batch) Grow(n int) {
	b.TraceID, b.SpanID, b.Parent = slices.Grow(b.TraceID, n), slices.Grow(b.SpanID, n), slices.Grow(b.Parent, n)
	b.Start, b.Duration, b.Name = slices.Grow(b.Start, n), slices.Grow(b.Duration, n), slices.Grow(b.Name, n)
	b.Kind, b.Status, b.StatusMessage = slices.Grow(b.Kind, n), slices.Grow(b.Status, n), slices.Grow(b.StatusMessage, n)
	b.TraceState, b.Flags = slices.Grow(b.TraceState, n), slices.Grow(b.Flags, n)
	b.Attrs, b.EventsOf, b.LinksOf = slices.Grow(b.Attrs, n), slices.Grow(b.EventsOf, n), slices.Grow(b.LinksOf, n)
	b.Resource, b.Scope, b.Dropped = slices.Grow(b.Resource, n), slices.Grow(b.Scope, n), slices.Grow(b.Dropped, n)
}

// Truncate drops the spans from row n on; what they owned in the shared columns stays as garbage
// until the next Reset. Codecs use it to take back a span that proves invalid.
func (b *Batch) Truncate(n int) {
	b.TraceID, b.SpanID, b.Parent = b.TraceID[:n], b.SpanID[:n], b.Parent[:n]
	b.Start, b.Duration, b.Name = b.Start[:n], b.Duration[:n], b.Name[:n]
	b.Kind, b.Status, b.StatusMessage = b.Kind[:n], b.Status[:n], b.StatusMessage[:n]
	b.TraceState, b.Flags = b.TraceState[:n], b.Flags[:n]
	b.Attrs, b.EventsOf, b.LinksOf = b.Attrs[:n], b.EventsOf[:n], b.LinksOf[:n]
	b.Resource, b.Scope, b.Dropped = b.Resource[:n], b.Scope[:n], b.Dropped[:n]
}

// AddAttr appends an attribute to Values. An owner's attributes are added in one run, and its Range
// is the run.
func (b *Batch) AddAttr(key Text, v Value) {
	a := Attr{Key: key, Type: v.Type, Num: v.Num}
	if v.Type.IsText() {
		a.Num = TextNum(b.PutText(v.Str))
	}
	b.Values = append(b.Values, a)
}

// Value is the value of an attribute, its text copied.
func (b *Batch) Value(a Attr) Value {
	if a.Type.IsText() {
		return Value{Type: a.Type, Str: b.String(a.Text())}
	}
	return Value{Type: a.Type, Num: a.Num}
}

// Lookup finds key among the attributes r; of equal keys the last one counts.
func (b *Batch) Lookup(r Range, key string) (Attr, bool) {
	for _, a := range slices.Backward(b.Values[r.From:r.To]) {
		if int(a.Key.Len) == len(key) && string(b.Bytes(a.Key)) == key {
			return a, true
		}
	}
	return Attr{}, false
}

// lookupText is the non-empty string value of key among r.
func (b *Batch) lookupText(r Range, key string) ([]byte, bool) {
	if a, ok := b.Lookup(r, key); ok && a.Type == String && a.Text().Len > 0 {
		return b.Bytes(a.Text()), true
	}
	return nil, false
}

// Service is the service.name of span i's resource, or [UnknownService].
func (b *Batch) Service(i int) string {
	if p, ok := b.lookupText(b.Resources[b.Resource[i]].Attrs, "service.name"); ok {
		return string(p)
	}
	return UnknownService
}

// End is the end of span i, Unix ns.
func (b *Batch) End(i int) int64 { return b.Start[i] + b.Duration[i] }

// SetTimes sets start and duration of span i from Unix ns; an end before the start, or a time that
// does not fit, is clamped so that the duration is ≥ 0 and the end does not overflow; clamped says
// that it was.
func (b *Batch) SetTimes(i int, start, end uint64) (clamped bool) {
	if start > math.MaxInt64 {
		start, clamped = math.MaxInt64, true
	}
	if end > math.MaxInt64 {
		end, clamped = math.MaxInt64, true
	}
	if end < start {
		end, clamped = start, true
	}
	b.Start[i], b.Duration[i] = int64(start), int64(end-start)
	return clamped
}

// Append adds a span given as a struct, sharing resource and scope with the span before when they
// are equal.
func (b *Batch) Append(s *Span) {
	i := b.Add()
	b.TraceID[i], b.SpanID[i], b.Parent[i] = s.TraceID, s.SpanID, s.Parent
	b.Start[i], b.Duration[i] = s.Start, s.Duration
	b.Name[i] = b.PutText(s.Name)
	b.Kind[i], b.Status[i], b.Flags[i] = s.Kind, s.Status, s.Flags
	b.StatusMessage[i], b.TraceState[i] = b.PutText(s.StatusMessage), b.PutText(s.TraceState)
	b.Dropped[i] = Dropped{s.DroppedAttrs, s.DroppedEvents, s.DroppedLinks}
	b.Attrs[i] = b.putAttrs(s.Attrs)

	from := uint32(len(b.Events))
	for _, e := range s.Events {
		b.Events = append(b.Events, EventRow{e.Time, b.PutText(e.Name), b.putAttrs(e.Attrs), e.Dropped})
	}
	b.EventsOf[i] = Range{from, uint32(len(b.Events))}

	from = uint32(len(b.Links))
	for _, l := range s.Links {
		b.Links = append(b.Links, LinkRow{l.TraceID, l.SpanID, b.PutText(l.TraceState), b.putAttrs(l.Attrs), l.Dropped, l.Flags})
	}
	b.LinksOf[i] = Range{from, uint32(len(b.Links))}

	if n := len(b.Resources); n == 0 || !equalResource(b.resource(uint32(n-1)), s.Resource) {
		r := ResourceRow{b.putAttrs(s.Resource.Attrs), s.Resource.Dropped, b.PutText(s.Resource.SchemaURL)}
		b.Resources = append(b.Resources, r)
	}
	if n := len(b.Scopes); n == 0 || !equalScope(b.scope(uint32(n-1)), s.Scope) {
		sc := ScopeRow{
			b.PutText(s.Scope.Name), b.PutText(s.Scope.Version),
			b.putAttrs(s.Scope.Attrs), s.Scope.Dropped, b.PutText(s.Scope.SchemaURL),
		}
		b.Scopes = append(b.Scopes, sc)
	}
	b.Resource[i], b.Scope[i] = uint32(len(b.Resources)-1), uint32(len(b.Scopes)-1)
}

// Span is row i as a struct that shares nothing with the batch. Absent attributes, events and links
// are nil slices.
func (b *Batch) Span(i int) Span {
	s := Span{
		TraceID: b.TraceID[i], SpanID: b.SpanID[i], Parent: b.Parent[i],
		Name: b.String(b.Name[i]), Kind: b.Kind[i], Start: b.Start[i], Duration: b.Duration[i],
		Status: b.Status[i], StatusMessage: b.String(b.StatusMessage[i]), TraceState: b.String(b.TraceState[i]),
		Flags: b.Flags[i], Attrs: b.attributes(b.Attrs[i]),
		DroppedAttrs: b.Dropped[i].Attrs, DroppedEvents: b.Dropped[i].Events, DroppedLinks: b.Dropped[i].Links,
		Resource: b.resource(b.Resource[i]), Scope: b.scope(b.Scope[i]),
	}
	for _, e := range b.Events[b.EventsOf[i].From:b.EventsOf[i].To] {
		s.Events = append(s.Events, Event{e.Time, b.String(e.Name), b.attributes(e.Attrs), e.Dropped})
	}
	for _, l := range b.Links[b.LinksOf[i].From:b.LinksOf[i].To] {
		s.Links = append(s.Links, Link{l.TraceID, l.SpanID, b.String(l.TraceState), b.attributes(l.Attrs), l.Dropped, l.Flags})
	}
	return s
}

func (b *Batch) putAttrs(attrs []Attribute) Range {
	from := uint32(len(b.Values))
	for i := range attrs {
		b.AddAttr(b.PutText(attrs[i].Key), attrs[i].Value)
	}
	return Range{from, uint32(len(b.Values))}
}

func (b *Batch) attributes(r Range) []Attribute {
	if r.Len() == 0 {
		return nil
	}
	attrs := make([]Attribute, 0, r.Len())
	for _, a := range b.Values[r.From:r.To] {
		attrs = append(attrs, Attribute{b.String(a.Key), b.Value(a)})
	}
	return attrs
}

func (b *Batch) resource(i uint32) Resource {
	r := b.Resources[i]
	return Resource{b.attributes(r.Attrs), r.Dropped, b.String(r.SchemaURL)}
}

func (b *Batch) scope(i uint32) Scope {
	s := b.Scopes[i]
	return Scope{b.String(s.Name), b.String(s.Version), b.attributes(s.Attrs), s.Dropped, b.String(s.SchemaURL)}
}
