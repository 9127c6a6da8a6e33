package shuai

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// discard is a collector without a network.
type discard struct{}

func (discard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

func benchTracer(b *testing.B, ratio float64) *Tracer {
	b.Helper()
	t, err := New(Config{Service: "bench", Ratio: ratio, Compression: "none", BufferBytes: 64 << 20, Transport: discard{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { t.Stop(context.Background()) })
	b.ReportAllocs()
	return t
}

// What a root costs, and its ids, which somebody asks for: with a key they are noise to others.
func BenchmarkRoot(b *testing.B) {
	for _, key := range []string{"", exampleKey} {
		for _, ratio := range []float64{1, -1} {
			t, err := New(Config{Service: "bench", Ratio: ratio, Statistics: "off", IDKey: key, Transport: discard{}})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Stop(context.Background())
			t.exporter.bound = 0
			b.Run(fmt.Sprintf("key=%v/ratio=%v", key != "", ratio), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, s := t.StartSpan(context.Background(), "GET /subject/{id}", KindServer)
					_ = s.SpanID()
					s.End()
				}
			})
		}
	}
}

func fourAttributes(s *Span) {
	s.Set(String("http.request.method", "GET"), String("http.route", "/subject/{id}"),
		Int("http.response.status_code", 200), Bool("cache.hit", true))
}

// What a span costs that is not recorded: with the statistics, and without.
func BenchmarkUnsampled(b *testing.B) {
	for _, statistics := range []string{"off", "cumulative"} {
		t, err := New(Config{Service: "bench", Ratio: -1, Statistics: statistics, Transport: discard{}})
		if err != nil {
			b.Fatal(err)
		}
		defer t.Stop(context.Background())
		root, _ := t.StartSpan(context.Background(), "root", KindServer)
		for name, ctx := range map[string]context.Context{"root": context.Background(), "child": root} {
			b.Run("statistics="+statistics+"/span="+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, s := t.StartSpan(ctx, "GET /subject/{id}", KindServer)
					s.End()
				}
			})
			b.Run("statistics="+statistics+"/parallel/span="+name, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						_, s := t.StartSpan(ctx, "GET /subject/{id}", KindServer)
						s.End()
					}
				})
			})
		}
	}
}

// The span is dropped at its end, so that no export runs: the cost to the caller.
func BenchmarkSampled4(b *testing.B) {
	t := benchTracer(b, 1)
	t.exporter.bound = 0
	ctx, _ := t.StartSpan(context.Background(), "root", KindServer)
	for b.Loop() {
		_, s := StartSpan(ctx, "GET /subject/{id}", KindClient)
		fourAttributes(s)
		s.End()
	}
}

// The whole way to a collector that discards, encoding included: the cost to the process.
func BenchmarkSampled4Export(b *testing.B) {
	t := benchTracer(b, 1)
	ctx, _ := t.StartSpan(context.Background(), "root", KindServer)
	for b.Loop() {
		_, s := StartSpan(ctx, "GET /subject/{id}", KindClient)
		fourAttributes(s)
		s.End()
	}
	b.StopTimer()
	if err := t.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
	if d := t.Stats().Dropped; d.Total() > 0 {
		b.ReportMetric(float64(d.Total())/float64(b.N), "dropped/op")
	}
}

func BenchmarkEncode4(b *testing.B) {
	t := benchTracer(b, 1)
	_, s := t.StartSpan(context.Background(), "GET /subject/{id}", KindServer)
	fourAttributes(s)
	s.End()
	var e encoder
	for b.Loop() {
		e.add(s.rec)
		if e.size > maxRequest {
			e.finish()
		}
	}
}

// What compression adds, per span of 1,000 in a request.
func BenchmarkGzip(b *testing.B) {
	t := benchTracer(b, 1)
	r := &runState{e: newExporter(settings{limit: 1 << 40, gzip: true}, new(shards), nil)}
	var spans []*record
	for range 1000 {
		_, s := t.StartSpan(context.Background(), "GET /subject/{id}", KindServer)
		fourAttributes(s)
		s.End()
		spans = append(spans, s.rec)
	}
	encoded := 0
	for b.Loop() {
		for _, s := range spans {
			r.enc.add(s)
		}
		encoded = r.enc.size
		r.pack(epoch)
		r.queue = queue{}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/span")
	b.ReportMetric(float64(encoded)/1000, "B/span")
	b.ReportMetric(float64(r.zipped.Len())/1000, "gzip-B/span")
}
