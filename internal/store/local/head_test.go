package local

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
)

// A head in which keys come once each, and take all columns, leaves them to the keys that are used in the next.
func TestColumnsForWhatIsUsed(t *testing.T) {
	id := span.ID(0)
	fill := func(h *head) (columns int, often bool) {
		for i := range 2 * maxAttrColumns {
			attrs := []span.Attribute{{Key: fmt.Sprint("once.", id), Value: span.IntValue(1)}}
			if i >= maxAttrColumns {
				attrs = append(attrs, span.Attribute{Key: "often", Value: span.StringValue("x")})
			}
			id++
			h.append(batch(span.Span{TraceID: span.TraceID{Lo: uint64(id)}, SpanID: id, Attrs: attrs}))
		}
		s := h.snapshot()
		for _, a := range s.list {
			often = often || a.key == "often"
		}
		return len(s.list), often
	}
	first, second := newHead(1), newHead(2)
	if columns, often := fill(first); columns != maxAttrColumns || often {
		t.Errorf("first: %d columns, one of which is of what came late: %t", columns, often)
	}
	second.expect(first)
	if columns, often := fill(second); columns > maxAttrColumns || !often {
		t.Errorf("second: %d columns, one of which is of what is used: %t", columns, often)
	}
}

// Where nearly every span has a map of its own, equal ones are no longer looked for; what the head has stays the same.
func TestMapsOfTheirOwn(t *testing.T) {
	const rows = 2 * ownMoreFrom
	for distinct, texts := range map[int]int{rows: rows, ownMoreFrom: rows, 2: 2} {
		h := newHead(1)
		for i := range rows {
			list := span.TextValue(span.List, fmt.Sprintf("[%d]", i%distinct))
			h.append(batch(span.Span{TraceID: span.TraceID{Lo: uint64(i + 1)}, SpanID: 1, Attrs: []span.Attribute{{Key: "list", Value: list}}}))
		}
		s := h.snapshot()
		for row := range rows {
			if got, want := string(s.moreOf(uint32(row))), fmt.Sprintf(`{"list":[%d]}`, row%distinct); got != want {
				t.Fatalf("row %d: %s, want %s", row, got, want)
			}
		}
		if got := s.cols[colMore].d.len(); got != texts {
			t.Errorf("%d distinct maps: %d texts, want %d", distinct, got, texts)
		}
	}
}

// TestPlainMap reads what appendPlainMap writes, and looks at what it leaves to appendMap.
func TestPlainMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.OneOf(rapid.StringMatching("[a-z.]{0,12}"), rapid.SampledFrom([]string{"$raw:", "bytesValue", "\xff", "\x00", "ä\"\\", rawPrefix, "世界"}))
		values := rapid.OneOf(
			rapid.Map(texts, span.StringValue), rapid.Map(rapid.Int64(), span.IntValue), rapid.Map(rapid.Bool(), span.BoolValue),
			rapid.Map(rapid.Float64(), span.DoubleValue), rapid.Just(span.DoubleValue(math.NaN())), rapid.Just(span.Value{Type: span.Double, Num: math.MaxUint64}),
			rapid.Map(texts, func(s string) span.Value { return span.TextValue(span.Bytes, s) }), rapid.Just(span.Value{}),
			rapid.SampledFrom([]span.Value{
				span.TextValue(span.List, `[1,"a"]`), span.TextValue(span.Map, `{"a":1}`), span.TextValue(span.Map, rawPrefix+"1}"),
			}),
		)
		var b span.Batch
		for range rapid.IntRange(0, 6).Draw(rt, "attributes") {
			b.AddAttr(b.PutText(texts.Draw(rt, "key")), values.Draw(rt, "value"))
		}
		text, ok := appendPlainMap([]byte("x"), &b, b.Values)
		if !ok {
			if string(text) != "x" {
				rt.Fatalf("refused, and %q appended", text)
			}
			return
		}
		got, err := parseMap(string(text[1:]))
		want := attributes(&b, span.Range{To: uint32(len(b.Values))})
		if d := cmp.Diff(want, canonical(got)); err != nil || d != "" {
			rt.Fatalf("%s: %v (-want +got)\n%s", text, err, d)
		}
	})
	var b span.Batch
	b.AddAttr(b.PutText("db.rows"), span.IntValue(7))
	b.AddAttr(b.PutText("http.route"), span.StringValue("/cart"))
	if text, ok := appendPlainMap(nil, &b, b.Values); !ok || string(text) != `{"db.rows":7,"http.route":"/cart"}` {
		t.Errorf("plain attributes are %q, taken: %v", text, ok)
	}
}
