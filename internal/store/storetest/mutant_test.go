package storetest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// mutant is the model with one promise broken; a nil function is the model's own.
type mutant struct {
	store.Store
	append    func(context.Context, store.Store, *span.Batch) error
	trace     func(context.Context, store.Store, span.TraceID) (*span.Batch, error)
	brief     func(context.Context, store.Store, []span.TraceID, doTrace) error
	sel       func(context.Context, store.Store, store.Query) (store.Result, error)
	aggregate func(context.Context, store.Store, store.AggregateQuery) ([]store.Group, error)
	names     func(context.Context, store.Store, store.NamesQuery) ([]string, error)
	close     func(store.Store) error
}

func (m mutant) Append(ctx context.Context, b *span.Batch) error {
	if m.append == nil {
		return m.Store.Append(ctx, b)
	}
	return m.append(ctx, m.Store, b)
}

func (m mutant) Trace(ctx context.Context, id span.TraceID) (*span.Batch, error) {
	if m.trace == nil {
		return m.Store.Trace(ctx, id)
	}
	return m.trace(ctx, m.Store, id)
}

func (m mutant) BriefTraces(ctx context.Context, ids []span.TraceID, do doTrace) error {
	if m.brief == nil {
		return m.Store.BriefTraces(ctx, ids, do)
	}
	return m.brief(ctx, m.Store, ids, do)
}

type doTrace = func(i int, b *span.Batch) error

func (m mutant) Select(ctx context.Context, q store.Query) (store.Result, error) {
	if m.sel == nil {
		return m.Store.Select(ctx, q)
	}
	return m.sel(ctx, m.Store, q)
}

func (m mutant) Aggregate(ctx context.Context, q store.AggregateQuery) ([]store.Group, error) {
	if m.aggregate == nil {
		return m.Store.Aggregate(ctx, q)
	}
	return m.aggregate(ctx, m.Store, q)
}

func (m mutant) Names(ctx context.Context, q store.NamesQuery) ([]string, error) {
	if m.names == nil {
		return m.Store.Names(ctx, q)
	}
	return m.names(ctx, m.Store, q)
}

func (m mutant) Close() error {
	if m.close == nil {
		return m.Store.Close()
	}
	return m.close(m.Store)
}

// changed appends the batch with each span changed.
func changed(change func(*span.Span)) mutant {
	return mutant{append: func(ctx context.Context, s store.Store, b *span.Batch) error {
		c := &span.Batch{}
		for i := range b.Len() {
			sp := b.Span(i)
			change(&sp)
			c.Append(&sp)
		}
		return s.Append(ctx, c)
	}}
}

func changedValue(change func(*span.Value)) mutant {
	return changed(func(s *span.Span) {
		for i := range s.Attrs {
			change(&s.Attrs[i].Value)
		}
	})
}

func changedQuery(change func(*store.Query)) mutant {
	return mutant{sel: func(ctx context.Context, s store.Store, q store.Query) (store.Result, error) {
		change(&q)
		return s.Select(ctx, q)
	}}
}

func changedGroups(q func(*store.AggregateQuery), change func(*store.Group)) mutant {
	return mutant{aggregate: func(ctx context.Context, s store.Store, query store.AggregateQuery) ([]store.Group, error) {
		q(&query)
		groups, err := s.Aggregate(ctx, query)
		for i := range groups {
			change(&groups[i])
		}
		return groups, err
	}}
}

func changedNames(q func(*store.NamesQuery), change func([]string)) mutant {
	return mutant{names: func(ctx context.Context, s store.Store, query store.NamesQuery) ([]string, error) {
		q(&query)
		names, err := s.Names(ctx, query)
		change(names)
		return names, err
	}}
}

func asIs[T any](T) {}

// notNot rewrites x != v as !(x = v), which is wrong where x is absent.
func notNot(e store.Expr) store.Expr {
	switch e := e.(type) {
	case store.And:
		return store.And{X: notNot(e.X), Y: notNot(e.Y)}
	case store.Or:
		return store.Or{X: notNot(e.X), Y: notNot(e.Y)}
	case store.Not:
		return store.Not{X: notNot(e.X)}
	case store.Compare:
		if e.Op == store.Ne {
			e.Op = store.Eq
			return store.Not{X: e}
		}
	case store.Exists:
	}
	return e
}

var mutants = map[string]mutant{
	"loses the last span": {append: func(ctx context.Context, s store.Store, b *span.Batch) error {
		b.Truncate(max(b.Len()-1, 0))
		return s.Append(ctx, b)
	}},
	"shows a batch by halves": {append: func(ctx context.Context, s store.Store, b *span.Batch) error {
		half, rest := &span.Batch{}, &span.Batch{}
		for i := range b.Len() {
			sp := b.Span(i)
			if i < b.Len()/2 {
				half.Append(&sp)
			} else {
				rest.Append(&sp)
			}
		}
		if err := s.Append(ctx, half); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
		return s.Append(ctx, rest)
	}},
	"ignores the context": {trace: func(_ context.Context, s store.Store, id span.TraceID) (*span.Batch, error) {
		return s.Trace(context.Background(), id)
	}},
	"appends though cancelled": {append: func(ctx context.Context, s store.Store, b *span.Batch) error {
		_ = s.Append(context.WithoutCancel(ctx), b)
		return ctx.Err()
	}},
	"stays open":         {close: func(store.Store) error { return nil }},
	"trace out of order": {trace: reversedTrace},
	"knows no low half": {trace: func(ctx context.Context, s store.Store, id span.TraceID) (*span.Batch, error) {
		b, err := s.Trace(ctx, id)
		if err == nil && b.TraceID[0] != id {
			return nil, store.ErrNotFound
		}
		return b, err
	}},
	"nothing found is no error": {trace: func(ctx context.Context, s store.Store, id span.TraceID) (*span.Batch, error) {
		b, err := s.Trace(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return &span.Batch{}, nil
		}
		return b, err
	}},
	"kind is no identity":      changed(func(s *span.Span) { s.Kind = span.KindServer }),
	"resource without numbers": changed(func(s *span.Span) { s.Resource.Attrs = slices.DeleteFunc(s.Resource.Attrs, isInt) }),
	"loses flags":              changed(func(s *span.Span) { s.Flags = 0 }),
	"loses trace state":        changed(func(s *span.Span) { s.TraceState = "" }),
	"loses event times": changed(func(s *span.Span) {
		s.Events = slices.Clone(s.Events)
		each(s.Events, func(e *span.Event) { e.Time = 0 })
	}),
	"loses link flags":       changed(func(s *span.Span) { s.Links = slices.Clone(s.Links); each(s.Links, func(l *span.Link) { l.Flags = 0 }) }),
	"loses scope attributes": changed(func(s *span.Span) { s.Scope.Attrs = nil }),
	"loses dropped counts":   changed(func(s *span.Span) { s.DroppedLinks = 0 }),
	"first of equal keys":    changed(func(s *span.Span) { s.Attrs = slices.Clone(s.Attrs); slices.Reverse(s.Attrs) }),
	"loses the empty key": changed(func(s *span.Span) {
		s.Attrs = slices.DeleteFunc(slices.Clone(s.Attrs), func(a span.Attribute) bool { return a.Key == "" })
	}),
	"null is text": changedValue(func(v *span.Value) { v.Type = max(v.Type, span.String) }),
	"one NaN": changedValue(func(v *span.Value) {
		if v.Type == span.Double && v.Double() != v.Double() {
			*v = span.DoubleValue(v.Double() + 0)
			v.Num = 0x7ff8_0000_0000_0001
		}
	}),
	"-0 is 0": changedValue(func(v *span.Value) {
		*v = span.Value{Type: v.Type, Str: v.Str, Num: v.Num &^ b2u(v.Type == span.Double && v.Num == 1<<63)}
	}),
	"text ends at NUL":       changedValue(func(v *span.Value) { v.Str, _, _ = strings.Cut(v.Str, "\x00") }),
	"text is valid UTF-8":    changedValue(func(v *span.Value) { v.Str = strings.ToValidUTF8(v.Str, "?") }),
	"text ends at 64 KiB":    changedValue(func(v *span.Value) { v.Str = v.Str[:min(len(v.Str), 1<<16)] }),
	"numbers are doubles":    changedValue(func(v *span.Value) { v.Num = roundInt(*v) }),
	"range is closed":        changedQuery(func(q *store.Query) { q.Range.To += b2i(q.Range.To > 0) }),
	"range is open":          changedQuery(func(q *store.Query) { q.Range.From++ }),
	"no limit is no spans":   changedQuery(func(q *store.Query) { q.Limit = max(q.Limit, 1) }),
	"only newest":            changedQuery(func(q *store.Query) { q.Order = store.Newest }),
	"samples the newest":     changedQuery(func(q *store.Query) { q.Order %= store.Sampled }),
	"brief is in full":       changedQuery(func(q *store.Query) { q.Brief = false }),
	"all spans of a trace":   changedQuery(func(q *store.Query) { q.OnePerTrace = false }),
	"counts no more than it": {sel: moreIsLeft},
	"absent is unequal":      changedQuery(func(q *store.Query) { q.Filter = notNot(q.Filter) }),
	"brief trace in full": {brief: func(ctx context.Context, s store.Store, ids []span.TraceID, do doTrace) error {
		for i, id := range ids {
			b, err := s.Trace(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err := errors.Join(err, do(i, b)); err != nil {
				return err
			}
		}
		return nil
	}},
	"a missing trace ends it": {brief: func(ctx context.Context, s store.Store, ids []span.TraceID, do doTrace) error {
		for i, id := range ids {
			if _, err := s.Trace(ctx, id); err != nil {
				return err
			}
			if err := s.BriefTraces(ctx, []span.TraceID{id}, func(_ int, b *span.Batch) error { return do(i, b) }); err != nil {
				return err
			}
		}
		return nil
	}},
	"goes on after an error": {brief: func(ctx context.Context, s store.Store, ids []span.TraceID, do doTrace) (err error) {
		_ = s.BriefTraces(ctx, ids, func(i int, b *span.Batch) error {
			err = errors.Join(err, do(i, b))
			return nil
		})
		return err
	}},
	"a batch with other resources": {brief: func(ctx context.Context, s store.Store, ids []span.TraceID, do doTrace) error {
		var one span.Batch
		return s.BriefTraces(ctx, ids, func(i int, b *span.Batch) error {
			one.Reset()
			for row := range b.Len() {
				sp := b.Span(row)
				one.Append(&sp)
			}
			return do(i, &one)
		})
	}},
	"matched is what it got": {sel: matchedIsLength},
	"ties the other way":     {sel: tiesReversed},
	"counts no errors":       changedGroups(asIs, func(g *store.Group) { g.Errors = 0 }),
	"sums nothing":           changedGroups(asIs, func(g *store.Group) { g.Sum = 0 }),
	"sketches nothing":       changedGroups(asIs, func(g *store.Group) { g.Durations = store.Sketch{Zeros: g.Count} }),
	"one time bucket":        changedGroups(func(q *store.AggregateQuery) { q.Step = 0 }, asIs),
	"groups by less":         changedGroups(func(q *store.AggregateQuery) { q.By = q.By[:min(len(q.By), 1)] }, asIs),
	"aggregates all":         changedGroups(func(q *store.AggregateQuery) { q.Filter = nil }, asIs),
	"aggregates any time":    changedGroups(func(q *store.AggregateQuery) { q.Range = store.TimeRange{} }, asIs),
	"names out of order":     changedNames(asIs, slices.Reverse[[]string]),
	"names of any prefix":    changedNames(func(q *store.NamesQuery) { q.Prefix = "" }, asIs),
	"names of any service":   changedNames(func(q *store.NamesQuery) { q.Service = "" }, asIs),
	"names without limit":    changedNames(func(q *store.NamesQuery) { q.Limit = 1 << 40 }, asIs),
	"names of nobody":        changedNames(func(q *store.NamesQuery) { q.Range.To = 1 }, asIs),
}

func isInt(a span.Attribute) bool { return a.Value.Type == span.Int }

func each[T any](s []T, f func(*T)) {
	for i := range s {
		f(&s[i])
	}
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func b2u(b bool) uint64 { return uint64(b2i(b)) << 63 }

func roundInt(v span.Value) uint64 {
	if v.Type == span.Int {
		return uint64(int64(float64(v.Int()>>8))) << 8
	}
	return v.Num
}

func reversedTrace(ctx context.Context, s store.Store, id span.TraceID) (*span.Batch, error) {
	b, err := s.Trace(ctx, id)
	if err != nil {
		return nil, err
	}
	return reversed(b), nil
}

func reversed(b *span.Batch) *span.Batch {
	c := &span.Batch{}
	for i := range b.Len() {
		s := b.Span(b.Len() - 1 - i)
		c.Append(&s)
	}
	return c
}

func matchedIsLength(ctx context.Context, s store.Store, q store.Query) (store.Result, error) {
	r, err := s.Select(ctx, q)
	if err == nil {
		r.Matched = r.Spans.Len()
	}
	return r, err
}

// moreIsLeft says that there may be more, whatever was asked.
func moreIsLeft(ctx context.Context, s store.Store, q store.Query) (store.Result, error) {
	r, err := s.Select(ctx, q)
	r.More = true
	return r, err
}

// tiesReversed orders by trace id descending where starts are equal.
func tiesReversed(ctx context.Context, s store.Store, q store.Query) (store.Result, error) {
	r, err := s.Select(ctx, q)
	if err != nil || r.Spans.Len() < 2 {
		return r, err
	}
	spans := spansOf(r.Spans)
	slices.SortStableFunc(spans, func(a, b span.Span) int {
		if q.Order == store.Newest && a.Start == b.Start || q.Order == store.Slowest && a.Duration == b.Duration {
			return b.TraceID.Compare(a.TraceID)
		}
		return 0
	})
	r.Spans = &span.Batch{}
	for i := range spans {
		r.Spans.Append(&spans[i])
	}
	return r, nil
}

const mutantEnv = "STORETEST_MUTANT"

// TestMutant runs the suite on the mutant that the environment names; TestSuiteFindsMutants expects it
// to fail.
func TestMutant(t *testing.T) {
	name := os.Getenv(mutantEnv)
	if name == "" {
		return
	}
	Run(t, func(*testing.T) store.Store {
		m := mutants[name]
		m.Store = NewModel()
		return m
	})
}

// A suite that passes everything promises nothing: it must fail with each promise that is broken.
func TestSuiteFindsMutants(t *testing.T) {
	if testing.Short() {
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestMutant$", "-test.failfast")
			cmd.Env = append(os.Environ(), mutantEnv+"="+name)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--- FAIL: TestMutant") || strings.Contains(string(out), "panic:") {
				t.Errorf("the suite is content: %v\n%.2000s", err, out)
			}
		})
	}
}
