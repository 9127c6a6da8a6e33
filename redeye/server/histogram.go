package server

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of a quarter of a power of two.
type histogram [256]int64

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 1))
	exp := bits.Len64(n) - 1
	if exp < 2 {
		return int(n)
	}
	return exp<<2 | int(n>>(exp-2)&3)
}

// quantile is the upper end of the bucket in which the share q of all is reached.
func (h *histogram) quantile(q float64) time.Duration {
	total := int64(0)
	for _, n := range h {
		total += n
	}
	rank := int64(q * float64(total))
	for i, n := range h {
		if rank -= n; rank < 0 {
			if i < 8 {
				return time.Duration(i)
			}
			exp := i >> 2
			return time.Duration(uint64(4|i&3)<<(exp-2) + 1<<(exp-2) - 1)
		}
	}
	return 0
}
