package findings

import (
	"cmp"
	"math"
	"slices"
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

// The part of one core that examining may take, how long traces may have to wait for it, and the smallest part of traces that is examined.
const (
	targetLoad = 0.15
	mostBehind = 30 * time.Second
	leastRate  = 1.0 / 4096
)

// usualCost is what reading and examining a trace takes until experience says otherwise.
const usualCost = 200 * time.Microsecond

// Watch knows which traces are complete, and which of them to examine next. Those that cannot be examined at once wait. When they
// would wait too long, it takes a sample by trace id, so that a trace is taken whole or not at all, and says for how many each stands;
// what waits already is thinned out likewise, so that what is left stands for all. Its methods are not safe for concurrent use, but
// Wants is. It knows no clock.
type Watch struct {
	pending map[span.TraceID]*waiting
	due     []dueTrace // in order of time
	ready   []Ripe     // complete, the oldest first
	done    map[span.TraceID]bool
	doneAt  []span.TraceID // a ring
	next    int
	rate    float64       // part of the traces that are wanted
	limit   atomic.Uint64 // ids that shuffle to at most this are wanted

	added int           // traces, since the last Adapt
	cost  time.Duration // of examining a trace, by experience

	taken, stood float64 // traces examined lately, and how many they stand for
	skipped      float64 // traces for which others stand, of all times
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

// Rate is the part of the traces that was examined lately; of those that wait, nothing is in it yet.
func (w *Watch) Rate() float64 {
	if w.stood <= 0 {
		return w.rate
	}
	return w.taken / w.stood
}

// Skipped is how many traces were not examined, for which others stand.
func (w *Watch) Skipped() float64 { return w.skipped }

// Waiting is how many traces are complete and wait to be examined.
func (w *Watch) Waiting() int { return len(w.ready) }

// Add says that a span of the trace came at now.
func (w *Watch) Add(now time.Time, id span.TraceID) {
	if p := w.pending[id]; p != nil {
		p.last = now
		return
	}
	if w.done[id] {
		return // it was examined, and is not counted twice
	}
	if len(w.pending)+len(w.ready) >= maxPending {
		w.thin(0.5)
		if !w.Wants(id) {
			return
		}
	}
	w.added++
	w.pending[id] = &waiting{now, now, 1 / w.rate}
	w.due = append(w.due, dueTrace{now.Add(Quiet), id})
}

// Ripe is a trace to examine.
type Ripe struct {
	ID     span.TraceID
	Weight float64   // how many traces it stands for
	At     time.Time // the time that its requests count for; zero: now
}

// Ripe are the traces that are complete at now and have waited longest, at most so many; it is done with them.
func (w *Watch) Ripe(now time.Time, most int) []Ripe {
	n := 0
	for ; n < len(w.due) && !w.due[n].at.After(now); n++ {
		id := w.due[n].id
		p := w.pending[id]
		if p == nil {
			continue // thinned out
		}
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
		w.ready = append(w.ready, Ripe{ID: id, Weight: p.weight})
	}
	w.due = append(w.due[:0], w.due[n:]...)
	n = min(most, len(w.ready))
	ripe := slices.Clone(w.ready[:n])
	w.ready = append(w.ready[:0], w.ready[n:]...)
	for _, r := range ripe {
		w.taken++
		w.stood += r.Weight
		w.skipped += r.Weight - 1
	}
	return ripe
}

// Behind has more traces examined, as if they were complete: those of before the Watch began.
func (w *Watch) Behind(traces []Ripe) {
	for _, r := range traces {
		if !w.done[r.ID] && w.pending[r.ID] == nil {
			w.finish(r.ID)
			w.ready = append(w.ready, r)
		}
	}
}

// Left are the traces that came and were not examined yet; those of lowest rank, standing for all, if there are more than most.
func (w *Watch) Left(most int) []Ripe {
	left := slices.Clone(w.ready)
	for id, p := range w.pending {
		left = append(left, Ripe{ID: id, Weight: p.weight})
	}
	if n := len(left); n > most {
		slices.SortFunc(left, func(x, y Ripe) int { return cmp.Compare(store.SampleRank(x.ID), store.SampleRank(y.ID)) })
		left = left[:most]
		for i := range left {
			left[i].Weight *= float64(n) / float64(most)
		}
	}
	return left
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

// Spent says how long it took to examine so many traces.
func (w *Watch) Spent(took time.Duration, traces int) {
	if traces > 0 {
		w.cost = (3*w.cost + took/time.Duration(traces)) / 4
	}
}

// Adapt is called once in a while: it wants fewer traces if those that are there would take too long, and more if there is time.
func (w *Watch) Adapt(since time.Duration) {
	capacity := targetLoad / max(w.cost, time.Microsecond).Seconds() // traces a second
	behind := float64(len(w.pending)+len(w.ready)) / capacity        // seconds
	coming := float64(w.added) / since.Seconds()
	switch most := mostBehind.Seconds(); {
	case behind > most:
		w.thin(most / 2 / behind)
	case w.rate < 1 && behind < most/2 && coming*1.5 < capacity:
		w.want(w.rate * 1.5)
	}
	w.added = 0
	const memory = time.Minute
	keep := math.Exp(-since.Seconds() / memory.Seconds())
	w.taken, w.stood = w.taken*keep, w.stood*keep
}

// want sets the part of the traces that is wanted.
func (w *Watch) want(rate float64) {
	w.rate = min(max(rate, leastRate), 1)
	if w.rate == 1 {
		w.limit.Store(math.MaxUint64)
	} else {
		w.limit.Store(uint64(w.rate * math.MaxUint64))
	}
}

// thin wants a part of what was wanted, also of those that wait.
func (w *Watch) thin(part float64) {
	w.want(w.rate * part)
	for id, p := range w.pending {
		if !w.Wants(id) {
			delete(w.pending, id)
		}
		p.weight = max(p.weight, 1/w.rate)
	}
	kept := w.ready[:0]
	for _, r := range w.ready {
		if w.Wants(r.ID) {
			r.Weight = max(r.Weight, 1/w.rate)
			kept = append(kept, r)
		}
	}
	w.ready = kept
}
