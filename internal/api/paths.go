package api

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// pathRow is one path of a request or of many. Times are ns.
type pathRow struct {
	ID       string  `json:"id"`
	Depth    int     `json:"depth"`
	Service  string  `json:"service"`
	Label    string  `json:"label"`
	Calls    int     `json:"calls"`
	Errors   int     `json:"errors"`
	Most     int     `json:"most"`
	Total    int64   `json:"total"`
	Self     int64   `json:"self"`
	Critical int64   `json:"critical"`
	Serial   float64 `json:"serial"`
}

func newPathRow(s *analyze.PathStats) pathRow {
	return pathRow{
		pathID(s.Path), s.Depth, s.Service, cutName(s.Label), s.Count, s.Errors, s.Most, s.Total, s.Self, s.Critical, s.Serial(),
	}
}

// pathID is the id of a path: 16 hex digits.
func pathID(p *analyze.Path) string { return span.ID(p.ID).String() }

// paths merges what lies at and below a row by path.
func (s *server) paths(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	t, row, err := s.treeAndRow(ctx, p, id)
	if err != nil {
		return nil, err
	}
	var pop analyze.Population
	pop.Add(analyze.NewProfiler().Profile(t, row))
	rows := []pathRow{}
	for _, total := range pop.Paths() {
		rows = append(rows, newPathRow(&total.PathStats))
	}
	return json.Marshal(struct {
		Row      int       `json:"row"`
		Spans    int       `json:"spans"`
		Duration int64     `json:"duration"`
		Paths    []pathRow `json:"paths"`
	}{row, int(t.End[row]) - row, t.Length[row], rows})
}

// leastPeers is how many spans of a kind make a percentile worth telling.
const leastPeers = 20

// percentile says where a span stands among those of its service, name and kind that started within half an
// hour of it, or in the range given.
func (s *server) percentile(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	t, row, err := s.treeAndRow(ctx, p, id)
	if err != nil {
		return nil, err
	}
	b, r := t.Batch, int(t.Row[row])
	const around = int64(30 * time.Minute)
	within := store.TimeRange{From: max(b.Start[r]-around, 0), To: addTime(b.Start[r], around)}
	if p.values.Get("from") != "" || p.values.Get("to") != "" {
		if within = p.timeRange(false); p.err != nil {
			return nil, p.err
		}
	}
	service, name := t.Services[t.Service[row]], t.Names[t.Name[row]]
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{
		Filter: store.AllOf(store.Is(store.ServiceName, service), store.Is(store.Name, name), store.HasKind(b.Kind[r])), Range: within,
	})
	if err != nil {
		return nil, err
	}
	answer := struct {
		Row        int      `json:"row"`
		Service    string   `json:"service"`
		Name       string   `json:"name"`
		Kind       string   `json:"kind"`
		From       string   `json:"from"`
		To         string   `json:"to"`
		Count      uint64   `json:"count"`
		Percentile *float64 `json:"percentile"`
		P50        int64    `json:"p50"`
		P95        int64    `json:"p95"`
	}{
		Row: row, Service: cutName(service), Name: cutName(name), Kind: b.Kind[r].String(),
		From: number(within.From), To: number(within.To),
	}
	if len(groups) > 0 {
		d := &groups[0].Durations
		answer.Count, answer.P50, answer.P95 = d.Count(), d.Quantile(0.50), d.Quantile(0.95)
		if answer.Count >= leastPeers {
			share := float64(d.Below(t.Length[row])) / float64(answer.Count)
			answer.Percentile = &share
		}
	}
	return json.Marshal(answer)
}

// addTime is a time after another, held within what a time can be.
func addTime(ns, after int64) int64 { return ns + min(after, math.MaxInt64-ns) }
