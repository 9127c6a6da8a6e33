package local

import (
	"fmt"
	"testing"

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
