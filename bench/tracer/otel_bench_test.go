package tracer

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fuwu-project/fuwu/shuai"
	shuaiotel "github.com/fuwu-project/fuwu/shuai/contrib/otel"
)

// The benchmarks of bench_test.go through OpenTelemetry's API on both sides: the same calls, with Shuai or with the SDK behind them. The options
// of Start and the attributes cost the same on both sides, before either sees them: BenchmarkThroughOTelCalls.

// through calls f with OpenTelemetry's tracer of either.
func through(b *testing.B, ratio float64, sampler sdktrace.Sampler, f func(b *testing.B, t trace.Tracer)) {
	b.Run("impl=shuai", func(b *testing.B) {
		t, err := shuai.New(shuai.Config{Service: "bench", Ratio: ratio, BufferBytes: 1})
		if err != nil {
			b.Fatal(err)
		}
		defer t.Stop(b.Context())
		b.ReportAllocs()
		f(b, shuaiotel.NewTracerProvider(t).Tracer("bench"))
	})
	b.Run("impl=otel", func(b *testing.B) {
		b.ReportAllocs()
		f(b, sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(ignore{})).Tracer("bench"))
	})
}

func roots(b *testing.B, t trace.Tracer) {
	for b.Loop() {
		otelSpan(b.Context(), t)
	}
}

func children(b *testing.B, t trace.Tracer) {
	ctx, _ := t.Start(b.Context(), "root")
	for b.Loop() {
		otelSpan(ctx, t)
	}
}

func BenchmarkThroughOTelUnsampledRoot(b *testing.B) {
	through(b, -1, sdktrace.NeverSample(), roots)
}

func BenchmarkThroughOTelUnsampledChild(b *testing.B) {
	through(b, -1, sdktrace.ParentBased(sdktrace.NeverSample()), children)
}

func BenchmarkThroughOTelSampled4(b *testing.B) {
	through(b, 1, sdktrace.AlwaysSample(), children)
}

// BenchmarkThroughOTelSampled4Export is BenchmarkSampled4Export.
func BenchmarkThroughOTelSampled4Export(b *testing.B) {
	b.Run("impl=shuai", func(b *testing.B) {
		core := newShuai(b, 1, discardingCollector(b))
		t := shuaiotel.NewTracerProvider(core).Tracer("bench")
		ctx, _ := t.Start(b.Context(), "root")
		n := 0
		for b.Loop() {
			otelSpan(ctx, t)
			if n++; n%2000 == 0 {
				for core.Stats().BufferedBytes > 32<<20 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		if err := core.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		if s := core.Stats(); s.Exported != uint64(n) {
			b.Fatalf("%d spans made, %+v", n, s)
		}
	})
	b.Run("impl=otel", func(b *testing.B) {
		exp, err := otlptracehttp.New(b.Context(), otlptracehttp.WithEndpointURL(discardingCollector(b)+"/v1/traces"))
		if err != nil {
			b.Fatal(err)
		}
		p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp, sdktrace.WithBlocking()))
		b.ReportAllocs()
		children(b, p.Tracer("bench"))
		if err := p.Shutdown(context.Background()); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkThroughOTelCalls is the floor: the calls themselves, to an implementation that does nothing but apply the options.
func BenchmarkThroughOTelCalls(b *testing.B) {
	var t trace.Tracer = optionsTracer{}
	b.ReportAllocs()
	for b.Loop() {
		otelSpan(b.Context(), t)
	}
}

type optionsTracer struct{ trace.Tracer }

func (optionsTracer) Start(ctx context.Context, _ string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	cfg := trace.NewSpanStartConfig(options...)
	_ = cfg.SpanKind()
	return ctx, trace.SpanFromContext(ctx)
}
