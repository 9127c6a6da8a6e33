package api

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/fuwu-project/fuwu/internal/calls"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// edgeRow is the calls between two nodes of the map. Times are ns; quantiles are within 1.1 % of those looked at.
type edgeRow struct {
	Caller string  `json:"caller"`
	Callee string  `json:"callee"`
	Store  bool    `json:"store"`
	Calls  int64   `json:"calls"`
	Rate   float64 `json:"rate"`
	Errors int64   `json:"errors"`
	P50    int64   `json:"p50"`
	P95    int64   `json:"p95"`
}

// serviceMap has who calls whom: all, or what is at most so many calls away from one service.
func (s *server) serviceMap(ctx context.Context, p *params) ([]byte, error) {
	within := p.timeRange(false)
	service := p.text("service")
	hops := p.number("hops", 1, 1, 20)
	if p.err != nil {
		return nil, p.err
	}
	graph, err := calls.In(ctx, s.Store, within)
	if err != nil {
		return nil, err
	}
	if service != "" {
		graph.Edges = near(graph.Edges, service, hops)
	}
	since := s.stored(within)
	seconds := max(time.Duration(since.To-since.From).Seconds(), 1)
	edges := []edgeRow{}
	for i := range graph.Edges {
		e := &graph.Edges[i]
		edges = append(edges, edgeRow{
			Caller: e.Caller, Callee: e.Callee, Store: e.Store, Calls: int64(math.Round(e.Calls)), Rate: e.Calls / seconds, Errors: int64(math.Round(e.Errors)),
			P50: e.Durations.Quantile(0.50), P95: e.Durations.Quantile(0.95),
		})
	}
	return json.Marshal(struct {
		From    string    `json:"from"`
		To      string    `json:"to"`
		Since   string    `json:"since"`
		Spans   int       `json:"spans"`
		Matched int       `json:"matched"`
		Skipped int       `json:"skipped,omitempty"`
		Edges   []edgeRow `json:"edges"`
	}{number(within.From), number(within.To), number(since.From), graph.Looked, graph.Spans, graph.Skipped, edges})
}

// near keeps the calls among what is at most so many calls away from a service, in either direction. A store is
// no way on: everybody calls it.
func near(edges []calls.Edge, service string, hops int) []calls.Edge {
	away := map[string]int{service: 0}
	for hop := 1; hop <= hops; hop++ {
		for i := range edges {
			e := &edges[i]
			if e.Store {
				continue
			}
			for _, ends := range [...][2]string{{e.Caller, e.Callee}, {e.Callee, e.Caller}} {
				if at, ok := away[ends[0]]; ok && at == hop-1 {
					if _, ok := away[ends[1]]; !ok {
						away[ends[1]] = hop
					}
				}
			}
		}
	}
	return slices.DeleteFunc(edges, func(e calls.Edge) bool {
		from, ok := away[e.Caller]
		if e.Store {
			return !ok || from >= hops
		}
		to, alsoTo := away[e.Callee]
		return !ok || !alsoTo || from == hops && to == hops
	})
}

// serviceRow is one line of /services. Times are ns; quantiles are within 1.1 %.
type serviceRow struct {
	Service string `json:"service"`
	redRow
}

// services has rate, errors and durations by service, of what services were asked: spans of servers and consumers,
// and roots.
func (s *server) services(ctx context.Context, p *params) ([]byte, error) {
	within := p.timeRange(false)
	limit := p.number("limit", 100, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	asked := store.Or{X: store.Or{X: store.HasKind(span.KindServer), Y: store.HasKind(span.KindConsumer)}, Y: store.IsRoot()}
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: asked, Range: within, By: []store.Field{store.ServiceName, store.Name}})
	if err != nil {
		return nil, err
	}
	all := timeOf(groups)
	byService := map[string][]store.Group{}
	for _, g := range groups {
		byService[g.Key[0]] = append(byService[g.Key[0]], g)
	}
	rows := make([]serviceRow, 0, len(byService))
	for service, groups := range byService {
		row := serviceRow{service, s.red(within, groups)}
		if all > 0 {
			row.Share = timeOf(groups) / all
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(x, y serviceRow) int {
		return cmp.Or(cmp.Compare(y.Share, x.Share), cmp.Compare(y.Requests, x.Requests), cmp.Compare(x.Service, y.Service))
	})
	return json.Marshal(struct {
		From     string       `json:"from"`
		To       string       `json:"to"`
		Total    int          `json:"total"`
		Services []serviceRow `json:"services"`
	}{number(within.From), number(within.To), len(rows), rows[:min(limit, len(rows))]})
}
