package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// tb is what *testing.T and *rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// pair is a store under test with the model beside it. Its methods ask both and compare.
type pair struct {
	tb     tb
	got    store.Store
	model  *model // each span once
	copies *model // what was appended again counted again
	asked  int    // Selects
}

func newPair(t tb, s store.Store) *pair {
	return &pair{tb: t, got: s, model: newModel(false), copies: newModel(true)}
}

// append stores the spans as one batch.
func (p *pair) append(spans ...span.Span) {
	p.tb.Helper()
	b := &span.Batch{}
	for i := range spans {
		b.Append(&spans[i])
	}
	p.appendBatch(b)
}

// appendBatch stores b and then scribbles over it, since the store keeps no reference to it.
func (p *pair) appendBatch(b *span.Batch) {
	p.tb.Helper()
	ctx := context.Background()
	for _, m := range []*model{p.model, p.copies} {
		if err := m.Append(ctx, b); err != nil {
			p.tb.Fatalf("the model: %v", err)
		}
	}
	mine := clone(b)
	if err := p.got.Append(ctx, mine); err != nil {
		p.tb.Fatalf("Append of %d spans: %v", b.Len(), err)
	}
	scribble(mine)
}

// clone is a deep copy of what the batch holds, without what is garbage.
func clone(b *span.Batch) *span.Batch {
	c := &span.Batch{}
	for i := range b.Len() {
		s := b.Span(i)
		c.Append(&s)
	}
	return c
}

// scribble spoils all of a batch's memory.
func scribble(b *span.Batch) {
	text := b.Bytes(span.Text{Len: uint32(b.TextLen())})
	for i := range text {
		text[i] = '#'
	}
	for i := range b.Len() {
		b.TraceID[i], b.SpanID[i], b.Parent[i], b.Start[i], b.Duration[i] = span.TraceID{Hi: 1, Lo: 1}, 1, 1, 1, 1
		b.Name[i], b.Attrs[i], b.Kind[i], b.Status[i] = span.Text{}, span.Range{}, 0, 0
	}
	clear(b.Values)
	clear(b.Events)
	clear(b.Links)
	clear(b.Resources)
	clear(b.Scopes)
}

func spansOf(b *span.Batch) []span.Span {
	var spans []span.Span
	for i := range b.Len() {
		spans = append(spans, b.Span(i))
	}
	return spans
}

func resourcesOf(b *span.Batch) []span.Resource {
	list := make([]span.Resource, len(b.Resources))
	for i, r := range b.Resources {
		list[i] = span.Resource{Dropped: r.Dropped, SchemaURL: b.String(r.SchemaURL)}
		for _, a := range b.Values[r.Attrs.From:r.Attrs.To] {
			list[i].Attrs = append(list[i].Attrs, span.Attribute{Key: b.String(a.Key), Value: b.Value(a)})
		}
	}
	return list
}

// differ is a readable difference, or "".
func differ(want, got any) string {
	d := cmp.Diff(want, got)
	const most = 4000 // a difference in a very long text helps nobody
	if len(d) > most {
		d = d[:most] + "…"
	}
	return d
}

func (p *pair) trace(id span.TraceID) {
	p.tb.Helper()
	want, wantErr := p.model.Trace(context.Background(), id)
	got, err := p.got.Trace(context.Background(), id)
	switch {
	case wantErr != nil:
		if !errors.Is(err, wantErr) {
			p.tb.Fatalf("Trace(%v): error %v, want %v", id, err, wantErr)
		}
		return
	case err != nil:
		p.tb.Fatalf("Trace(%v): %v", id, err)
	}
	if d := differ(spansOf(want), spansOf(got)); d != "" {
		p.tb.Fatalf("Trace(%v) (-want +got):\n%s", id, d)
	}
	scribble(got)
	p.briefTraces([]span.TraceID{id})
}

// traces asks for every trace there is, in full and in brief.
func (p *pair) traces() {
	p.tb.Helper()
	var ids []span.TraceID
	for id := range p.model.traces {
		p.trace(id)
		ids = append(ids, id, span.TraceID{Hi: id.Lo, Lo: ^id.Hi}) // as good as never there
	}
	p.briefTraces(append(ids, ids...))
}

func (p *pair) briefTraces(ids []span.TraceID) {
	p.tb.Helper()
	type brief struct {
		at    int
		spans any
	}
	ask := func(s store.Store) (list []brief) {
		resources := map[*span.Batch][]span.Resource{} // of each batch, when it came last
		err := s.BriefTraces(context.Background(), ids, func(i int, b *span.Batch) error {
			list = append(list, brief{i, spansOf(b)})
			now := resourcesOf(b)
			if had := resources[b]; len(now) < len(had) || len(had) > 0 && differ(had, now[:len(had)]) != "" {
				return fmt.Errorf("a batch has the resources\n%v\nand had\n%v", now, had)
			}
			resources[b] = now
			return nil
		})
		if err != nil {
			p.tb.Fatalf("BriefTraces: %v", err)
		}
		return list
	}
	want, got := ask(p.model), ask(p.got)
	if d := cmp.Diff(want, got, cmp.AllowUnexported(brief{})); d != "" {
		p.tb.Fatalf("BriefTraces (-want +got):\n%s", d)
	}
	enough, times := errors.New("enough"), 0
	err := p.got.BriefTraces(context.Background(), ids, func(int, *span.Batch) error {
		times++
		return enough
	})
	if len(want) > 0 && (times != 1 || !errors.Is(err, enough)) {
		p.tb.Fatalf("BriefTraces called do %d times, whose error was the first's, and returned %v", times, err)
	}
}

func show(e store.Expr) string {
	if e == nil {
		return "{}"
	}
	return "{ " + e.String() + " }"
}

// sel asks the query in its variants, in full or brief, counted or not and one span of a trace or all, each of which must be as the
// model has it.
func (p *pair) sel(q store.Query) {
	p.tb.Helper()
	p.asked++
	q.Count, q.Brief = p.asked%2 == 0, p.asked%3 == 0
	p.selOne(q)
	q.Count, q.OnePerTrace = !q.Count, p.asked%4 < 2
	p.selOne(q)
}

func (p *pair) selOne(q store.Query) {
	p.tb.Helper()
	ctx := context.Background()
	want, _ := p.model.Select(ctx, q)
	most, _ := p.copies.Select(ctx, q)
	got, err := p.got.Select(ctx, q)
	where := fmt.Sprintf("Select(%s, range %v, order %d, limit %d, count %t, brief %t, one per trace %t)", show(q.Filter), q.Range, q.Order, q.Limit, q.Count, q.Brief, q.OnePerTrace)
	if err != nil {
		p.tb.Fatalf("%s: %v", where, err)
	}
	if got.Spans == nil {
		p.tb.Fatalf("%s: no batch", where)
	}
	if d := differ(spansOf(want.Spans), spansOf(got.Spans)); d != "" {
		p.tb.Fatalf("%s (-want +got):\n%s", where, d)
	}
	least := want.Matched
	if got.More {
		least = got.Spans.Len()
	}
	if got.Matched < least || got.Matched > most.Matched || got.More && q.Count {
		p.tb.Fatalf("%s: %d matched, more %t, want %d (%d with copies)", where, got.Matched, got.More, want.Matched, most.Matched)
	}
	scribble(got.Spans)
}

func (p *pair) aggregate(q store.AggregateQuery) {
	p.tb.Helper()
	ctx := context.Background()
	wants, _ := p.model.Aggregate(ctx, q)
	mosts, _ := p.copies.Aggregate(ctx, q)
	gots, err := p.got.Aggregate(ctx, q)
	where := fmt.Sprintf("Aggregate(%s, range %v, by %v, step %v)", show(q.Filter), q.Range, q.By, q.Step)
	if err != nil {
		p.tb.Fatalf("%s: %v", where, err)
	}
	got := byID(gots)
	most := byID(mosts)
	if len(got) != len(gots) || len(got) != len(wants) {
		p.tb.Fatalf("%s: %d groups, %d of them different, want %d: %v", where, len(gots), len(got), len(wants), gots)
	}
	for _, w := range wants {
		id := groupID(&w)
		g, ok := got[id]
		if !ok {
			p.tb.Fatalf("%s: group %s is missing", where, id)
		}
		m := most[id]
		switch {
		case g.Count < w.Count || g.Count > m.Count || g.Errors < w.Errors || g.Errors > m.Errors || g.Sum < w.Sum || g.Sum > m.Sum, g.Stands < w.Stands || g.Stands > m.Stands:
			p.tb.Fatalf("%s, group %s: count %d standing for %v errors %d sum %d, want %d %v %d %d", where, id, g.Count, g.Stands, g.Errors, g.Sum, w.Count, w.Stands, w.Errors, w.Sum)
		case g.Durations.Count() != g.Count:
			p.tb.Fatalf("%s, group %s: the sketch counts %d, the group %d", where, id, g.Durations.Count(), g.Count)
		case w.Count != m.Count: // with copies the quantiles may be anything between
		default:
			for _, quantile := range []float64{0, .5, .9, 1} {
				if a, b := w.Durations.Quantile(quantile), g.Durations.Quantile(quantile); a != b {
					p.tb.Fatalf("%s, group %s: quantile %v is %d, want %d", where, id, quantile, b, a)
				}
			}
		}
	}
}

func byID(groups []store.Group) map[string]store.Group {
	m := map[string]store.Group{}
	for _, g := range groups {
		m[groupID(&g)] = g
	}
	return m
}

func (p *pair) names(q store.NamesQuery) {
	p.tb.Helper()
	ctx := context.Background()
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	must, may := q, q
	must.Limit, may.Limit = math.MaxInt, math.MaxInt
	may.Range = store.TimeRange{}
	want, _ := p.model.Names(ctx, must)
	most, _ := p.model.Names(ctx, may)
	got, err := p.got.Names(ctx, q)
	where := fmt.Sprintf("Names(%d, service %q, field %v, prefix %q, range %v, limit %d)", q.Of, q.Service, q.Field, q.Prefix, q.Range, q.Limit)
	if err != nil {
		p.tb.Fatalf("%s: %v", where, err)
	}
	if len(got) > limit {
		p.tb.Fatalf("%s: %d names", where, len(got))
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		p.tb.Fatalf("%s: not sorted, or not each once: %q", where, got)
	}
	for _, n := range got {
		if _, ok := slices.BinarySearch(most, n); !ok {
			p.tb.Fatalf("%s: %q is not to be found in the store", where, n)
		}
	}
	if len(got) == limit { // cut: nothing that sorts before the end is missing
		i, _ := slices.BinarySearch(want, got[limit-1])
		want = want[:i]
	}
	for _, n := range want {
		if _, ok := slices.BinarySearch(got, n); !ok {
			p.tb.Fatalf("%s: %q is missing in %q", where, n, got)
		}
	}
}

func (p *pair) stats() {
	p.tb.Helper()
	got, want, most := p.got.Stats(), p.model.Stats(), p.copies.Stats()
	if got.Spans < want.Spans || got.Spans > most.Spans || got.OldestStart != want.OldestStart {
		p.tb.Fatalf("Stats: %d spans, oldest %d; want %d (%d with copies), oldest %d", got.Spans, got.OldestStart, want.Spans, most.Spans, want.OldestStart)
	}
}
