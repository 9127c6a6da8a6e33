package local

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// benchTraces make about 160,000 spans: one segment, and the beginning of a second.
const benchTraces = 5000

// generated are batches whose Wire is a body of the size that OTLP has.
func generated(traces int) (batches []*span.Batch, spans int) {
	batches = workload.Generate(1, traces)
	for _, b := range batches {
		spans += b.Len()
		b.Wire.Format = gobFormat
		b.Wire.Body = make([]byte, 440*b.Len())
	}
	return batches, spans
}

// BenchmarkAppend is ingest from the decoded batch to the sealed segment on disk.
func BenchmarkAppend(b *testing.B) {
	batches, spans := generated(benchTraces)
	var bytes, stored int64
	for b.Loop() {
		s := open(b, options(vfs.OS(), b.TempDir()))
		for _, batch := range batches {
			if err := s.Append(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		sealNow(b, s)
		bytes, stored = s.Stats().Bytes, s.Stats().Spans
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	perSpan := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(spans)
	b.ReportMetric(perSpan, "ns/span")
	b.ReportMetric(1e9/perSpan, "spans/s")
	b.ReportMetric(float64(bytes)/float64(stored), "B/span")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkHead is the part of ingest that is the head's.
func BenchmarkHead(b *testing.B) {
	batches, spans := generated(benchTraces)
	h := newHead(1)
	for b.Loop() {
		before := h
		h = newHead(1)
		h.expect(before)
		for _, batch := range batches {
			h.append(batch)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(spans), "ns/span")
	b.ReportMetric(float64(h.bytes)/float64(h.n), "B/span")
	b.ReportMetric(0, "ns/op")
}

// filled is a store with sealed spans, and some of their traces.
func filled(b *testing.B) (*Store, []span.TraceID, int) {
	b.Helper()
	s := open(b, options(vfs.OS(), b.TempDir()))
	batches, spans := generated(benchTraces)
	var ids []span.TraceID
	for i, batch := range batches {
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if i%20 == 0 {
			ids = append(ids, batch.TraceID[0])
		}
	}
	sealNow(b, s)
	runtime.GC()
	return s, ids, spans
}

func BenchmarkTrace(b *testing.B) {
	s, ids, _ := filled(b)
	found, i := 0, 0
	for _, id := range ids { // warm
		if _, err := s.Trace(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		t, err := s.Trace(b.Context(), ids[i%len(ids)])
		if err != nil {
			b.Fatal(err)
		}
		found += t.Len()
		i++
	}
	b.ReportMetric(float64(found)/float64(b.N), "spans/trace")
}

// BenchmarkTraceOfMany looks for traces in 1,000 segments, all traces having ids that say nothing of their time.
func BenchmarkTraceOfMany(b *testing.B) {
	const segments, rows = 1000, 512
	o := options(vfs.NewMem(), "/data")
	o.SegmentRows = rows
	s := open(b, o)
	var ids []span.TraceID
	for batch := range workload.Batches(1) {
		if s.Stats().Segments >= segments {
			break
		}
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, batch.TraceID[0])
	}
	sealNow(b, s)
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ask := func(id func(i int) span.TraceID) func(b *testing.B) {
		return func(b *testing.B) {
			i := 0
			for b.Loop() {
				if _, err := s.Trace(b.Context(), id(i)); err != nil && !errors.Is(err, store.ErrNotFound) {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(s.Stats().Segments), "segments")
		}
	}
	b.Run("there", ask(func(i int) span.TraceID { return ids[i%len(ids)] }))
	b.Run("missing", ask(func(int) span.TraceID { return span.TraceID{Hi: rng.Uint64(), Lo: rng.Uint64()} }))
	b.Run("half an id", ask(func(i int) span.TraceID { return span.TraceID{Lo: ids[i%len(ids)].Lo} }))
}

func BenchmarkSelect(b *testing.B) {
	s, _, _ := filled(b)
	for name, text := range map[string]string{
		"all": `{}`, "service": `{ kind = server && duration > 50ms }`, "attribute": `{ http.route =~ ".*" && status = error }`,
	} {
		e, err := store.ParseFilter(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Select(b.Context(), store.Query{Filter: e, Order: store.Slowest, Limit: 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAggregate counts by service and name, with quantiles: from the sums of the segment, row by row, and by time.
func BenchmarkAggregate(b *testing.B) {
	s := open(b, options(vfs.OS(), b.TempDir()))
	for batch := range workload.Batches(1) {
		if s.Stats().Spans > 1<<20 {
			break
		}
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	sealNow(b, s)
	all, err := store.ParseFilter("{ duration > 1us }")
	if err != nil {
		b.Fatal(err)
	}
	spans := s.Stats().Spans
	for _, c := range []struct {
		name string
		q    store.AggregateQuery
	}{{"sums", store.AggregateQuery{}}, {"rows", store.AggregateQuery{Filter: all}}, {"times", store.AggregateQuery{Step: time.Second}}} {
		c.q.By = []store.Field{store.ServiceName, store.Name}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Aggregate(b.Context(), c.q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(spans)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mspans/s")
		})
	}
}
