package store

import (
	"math"
	"math/bits"
)

// sketchScale is the resolution of a Sketch: bucket i holds (γ^i, γ^(i+1)] with γ = 2^(1/32) ≈ 1.0219,
// so that a quantile is within 1.1 % of the exact one. It is scale 5 of the OTLP exponential histogram.
const sketchScale = 5

// Sketch is a histogram of durations with buckets that grow exponentially (OpenTelemetry's exponential
// histogram, base-2, scale 5; zero durations apart). The zero Sketch is empty and ready to use; sketches
// merge without loss.
type Sketch struct {
	Zeros  uint64   // durations of 0 ns
	First  int      // index of Counts[0]
	Counts []uint64 // observations by bucket
}

// Add counts one duration in ns; a negative one counts as zero.
func (s *Sketch) Add(ns int64) {
	if ns <= 0 {
		s.Zeros++
		return
	}
	s.Counts[s.grow(bucketOf(ns))]++
}

// AddCount counts n durations of a bucket, as First and Counts number them.
func (s *Sketch) AddCount(bucket int, n uint64) {
	if i := bucket - s.First; i >= 0 && i < len(s.Counts) {
		s.Counts[i] += n
		return
	}
	s.Counts[s.grow(bucket)] += n
}

// Merge adds all that o has counted.
func (s *Sketch) Merge(o *Sketch) {
	s.Zeros += o.Zeros
	if len(o.Counts) == 0 {
		return
	}
	s.grow(o.First + len(o.Counts) - 1)
	at := s.grow(o.First)
	for i, n := range o.Counts {
		s.Counts[at+i] += n
	}
}

// Count is the number of durations added.
func (s *Sketch) Count() uint64 {
	n := s.Zeros
	for _, c := range s.Counts {
		n += c
	}
	return n
}

// Quantile is the duration in ns below or at which the fraction q (0 to 1) of the observations lies,
// to within 1.1 % and half a nanosecond; 0 of an empty sketch. Quantile(0) is the smallest, Quantile(1)
// the largest.
func (s *Sketch) Quantile(q float64) int64 {
	n := s.Count()
	if n == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(min(max(q, 0), 1)*float64(n))), 1)
	seen := s.Zeros
	if rank <= seen {
		return 0
	}
	for i, c := range s.Counts {
		if seen += c; seen >= rank {
			return bucketMiddle(s.First + i)
		}
	}
	return 0
}

// Below is the number of observations that are shorter than ns; those within 2.2 % of it, which share its
// bucket, count as not.
func (s *Sketch) Below(ns int64) uint64 {
	if ns <= 0 {
		return 0
	}
	n := s.Zeros
	for i, c := range s.Counts {
		if s.First+i >= bucketOf(ns) {
			break
		}
		n += c
	}
	return n
}

// Each calls yield for every bucket that has observations, in order of duration: count of them are longer than
// over ns and at most upTo ns. Durations of 0 come first, as over = upTo = 0.
func (s *Sketch) Each(yield func(over, upTo float64, count uint64)) {
	if s.Zeros > 0 {
		yield(0, 0, s.Zeros)
	}
	for i, c := range s.Counts {
		if c > 0 {
			at := float64(s.First + i)
			yield(math.Exp2(at/(1<<sketchScale)), math.Exp2((at+1)/(1<<sketchScale)), c)
		}
	}
}

// grow makes room for bucket i and returns its place in Counts.
func (s *Sketch) grow(i int) int {
	switch {
	case len(s.Counts) == 0:
		s.First, s.Counts = i, append(s.Counts[:0], 0)
	case i < s.First:
		more := make([]uint64, s.First-i+len(s.Counts))
		copy(more[s.First-i:], s.Counts)
		s.First, s.Counts = i, more
	case i >= s.First+len(s.Counts):
		s.Counts = append(s.Counts, make([]uint64, i-s.First-len(s.Counts)+1)...)
	}
	return i - s.First
}

// bucketOf is the bucket of ns ≥ 1, without a logarithm: the top bit says which power of two, and the
// next six bits, which are finer than the buckets, leave one edge to compare with.
func bucketOf(ns int64) int {
	power := bits.Len64(uint64(ns)) - 1
	m := uint64(ns) << (63 - power) // 1.xxx × 2^63
	below := edgesBelow[m>>(63-6)&63]
	i := power<<sketchScale + int(below) - 1
	if m > edges[below] {
		i++
	}
	return i
}

// edges are 2^(k/32) × 2^63 for k in 0..31, then an end. edgesBelow[x] is the number of edges below all
// numbers whose six bits after the first are x.
var (
	edges      [1<<sketchScale + 1]uint64
	edgesBelow [64]uint8
)

func init() {
	for k := range 1 << sketchScale {
		edges[k] = uint64(math.Exp2(63 + float64(k)/(1<<sketchScale)))
	}
	edges[1<<sketchScale] = math.MaxUint64
	for x := range edgesBelow {
		for edges[edgesBelow[x]] < 1<<63+uint64(x)<<(63-6) {
			edgesBelow[x]++
		}
	}
}

// bucketMiddle is the duration in ns that is within 1.1 % of everything in the bucket.
func bucketMiddle(i int) int64 {
	return int64(math.Round(math.Exp2((float64(i) + 0.5) / (1 << sketchScale))))
}
