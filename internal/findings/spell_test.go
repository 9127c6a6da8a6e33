package findings

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSpellEnds: how many requests without it are enough, by how many had it before.
func TestSpellEnds(t *testing.T) {
	for _, c := range []struct {
		had, of     int
		least, most int // requests after which it is over
	}{
		{1000, 1000, leastWithout, leastWithout},
		{3, 3, 20, 30}, // three of three may be luck
		{500, 1000, 20, 25},
		{100, 1000, 130, 175},
		{15, 1000, 900, 2000},
		{2, 1000, math.MaxInt, math.MaxInt}, // a long day decides that
	} {
		var s spell
		for i := range c.of {
			s.add(i*c.had/c.of != (i+1)*c.had/c.of, 0, 1, 1, 1)
		}
		n := 0
		for ; !s.over() && n < 2*longWindow; n++ {
			s.add(false, 0, 1, 0, 1)
		}
		if c.least == math.MaxInt {
			if s.over() {
				t.Errorf("%d of %d is over after %d", c.had, c.of, n)
			}
		} else if n < c.least || n > c.most {
			t.Errorf("%d of %d is over after %d requests, want %d to %d", c.had, c.of, n, c.least, c.most)
		}
		s.add(true, 0, 1, 1, 1)
		if s.over() || s.After.N != 0 {
			t.Errorf("%d of %d: over when it is back", c.had, c.of)
		}
	}
}

// TestSpellByChance: what still comes with its old probability seems over as seldom as is promised.
func TestSpellByChance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range []float64{0.03, 0.3, 0.9} {
		var s spell
		wrong := 0
		for range 200_000 {
			before := s.over()
			s.add(rng.Float64() < p, 0, 1, 1, 1)
			if s.over() && !before {
				wrong++
			}
		}
		if wrong > 1 { // with the bound, 0.2 are to be expected at most
			t.Errorf("with %v it seemed over %d times", p, wrong)
		}
	}
}

// TestSpellOutOfOrder: a request that is examined late proves nothing about those that started after it.
func TestSpellOutOfOrder(t *testing.T) {
	var s spell
	for start := range int64(10) {
		s.add(true, start, 30, 20, 1)
	}
	for _, start := range []int64{13, 12, 14} {
		s.add(false, start, 10, 0, 1)
	}
	s.add(true, 11, 30, 20, 1)
	if s.Before != (window{N: 11, Weight: 11, Second: 11, Mean: 30, Saving: 20}) || s.After != (window{N: 3, Weight: 3, Second: 3, Mean: 10}) || s.Had != 11 {
		t.Errorf("%+v", s)
	}
	s.add(true, 12, 30, 20, 1) // it was there still
	if s.Before.N != 15 || s.After.N != 0 || s.Since != 0 {
		t.Errorf("%+v", s)
	}
}

// TestWindow: the running figures are those of the formulas.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 2, 50).Draw(t, "durations")
		ws := rapid.SliceOfN(rapid.Float64Range(1, 16), len(xs), len(xs)).Draw(t, "weights")
		cut := rapid.IntRange(0, len(xs)).Draw(t, "cut")
		var a, b window
		sum, weight := 0.0, 0.0
		for i, x := range xs {
			if i < cut {
				a.add(x, 2*x, ws[i])
			} else {
				b.add(x, 2*x, ws[i])
			}
			sum, weight = sum+x*ws[i], weight+ws[i]
		}
		a.merge(b)
		mean, square := sum/weight, 0.0
		for i, x := range xs {
			square += ws[i] * (x - mean) * (x - mean)
		}
		near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-6*(1+math.Abs(y)) }
		if !near(a.Mean, mean) || !near(a.Saving, 2*mean) || !near(a.Square, square) || a.N != float64(len(xs)) || !near(a.Weight, weight) {
			t.Fatalf("%+v, want mean %v square %v", a, mean, square)
		}
	})
}

// TestMending: what was estimated stands beside what was measured, of a request of the endpoint, and survives the file.
func TestMending(t *testing.T) {
	b := newBook()
	for range 15 {
		b.pages(30, 3) // every second page is chatty: 30 calls of 5 ms, where a batch takes 5 ms
	}
	f := b.only(t)
	if m := f.MendingAt(b.now, nil); m != nil {
		t.Errorf("mended before anything was: %+v", m)
	}
	for range 60 {
		b.pages(4)
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	kept := new(Finding)
	if err := json.Unmarshal(text, kept); err != nil {
		t.Fatal(err)
	}
	// Others of the endpoint: one that every tenth request had, last seen 30 requests before; one that each had, and went then; one that is still there.
	other := func(id uint64, had, after float64, saving float64) *Finding {
		o := &Finding{ID: id, Last: kept.Last}
		o.Calls.N, o.Spell.Had, o.Spell.Before, o.Spell.After.N = leastRequests, had, window{N: 30, Saving: saving}, after
		return o
	}
	others := []*Finding{kept, other(9, 3, 91, 1e6), other(10, 30, 91, 1e6), other(11, 3, 0, 1e6), other(14, 2, 65, 1e6), other(12, 20, 60, 0), other(13, 30, 61, 0)}
	m := kept.MendingAt(b.now.Add(time.Hour), others)
	if m == nil {
		t.Fatalf("not mended: %v", kept.StateAt(b.now))
	}
	// 29 calls of 5 ms less, of every second page (the last 3 came after); and 1 ms for the other finding.
	wantSaving := 29 * 5e6 * 15 / 29
	if math.Abs(m.Estimated-wantSaving-1e6) > 1 {
		t.Errorf("estimated %v, want %v", m.Estimated, wantSaving+1e6)
	}
	// page is 20 ms + 6 for each call
	before, after := 20e6+6e6*(15*30+14*3)/29, (20e6*61+6e6*(3+60*4))/61
	if math.Abs(m.Measured-(before-after)) > 1 || m.Before.Requests != 29 || m.After.Requests != 61 || m.Error <= 0 {
		t.Errorf("%+v, want measured %v", m, before-after)
	}
	if !slices.Equal(m.Together, []uint64{9, 12, 13}) || m.At == 0 || m.ByQuery {
		t.Errorf("%+v", m)
	}

	// A query that was suggested stands for the calls that it replaces, whichever finding it was suggested of, and not for the others.
	query := &Query{Replaces: []string{kept.Label, "title"}, Requests: 20, Saving: 50e6}
	for _, c := range []struct {
		of      *Finding // the query
		another string   // label of the finding that saves 1 ms
		want    float64
		byQuery bool
	}{
		{kept, "title", 50e6, true},
		{kept, "rating", 51e6, true},
		{others[1], "title", 50e6, true},
		{others[3], "rating", wantSaving + 1e6, false}, // that is still there: its query was not what was done
	} {
		kept.Query, others[1].Query, others[3].Query = nil, nil, nil
		c.of.Query, others[1].Label = query, c.another
		for _, o := range []*Finding{others[3], others[5], others[6]} {
			o.Label = "other"
		}
		if m := kept.MendingAt(b.now.Add(time.Hour), others); math.Abs(m.Estimated-c.want) > 1 || m.ByQuery != c.byQuery || len(m.Together) != 3 {
			t.Errorf("%+v: %+v", c, m)
		}
	}
}

// TestErrorOfOdds: the error that is told of the mean is the one that it has, whatever the requests stand for.
func TestErrorOfOdds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const windows, requests = 2000, 200
	var sum, squares, told float64
	for range windows {
		var w window
		for range requests {
			weight := 1.0
			if rng.IntN(10) == 0 {
				weight = 50
			}
			w.add(rng.NormFloat64(), 0, weight)
		}
		sum, squares, told = sum+w.Mean, squares+w.Mean*w.Mean, told+w.errorOfMean()
	}
	mean := sum / windows
	if is, says := squares/windows-mean*mean, told/windows; says < 0.8*is || says > 1.25*is {
		t.Errorf("the means vary by %v, and say %v", is, says)
	}
}
