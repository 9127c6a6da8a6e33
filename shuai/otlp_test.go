package shuai

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

var goldenTracer = &Tracer{pipeline: &pipeline{exporter: newExporter(settings{limit: 1 << 20}, new(shards), nil)}, scope: ownScope}

// goldenSpans are made of fixed parts; bench/tracer checks the encoder against the official types with random ones.
func goldenSpans() map[string][]*record {
	span := func(edit func(*Span)) *record {
		const flags = flagSampled | flagRandom | flagRecorded
		r := &record{
			tracer: goldenTracer, trace: exampleTrace, id: exampleSpan, flags: flags,
			start: exampleTime.UnixNano(), name: "GET /subject/{id}", kind: KindServer,
		}
		edit(&Span{series: newSeries(goldenTracer, 0, 0), rec: r, trace: exampleTrace, id: uint64(exampleSpan), meta: flags})
		r.duration = 1500 * time.Microsecond
		return r
	}
	minimal := span(func(*Span) {})
	full := span(func(s *Span) {
		s.rec.parent, s.rec.remote = 0x0102030405060708, true
		s.rec.extra().state = "rojo=00f067aa0ba902b7"
		s.rec.flags |= flagState
		s.SetString("text", "豆瓣")
		s.SetString("empty", "")
		s.SetString("broken", "a\xffb")
		s.SetInt("negative", -1)
		s.SetInt("zero", 0)
		s.SetFloat("float", 0.5)
		s.SetBool("false", false)
		s.SetBool("true", true) // the eighth: not inline
		s.AddLink(SpanFromContext(Remote(context.TODO(), TraceID{1, 2}, 3, FlagSampled, "congo=t61rcWkgMzE")), String("why", "batch"))
		s.Error(io.ErrUnexpectedEOF)
		s.rec.more.events[0].time = exampleTime.UnixNano() + 1000
	})
	limits := span(func(s *Span) {
		for i := range maxAttrs + 2 {
			s.SetInt("k"+string(rune('0'+i)), 1)
		}
		for range maxEvents + 3 {
			s.AddEvent("e")
		}
		for range maxLinks + 4 {
			s.AddLink(s)
		}
		for i := range s.rec.more.events {
			s.rec.more.events[i].time = exampleTime.UnixNano()
		}
		s.SetName(strings.Repeat("n", maxText+100))
		s.SetStatus(StatusError, "first")
		s.SetStatus(StatusUnset, "ignored")
		s.SetStatus(StatusOK, "no message")
		s.SetStatus(StatusError, "too late")
	})
	composites := span(func(s *Span) {
		s.Set(Strings("hosts", "a", "", "b\xff"), Strings("none"), Bytes("bytes", []byte{0, 255}),
			List("list", Int("", -1), Float("", 2), Bool("", true), List("", String("", "deep"))),
			Map("map", String("k", "v"), Map("m", Int("n", 1))))
	})
	other := span(func(s *Span) {
		s.rec.tracer = goldenTracer.Scope("redis", "9", "https://opentelemetry.io/schemas/1.44.0", Bool("pooled", true))
	})
	kept := span(func(s *Span) { s.rec.odds = oddsOf(threshold(0.001)) })
	return map[string][]*record{
		"kept": {kept}, "minimal": {minimal}, "full": {full}, "limits": {limits}, "three": {minimal, full, minimal},
		"composites": {composites}, "scopes": {other, minimal, other},
	}
}

func TestGolden(t *testing.T) {
	resource := []Attr{String("service.name", "movie-web"), Int("process.pid", 48211)}
	for name, spans := range goldenSpans() {
		enc := encoder{resource: appendResource(nil, resource)}
		for range 2 { // the buffer is used again
			for _, s := range spans {
				enc.add(s)
			}
			parts, n := enc.finish()
			request := bytes.Join(parts, nil)
			if n != len(spans) {
				t.Errorf("%s: %d spans, want %d", name, n, len(spans))
			}
			file := filepath.Join("testdata", name+".hex")
			if *rewrite {
				if err := os.WriteFile(file, []byte(lines(hex.EncodeToString(request))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if !bytes.Equal(request, want) {
				t.Errorf("%s: got\n%s", file, lines(hex.EncodeToString(request)))
			}
		}
	}
}

func lines(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), 100)
		b.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	return b.String()
}

func TestCloseMessage(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 16383, 16384, 1 << 21} {
		content := bytes.Repeat([]byte{0xab}, n)
		b, at := open([]byte("before"), 3)
		b = closeMessage(append(b, content...), at)
		seen := 0
		if err := eachField(b[len("before"):], func(field, _ uint64, got []byte) error {
			seen++
			if field != 3 || !bytes.Equal(got, content) {
				t.Errorf("a message of %d bytes reads back as field %d of %d", n, field, len(got))
			}
			return nil
		}); err != nil || seen != 1 {
			t.Errorf("a message of %d bytes: %v, %d fields", n, err, seen)
		}
	}
}

func TestClip(t *testing.T) {
	long := strings.Repeat("x", maxText-1) + "豆"
	for in, want := range map[string]int{"": 0, "short": 5, strings.Repeat("x", maxText): maxText, long: maxText - 1, strings.Repeat("\x80", maxText+9): maxText - 4} {
		if got := clip(in); len(got) != want || !strings.HasPrefix(in, got) {
			t.Errorf("a text of %d bytes is cut to %d, want %d", len(in), len(got), want)
		}
	}
}

func TestAttributesReplace(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	_, s := tr.StartSpan(t.Context(), "x", KindInternal)
	for round := range 3 {
		for i := range 20 {
			s.SetInt("k"+string(rune('a'+i)), int64(round))
		}
	}
	s.SetString("ka", "now text")
	if n := int(s.rec.count) + len(s.rec.more.attrs); n != 20 {
		t.Errorf("%d attributes, want 20", n)
	}
	if got := s.rec.first[0].text(); got != "now text" {
		t.Errorf("ka = %q", got)
	}
	want := spanBytes + len("x") + 20*len("ka") + len("now text") + moreBytes + (20-inlineAttrs)*attrBytes
	if got := s.rec.memory(); got != want {
		t.Errorf("counted %d bytes, want %d", got, want)
	}
}

// Keys of all lengths, of which some come again, against a list that is searched.
func TestAttributesAgainstList(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		_, s := tr.StartSpan(t.Context(), "x", KindInternal)
		var keys []string
		values := map[string]string{}
		for range rnd.IntN(15) {
			var attrs []Attr
			for range rnd.IntN(4) {
				key := strings.Repeat("k", rnd.IntN(3)*64+rnd.IntN(4)) + string(rune('a'+rnd.IntN(3)))
				value := strings.Repeat("v", rnd.IntN(9))
				attrs = append(attrs, String(key, value))
				if _, ok := values[key]; !ok {
					keys = append(keys, key)
				}
				values[key] = value
			}
			s.Set(attrs...)
		}
		r, want := s.rec, spanBytes+len("x")
		got := slices.Clone(r.first[:r.count])
		if r.more != nil {
			got = append(got, r.more.attrs...)
			want += moreBytes + len(r.more.attrs)*attrBytes
		}
		if len(got) != len(keys) {
			t.Fatalf("seed %d: %d attributes, want %d", seed, len(got), len(keys))
		}
		for i, key := range keys {
			if got[i].key != key || got[i].text() != values[key] {
				t.Fatalf("seed %d: attribute %d is %s = %q, want %s = %q", seed, i, got[i].key, got[i].text(), key, values[key])
			}
			want += len(key) + len(values[key])
		}
		if size := r.memory(); size != want {
			t.Fatalf("seed %d: counted %d bytes, want %d", seed, size, want)
		}
		s.End()
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte{0x0a, 0x06, 0x08, 0x05, 0x12, 0x02, 'n', 'o'})
	f.Add([]byte("<html>garbage"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rejected, message, err := parseResponse(b)
		if err != nil {
			return
		}
		if len(b) == 0 && (rejected != 0 || message != "") {
			t.Error("something from nothing")
		}
	})
}

func TestParseResponse(t *testing.T) {
	for _, tt := range []struct {
		in       string
		rejected uint64
		message  string
		bad      bool
	}{
		{"", 0, "", false},
		{"0a00", 0, "", false},
		{"0a0608051202" + hex.EncodeToString([]byte("no")), 5, "no", false},
		{"1203616263" + "0a020803", 3, "", false}, // an unknown field before
		{"0a06080512", 0, "", true},
		{"0aff", 0, "", true},
		{"0b", 0, "", true},                          // a group
		{"0a" + "ffffffffffffffffff01", 0, "", true}, // a length beyond memory
	} {
		b, err := hex.DecodeString(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		rejected, message, err := parseResponse(b)
		if rejected != tt.rejected && !tt.bad || message != tt.message && !tt.bad || (err != nil) != tt.bad {
			t.Errorf("%s: %d, %q, %v", tt.in, rejected, message, err)
		}
	}
}
