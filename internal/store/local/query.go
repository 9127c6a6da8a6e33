package local

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sort"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// view is what one query sees: the sources as they were at its start, oldest first.
type view []*cursor

// filters makes a filter for each source, after a first pass over the traces if e needs it.
func (v view) filters(ctx context.Context, e store.Expr, within store.TimeRange, by ...store.Field) ([]*filter, error) {
	filters := make([]*filter, len(v))
	for i, c := range v {
		filters[i] = &filter{cursor: c, expr: e, within: within}
	}
	if !store.TraceLevel(e) && !slices.ContainsFunc(by, store.Field.TraceLevel) {
		return filters, nil
	}
	infos, err := v.traceInfos(ctx, withoutTraces(e), within)
	for _, f := range filters {
		f.traces = infos
	}
	return filters, err
}

// withoutTraces is the part of a conjunction that does not ask for fields of the trace: what matches e
// matches it as well.
func withoutTraces(e store.Expr) store.Expr {
	if and, ok := e.(store.And); ok {
		return store.AllOf(withoutTraces(and.X), withoutTraces(and.Y))
	}
	if store.TraceLevel(e) {
		return nil
	}
	return e
}

// each calls do for every page that has rows matching, with these rows.
func each(ctx context.Context, filters []*filter, do func(source int, f *filter, p int, rows *bitmap) error) error {
	var rows bitmap
	for i, f := range filters {
		for p := range pagesOf(f.rows()) {
			if err := ctx.Err(); err != nil {
				return err
			}
			some, err := f.matching(p, &rows)
			if err != nil {
				return err
			}
			if some {
				if err := do(i, f, p, &rows); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// traceInfo is what a query must know of a whole trace.
type traceInfo struct {
	some        bool
	first, last int64 // earliest start, latest end
	root        *cursor
	rootRow     uint32
	rootKey     spanKey

	rootName, rootService string
}

type traceInfos map[span.TraceID]*traceInfo

// value is the value of a field of the trace.
func (t traceInfos) value(id span.TraceID, f store.Field) (span.Value, bool) {
	info := t[id]
	switch {
	case info == nil:
	case f == store.TraceDuration:
		return span.IntValue(info.last - info.first), true
	case info.root == nil:
	case f == store.RootName:
		return span.StringValue(info.rootName), true
	case f == store.RootService:
		return span.StringValue(info.rootService), true
	}
	return span.Value{}, false
}

// traceInfos looks at all spans of the traces that have a span matching e in the range.
func (v view) traceInfos(ctx context.Context, e store.Expr, within store.TimeRange) (traceInfos, error) {
	infos := traceInfos{}
	var wanted []span.TraceID
	candidates, err := v.filters(ctx, e, within)
	if err != nil {
		return nil, err
	}
	err = each(ctx, candidates, func(_ int, f *filter, p int, rows *bitmap) error {
		ids, err := f.vector(colTrace, p)
		if err != nil {
			return err
		}
		for i := range rows.each {
			if id := ids.ids[i]; infos[id] == nil {
				infos[id] = &traceInfo{}
				wanted = append(wanted, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(wanted, span.TraceID.Compare)
	for _, c := range v {
		for p := range pagesOf(c.rows()) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			st := c.stats(p)
			at := sort.Search(len(wanted), func(i int) bool { return wanted[i].Compare(st.firstTrace) >= 0 })
			if at == len(wanted) || wanted[at].Compare(st.lastTrace) > 0 {
				continue
			}
			if err := infos.scan(c, p); err != nil {
				return nil, err
			}
		}
	}
	return infos, infos.resolve()
}

// scan adds the rows of page p to the infos of their traces.
func (t traceInfos) scan(c *cursor, p int) error {
	var vectors [4]*vector
	var err error
	for i, col := range [...]int{colTrace, colStart, colDuration, colParent} {
		if vectors[i], err = c.vector(col, p); err != nil {
			return err
		}
	}
	ids, starts, durations, parents := vectors[0].ids, vectors[1].nums, vectors[2].nums, vectors[3].nums
	var info *traceInfo
	for i, id := range ids {
		if i == 0 || id != ids[i-1] {
			info = t[id]
		}
		if info == nil {
			continue
		}
		start := int64(starts[i])
		end := start + int64(durations[i])
		if !info.some {
			info.some, info.first, info.last = true, start, end
		}
		info.first, info.last = min(info.first, start), max(info.last, end)
		if parents[i] != 0 {
			continue
		}
		row := vectors[0].from + uint32(i)
		k, err := c.key(row)
		if err != nil {
			return err
		}
		if r := &info.rootKey; info.root == nil || cmp.Or(cmp.Compare(k.start, r.start), cmp.Compare(k.id, r.id), cmp.Compare(k.kind, r.kind)) < 0 {
			info.root, info.rootRow, info.rootKey = c, row, k
		}
	}
	return nil
}

// resolve reads the names of the roots.
func (t traceInfos) resolve() error {
	for _, info := range t {
		if info.root == nil {
			continue
		}
		name, err := info.root.text(colName, info.rootRow)
		if err != nil {
			return err
		}
		service, err := info.root.text(colService, info.rootRow)
		if err != nil {
			return err
		}
		info.rootName, info.rootService = string(name), string(service)
	}
	return nil
}

// identity is what makes a span: copies of one have equal identities.
type identity struct {
	trace    span.TraceID
	id       span.ID
	kind     span.Kind
	resource uint32 // number of the resource's text in the query's names
}

// hit is a row found.
type hit struct {
	c   *cursor
	row uint32
	key spanKey
	identity
}

// identify completes a hit.
func (v view) identify(h *hit, resources *names) error {
	text, err := h.c.text(colResource, h.row)
	if err != nil {
		return err
	}
	h.identity = identity{h.key.trace, h.key.id, h.key.kind, resources.numberOf(text)}
	return nil
}

// find is [store.Store.Trace].
func (v view) find(ctx context.Context, id span.TraceID) (*span.Batch, error) {
	var hits []hit
	seen := map[identity]bool{}
	resources := newNames()
	add := func(c *cursor, row uint32) error {
		h := hit{c: c, row: row}
		var err error
		if h.key, err = c.key(row); err != nil {
			return err
		}
		if err := v.identify(&h, resources); err != nil {
			return err
		}
		if !seen[h.identity] {
			seen[h.identity] = true
			hits = append(hits, h)
		}
		return nil
	}
	for _, c := range v {
		if err := c.trackDown(ctx, id, add); err != nil {
			return nil, err
		}
	}
	if len(hits) == 0 {
		return nil, store.ErrNotFound
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.key.start, b.key.start), cmp.Compare(a.key.id, b.key.id), cmp.Compare(a.key.kind, b.key.kind))
	})
	return gather(hits)
}

func gather(hits []hit) (*span.Batch, error) {
	g := newGatherer()
	for _, h := range hits {
		if err := g.add(h.c, h.row); err != nil {
			return nil, err
		}
	}
	return g.b, nil
}

// trackDown calls found for every row of the trace, and, if the high half of id is zero, of the traces
// with the same low half.
func (c *cursor) trackDown(ctx context.Context, id span.TraceID, found func(*cursor, uint32) error) error {
	pages := pagesOf(c.rows())
	first := 0
	if c.sorted() && id.Hi != 0 {
		first = sort.Search(pages, func(p int) bool { return c.stats(p).lastTrace.Compare(id) >= 0 })
	}
	for p := first; p < pages; p++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		st := c.stats(p)
		if id.Hi != 0 && (st.firstTrace.Compare(id) > 0 || st.lastTrace.Compare(id) < 0) {
			if c.sorted() {
				return nil
			}
			continue
		}
		v, err := c.vector(colTrace, p)
		if err != nil {
			return err
		}
		at := 0
		if c.sorted() && id.Hi != 0 {
			at, _ = slices.BinarySearchFunc(v.ids, id, span.TraceID.Compare)
		}
		for ; at < len(v.ids); at++ {
			switch x := v.ids[at]; {
			case x == id || id.Hi == 0 && x.Lo == id.Lo:
				if err := found(c, v.from+uint32(at)); err != nil {
					return err
				}
			case c.sorted() && id.Hi != 0:
				return nil
			}
		}
	}
	return nil
}

// ranking is a heap of the best hits so far, the worst on top.
type ranking struct {
	hits  []hit
	order store.Order
}

func (r *ranking) compare(a, b *spanKey) int { // < 0: a is better
	best := cmp.Compare(b.start, a.start)
	if r.order == store.Slowest {
		best = cmp.Compare(b.duration, a.duration)
	}
	return cmp.Or(best, a.trace.Compare(b.trace), cmp.Compare(a.id, b.id), cmp.Compare(a.kind, b.kind))
}

func (r *ranking) Len() int           { return len(r.hits) }
func (r *ranking) Less(i, j int) bool { return r.compare(&r.hits[i].key, &r.hits[j].key) > 0 }
func (r *ranking) Swap(i, j int)      { r.hits[i], r.hits[j] = r.hits[j], r.hits[i] }
func (r *ranking) Push(x any)         { r.hits = append(r.hits, x.(hit)) } //nolint:errcheck // only hits are pushed
func (r *ranking) Pop() any {
	h := r.hits[len(r.hits)-1]
	r.hits = r.hits[:len(r.hits)-1]
	return h
}

// defaultLimit is the limit of a Query without one.
const defaultLimit = 100

// choose is [store.Store.Select].
func (v view) choose(ctx context.Context, q store.Query) (store.Result, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	filters, err := v.filters(ctx, q.Filter, q.Range)
	if err != nil {
		return store.Result{}, err
	}
	var res store.Result
	best := &ranking{order: q.Order}
	in := map[identity]bool{} // those in best
	resources := newNames()
	rankedBy := colStart
	if q.Order == store.Slowest {
		rankedBy = colDuration
	}
	err = each(ctx, filters, func(_ int, f *filter, p int, rows *bitmap) error {
		res.Matched += rows.count()
		rank, err := f.vector(rankedBy, p)
		if err != nil {
			return err
		}
		for i := range rows.each {
			if full := len(best.hits) == limit; full {
				worst := best.hits[0].key.start
				if q.Order == store.Slowest {
					worst = best.hits[0].key.duration
				}
				if int64(rank.nums[i]) < worst {
					continue
				}
			}
			h := hit{c: f.cursor, row: rank.from + uint32(i)}
			if h.key, err = f.key(h.row); err != nil {
				return err
			}
			full := len(best.hits) == limit
			if full && best.compare(&h.key, &best.hits[0].key) >= 0 {
				continue
			}
			if err := v.identify(&h, resources); err != nil {
				return err
			}
			if in[h.identity] {
				continue
			}
			in[h.identity] = true
			if full {
				delete(in, best.hits[0].identity)
				best.hits[0] = h
				heap.Fix(best, 0)
			} else {
				heap.Push(best, h)
			}
		}
		return nil
	})
	if err != nil {
		return store.Result{}, err
	}
	slices.SortFunc(best.hits, func(a, b hit) int { return best.compare(&a.key, &b.key) })
	res.Spans, err = gather(best.hits)
	return res, err
}
