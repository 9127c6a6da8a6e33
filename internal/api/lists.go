package api

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// maxRows bounds the rows of a list.
const maxRows = 1000

// maxTied bounds the endpoints beyond the listed ones whose slowest request is looked up because they may be slower.
const maxTied = 1000

// endpointRow is one line of /endpoints. Rate and share are of those requests too that were not recorded, by estimate. Durations are ns; quantiles are within
// 1.1 %.
type endpointRow struct {
	Service      string  `json:"service"`
	Name         string  `json:"name"`
	Count        uint64  `json:"count"`
	Stands       float64 `json:"stands"` // for how many requests these stand
	Rate         float64 `json:"rate"`
	Errors       uint64  `json:"errors"`
	Mean         int64   `json:"mean"`
	P50          int64   `json:"p50"`
	P95          int64   `json:"p95"`
	P99          int64   `json:"p99"`
	Max          int64   `json:"max"`
	Share        float64 `json:"share"`
	SlowestTrace string  `json:"slowestTrace"`
	Findings     int     `json:"findings"` // new, open or back

	Before *figuresBefore `json:"before,omitempty"`

	time   float64 // of all requests, ns
	bucket int     // of the sketch, that the slowest span is in
}

// figuresBefore are those of an endpoint at the time to compare with.
type figuresBefore struct {
	Count  uint64  `json:"count"`
	Rate   float64 `json:"rate"`
	Errors uint64  `json:"errors"`
	Mean   int64   `json:"mean"`
	P50    int64   `json:"p50"`
	P95    int64   `json:"p95"`
}

// addBefore adds to each row what it was at an earlier time.
func (s *server) addBefore(ctx context.Context, rows []endpointRow, roots store.Expr, earlier store.TimeRange) error {
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: roots, Range: earlier, By: []store.Field{store.ServiceName, store.Name}})
	if err != nil {
		return err
	}
	at := make(map[[2]string]int, len(rows))
	for i := range rows {
		at[[2]string{rows[i].Service, rows[i].Name}] = i
		rows[i].Before = &figuresBefore{}
	}
	for i := range groups {
		if row, ok := at[[2]string{groups[i].Key[0], groups[i].Key[1]}]; ok {
			r := s.red(earlier, groups[i:i+1])
			rows[row].Before = &figuresBefore{r.Requests, r.Rate, r.Errors, r.Mean, r.P50, r.P95}
		}
	}
	return nil
}

func (s *server) endpoints(ctx context.Context, p *params) ([]byte, error) {
	r := p.timeRange(false)
	service := p.text("service")
	order := p.oneOf("sort", "time", "p95", "rate", "errors", "slowest")
	limit := p.number("limit", 100, 1, maxRows)
	compared := p.values.Get("before") != ""
	earlier := p.before(r)
	if p.err != nil {
		return nil, p.err
	}
	roots := store.IsRoot()
	if service != "" {
		roots = store.AllOf(roots, store.Is(store.ServiceName, service))
	}
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: roots, Range: r, By: []store.Field{store.ServiceName, store.Name}})
	if err != nil {
		return nil, err
	}
	rows := make([]endpointRow, 0, len(groups))
	// What was not stored yet is no part of a rate: a server that is a minute old does not have an hour's.
	from := r.From
	if oldest := s.Store.Stats().OldestStart; oldest > from {
		from = min(oldest, r.To)
	}
	seconds := max(time.Duration(r.To-from).Seconds(), 1)
	all := timeOf(groups)
	for i := range groups {
		g := &groups[i]
		d := &g.Durations
		row := endpointRow{
			Service: g.Key[0], Name: g.Key[1], Count: g.Count, Stands: g.Stands, Errors: g.Errors, time: timeOf(groups[i : i+1]),
			Rate: g.Stands / seconds,
			Mean: g.Sum / int64(max(g.Count, 1)),
			P50:  d.Quantile(0.50), P95: d.Quantile(0.95), P99: d.Quantile(0.99), Max: d.Quantile(1),
			bucket: -1,
		}
		for at, n := range d.Counts {
			if n > 0 {
				row.bucket = d.First + at
			}
		}
		if all > 0 {
			row.Share = row.time / all
		}
		rows = append(rows, row)
	}

	sortEndpoints(rows, order)
	listed := rows[:min(limit, len(rows))]
	if order == "slowest" && len(rows) > limit {
		// So far the order is by bucket of the sketch. Whoever shares the last bucket of the page may be
		// slower than those on it: ask for the exact figures of these, too.
		n := limit
		for n < min(len(rows), limit+maxTied) && rows[n].bucket == rows[limit-1].bucket {
			n++
		}
		listed = rows[:n]
	}
	err = each(ctx, len(listed), func(ctx context.Context, i int) error {
		row := &listed[i]
		res, err := s.Store.Select(ctx, store.Query{
			Filter: store.AllOf(store.IsRoot(), store.Is(store.ServiceName, row.Service), store.Is(store.Name, row.Name)),
			Range:  r, Order: store.Slowest, Limit: 1,
		})
		if err == nil && res.Spans.Len() > 0 {
			row.Max, row.SlowestTrace = res.Spans.Duration[0], res.Spans.TraceID[0].String()
			row.P50, row.P95, row.P99 = min(row.P50, row.Max), min(row.P95, row.Max), min(row.P99, row.Max)
			if row.Count == 1 {
				row.P50, row.P95, row.P99 = row.Max, row.Max, row.Max
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	switch order { // by the figures that are now exact
	case "slowest":
		slices.SortStableFunc(listed, func(a, b endpointRow) int { return cmp.Compare(b.Max, a.Max) })
	case "p95":
		slices.SortStableFunc(listed, func(a, b endpointRow) int { return cmp.Compare(b.P95, a.P95) })
	}
	listed = listed[:min(limit, len(listed))]
	if compared {
		if err := s.addBefore(ctx, listed, roots, earlier); err != nil {
			return nil, err
		}
	}
	found := s.findingCounts()
	for i := range listed {
		listed[i].Findings = found[[2]string{listed[i].Service, listed[i].Name}]
	}
	return json.Marshal(struct {
		From      string        `json:"from"`
		To        string        `json:"to"`
		Total     int           `json:"total"`
		Endpoints []endpointRow `json:"endpoints"`
	}{number(r.From), number(r.To), len(rows), listed})
}

func sortEndpoints(rows []endpointRow, order string) {
	slices.SortFunc(rows, func(a, b endpointRow) int {
		c := 0
		switch order {
		case "time":
			c = cmp.Compare(b.time, a.time)
		case "p95":
			c = cmp.Compare(b.P95, a.P95)
		case "rate":
			c = cmp.Compare(b.Stands, a.Stands)
		case "errors":
			c = cmp.Compare(b.Errors, a.Errors)
		case "slowest":
			c = cmp.Compare(b.bucket, a.bucket)
		}
		return cmp.Or(c, cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
}

type traceRow struct {
	TraceID  string     `json:"traceId"`
	Start    string     `json:"start"`
	Duration int64      `json:"duration"`
	Spans    int        `json:"spans"`
	Errors   int        `json:"errors"`
	Services []string   `json:"services"`
	Root     *rootBrief `json:"root"`
	Match    matchBrief `json:"match"`
}

type rootBrief struct {
	Service  string `json:"service"`
	Name     string `json:"name"`
	Duration int64  `json:"duration"`
}

type matchBrief struct {
	SpanID   string `json:"spanId"`
	Service  string `json:"service"`
	Name     string `json:"name"`
	Start    string `json:"start"`
	Duration int64  `json:"duration"`
	Error    bool   `json:"error"`
}

func (s *server) traces(ctx context.Context, p *params) ([]byte, error) {
	q := store.Query{Filter: p.filter(), Range: p.timeRange(false), Brief: true, OnePerTrace: true}
	if p.oneOf("sort", "newest", "slowest") == "slowest" {
		q.Order = store.Slowest
	}
	q.Limit = p.number("limit", 20, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	res, err := s.Store.Select(ctx, q)
	if err != nil {
		return nil, err
	}
	b := res.Spans
	rows := make([]traceRow, b.Len())
	most := (len(rows) + workers() - 1) / workers() // together, to share what is read for them
	parts := slices.Collect(slices.Chunk(b.TraceID, max(most, 1)))
	err = each(ctx, len(parts), func(ctx context.Context, part int) error {
		var summaries analyze.Summarizer
		return s.Store.BriefTraces(ctx, parts[part], func(i int, all *span.Batch) error {
			i += part * most
			rows[i] = summary(summaries.Summarize(all))
			rows[i].TraceID = b.TraceID[i].String()
			rows[i].Match = matchBrief{
				SpanID: b.SpanID[i].String(), Service: b.Service(i), Name: b.String(b.Name[i]),
				Start: number(b.Start[i]), Duration: b.Duration[i], Error: b.Status[i] == span.StatusError,
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r traceRow) bool { return r.TraceID == "" }) // retention took it between the two questions
	var unknown []unknownKey
	if res.Matched == 0 {
		if unknown, err = s.unknownKeys(ctx, q.Filter, q.Range); err != nil {
			return nil, err
		}
	}
	return json.Marshal(struct {
		From    string       `json:"from"`
		To      string       `json:"to"`
		Matched int          `json:"matched"`
		More    bool         `json:"more,omitempty"`
		Unknown []unknownKey `json:"unknown,omitempty"`
		Traces  []traceRow   `json:"traces"`
	}{number(q.Range.From), number(q.Range.To), res.Matched, res.More, unknown, rows})
}

// summary is what the request page says at its top, by the same rules.
func summary(t analyze.Summary) traceRow {
	row := traceRow{
		Start: number(t.Start), Duration: t.Duration, Spans: t.Spans, Errors: t.Errors, Services: t.Services,
	}
	if r := t.Root; r != nil {
		row.Root = &rootBrief{r.Service, r.Name, r.Length}
	}
	return row
}

// maxNames bounds the names counted in total.
const maxNames = 10_000

func (s *server) names(ctx context.Context, p *params) ([]byte, error) {
	of := p.oneOf("of", "services", "operations", "keys", "values")
	q := store.NamesQuery{Service: p.text("service"), Prefix: p.text("prefix"), Range: p.timeRange(true), Limit: maxNames}
	limit := p.number("limit", maxRows, 1, maxNames)
	key := p.text("key")
	if p.err != nil {
		return nil, p.err
	}
	switch of {
	case "services":
		q.Of = store.Services
	case "operations":
		q.Of = store.Operations
	case "keys":
		q.Of = store.Keys
	case "values":
		q.Of = store.Values
		if strings.TrimSpace(key) == "" {
			return nil, badRequest("of=values needs key, the field whose values are wanted, as a filter names it: resource.service.name, span.http.route")
		}
		e, err := store.ParseFilter(key + " != nil")
		exists, ok := e.(store.Exists)
		if err != nil || !ok {
			return nil, badRequest("key=%s is not a field as a filter names it: resource.service.name, span.http.route", clip(key))
		}
		q.Field = exists.Field
	}
	names, err := s.Store.Names(ctx, q)
	if err != nil {
		return nil, err
	}
	if names == nil {
		names = []string{}
	}
	return json.Marshal(struct {
		Names []string `json:"names"`
		Total int      `json:"total"`
	}{names[:min(limit, len(names))], len(names)})
}

func (s *server) status(context.Context, *params) ([]byte, error) {
	st := s.Store.Stats()
	in := Ingest{}
	if s.Ingest != nil {
		in = s.Ingest()
	}
	if st.SetAside == nil {
		st.SetAside = []string{}
	}
	if in.Refused == nil {
		in.Refused = map[string]int64{}
	}
	return json.Marshal(struct {
		Version   string           `json:"version"`
		Spans     int64            `json:"spans"`
		Bytes     int64            `json:"bytes"`
		HeadSpans int64            `json:"headSpans"`
		LogBytes  int64            `json:"logBytes"`
		Segments  int              `json:"segments"`
		Clamped   int64            `json:"clamped"`
		Oldest    string           `json:"oldest"`
		SetAside  []string         `json:"setAside"`
		Received  int64            `json:"received"`
		Rejected  int64            `json:"rejected"`
		Refused   map[string]int64 `json:"refused"`
	}{
		s.Version, st.Spans, st.Bytes, st.HeadSpans, st.LogBytes, st.Segments, st.Clamped, number(st.OldestStart),
		st.SetAside, in.Received, in.Rejected, in.Refused,
	})
}
