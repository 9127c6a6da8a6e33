package shuai

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

// exampleKey is that of the paper's example.
const exampleKey = "1b1a1918131211100b0a090803020100"

func mustIDKey(t testing.TB, s string) *IDKey {
	t.Helper()
	key, err := ParseIDKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The paper's appendix C, Speck64/128.
func TestSpeck(t *testing.T) {
	const plain, hidden = 0x3b7265747475432d, 0x8c6fa548454e028b
	key := mustIDKey(t, exampleKey)
	if got := key.encrypt(plain); got != hidden {
		t.Errorf("encrypted: %x, want %x", got, uint64(hidden))
	}
	if got := key.decrypt(hidden); got != plain {
		t.Errorf("decrypted: %x, want %x", got, uint64(plain))
	}
}

func TestIDKeyReverses(t *testing.T) {
	f := func(words [4]uint32, trace TraceID, span SpanID) bool {
		for _, key := range []*IDKey{newIDKey(words), nil} {
			if key.plainTrace(key.trace(trace)) != trace || key.trace(key.plainTrace(trace)) != trace || key.trace(trace).Lo != trace.Lo ||
				key.plainSpan(key.span(span)) != span || key.span(key.plainSpan(span)) != span {
				return false
			}
		}
		return true
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 10_000}); err != nil {
		t.Error(err)
	}
}

// The example in the design, under a key.
func TestIDKeyExample(t *testing.T) {
	const hiddenTrace, hiddenSpan = "04408e83d31005059f3b6c1de85a7042", "1ea214f4f86a15c6"
	for _, text := range []string{exampleKey, strings.ToUpper(exampleKey)} {
		key := mustIDKey(t, text)
		src := newIDSource(0x0a112a07, 48211&0x7fff).under(key)
		trace, span := src.traceID(uint32(exampleTime.Unix()), exampleTrace.Lo), src.spanID(exampleTime.UnixNano(), 0)
		if trace.String() != hiddenTrace || span.String() != hiddenSpan {
			t.Errorf("made %s-%s, want %s-%s", trace, span, hiddenTrace, hiddenSpan)
		}
		want := IDInfo{
			Trace: trace, Span: span, Time: exampleTime,
			IP: netip.MustParseAddr("10.17.42.7"), Host: 0x2a07, Process: 15443, Tick: 0x49c04000,
		}
		for _, s := range []string{
			hiddenTrace + "-" + hiddenSpan,
			"00-" + hiddenTrace + "-" + hiddenSpan + "-03",
			" " + strings.ToUpper(hiddenTrace+"-"+hiddenSpan) + "\n",
		} {
			if got, err := key.Describe(s); err != nil || got != want {
				t.Errorf("Describe(%q) = %+v, %v; want %+v", s, got, err, want)
			}
		}
		for s, want := range map[string]string{
			hiddenTrace: "2026-11-22 20:00:00 UTC, root on 10.17.42.7",
			hiddenSpan:  "span on x.x.42.7, pid 15443 (mod 32768), second 18880.250000 of an 18.2 h cycle",
			key.span(randomSpanID(exampleTrace.Lo)).String(): "random span id",
		} {
			if got, err := key.Describe(s); err != nil || got.String() != want {
				t.Errorf("Describe(%q) = %q, %v; want %q", s, got, err, want)
			}
		}
		if got, err := key.Describe("xyz"); !errors.Is(err, ErrBadID) || got != (IDInfo{}) {
			t.Errorf("Describe reads xyz as %+v, %v", got, err)
		}
	}
}

func TestParseIDKeyErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                                     "there are 0 characters",
		exampleKey[1:]:                         "there are 31 characters",
		exampleKey + "\n":                      "there are 33 characters",
		"0x" + exampleKey:                      "there are 34 characters",
		exampleKey[:16]:                        "there are 16 characters",
		"g" + exampleKey[1:]:                   "character 1 is none",
		exampleKey[:30] + "-0":                 "character 31 is none",
		"1b1a1918-1312-1110-0b0a-090803020100": "there are 36 characters", // a UUID
		exampleKey[:29] + "\u212a":             "character 30 is none",    // the Kelvin sign, whose lower case is shorter
	} {
		key, err := ParseIDKey(s)
		if err == nil || key != nil || !strings.Contains(err.Error(), "want 32 hex digits") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("ParseIDKey(%q) = %v, %v; want %s", s, key, err, want)
		}
		for _, cfg := range []Config{{IDKey: s}, {IDKey: s, IDs: "random"}} {
			if s == "" {
				continue // none
			}
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), "IDKey (SHUAI_ID_KEY): want 32") {
				t.Errorf("New with the key %q: %v", s, err)
			} else if shows(err.Error(), s) {
				t.Errorf("the error for the key %q shows some of it: %v", s, err)
			}
		}
	}
}

// shows reports whether five characters of the key are in a text.
func shows(text, key string) bool {
	for i := range max(0, len(key)-4) {
		if strings.Contains(text, key[i:i+5]) {
			return true
		}
	}
	return false
}

func FuzzParseIDKey(f *testing.F) {
	f.Add(exampleKey)
	f.Add(strings.ToUpper(exampleKey))
	f.Add(exampleKey[:30] + "é")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := hex.DecodeString(s)
		want := err == nil && len(p) == 16
		key, err := ParseIDKey(s)
		if (err == nil) != want || (key != nil) != want {
			t.Fatalf("ParseIDKey(%q) = %v, %v", s, key, err)
		}
		if want && key.rounds[0] != binary.BigEndian.Uint32(p[12:]) {
			t.Errorf("the key %q is read as another", s)
		}
	})
}

func TestIDKeyIsNotPrinted(t *testing.T) {
	key := mustIDKey(t, exampleKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		if got := fmt.Sprintf(verb, key); got != "shuai.IDKey" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// Whatever the key, no two ticks make the same id: a burst's are all there, in order, under the noise.
func TestKeyedSpanIDsDiffer(t *testing.T) {
	f := func(words [4]uint32, ip uint32, pid uint16, seconds uint32) bool {
		key := newIDKey(words)
		src := newIDSource(ip, pid).under(key)
		seen := map[SpanID]bool{}
		last := uint32(0)
		for i := range 1000 {
			id := src.spanID(int64(seconds)*int64(time.Second), 0)
			plain := key.plainSpan(id)
			if seen[id] || id == 0 || plain.Random() || plain.Host() != uint16(ip) || plain.Process() != pid&0x7fff || i > 0 && plain.Tick() != last+1 {
				return false
			}
			seen[id], last = true, plain.Tick()
		}
		return true
	}
	if err := quick.Check(f, nil); err != nil {
		t.Error(err)
	}
}

// The one id that would become zero is left out, whether it is of a tick or random.
func TestZeroSpanIDSkippedUnderKey(t *testing.T) {
	done := map[bool]bool{}
	for i := uint32(0); len(done) < 2; i++ {
		key := newIDKey([4]uint32{i})
		zero := key.plainSpan(0)
		if done[zero.Random()] {
			continue
		}
		done[zero.Random()] = true
		src := newIDSource(uint32(zero.Host()), zero.Process()).under(key)
		if zero.Random() {
			src.last.Store(1 << 62) // far ahead of the clock
			if id := src.spanID(exampleTime.UnixNano(), uint64(zero)); id == 0 || !key.plainSpan(id).Random() {
				t.Errorf("made %s of the random bits that become zero", id)
			}
			continue
		}
		tick := uint64(exampleTime.Unix())>>16<<32 | uint64(zero.Tick())
		src.last.Store(tick - 1)
		now := time.Unix(int64(tick>>16), 0)
		if id := src.spanID(now.UnixNano(), 0); id == 0 || key.plainSpan(id).Tick() != zero.Tick()+1 {
			t.Errorf("made %s of the tick after that which becomes zero", id)
		}
	}
}

// What leaves a process, recorded or not, is noise to all but who has the key, and says to them what it would have said without one.
func TestIDsUnderKey(t *testing.T) {
	key, other := mustIDKey(t, exampleKey), mustIDKey(t, "00000000000000000000000000000001")
	me := processIdentity()
	check := func(t *testing.T, header string) {
		t.Helper()
		info, err := key.Describe(header)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(info.Time); d < -time.Second || d > 10*time.Second {
			t.Errorf("%s was born %v ago", header, d)
		}
		if info.Random || info.IP != (TraceID{Hi: uint64(me.ids.ip)}).IPv4() || info.Host != uint16(me.ids.ip) || info.Process != me.pid {
			t.Errorf("%s reads as %s", header, info)
		}
		for _, wrong := range []*IDKey{nil, other} {
			info, err := wrong.Describe(header)
			if d := time.Since(info.Time); err != nil || info.IP == me.ip || d > -time.Minute && d < time.Minute {
				t.Errorf("without the right key %s reads as %s, %v", header, info, err)
			}
		}
	}
	for _, cfg := range []Config{
		{Ratio: 1},
		{Ratio: 1, Statistics: "off"},
		{Ratio: -1},
		{Ratio: -1, Statistics: "off"},
	} {
		t.Run(fmt.Sprintf("ratio=%v,statistics=%s", cfg.Ratio, cfg.Statistics), func(t *testing.T) {
			t.Setenv("SHUAI_ID_KEY", exampleKey)
			tr, c := testTracer(t, cfg)
			halves := map[uint64]bool{}
			for range 10 {
				ctx, root := tr.StartSpan(t.Context(), "root", KindServer)
				childCtx, child := tr.StartSpan(ctx, "child", KindClient)
				for _, ctx := range []context.Context{ctx, childCtx} {
					out := MapCarrier{}
					Inject(ctx, out)
					check(t, out["traceparent"])
				}
				if child.TraceID() != root.TraceID() || halves[root.TraceID().Hi] {
					t.Errorf("%s, %s: the first half is not the trace's own", root, child)
				}
				halves[root.TraceID().Hi] = true
				child.End()
				root.End()
			}
			if err := tr.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, late := tr.StartSpan(t.Context(), "after the stop", KindServer)
			check(t, late.TraceID().String()+"-"+late.SpanID().String())
			sent, _ := c.texts(t, 1)
			for _, id := range sent {
				if !halves[binary.BigEndian.Uint64([]byte(id))] {
					t.Errorf("trace %x was sent, and nobody saw it before", id)
				}
			}
			if want := 20; cfg.Ratio > 0 && len(sent) != want {
				t.Errorf("%d spans were sent, want %d", len(sent), want)
			}
		})
	}
}

// Tracers of one process share ticks, whatever their keys.
func TestTracersShareTicks(t *testing.T) {
	plain, _ := testTracer(t, Config{})
	keyed, _ := testTracer(t, Config{IDKey: exampleKey})
	random, _ := testTracer(t, Config{IDKey: exampleKey, IDs: "random"})
	if plain.ids.last != keyed.ids.last || plain.ids.key != nil || keyed.ids.key == nil || random.ids != nil {
		t.Errorf("%+v, %+v, %+v", plain.ids, keyed.ids, random.ids)
	}
}
