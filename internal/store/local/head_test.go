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
