package shuai

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

var (
	w3cHeaders = MapCarrier{"traceparent": "00-" + hexTrace + "-" + hexSpan + "-03", "tracestate": "a=1", "baggage": "k=v"}
	b3Headers  = MapCarrier{"b3": "1111111111111111-2222222222222222-1"}
	b3mHeaders = MapCarrier{"x-b3-traceid": "3333333333333333", "x-b3-spanid": "4444444444444444", "x-b3-sampled": "1"}
)

func headersOf(carriers ...MapCarrier) MapCarrier {
	all := MapCarrier{}
	for _, c := range carriers {
		maps.Copy(all, c)
	}
	return all
}

func TestFormats(t *testing.T) {
	all := headersOf(w3cHeaders, b3Headers, b3mHeaders)
	for _, tt := range []struct {
		name         string
		accept, send []string
		env          string
		in           MapCarrier
		parent       string   // span id of the parent that is found
		out          []string // headers sent
	}{
		{name: "default: W3C first", in: all, parent: hexSpan, out: []string{"baggage", "traceparent", "tracestate"}},
		{name: "default: then one header", in: headersOf(b3Headers, b3mHeaders), parent: "2222222222222222", out: []string{"traceparent"}},
		{name: "default: then many", in: b3mHeaders, parent: "4444444444444444", out: []string{"traceparent"}},
		{name: "default: what is not valid is passed by", in: headersOf(MapCarrier{"traceparent": "x", "b3": "y"}, b3mHeaders), parent: "4444444444444444", out: []string{"traceparent"}},
		{name: "accept", accept: []string{"b3multi"}, in: all, parent: "4444444444444444", out: []string{"traceparent"}},
		{name: "accept: order counts", accept: []string{"b3", "tracecontext"}, in: all, parent: "2222222222222222", out: []string{"traceparent"}},
		{name: "accept none", accept: []string{"none"}, in: all, out: []string{"traceparent", "tracestate"}},
		{name: "send", send: []string{"B3", " b3multi "}, in: all, parent: hexSpan, out: []string{"b3", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}},
		{name: "send none", send: []string{"none"}, in: all, parent: hexSpan},
		{name: "environment", env: "b3, baggage", in: all, parent: "2222222222222222", out: []string{"b3", "baggage"}},
		{name: "environment: unknown names are no error", env: "jaeger,tracecontext", in: all, parent: hexSpan, out: []string{"traceparent", "tracestate"}},
		{name: "environment: none", env: "none", in: all},
		{name: "configuration before environment", env: "none", accept: []string{"b3"}, in: all, parent: "2222222222222222"},
	} {
		t.Setenv("OTEL_PROPAGATORS", tt.env)
		tr, _ := testTracer(t, Config{Accept: tt.accept, Send: tt.send})
		ctx, s := tr.StartSpan(tr.Extract(t.Context(), tt.in), "x", KindServer)
		if got := s.rec.parent; got.String() != tt.parent && (got != 0 || tt.parent != "") {
			t.Errorf("%s: parent %s, want %s", tt.name, got, tt.parent)
		}
		out, byTracer := MapCarrier{}, MapCarrier{}
		Inject(ctx, out)
		tr.Inject(ctx, byTracer)
		if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, tt.out) || !maps.Equal(out, byTracer) {
			t.Errorf("%s: sent %v, %v by the tracer, want %v", tt.name, out, byTracer, tt.out)
		}
		for name := range out {
			if !slices.Contains(tr.Fields(), name) {
				t.Errorf("%s: %s is not among the fields %v", tt.name, name, tr.Fields())
			}
		}
	}
	for _, cfg := range []Config{{Accept: []string{"zipkin"}}, {Send: []string{"tracecontext", "x"}}} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "none of tracecontext, baggage, b3, b3multi and none") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// Without a tracer a service still passes on what it got.
func TestPassThrough(t *testing.T) {
	for _, in := range []MapCarrier{w3cHeaders, headersOf(w3cHeaders, b3Headers)} {
		out := MapCarrier{}
		Inject(Extract(t.Context(), in), out)
		if !maps.Equal(out, w3cHeaders) {
			t.Errorf("%v is passed on as %v", in, out)
		}
	}
}

func TestRemote(t *testing.T) {
	ctx := Remote(t.Context(), exampleTrace, exampleSpan, FlagSampled|0x80, "a=1")
	s := SpanFromContext(ctx)
	if s.TraceID() != exampleTrace || s.SpanID() != exampleSpan || s.Flags() != FlagSampled || s.Tracestate() != "a=1" || !s.Remote() || s.Tracer() != nil {
		t.Errorf("%s flags %x state %q", s, s.Flags(), s.Tracestate())
	}
	if Remote(ctx, TraceID{}, exampleSpan, 0, "") != ctx || Remote(ctx, exampleTrace, 0, 0, "") != ctx {
		t.Error("a span without ids")
	}
	if got := SpanFromContext(Remote(t.Context(), exampleTrace, exampleSpan, 0, "A=1")).Tracestate(); got != "" {
		t.Errorf("state %q", got)
	}
	var none *Span
	if none.Flags() != 0 || none.Tracestate() != "" || none.Remote() || none.Tracer() != nil {
		t.Error("a nil span says something")
	}
}
