package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// profiles makes and remembers the profiles of requests: what comparing thousands of them needs. A trace that
// still grows is not remembered. It is safe for concurrent use.
type profiles struct {
	mu       sync.Mutex
	profiler *analyze.Profiler
	made     map[request]*analyze.Profile
	oldest   []request // in order of making
	cells    int       // paths and traits of all in made
}

// request names a request by its root span.
type request struct {
	trace span.TraceID
	root  span.ID
}

// maxCells bounds what is remembered: 100 bytes each, so about 50 MB, some 20,000 requests.
const maxCells = 500_000

// settled is the age from which on a trace counts as complete.
const settled = time.Minute

func newProfiles() *profiles {
	return &profiles{profiler: analyze.NewProfiler(), made: map[request]*analyze.Profile{}}
}

// start is the Profiler of one question: profiles that are compared must share it.
func (c *profiles) start() *analyze.Profiler {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.profiler.Full() {
		c.profiler, c.made, c.oldest, c.cells = analyze.NewProfiler(), map[request]*analyze.Profile{}, nil, 0
	}
	return c.profiler
}

func (c *profiles) find(f *analyze.Profiler, r request) *analyze.Profile {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.profiler != f {
		return nil
	}
	return c.made[r]
}

func (c *profiles) keep(f *analyze.Profiler, r request, p *analyze.Profile) {
	cells := func(p *analyze.Profile) int { return len(p.Paths) + len(p.Traits)/8 + 1 }
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.profiler != f || c.made[r] != nil {
		return
	}
	c.made[r] = p
	c.oldest = append(c.oldest, r)
	for c.cells += cells(p); c.cells > maxCells; {
		c.cells -= cells(c.made[c.oldest[0]])
		delete(c.made, c.oldest[0])
		c.oldest = c.oldest[1:]
	}
}

// profile is the profile of a request, or nil when its trace is not stored any more.
func (s *server) profile(ctx context.Context, f *analyze.Profiler, r request) (*analyze.Profile, error) {
	if p := s.profiles.find(f, r); p != nil {
		return p, nil
	}
	b, err := s.Store.Trace(ctx, r.trace)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // retention took it between two questions
	}
	if err != nil {
		return nil, err
	}
	t := analyze.NewTree(b)
	for pos, row := range t.Row {
		if b.SpanID[row] == r.root && b.Parent[row] == 0 {
			p := f.Profile(t, pos)
			if p.Start < s.Now().Add(-settled).UnixNano() {
				s.profiles.keep(f, r, p)
			}
			return p, nil
		}
	}
	return nil, nil //nolint:nilnil // as above
}

// readProfiles reads the profiles of several lists of requests, the lists by turns, so that each has its part of
// what is read within ReadWithin.
func (s *server) readProfiles(ctx context.Context, f *analyze.Profiler, lists ...[]request) ([][]*analyze.Profile, error) {
	type place struct{ list, at int }
	var order []place
	found := make([][]*analyze.Profile, len(lists))
	for i, l := range lists {
		found[i] = make([]*analyze.Profile, len(l))
		for at := range l {
			order = append(order, place{i, at})
		}
	}
	slices.SortStableFunc(order, func(x, y place) int { return cmp.Compare(x.at, y.at) })
	began := time.Now()
	err := each(ctx, len(order), func(ctx context.Context, i int) error {
		if time.Since(began) > s.ReadWithin {
			return nil
		}
		var err error
		o := order[i]
		found[o.list][o.at], err = s.profile(ctx, f, lists[o.list][o.at])
		return err
	})
	for i := range found {
		found[i] = slices.DeleteFunc(found[i], func(p *analyze.Profile) bool { return p == nil })
	}
	return found, err
}

// sample are at most n of the root spans that match, and how many there are. The order is that of a shuffle which is the same
// for the same requests, so that a part of a sample is a sample.
func (s *server) sample(ctx context.Context, filter store.Expr, within store.TimeRange, n int) (requests []request, matched int, err error) {
	res, err := s.Store.Select(ctx, store.Query{Filter: filter, Range: within, Order: store.Sampled, Limit: n, Count: true, Brief: true})
	if err != nil {
		return nil, 0, err
	}
	for i := range res.Spans.Len() {
		requests = append(requests, request{res.Spans.TraceID[i], res.Spans.SpanID[i]})
	}
	return requests, res.Matched, nil
}
