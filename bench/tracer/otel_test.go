package tracer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/fuwu-project/fuwu/shuai"
	shuaiotel "github.com/fuwu-project/fuwu/shuai/contrib/otel"
)

type script func(ctx context.Context, p trace.TracerProvider)

var (
	otelStart = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	remoteSC  = trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0xaa, 1}, SpanID: trace.SpanID{0xbb, 2}, TraceFlags: trace.FlagsSampled, TraceState: mustState("a=1"), Remote: true,
	})
	localSC = remoteSC.WithRemote(false).WithSpanID(trace.SpanID{0xcc})
)

func mustState(s string) trace.TraceState {
	ts, err := trace.ParseTraceState(s)
	if err != nil {
		panic(err)
	}
	return ts
}

type valueKey struct{}

type oddError struct{}

func (oddError) Error() string { return "odd" }

// Each script does something through OpenTelemetry's API, once with the SDK and once with Shuai behind it. What a collector gets has to be the same:
// the specification of the trace API, as its reference implementation understands it.
var otelScripts = map[string]script{
	"defaults": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a")
		s.End()
	},
	"kinds": func(ctx context.Context, p trace.TracerProvider) {
		for k := trace.SpanKindUnspecified; k <= trace.SpanKindConsumer+1; k++ {
			_, s := p.Tracer("scope").Start(ctx, "kind "+k.String()+fmt.Sprint(int(k)), trace.WithSpanKind(k))
			s.End()
		}
	},
	"scopes": func(ctx context.Context, p trace.TracerProvider) {
		ctx, a := p.Tracer("one", trace.WithInstrumentationVersion("1.2"), trace.WithSchemaURL("https://example.com/s")).Start(ctx, "a")
		ctx, b := p.Tracer("two", trace.WithInstrumentationAttributes(attribute.Bool("k", true))).Start(ctx, "b")
		_, c := p.Tracer("one", trace.WithInstrumentationVersion("1.2"), trace.WithSchemaURL("https://example.com/s")).Start(ctx, "c")
		for _, s := range []trace.Span{c, b, a} {
			s.End()
		}
	},
	"parents": func(ctx context.Context, p trace.TracerProvider) {
		t := p.Tracer("scope")
		ctx, root := t.Start(ctx, "root")
		inner, child := t.Start(ctx, "child")
		_, grandchild := t.Start(context.WithValue(inner, valueKey{}, 1), "grandchild")
		_, sibling := t.Start(ctx, "sibling")
		_, other := t.Start(ctx, "new root", trace.WithNewRoot())
		_, given := t.Start(trace.ContextWithSpan(context.Background(), child), "by ContextWithSpan")
		_, detached := t.Start(trace.ContextWithSpanContext(context.Background(), child.SpanContext()), "by ContextWithSpanContext")
		_, invalid := t.Start(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), "invalid parent")
		_, cut := t.Start(context.WithoutCancel(inner), "without cancel")
		for _, s := range []trace.Span{cut, invalid, detached, given, other, sibling, grandchild, child, root} {
			s.End()
		}
	},
	"remote parents": func(ctx context.Context, p trace.TracerProvider) {
		t := p.Tracer("scope")
		ctx2, s := t.Start(trace.ContextWithRemoteSpanContext(ctx, remoteSC), "remote")
		_, below := t.Start(ctx2, "below")
		_, local := t.Start(trace.ContextWithSpanContext(ctx, localSC), "local")
		_, ignored := t.Start(trace.ContextWithRemoteSpanContext(ctx, remoteSC), "public endpoint", trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: remoteSC}))
		for _, s := range []trace.Span{ignored, local, below, s} {
			s.End()
		}
	},
	"unsampled parent": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(trace.ContextWithRemoteSpanContext(ctx, remoteSC.WithTraceFlags(0)), "not exported")
		s.SetAttributes(attribute.Int("k", 1))
		s.End()
		_, s = p.Tracer("scope").Start(ctx, "exported")
		s.End()
	},
	"times": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "both", trace.WithTimestamp(otelStart))
		s.AddEvent("event", trace.WithTimestamp(otelStart.Add(time.Second)))
		s.RecordError(errors.New("x"), trace.WithTimestamp(otelStart.Add(2*time.Second)))
		s.End(trace.WithTimestamp(otelStart.Add(3 * time.Second)))
		_, s = p.Tracer("scope").Start(ctx, "start", trace.WithTimestamp(otelStart))
		s.AddEvent("event")
		s.End()
	},
	"attributes": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a", trace.WithAttributes(attribute.String("s", "v"), attribute.Int("i", -1)), trace.WithAttributes(attribute.Bool("b", true)))
		s.SetAttributes(attribute.Float64("f", 0.5), attribute.String("", "no key"), attribute.String("empty", ""), attribute.Int64("s", 7))
		s.SetAttributes(
			attribute.BoolSlice("bs", []bool{true, false}), attribute.IntSlice("is", []int{1, 2}), attribute.Int64Slice("i64s", []int64{-1}),
			attribute.Float64Slice("fs", []float64{1, 2}), attribute.StringSlice("ss", []string{"a", ""}), attribute.StringSlice("none", nil),
			attribute.KeyValue{Key: "bytes", Value: attribute.ByteSliceValue([]byte{0, 1})},
			attribute.KeyValue{Key: "list", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("x"), attribute.SliceValue())},
			attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.Int("n", 1), attribute.KeyValue{Key: "m", Value: attribute.MapValue()})},
			attribute.KeyValue{Key: "null"},
		)
		s.End()
		s.SetAttributes(attribute.Int("late", 1))
	},
	"attribute limits": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a")
		for i := range 131 { // of events and links the SDK keeps the last, we the first: they are all the same here
			s.SetAttributes(attribute.Int(fmt.Sprint("k", i), i))
			s.AddEvent("e")
			s.AddLink(trace.Link{SpanContext: localSC})
		}
		s.SetAttributes(attribute.Int("k0", -1)) // of one that there is
		s.End()
	},
	"names": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a")
		s.SetName("b")
		s.End()
		s.SetName("late")
	},
	"events": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a")
		s.AddEvent("bare")
		s.AddEvent("with", trace.WithAttributes(attribute.Int("i", 1)), trace.WithAttributes(attribute.Int("j", 2)))
		s.AddEvent("stack", trace.WithStackTrace(true))
		s.End()
		s.AddEvent("late")
	},
	"links": func(ctx context.Context, p trace.TracerProvider) {
		links := []trace.Link{{SpanContext: remoteSC, Attributes: []attribute.KeyValue{attribute.Int("i", 1)}}, {SpanContext: localSC}, {}}
		_, s := p.Tracer("scope").Start(ctx, "a", trace.WithLinks(links...), trace.WithLinks(trace.LinkFromContext(ctx)))
		s.AddLink(trace.Link{SpanContext: remoteSC.WithTraceFlags(0)})
		s.End()
		s.AddLink(links[0])
	},
	"errors": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a")
		s.RecordError(nil)
		s.RecordError(errors.New("first"))
		s.RecordError(&oddError{}, trace.WithAttributes(attribute.Bool("k", true)), trace.WithStackTrace(true))
		s.RecordError(fmt.Errorf("wrapped: %w", context.Canceled))
		s.End()
		s.RecordError(errors.New("late"))
	},
	"panic": func(ctx context.Context, p trace.TracerProvider) {
		for _, v := range []any{errors.New("error"), &oddError{}} {
			func() {
				defer func() { recover() }()
				_, s := p.Tracer("scope").Start(ctx, fmt.Sprintf("%T", v))
				defer s.End(trace.WithStackTrace(true))
				panic(v)
			}()
		}
	},
	"status": func(ctx context.Context, p trace.TracerProvider) {
		type set struct {
			code codes.Code
			text string
		}
		for name, sets := range map[string][]set{
			"error":                {{codes.Error, "x"}},
			"ok drops its text":    {{codes.Ok, "x"}},
			"unset":                {{codes.Unset, "x"}},
			"ok beats error":       {{codes.Error, "x"}, {codes.Ok, ""}},
			"error after ok":       {{codes.Ok, ""}, {codes.Error, "x"}},
			"unset after ok":       {{codes.Ok, ""}, {codes.Unset, ""}},
			"unset after error":    {{codes.Error, "x"}, {codes.Unset, ""}},
			"error after error":    {{codes.Error, "x"}, {codes.Error, "y"}},
			"error without a text": {{codes.Error, "x"}, {codes.Error, ""}},
			"error, ok, error":     {{codes.Error, "x"}, {codes.Ok, ""}, {codes.Error, "y"}},
		} {
			_, s := p.Tracer("scope").Start(ctx, name)
			for _, set := range sets {
				s.SetStatus(set.code, set.text)
			}
			s.End()
			s.SetStatus(codes.Error, "late")
		}
	},
	"ended twice": func(ctx context.Context, p trace.TracerProvider) {
		_, s := p.Tracer("scope").Start(ctx, "a", trace.WithTimestamp(otelStart))
		s.End(trace.WithTimestamp(otelStart.Add(time.Second)))
		s.End(trace.WithTimestamp(otelStart.Add(time.Minute)))
	},
}

func TestOpenTelemetryAPI(t *testing.T) {
	for name, script := range otelScripts {
		t.Run(name, func(t *testing.T) {
			o := newOracle(t)
			exp, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(o.url+"/v1/traces"))
			if err != nil {
				t.Fatal(err)
			}
			p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp))
			script(t.Context(), p)
			if err := p.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := o.comparable(t)

			tr, err := shuai.New(shuai.Config{Service: "test", Endpoint: o.url, Ratio: 1})
			if err != nil {
				t.Fatal(err)
			}
			ours := shuaiotel.NewTracerProvider(tr)
			script(t.Context(), ours)
			if err := ours.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := o.comparable(t)
			if len(want) == 0 {
				t.Error("nothing arrived")
			}
			if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
				t.Errorf("OpenTelemetry's SDK (-) and Shuai (+) export different spans:\n%s", d)
			}
		})
	}
}

// comparable takes what arrived, as one ScopeSpans for each span, in the order of names, without what differs between two runs: ids become the
// name of their span, or of the root of their trace, and only times that were given are kept.
func (o *oracle) comparable(t *testing.T) (all []*tracepb.ScopeSpans) {
	t.Helper()
	requests, err := o.take()
	if err != nil {
		t.Fatal(err)
	}
	names, traces := map[string]string{}, map[string]string{}
	for _, r := range requests {
		for _, rs := range r.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					names[string(s.SpanId)] = s.Name
					if len(s.ParentSpanId) == 0 {
						traces[string(s.TraceId)] = s.Name
					}
					all = append(all, &tracepb.ScopeSpans{Scope: ss.Scope, SchemaUrl: ss.SchemaUrl, Spans: []*tracepb.Span{s}})
				}
			}
		}
	}
	rename := func(id []byte, names map[string]string) []byte {
		if name, ok := names[string(id)]; ok {
			return []byte(name)
		}
		return id
	}
	when := func(ns uint64) uint64 {
		if t := otelStart.UnixNano(); int64(ns) >= t && int64(ns) < t+int64(time.Hour) {
			return ns
		}
		return 0
	}
	for _, ss := range all {
		s := ss.Spans[0]
		s.TraceId, s.SpanId, s.ParentSpanId = rename(s.TraceId, traces), rename(s.SpanId, names), rename(s.ParentSpanId, names)
		s.StartTimeUnixNano, s.EndTimeUnixNano = when(s.StartTimeUnixNano), when(s.EndTimeUnixNano)
		s.Flags &^= 2                  // whether a new trace id is random
		if s.TraceState == "ot=th:0" { // recorded without a choice: the SDK does not say
			s.TraceState = ""
		}
		if s.Status.GetCode() == 0 {
			s.Status = nil // the SDK sends an empty one
		}
		for _, l := range s.Links {
			l.TraceState = "" // the SDK leaves it out
		}
		for _, e := range s.Events {
			e.TimeUnixNano = when(e.TimeUnixNano)
			for _, kv := range e.Attributes {
				if kv.Key == "exception.stacktrace" && strings.Contains(kv.Value.GetStringValue(), "bench/tracer") {
					kv.Value = &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "a stack"}}
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b *tracepb.ScopeSpans) int { return strings.Compare(a.Spans[0].Name, b.Spans[0].Name) })
	return all
}
