package shuai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A span that has ended does nothing any more to the record that it had, which has passed to others: whoever holds on to ended spans,
// and goes on using them while the exporter works, finds nothing of it in what others recorded.
func TestStaleSpans(t *testing.T) {
	c := &collector{}
	tr, _ := testTracer(t, Config{Transport: c, FlushEvery: time.Millisecond, Compression: "none", BufferBytes: 64 << 20})
	const workers, each = 4, 500
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var ended [64]*Span
			for i := range each {
				ctx, s := tr.StartSpan(t.Context(), fmt.Sprintf("own-%d-%d", w, i), KindServer)
				s.SetString("own", fmt.Sprintf("own-%d-%d", w, i))
				_, child := StartSpan(ctx, s.SpanID().String(), KindInternal)
				for _, old := range ended {
					old.SetString("own", "stale")
					old.SetString("stale", "stale")
					old.AddEvent("stale")
					old.AddLink(s)
					old.SetName("stale")
					old.Rename("stale", "stale")
					old.SetType("stale")
					old.SetStart(time.Now())
					old.Error(errors.New("stale"))
					old.End()
					old.EndAt(time.Now().Add(time.Hour))
					_, _ = old.Tracestate(), old.SpanID()
				}
				child.End()
				s.End()
				ended[i%len(ended)] = s
			}
		})
	}
	wg.Wait()
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, _ := c.spans(t)
	seen := map[string]int{}
	for _, name := range names {
		seen[name]++
	}
	if len(names) != 2*workers*each || len(seen) != 2*workers*each {
		t.Errorf("%d spans of %d names, want %d of each", len(names), len(seen), 2*workers*each)
	}
	for _, r := range c.requests {
		if bytes.Contains(r, []byte("stale")) {
			t.Fatal("what was done to a span after its end shows in another")
		}
		for name, own := range ownAttributes(t, r) {
			if strings.HasPrefix(name, "own-") && own != name {
				t.Fatalf("%s has the attribute %q", name, own)
			}
		}
	}
}

// ownAttributes are the values of the attribute "own" of each span of a request, by name.
func ownAttributes(t *testing.T, request []byte) map[string]string {
	t.Helper()
	inner := func(b []byte, want uint64, f func([]byte)) {
		if err := eachField(b, func(field, _ uint64, b []byte) error {
			if field == want {
				f(b)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	own := map[string]string{}
	inner(request, 1, func(b []byte) {
		inner(b, 2, func(b []byte) {
			inner(b, 2, func(span []byte) {
				name, value := "", ""
				inner(span, 5, func(b []byte) { name = string(b) })
				inner(span, 9, func(b []byte) { inner(b, 2, func(b []byte) { inner(b, 1, func(b []byte) { value = string(b) }) }) })
				own[name] = value
			})
		})
	})
	return own
}

// A real clock that is set is no matter of a span's duration, and shows in spans that start a second later.
func TestClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := testTracer(t, Config{FlushEvery: time.Hour})
		synctest.Wait() // the exporter looks at the clock again in a second
		_, s := tr.StartSpan(t.Context(), "x", KindServer)
		before := s.rec.start
		time.Sleep(time.Millisecond)
		tr.exporter.offset.Add(-int64(time.Hour)) // as setClock does
		s.AddEvent("after")
		s.End()
		if d := s.rec.duration; d != time.Millisecond {
			t.Errorf("duration %v", d)
		}
		if at := time.Duration(s.rec.more.events[0].time - before); at != time.Millisecond {
			t.Errorf("the event is %v after the start", at)
		}
		_, next := tr.StartSpan(t.Context(), "x", KindServer)
		if d := time.Duration(before - next.rec.start); d != time.Hour-time.Millisecond {
			t.Errorf("the next span starts %v before", d)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if d := time.Duration(tr.unixNano(monotonic()) - time.Now().UnixNano()); d != 0 {
			t.Errorf("a second later the clock is off by %v", d)
		}
	})
}

// Any use of a span that is not recorded, or of one that never was, is harmless, concurrently too.
func TestMisuseUnrecorded(t *testing.T) {
	counted, _ := testTracer(t, Config{Ratio: -1})
	bare, _ := testTracer(t, Config{Ratio: -1, Statistics: "off"})
	_, a := counted.StartSpan(t.Context(), "x", KindServer)
	ctx, b := bare.StartSpan(t.Context(), "x", 200)
	sameCtx, same := StartSpan(ctx, "y", KindInternal)
	if same != b || sameCtx != ctx {
		t.Error("without statistics the child of an unrecorded span is another one")
	}
	foreign, _ := testTracer(t, Config{})
	_, other := foreign.StartSpan(ctx, "by another tracer", KindInternal)
	if other.TraceID() != b.TraceID() || other.Recording() || other.Tracer() != foreign {
		t.Errorf("%s of another tracer is no child of %s", other, b)
	}
	for name, s := range map[string]*Span{"counted": a, "bare": b, "nil": nil, "zero": {}, "no span": noSpan, "foreign": other} {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					s.SetName("changed")
					s.SetType("changed")
					s.SetStatus(StatusError, "x")
					s.SetStatus(StatusOK, "x")
					s.SetStatus(99, "x")
					s.Error(errors.New("x"))
					s.Panic("x")
					s.Set(String("k", "v"))
					s.SetStart(time.Now())
					s.AddEventAt(time.Time{}, "x")
					s.AddLink(s)
					s.End()
					s.EndAt(time.Time{})
					_, _, _, _, _, _ = s.Recording(), s.Ended(), s.Counted(), s.Decided(), s.SpanID(), s.Flags()
					Inject(context.Background(), MapCarrier{})
				}
			})
		}
		wg.Wait()
		if s.Recording() {
			t.Errorf("%s: recording", name)
		}
	}
	if all := counted.statistics.collect(); all[len(all)-1].totals[1].count+all[len(all)-1].totals[0].count != 1 {
		t.Errorf("a span that was ended 800 times is counted %d times", all[len(all)-1].totals[0].count+all[len(all)-1].totals[1].count)
	}
}

// What waits for a dead collector takes no more memory than it is allowed, by the allocator's own count.
func TestMemoryBound(t *testing.T) {
	const bound = 8 << 20
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools hold goes in two
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	tr, _ := testTracer(t, Config{
		Transport:  &collector{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }},
		FlushEvery: 10 * time.Millisecond,
	})
	before := heap()
	worst := uint64(0)
	for range 10 {
		for i := range 10_000 {
			_, s := tr.StartSpan(t.Context(), "x", KindServer)
			s.SetString("text", strings.Repeat("v", i%500))
			s.SetInt("i", int64(i))
			s.End()
		}
		if s := tr.Stats(); s.BufferedBytes > bound {
			t.Fatalf("%d bytes are buffered", s.BufferedBytes)
		}
		worst = max(worst, heap())
	}
	if s := tr.Stats(); s.Dropped.BufferFull == 0 {
		t.Fatalf("the buffer never filled: %+v", s)
	}
	// Beyond the buffer: its slices of pointers, what is being encoded and sent, and the collector's copies of requests.
	if grown := int64(worst) - int64(before); grown > bound*3/2 {
		t.Errorf("the heap grew by %d bytes, the bound is %d", grown, bound)
	}
}
