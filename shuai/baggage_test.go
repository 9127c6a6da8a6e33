package shuai

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBaggageHeader(t *testing.T) {
	many := func(n, length int) string {
		var m []string
		for i := range n {
			m = append(m, fmt.Sprintf("k%d=%s", i, strings.Repeat("v", length)))
		}
		return strings.Join(m, ",")
	}
	for _, tt := range []struct{ name, in, want string }{
		{"the specification's example", "key1=value1,key2 = value2 ; property1 ; property2 = p , key3=", "key1=value1,key2=value2 ; property1 ; property2 = p,key3="},
		{"percent-encoded", "user=%E8%B1%86%20%E7%93%A3", "user=%E8%B1%86%20%E7%93%A3"},
		{"value with equals", "a=b=c", "a=b=c"},
		{"the last of a key counts", "a=1,b=2,a=3", "b=2,a=3"},
		{"empty members", ",a=1,, ,b=2,", "a=1,b=2"},
		{"a bad member is left out", "a=1,b,=c,d e=f,g=\"h\",i=j\\k,l=é,m=n;o p,q=2", "a=1,q=2"},
		{"percent signs that encode nothing", "a=1,b=%,c=%2,d=%zz,e=x%4,f=%25", "a=1,f=%25"},
		{"control characters", "a=1,b=\x01,c=\x7f", "a=1"},
		{"64 members", many(64, 1), many(64, 1)},
		{"65 members", many(65, 1), many(64, 1)},
		{"8,192 bytes", "a=" + strings.Repeat("v", 8190), "a=" + strings.Repeat("v", 8190)},
		{"8,193 bytes", "a=" + strings.Repeat("v", 8191), ""},
		{"what fits", many(10, 1000), many(8, 1000)},
		{"a member is not cut in two", "b=" + strings.Repeat("v", 100) + strings.Repeat(" ", 16200) + ",a=" + strings.Repeat("v", 1000), "b=" + strings.Repeat("v", 100)},
		{"one endless member", "b=" + strings.Repeat("v", 20000), ""},
		{"nothing", "", ""},
	} {
		out := MapCarrier{}
		Inject(Extract(t.Context(), MapCarrier{"baggage": tt.in}), out)
		if out["baggage"] != tt.want {
			t.Errorf("%s: %.200q is passed on as %.200q, want %.200q", tt.name, tt.in, out["baggage"], tt.want)
		}
	}
}

func TestBaggage(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	ctx := Extract(t.Context(), MapCarrier{"baggage": "user=%E8%B1%86 ; p=1,broken=%FF", "traceparent": "00-" + hexTrace + "-" + hexSpan + "-01"})
	ctx, server := tr.StartSpan(ctx, "server", KindServer)
	if ctx != context.Context(server) || server.TraceID().String() != hexTrace {
		t.Error("baggage comes between the span and its context")
	}
	ctx, err := WithBaggage(ctx, "tenant", `a,b;c="d" 100%`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ = tr.StartSpan(ctx, "client", KindClient)
	for k, want := range map[string]string{"user": "豆", "broken": "\uFFFD", "tenant": `a,b;c="d" 100%`, "other": ""} {
		if got := Baggage(ctx, k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if n := len(maps.Collect(AllBaggage(ctx))); n != 3 {
		t.Errorf("%d members", n)
	}
	for range AllBaggage(ctx) {
		break
	}
	out := MapCarrier{}
	Inject(ctx, out)
	if want := "user=%E8%B1%86 ; p=1,broken=%FF,tenant=a%2Cb%3Bc=%22d%22%20100%25"; out["baggage"] != want {
		t.Errorf("sent %s, want %s", out["baggage"], want)
	}

	without, err := WithBaggage(ctx, "user", "")
	if err != nil || Baggage(without, "user") != "" || Baggage(ctx, "user") == "" || Baggage(without, "tenant") == "" {
		t.Errorf("removing one: %v", err)
	}
	for _, key := range []string{"", "a b", "a=b", "é", "a,b"} {
		if got, err := WithBaggage(ctx, key, "v"); err == nil || got != ctx {
			t.Errorf("key %q is taken", key)
		}
	}
	if _, err := WithBaggage(ctx, "big", strings.Repeat("v", maxBaggageBytes)); err == nil {
		t.Error("8 KiB are taken")
	}
	for i := range maxBaggageMembers {
		ctx, err = WithBaggage(ctx, fmt.Sprint("k", i), "v") //nolint:fatcontext // many members are what is tested
	}
	if err == nil {
		t.Error("65 members are taken")
	}
	if Baggage(nil, "x") != "" { //nolint:staticcheck // a nil context is the misuse
		t.Error("baggage from nowhere")
	}
}

func FuzzBaggage(f *testing.F) {
	f.Add("key1=value1,key2 = value2 ; property1 ; property2 = p", "user", "豆 瓣")
	f.Add(strings.Repeat("k=v,", 100), "k", "%")
	f.Fuzz(func(t *testing.T, header, key, value string) {
		b := parseBaggage(header)
		out := b.String()
		if len(b) > maxBaggageMembers || len(out) > maxBaggageBytes || len(out) != b.size() {
			t.Fatalf("%d members, %d bytes", len(b), len(out))
		}
		if again := parseBaggage(out).String(); again != out {
			t.Errorf("%q is passed on as %q, then as %q", header, out, again)
		}
		for _, m := range b {
			if !utf8.ValidString(m.value()) {
				t.Errorf("value %q", m.value())
			}
		}
		ctx, err := WithBaggage(context.WithValue(t.Context(), baggageKey{}, b), key, value)
		if err != nil {
			return
		}
		carrier := MapCarrier{}
		Inject(ctx, carrier)
		if got := Baggage(Extract(t.Context(), carrier), key); got != string([]rune(value)) {
			t.Errorf("%q=%q travels as %q and arrives as %q", key, value, carrier, got)
		}
	})
}
