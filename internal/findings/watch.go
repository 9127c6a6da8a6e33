package findings

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// A trace is taken for complete when none of its spans has come for Quiet, or LongestWait after the first.
const (
	Quiet       = 5 * time.Second
	LongestWait = time.Minute
)

// Bounds of a Watch.
const (
	maxPending = 100_000
	maxDone    = 50_000 // traces of which late spans are known to be late
)

// The part of one core that examining may take, and the smallest part of traces that is examined.
const (
	targetLoad = 0.15
	leastRate  = 1.0 / 4096
)

// usualCost is what reading and examining a trace takes until experience says otherwise.
const usualCost = 200 * time.Microsecond

// Watch knows which traces are complete. When there are too many to examine, it takes a sample by trace id, so that
// a trace is taken whole or not at all, and says for how many each stands. Its methods are not safe for concurrent
// use, but Wants is. It knows no clock.
type Watch struct {
	pending map[span.TraceID]*waiting
	due     []dueTrace // in order of time
	done    map[span.TraceID]bool
	doneAt  []span.TraceID // a ring
	next    int
	rate    float64
	limit   atomic.Uint64 // ids that shuffle to at most this are wanted

	added, ripened int           // traces, since Spent was last told
	cost           time.Duration // of examining a trace, by experience

	Overflow int64 // traces left out because too many were pending
}

type waiting struct {
	first, last time.Time
	weight      float64
}

type dueTrace struct {
	at time.Time
	id span.TraceID
}

// NewWatch returns a Watch that wants every trace.
func NewWatch() *Watch {
	w := &Watch{pending: map[span.TraceID]*waiting{}, done: map[span.TraceID]bool{}, rate: 1, cost: usualCost}
	w.limit.Store(math.MaxUint64)
	return w
}

// Wants says whether spans of the trace are to be told of by Add.
func (w *Watch) Wants(id span.TraceID) bool {
	limit := w.limit.Load()
	return limit == math.MaxUint64 || store.SampleRank(id) <= limit
}

// Rate is the part of the traces that is examined.
func (w *Watch) Rate() float64 { return w.rate }

// Add says that a span of the trace came at now.
func (w *Watch) Add(now time.Time, id span.TraceID) {
	if p := w.pending[id]; p != nil {
		p.last = now
		return
	}
	if w.done[id] {
		return // it was examined, and is not counted twice
	}
	if len(w.pending) >= maxPending {
		w.Overflow++
		return
	}
	w.added++
	w.pending[id] = &waiting{now, now, 1 / w.rate}
	w.due = append(w.due, dueTrace{now.Add(Quiet), id})
}

// Ripe is a trace to examine, and how many traces it stands for.
type Ripe struct {
	ID     span.TraceID
	Weight float64
}

// Ripe are the traces that are complete at now; it is done with them.
func (w *Watch) Ripe(now time.Time) []Ripe {
	var ripe []Ripe
	n := 0
	for ; n < len(w.due) && !w.due[n].at.After(now); n++ {
		id := w.due[n].id
		p := w.pending[id]
		quietAt := p.last.Add(Quiet)
		if most := p.first.Add(LongestWait); quietAt.After(most) {
			quietAt = most
		}
		if quietAt.After(now) {
			w.due = append(w.due, dueTrace{quietAt, id}) // behind those that came before: in order, give or take Quiet
			continue
		}
		delete(w.pending, id)
		w.finish(id)
		ripe = append(ripe, Ripe{id, p.weight})
	}
	w.due = append(w.due[:0], w.due[n:]...)
	w.ripened += len(ripe)
	return ripe
}

func (w *Watch) finish(id span.TraceID) {
	if len(w.doneAt) < maxDone {
		w.doneAt = append(w.doneAt, id)
	} else {
		delete(w.done, w.doneAt[w.next])
		w.doneAt[w.next] = id
		w.next = (w.next + 1) % maxDone
	}
	w.done[id] = true
}

// Spent says that examining took so much of the last while, in which the traces of one Ripe were examined. Watch then
// wants fewer traces, or more: those that came meanwhile will take as long each, so it does not wait until they are ripe.
func (w *Watch) Spent(took, while time.Duration) {
	if w.ripened > 0 {
		w.cost = (3*w.cost + took/time.Duration(w.ripened)) / 4
	}
	load := float64(max(took, time.Duration(w.added)*w.cost)) / float64(while)
	w.added, w.ripened = 0, 0
	switch {
	case load > targetLoad:
		w.rate = max(w.rate*max(targetLoad/load, 1.0/16), leastRate)
	case load < targetLoad/2 && w.rate < 1:
		w.rate = min(w.rate*1.5, 1)
	default:
		return
	}
	if w.rate == 1 {
		w.limit.Store(math.MaxUint64)
	} else {
		w.limit.Store(uint64(w.rate * math.MaxUint64))
	}
}
