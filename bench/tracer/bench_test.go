package tracer

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"
	"time"

	ddtracer "github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
	"github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/reporter"
	zipkinhttp "github.com/openzipkin/zipkin-go/reporter/http"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
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

// A peer is one tracer. Its span is started and ended, with four attributes or none.
type peer struct {
	impl   string
	bare   func(ctx context.Context)
	attrs4 func(ctx context.Context)
	parent func(ctx context.Context) context.Context // nil: only roots
	stop   func()
}

func shuaiPeer(b *testing.B, impl string, cfg shuai.Config) peer {
	b.Helper()
	t, err := shuai.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	return shuaiPeerOf(impl, t)
}

func shuaiPeerOf(impl string, t *shuai.Tracer) peer {
	return peer{
		impl: impl,
		bare: func(ctx context.Context) {
			_, s := t.StartSpan(ctx, name, shuai.KindServer)
			s.End()
		},
		attrs4: func(ctx context.Context) {
			_, s := t.StartSpan(ctx, name, shuai.KindServer)
			s.Set(shuai.String("http.request.method", "GET"), shuai.String("http.route", "/subject/{id}"),
				shuai.Int("http.response.status_code", 200), shuai.Bool("cache.hit", true))
			s.End()
		},
		parent: func(ctx context.Context) context.Context {
			ctx, _ = t.StartSpan(ctx, "root", shuai.KindServer)
			return ctx
		},
		stop: func() { t.Stop(context.Background()) },
	}
}

func otelSpan(ctx context.Context, t trace.Tracer) {
	_, s := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	s.SetAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/subject/{id}"),
		attribute.Int("http.response.status_code", 200), attribute.Bool("cache.hit", true))
	s.End()
}

func otelPeer(p *sdktrace.TracerProvider) peer {
	t := p.Tracer("bench")
	return peer{
		impl: "otel",
		bare: func(ctx context.Context) {
			_, s := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
			s.End()
		},
		attrs4: func(ctx context.Context) { otelSpan(ctx, t) },
		parent: func(ctx context.Context) context.Context {
			ctx, _ = t.Start(ctx, "root")
			return ctx
		},
		stop: func() { p.Shutdown(context.Background()) },
	}
}

func zipkinPeer(b *testing.B, rep reporter.Reporter, sampler zipkin.Sampler) peer {
	b.Helper()
	t, err := zipkin.NewTracer(rep, zipkin.WithSampler(sampler), zipkin.WithSharedSpans(false))
	if err != nil {
		b.Fatal(err)
	}
	return peer{
		impl: "zipkin",
		bare: func(ctx context.Context) {
			s, _ := t.StartSpanFromContext(ctx, name, zipkin.Kind(model.Server))
			s.Finish()
		},
		attrs4: func(ctx context.Context) {
			s, _ := t.StartSpanFromContext(ctx, name, zipkin.Kind(model.Server))
			s.Tag("http.request.method", "GET")
			s.Tag("http.route", "/subject/{id}")
			s.Tag("http.response.status_code", strconv.Itoa(200))
			s.Tag("cache.hit", strconv.FormatBool(true))
			s.Finish()
		},
		parent: func(ctx context.Context) context.Context {
			_, ctx = t.StartSpanFromContext(ctx, "root")
			return ctx
		},
		stop: func() { rep.Close() },
	}
}

type quiet struct{}

func (quiet) Log(string) {}

// ddPeer is dd-trace-go, whose tracer is global. It has no spans that are not recorded: with a rate of 0 they are marked to be
// dropped later. Its traces are sent when their root ends, so there are only roots here.
func ddPeer(b *testing.B, rate float64) peer {
	b.Helper()
	b.Setenv("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false")
	b.Setenv("DD_REMOTE_CONFIGURATION_ENABLED", "false")
	b.Setenv("DD_RUNTIME_METRICS_ENABLED", "false")
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "{}")
	}))
	b.Cleanup(agent.Close)
	if err := ddtracer.Start(ddtracer.WithAgentAddr(agent.Listener.Addr().String()), ddtracer.WithSamplerRate(rate),
		ddtracer.WithLogStartup(false), ddtracer.WithLogger(quiet{}), ddtracer.WithService("bench")); err != nil {
		b.Fatal(err)
	}
	return peer{
		impl: "dd",
		bare: func(ctx context.Context) {
			s, _ := ddtracer.StartSpanFromContext(ctx, name)
			s.Finish()
		},
		attrs4: func(ctx context.Context) {
			s, _ := ddtracer.StartSpanFromContext(ctx, name)
			s.SetTag("http.request.method", "GET")
			s.SetTag("http.route", "/subject/{id}")
			s.SetTag("http.response.status_code", 200)
			s.SetTag("cache.hit", true)
			s.Finish()
		},
		stop: ddtracer.Stop,
	}
}

// rows measures a peer: roots and children, alone and on all processors. The CPU of the process (cpu-ns/op), garbage collection
// included, says more than the clock on a machine that others use, too.
func (p peer) rows(b *testing.B, span func(context.Context)) {
	defer p.stop()
	where := map[string]context.Context{"root": context.Background()}
	if p.parent != nil {
		where["child"] = p.parent(context.Background())
	}
	for of, ctx := range where {
		b.Run("span="+of+"/impl="+p.impl, func(b *testing.B) {
			b.ReportAllocs()
			began, n := cpu(b), 0
			for b.Loop() {
				span(ctx)
				n++
			}
			b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(n), "cpu-ns/op")
		})
		b.Run("span="+of+"/parallel/impl="+p.impl, func(b *testing.B) {
			b.ReportAllocs()
			began := cpu(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					span(ctx)
				}
			})
			b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// unsampled calls f with a tracer of each kind that records nothing.
func unsampled(b *testing.B, f func(p peer)) {
	f(shuaiPeer(b, "shuai", shuai.Config{Service: "bench", Ratio: -1}))
	f(shuaiPeer(b, "shuai-without-statistics", shuai.Config{Service: "bench", Ratio: -1, Statistics: "off"}))
	root, counted, _ := floors()
	f(root)
	f(counted)
	f(otelPeer(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))))
	f(zipkinPeer(b, reporter.NewNoopReporter(), zipkin.NeverSample))
	f(ddPeer(b, 0))
}

// BenchmarkUnsampled is a span that is started and ended and not recorded. Shuai counts it, unless told not to; the others do not.
func BenchmarkUnsampled(b *testing.B) { unsampled(b, func(p peer) { p.rows(b, p.bare) }) }

// BenchmarkUnsampled4 is the same with the four attributes that an instrumentation sets, which nobody keeps.
func BenchmarkUnsampled4(b *testing.B) { unsampled(b, func(p peer) { p.rows(b, p.attrs4) }) }

// ignore is the cheapest span processor that records.
type ignore struct{}

func (ignore) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (ignore) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (ignore) Shutdown(context.Context) error                  { return nil }
func (ignore) ForceFlush(context.Context) error                { return nil }

// BenchmarkSampled4 is a recorded span with four attributes that nobody exports: Shuai's is counted, and dropped because the buffer is too
// small for it, OpenTelemetry's goes to a processor that does nothing, Zipkin's to a reporter that does nothing.
func BenchmarkSampled4(b *testing.B) {
	_, _, floor := floors()
	for _, p := range []peer{
		shuaiPeer(b, "shuai", shuai.Config{Service: "bench", Ratio: 1, BufferBytes: 1}),
		floor,
		otelPeer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ignore{}))),
		zipkinPeer(b, reporter.NewNoopReporter(), zipkin.AlwaysSample),
	} {
		p.rows(b, p.attrs4)
	}
}

// BenchmarkSampled4Setters is Shuai's with a call for each attribute instead of one for all.
func BenchmarkSampled4Setters(b *testing.B) {
	t, err := shuai.New(shuai.Config{Service: "bench", Ratio: 1, BufferBytes: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Stop(context.Background())
	ctx, _ := t.StartSpan(context.Background(), "root", shuai.KindServer)
	b.Run("impl=shuai", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, s := t.StartSpan(ctx, name, shuai.KindServer)
			s.SetString("http.request.method", "GET")
			s.SetString("http.route", "/subject/{id}")
			s.SetInt("http.response.status_code", 200)
			s.SetBool("cache.hit", true)
			s.End()
		}
	})
}

// cpu is what the process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

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

// exported measures a span that is exported. Spans are made no faster than the exporters can carry, and where it can be told none may be lost.
func exported(b *testing.B, impl string, start func(b *testing.B) (p peer, pace func(), sent func() uint64)) {
	b.Run("impl="+impl, func(b *testing.B) {
		p, pace, sent := start(b)
		b.ReportAllocs()
		began, n := cpu(b), uint64(0)
		for b.Loop() {
			p.attrs4(context.Background())
			if n++; n%2000 == 0 {
				pace()
			}
		}
		p.stop()
		b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(n), "cpu-ns/op")
		if sent != nil && sent() != n {
			b.Fatalf("%d spans made, %d sent", n, sent())
		}
	})
}

func exportedByShuai(t *shuai.Tracer) (p peer, pace func(), sent func() uint64) {
	return shuaiPeerOf("shuai", t), func() {
		for t.Stats().BufferedBytes > 32<<20 {
			time.Sleep(time.Millisecond)
		}
	}, func() uint64 { return t.Stats().Exported }
}

func none() {}

// BenchmarkSampled4Discard is a recorded span that reaches an exporter, which throws it away: of the SDK the batcher and an exporter that
// does nothing, of Shuai all but the network, so encoding, too.
func BenchmarkSampled4Discard(b *testing.B) {
	exported(b, "shuai", func(b *testing.B) (peer, func(), func() uint64) {
		t, err := shuai.New(shuai.Config{Service: "bench", Ratio: 1, Compression: "none", BufferBytes: 64 << 20, Transport: discard{}})
		if err != nil {
			b.Fatal(err)
		}
		return exportedByShuai(t)
	})
	exported(b, "otel", func(*testing.B) (peer, func(), func() uint64) {
		return otelPeer(sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter(), sdktrace.WithBlocking()))), none, nil
	})
}

// BenchmarkSampled4Export is the cost to the process, all threads together (cpu-ns/op), of a span that reaches a collector over
// loopback, uncompressed. The collector, which discards, is in the same process and costs all the same.
func BenchmarkSampled4Export(b *testing.B) {
	exported(b, "shuai", func(b *testing.B) (peer, func(), func() uint64) {
		return exportedByShuai(newShuai(b, 1, discardingCollector(b)))
	})
	exported(b, "otel", func(b *testing.B) (peer, func(), func() uint64) {
		exp, err := otlptracehttp.New(b.Context(), otlptracehttp.WithEndpointURL(discardingCollector(b)+"/v1/traces"))
		if err != nil {
			b.Fatal(err)
		}
		return otelPeer(sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp, sdktrace.WithBlocking()))), none, nil
	})
	exported(b, "zipkin", func(b *testing.B) (peer, func(), func() uint64) {
		rep := zipkinhttp.NewReporter(discardingCollector(b)+"/api/v2/spans", zipkinhttp.MaxBacklog(1<<20), zipkinhttp.BatchSize(512))
		return zipkinPeer(b, rep, zipkin.AlwaysSample), none, nil
	})
	exported(b, "dd", func(b *testing.B) (peer, func(), func() uint64) { return ddPeer(b, 1), none, nil })
}
