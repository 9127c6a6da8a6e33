package server

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// plans is a small cache of plans that are nothing but what they cost.
type plans struct {
	planCache
	made int
}

func newPlans(most int, mostBytes int64) *plans {
	c := new(plans)
	c.init(most, mostBytes)
	return c
}

func (c *plans) want(t *testing.T, n int, took time.Duration, bytes int64) {
	t.Helper()
	var h ast.Hash
	binary.LittleEndian.PutUint64(h[:], uint64(n))
	p, err := c.get(h, func() (*planned, error) {
		c.made++
		return &planned{hash: h, took: took, bytes: bytes}, nil
	})
	if err != nil || p.hash != h {
		t.Fatal(p, err)
	}
}

const (
	cheap = time.Millisecond
	dear  = 20 * time.Millisecond
)

// A flood of cheap programs, as of one call site that writes values into its text, pushes out no plan that took long to make; nor does a flood of dear
// ones those that are used meanwhile, nor all cheap ones.
func TestDearPlansAreNotPushedOut(t *testing.T) {
	for name, bytes := range map[string]int64{"by number": 1, "by bytes": 10_000} {
		t.Run(name, func(t *testing.T) {
			c := newPlans(100, 1_000_000)
			remade := func(from, to int, took time.Duration) int {
				before := c.made
				for n := from; n < to; n++ {
					c.want(t, n, took, bytes)
				}
				return c.made - before
			}
			remade(0, 40, dear)
			remade(1000, 11_000, cheap)
			if n := remade(0, 40, dear); n != 0 {
				t.Errorf("a flood of cheap ones pushed out %d of 40", n)
			}
			if n := remade(10_950, 11_000, cheap); n != 0 {
				t.Errorf("%d of the last 50 cheap ones are gone", n)
			}
			for n := 20_000; n < 21_000; n++ { // dear ones of a stranger, while 20 are in use
				c.want(t, n, dear, bytes)
				c.want(t, n%20, dear, bytes)
				c.want(t, 10_990+n%10, cheap, bytes)
			}
			if n := remade(0, 20, dear) + remade(10_990, 11_000, cheap); n != 0 {
				t.Errorf("a flood of dear ones pushed out %d of 30 that were in use", n)
			}
			if len(c.plans) > 100 || c.stats.Bytes > 1_000_000 || c.pinned.Len() > 50 || c.pinnedBytes > 500_000 {
				t.Errorf("%d plans of %d bytes, %d pinned of %d", len(c.plans), c.stats.Bytes, c.pinned.Len(), c.pinnedBytes)
			}
		})
	}
}

// Whatever is asked for, in whatever order, the cache is within its bounds and knows what it holds.
func TestPlanCacheKeepsCount(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	c := newPlans(50, 10_000)
	for range 20_000 {
		c.want(t, r.IntN(200), []time.Duration{cheap, dear}[r.IntN(2)], []int64{1, 1, 1, 300, 300, 4_000, 9_000, 20_000}[r.IntN(8)])
		bytes, pinned := int64(0), int64(0)
		for h, e := range c.plans {
			p, _ := e.Value.(*planned)
			bytes += p.bytes
			if p.pinned {
				pinned += p.bytes
			}
			if p.hash != h {
				t.Fatal("a plan stands under another's hash")
			}
		}
		if bytes != c.stats.Bytes || pinned != c.pinnedBytes || len(c.plans) != c.order.Len()+c.pinned.Len() {
			t.Fatalf("%d bytes, says %d; %d pinned, says %d", bytes, c.stats.Bytes, pinned, c.pinnedBytes)
		}
		if len(c.plans) > 50 || bytes > 10_000 && len(c.plans) > 1 || pinned > 5_000 {
			t.Fatalf("%d plans of %d bytes, %d pinned", len(c.plans), bytes, pinned)
		}
	}
}
