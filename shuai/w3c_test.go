package shuai

import (
	"context"
	"slices"
	"strings"
	"testing"
)

const (
	hexTrace = "6b0349c00a112a079f3b6c1de85a7042"
	hexSpan  = "1503bc5349c04000"
)

func TestExtractInject(t *testing.T) {
	const head = "00-" + hexTrace + "-" + hexSpan
	for _, tt := range []struct{ name, parent, want string }{
		{"sampled and random", head + "-03", head + "-03"},
		{"sampled, level 1", head + "-01", head + "-01"},
		{"not sampled", head + "-02", head + "-02"},
		{"no flags", head + "-00", head + "-00"},
		{"unknown flags are cleared", head + "-ff", head + "-03"},
		{"white space around", " " + head + "-01\t", head + "-01"},
		{"later version", "cc-" + hexTrace + "-" + hexSpan + "-01", head + "-01"},
		{"later version with more", "cc-" + hexTrace + "-" + hexSpan + "-01-what-the-future-will-be-like", head + "-01"},
		{"later version, ends in a hyphen", "cc-" + hexTrace + "-" + hexSpan + "-01-", head + "-01"},
		{"later version with more but no hyphen", "cc-" + hexTrace + "-" + hexSpan + "-01.what", ""},
		{"version ff", "ff-" + hexTrace + "-" + hexSpan + "-01", ""},
		{"version 00 with more", head + "-01-extra", ""},
		{"version 00 with a hyphen", head + "-01-", ""},
		{"absent", "", ""},
		{"short", head + "-0", ""},
		{"upper case", "00-" + strings.ToUpper(hexTrace) + "-" + hexSpan + "-01", ""},
		{"trace of zeros", "00-" + strings.Repeat("0", 32) + "-" + hexSpan + "-01", ""},
		{"span of zeros", "00-" + hexTrace + "-" + strings.Repeat("0", 16) + "-01", ""},
		{"no hex", "00-" + hexTrace[1:] + "g-" + hexSpan + "-01", ""},
		{"flags no hex", head + "-0x", ""},
		{"wrong separators", strings.ReplaceAll(head+"-01", "-", "_"), ""},
		{"two headers", head + "-01," + head + "-01", ""},
	} {
		in := MapCarrier{"traceparent": tt.parent, "tracestate": "a=1"}
		out := MapCarrier{}
		ctx := Extract(t.Context(), in)
		Inject(ctx, out)
		if got := out.Get("traceparent"); got != tt.want {
			t.Errorf("%s: %q comes out as %q, want %q", tt.name, tt.parent, got, tt.want)
		}
		state := "a=1"
		if tt.want == "" { // the state is not read without a parent
			state = ""
		}
		if got := out.Get("tracestate"); got != state {
			t.Errorf("%s: tracestate %q, want %q", tt.name, got, state)
		}
		if tt.want == "" && (len(out.Keys()) != 0 || SpanFromContext(ctx) != nil) {
			t.Errorf("%s: an invalid header made a span", tt.name)
		}
	}
}

func TestTracestate(t *testing.T) {
	many := func(n int, value string) string {
		var m []string
		for i := range n {
			m = append(m, "k"+string(rune('a'+i/26))+string(rune('a'+i%26))+"="+value)
		}
		return strings.Join(m, ",")
	}
	long := strings.Repeat("v", 200)
	for _, tt := range []struct{ name, in, want string }{
		{"one", "rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7"},
		{"white space and empty members", " a=1 ,\t, b=2,", "a=1,b=2"},
		{"tenant", "fw529a3039@dt=FfffCJUg", "fw529a3039@dt=FfffCJUg"},
		{"level 2: a key may start with a digit", "0v=1", "0v=1"},
		{"spaces inside a value", "a=b c", "a=b c"},
		{"no value", "a=", ""},
		{"no key", "=1", ""},
		{"no equals", "a", ""},
		{"two equals", "a=b=c", ""},
		{"upper case key", "A=1", ""},
		{"key starts with a special", "_a=1", ""},
		{"control character", "a=\x01b", ""},
		{"beyond ASCII", "a=é", ""},
		{"one bad member spoils all", "a=1,B=2", ""},
		{"key too long", strings.Repeat("k", 257) + "=1", ""},
		{"value too long", "a=" + strings.Repeat("v", 257), ""},
		{"32 members", many(32, "1"), many(32, "1")},
		{"33 members spoil all", many(33, "1"), ""},
		{"too long: long members go first, from the right", "a=" + long + ",b=1,c=" + long + ",d=" + long + ",e=2", "a=" + long + ",b=1,c=" + long + ",e=2"},
		{"too long: then short ones from the right", many(32, strings.Repeat("v", 20)), many(20, strings.Repeat("v", 20))},
	} {
		if got := parseTracestate(tt.in); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestStateReachesCalls(t *testing.T) {
	for _, flags := range []string{"-00", "-01"} {
		tr, _ := testTracer(t, Config{})
		ctx := Extract(t.Context(), MapCarrier{"traceparent": "00-" + hexTrace + "-" + hexSpan + flags, "tracestate": "a=1"})
		ctx, server := tr.StartSpan(ctx, "server", KindServer)
		ctx, client := StartSpan(ctx, "client", KindClient)
		out := MapCarrier{}
		Inject(ctx, out)
		if want := "00-" + hexTrace + "-" + client.SpanID().String() + flags; out["traceparent"] != want || out["tracestate"] != "a=1" {
			t.Errorf("sent %v, want %s with the state", out, want)
		}
		if client.SpanID() == server.SpanID() || server.SpanID().String() == hexSpan {
			t.Errorf("spans share an id: %s, %s", server, client)
		}
		if got := out.Keys(); !slices.Contains(got, "traceparent") || len(got) != 2 {
			t.Errorf("keys %v", got)
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-" + hexTrace + "-" + hexSpan + "-03")
	f.Add("cc-" + hexTrace + "-" + hexSpan + "-01-x")
	f.Fuzz(func(t *testing.T, s string) {
		out := MapCarrier{}
		Inject(Extract(context.Background(), MapCarrier{"traceparent": s}), out)
		p, ok := parseTraceparent(s)
		if !ok {
			return
		}
		if p.trace.IsZero() || p.span == 0 || p.flags&^wireFlags != 0 {
			t.Fatalf("%q gives %+v", s, p)
		}
		if again, ok := parseTraceparent(out["traceparent"]); !ok || again != p || len(out["traceparent"]) != traceparentLen {
			t.Errorf("%q is passed on as %q", s, out["traceparent"])
		}
	})
}

func FuzzTracestate(f *testing.F) {
	f.Add("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE,,")
	f.Add(strings.Repeat("k=v,", 40))
	f.Add("ot=th:ffbe76d")
	f.Add("a=1,ot=rv:0123456789abcd;th:8")
	f.Add("ot=th:;")
	f.Add("ot=  ;,a=1,ot=x ;th:8")
	f.Fuzz(func(t *testing.T, s string) {
		out := parseTracestate(s)
		if len(out) > maxStateBytes || strings.Count(out, ",") >= maxStateMembers {
			t.Errorf("%q is passed on with %d bytes: %q", s, len(out), out)
		}
		if again := parseTracestate(out); again != out {
			t.Errorf("%q is passed on as %q, then as %q", s, out, again)
		}
		if o, ok := parseOdds(s); ok && string(o.appendTo(nil)) != s {
			t.Errorf("%q is read as %s", s, o.appendTo(nil))
		}
		if rest := withoutOdds(out); rest != "" && parseTracestate(rest) != rest || len(rest) > len(out) {
			t.Errorf("%q without its threshold is %q", out, rest)
		}
	})
}
