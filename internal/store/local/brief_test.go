package local

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// TestBriefTracesLetGoOfResources: a batch keeps its resources, but not without bound, and what comes after is right.
func TestBriefTracesLetGoOfResources(t *testing.T) {
	s := open(t, options(vfs.NewMem(), "store"))
	const traces, size = 3 * tracesAtOnce, mostKept / 5
	name := func(i int) string { return fmt.Sprintf("%s%03d", strings.Repeat("x", size-3), i) }
	var ids []span.TraceID
	for i := range traces {
		id := span.TraceID{Hi: 1, Lo: uint64(i + 1)}
		ids = append(ids, id)
		var spans []span.Span
		for j, service := range []string{"shared", name(i), name(i / 2)} {
			spans = append(spans, span.Span{
				TraceID: id, SpanID: span.ID(j + 1), Name: service[len(service)-3:], Start: int64(j + 1),
				Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(service)}}},
			})
		}
		if err := s.Append(t.Context(), batch(spans...)); err != nil {
			t.Fatal(err)
		}
		if i == traces/2 {
			sealNow(t, s)
		}
	}
	var last *span.Batch
	again := 0
	err := s.BriefTraces(t.Context(), ids, func(i int, b *span.Batch) error {
		if b == last {
			again++
		}
		last = b
		for row, want := range []string{"shared", name(i), name(i / 2)} {
			if b.Service(row) != want || b.String(b.Name[row]) != want[len(want)-3:] {
				t.Errorf("trace %d, span %d: a span %s of %.3s…%s", i, row, b.String(b.Name[row]), b.Service(row), b.Service(row)[len(b.Service(row))-3:])
			}
		}
		if n := b.TextLen(); n > mostKept+3*size {
			t.Errorf("trace %d: the batch has %d bytes of text", i, n)
		}
		return nil
	})
	if err != nil || again < traces/2 {
		t.Errorf("%d of %d traces came in the batch before, %v", again, traces, err)
	}
}
