package store

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// near says whether got is within 1.1 % of want, or half a nanosecond, which is what rounding costs.
func near(got, want int64) bool {
	return math.Abs(float64(got)-float64(want)) <= .011*float64(want)+.5
}

// durations draws from the whole range, with ties, edges and powers of two.
var durations = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
	switch rapid.IntRange(0, 3).Draw(t, "sort") {
	case 0:
		return rapid.SampledFrom([]int64{0, -1, math.MinInt64, 1, 2, 3, 1e3, 1e9, math.MaxInt64 - 1, math.MaxInt64}).Draw(t, "edge")
	case 1:
		return int64(1)<<rapid.IntRange(0, 62).Draw(t, "power") + rapid.Int64Range(-1, 1).Draw(t, "off")
	}
	return rapid.Int64Range(0, math.MaxInt64).Draw(t, "ns") >> rapid.IntRange(0, 62).Draw(t, "shift")
}), 0, 200)

func sketchOf(ns []int64) *Sketch {
	var s Sketch
	for _, d := range ns {
		s.Add(d)
	}
	return &s
}

func TestSketchQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := durations.Draw(t, "durations")
		s := sketchOf(ns)
		if s.Count() != uint64(len(ns)) {
			t.Fatalf("counts %d of %d", s.Count(), len(ns))
		}
		for i := range ns {
			ns[i] = max(ns[i], 0)
		}
		slices.Sort(ns)
		for _, q := range []float64{-1, 0, rapid.Float64Range(0, 1).Draw(t, "q"), .5, .99, 1, 2} {
			var want int64
			if len(ns) > 0 {
				want = ns[max(int(math.Ceil(min(max(q, 0), 1)*float64(len(ns)))), 1)-1]
			}
			if got := s.Quantile(q); !near(got, want) {
				t.Fatalf("quantile %v of %v is %d, want %d", q, ns, got, want)
			}
		}
	})
}

func TestSketchMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := durations.Draw(t, "a"), durations.Draw(t, "b")
		merged, all := sketchOf(a), sketchOf(slices.Concat(a, b))
		other := sketchOf(b)
		before := slices.Clone(other.Counts)
		merged.Merge(other)
		if merged.Zeros != all.Zeros || len(all.Counts) > 0 && merged.First != all.First || !slices.Equal(merged.Counts, all.Counts) {
			t.Fatalf("merged %v, want %v", merged, all)
		}
		merged.Add(1)
		merged.Add(math.MaxInt64)
		if !slices.Equal(before, other.Counts) {
			t.Fatal("what was merged changed with the one that took it")
		}
	})
}

func TestSketchBelowAndEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := durations.Draw(t, "durations")
		s := sketchOf(ns)
		at := int64(0)
		if len(ns) > 0 {
			at = rapid.SampledFrom(ns).Draw(t, "at")
		}
		// What is well below counts, what is not below does not; in between lies the bucket.
		least, most := uint64(0), uint64(0)
		for _, d := range ns {
			if max(d, 0) < at {
				most++
			}
			if float64(max(d, 0)) < float64(at)/1.022 {
				least++
			}
		}
		if got := s.Below(at); got < least || got > most {
			t.Fatalf("%d of %v are below %d; it must be %d to %d", got, ns, at, least, most)
		}
		n, last := uint64(0), 0.0
		s.Each(func(over, upTo float64, count uint64) {
			if over < last || upTo < over || count == 0 {
				t.Fatalf("bucket (%v, %v] with %d after %v", over, upTo, count, last)
			}
			within := uint64(0)
			for _, d := range ns {
				if f := float64(max(d, 0)); f > over && f <= upTo || f == 0 && upTo == 0 {
					within++
				}
			}
			if within != count && upTo < 1<<50 && upTo != over { // above, a float64 does not tell neighbours apart
				t.Fatalf("(%v, %v] has %d of %v, not %d", over, upTo, within, ns, count)
			}
			n, last = n+count, upTo
		})
		if n != s.Count() {
			t.Fatalf("buckets have %d of %d", n, s.Count())
		}
	})
}

func TestSketchEdges(t *testing.T) {
	var s Sketch
	if s.Count() != 0 || s.Quantile(.5) != 0 || s.Quantile(math.NaN()) != 0 {
		t.Errorf("an empty sketch has %d, median %d", s.Count(), s.Quantile(.5))
	}
	s.Merge(&Sketch{})
	s.Add(-5)
	s.Add(0)
	if s.Zeros != 2 || s.Counts != nil {
		t.Errorf("%+v", s)
	}
	s.Add(100)
	if got := s.Quantile(1); !near(got, 100) {
		t.Errorf("maximum %d", got)
	}
	if got := sketchOf([]int64{100}).Quantile(0); !near(got, 100) {
		t.Errorf("the minimum of one 100 is %d", got)
	}
	if got := sketchOf([]int64{math.MaxInt64}).Quantile(.5); got <= 0 || !near(got, math.MaxInt64) {
		t.Errorf("the median of the largest int64 is %d", got)
	}
}

// Buckets are OTLP's of scale 5: bucket i is (2^(i/32), 2^((i+1)/32)], powers of two exactly so.
func TestBucketOf(t *testing.T) {
	for k := range 63 {
		if i := bucketOf(1 << k); i != 32*k-1 {
			t.Errorf("2^%d is in bucket %d, want %d", k, i, 32*k-1)
		}
		if i := bucketOf(1<<k + 1); k >= 6 && i != 32*k {
			t.Errorf("2^%d+1 is in bucket %d, want %d", k, i, 32*k)
		}
	}
	if i := bucketOf(math.MaxInt64); i != 63*32-1 {
		t.Errorf("the largest int64 is in bucket %d", i)
	}
	check := func(ns int64) {
		i := bucketOf(ns)
		const e = 1e-12 // what the computation of the edges may be off
		if lg := 32 * math.Log2(float64(ns)); lg <= float64(i)-e*lg || lg > float64(i+1)+e*lg {
			t.Fatalf("%d, with 32·log2 of %v, is in bucket %d", ns, lg, i)
		}
		if slow := int(math.Ceil(math.Log2(float64(ns))*32)) - 1; slow != i && math.Abs(32*math.Log2(float64(ns))-math.Round(32*math.Log2(float64(ns)))) > 1e-9 {
			t.Fatalf("%d is in bucket %d, by logarithm in %d", ns, i, slow)
		}
	}
	for ns := range int64(100_000) {
		check(ns + 1)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(rng.Int64()>>rng.IntN(63) | 1)
	}
}

func BenchmarkSketchAdd(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	ns := make([]int64, 4096)
	for i := range ns {
		ns[i] = int64(math.Exp(rng.NormFloat64()) * 1e6)
	}
	var s Sketch
	i := 0
	for b.Loop() {
		s.Add(ns[i&4095])
		i++
	}
}

func BenchmarkSketchMerge(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s, o Sketch
	for range 10_000 {
		o.Add(int64(math.Exp(rng.NormFloat64()) * 1e6))
	}
	for b.Loop() {
		s.Merge(&o)
	}
}
