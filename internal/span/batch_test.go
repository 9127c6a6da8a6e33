package span_test

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	. "github.com/fuwu-project/fuwu/internal/span"
)

var anyValue = rapid.Custom(func(t *rapid.T) Value {
	switch typ := ValueType(rapid.IntRange(0, 7).Draw(t, "type")); {
	case typ.IsText():
		return TextValue(typ, rapid.String().Draw(t, "text"))
	case typ == Bool:
		return BoolValue(rapid.Bool().Draw(t, "bool"))
	case typ == Null:
		return Value{}
	default:
		return Value{Type: typ, Num: rapid.Uint64().Draw(t, "num")}
	}
})

var anyAttrs = rapid.Custom(func(t *rapid.T) (attrs []Attribute) {
	for range rapid.IntRange(0, 3).Draw(t, "n") {
		attrs = append(attrs, Attribute{rapid.String().Draw(t, "key"), anyValue.Draw(t, "value")})
	}
	return attrs
})

var anySpan = rapid.Custom(func(t *rapid.T) Span {
	text, u32 := rapid.String(), rapid.Uint32()
	s := Span{
		TraceID: TraceID{rapid.Uint64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}, SpanID: ID(rapid.Uint64().Draw(t, "id")),
		Parent: ID(rapid.Uint64().Draw(t, "parent")), Name: text.Draw(t, "name"), Kind: Kind(rapid.Byte().Draw(t, "kind")),
		Start: rapid.Int64().Draw(t, "start"), Duration: rapid.Int64().Draw(t, "duration"), Status: Status(rapid.Byte().Draw(t, "status")),
		StatusMessage: text.Draw(t, "message"), TraceState: text.Draw(t, "state"), Flags: u32.Draw(t, "flags"), Attrs: anyAttrs.Draw(t, "attrs"),
		DroppedAttrs: u32.Draw(t, "da"), DroppedEvents: u32.Draw(t, "de"), DroppedLinks: u32.Draw(t, "dl"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		s.Events = append(s.Events, Event{rapid.Int64().Draw(t, "time"), text.Draw(t, "event"), anyAttrs.Draw(t, "event attrs"), u32.Draw(t, "dropped")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "links") {
		s.Links = append(s.Links, Link{s.TraceID, s.SpanID, text.Draw(t, "link state"), anyAttrs.Draw(t, "link attrs"), u32.Draw(t, "dropped"), u32.Draw(t, "flags")})
	}
	if rapid.Bool().Draw(t, "resource") { // else the same as others'
		s.Resource = Resource{anyAttrs.Draw(t, "resource attrs"), u32.Draw(t, "dropped"), text.Draw(t, "url")}
		s.Scope = Scope{text.Draw(t, "scope"), text.Draw(t, "version"), anyAttrs.Draw(t, "scope attrs"), u32.Draw(t, "dropped"), text.Draw(t, "url")}
	}
	return s
})

// What goes into a batch comes out of it, in a new one and in one that is used again, whole or cut.
func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Batch
		for round := range 3 {
			b.Reset()
			if round == 2 { // a batch whose text is somebody's body keeps it as it is
				body := []byte("the body")
				b.SetText(body[:4:4])
				defer func() {
					if string(body) != "the body" {
						t.Fatalf("the batch wrote to the body: %q", body)
					}
				}()
			}
			spans := rapid.SliceOfN(anySpan, 0, 8).Draw(t, "spans")
			for i := range spans {
				b.Append(&spans[i])
			}
			keep := rapid.IntRange(0, len(spans)).Draw(t, "keep")
			b.Truncate(keep)
			more := rapid.SliceOfN(anySpan, 0, 2).Draw(t, "more")
			for i := range more {
				b.Append(&more[i])
			}
			spans = append(spans[:keep:keep], more...)
			if b.Len() != len(spans) {
				t.Fatalf("%d spans of %d", b.Len(), len(spans))
			}
			for i, want := range spans {
				if got := b.Span(i); !reflect.DeepEqual(got, want) {
					t.Fatalf("round %d, span %d:\n got %#v\nwant %#v", round, i, got, want)
				}
				if b.Service(i) != want.Service() || b.End(i) != want.End() {
					t.Fatalf("span %d: service %q, end %d", i, b.Service(i), b.End(i))
				}
			}
		}
	})
}

func TestBatchShares(t *testing.T) {
	var b Batch
	web, db := Resource{Attrs: []Attribute{{"service.name", StringValue("web")}}}, Resource{Attrs: []Attribute{{"service.name", StringValue("db")}}}
	for _, r := range []Resource{web, web, db, db, web} {
		b.Append(&Span{Resource: r, Scope: Scope{Name: "s"}})
	}
	if len(b.Resources) != 3 || len(b.Scopes) != 1 {
		t.Errorf("%d resources and %d scopes, want 3 runs and 1", len(b.Resources), len(b.Scopes))
	}
}

func TestBatchReset(t *testing.T) {
	var b Batch
	s := Span{Name: "n", Attrs: []Attribute{{"k", StringValue("v")}}, Events: []Event{{Name: "e"}}, Links: []Link{{SpanID: 1}}}
	b.Append(&s)
	b.Wire.Format, b.Wire.Body = 3, []byte("body")
	b.Reset()
	if b.Len() != 0 || b.TextLen() != 0 || len(b.Values)+len(b.Events)+len(b.Links)+len(b.Resources)+len(b.Scopes) != 0 || b.Wire.Body != nil || b.Wire.Format != 0 {
		t.Errorf("after Reset: %+v", b)
	}
	body := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		b.Reset()
		b.SetText(body[:0])
		i := b.Add()
		b.Name[i] = b.PutText("n")
		b.AddAttr(b.PutBytes([]byte("k")), StringValue("v"))
	}); n != 0 {
		t.Errorf("a used batch is filled with %v allocations", n)
	}
}

func TestLookup(t *testing.T) {
	var b Batch
	b.Append(&Span{Attrs: []Attribute{{"other", IntValue(1)}}})
	b.Append(&Span{Attrs: []Attribute{{"", IntValue(2)}, {"key", IntValue(3)}, {"key", IntValue(4)}, {"keys", StringValue("s")}}})
	for key, want := range map[string]Value{"": IntValue(2), "key": IntValue(4), "keys": StringValue("s")} {
		if a, ok := b.Lookup(b.Attrs[1], key); !ok || b.Value(a) != want {
			t.Errorf("%q: %v, %v", key, b.Value(a), ok)
		}
	}
	for _, key := range []string{"other", "ke", "KEY"} {
		if _, ok := b.Lookup(b.Attrs[1], key); ok {
			t.Errorf("%q is found", key)
		}
	}
}

func TestSetTimes(t *testing.T) {
	for _, c := range []struct {
		start, end    uint64
		wantStart, ns int64
		clamped       bool
	}{
		{0, 0, 0, 0, false},
		{5, 7, 5, 2, false},
		{7, 5, 7, 0, true},
		{5, 0, 5, 0, true},
		{0, math.MaxInt64, 0, math.MaxInt64, false},
		{1, math.MaxUint64, 1, math.MaxInt64 - 1, true},
		{math.MaxUint64, 3, math.MaxInt64, 0, true},
		{math.MaxUint64, math.MaxUint64, math.MaxInt64, 0, true},
	} {
		var b Batch
		i := b.Add()
		clamped := b.SetTimes(i, c.start, c.end)
		if b.Start[i] != c.wantStart || b.Duration[i] != c.ns || clamped != c.clamped || b.End(i) < b.Start[i] {
			t.Errorf("%d to %d: start %d, duration %d, clamped %v", c.start, c.end, b.Start[i], b.Duration[i], clamped)
		}
	}
}

func BenchmarkBatchAppend(b *testing.B) {
	s := Span{
		TraceID: TraceID{1, 2}, SpanID: 3, Name: "GET /a", Resource: Resource{Attrs: []Attribute{{"service.name", StringValue("web")}}},
		Attrs: []Attribute{{"http.route", StringValue("/a")}, {"http.response.status_code", IntValue(200)}},
	}
	var batch Batch
	for b.Loop() {
		if batch.Len() == 512 {
			batch.Reset()
		}
		batch.Append(&s)
	}
}
