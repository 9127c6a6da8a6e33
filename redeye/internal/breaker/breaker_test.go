package breaker_test

import (
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
)

var start = time.Unix(1_700_000_000, 0)

func calls(t *testing.T, b *breaker.Breaker, now time.Time, n int, failed float64) {
	t.Helper()
	for range n {
		call, wait, ok := b.Allow(now)
		if !ok {
			t.Fatalf("refused for %v, state %v", wait, b.State(now))
		}
		call.Done(now, failed)
	}
}

// The life of a breaker: closed, open, half open, open for longer, half open, closed.
func TestBreaker(t *testing.T) {
	b := breaker.New(breaker.Config{})
	now := start
	calls(t, b, now, 10, 0)
	calls(t, b, now, 9, 1)
	if b.State(now) != breaker.Closed {
		t.Fatal("19 calls are too few to open")
	}
	calls(t, b, now, 1, 1)
	if b.State(now) != breaker.Open {
		t.Fatal("10 of 20 failed, and it is", b.State(now))
	}
	_, wait, ok := b.Allow(now)
	if ok || wait < 5*time.Second || wait > 5500*time.Millisecond {
		t.Fatal("open:", wait, ok)
	}

	now = now.Add(wait)
	if b.State(now) != breaker.HalfOpen {
		t.Fatal(b.State(now))
	}
	var probes []breaker.Call
	for range 3 {
		call, _, ok := b.Allow(now)
		if !ok {
			t.Fatal("three probes are allowed")
		}
		probes = append(probes, call)
	}
	if _, wait, ok := b.Allow(now); ok || wait <= 0 {
		t.Fatal("no fourth probe at once is allowed")
	}
	probes[0].Done(now, 0)
	probes[1].Done(now, 1)
	if b.State(now) != breaker.Open {
		t.Fatal("a probe failed, and it is", b.State(now))
	}
	probes[2].Done(now, 0) // too late to say anything
	_, wait, _ = b.Allow(now)
	if wait < 10*time.Second || wait > 11*time.Second {
		t.Fatal("the second time it is open for", wait)
	}

	now = now.Add(wait)
	call, _, ok := b.Allow(now)
	if !ok {
		t.Fatal("half open")
	}
	call.Forget()
	calls(t, b, now, 3, 0)
	if b.State(now) != breaker.Closed {
		t.Fatal("three probes succeeded, and it is", b.State(now))
	}
	calls(t, b, now, 19, 1)
	if b.State(now) != breaker.Closed {
		t.Fatal("what was before is forgotten")
	}
}

func TestWindow(t *testing.T) {
	b := breaker.New(breaker.Config{})
	calls(t, b, start, 19, 1)
	later := start.Add(10 * time.Second)
	calls(t, b, later, 5, 1)
	if b.State(later) != breaker.Closed {
		t.Error("failures of ten seconds ago still count")
	}
	calls(t, b, later, 15, 1)
	if b.State(later) != breaker.Open {
		t.Error("20 failures, and it is", b.State(later))
	}
}

// Failures of a batch count by their share.
func TestShare(t *testing.T) {
	b := breaker.New(breaker.Config{})
	calls(t, b, start, 100, 0.25)
	if b.State(start) != breaker.Closed {
		t.Error("25 % failed, and it is", b.State(start))
	}
	calls(t, b, start, 50, 1)
	if b.State(start) != breaker.Open {
		t.Error("75 of 150 failed, and it is", b.State(start))
	}
}

// However often it opens, it is open for a minute at most.
func TestMaxOpen(t *testing.T) {
	b := breaker.New(breaker.Config{})
	calls(t, b, start, 20, 1)
	now := start
	for range 10 {
		_, wait, _ := b.Allow(now)
		if wait > 66*time.Second {
			t.Fatal("open for", wait)
		}
		now = now.Add(wait)
		calls(t, b, now, 1, 1)
	}
	if _, wait, _ := b.Allow(now); wait < 60*time.Second {
		t.Error("after ten failures it is open for", wait)
	}
}

func BenchmarkClosed(b *testing.B) {
	br := breaker.New(breaker.Config{})
	now := start
	for b.Loop() {
		call, _, _ := br.Allow(now)
		call.Done(now, 0)
	}
}

// The operator's word goes before what the breaker thinks, and when it is taken back the breaker begins anew.
func TestSwitch(t *testing.T) {
	b := breaker.New(breaker.Config{})
	calls(t, b, start, 20, 1)
	under, _, _ := b.Allow(start.Add(6 * time.Second)) // a probe
	b.Force(breaker.ForcedClosed)
	under.Done(start.Add(7*time.Second), 1) // which says nothing any more
	calls(t, b, start.Add(7*time.Second), 100, 1)
	if got := b.State(start.Add(7 * time.Second)); got != breaker.Closed || b.Forced() != breaker.ForcedClosed {
		t.Fatal("forced closed, and it is", got)
	}
	b.Force(breaker.ForcedOpen)
	if _, wait, ok := b.Allow(start.Add(time.Hour)); ok || wait <= 0 || b.State(start.Add(time.Hour)) != breaker.Open {
		t.Fatal("forced open, and it lets a call through")
	}
	b.Force(breaker.Automatic)
	later := start.Add(2 * time.Hour)
	calls(t, b, later, 19, 1)
	if b.State(later) != breaker.Closed {
		t.Fatal("what was before the switch still counts")
	}
	calls(t, b, later, 1, 1)
	if b.State(later) != breaker.Open {
		t.Fatal("it is automatic, and stays closed")
	}
	for _, s := range []breaker.Switch{breaker.Automatic, breaker.ForcedOpen, breaker.ForcedClosed} {
		if again, ok := breaker.ParseSwitch(s.String()); !ok || again != s {
			t.Error(s)
		}
	}
	if _, ok := breaker.ParseSwitch("off"); ok {
		t.Error("off is no position")
	}
}
