package shuai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// collector is a collector without a network: it keeps what it is sent.
type collector struct {
	answer      func(*http.Request) (*http.Response, error) // nil: 200
	answerOther func(*http.Request) (*http.Response, error) // to all but traces; nil: 404

	mu       sync.Mutex
	requests [][]byte
	at       []time.Time
	others   []other
}

// other is a request that brings no traces.
type other struct {
	method, url string
	body        []byte
	at          time.Time
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	c.mu.Lock()
	traces := strings.HasSuffix(r.URL.Path, tracesPath)
	if traces {
		c.requests = append(c.requests, body)
		c.at = append(c.at, time.Now())
	} else {
		c.others = append(c.others, other{r.Method, r.URL.String(), body, time.Now()})
	}
	c.mu.Unlock()
	if !traces {
		if c.answerOther != nil {
			return c.answerOther(r)
		}
		return reply(404, ""), nil
	}
	if c.answer != nil {
		return c.answer(r)
	}
	return reply(200, ""), nil
}

func reply(code int, body string, headers ...string) *http.Response {
	r := &http.Response{
		StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)),
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// spans returns the name of each span received, in order, and the number of requests.
func (c *collector) spans(t *testing.T) (names []string, requests int) { return c.texts(t, 5) }

// states returns the tracestate of each span received, in order.
func (c *collector) states(t *testing.T) []string {
	states, _ := c.texts(t, 3)
	return states
}

func (c *collector) texts(t *testing.T, spanField uint64) (texts []string, requests int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	inner := func(b []byte, want uint64, f func([]byte)) {
		if err := eachField(b, func(field, _ uint64, b []byte) error {
			if field == want {
				f(b)
			}
			return nil
		}); err != nil {
			t.Fatalf("collector got %x: %v", b, err)
		}
	}
	for _, r := range c.requests {
		inner(r, 1, func(b []byte) { // ResourceSpans
			inner(b, 2, func(b []byte) { // ScopeSpans
				inner(b, 2, func(b []byte) { // Span
					texts = append(texts, "")
					inner(b, spanField, func(text []byte) { texts[len(texts)-1] = string(text) })
				})
			})
		})
	}
	return texts, len(c.requests)
}

// testTracer records everything; it is stopped when the test ends.
func testTracer(t testing.TB, cfg Config) (*Tracer, *collector) {
	t.Helper()
	c := &collector{}
	if cfg.Transport == nil {
		cfg.Transport = c
	}
	if cfg.Ratio == 0 {
		cfg.Ratio = 1
	}
	cfg.Service = "test"
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Stop(context.Background()) })
	return tr, c
}

func TestSpanIsContext(t *testing.T) {
	type key struct{}
	tr, _ := testTracer(t, Config{})
	base, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
	defer cancel()
	ctx, root := tr.StartSpan(base, "root", KindServer)
	ctx, child := StartSpan(ctx, "child", KindInternal)
	derived := context.WithValue(ctx, key{}, "w")

	if SpanFromContext(ctx) != child || SpanFromContext(derived) != child {
		t.Error("a context does not know its span")
	}
	if ctx.Value(key{}) != "v" || derived.Value(key{}) != "w" {
		t.Error("a value of the application is lost")
	}
	if child.ctx == context.Context(root) {
		t.Error("a child holds on to its parent")
	}
	if child.TraceID() != root.TraceID() || child.rec.parent != root.SpanID() || child.SpanID() == root.SpanID() {
		t.Errorf("%s is no child of %s", child, root)
	}
	_, grandchild := StartSpan(derived, "grandchild", KindInternal)
	if grandchild.rec.parent != child.SpanID() {
		t.Error("a span in a derived context has the wrong parent")
	}
	if ctx.Err() != nil {
		t.Error("done too early")
	}
	if _, ok := ctx.Deadline(); ok {
		t.Error("a deadline from nowhere")
	}
	child.End()
	cancel()
	<-ctx.Done()
	if !errors.Is(derived.Err(), context.Canceled) {
		t.Error("cancellation does not reach the span's context")
	}
	if got := fmt.Sprint(ctx); got != "shuai.Span("+child.TraceID().String()+"-"+child.SpanID().String()+")" {
		t.Errorf("prints as %s", got)
	}
}

func TestDecisions(t *testing.T) {
	all, _ := testTracer(t, Config{Ratio: 1})
	none, _ := testTracer(t, Config{Ratio: -1})
	remote := func(flags string) context.Context {
		return Extract(t.Context(), MapCarrier{"traceparent": "00-" + hexTrace + "-" + hexSpan + "-" + flags})
	}
	for _, tt := range []struct {
		name   string
		tracer *Tracer
		ctx    context.Context
		want   bool
		flags  uint8
	}{
		{"root, all", all, t.Context(), true, 3},
		{"root, none", none, t.Context(), false, 2},
		{"sampled elsewhere, none here", none, remote("01"), true, 1},
		{"not sampled elsewhere, all here", all, remote("02"), false, 2},
	} {
		_, s := tt.tracer.StartSpan(tt.ctx, "x", KindServer)
		if s.Sampled() != tt.want || s.Recording() != tt.want || s.flags()&wireFlags != tt.flags {
			t.Errorf("%s: sampled %v, recording %v, flags %x", tt.name, s.Sampled(), s.Recording(), s.flags())
		}
		if s.TraceID().IsZero() || s.SpanID() == 0 {
			t.Errorf("%s: no ids: %s", tt.name, s)
		}
	}
}

func TestIDsOfSpans(t *testing.T) {
	before := time.Now()
	for _, ratio := range []float64{1, -1} {
		tr, _ := testTracer(t, Config{Ratio: ratio})
		_, s := tr.StartSpan(t.Context(), "x", KindServer)
		if d := s.TraceID().Time().Sub(before); d < -2*time.Second || d > time.Minute {
			t.Errorf("trace %s was born %v after the test began", s.TraceID(), d)
		}
		if id := processIdentity(); s.SpanID().Process() != id.pid || id.ip.Is4() && s.TraceID().IPv4() != id.ip {
			t.Errorf("%s does not name process %d on %s", s, id.pid, id.ip)
		}
	}
	tr, _ := testTracer(t, Config{IDs: "random"})
	_, s := tr.StartSpan(t.Context(), "x", KindServer)
	if !s.SpanID().Random() {
		t.Errorf("span id %s is not random", s.SpanID())
	}
}

// A root that is not recorded has an id when somebody asks for it, and keeps it.
func TestRootIDs(t *testing.T) {
	for _, cfg := range []Config{{Ratio: -1}, {Ratio: -1, Statistics: "off"}, {Ratio: -1, IDs: "random"}} {
		tr, _ := testTracer(t, cfg)
		ctx, root := tr.StartSpan(t.Context(), "root", KindServer)
		id := root.SpanID()
		root.SetStart(time.Now().Add(-time.Hour))
		out := MapCarrier{}
		Inject(ctx, out)
		if back := SpanFromContext(Extract(t.Context(), out)); id == 0 || back.SpanID() != id || back.TraceID() != root.TraceID() {
			t.Errorf("%+v: %s with id %s is sent as %v", cfg, root, id, out)
		}
		if root.End(); root.SpanID() != id {
			t.Errorf("%+v: the id changes at the end", cfg)
		}
	}
	if size := unsafe.Sizeof(Span{}); size != 64 {
		t.Errorf("a span has %d bytes, which is not one of the allocator's sizes", size)
	}
}

func TestNothingToTrace(t *testing.T) {
	ctx, s := StartSpan(t.Context(), "x", KindClient) // there is no default tracer
	if s == nil || ctx != t.Context() || s.Sampled() || !s.TraceID().IsZero() {
		t.Errorf("got %v, %v", ctx, s)
	}
	remote := Extract(t.Context(), MapCarrier{"traceparent": "00-" + hexTrace + "-" + hexSpan + "-01"})
	ctx, _ = StartSpan(remote, "x", KindServer)
	out := MapCarrier{}
	if Inject(ctx, out); out["traceparent"] != "00-"+hexTrace+"-"+hexSpan+"-01" {
		t.Errorf("without a tracer a trace is not passed on: %v", out)
	}
	tr, _ := testTracer(t, Config{})
	if _, s := tr.StartSpan(muted(t.Context()), "x", KindClient); s.Recording() {
		t.Error("the exporter's own requests would be traced")
	}
}

type nilError struct{ s string }

func (e *nilError) Error() string { return e.s }

func TestMisuse(t *testing.T) {
	tr, c := testTracer(t, Config{})
	_, ended := tr.StartSpan(nil, "once", 0) //nolint:staticcheck // a nil context is the misuse
	ended.End()
	remote := SpanFromContext(Extract(t.Context(), MapCarrier{"traceparent": "00-" + hexTrace + "-" + hexSpan + "-01"}))
	var none *Tracer
	_, noop := none.StartSpan(t.Context(), "x", KindServer)
	for name, s := range map[string]*Span{"nil": nil, "zero": {}, "ended": ended, "remote": remote, "no-op": noop} {
		s.SetString("k", "v")
		s.SetInt("k", 1)
		s.SetFloat("k", 1)
		s.SetBool("k", true)
		s.Set(String("k", "v"))
		s.SetName("changed")
		s.SetStatus(StatusError, "changed")
		s.Error(errors.New("x"))
		s.Error(nil)
		s.Panic("x")
		s.AddEvent("x", Int("k", 1))
		s.AddLink(s)
		s.End()
		s.End()
		_, _, _, _ = s.TraceID(), s.SpanID(), s.Sampled(), s.String()
		if s.Err() != nil || s.Value("k") != nil {
			t.Errorf("%s: not a usable context", name)
		}
	}
	_, s := tr.StartSpan(t.Context(), "typed nil", KindInternal)
	s.Error((*nilError)(nil))
	s.AddLink(noSpan)
	s.End()
	Inject(t.Context(), MapCarrier{})
	Inject(nil, MapCarrier{}) //nolint:staticcheck // a nil context is the misuse
	if none.Stop(t.Context()) != nil || none.Stats() != (Stats{}) {
		t.Error("a nil tracer does something")
	}
	if err := tr.Stop(nil); err != nil { //nolint:staticcheck // a nil context is the misuse
		t.Error(err)
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if names, _ := c.spans(t); len(names) != 2 || !slices.Contains(names, "once") || !slices.Contains(names, "typed nil") {
		t.Errorf("exported %q", names)
	}
}

func TestConcurrentUseOfOneSpan(t *testing.T) {
	tr, c := testTracer(t, Config{FlushEvery: time.Millisecond})
	for range 50 {
		ctx, s := tr.StartSpan(t.Context(), "shared", KindServer)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				s.SetInt("k", int64(i))
				s.SetString(fmt.Sprint("k", i), strings.Repeat("v", i))
				s.AddEvent("e")
				_, child := StartSpan(ctx, "child", KindInternal)
				child.End()
				s.Error(io.EOF)
				s.End()
			})
		}
		wg.Wait()
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names, _ := c.spans(t); len(names) != 250 {
		t.Errorf("exported %d spans, want 250", len(names))
	}
	if s := tr.Stats(); s.Exported != 250 || s.Sampled != 250 || s.Dropped.Total() != 0 || s.BufferedBytes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestUnsampledIDIsOne(t *testing.T) {
	tr, _ := testTracer(t, Config{Ratio: -1})
	for range 100 {
		_, s := tr.StartSpan(t.Context(), "x", KindServer)
		var ids [4]SpanID
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() { ids[i] = s.SpanID() })
		}
		wg.Wait()
		if ids != [4]SpanID{ids[0], ids[0], ids[0], ids[0]} || ids[0] == 0 {
			t.Fatalf("one span, several ids: %v", ids)
		}
	}
}

func TestStartIsDefault(t *testing.T) {
	c := &collector{}
	stop, err := Start(Config{Service: "test", Ratio: 1, Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	_, s := StartSpan(t.Context(), "x", KindInternal)
	s.End()
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names, _ := c.spans(t); len(names) != 1 {
		t.Errorf("exported %q", names)
	}
	if _, s := StartSpan(t.Context(), "x", KindInternal); s != noSpan {
		t.Error("a stopped tracer still makes spans")
	}
	if _, s := StartRoot(t.Context(), "x", KindInternal); s != noSpan {
		t.Error("a stopped tracer still makes roots")
	}
}

// What became of the spans is asked at the end of a program, after stop.
func TestDefaultAfterStop(t *testing.T) {
	defer lastTracer.Store(nil) // other tests have no default tracer
	start := func(spans int) (stop func(context.Context) error) {
		stop, err := Start(Config{Service: "test", Ratio: 1, Transport: &collector{}, Send: []string{"b3"}})
		if err != nil {
			t.Fatal(err)
		}
		for range spans {
			_, s := StartSpan(t.Context(), "x", KindInternal)
			s.End()
		}
		return stop
	}
	check := func(when string, exported uint64) {
		t.Helper()
		if s := Default().Stats(); s.Exported != exported || s.Sampled != exported {
			t.Errorf("%s: %+v, want %d exported", when, s, exported)
		}
	}
	first := start(1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 1000 {
			if Default() == nil {
				t.Error("no default tracer while it is stopped")
				return
			}
		}
	})
	if err := first(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	check("stopped", 1)
	second := start(2)
	if err := first(t.Context()); err != nil { // as a deferred one may be
		t.Fatal(err)
	}
	if _, s := StartSpan(t.Context(), "x", KindInternal); s == noSpan {
		t.Error("the stop of an earlier tracer ends the later one")
	}
	if err := errors.Join(second(t.Context()), first(t.Context())); err != nil {
		t.Fatal(err)
	}
	check("stopped again", 2)
	out := MapCarrier{}
	Inject(Extract(t.Context(), MapCarrier{"traceparent": "00-" + hexTrace + "-" + hexSpan + "-01"}), out)
	if out["b3"] == "" {
		t.Errorf("a trace is passed on as %v, not as the tracer was told", out)
	}
}

// A span stays small, and starting one is a single allocation.
func TestAllocations(t *testing.T) {
	if spanBytes > 384 {
		t.Errorf("a recorded span has %d bytes: more than the 384 it is meant to fill", spanBytes)
	}
	for _, cfg := range []Config{{Ratio: 1}, {Ratio: -1}, {Ratio: 1, IDKey: exampleKey}, {Ratio: -1, IDKey: exampleKey}} {
		cfg.BufferBytes = 1
		tr, _ := testTracer(t, cfg)
		above, _ := tr.StartSpan(t.Context(), "root", KindServer)
		for _, ctx := range []context.Context{above, t.Context()} {
			if n := testing.AllocsPerRun(100, func() {
				_, s := tr.StartSpan(ctx, "child", KindClient)
				fourAttributes(s)
				_ = s.SpanID()
				s.End()
			}); n > 1 {
				t.Errorf("ratio %v, key %q, root %v: %v allocations a span", cfg.Ratio, cfg.IDKey, ctx != above, n)
			}
		}
	}
}
