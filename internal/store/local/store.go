package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// Options configure a Store. Dir, Decode and Encode are required; the zero value of the others is a
// sensible default.
type Options struct {
	// Dir is the data directory; it is made if it is missing. One process at a time may use it.
	Dir string
	// FS is the disk; nil is the real one.
	FS vfs.FS

	// FsyncBatch makes Append wait until the batch is on stable storage; batches that wait at the same
	// time share one fsync. Without it the batch is written to the log before Append returns and synced
	// within SyncEvery, so that a power cut may cost as much, the death of the process nothing.
	FsyncBatch bool
	SyncEvery  time.Duration // default 100 ms

	// A head is sealed when it has SegmentRows spans (default 131,072) or takes SegmentBytes of memory
	// (roughly; default 64 MiB), and SealAfter its first span (default 15 min).
	SegmentRows  int
	SegmentBytes int
	SealAfter    time.Duration

	// Whole segments are dropped once their youngest span is older than Retention, and the oldest ones
	// while the directory's segments and logs take more than MaxBytes. What is not sealed is never
	// dropped: MaxBytes may be exceeded by the logs, and for a moment by a segment that has just been
	// sealed. A span's age counts from its start, and, as long as that lies in the future, from the time
	// of its segment's file. Zero keeps everything.
	Retention time.Duration
	MaxBytes  int64

	// MaxWait is how long Append waits for room, while the disk cannot keep up, before it answers
	// store.ErrFull (default 5 s).
	MaxWait time.Duration
	// CacheBytes bounds the memory for what has been read of segments and is not mapped: directories and
	// dictionaries (default 128 MiB).
	CacheBytes int

	// MaxGroups bounds the groups of one aggregate (default 262,144, which take about 80 MB).
	MaxGroups int

	// Decode and Encode are the log's codec: Encode makes a body of a batch that has none in Wire, Decode
	// fills a batch from the body of either origin.
	Decode func(format byte, body []byte, b *span.Batch) error
	Encode func(b *span.Batch) (format byte, body []byte)

	// Logger hears what goes wrong in the background and what recovery found; nil: nobody does.
	Logger *slog.Logger

	sealWait time.Duration // of the sealer after its first failure; default 1 s
	readOnly bool          // by OpenReadOnly
}

// maxHeads is how many heads there may be: the one that takes spans, and one that is being sealed.
const maxHeads = 2

// Store is the embedded engine; it implements [store.Store].
type Store struct {
	o     Options
	fs    vfs.FS
	lock  io.Closer
	cache *cache

	mu       sync.Mutex
	closed   bool
	segments []*segment // ascending by number
	heads    []*head    // ascending by number: the last takes spans, the others wait to be sealed
	setAside []string
	clamped  int64 // in heads that are gone
	queries  sync.WaitGroup

	droppedSegments int // by retention, since Open
	droppedSpans    int64
	mergedSegments  int // into others, since Open

	requests chan *request
	rotate   chan chan error // asks the committer to begin a new head
	closing  chan struct{}   // closed by Close
	wake     chan struct{}   // for the sealer: there is a head to seal, or no more to come
	sealed   chan struct{}   // for the committer: there is room for a head
	last     chan struct{}   // closed by the committer when it hands over the last head
	loops    sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// request is an Append on its way to the committer.
type request struct {
	batch  *span.Batch
	format byte
	body   []byte
	state  atomic.Int32
	done   chan error // of capacity 1
}

// The states of a request: whoever moves it out of waiting decides.
const (
	waiting int32 = iota
	taken         // by the committer
	withdrawn
)

func (o *Options) setDefaults() error {
	if o.Dir == "" {
		return errors.New("the store needs a data directory")
	}
	if o.Decode == nil || o.Encode == nil && !o.readOnly {
		return errors.New("the store needs a codec for its log")
	}
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.SyncEvery = cmp.Or(max(o.SyncEvery, 0), 100*time.Millisecond)
	o.SegmentRows = cmp.Or(max(o.SegmentRows, 0), 131_072)
	o.SegmentBytes = cmp.Or(max(o.SegmentBytes, 0), 64<<20)
	o.SealAfter = cmp.Or(max(o.SealAfter, 0), 15*time.Minute)
	o.MaxWait = cmp.Or(max(o.MaxWait, 0), 5*time.Second)
	o.sealWait = cmp.Or(o.sealWait, time.Second)
	o.CacheBytes = cmp.Or(max(o.CacheBytes, 0), 128<<20)
	o.MaxGroups = cmp.Or(max(o.MaxGroups, 0), 1<<18)
	return nil
}

// Open opens the store in a directory and recovers what an earlier process left. What cannot be read is
// set aside and named in Stats; it is no error.
func Open(o Options) (*Store, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := newStore(o)
	current, err := s.recover()
	if err != nil {
		return nil, err
	}
	s.retain(time.Now())
	s.loops.Add(2)
	go func() {
		defer s.loops.Done()
		newCommitter(s, current).run()
	}()
	go func() {
		defer s.loops.Done()
		s.sealLoop()
	}()
	return s, nil
}

func newStore(o Options) *Store {
	return &Store{
		o: o, fs: o.FS, cache: newCache(o.CacheBytes),
		requests: make(chan *request, 256), rotate: make(chan chan error), closing: make(chan struct{}),
		wake: make(chan struct{}, 1), sealed: make(chan struct{}, 1), last: make(chan struct{}),
	}
}

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, b *span.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return store.ErrClosed
	}
	if s.o.readOnly {
		return ErrReadOnly
	}
	if b.Len() == 0 {
		return nil
	}
	r := &request{batch: b, format: b.Wire.Format, body: b.Wire.Body, done: make(chan error, 1)}
	if r.body == nil {
		r.format, r.body = s.o.Encode(b)
	}
	if len(r.body) >= maxFrame {
		return fmt.Errorf("a batch of %d bytes; the log takes at most %d", len(r.body), maxFrame)
	}
	patience := time.NewTimer(s.o.MaxWait)
	defer patience.Stop()
	var err error
	select {
	case s.requests <- r:
		select {
		case err := <-r.done:
			return err
		case <-ctx.Done():
			err = ctx.Err()
		case <-patience.C:
			err = store.ErrFull
		case <-s.closing:
			err = store.ErrClosed
		}
		if r.state.CompareAndSwap(waiting, withdrawn) {
			return err
		}
		return <-r.done // too late: it is being stored
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return store.ErrFull
	case <-s.closing:
		return store.ErrClosed
	}
}

// query runs f on what is stored now. A segment that proves corrupt is set aside, and f asked again.
func (s *Store) query(ctx context.Context, f func(view) error) error {
	return s.queryOf(ctx, func(source) bool { return true }, f)
}

// queryOf is query with a view of those sources that want says.
func (s *Store) queryOf(ctx context.Context, want func(source) bool, f func(view) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, release, err := s.view(want)
		if err != nil {
			return err
		}
		err = faultless(func() error { return f(v) })
		release()
		corrupt, ok := errors.AsType[*corruptError](err)
		if !ok {
			return err
		}
		s.quarantine(corrupt)
	}
}

// view is what is stored now, of the sources that want says; release gives it back.
func (s *Store) view(want func(source) bool) (v view, release func(), err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, nil, store.ErrClosed
	}
	s.queries.Add(1)
	segments := append([]*segment(nil), s.segments...)
	for _, seg := range segments {
		seg.acquire()
	}
	heads := append([]*head(nil), s.heads...)
	s.mu.Unlock()
	// A head that is sealed from here on is read as the head it was: no span is seen twice, or not at all.
	memory := &vectors{}
	for _, seg := range segments {
		if want(seg) {
			v = append(v, newCursor(seg, memory))
		}
	}
	for _, h := range heads {
		if snapshot := h.snapshot(); want(snapshot) {
			v = append(v, newCursor(snapshot, &vectors{}))
		}
	}
	return v, func() {
		for _, seg := range segments {
			s.complain("close segment", seg.release())
		}
		s.queries.Done()
	}, nil
}

func (s *Store) complain(what string, err error) {
	if err != nil {
		s.o.Logger.Error(what, "error", err)
	}
}

// Trace implements [store.Store].
func (s *Store) Trace(ctx context.Context, id span.TraceID) (b *span.Batch, err error) {
	err = s.queryOf(ctx, func(src source) bool { return mayHave(src, id) }, func(v view) (err error) {
		b, err = v.traceReader(false).read(ctx, id)
		return err
	})
	return b, err
}

// tracesAtOnce bounds the segments of which dictionaries are held at a time.
const tracesAtOnce = 32

// BriefTraces implements [store.Store].
func (s *Store) BriefTraces(ctx context.Context, ids []span.TraceID, do func(i int, b *span.Batch) error) error {
	for done := 0; done < len(ids); {
		end := min(done+tracesAtOnce, len(ids))
		some := func(src source) bool {
			return slices.ContainsFunc(ids[done:end], func(id span.TraceID) bool { return mayHave(src, id) })
		}
		err := s.queryOf(ctx, some, func(v view) error {
			r := v.traceReader(true)
			for ; done < end; done++ { // goes on where a corrupt segment ended it
				b, err := r.read(ctx, ids[done])
				if errors.Is(err, store.ErrNotFound) {
					continue
				}
				if err == nil {
					err = do(done, b)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Select implements [store.Store].
func (s *Store) Select(ctx context.Context, q store.Query) (res store.Result, err error) {
	err = s.query(ctx, func(v view) (err error) {
		res, err = v.choose(ctx, q)
		return err
	})
	return res, err
}

// Aggregate implements [store.Store].
func (s *Store) Aggregate(ctx context.Context, q store.AggregateQuery) (groups []store.Group, err error) {
	err = s.query(ctx, func(v view) (err error) {
		groups, err = v.aggregate(ctx, q, s.o.MaxGroups)
		return err
	})
	return groups, err
}

// Names implements [store.Store].
func (s *Store) Names(ctx context.Context, q store.NamesQuery) (list []string, err error) {
	err = s.query(ctx, func(v view) (err error) {
		list, err = v.list(ctx, q)
		return err
	})
	return list, err
}

// Stats implements [store.Store]. A copy of a span counts as a span while it lies in another segment.
func (s *Store) Stats() store.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := store.Stats{
		Segments: len(s.segments), Clamped: s.clamped, SetAside: append([]string(nil), s.setAside...),
		DroppedSegments: s.droppedSegments, DroppedSpans: s.droppedSpans, MergedSegments: s.mergedSegments,
	}
	some := false
	oldest := func(src source) {
		if start := src.bounds().minStart; src.rows() > 0 && (!some || start < st.OldestStart) {
			some, st.OldestStart = true, start
		}
	}
	for _, seg := range s.segments {
		st.Spans += int64(seg.rows())
		st.Bytes += seg.size
		oldest(seg)
	}
	for _, h := range s.heads {
		snap, clamped := h.state()
		st.HeadSpans += int64(snap.n)
		st.LogBytes += h.logBytes.Load()
		st.Clamped += clamped
		oldest(snap)
	}
	st.Spans += st.HeadSpans
	st.Bytes += st.LogBytes
	return st
}

// Close implements [store.Store]: it seals what is in memory. If that fails the log has it.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	s.queries.Wait()
	s.loops.Wait()
	var errs []error
	for _, h := range s.heads { // those that could not be sealed
		if s.o.readOnly {
			break
		}
		errs = append(errs, h.log.sync(), h.log.f.Close())
		if h.rows() == 0 {
			errs = append(errs, s.fs.Remove(h.log.name))
		}
	}
	for _, seg := range s.segments {
		errs = append(errs, seg.release())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
