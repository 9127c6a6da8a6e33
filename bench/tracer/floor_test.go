package tracer

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// floorSpan has the size of a span and as many pointers.
type floorSpan struct {
	ctx context.Context
	_   *int
	rec *[4]floorAttr
	n   [3]uint64
	one atomic.Uint64
}

type floorAttr struct {
	key, value string
}

//go:noinline
func newFloorSpan(ctx context.Context, n uint64) *floorSpan {
	return &floorSpan{ctx: ctx, n: [3]uint64{n}}
}

// The floors are the least that a span is made of, without any of the logic: what no tracer with these promises can do without,
// in Go and without assembly. They are peers, so that they run beside the tracers: what an allocation costs depends on the heap around it.
//
// A root is an allocation and a random number; one that is counted reads the clock twice, ends once, whoever else ends it, and is added to
// what other processors add to; one that is recorded has attributes that others may set at the same time, and goes through a lock to those
// that the exporter takes away, to be used again.
func floors() (root, counted, recorded peer) {
	epoch := time.Now()
	var counter atomic.Uint64
	pool := sync.Pool{New: func() any { return new([4]floorAttr) }}
	var mu sync.Mutex
	attrs := [4]floorAttr{{"http.request.method", "GET"}, {"http.route", "/subject/{id}"}, {"http.response.status_code", "200"}, {"cache.hit", "true"}}
	end := func(s *floorSpan, begin time.Duration) {
		nanos := time.Since(epoch) - begin
		if s.one.CompareAndSwap(0, 1) {
			counter.Add(uint64(nanos))
		}
	}
	as := func(impl string, op func(context.Context)) peer {
		return peer{impl: impl, bare: op, attrs4: op, stop: none}
	}
	root = as("floor", func(ctx context.Context) { newFloorSpan(ctx, rand.Uint64()) })
	counted = as("floor-counted", func(ctx context.Context) {
		begin := time.Since(epoch)
		end(newFloorSpan(ctx, rand.Uint64()), begin)
	})
	recorded = as("floor", func(ctx context.Context) {
		begin := time.Since(epoch)
		s := newFloorSpan(ctx, rand.Uint64())
		s.rec, _ = pool.Get().(*[4]floorAttr)
		if s.one.CompareAndSwap(0, 2) {
			*s.rec = attrs
			s.one.Store(0)
		}
		end(s, begin)
		mu.Lock()
		rec := s.rec
		mu.Unlock()
		clear(rec[:])
		pool.Put(rec)
	})
	return root, counted, recorded
}
