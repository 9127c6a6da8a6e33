package shuaiotel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/fuwu-project/fuwu/shuai"
	shuaiotel "github.com/fuwu-project/fuwu/shuai/contrib/otel"
)

// newTracer returns one whose spans go nowhere.
func newTracer(t testing.TB, ratio float64) *shuai.Tracer {
	t.Helper()
	tr, err := shuai.New(shuai.Config{Service: "test", Ratio: ratio, BufferBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Stop(context.Background()) })
	return tr
}

// What is exported is compared with OpenTelemetry's own SDK in bench/tracer; here is what a program sees.

func TestOneSpan(t *testing.T) {
	tr := newTracer(t, 1)
	tracer := shuaiotel.NewTracerProvider(tr).Tracer("x")
	ctx, s := tracer.Start(t.Context(), "theirs")
	ours := shuai.SpanFromContext(ctx)
	if ctx != context.Context(ours) {
		t.Error("the context is not the span")
	}
	if trace.SpanFromContext(ctx) != s {
		t.Error("OpenTelemetry finds another span than it started")
	}
	if s.SpanContext().TraceID().String() != ours.TraceID().String() || s.SpanContext().SpanID().String() != ours.SpanID().String() {
		t.Errorf("%v is not %s", s.SpanContext(), ours)
	}
	derived := context.WithValue(ctx, attribute.Key("k"), "v")
	if trace.SpanFromContext(derived) != s || shuai.SpanFromContext(derived) != ours {
		t.Error("a derived context has lost the span")
	}
	ctx, child := shuai.StartSpan(derived, "ours", shuai.KindInternal)
	if got := trace.SpanContextFromContext(ctx); got.SpanID().String() != child.SpanID().String() || got.TraceID() != s.SpanContext().TraceID() {
		t.Errorf("OpenTelemetry sees %v in %s", got, child)
	}
	if ctx.Value(attribute.Key("k")) != "v" || ctx.Value(attribute.Key("other")) != nil {
		t.Error("values are lost")
	}
}

func TestMixedTree(t *testing.T) {
	tr := newTracer(t, 1)
	tracer := shuaiotel.NewTracerProvider(tr).Tracer("x")
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	for name, parent := range map[string]context.Context{
		"found by OpenTelemetry's propagator": propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": "00-01000000000000000000000000000000-0200000000000000-01"}),
		"found by ours":                       shuaiotel.Propagator{Tracer: tr}.Extract(t.Context(), propagation.MapCarrier{"traceparent": "00-01000000000000000000000000000000-0200000000000000-01"}),
		"given":                               trace.ContextWithRemoteSpanContext(t.Context(), sc),
		"given inside a span of ours": func() context.Context {
			ctx, _ := tr.StartSpan(t.Context(), "around", shuai.KindServer)
			return trace.ContextWithSpanContext(ctx, sc)
		}(),
	} {
		_, theirs := tracer.Start(parent, "theirs")
		_, ours := tr.StartSpan(parent, "ours", shuai.KindServer)
		if got := theirs.SpanContext(); got.TraceID() != sc.TraceID() || !got.IsSampled() || got.SpanID() == sc.SpanID() || got.IsRemote() {
			t.Errorf("%s: a span through OpenTelemetry's API is %v", name, got)
		}
		if ours.TraceID().String() != sc.TraceID().String() || !ours.Sampled() {
			t.Errorf("%s: a span through ours is %s", name, ours)
		}
		if got := shuai.SpanFromContext(parent); got.Remote() != trace.SpanContextFromContext(parent).IsRemote() || got.SpanID().String() != sc.SpanID().String() {
			t.Errorf("%s: ours sees %s", name, got)
		}
	}
	// A detached span context that is not valid makes a root.
	ctx, around := tracer.Start(t.Context(), "around")
	if _, s := tracer.Start(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), "root"); s.SpanContext().TraceID() == around.SpanContext().TraceID() {
		t.Error("a child of nothing")
	}
}

func TestNotRecording(t *testing.T) {
	tracer := shuaiotel.NewTracerProvider(newTracer(t, -1)).Tracer("x")
	ctx, s := tracer.Start(t.Context(), "unsampled")
	if sc := s.SpanContext(); !sc.IsValid() || sc.IsSampled() || s.IsRecording() {
		t.Errorf("%v, recording %t", sc, s.IsRecording())
	}
	_, child := tracer.Start(ctx, "child")
	if child.SpanContext().TraceID() != s.SpanContext().TraceID() || child.SpanContext().IsSampled() {
		t.Errorf("child %v of %v", child.SpanContext(), s.SpanContext())
	}
	_, root := tracer.Start(ctx, "root", trace.WithNewRoot())
	if root.SpanContext().TraceID() == s.SpanContext().TraceID() {
		t.Error("a new root is in the old trace")
	}
	use(s)

	// Without a tracer: what is there is passed on, and no more.
	none := shuaiotel.NewTracerProvider(nil).Tracer("x")
	if _, s := none.Start(t.Context(), "nothing"); s.SpanContext().IsValid() || s.IsRecording() {
		t.Errorf("a span from nowhere: %v", s.SpanContext())
	}
	ctx, parent := shuaiotel.NewTracerProvider(newTracer(t, 1)).Tracer("x").Start(t.Context(), "parent")
	_, s = none.Start(ctx, "nothing")
	s.End()
	if !s.SpanContext().Equal(parent.SpanContext()) || s.IsRecording() || !parent.IsRecording() {
		t.Errorf("%v below %v", s.SpanContext(), parent.SpanContext())
	}
	use(s)
	use(trace.SpanFromContext(context.Background()))
}

// TestDistinct: every span has an id of its own, as the specification asks, even where nothing is kept of it. Through Shuai's API the
// child of such a span is that span.
func TestDistinct(t *testing.T) {
	tr, err := shuai.New(shuai.Config{Service: "test", Ratio: -1, Statistics: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Stop(context.Background())
	tracer := shuaiotel.NewTracerProvider(tr).Tracer("x")
	ctx, parent := tracer.Start(t.Context(), "parent")
	childCtx, child := tracer.Start(ctx, "child")
	ctx, grandchild := tracer.Start(childCtx, "grandchild")
	ids := map[trace.SpanID]bool{parent.SpanContext().SpanID(): true}
	for _, s := range []trace.Span{child, grandchild} {
		sc := s.SpanContext()
		if !sc.IsValid() || ids[sc.SpanID()] || sc.TraceID() != parent.SpanContext().TraceID() || sc.IsSampled() || s.IsRecording() {
			t.Errorf("%v below %v", sc, parent.SpanContext())
		}
		ids[sc.SpanID()] = true
	}
	if trace.SpanFromContext(childCtx) != child || trace.SpanFromContext(ctx) != grandchild {
		t.Error("a child is not the current span")
	}
	current := shuai.SpanFromContext(ctx)
	if _, ours := tr.StartSpan(ctx, "ours", shuai.KindInternal); ours != current {
		t.Errorf("%s below %s: nothing needed that", ours, current)
	}
}

func use(s trace.Span) {
	s.SetName("n")
	s.SetAttributes(attribute.Int("k", 1))
	s.AddEvent("e", trace.WithAttributes(attribute.Int("k", 1)))
	s.AddLink(trace.Link{})
	s.RecordError(errors.New("x"))
	s.RecordError(nil)
	s.SetStatus(codes.Error, "x")
	_ = s.TracerProvider().Tracer("t")
	s.End()
	s.End()
}

func TestEnded(t *testing.T) {
	_, s := shuaiotel.NewTracerProvider(newTracer(t, 1)).Tracer("x").Start(t.Context(), "x")
	if !s.IsRecording() {
		t.Error("not recording")
	}
	before := s.SpanContext()
	s.End()
	if s.IsRecording() || !s.SpanContext().Equal(before) || !before.IsValid() {
		t.Errorf("after its end: recording %t, %v", s.IsRecording(), s.SpanContext())
	}
	use(s)
}

func TestPanic(t *testing.T) {
	_, s := shuaiotel.NewTracerProvider(newTracer(t, 1)).Tracer("x").Start(t.Context(), "x")
	defer func() {
		if p := recover(); p != "boom" || s.IsRecording() {
			t.Errorf("recovered %v, recording %t", p, s.IsRecording())
		}
	}()
	func() {
		defer s.End(trace.WithStackTrace(true))
		panic("boom")
	}()
}

func TestProviders(t *testing.T) {
	a, b := newTracer(t, 1), newTracer(t, 1)
	pa, pb := shuaiotel.NewTracerProvider(a), shuaiotel.NewTracerProvider(b)
	if pa.Tracer("x") != pa.Tracer("x") || pa.Tracer("x", trace.WithInstrumentationVersion("1")) == pa.Tracer("x") ||
		pa.Tracer("x", trace.WithInstrumentationAttributes(attribute.Int("k", 1))) == pa.Tracer("x") || pa.Tracer("x") == pb.Tracer("x") {
		t.Error("tracers are mixed up")
	}
	for range 3 {
		for p, tr := range map[*shuaiotel.TracerProvider]*shuai.Tracer{pa: a, pb: b} {
			ctx, s := p.Tracer("x").Start(t.Context(), "x")
			_, child := s.TracerProvider().Tracer("y").Start(ctx, "y")
			if core := shuai.SpanFromContext(trace.ContextWithSpan(t.Context(), child)); core.Tracer() != tr {
				t.Error("the provider of a span makes spans of another tracer")
			}
		}
	}
	_, remote := shuaiotel.NewTracerProvider(nil).Tracer("x").Start(shuai.Remote(t.Context(), shuai.TraceID{Lo: 1}, 1, 0, ""), "x")
	_ = remote.TracerProvider().Tracer("x")
	for i := range 2000 { // names made up are bounded
		pa.Tracer(fmt.Sprint("made up ", i))
	}
	if pa.Tracer("one") != pa.Tracer("another") {
		t.Error("scopes are not bounded")
	}
}

func TestStart(t *testing.T) {
	before, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	early := otel.Tracer("early") // as an instrumentation's package variable
	stop, err := shuaiotel.Start(shuai.Config{Service: "test", Ratio: 1, BufferBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		otel.SetTracerProvider(before)
		otel.SetTextMapPropagator(propagator)
	}()
	ctx, s := early.Start(t.Context(), "x")
	out := http.Header{}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(out))
	if want := "00-" + s.SpanContext().TraceID().String() + "-" + s.SpanContext().SpanID().String() + "-03"; out.Get("traceparent") != want {
		t.Errorf("sent %v, want %s", out, want)
	}
	s.End()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_ = stop(canceled)
	if _, err := shuaiotel.Start(shuai.Config{Compression: "x"}); err == nil {
		t.Error("a configuration that is wrong is taken")
	}
}

func TestPropagator(t *testing.T) {
	tr := newTracer(t, 1)
	p := shuaiotel.Propagator{Tracer: tr}
	in := propagation.HeaderCarrier{
		"Traceparent": {"00-01000000000000000000000000000000-0200000000000000-01"},
		"Tracestate":  {"a=1", "b=2"},
		"Baggage":     {"user=42;p=1", "tenant=x"},
	}
	ctx := p.Extract(t.Context(), in)
	if sc := trace.SpanContextFromContext(ctx); !sc.IsRemote() || sc.TraceState().String() != "a=1,b=2" || !sc.IsSampled() {
		t.Errorf("found %v", sc)
	}
	if got := baggage.FromContext(ctx); got.Member("user").Value() != "42" || shuai.Baggage(ctx, "user") != "42" {
		t.Errorf("baggage %v, ours %q", got, shuai.Baggage(ctx, "user"))
	}
	// What is changed through either API travels on.
	changed, err := baggage.FromContext(ctx).DeleteMember("tenant").SetMember(must(baggage.NewMember("user", "43")))
	if err != nil {
		t.Fatal(err)
	}
	ctx = baggage.ContextWithBaggage(ctx, changed)
	ctx, err = shuai.WithBaggage(ctx, "ours", "1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ = tr.StartSpan(ctx, "client", shuai.KindClient)
	out := propagation.MapCarrier{}
	p.Inject(ctx, out)
	back, err := baggage.Parse(out["baggage"])
	if err != nil || back.Len() != 2 || back.Member("user").Value() != "43" || back.Member("ours").Value() != "1" {
		t.Errorf("sent %v: %v", out, err)
	}
	if out["tracestate"] != "a=1,b=2" || len(p.Fields()) != 3 {
		t.Errorf("sent %v of %v", out, p.Fields())
	}
}

// What forces a trace to be recorded does so through OpenTelemetry's propagator as well.
func TestForced(t *testing.T) {
	tr := newTracer(t, -1)
	tracer := shuaiotel.NewTracerProvider(tr).Tracer("x")
	for name, in := range map[string]propagation.MapCarrier{"header": {"shuai-debug": "1"}, "baggage": {"baggage": "a=b,shuai-debug=1"}} {
		ctx := shuaiotel.Propagator{Tracer: tr}.Extract(t.Context(), in)
		if _, s := tracer.Start(ctx, "x"); !s.IsRecording() {
			t.Errorf("%s: not recorded", name)
		}
	}
	none, err := shuai.New(shuai.Config{Accept: []string{"tracecontext"}, BufferBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Stop(t.Context())
	if ctx := (shuaiotel.Propagator{Tracer: none}).Extract(t.Context(), propagation.MapCarrier{"baggage": "a=b"}); baggage.FromContext(ctx).Len() != 0 {
		t.Error("baggage that is not accepted")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAllocations(t *testing.T) {
	for name, ratio := range map[string]float64{"unsampled": -1, "sampled": 1} {
		tracer := shuaiotel.NewTracerProvider(newTracer(t, ratio)).Tracer("x")
		ctx, root := tracer.Start(t.Context(), "root")
		n := testing.AllocsPerRun(1000, func() {
			ctx, s := tracer.Start(ctx, "x")
			if trace.SpanFromContext(ctx).SpanContext().SpanID() == root.SpanContext().SpanID() {
				t.Fatal("another span")
			}
			s.SetStatus(codes.Ok, "")
			s.End()
		})
		if n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The statistics see what the collector would make of the attributes, and an end, when no trace is recorded.
func TestStatistics(t *testing.T) {
	var mu sync.Mutex
	var exported []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		exported = append(exported, body...)
	}))
	defer srv.Close()
	tr, err := shuai.New(shuai.Config{Service: "test", Ratio: -1, Endpoint: srv.URL, Compression: "none"})
	if err != nil {
		t.Fatal(err)
	}
	tracer := shuaiotel.NewTracerProvider(tr).Tracer("x")
	types := map[string][]attribute.KeyValue{
		"redis":              {attribute.String("db.system", "redis")},
		"mysql":              {attribute.String("db.system.name", "mariadb")},
		"mc":                 {attribute.String("db.system.name", "memcached")},
		"pkg.Service.Method": {attribute.String("rpc.method", "pkg.Service/Method")},
		"old.Service.Method": {attribute.String("rpc.service", "old.Service"), attribute.String("rpc.method", "Method")},
		"pics:8080 GET":      {attribute.String("server.address", "pics"), attribute.Int("server.port", 8080), attribute.String("http.request.method", "GET")},
		"pics /p/{id}":       {attribute.String("server.address", "pics"), attribute.Int("server.port", 443), attribute.String("url.template", "/p/{id}"), attribute.String("http.request.method", "GET")},
	}
	for typ, attrs := range types {
		_, s := tracer.Start(t.Context(), "name of "+typ, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
		s.SetStatus(codes.Error, "x")
		s.End()
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for typ := range types {
		if name := "name of " + typ; !bytes.Contains(exported, []byte(name)) {
			t.Errorf("%q is not counted", name)
		} else if !bytes.Contains(bytes.ReplaceAll(exported, []byte(name), nil), []byte(typ)) {
			t.Errorf("%q is no type", typ)
		}
	}
	if n := bytes.Count(exported, []byte("STATUS_CODE_ERROR")); n != len(types) {
		t.Errorf("%d failed", n)
	}
}
