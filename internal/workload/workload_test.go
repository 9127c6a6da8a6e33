package workload

import (
	"math"
	"reflect"
	"testing"

	"github.com/fuwu-project/fuwu/internal/span"
)

func TestGenerateShape(t *testing.T) {
	batches := Generate(1, 1000)
	type tree struct{ spans, roots int }
	traces, byID := map[span.TraceID]*tree{}, map[span.ID]span.Span{}
	keys, services, operations, instances := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	spans, attrs, errs, events, parts := 0, 0, 0, 0, map[span.TraceID]int{}
	for _, b := range batches {
		if b.Len() == 0 || b.Len() > 512 || len(b.Resources) != 1 {
			t.Fatalf("a batch of %d spans with %d resources", b.Len(), len(b.Resources))
		}
		here, last := map[span.TraceID]bool{}, int64(math.MinInt64)
		for i := range b.Len() {
			s := b.Span(i)
			if s.End() < last {
				t.Fatalf("a batch is not in order of end")
			}
			last = s.End()
			byID[s.SpanID] = s
			if traces[s.TraceID] == nil {
				traces[s.TraceID] = &tree{}
			}
			traces[s.TraceID].spans++
			if s.Parent == 0 {
				traces[s.TraceID].roots++
			}
			spans, attrs, events = spans+1, attrs+len(s.Attrs), events+len(s.Events)
			if s.Status == span.StatusError {
				errs++
			}
			for _, a := range s.Attrs {
				keys[a.Key] = true
			}
			services[s.Service()], operations[s.Service()+" "+s.Name] = true, true
			instances[s.Resource.Attrs[3].Value.Str] = true
			here[s.TraceID] = true
		}
		for id := range here {
			parts[id]++
		}
	}
	split := 0
	for id, tr := range traces {
		if tr.spans < 5 || tr.spans > 300 || tr.roots != 1 {
			t.Errorf("trace %v has %d spans, %d roots", id, tr.spans, tr.roots)
		}
		if parts[id] > 1 {
			split++
		}
	}
	for _, s := range byID {
		if s.Duration <= 0 {
			t.Fatalf("a duration of %d", s.Duration)
		}
		if p, ok := byID[s.Parent]; s.Parent != 0 && (!ok || p.TraceID != s.TraceID || s.Start < p.Start || s.End() > p.End()) {
			t.Fatalf("span %v is not inside its parent", s.SpanID)
		}
	}
	t.Logf("%d batches, %d spans, %d keys, %.1f attributes and %.1f spans a trace, %d services, %d operations, %d instances, %d errors, %d events, %d traces split",
		len(batches), spans, len(keys), float64(attrs)/float64(spans), float64(spans)/float64(len(traces)), len(services), len(operations), len(instances), errs, events, split)
	if len(traces) != 1000 || len(services) != 19 || len(instances) < 90 || errs == 0 || events == 0 || events > errs || split < 750 {
		t.Error("the traffic is not as Generate's doc says")
	}
	again := Generate(1, 1000)
	if len(again) != len(batches) {
		t.Fatalf("%d batches, then %d", len(batches), len(again))
	}
	for i := range batches {
		if !reflect.DeepEqual(batches[i], again[i]) {
			t.Fatalf("batch %d differs the second time", i)
		}
	}
	if reflect.DeepEqual(Generate(2, 10), Generate(3, 10)) {
		t.Error("two seeds give the same traffic")
	}
}

func BenchmarkGenerate(b *testing.B) {
	spans := 0
	for b.Loop() {
		for _, batch := range Generate(1, 5000) {
			spans += batch.Len()
		}
	}
	b.ReportMetric(float64(spans)/b.Elapsed().Seconds(), "spans/s")
}

// The endless traffic begins as the bounded one does, and stops when it is told to.
func TestBatchesAndTraceIDs(t *testing.T) {
	all := Generate(1, 6000)
	n, spans := 0, 0
	for b := range Batches(1) {
		if n == len(all)/2 {
			break
		}
		if !reflect.DeepEqual(b, all[n]) {
			t.Fatalf("batch %d differs", n)
		}
		spans += b.Len()
		n++
	}
	ids := TraceIDs(1, spans, 100)
	if len(ids) != 100 {
		t.Errorf("%d ids, want 100", len(ids))
	}
	if ids[0] != all[0].TraceID[0] {
		t.Error("the first id is not the first span's")
	}
}

func TestWiden(t *testing.T) {
	for _, c := range []struct{ want, least, most int }{{0, 30, Keys}, {Keys, 30, Keys}, {2 * Keys, Keys, 2 * Keys}, {10 * Keys, 8 * Keys, 10 * Keys}} {
		keys, n := map[string]bool{}, 0
		for b := range Widen(Batches(1), 1, c.want) {
			for i := range b.Len() {
				s := b.Span(i)
				for _, a := range s.Attrs {
					keys[a.Key] = true
				}
			}
			if n += b.Len(); n > 10_000 {
				break
			}
		}
		if len(keys) < c.least || len(keys) > c.most {
			t.Errorf("%d keys of %d wanted", len(keys), c.want)
		}
	}
}
