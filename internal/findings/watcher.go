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
	skipped  float64

	saving sync.Mutex // one writer at a time

	examining sync.Mutex // guards profiler
	profiler  *analyze.Profiler

	stop context.CancelFunc
	done sync.WaitGroup
}

// The rhythm of a Watcher.
const (
	examineEvery = time.Second
	saveEvery    = 30 * time.Second
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
	w := &Watcher{Store: o.Store, o: o, watch: NewWatch(), profiler: analyze.NewProfiler()}
	var kept []*Finding
	if o.Disk != nil {
		var err error
		if kept, err = load(o.Disk, o.Dir); err != nil {
			o.Logger.Error("findings", "error", err)
		}
	}
	w.book = NewBook(kept)
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
	tick := time.NewTicker(examineEvery)
	defer tick.Stop()
	saved := w.o.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		w.examine(ctx, w.o.Now(), examineWithin)
		w.pending.Lock()
		w.watch.Spent(time.Since(began), max(examineEvery, time.Since(began)))
		w.pending.Unlock()
		if now := w.o.Now(); now.Sub(saved) >= saveEvery {
			saved = now
			if err := w.save(); err != nil {
				w.o.Logger.Error("findings", "error", err)
			}
		}
	}
}

// examineWithin bounds a round; what is left then is skipped, and counted.
const examineWithin = 800 * time.Millisecond

// Settle reads and examines the traces that are complete at now, however long that takes. The Watcher does it by
// itself every second, as far as there is time.
func (w *Watcher) Settle(ctx context.Context, now time.Time) { w.examine(ctx, now, math.MaxInt64) }

func (w *Watcher) examine(ctx context.Context, now time.Time, within time.Duration) {
	w.examining.Lock()
	defer w.examining.Unlock()
	w.pending.Lock()
	ripe := w.watch.Ripe(now)
	w.pending.Unlock()
	if w.profiler.Full() {
		w.profiler = analyze.NewProfiler()
	}
	began := time.Now()
	for i, r := range ripe {
		if ctx.Err() != nil || time.Since(began) > within {
			w.mu.Lock()
			for _, left := range ripe[i:] {
				w.skipped += left.Weight
			}
			w.mu.Unlock()
			return
		}
		b, err := w.Trace(ctx, r.ID)
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled):
			continue
		case err != nil:
			w.o.Logger.Error("findings", "trace", r.ID, "error", err)
			continue
		}
		w.add(now, analyze.NewTree(b), r.Weight)
	}
}

// add examines every request of a trace.
func (w *Watcher) add(now time.Time, t *analyze.Tree, weight float64) {
	for p := 0; p < t.Len(); p = int(t.End[p]) {
		if t.Batch.Parent[t.Row[p]] != 0 {
			continue // its root is not stored
		}
		profile, causes := w.profiler.Examine(t, p)
		w.mu.Lock()
		w.book.Add(now, Request{
			Service: t.Services[t.Service[p]], Name: t.Names[t.Name[p]], Profile: profile, Causes: causes, Weight: weight,
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
	w.mu.Lock()
	dirty := w.dirty
	w.dirty = false
	var text []byte
	var err error
	if dirty {
		text, err = encode(w.book.All())
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

// Examined says how many requests were examined, of how many traces each stands for now, and how many were left out
// because there was no time or no room.
func (w *Watcher) Examined() (requests int64, rate float64, skipped int64) {
	w.pending.Lock()
	rate, skipped = w.watch.Rate(), w.watch.Overflow
	w.pending.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.examined, rate, skipped + int64(w.skipped)
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
