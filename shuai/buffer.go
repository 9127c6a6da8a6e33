package shuai

import (
	"sync"
	"sync/atomic"
)

// buffer holds records of spans that have ended until the exporter takes them. Memory is granted to its parts in pieces, so that
// a span meets other processors only once in many.
type buffer struct {
	bound int64         // bytes
	used  atomic.Int64  // bytes granted to parts, and of what the exporter has taken out and not got rid of; at most bound
	wake  chan struct{} // a part is filling
	parts []part

	wakeBytes  int64 // how much waits in a part before the exporter is woken ahead of its time
	grantBytes int64 // how much a part gets at once, while there is plenty
}

type part struct {
	mu         sync.Mutex
	records    []*record
	size       int64 // bytes of records; at most granted
	granted    int64
	full, late uint64 // dropped
	closed     bool
	_          [56]byte // two cache lines of its own, which are fetched together
}

func newBuffer(bound int64, parts int) buffer {
	share := bound / int64(parts)
	return buffer{
		bound: bound, wake: make(chan struct{}, 1), parts: make([]part, parts),
		wakeBytes: share / 8, grantBytes: min(64<<10, share/16),
	}
}

// add takes a record, or drops it. It never waits for the collector.
func (b *buffer) add(r *record, i int) {
	p := &b.parts[i]
	size := int64(r.size)
	p.mu.Lock()
	switch {
	case p.closed:
		p.late++
	case p.size+size > p.granted && !b.grant(p, p.size+size-p.granted):
		p.full++
	default:
		p.records = append(p.records, r)
		p.size += size
		wake := p.size >= b.wakeBytes && p.size-size < b.wakeBytes
		p.mu.Unlock()
		if wake {
			select {
			case b.wake <- struct{}{}:
			default:
			}
		}
		return
	}
	p.mu.Unlock()
	r.recycle()
}

// grant gives a part n bytes more, and some for the next spans while there are plenty.
func (b *buffer) grant(p *part, n int64) bool {
	more := max(n, b.grantBytes)
	if !b.reserve(more) {
		if more = n; !b.reserve(more) {
			return false
		}
	}
	p.granted += more
	return true
}

// reserve changes used by n bytes unless that would exceed the limit.
func (b *buffer) reserve(n int64) bool {
	for {
		used := b.used.Load()
		if n > 0 && used+n > b.bound {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// take empties a part and leaves it spare to fill; granted is now the caller's. A last take closes it.
func (b *buffer) take(i int, spare []*record, last bool) (records []*record, granted int64) {
	p := &b.parts[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = p.closed || last
	records, p.records = p.records, spare
	granted, p.granted, p.size = p.granted, 0, 0
	return records, granted
}

func (b *buffer) counts() (waiting, full, late uint64) {
	for i := range b.parts {
		p := &b.parts[i]
		p.mu.Lock()
		waiting += uint64(len(p.records))
		full += p.full
		late += p.late
		p.mu.Unlock()
	}
	return waiting, full, late
}
