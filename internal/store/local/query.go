package local

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"unique"

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

// each calls do for every page that has rows matching, with these rows. What cursors returned is void after
// the last page of a source.
func each(ctx context.Context, filters []*filter, do func(source int, f *filter, p int, rows *bitmap) error) error {
	for i, f := range filters {
		some, err := f.prepare()
		if err == nil && some {
			err = f.eachPage(ctx, func(p int, rows *bitmap) error { return do(i, f, p, rows) })
		}
		if err != nil {
			return err
		}
		f.done()
	}
	return nil
}

// eachPage does that for a source that is prepared.
func (f *filter) eachPage(ctx context.Context, do func(p int, rows *bitmap) error) error {
	defer f.scannedAll()
	var rows bitmap
	for p := range f.pages {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !f.plan.wants(p) {
			continue
		}
		some, err := f.matching(p, &rows)
		if err != nil {
			return err
		}
		if some {
			if err := do(p, &rows); err != nil {
				return err
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
		if err := c.open(); err != nil {
			return nil, err
		}
		for p := range c.pages {
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
		c.scannedAll()
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
	resource unique.Handle[string]
}

// hit is a row found.
type hit struct {
	c   *cursor
	row uint32
	key spanKey
	identity
}

// identify completes a hit.
func (h *hit) identify() error {
	p, err := h.c.resource(h.row)
	if err == nil {
		h.identity = identity{h.key.trace, h.key.id, h.key.kind, p.text}
	}
	return err
}

// traceReader reads one trace after the other of a view; what it learns of the sources serves all of them.
type traceReader struct {
	view
	hits []hit
	ids  map[span.ID]bool
	seen map[identity]bool
	g    *gatherer
}

func (v view) traceReader(brief bool) *traceReader {
	return &traceReader{view: v, ids: map[span.ID]bool{}, seen: map[identity]bool{}, g: newGatherer(brief)}
}

// read is [store.Store.Trace]; the batch is void when the next is read.
func (r *traceReader) read(ctx context.Context, id span.TraceID) (*span.Batch, error) {
	r.hits = r.hits[:0]
	sources := 0
	for _, c := range r.view {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !mayHave(c.source, id) {
			continue
		}
		before := len(r.hits)
		if err := r.readFrom(c, id); err != nil {
			return nil, err
		}
		if len(r.hits) > before {
			sources++
		}
	}
	if len(r.hits) == 0 {
		return nil, store.ErrNotFound
	}
	if sources > 1 { // there may be copies
		if err := r.dropCopies(); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(r.hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.key.start, b.key.start), cmp.Compare(a.key.id, b.key.id), cmp.Compare(a.key.kind, b.key.kind))
	})
	if r.g.brief {
		return r.g.gatherBrief(r.hits)
	}
	return r.g.gather(r.hits)
}

func mayHave(s source, id span.TraceID) bool {
	b := s.bounds()
	return s.rows() > 0 && (id.Hi == 0 || b.firstTrace.Compare(id) <= 0 && b.lastTrace.Compare(id) >= 0) && s.mayHave(id)
}

// readFrom appends the rows of the trace that a source has to the hits.
func (r *traceReader) readFrom(c *cursor, id span.TraceID) error {
	if err := c.open(); err != nil {
		return err
	}
	rows, err := c.find(id)
	if err != nil {
		return err
	}
	if n := len(rows); c.sorted() && n > 0 && int(rows[n-1]-rows[0]) == n-1 {
		var some []int
		if r.g.brief {
			some = briefColumns
		}
		c.dwell(rows[0], rows[n-1]+1, some)
	}
	for _, row := range rows {
		h := hit{c: c, row: row}
		if id.Hi != 0 {
			h.key, err = c.keyIn(id, row)
		} else {
			h.key, err = c.key(row)
		}
		if err != nil {
			return err
		}
		r.hits = append(r.hits, h)
	}
	return nil
}

// dropCopies leaves the first hit of each identity.
func (r *traceReader) dropCopies() error {
	clear(r.ids)
	for i := range r.hits {
		r.ids[r.hits[i].key.id] = true
	}
	if len(r.ids) == len(r.hits) {
		return nil // without a look at the resources
	}
	clear(r.seen)
	some := r.hits[:0]
	for _, h := range r.hits {
		if err := h.identify(); err != nil {
			return err
		}
		if !r.seen[h.identity] {
			r.seen[h.identity] = true
			some = append(some, h)
		}
	}
	r.hits = some
	return nil
}
