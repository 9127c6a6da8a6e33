package tracer

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fuwu-project/fuwu/shuai"
)

const name = "GET /subject/{id}"

// discardingCollector reads requests and accepts them.
func discardingCollector(tb testing.TB) string {
	tb.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	tb.Cleanup(srv.Close)
	return srv.URL
}

func newShuai(b *testing.B, ratio float64, url string) *shuai.Tracer {
	b.Helper()
	t, err := shuai.New(shuai.Config{Service: "bench", Ratio: ratio, Endpoint: url, Compression: "none", BufferBytes: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return t
}

func shuaiSpan(ctx context.Context, t *shuai.Tracer) {
	_, s := t.StartSpan(ctx, name, shuai.KindServer)
	s.SetString("http.request.method", "GET")
	s.SetString("http.route", "/subject/{id}")
	s.SetInt("http.response.status_code", 200)
	s.SetBool("cache.hit", true)
	s.End()
}

func otelSpan(ctx context.Context, t trace.Tracer) {
	_, s := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	s.SetAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/subject/{id}"),
		attribute.Int("http.response.status_code", 200), attribute.Bool("cache.hit", true))
	s.End()
}

func BenchmarkUnsampledRoot(b *testing.B) {
	b.Run("impl=shuai", func(b *testing.B) {
		t := newShuai(b, -1, "")
		defer t.Stop(b.Context())
		for b.Loop() {
			shuaiSpan(b.Context(), t)
		}
	})
	b.Run("impl=otel", func(b *testing.B) {
		p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		t := p.Tracer("bench")
		b.ReportAllocs()
		for b.Loop() {
			otelSpan(b.Context(), t)
		}
	})
}

func BenchmarkUnsampledChild(b *testing.B) {
	b.Run("impl=shuai", func(b *testing.B) {
		t := newShuai(b, -1, "")
		defer t.Stop(b.Context())
		ctx, _ := t.StartSpan(b.Context(), "root", shuai.KindServer)
		for b.Loop() {
			shuaiSpan(ctx, t)
		}
	})
	b.Run("impl=otel", func(b *testing.B) {
		p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
		t := p.Tracer("bench")
		ctx, _ := t.Start(b.Context(), "root")
		b.ReportAllocs()
		for b.Loop() {
			otelSpan(ctx, t)
		}
	})
}

// ignore is the cheapest span processor that records.
type ignore struct{}

func (ignore) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (ignore) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (ignore) Shutdown(context.Context) error                  { return nil }
func (ignore) ForceFlush(context.Context) error                { return nil }

// BenchmarkSampled4 is a recorded span with four attributes that nobody exports: Shuai's is dropped
// because the buffer is too small for it, OpenTelemetry's goes to a processor that does nothing.
func BenchmarkSampled4(b *testing.B) {
	b.Run("impl=shuai", func(b *testing.B) {
		t, err := shuai.New(shuai.Config{Service: "bench", Ratio: 1, BufferBytes: 1})
		if err != nil {
			b.Fatal(err)
		}
		defer t.Stop(b.Context())
		ctx, _ := t.StartSpan(b.Context(), "root", shuai.KindServer)
		b.ReportAllocs()
		for b.Loop() {
			shuaiSpan(ctx, t)
		}
	})
	b.Run("impl=otel", func(b *testing.B) {
		p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ignore{}))
		t := p.Tracer("bench")
		ctx, _ := t.Start(b.Context(), "root")
		b.ReportAllocs()
		for b.Loop() {
			otelSpan(ctx, t)
		}
	})
}

// BenchmarkSampled4Export is the cost to the process of a span that reaches a collector, uncompressed, over
// loopback; spans are made no faster than both exporters can carry, and none may be lost.
func BenchmarkSampled4Export(b *testing.B) {
	const burst = 2000
	b.Run("impl=shuai", func(b *testing.B) {
		t := newShuai(b, 1, discardingCollector(b))
		ctx, _ := t.StartSpan(b.Context(), "root", shuai.KindServer)
		n := 0
		for b.Loop() {
			shuaiSpan(ctx, t)
			if n++; n%burst == 0 {
				for t.Stats().BufferedBytes > 32<<20 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		if err := t.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		if s := t.Stats(); s.Exported != uint64(n) {
			b.Fatalf("%d spans made, %+v", n, s)
		}
	})
	b.Run("impl=otel", func(b *testing.B) {
		exp, err := otlptracehttp.New(b.Context(), otlptracehttp.WithEndpointURL(discardingCollector(b)+"/v1/traces"))
		if err != nil {
			b.Fatal(err)
		}
		p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp, sdktrace.WithBlocking()))
		t := p.Tracer("bench")
		ctx, _ := t.Start(b.Context(), "root")
		b.ReportAllocs()
		for b.Loop() {
			otelSpan(ctx, t)
		}
		if err := p.Shutdown(context.Background()); err != nil {
			b.Fatal(err)
		}
	})
}
