// Package calls says who calls whom, how often, and how that goes, of all spans in a time range: the service map. It keeps nothing
// and needs nothing but a [store.Store], so its answer is of what is stored, whenever and however that came there.
//
// A call is a span whose parent is in another service, or a client's span of a store; its duration and its error are
// those of that span.
//
// Up to a quarter of a million spans in the range are joined with their parents, all of them. Of more, a sample is: the
// latest of each of 64 parts of the range, in proportion to how many there are, so that the time it takes does not grow with the
// store. Parents that started before a part are looked up by trace, where there are not too many. What is found stands for the rest
// by the exact number of spans that each service has; and services of which the sample has few spans or none are asked
// for by name, so that a quiet one is there, too.
package calls

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// Edge is the calls of one service by another, or of a store by a service. Calls and Errors are estimates where
// the Graph looked at a sample; Durations are those that were looked at.
type Edge struct {
	Caller, Callee string
	Store          bool // Callee is a store, by its span type: mysql, redis
	Calls, Errors  float64
	Durations      store.Sketch // ns
}

// Graph is who calls whom.
type Graph struct {
	Edges   []Edge // in order of caller, then callee, stores last
	Looked  int    // spans that were joined; each has its parent in the range or before
	Spans   int    // in the range; more than were looked at says that the edges are estimates
	Skipped int    // quiet services that there was no time to ask for
}

// bounds of the work.
type bounds struct {
	all         int           // spans in the range up to which all are joined
	sample      int           // spans that are joined where there are more
	parts       int           // of the range
	orphans     int           // traces that are read for parents which started before their part
	few         uint64        // spans of a service in the sample that are enough to know whom it calls
	quietSpans  int           // of a quiet service that are looked at
	quietTraces int           // they may be of
	within      time.Duration // quiet services are asked for
}

var usual = bounds{
	all: 1 << 18, sample: 1 << 17, parts: 64, orphans: 256, few: 100, quietSpans: 400, quietTraces: 40, within: time.Second,
}

// In finds who called whom in a range of time.
func In(ctx context.Context, s store.Store, within store.TimeRange) (Graph, error) {
	return in(ctx, s, within, usual)
}

func in(ctx context.Context, s store.Store, within store.TimeRange, most bounds) (Graph, error) {
	oldest := s.Stats().OldestStart
	within.From = max(within.From, oldest)
	if within.To == 0 {
		within.To = time.Now().UnixNano()
	}
	if within.From >= within.To || oldest == 0 {
		return Graph{}, nil
	}
	step := max((within.To-within.From)/int64(most.parts), 1)
	groups, err := s.Aggregate(ctx, store.AggregateQuery{Range: within, By: []store.Field{store.ServiceName}, Step: time.Duration(step)})
	if err != nil {
		return Graph{}, err
	}
	l := look{store: s, bounds: most, total: map[string]uint64{}, seen: map[string]uint64{}, found: edges{}}
	byPart := map[int64]int{}
	for i := range groups {
		l.total[groups[i].Key[0]] += groups[i].Count
		byPart[groups[i].Time] += int(groups[i].Count)
		l.graph.Spans += int(groups[i].Count)
	}
	parts := []part{{within: within, spans: l.graph.Spans, orphans: most.orphans}}
	if l.graph.Spans > most.all {
		parts = parts[:0]
		for at, n := range byPart {
			parts = append(parts, part{
				within:  store.TimeRange{From: max(at, within.From), To: min(at+step, within.To)},
				spans:   (n*most.sample + l.graph.Spans - 1) / l.graph.Spans,
				orphans: (most.orphans + len(byPart) - 1) / len(byPart),
			})
		}
	}
	if err := inParallel(ctx, len(parts), func(ctx context.Context, i int) error { return l.part(ctx, parts[i]) }); err != nil {
		return Graph{}, err
	}
	result := edges{}
	for p, e := range l.found {
		of := p.callee // whose spans the calls are
		if p.isStore {
			of = p.caller
		}
		times := 1.0
		if n := l.seen[of]; n > 0 && n < l.total[of] {
			times = float64(l.total[of]) / float64(n)
		}
		result.add(edges{p: e}, times)
	}
	if l.graph.Spans > most.all {
		if err := l.quiet(ctx, within, result); err != nil {
			return Graph{}, err
		}
	}
	l.graph.Edges = result.list()
	return l.graph, nil
}

// look is one look at a store.
type look struct {
	bounds
	store store.Store
	total map[string]uint64 // spans by service

	mu    sync.Mutex // guards what follows
	seen  map[string]uint64
	found edges
	graph Graph
}

// part of the range, of which the latest so many spans are joined.
type part struct {
	within  store.TimeRange
	spans   int
	orphans int // traces to read for lost parents
}

func (l *look) part(ctx context.Context, p part) error {
	// A quarter more, that has the parents of the first.
	res, err := l.store.Select(ctx, store.Query{Range: p.within, Order: store.Newest, Limit: p.spans + p.spans/4 + 1, Brief: true})
	if err != nil {
		return err
	}
	b := res.Spans
	n := min(p.spans, b.Len())
	if n == 0 {
		return nil
	}
	found, orphans := join(b, func(row int) bool { return row < n })
	if err := l.adopt(ctx, b, orphans, p.orphans, found); err != nil {
		return err
	}
	p.within.From = max(p.within.From, b.Start[n-1])
	if err := l.stores(ctx, p.within, nil, found); err != nil {
		return err
	}
	seen := map[string]uint64{}
	services := servicesOf(b)
	for _, r := range b.Resource[:n] {
		seen[services[r]]++
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found.add(found, 1)
	l.graph.Looked += n
	for service, k := range seen {
		l.seen[service] += k
	}
	return nil
}

// adopt looks for the parents of rows in their traces, of a part of them if they are of too many, and adds the calls to found.
func (l *look) adopt(ctx context.Context, b *span.Batch, orphans []int, traces int, found edges) error {
	type identity struct {
		id   span.ID
		kind span.Kind
	}
	byTrace := map[span.TraceID]map[identity]bool{}
	var order []span.TraceID
	looked := 0
	for _, row := range orphans {
		id := b.TraceID[row]
		if byTrace[id] == nil {
			if len(order) == traces {
				continue
			}
			order = append(order, id)
			byTrace[id] = map[identity]bool{}
		}
		looked++
		byTrace[id][identity{b.SpanID[row], b.Kind[row]}] = true
	}
	return l.store.BriefTraces(ctx, order, func(i int, whole *span.Batch) error {
		wanted := byTrace[order[i]]
		calls, _ := join(whole, func(row int) bool { return wanted[identity{whole.SpanID[row], whole.Kind[row]}] })
		found.add(calls, float64(len(orphans))/float64(looked))
		return nil
	})
}

// stores adds the calls of stores in a range by all services, or by one; all of them, exactly.
func (l *look) stores(ctx context.Context, within store.TimeRange, of store.Expr, found edges) error {
	// Names of today's semantic conventions, and older ones.
	names := [...]store.Field{{Scope: store.OnSpan, Name: "db.system.name"}, {Scope: store.OnSpan, Name: "db.system"}}
	isClient := store.AllOf(store.HasKind(span.KindClient), of)
	for i, system := range names {
		filter := store.AllOf(isClient, store.Exists{Field: system})
		if i > 0 {
			filter = store.AllOf(filter, store.Not{X: store.Exists{Field: names[0]}})
		}
		groups, err := l.store.Aggregate(ctx, store.AggregateQuery{Filter: filter, Range: within, By: []store.Field{store.ServiceName, system}})
		if err != nil {
			return err
		}
		for i := range groups {
			g := &groups[i]
			found.at(pair{g.Key[0], span.StoreType(g.Key[1]), true}).count(g)
		}
	}
	return nil
}

// quiet asks for the services that the sample has too few spans of, and puts what they call and who calls them in place of what the
// sample says.
func (l *look) quiet(ctx context.Context, within store.TimeRange, result edges) error {
	var services []string
	for service, n := range l.total {
		if l.seen[service] < min(n, l.few) {
			services = append(services, service)
		}
	}
	slices.Sort(services) // for the same answer to the same question
	began := time.Now()
	into, from := make([]edges, len(services)), make([]edges, len(services))
	err := inParallel(ctx, len(services), func(ctx context.Context, i int) (err error) {
		if time.Since(began) > l.within {
			l.mu.Lock()
			l.graph.Skipped++
			l.mu.Unlock()
			return nil
		}
		into[i], from[i], err = l.ofService(ctx, within, services[i])
		return err
	})
	if err != nil {
		return err
	}
	isQuiet := map[string]bool{}
	for i, service := range services {
		isQuiet[service] = into[i] != nil
	}
	for p := range result {
		if isQuiet[p.caller] || isQuiet[p.callee] && !p.isStore {
			delete(result, p)
		}
	}
	for i := range services {
		result.add(into[i], 1)
		for p, e := range from[i] {
			if p.isStore || !isQuiet[p.callee] { // else it is among those into the callee
				result.add(edges{p: e}, 1)
			}
		}
	}
	return nil
}

// ofService are the calls of a service, and those it makes, from its latest spans.
func (l *look) ofService(ctx context.Context, within store.TimeRange, service string) (into, from edges, err error) {
	is := store.Is(store.ServiceName, service)
	res, err := l.store.Select(ctx, store.Query{Filter: is, Range: within, Order: store.Newest, Limit: l.quietSpans, Brief: true})
	if err != nil {
		return nil, nil, err
	}
	into, from = edges{}, edges{}
	var traces []span.TraceID
	seen := map[span.TraceID]bool{}
	for _, id := range res.Spans.TraceID {
		if !seen[id] && len(traces) < l.quietTraces {
			seen[id] = true
			traces = append(traces, id)
		}
	}
	looked := 0 // spans of the service
	err = l.store.BriefTraces(ctx, traces, func(_ int, whole *span.Batch) error {
		services := servicesOf(whole)
		for row, r := range whole.Resource {
			if services[r] == service && within.Contains(whole.Start[row]) {
				looked++
			}
		}
		found, _ := join(whole, func(row int) bool { return within.Contains(whole.Start[row]) })
		for p, e := range found {
			switch service {
			case p.callee:
				into.add(edges{p: e}, 1)
			case p.caller:
				from.add(edges{p: e}, 1)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	times := 1.0
	if looked > 0 {
		times = max(float64(l.total[service])/float64(looked), 1)
	}
	for _, found := range []edges{into, from} {
		for _, e := range found {
			e.Calls *= times
			e.Errors *= times
		}
	}
	return into, from, l.stores(ctx, within, is, from)
}

// inParallel calls f for 0 … n-1, as many at a time as there are processors, until one fails or the context is over.
func inParallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(min(runtime.GOMAXPROCS(0), 4))
	for i := range n {
		if each.Err() != nil {
			break
		}
		group.Go(func() error { return f(each, i) })
	}
	return cmp.Or(group.Wait(), ctx.Err())
}
