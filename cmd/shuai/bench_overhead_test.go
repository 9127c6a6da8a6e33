package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every variant of the application runs, accounts for its spans, and stays within its bounds, whatever the collector does.
func TestOverheadVariants(t *testing.T) {
	endpoints, closeAll, err := overheadCollectors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	for _, v := range overheadVariants {
		var out bytes.Buffer
		cmd := BenchOverheadCmd{For: 40 * time.Millisecond, Spans: 3, Rate: 30_000, As: v.name, Endpoint: endpoints[v.collector]}
		if err := cmd.Run(t.Context(), streams{out: &out, err: &out}); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		var r overheadResult
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if r.Requests == 0 || r.SpansPerS == 0 || r.P50 == 0 || r.P99 < r.P50 || r.Buffered > 8<<20 {
			t.Errorf("%s: %+v", v.name, r)
		}
		switch lost := r.Dropped.Total(); {
		case v.ratio == 0 && (r.Exported > 0 || lost > 0), v.ratio == 1 && r.Exported+lost == 0,
			v.ratio == 1 && v.collector != "alive" && r.Exported > 0:
			t.Errorf("%s: %d exported, %d dropped", v.name, r.Exported, lost)
		}
	}
	if err := (&BenchOverheadCmd{As: "another"}).Run(t.Context(), streams{}); err == nil {
		t.Error("a variant that there is not runs")
	}
	if err := (&BenchOverheadCmd{}).Run(t.Context(), streams{}); err == nil {
		t.Error("no rounds are enough")
	}
}

func TestOverheadTable(t *testing.T) {
	results := make([][]overheadResult, len(overheadVariants))
	for i := range results {
		for n := range 3 {
			results[i] = append(results[i], overheadResult{Requests: float64(1000*(n+1) - 100*i), CPU: time.Duration(10+i) * time.Microsecond})
		}
	}
	var out strings.Builder
	if err := (&BenchOverheadCmd{Spans: 10}).print(&out, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	got := strings.Join(strings.Fields(lines[4])[:6], " ")
	if len(lines) != 3+len(overheadVariants) || got != "1900 0.950 0.909 11µs 100 ns" || !strings.HasSuffix(lines[4], overheadVariants[1].name) {
		t.Errorf("%s", out.String())
	}
}

// Quantiles are within a 128th of the exact ones.
func TestLatencies(t *testing.T) {
	var l, other latencies
	exact := make([]time.Duration, 0, 10_000)
	for i := range 10_000 {
		d := time.Duration(1 + rand.Int64N(1<<(1+rand.IntN(40))))
		exact = append(exact, d)
		if i%2 == 0 {
			l.add(d)
		} else {
			other.add(d)
		}
	}
	l.merge(&other)
	slices.Sort(exact)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.9999} {
		want := exact[int(q*float64(len(exact)))]
		if got := l.quantile(q); got > want || float64(got) < float64(want)*(1-1.0/128)-1 {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
}
