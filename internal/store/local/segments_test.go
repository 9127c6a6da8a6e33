package local

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// TestSegments asks three segments of several pages each, and a head, for what the model knows: filters, orders, limits
// and ranges drawn at random. Traces lie across the segments, and some spans are in two of them.
func TestSegments(t *testing.T) {
	model := storetest.NewModel()
	s := open(t, options(vfs.NewMem(), "/data"))
	var starts, durations []int64
	var copied *span.Batch
	n, segments := 0, 0
	put := func(b *span.Batch) {
		t.Helper()
		for _, st := range []store.Store{model, s} {
			if err := st.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		n += b.Len()
	}
	for b := range workload.Batches(11) {
		put(b)
		starts, durations = append(starts, b.Start...), append(durations, b.Duration...)
		if copied == nil && n > 5000 {
			copied = batch(b.Span(0), b.Span(1), b.Span(2))
		}
		if n > 9000 && segments < 3 {
			sealNow(t, s)
			segments++
			put(copied) // a retry that comes late
			n = 0
		}
		if segments == 3 && n > 500 {
			break
		}
	}
	for _, seg := range s.segments {
		if seg.rows() <= pageRows {
			t.Fatalf("%d rows in a segment", seg.rows())
		}
	}
	var filters []store.Expr
	for _, text := range []string{
		`{ duration > 100ms }`, `{ duration <= 300us }`, `{ status = error }`, `{ !(status = error) && root }`, `{ kind = server || kind = producer }`,
		`{ name =~ ".*Order.*" }`, `{ !(name =~ ".*List.*") && duration > 5ms }`, `{ service.name != "nobody" }`, `{ http.response.status_code >= 500 }`,
		`{ !(http.response.status_code < 500) && kind != client }`, `{ traceDuration > 1s }`, `{ rootName =~ ".*1" && status = error }`,
		`{ db.system.name = "postgresql" || statusMessage != "" }`, `{ resource.service.name = "frontend" }`, `{ service.name =~ "c.*" && duration < 1ms }`,
	} {
		e, err := store.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, e)
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) store.Expr {
			e := rapid.SampledFrom(filters).Draw(t, label)
			switch rapid.IntRange(0, 4).Draw(t, label+" form") {
			case 0:
				e = store.AtLeast(time.Duration(rapid.SampledFrom(durations).Draw(t, "at least")))
			case 1:
				e = store.Not{X: e}
			}
			return e
		}
		q := store.Query{
			Order: rapid.SampledFrom([]store.Order{store.Newest, store.Slowest, store.Sampled}).Draw(t, "order"),
			Limit: rapid.SampledFrom([]int{1, 2, 7, 20, 100, 3000}).Draw(t, "limit"), Count: rapid.Bool().Draw(t, "count"),
			Brief: true, OnePerTrace: rapid.Bool().Draw(t, "one per trace"),
		}
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			q.Filter = draw("filter")
		case 1:
			q.Filter = store.And{X: draw("x"), Y: draw("y")}
		case 2:
			q.Filter = store.Or{X: draw("x"), Y: draw("y")}
		}
		if rapid.Bool().Draw(t, "from") {
			q.Range.From = rapid.SampledFrom(starts).Draw(t, "from")
		}
		if rapid.Bool().Draw(t, "to") {
			q.Range.To = rapid.SampledFrom(starts).Draw(t, "to")
		}
		want, err := model.Select(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Select(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		switch copies := segments * copied.Len(); { // which may count
		case got.Matched > want.Matched+copies, got.Matched < want.Matched && !got.More, got.More && q.Count:
			t.Fatalf("%d matched, more: %v; want %d", got.Matched, got.More, want.Matched)
		}
		if err := equal(want.Spans, got.Spans); err != nil {
			t.Fatal(err)
		}
	})
}

// equal compares what brief spans have.
func equal(want, got *span.Batch) error {
	if want.Len() != got.Len() {
		return fmt.Errorf("%d spans, want %d", got.Len(), want.Len())
	}
	for i := range want.Len() {
		w, g := want.Span(i), got.Span(i)
		if w.TraceID != g.TraceID || w.SpanID != g.SpanID || w.Parent != g.Parent || w.Start != g.Start || w.Duration != g.Duration ||
			w.Name != g.Name || w.Kind != g.Kind || w.Status != g.Status {
			return fmt.Errorf("row %d is %+v, want %+v", i, g, w)
		}
	}
	return nil
}

// TestForget asks for what needs all dictionaries of several segments: none is held at the end.
func TestForget(t *testing.T) {
	s := open(t, options(vfs.NewMem(), "/data"))
	for i := range 3 {
		mustAppend(t, s, numbered(i))
		sealNow(t, s)
	}
	e, err := store.ParseFilter(`{ name =~ ".*" && traceDuration >= 0s }`)
	if err != nil {
		t.Fatal(err)
	}
	v, release, err := s.view(func(source) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := v.aggregate(t.Context(), store.AggregateQuery{Filter: e, By: []store.Field{store.Name, {Name: "batch"}}}, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := v.list(t.Context(), store.NamesQuery{Of: store.Keys}); err != nil {
		t.Fatal(err)
	}
	for i, c := range v {
		for col, d := range c.dicts {
			if d != nil {
				t.Errorf("source %d holds the dictionary of column %d", i, col)
			}
		}
		for col, p := range c.scanned {
			if p != nil {
				t.Errorf("source %d holds a page of column %d", i, col)
			}
		}
		if len(c.objects)+len(c.maps) > 0 {
			t.Errorf("source %d holds what was parsed", i)
		}
	}
}
