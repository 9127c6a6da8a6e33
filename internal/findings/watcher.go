package findings

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// Options say what to watch.
type Options struct {
	Store  store.Store  // what is read, and appended to
	Disk   vfs.FS       // nil: findings are not kept
	Dir    string       // of the file
	Logger *slog.Logger // told what went wrong; nil: nobody is
	Now    func() time.Time
}

// Watcher is a store that watches what is appended to it, examines the traces, and keeps the findings. All its
// methods are safe for concurrent use. Close it before the store below it, which it does not close.
type Watcher struct {
	store.Store
	o Options

	pending sync.Mutex // guards watch
	watch   *Watch

	mu       sync.Mutex // guards what follows
	book     *Book
	dirty    bool
	examined int64

	saving sync.Mutex // one writer at a time

	examining sync.Mutex // guards profiler
	profiler  *analyze.Profiler

	began time.Time // when watching began
	until time.Time // up to which the file's findings know the traces; zero: of none

	stop context.CancelFunc
	done sync.WaitGroup
}

// The rhythm of a Watcher. What it does not take of its part of a core it may take later, up to longestBurst, so that a burst of
// traces is examined soon.
const (
	examineEvery = time.Second
	saveEvery    = 30 * time.Second
	mostOfRound  = 400 * time.Millisecond
	longestBurst = 6 * time.Second
)

// Of what was stored before: how far back it is looked at, and how many traces are. Hours beyond a day are not counted.
const (
	lookBack   = 23 * time.Hour
	mostBefore = 5000
	mostLeft   = 10_000 // traces that are kept in the file to be examined after a restart
)

// Start reads the findings kept and begins to watch.
func Start(o Options) *Watcher {
	w := newWatcher(o)
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.done.Go(func() { w.run(ctx) })
	return w
}

func newWatcher(o Options) *Watcher {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Watcher{Store: o.Store, o: o, watch: NewWatch(), profiler: analyze.NewProfiler(), began: o.Now()}
	var kept file
	if o.Disk != nil {
		var err error
		if kept, err = load(o.Disk, o.Dir); err != nil {
			o.Logger.Error("findings", "error", err)
		}
	}
	w.book = NewBook(kept.Findings)
	w.watch.Behind(kept.left())
	if kept.Until > 0 {
		w.until = time.Unix(0, kept.Until)
	}
	return w
}

// Append stores the batch and remembers which traces it is of.
func (w *Watcher) Append(ctx context.Context, b *span.Batch) error {
	if err := w.Store.Append(ctx, b); err != nil {
		return err
	}
	var last span.TraceID
	locked := false
	now := w.o.Now()
	for _, id := range b.TraceID {
		if id == last || !w.watch.Wants(id) {
			continue
		}
		if last = id; !locked {
			w.pending.Lock()
			locked = true
		}
		w.watch.Add(now, id)
	}
	if locked {
		w.pending.Unlock()
	}
	return nil
}

func (w *Watcher) run(ctx context.Context) {
	if err := w.lookBack(ctx); err != nil && ctx.Err() == nil {
		w.o.Logger.Error("findings of what was stored before", "error", err)
	}
	tick := time.NewTicker(examineEvery)
	defer tick.Stop()
	saved := w.o.Now()
	saving := longestBurst // of the part of a core that may be taken
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		saving = min(saving+time.Duration(targetLoad*float64(examineEvery)), longestBurst)
		saving -= w.examine(ctx, w.o.Now(), min(saving, mostOfRound))
		w.pending.Lock()
		w.watch.Adapt(examineEvery)
		w.pending.Unlock()
		if now := w.o.Now(); now.Sub(saved) >= saveEvery {
			saved = now
			if err := w.save(); err != nil {
				w.o.Logger.Error("findings", "error", err)
			}
		}
	}
}

// lookBack has traces examined that were stored before watching began and that the findings in the file do not know: a fair sample
// of the requests of the last day.
func (w *Watcher) lookBack(ctx context.Context) error {
	from := w.began.Add(-lookBack)
	if w.until.After(from) {
		from = w.until
	}
	res, err := w.Select(ctx, store.Query{
		Filter: store.IsRoot(), Range: store.TimeRange{From: from.UnixNano(), To: w.began.UnixNano()}, Order: store.Sampled, Limit: mostBefore, Count: true, Brief: true,
	})
	if err != nil || res.Spans.Len() == 0 {
		return err
	}
	var before []Ripe
	for i, id := range res.Spans.TraceID {
		if i == 0 || id != res.Spans.TraceID[i-1] { // roots of one trace stand together
			before = append(before, Ripe{
				ID: id, Weight: max(float64(res.Matched)/float64(res.Spans.Len()), 1), At: time.Unix(0, res.Spans.Start[i]),
			})
		}
	}
	slices.SortFunc(before, func(x, y Ripe) int { return x.At.Compare(y.At) }) // as they would have come
	w.pending.Lock()
	defer w.pending.Unlock()
	w.watch.Behind(before)
	return nil
}

// atOnce is how many traces are examined between two looks at the clock.
const atOnce = 16

// Settle reads and examines the traces that are complete at now, however long that takes. The Watcher does it by
// itself every second, as far as there is time.
func (w *Watcher) Settle(ctx context.Context, now time.Time) { w.examine(ctx, now, math.MaxInt64) }

// examine examines traces that are complete at now until there are no more or so much time is spent, and says how much was.
func (w *Watcher) examine(ctx context.Context, now time.Time, within time.Duration) time.Duration {
	w.examining.Lock()
	defer w.examining.Unlock()
	began := time.Now()
	for {
		spent := time.Since(began)
		if ctx.Err() != nil || spent >= within {
			return spent
		}
		w.pending.Lock()
		ripe := w.watch.Ripe(now, atOnce)
		w.pending.Unlock()
		if len(ripe) == 0 {
			return spent
		}
		if w.profiler.Full() {
			w.profiler = analyze.NewProfiler()
		}
		for _, r := range ripe {
			w.look(ctx, now, r)
		}
		w.pending.Lock()
		w.watch.Spent(time.Since(began)-spent, len(ripe))
		w.pending.Unlock()
	}
}

// look reads a trace and examines it.
func (w *Watcher) look(ctx context.Context, now time.Time, r Ripe) {
	b, err := w.Trace(ctx, r.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled):
	case err != nil:
		w.o.Logger.Error("findings", "trace", r.ID, "error", err)
	default:
		if !r.At.IsZero() && now.Sub(r.At) < lookBack {
			now = r.At
		}
		w.add(now, analyze.NewTree(b), r.Weight)
	}
}

// add examines every request of a trace that stands for so many of those stored. What its root says about sampling comes to that.
func (w *Watcher) add(now time.Time, t *analyze.Tree, weight float64) {
	for p := 0; p < t.Len(); p = int(t.End[p]) {
		if t.Batch.Parent[t.Row[p]] != 0 {
			continue // its root is not stored
		}
		profile, causes := w.profiler.Examine(t, p)
		w.mu.Lock()
		w.book.Add(now, Request{
			Service: t.Services[t.Service[p]], Name: t.Names[t.Name[p]], Profile: profile, Causes: causes,
			Weight: weight * span.Weight(t.Batch.Bytes(t.Batch.TraceState[t.Row[p]])),
		})
		w.examined++
		w.dirty = true
		w.mu.Unlock()
	}
}

// save writes the file if something has changed.
func (w *Watcher) save() error {
	if w.o.Disk == nil {
		return nil
	}
	w.saving.Lock()
	defer w.saving.Unlock()
	w.pending.Lock()
	left := w.watch.Left(mostLeft) // before the book: what is examined in between counts twice rather than never
	until := w.o.Now()
	w.pending.Unlock()
	w.mu.Lock()
	dirty := w.dirty
	w.dirty = false
	var text []byte
	var err error
	if dirty {
		text, err = encode(w.book.All(), until, left)
	}
	w.mu.Unlock()
	if err == nil && dirty {
		err = save(w.o.Disk, w.o.Dir, text)
	}
	if err != nil {
		w.mu.Lock()
		w.dirty = true
		w.mu.Unlock()
	}
	return err
}

// Keep remembers what a query in place of a finding's calls would save, to be compared when it is mended. It is in the file with the next
// regular save.
func (w *Watcher) Keep(id uint64, q Query) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.book.byID[id]; f != nil {
		f.Query, w.dirty = &q, true
	}
}

// Close stops watching and writes the file. The store below stays open.
func (w *Watcher) Close() error {
	w.stop()
	w.done.Wait()
	return w.save()
}

// Findings are copies of all findings, in no order.
func (w *Watcher) Findings() []*Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return copies(w.book.All())
}

// Of are copies of the findings of one endpoint, in no order.
func (w *Watcher) Of(service, name string) []*Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return copies(w.book.of[endpoint{service, name}])
}

func copies(list []*Finding) []*Finding {
	list = slices.Clone(list)
	for i, f := range list {
		list[i] = f.copy()
	}
	return list
}

// copy shares nothing with f that changes.
func (f *Finding) copy() *Finding {
	c := *f
	c.Evidence = slices.Clone(f.Evidence)
	c.Calls.Spread.Counts, c.Saving.Spread.Counts = slices.Clone(f.Calls.Spread.Counts), slices.Clone(f.Saving.Spread.Counts)
	return &c
}

// Examination says what the findings rest on.
type Examination struct {
	Examined int64   // requests, since the start
	Rate     float64 // part of the traces that was examined lately; the others are counted by those that were
	Skipped  int64   // traces that were not examined since the start
	Waiting  int     // traces that are complete and wait to be examined
}

// Examination says how much was examined.
func (w *Watcher) Examination() Examination {
	w.pending.Lock()
	e := Examination{Rate: w.watch.Rate(), Skipped: int64(math.Round(w.watch.Skipped())), Waiting: w.watch.Waiting()}
	w.pending.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Examined = w.examined
	return e
}

// Change applies a person's decision to the book ([Book.Mute] and the like) and makes it durable.
func (w *Watcher) Change(decide func(*Book) error) error {
	w.mu.Lock()
	err := decide(w.book)
	if err == nil {
		w.dirty = true
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.save()
}
