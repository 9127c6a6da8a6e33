package sampling_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/sampling"
)

var (
	page  = sampling.Endpoint{Kind: "SPAN_KIND_SERVER", Name: "GET /subject/{id}"}
	start = time.Date(2026, 11, 22, 20, 0, 3, 0, time.UTC)
)

func ratioOf(t *testing.T, targets *sampling.Targets, now time.Time, e sampling.Endpoint) float64 {
	t.Helper()
	for _, r := range targets.Ratios(now, "web") {
		if r.Endpoint == e {
			return r.Ratio
		}
	}
	t.Fatalf("nothing is known of %v", e)
	return 0
}

// Every ten seconds each process of a service reports; after each report the ratio is right for the load of the last minute.
func TestRatios(t *testing.T) {
	for _, tt := range []struct {
		name      string
		processes int
		delta     bool
		every10s  uint64 // roots of each process
		want      float64
	}{
		{"rare", 1, false, 1, 1},
		{"as many as wanted", 1, false, 10, 1},
		{"busy", 1, false, 1000, 0.01},
		{"busy, delta", 1, true, 1000, 0.01},
		{"ten processes", 10, false, 1000, 0.001},
		{"ten processes, delta", 10, true, 1000, 0.001},
		{"very busy", 1, false, 1e12, 1e-6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			targets := sampling.New(60)
			total := uint64(0)
			for n := 1; n <= 30; n++ {
				now := start.Add(time.Duration(n) * 10 * time.Second)
				total += tt.every10s
				for p := range tt.processes {
					o := sampling.Observation{Service: "web", Process: fmt.Sprint(p), Endpoint: page, Roots: total, Since: start}
					if tt.delta {
						o.Roots, o.Since, o.Delta = tt.every10s, now.Add(-10*time.Second), true
					}
					targets.Observe(now, o)
				}
				if got := ratioOf(t, targets, now, page); math.Abs(got-tt.want) > 1e-3*tt.want {
					t.Fatalf("after %d reports the ratio is %v, want %v", n, got, tt.want)
				}
			}
		})
	}
}

// Load that changes is followed within a minute, and an endpoint that falls silent is first kept whole, then forgotten.
func TestFollows(t *testing.T) {
	targets := sampling.New(60)
	now := start
	report := func(minutes int, every10s uint64) {
		for range minutes * 6 {
			now = now.Add(10 * time.Second)
			targets.Observe(now, sampling.Observation{Service: "web", Process: "1", Endpoint: page, Roots: every10s, Delta: true})
		}
	}
	for _, load := range []uint64{100, 100_000, 10, 1000} {
		report(1, load)
		if got, want := ratioOf(t, targets, now, page), min(1, 10/float64(load)); math.Abs(got-want) > 1e-9 {
			t.Errorf("at %d in ten seconds the ratio is %v, want %v", load, got, want)
		}
	}
	now = now.Add(2 * time.Minute)
	if got := ratioOf(t, targets, now, page); got != 1 {
		t.Errorf("of an endpoint that has fallen silent %v is kept", got)
	}
	now = now.Add(time.Hour)
	targets.Observe(now, sampling.Observation{Service: "other", Process: "1", Endpoint: page, Roots: 1, Delta: true})
	if left := targets.Ratios(now, "web"); len(left) != 0 {
		t.Errorf("an hour later %v is remembered", left)
	}
}

// A cumulative counter that is seen for the first time says nothing about the last minute if it is old; one that begins
// anew does.
func TestCumulative(t *testing.T) {
	targets := sampling.New(60)
	see := func(now, since time.Time, roots uint64) {
		targets.Observe(now, sampling.Observation{Service: "web", Process: "1", Endpoint: page, Roots: roots, Since: since})
	}
	now := start.Add(time.Hour)
	see(now, start, 1e9) // the server was not there before
	if known := targets.Ratios(now, "web"); len(known) != 0 {
		t.Errorf("after one report of an old counter: %v", known)
	}
	now = now.Add(10 * time.Second)
	see(now, start, 1e9+1000)
	if got := ratioOf(t, targets, now, page); got != 0.01 {
		t.Errorf("ratio %v, want 0.01", got)
	}
	now = now.Add(10 * time.Second)
	see(now, now.Add(-5*time.Second), 1000) // the process was restarted
	if got := ratioOf(t, targets, now, page); got != 0.01 {
		t.Errorf("after a restart the ratio is %v, want 0.01", got)
	}
}

func TestOff(t *testing.T) {
	targets := sampling.New(0)
	targets.Observe(start, sampling.Observation{Service: "web", Endpoint: page, Roots: 5, Delta: true})
	if got := targets.Ratios(start, "web"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Whatever arrives, in whatever order, a ratio is a ratio.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := sampling.New(rapid.Float64Range(0, 1e6).Draw(t, "per minute"))
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			at := func(label string) time.Time { return time.Unix(rapid.Int64Range(0, 1000).Draw(t, label), 0) }
			now := at("now")
			targets.Observe(now, sampling.Observation{
				Service: "web", Process: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "process"),
				Endpoint: sampling.Endpoint{Name: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "name")},
				Roots:    rapid.Uint64().Draw(t, "roots"), Since: at("since"), Delta: rapid.Bool().Draw(t, "delta"),
			})
			for _, r := range targets.Ratios(now, "web") {
				if !(r.Ratio > 0 && r.Ratio <= 1) {
					t.Fatalf("%v", r)
				}
			}
		}
	})
}
