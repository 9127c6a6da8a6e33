package shuai

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSampling(t *testing.T) {
	for _, tt := range []struct {
		ratio float64
		want  uint64
	}{{1, 0}, {7, 0}, {0.5, 1 << 55}, {0.25, 3 << 54}, {-1, 1 << 56}, {0, 1 << 56}, {1e-30, 1<<56 - minKept}} {
		if got := threshold(tt.ratio); got != tt.want {
			t.Errorf("threshold(%v) = %x, want %x", tt.ratio, got, tt.want)
		}
	}
	// OpenTelemetry's rule: sampled if the right-most 56 bits reach the threshold; the rest does not matter.
	half := threshold(0.5)
	for lo, want := range map[uint64]bool{1 << 55: true, 1<<55 - 1: false, 0xff<<56 | 1<<55: true, 0xff << 56: false} {
		if got := sampled(TraceID{1, lo}, half); got != want {
			t.Errorf("sampled(%x) = %v, want %v", lo, got, want)
		}
	}
	// A trace kept at a small ratio is kept at every larger one.
	src, _ := testTracer(t, Config{IDs: "random"})
	kept := 0
	for range 20_000 {
		lo := rand.Uint64()
		id := TraceID{src.born(lo), lo}
		if sampled(id, threshold(0.01)) {
			kept++
			if !sampled(id, threshold(0.1)) {
				t.Fatalf("%s is kept at 0.01 but not at 0.1", id)
			}
		}
	}
	if kept < 100 || kept > 320 { // 200 ± 8 standard deviations
		t.Errorf("kept %d of 20,000 at ratio 0.01", kept)
	}
}

func TestOdds(t *testing.T) {
	for ratio, want := range map[float64]string{1: "ot=th:0", 0.5: "ot=th:8", 0.25: "ot=th:c", 0.1: "ot=th:e6666", 0.001: "ot=th:ffbe76d", 1e-6: "ot=th:ffffef391", 1e-30: "ot=th:ffffffffffff"} {
		if got := string(oddsOf(threshold(ratio)).appendTo(nil)); got != want {
			t.Errorf("%v is sent as %s, want %s", ratio, got, want)
		}
	}
	for range 10_000 {
		ratio := math.Exp(-20 * rand.Float64()) // to 2e-9
		limit := threshold(ratio)
		if off := math.Abs(float64(1<<56-limit)/(1<<56)/ratio - 1); off > 1.0/(1<<16) {
			t.Fatalf("%v is rounded by %.6f %%", ratio, 100*off)
		}
		o := oddsOf(limit)
		if got, ok := parseOdds(string(o.appendTo(nil))); !ok || got != o {
			t.Fatalf("%v: %s is read as %x, not %x", ratio, o.appendTo(nil), got, o)
		}
	}
	for _, bad := range []string{"", "ot=", "ot=th:", "ot=th:80", "ot=th:00", "ot=th:8;rv:1", "a=1,ot=th:8", "ot=th:8 ", "ot=th:G", "ot=th:-1", "ot=th:0123456789abc"} {
		if got, ok := parseOdds(bad); ok {
			t.Errorf("%q is read as %x", bad, got)
		}
	}
	for in, want := range map[string]string{
		"": "", "a=1": "a=1", "ot=th:8": "", "a=1,ot=th:8,b=2": "a=1,b=2", "ot=rv:0123456789abcd;th:8,b=2": "ot=rv:0123456789abcd,b=2", "ot=th:8;p:1": "ot=p:1",
	} {
		if got := withoutOdds(in); got != want {
			t.Errorf("%q without its threshold is %q, want %q", in, got, want)
		}
	}
}

// A trace says at which odds it was sampled, to the collector and to the services that it calls, and they say the same.
func TestOddsTravel(t *testing.T) {
	const remote = "00-" + hexTrace + "-" + hexSpan // its random bits are 3b6c1de85a7042
	for _, tt := range []struct {
		name string
		cfg  Config
		in   MapCarrier
		want string // the tracestate that is sent and exported; "none" if no span is exported
	}{
		{"all are kept", Config{Ratio: 1}, nil, "ot=th:0"},
		{"none", Config{Ratio: -1}, nil, "none"},
		{"somebody asks for it", Config{Ratio: -1}, MapCarrier{"shuai-debug": "1"}, ""},
		{"a caller with this tracer", Config{Ratio: -1}, MapCarrier{"traceparent": remote + "-03", "tracestate": "ot=th:34c"}, "ot=th:34c"},
		{"a caller who passes other things, too", Config{Ratio: 1}, MapCarrier{"traceparent": remote + "-03", "tracestate": "a=1,ot=th:8;x:y"}, "a=1,ot=th:8;x:y"},
		{"a caller who does not say", Config{Ratio: 1}, MapCarrier{"traceparent": remote + "-03"}, ""},
		{"a caller who does not keep it", Config{Ratio: 1}, MapCarrier{"traceparent": remote + "-02", "tracestate": "ot=th:8"}, "none"},
		{"the same, but somebody asks for it", Config{Ratio: 1}, MapCarrier{"traceparent": remote + "-02", "tracestate": "ot=th:8;rv:0123456789abcd", "shuai-debug": "1"}, "ot=rv:0123456789abcd"},
		{"it is kept, and somebody asks for it", Config{Ratio: 1}, MapCarrier{"traceparent": remote + "-03", "tracestate": "ot=th:2", "shuai-debug": "1"}, "ot=th:2"},
		{"the decision is left to us", Config{Ratio: 0.8}, MapCarrier{"b3": hexTrace + "-" + hexSpan}, "ot=th:3333"},
		{"the decision is left to us, against", Config{Ratio: 0.7}, MapCarrier{"b3": hexTrace + "-" + hexSpan}, "none"},
		{"a decision without ids", Config{Ratio: -1}, MapCarrier{"b3": "1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, c := testTracer(t, tt.cfg)
			ctx := t.Context()
			if tt.in != nil {
				ctx = tr.Extract(ctx, tt.in)
			}
			ctx, server := tr.StartSpan(ctx, "server", KindServer)
			server.End()
			ctx, client := StartSpan(ctx, "client", KindClient) // as it is with work that goes on after the answer
			client.End()
			out := MapCarrier{}
			Inject(ctx, out)
			if err := tr.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			states := c.states(t)
			if tt.want == "none" {
				if len(states) != 0 || out["tracestate"] != "" {
					t.Fatalf("%d spans, sent %v", len(states), out)
				}
				return
			}
			if out["tracestate"] != tt.want || client.Tracestate() != tt.want || len(states) != 2 {
				t.Errorf("sent %q, and %d spans, want %q", out["tracestate"], len(states), tt.want)
			}
			for _, got := range states {
				if got != tt.want {
					t.Errorf("exported %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// Each span that is kept stands for as many as its odds say: the estimate is near the count, which the statistics know.
func TestOddsAddUp(t *testing.T) {
	tr, c := testTracer(t, Config{Ratio: 0.01})
	const n = 200_000
	endSpans(tr, n)
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	estimate := 0.0
	for _, state := range c.states(t) {
		o, ok := parseOdds(state)
		if !ok {
			t.Fatalf("a span says %q", state)
		}
		estimate += 1 / (1 - float64(o>>1)/(1<<48))
	}
	if math.Abs(estimate/n-1) > 0.15 { // 2,000 are kept, ± 45: six standard deviations
		t.Errorf("%v spans by the odds of those kept, want about %v", estimate, n)
	}
}
