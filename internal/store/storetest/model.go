// Package storetest says whether a store keeps the promises of [store.Store]. [Run] and [RunConfig] are
// the conformance suite that every engine passes; [Property] compares an engine with the model on random
// batches and queries. [NewModel] is the model: the interface in the most obvious code, which tests of
// other packages also use as their store in memory. [Generate] makes traffic for tests and benchmarks.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// NewModel returns an empty store that keeps its spans in memory and answers by looking at all of them.
func NewModel() store.Store { return newModel(false) }

// newModel with copies counts spans that are appended twice twice in Aggregate and Matched: the most that
// an engine may count.
func newModel(copies bool) *model {
	return &model{copies: copies, seen: map[identity]bool{}, traces: map[span.TraceID][]int{}, all: &span.Batch{}}
}

type model struct {
	copies bool

	mu     sync.RWMutex
	closed bool
	spans  []span.Span // canonical
	all    *span.Batch // the same spans by row, for store.Matches
	copy   []bool      // a span that stood in spans before
	seen   map[identity]bool
	traces map[span.TraceID][]int
}

type identity struct {
	trace    span.TraceID
	span     span.ID
	kind     span.Kind
	resource string
}

// Canonical is a span as a store gives it back: attributes sorted by key, the last of equal keys kept,
// empty slices nil. It shares no slice with s.
func Canonical(s span.Span) span.Span {
	s.Attrs = set(s.Attrs)
	s.Resource.Attrs, s.Scope.Attrs = set(s.Resource.Attrs), set(s.Scope.Attrs)
	events, links := s.Events, s.Links
	s.Events, s.Links = nil, nil
	for _, e := range events {
		e.Attrs = set(e.Attrs)
		s.Events = append(s.Events, e)
	}
	for _, l := range links {
		l.Attrs = set(l.Attrs)
		s.Links = append(s.Links, l)
	}
	return s
}

func set(attrs []span.Attribute) []span.Attribute {
	var out []span.Attribute
	for i, a := range attrs {
		again := func(b span.Attribute) bool { return b.Key == a.Key }
		if !slices.ContainsFunc(attrs[i+1:], again) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b span.Attribute) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func (m *model) Append(ctx context.Context, b *span.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	resources := map[uint32]string{}
	for i := range b.Len() {
		s := Canonical(b.Span(i))
		r, ok := resources[b.Resource[i]]
		if !ok {
			r = fmt.Sprintf("%#v", s.Resource)
			resources[b.Resource[i]] = r
		}
		id := identity{s.TraceID, s.SpanID, s.Kind, r}
		if m.seen[id] && !m.copies {
			continue
		}
		m.traces[s.TraceID] = append(m.traces[s.TraceID], len(m.spans))
		m.spans, m.copy = append(m.spans, s), append(m.copy, m.seen[id])
		m.all.Append(&s)
		m.seen[id] = true
	}
	return nil
}

func (m *model) usable(ctx context.Context) error {
	if m.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

func (m *model) Trace(ctx context.Context, id span.TraceID) (*span.Batch, error) {
	found, err := m.trace(ctx, id)
	if err != nil {
		return nil, err
	}
	return batchOf(found), nil
}

func (m *model) BriefTraces(ctx context.Context, ids []span.TraceID, do func(i int, b *span.Batch) error) error {
	for i, id := range ids {
		found, err := m.trace(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			err = do(i, batchOf(brief(found)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// brief are spans without what Query.Brief leaves out.
func brief(spans []*span.Span) []*span.Span {
	var short []*span.Span
	for _, s := range spans {
		short = append(short, &span.Span{
			TraceID: s.TraceID, SpanID: s.SpanID, Parent: s.Parent, Start: s.Start, Duration: s.Duration,
			Name: s.Name, Kind: s.Kind, Status: s.Status, Resource: s.Resource,
		})
	}
	return short
}

func (m *model) trace(ctx context.Context, id span.TraceID) ([]*span.Span, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	var found []*span.Span
	for i := range m.spans {
		s := &m.spans[i]
		if !m.copy[i] && (s.TraceID == id || id.Hi == 0 && s.TraceID.Lo == id.Lo) {
			found = append(found, s)
		}
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	slices.SortStableFunc(found, func(a, b *span.Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.SpanID, b.SpanID), cmp.Compare(a.Kind, b.Kind))
	})
	return found, nil
}

func batchOf(spans []*span.Span) *span.Batch {
	b := &span.Batch{}
	for _, s := range spans {
		b.Append(s)
	}
	return b
}

// matching are the rows in the range that the filter matches, and the trace of each.
func (m *model) matching(filter store.Expr, r store.TimeRange, by ...store.Field) (rows []int, traces map[span.TraceID]*store.TraceInfo) {
	traces = map[span.TraceID]*store.TraceInfo{}
	two := store.TraceLevel(filter) || slices.ContainsFunc(by, store.Field.TraceLevel)
	for i, s := range m.spans {
		if !r.Contains(s.Start) {
			continue
		}
		if two && traces[s.TraceID] == nil {
			traces[s.TraceID] = store.TraceOf(m.all, m.traces[s.TraceID])
		}
		if store.Matches(filter, m.all, i, traces[s.TraceID]) {
			rows = append(rows, i)
		}
	}
	return rows, traces
}

func (m *model) Select(ctx context.Context, q store.Query) (store.Result, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return store.Result{}, err
	}
	rows, _ := m.matching(q.Filter, q.Range)
	var found []*span.Span
	for _, i := range rows {
		if !m.copy[i] {
			found = append(found, &m.spans[i])
		}
	}
	slices.SortStableFunc(found, func(a, b *span.Span) int { return compareSpans(q.Order, a, b) })
	if q.OnePerTrace {
		seen := map[span.TraceID]bool{}
		found = slices.DeleteFunc(found, func(s *span.Span) bool {
			again := seen[s.TraceID]
			seen[s.TraceID] = true
			return again
		})
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	found = found[:min(limit, len(found))]
	if q.Brief {
		found = brief(found)
	}
	return store.Result{Spans: batchOf(found), Matched: len(rows)}, nil
}

// compareSpans orders as Select does: the better span first.
func compareSpans(o store.Order, a, b *span.Span) int {
	best := cmp.Compare(b.Start, a.Start)
	switch o {
	case store.Newest:
	case store.Slowest:
		best = cmp.Compare(b.Duration, a.Duration)
	case store.Sampled:
		best = cmp.Compare(store.SampleRank(a.TraceID), store.SampleRank(b.TraceID))
	}
	return cmp.Or(best, a.TraceID.Compare(b.TraceID), cmp.Compare(a.SpanID, b.SpanID), cmp.Compare(a.Kind, b.Kind))
}

func (m *model) Aggregate(ctx context.Context, q store.AggregateQuery) ([]store.Group, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	groups := map[string]*store.Group{}
	rows, traces := m.matching(q.Filter, q.Range, q.By...)
	for _, i := range rows {
		s := &m.spans[i]
		at := store.Group{Key: make([]string, len(q.By))}
		for k, f := range q.By {
			if v, ok := store.FieldValue(m.all, i, f, traces[s.TraceID]); ok {
				at.Key[k] = v.String()
			}
		}
		if q.Step > 0 {
			at.Time = s.Start - s.Start%int64(q.Step)
		}
		id := groupID(&at)
		if groups[id] == nil {
			groups[id] = &at
		}
		g := groups[id]
		g.Count++
		g.Stands += span.Weight([]byte(s.TraceState))
		if s.Status == span.StatusError {
			g.Errors++
		}
		g.Sum += s.Duration
		g.Durations.Add(s.Duration)
	}
	var out []store.Group
	for _, g := range groups {
		out = append(out, *g)
	}
	return out, nil
}

func groupID(g *store.Group) string { return fmt.Sprintf("%d %q", g.Time, g.Key) }

func (m *model) Names(ctx context.Context, q store.NamesQuery) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for i, s := range m.spans {
		if !q.Range.Contains(s.Start) || q.Service != "" && q.Service != s.Service() {
			continue
		}
		switch q.Of {
		case store.Services:
			found[s.Service()] = true
		case store.Operations:
			found[s.Name] = true
		case store.Keys:
			for _, a := range s.Attrs {
				found[store.Field{Scope: store.OnSpan, Name: a.Key}.String()] = true
			}
			for _, a := range s.Resource.Attrs {
				found[store.Field{Scope: store.OnResource, Name: a.Key}.String()] = true
			}
		case store.Values:
			if v, ok := store.FieldValue(m.all, i, q.Field, nil); ok && v.Type != span.Null {
				found[v.String()] = true
			}
		}
	}
	var names []string
	for n := range found {
		if strings.HasPrefix(n, q.Prefix) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	return names[:min(limit, len(names))], nil
}

func (m *model) Stats() store.Stats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	st := store.Stats{Spans: int64(len(m.spans)), HeadSpans: int64(len(m.spans))}
	for i, s := range m.spans {
		if i == 0 || s.Start < st.OldestStart {
			st.OldestStart = s.Start
		}
	}
	return st
}

func (m *model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
