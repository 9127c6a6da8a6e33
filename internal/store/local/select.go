package local

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"

	"github.com/fuwu-project/fuwu/internal/store"
)

// scored is a hit with its rank: the higher the better.
type scored struct {
	hit
	score int64
}

func (a *scored) compare(b *scored) int { // < 0: a is better
	return cmp.Or(cmp.Compare(b.score, a.score), a.key.trace.Compare(b.key.trace), cmp.Compare(a.key.id, b.key.id), cmp.Compare(a.key.kind, b.key.kind))
}

// ranking is a heap of the best hits so far, the worst on top.
type ranking []scored

func (r ranking) Len() int           { return len(r) }
func (r ranking) Less(i, j int) bool { return r[i].compare(&r[j]) > 0 }
func (r ranking) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranking) Push(x any)        { *r = append(*r, x.(scored)) } //nolint:errcheck // nothing else is pushed
func (r *ranking) Pop() any {
	s := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return s
}

// defaultLimit is the limit of a Query without one.
const defaultLimit = 100

// selection is a Select under way.
type selection struct {
	view
	q         store.Query
	limit     int
	best      ranking
	in        map[identity]bool // those in best
	resources *names
	res       store.Result
}

// How many sources are planned before their pages are looked at, the best first. To count, all must be planned anyway.
const (
	plannedAtOnce    = 8
	plannedIfCounted = 64
)

// choose is [store.Store.Select]. Sources, and within them pages, are looked at in the order of the best that they can
// hold; those that cannot improve on what was found are passed over, unless their matches are to be counted
// and nobody has done so.
func (v view) choose(ctx context.Context, q store.Query) (store.Result, error) {
	s := &selection{view: v, q: q, limit: q.Limit, in: map[identity]bool{}, resources: newNames()}
	if s.limit <= 0 {
		s.limit = defaultLimit
	}
	filters, err := v.filters(ctx, q.Filter, q.Range)
	if err != nil {
		return store.Result{}, err
	}
	slices.SortStableFunc(filters, func(a, b *filter) int { return cmp.Compare(s.most(b.bounds()), s.most(a.bounds())) })
	atOnce := plannedAtOnce
	if q.Count {
		atOnce = plannedIfCounted
	}
	for some := range slices.Chunk(filters, atOnce) {
		if !q.Count && s.hopeless(s.most(some[0].bounds())) {
			s.res.More = true // so are all that follow
			break
		}
		var pages []candidate
		for _, f := range some {
			if err := ctx.Err(); err != nil {
				return store.Result{}, err
			}
			if pages, err = s.candidates(pages, f); err != nil {
				return store.Result{}, err
			}
		}
		slices.SortStableFunc(pages, func(a, b candidate) int { return cmp.Compare(b.most, a.most) })
		if err := s.search(ctx, pages); err != nil {
			return store.Result{}, err
		}
		for _, f := range some {
			f.done()
		}
	}
	slices.SortFunc(s.best, func(a, b scored) int { return a.compare(&b) })
	hits := make([]hit, len(s.best))
	for i := range s.best {
		hits[i] = s.best[i].hit
	}
	s.res.Spans, err = gather(hits, q.Brief)
	return s.res, err
}

// most is the highest score that rows within the bounds can have.
func (s *selection) most(b pageStats) int64 {
	switch s.q.Order {
	case store.Slowest:
		return b.maxDuration
	case store.Newest:
		if to := s.q.Range.To; to != 0 {
			return min(b.maxStart, to-1)
		}
		return b.maxStart
	case store.Sampled:
	}
	return math.MaxInt64
}

// hopeless says that nothing of a score of at most so much will be among the best.
func (s *selection) hopeless(most int64) bool {
	return len(s.best) == s.limit && most < s.best[0].score
}

// candidate is a page to look at.
type candidate struct {
	f    *filter
	page int
	most int64
}

// candidates appends the pages of a source that may have matches, and counts these if that needs no look at the pages.
func (s *selection) candidates(pages []candidate, f *filter) ([]candidate, error) {
	some, err := f.prepare()
	if err != nil || !some {
		return pages, err
	}
	if f.plan.exact {
		s.res.Matched += f.plan.count
	}
	for p := range f.pages {
		if !f.plan.wants(p) {
			continue
		}
		b := f.stats(p)
		if bound, ok := f.plan.longest(p); ok {
			b.maxDuration = min(b.maxDuration, bound)
		}
		pages = append(pages, candidate{f, p, s.most(b)})
	}
	return pages, nil
}

// search looks through pages, the best first.
func (s *selection) search(ctx context.Context, pages []candidate) error {
	var rows bitmap
	for _, c := range pages {
		if err := ctx.Err(); err != nil {
			return err
		}
		counted := c.f.plan.exact
		if s.hopeless(c.most) && (counted || !s.q.Count) {
			s.res.More = s.res.More || !counted
			continue
		}
		some, err := c.f.matching(c.page, &rows)
		if err != nil {
			return err
		}
		if some {
			if !counted {
				s.res.Matched += rows.count()
			}
			err = s.rank(c.f, c.page, &rows)
		}
		c.f.scannedAll()
		if err != nil {
			return err
		}
	}
	return nil
}

// fewRows are read one by one; of more the whole page is decoded.
const fewRows = 8

// rank enters those of some rows of a page that are among the best.
func (s *selection) rank(f *filter, p int, rows *bitmap) error {
	scoreOf, err := s.scores(f, p)
	if err != nil {
		return err
	}
	scanned := rows.count() < fewRows
	for i := range rows.each {
		score := scoreOf(i)
		if s.hopeless(score) {
			continue
		}
		if !scanned { // one decoding for all the keys that follow
			scanned = true
			for _, col := range [...]int{colTrace, colStart, colDuration} {
				if _, err := f.vector(col, p); err != nil {
					return err
				}
			}
		}
		h := scored{hit{c: f.cursor, row: uint32(p*pageRows + i)}, score}
		if h.key, err = f.key(h.row); err != nil {
			return err
		}
		full := len(s.best) == s.limit
		if full && h.compare(&s.best[0]) >= 0 {
			continue
		}
		if err := s.identify(&h.hit, s.resources); err != nil {
			return err
		}
		if s.in[h.identity] {
			continue
		}
		s.in[h.identity] = true
		if full {
			delete(s.in, s.best[0].identity)
			s.best[0] = h
			heap.Fix(&s.best, 0)
		} else {
			heap.Push(&s.best, h)
		}
	}
	return nil
}

// scores gives the scores of the rows of a page. Those of samples have a bit less than the ranks, which are as good as never
// equal but for it.
func (s *selection) scores(f *filter, p int) (func(i int) int64, error) {
	col := colStart
	switch s.q.Order {
	case store.Newest:
	case store.Slowest:
		col = colDuration
	case store.Sampled:
		ids, err := f.vector(colTrace, p)
		return func(i int) int64 { return -int64(store.SampleRank(ids.ids[i]) >> 1) }, err
	}
	v, err := f.vector(col, p)
	return func(i int) int64 { return int64(v.nums[i]) }, err
}
