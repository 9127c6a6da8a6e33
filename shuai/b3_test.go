package shuai

import (
	"maps"
	"testing"
)

// The examples of the specification (github.com/openzipkin/b3-propagation) and what can be wrong with them.
func TestB3(t *testing.T) {
	const (
		trace128 = "80f198ee56343ba864fe8b2a57d3eff7"
		trace64  = "64fe8b2a57d3eff7"
		padded   = "000000000000000064fe8b2a57d3eff7"
		span     = "e457b5a2e4d86bd1"
		parent   = "05e3ac9a4f6e3b90"
	)
	multi := func(trace, span, sampled, flags string) MapCarrier {
		c := MapCarrier{}
		for k, v := range map[string]string{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": sampled, "x-b3-flags": flags} {
			if v != "" {
				c[k] = v
			}
		}
		return c
	}
	single := func(s string) MapCarrier { return MapCarrier{"b3": s} }
	for _, tt := range []struct {
		name  string
		in    MapCarrier
		b3    string // what is passed on without a span of ours
		below string // sampling of a span below: 0, 1, or r, by our ratio
	}{
		{"sampled", single(trace128 + "-" + span + "-1-" + parent), trace128 + "-" + span + "-1", "1"},
		{"not sampled", single(trace128 + "-" + span + "-0"), trace128 + "-" + span + "-0", "0"},
		{"debug", single(trace128 + "-" + span + "-d"), trace128 + "-" + span + "-1", "1"},
		{"deferred", single(trace128 + "-" + span), trace128 + "-" + span, "r"},
		{"64-bit trace", single(trace64 + "-" + span + "-1"), padded + "-" + span + "-1", "1"},
		{"two headers: the first", single(trace64 + "-" + span + "-1," + trace128 + "-" + span + "-0"), padded + "-" + span + "-1", "1"},
		{"only no", single("0"), "", "0"},
		{"only yes", single("1"), "", "1"},
		{"only debug", single(" d "), "", "1"},
		{"empty", single(""), "", "r"},
		{"hyphen", single("-"), "", "r"},
		{"hyphens", single("--1"), "", "r"},
		{"no span", single(trace128), "", "r"},
		{"empty span", single(trace128 + "--1"), "", "r"},
		{"empty decision", single(trace128 + "-" + span + "-"), "", "r"},
		{"unknown decision", single(trace128 + "-" + span + "-2"), "", "r"},
		{"empty parent", single(trace128 + "-" + span + "-1-"), "", "r"},
		{"long parent", single(trace128 + "-" + span + "-1-" + parent + "0"), "", "r"},
		{"more after the parent", single(trace128 + "-" + span + "-1-" + parent + "-1"), "", "r"},
		{"upper case", single("64FE8B2A57D3EFF7-" + span + "-1"), "", "r"},
		{"trace of 31 digits", single(trace128[1:] + "-" + span + "-1"), "", "r"},
		{"trace of zeros", single("0000000000000000-" + span + "-1"), "", "r"},
		{"span of zeros", single(trace128 + "-0000000000000000-1"), "", "r"},

		{"multi", multi(trace128, span, "1", ""), trace128 + "-" + span + "-1", "1"},
		{"multi, true", multi(trace128, span, "true", ""), trace128 + "-" + span + "-1", "1"},
		{"multi, false", multi(trace128, span, "false", ""), trace128 + "-" + span + "-0", "0"},
		{"multi, deferred", multi(trace64, span, "", ""), padded + "-" + span, "r"},
		{"multi, debug", multi(trace128, span, "", "1"), trace128 + "-" + span + "-1", "1"},
		{"multi, debug beats a no", multi(trace128, span, "0", "1"), trace128 + "-" + span + "-1", "1"},
		{"multi, other flags", multi(trace128, span, "0", "2"), trace128 + "-" + span + "-0", "0"},
		{"multi, only no", multi("", "", "0", ""), "", "0"},
		{"multi, only debug", multi("", "", "", "1"), "", "1"},
		{"multi, only a span", multi("", span, "", ""), "", "r"},
		{"multi, only a trace", multi(trace128, "", "1", ""), "", "r"},
		{"multi, bad decision", multi(trace128, span, "yes", ""), "", "r"},
		{"multi, no hex", multi("x"+trace64[1:], span, "1", ""), "", "r"},
	} {
		all, _ := testTracer(t, Config{Accept: []string{"b3", "b3multi"}, Send: []string{"b3"}})
		none, _ := testTracer(t, Config{Accept: []string{"b3", "b3multi"}, Send: []string{"b3multi"}, Ratio: -1})
		out := MapCarrier{}
		all.Inject(all.Extract(t.Context(), tt.in), out)
		if out["b3"] != tt.b3 {
			t.Errorf("%s: %v is passed on as %q, want %q", tt.name, tt.in, out["b3"], tt.b3)
		}
		_, recorded := all.StartSpan(all.Extract(t.Context(), tt.in), "x", KindServer)
		_, ignored := none.StartSpan(none.Extract(t.Context(), tt.in), "x", KindServer)
		below := "r"
		if recorded.Sampled() == ignored.Sampled() {
			below = map[bool]string{true: "1", false: "0"}[recorded.Sampled()]
		}
		if below != tt.below || (recorded.TraceID().String() == tt.b3[:min(len(tt.b3), 32)]) != (tt.b3 != "") {
			t.Errorf("%s: %v makes %s, sampled %s, want %s", tt.name, tt.in, recorded, below, tt.below)
		}

		clear(out)
		none.Inject(ignored, out)
		sampled := map[bool]string{true: "1", false: "0"}[ignored.Sampled()]
		if want := multi(ignored.TraceID().String(), ignored.SpanID().String(), sampled, ""); !maps.Equal(out, want) {
			t.Errorf("%s: a span sends %v, want %v", tt.name, out, want)
		}
	}
}

func FuzzB3(f *testing.F) {
	f.Add("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90", "", "", "", "")
	f.Add("d", "64fe8b2a57d3eff7", "e457b5a2e4d86bd1", "true", "1")
	f.Fuzz(func(t *testing.T, single, trace, span, sampled, flags string) {
		in := MapCarrier{"b3": single, "x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": sampled, "x-b3-flags": flags}
		for _, s := range []*Span{extractB3(t.Context(), in), extractB3Multi(t.Context(), in)} {
			if s == nil {
				continue
			}
			if s.valid() == (s.SpanID() == 0) || !s.valid() && s.flags()&flagDecided == 0 || !s.Remote() {
				t.Fatalf("%v makes %s with flags %x", in, s, s.flags())
			}
			if !s.valid() {
				continue
			}
			out := MapCarrier{}
			injectB3(s, out)
			injectB3Multi(s, out)
			for _, again := range []*Span{extractB3(t.Context(), out), extractB3Multi(t.Context(), out)} {
				if again == nil || again.trace != s.trace || again.SpanID() != s.SpanID() || again.flags() != s.flags() {
					t.Fatalf("%v is passed on as %v, which is read as %s", in, out, again)
				}
			}
		}
	})
}
