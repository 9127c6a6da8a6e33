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
	q     store.Query
	limit int
	best  ranking
	in    map[identity]scored // those in best; with OnePerTrace by their traces
	rows  found               // of the page that is being ranked
	res   store.Result
}

// plannedAtOnce is how many sources are planned before their pages are looked at, the best first. Segments follow one another in
// time, so that of the newest one after the other is planned.
const plannedAtOnce = 64

// choose is [store.Store.Select]. Sources, and within them pages, are looked at in the order of the best that they can
// hold; those that cannot improve on what was found are passed over, unless their matches are to be counted
// and nobody has done so.
func (v view) choose(ctx context.Context, q store.Query) (store.Result, error) {
	s := &selection{view: v, q: q, limit: q.Limit, in: map[identity]scored{}}
	if s.limit <= 0 {
		s.limit = defaultLimit
	}
	filters, err := v.filters(ctx, q.Filter, q.Range)
	if err != nil {
		return store.Result{}, err
	}
	slices.SortStableFunc(filters, func(a, b *filter) int { return cmp.Compare(s.most(b.bounds()), s.most(a.bounds())) })
	atOnce := plannedAtOnce
	if q.Order == store.Newest && !q.Count {
		atOnce = 1
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
	s.res.Spans, err = newGatherer(q.Brief).gather(hits)
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
	f.forget() // of many sources that are planned few may be looked at
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
		pages = append(pages, candidate{f, p, s.most(f.boundsOf(p))})
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
const fewRows = 16

// found is a heap of rows of a page, the best on top.
type found []struct {
	score int64
	row   uint32
}

func (f found) Len() int           { return len(f) }
func (f found) Less(i, j int) bool { return f[i].score > f[j].score }
func (f found) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *found) Push(any)          {}
func (f *found) Pop() any          { return nil }

// rank enters those of some rows of a page that are among the best, the best first.
func (s *selection) rank(f *filter, p int, rows *bitmap) error {
	s.rows = s.rows[:0]
	scoreOf, err := s.scores(f, p, rows.count() < fewRows)
	if err != nil {
		return err
	}
	for i := range rows.each {
		row := uint32(p*pageRows + i)
		score, err := scoreOf(row)
		if err != nil {
			return err
		}
		if !s.hopeless(score) {
			s.rows = append(s.rows, struct {
				score int64
				row   uint32
			}{score, row})
		}
	}
	heap.Init(&s.rows)
	for n := 0; len(s.rows) > 0 && !s.hopeless(s.rows[0].score); n++ {
		if n == fewRows {
			for _, col := range [...]int{colTrace, colStart, colDuration} {
				if _, err := f.vector(col, p); err != nil {
					return err
				}
			}
		}
		if err := s.enter(f, s.rows[0].row, s.rows[0].score); err != nil {
			return err
		}
		last := len(s.rows) - 1
		s.rows[0] = s.rows[last]
		if s.rows = s.rows[:last]; last > 0 {
			heap.Fix(&s.rows, 0)
		}
	}
	return nil
}

// enter enters a row if it is among the best.
func (s *selection) enter(f *filter, row uint32, score int64) error {
	h := scored{hit{c: f.cursor, row: row}, score}
	var err error
	if h.key, err = f.key(h.row); err != nil {
		return err
	}
	full := len(s.best) == s.limit
	if full && h.compare(&s.best[0]) >= 0 {
		return nil
	}
	if s.q.OnePerTrace {
		h.identity = identity{trace: h.key.trace}
	} else if err := h.identify(); err != nil {
		return err
	}
	switch old, in := s.in[h.identity]; {
	case in && (!s.q.OnePerTrace || h.compare(&old) >= 0):
		return nil
	case in:
		i := slices.IndexFunc(s.best, func(o scored) bool { return o.identity == h.identity })
		s.best[i] = h
		heap.Fix(&s.best, i)
	case full:
		delete(s.in, s.best[0].identity)
		s.best[0] = h
		heap.Fix(&s.best, 0)
	default:
		heap.Push(&s.best, h)
	}
	s.in[h.identity] = h
	return nil
}

// scores gives the scores of the rows of a page, of which few will be asked for or many. Those of samples have a bit less
// than the ranks, which are as good as never equal but for it.
func (s *selection) scores(f *filter, p int, few bool) (func(row uint32) (int64, error), error) {
	col := colStart
	switch s.q.Order {
	case store.Newest:
	case store.Slowest:
		col = colDuration
	case store.Sampled:
		if !few {
			if _, err := f.vector(colTrace, p); err != nil {
				return nil, err
			}
		}
		return func(row uint32) (int64, error) {
			id, err := f.trace(row)
			return -int64(store.SampleRank(id) >> 1), err
		}, nil
	}
	if few {
		return func(row uint32) (int64, error) {
			x, err := f.num(col, row)
			return int64(x), err
		}, nil
	}
	v, err := f.vector(col, p)
	return func(row uint32) (int64, error) { return int64(v.nums[row-v.from]), nil }, err
}
