package shuai

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/quick"
	"time"
)

// A root on 10.17.42.7, process 48211, at 2026-11-22 20:00:00.25 UTC: the example in the design.
var (
	exampleTime  = time.Date(2026, 11, 22, 20, 0, 0, 250_000_000, time.UTC)
	exampleTrace = TraceID{0x6b0349c00a112a07, 0x9f3b6c1de85a7042}
	exampleSpan  = SpanID(0x1503bc5349c04000)
)

func TestIDExample(t *testing.T) {
	src := newIDSource(0x0a112a07, 48211&0x7fff)
	if got := src.traceID(uint32(exampleTime.Unix()), 0x9f3b6c1de85a7042); got != exampleTrace {
		t.Errorf("trace id %s, want %s", got, exampleTrace)
	}
	if got := src.spanID(exampleTime.UnixNano(), 0); got != exampleSpan {
		t.Errorf("span id %s, want %s", got, exampleSpan)
	}

	want := IDInfo{
		Trace: exampleTrace, Span: exampleSpan, Time: exampleTime,
		IP: netip.MustParseAddr("10.17.42.7"), Host: 0x2a07, Process: 15443, Tick: 0x49c04000,
	}
	for _, s := range []string{
		"6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000",
		"00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-03",
		" 6B0349C00A112A079F3B6C1DE85A7042-1503BC5349C04000\n",
	} {
		if got, err := DescribeID(s); err != nil || got != want {
			t.Errorf("DescribeID(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
	const words = "2026-11-22 20:00:00.25 UTC, root on 10.17.42.7, span on x.x.42.7, pid 15443 (mod 32768), second 18880.250000 of an 18.2 h cycle"
	if got := want.String(); got != words {
		t.Errorf("got  %s\nwant %s", got, words)
	}
}

func TestDescribeID(t *testing.T) {
	for s, want := range map[string]string{
		"6b0349c00a112a079f3b6c1de85a7042": "2026-11-22 20:00:00 UTC, root on 10.17.42.7",
		"1503bc5349c04000":                 "span on x.x.42.7, pid 15443 (mod 32768), second 18880.250000 of an 18.2 h cycle",
		"9503bc5349c04000":                 "random span id",
	} {
		got, err := DescribeID(s)
		if err != nil || got.String() != want {
			t.Errorf("DescribeID(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "12", "xyzxyzxyzxyzxyzx", "0000000000000000", "00000000000000000000000000000000",
		"6b0349c00a112a079f3b6c1de85a7042-", "6b0349c00a112a079f3b6c1de85a7042-0000000000000000",
		"00-00000000000000000000000000000000-1503bc5349c04000-03",
	} {
		if got, err := DescribeID(s); !errors.Is(err, ErrBadID) || got != (IDInfo{}) {
			t.Errorf("DescribeID(%q) = %+v, %v; want ErrBadID", s, got, err)
		}
	}
}

// Digits are written and read as package fmt does.
func TestHex(t *testing.T) {
	f := func(v uint64, shift, at uint8, c byte) bool {
		v >>= shift % 64 // small ones too
		text := fmt.Sprintf("%016x", v)
		got, ok := parseHex(text)
		_, strange := parseHex(text[:at%16] + string([]byte{c}) + text[at%16+1:])
		return string(appendHex64(nil, v)) == text && ok && got == v && strange == (strings.IndexByte("0123456789abcdef", c) >= 0)
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 10000}); err != nil {
		t.Error(err)
	}
}

func FuzzDescribeID(f *testing.F) {
	f.Add("6b0349c00a112a079f3b6c1de85a7042")
	f.Add("1503bc5349c04000")
	f.Add("00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-03")
	key := mustIDKey(f, exampleKey)
	f.Fuzz(func(t *testing.T, s string) {
		info, err := DescribeID(s)
		under, keyErr := key.Describe(s)
		if (err == nil) != (keyErr == nil) || under.Trace != info.Trace || under.Span != info.Span {
			t.Errorf("under a key %q is %+v, %v, and not %+v, %v", s, under, keyErr, info, err)
		}
		if err != nil {
			if info != (IDInfo{}) {
				t.Errorf("DescribeID(%q) returns %+v with an error", s, info)
			}
			return
		}
		if info.Trace.IsZero() && info.Span == 0 {
			t.Fatalf("DescribeID(%q) found nothing and no error", s)
		}
		if !info.Trace.IsZero() {
			if id, err := ParseTraceID(info.Trace.String()); err != nil || id != info.Trace {
				t.Errorf("trace id %s reads back as %s, %v", info.Trace, id, err)
			}
		}
		if info.Span != 0 {
			if id, err := ParseSpanID(info.Span.String()); err != nil || id != info.Span {
				t.Errorf("span id %s reads back as %s, %v", info.Span, id, err)
			}
		}
		_ = info.String()
	})
}

func TestSpanTimeWraps(t *testing.T) {
	trace := time.Unix(5*65536-2, 0) // two seconds before the ticks begin again
	for _, after := range []time.Duration{0, time.Second, 3 * time.Second, 18 * time.Hour} {
		at := trace.Add(after)
		id := newIDSource(1, 1).spanID(at.UnixNano(), 0)
		if got := id.Time(trace); !got.Equal(at) {
			t.Errorf("a span %v after its trace reads as %v after", after, got.Sub(trace))
		}
	}
}

func TestSpanIDBursts(t *testing.T) {
	src := newIDSource(0x0a000001, 7)
	seen := map[SpanID]bool{}
	make1 := func(now time.Time) SpanID {
		id := src.spanID(now.UnixNano(), 0)
		if seen[id] {
			t.Fatalf("id %s twice", id)
		}
		seen[id] = true
		return id
	}
	now := exampleTime
	first := make1(now)
	for i := range ticksPerSecond { // a whole second's ids in one instant
		if id := make1(now); id.Random() || id.Tick() != first.Tick()+uint32(i)+1 {
			t.Fatalf("id %d of the burst is %s after %s", i, id, first)
		}
	}
	if id := make1(now); !id.Random() {
		t.Errorf("more than a second ahead of the clock, but %s is not random", id)
	}
	now = now.Add(time.Second)
	if id := make1(now); id.Random() {
		t.Errorf("the clock caught up, but %s is random", id)
	}

	// Half a second back: keeps on counting. An hour back: random, until the clock is there again.
	last := make1(now.Add(3 * time.Second))
	if id := make1(now.Add(2500 * time.Millisecond)); id.Tick() != last.Tick()+1 {
		t.Errorf("after a small step back %s follows %s", id, last)
	}
	if id := make1(now.Add(-time.Hour)); !id.Random() {
		t.Errorf("after a step back of an hour %s is not random", id)
	}
	if id := make1(now.Add(4 * time.Second)); id.Random() {
		t.Errorf("the clock is back, but %s is random", id)
	}
}

func TestSpanIDsUniqueConcurrently(t *testing.T) {
	plain, key := newIDSource(0x0a000001, 7), mustIDKey(t, exampleKey)
	const workers, each = 8, 20_000
	made := make([][]SpanID, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			src, key := plain, key
			if w%2 == 0 {
				src = plain.under(key)
			} else {
				key = nil
			}
			for range each {
				made[w] = append(made[w], key.plainSpan(src.spanID(time.Now().UnixNano(), 0)))
			}
		})
	}
	wg.Wait()
	seen := make(map[SpanID]bool, workers*each)
	for _, ids := range made {
		for _, id := range ids {
			if seen[id] || id == 0 {
				t.Fatalf("id %s twice or zero", id)
			}
			seen[id] = true
		}
	}
}

func TestZeroSpanIDSkipped(t *testing.T) {
	src := newIDSource(0, 0)
	if id := src.spanID(0, 0); id != 1 {
		t.Errorf("got %s, want the first id that is not zero", id)
	}
	src.last.Store(1<<48 - 1) // the next tick is zero in its low 32 bits
	if id := src.spanID(time.Unix(1<<32, 0).UnixNano(), 0); id == 0 {
		t.Error("made the invalid id")
	}
}

func TestHostIP(t *testing.T) {
	nets := func(cidrs ...string) (addrs []net.Addr) {
		for _, c := range cidrs {
			ip, n, err := net.ParseCIDR(c)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return addrs
	}
	for _, tt := range []struct {
		addrs []net.Addr
		want  string
	}{
		{nets("127.0.0.1/8", "::1/128", "fe80::1/64", "10.17.42.7/16", "172.17.0.1/16"), "10.17.42.7"},
		{nets("127.0.0.1/8", "fe80::1/64", "2001:db8::5/64"), "2001:db8::5"},
		{nets("2001:db8::5/64", "192.0.2.9/24"), "192.0.2.9"},
		{nets("127.0.0.1/8", "169.254.3.4/16"), "127.0.0.1"},
		{nil, "127.0.0.1"},
	} {
		if got := hostIP(tt.addrs).String(); got != tt.want {
			t.Errorf("hostIP(%v) = %s, want %s", tt.addrs, got, tt.want)
		}
	}
}

// In a burst ids are random, and a root's random bits are its trace's. No two spans of a trace have the same.
func TestRootIDInBurst(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	tr.ids = newIDSource(1, 1)
	tr.ids.last.Store(1 << 62) // far ahead of the clock
	ctx, root := tr.StartSpan(t.Context(), "root", KindServer)
	_, child := tr.StartSpan(ctx, "child", KindInternal)
	if id := root.SpanID(); !id.Random() || id != SpanID(root.TraceID().Lo|1<<63) {
		t.Errorf("the root of trace %s is span %s", root.TraceID(), id)
	}
	if id := child.SpanID(); !id.Random() || id == root.SpanID() {
		t.Errorf("the child of %s is span %s", root.SpanID(), id)
	}
}
