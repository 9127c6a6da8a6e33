package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// endpointOf is the filter for the requests of an endpoint: root spans of a service and a name, and what q asks
// of them.
func (p *params) endpointOf() (service, name string, filter store.Expr) {
	service, name = p.text("service"), p.text("name")
	if service == "" || !p.values.Has("name") {
		p.fail("say which endpoint: service=…&name=…, as /endpoints lists them")
	}
	return service, name, store.AllOf(store.IsRoot(), store.Is(store.ServiceName, service), store.Is(store.Name, name), p.filter())
}

// redRow are rate, errors and durations of requests in a range. Rate and share are of those too that were not recorded, by estimate. Times are ns;
// quantiles are within 1.1 %.
type redRow struct {
	From       string  `json:"from"`
	To         string  `json:"to"`
	Requests   uint64  `json:"requests"`
	Stands     float64 `json:"stands"` // for how many requests these stand
	Rate       float64 `json:"rate"`
	Errors     uint64  `json:"errors"`
	ErrorRatio float64 `json:"errorRatio"`
	Mean       int64   `json:"mean"`
	P50        int64   `json:"p50"`
	P95        int64   `json:"p95"`
	P99        int64   `json:"p99"`
	Share      float64 `json:"share"` // of the time spent in all requests
}

// stored is the part of the range since the oldest span stored: a server that is a minute old does not have an
// hour's requests.
func (s *server) stored(r store.TimeRange) store.TimeRange {
	if oldest := s.Store.Stats().OldestStart; oldest > r.From {
		r.From = min(oldest, r.To)
	}
	return r
}

func (s *server) red(within store.TimeRange, groups []store.Group) redRow {
	sum, row := total(groups), redRow{From: number(within.From), To: number(within.To)}
	row.Requests, row.Stands, row.Errors = sum.Count, sum.Stands, sum.Errors
	if sum.Count == 0 {
		return row
	}
	since := s.stored(within)
	row.Rate = sum.Stands / max(time.Duration(since.To-since.From).Seconds(), 1)
	row.ErrorRatio = float64(sum.Errors) / float64(sum.Count)
	row.Mean = sum.Sum / int64(sum.Count)
	row.P50, row.P95, row.P99 = sum.Durations.Quantile(0.50), sum.Durations.Quantile(0.95), sum.Durations.Quantile(0.99)
	return row
}

// total is the sum of groups.
func total(groups []store.Group) (sum store.Group) {
	for i := range groups {
		g := &groups[i]
		sum.Count += g.Count
		sum.Stands += g.Stands
		sum.Errors += g.Errors
		sum.Sum += g.Sum
		sum.Durations.Merge(&g.Durations)
	}
	return sum
}

// timeOf is the time that the spans took for which those of the groups stand, ns. Each group is to be of spans that are sampled alike, such as
// those of an endpoint.
func timeOf(groups []store.Group) (ns float64) {
	for i := range groups {
		if g := &groups[i]; g.Count > 0 {
			ns += float64(g.Sum) * g.Stands / float64(g.Count)
		}
	}
	return ns
}

// shifted is the range so much earlier.
func shifted(r store.TimeRange, by int64) store.TimeRange {
	return store.TimeRange{From: max(r.From-by, 0), To: max(r.To-by, 0)}
}

// before is the range to compare with: as far back as the parameter before says, by default as long as the range
// is, so that it ends where the range begins.
func (p *params) before(r store.TimeRange) store.TimeRange {
	by := r.To - r.From
	if v := p.values.Get("before"); v != "" {
		d, err := parseDuration(v)
		if err != nil || d <= 0 {
			p.fail("before=%s: how far back to compare with, such as 1h, 1d or 1w", clip(v))
			return r
		}
		by = int64(d)
	}
	return shifted(r, by)
}

const (
	maxColumns    = 240
	rowsPerDouble = 4 // rows of a heatmap as its duration doubles
)

// heatmap has the requests by time and duration. Counts has a list for each column of time, from Start on, of a
// number for each row; row i holds durations above Edges[i] and up to Edges[i+1], ns.
type heatmap struct {
	Start  string     `json:"start"`
	Step   int64      `json:"step"`
	Edges  []int64    `json:"edges"`
	Counts [][]uint64 `json:"counts"`
	Errors []uint64   `json:"errors"` // by column
}

// roundTimes are the widths of columns, ns.
var roundTimes = func() (list []int64) {
	for _, unit := range []struct {
		of    time.Duration
		times []int64
	}{
		{time.Millisecond, []int64{1, 2, 5, 10, 20, 50, 100, 200, 500}},
		{time.Second, []int64{1, 2, 5, 10, 15, 30}},
		{time.Minute, []int64{1, 2, 5, 10, 15, 30}},
		{time.Hour, []int64{1, 2, 3, 6, 12}},
	} {
		for _, n := range unit.times {
			list = append(list, n*int64(unit.of))
		}
	}
	return list
}()

// columnWidth is the least round time of which the range has at most so many; beyond half a day it is whole days.
func columnWidth(r store.TimeRange, columns int) time.Duration {
	const day = int64(24 * time.Hour)
	least := (r.To - r.From + int64(columns) - 1) / int64(columns)
	if i, _ := slices.BinarySearch(roundTimes, least); i < len(roundTimes) {
		return time.Duration(roundTimes[i])
	}
	return time.Duration((least + day - 1) / day * day)
}

// newHeatmap lays out groups that are of one Step.
func newHeatmap(within store.TimeRange, step time.Duration, groups []store.Group) heatmap {
	start := within.From - within.From%int64(step)
	h := heatmap{Start: number(start), Step: int64(step), Edges: []int64{}, Counts: [][]uint64{}, Errors: []uint64{}}
	// The sketch has 32 buckets as the duration doubles: 8 make a row.
	rowOf := func(upTo float64) int { return int(math.Ceil(math.Log2(max(upTo, 1))*rowsPerDouble-1e-6)) - 1 }
	first, last := math.MaxInt, math.MinInt
	for i := range groups {
		groups[i].Durations.Each(func(_, upTo float64, _ uint64) {
			first, last = min(first, rowOf(upTo)), max(last, rowOf(upTo))
		})
	}
	if first > last {
		return h
	}
	for row := first; row <= last+1; row++ {
		h.Edges = append(h.Edges, int64(min(math.Exp2(float64(row)/rowsPerDouble), math.MaxInt64/2)))
	}
	if first < 0 {
		h.Edges[0] = 0 // with the durations of 0
	}
	columns := int((within.To - start + int64(step) - 1) / int64(step))
	h.Counts, h.Errors = make([][]uint64, columns), make([]uint64, columns)
	for i := range h.Counts {
		h.Counts[i] = make([]uint64, last-first+1)
	}
	for i := range groups {
		column := int((groups[i].Time - start) / int64(step))
		if column < 0 || column >= columns {
			continue
		}
		h.Errors[column] += groups[i].Errors
		groups[i].Durations.Each(func(_, upTo float64, count uint64) { h.Counts[column][rowOf(upTo)-first] += count })
	}
	return h
}

// requestRow names one request as an example.
type requestRow struct {
	TraceID  string `json:"traceId"`
	SpanID   string `json:"spanId"`
	Start    string `json:"start"`
	Duration int64  `json:"duration"`
	Error    bool   `json:"error"`
}

func requestRows(b *span.Batch) []requestRow {
	rows := make([]requestRow, 0, b.Len())
	for i := range b.Len() {
		rows = append(rows, requestRow{b.TraceID[i].String(), b.SpanID[i].String(), number(b.Start[i]), b.Duration[i], b.Status[i] == span.StatusError})
	}
	return rows
}

// endpoint is what is to be known of an endpoint at once: figures, the same before, all requests as a heatmap, the
// slowest.
func (s *server) endpoint(ctx context.Context, p *params) ([]byte, error) {
	within := p.timeRange(false)
	service, name, filter := p.endpointOf()
	earlier := p.window("before", p.before(within))
	columns := p.number("columns", 60, 1, maxColumns)
	limit := p.number("limit", 10, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	step := columnWidth(within, columns)
	var now, before, all []store.Group
	var slowest store.Result
	err := together(
		ctx,
		func(ctx context.Context) (err error) {
			now, err = s.Store.Aggregate(ctx, store.AggregateQuery{Filter: filter, Range: within, Step: step})
			return err
		},
		func(ctx context.Context) (err error) {
			before, err = s.Store.Aggregate(ctx, store.AggregateQuery{Filter: filter, Range: earlier})
			return err
		},
		func(ctx context.Context) (err error) {
			q := store.AggregateQuery{Filter: store.IsRoot(), Range: within, By: []store.Field{store.ServiceName, store.Name}}
			if all, err = s.Store.Aggregate(ctx, q); errors.Is(err, store.ErrTooMany) {
				q.By = nil // then those not recorded took as long as the mean of all, and not of their own endpoint
				all, err = s.Store.Aggregate(ctx, q)
			}
			return err
		},
		func(ctx context.Context) (err error) {
			slowest, err = s.Store.Select(ctx, store.Query{Filter: filter, Range: within, Order: store.Slowest, Limit: limit})
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Service  string       `json:"service"`
		Name     string       `json:"name"`
		Now      redRow       `json:"now"`
		Before   *redRow      `json:"before"`
		Heatmap  heatmap      `json:"heatmap"`
		Slowest  []requestRow `json:"slowest"`
		Findings []findingRow `json:"findings"`
	}{
		Service: service, Name: name, Now: s.red(within, now), Heatmap: newHeatmap(within, step, now),
		Slowest: requestRows(slowest.Spans), Findings: s.findingRows(s.findingsOf(service, name), inSight),
	}
	if whole := timeOf(all); whole > 0 {
		answer.Now.Share = timeOf([]store.Group{total(now)}) / whole
	}
	if oldest := s.Store.Stats().OldestStart; earlier.To > oldest && oldest > 0 {
		row := s.red(earlier, before)
		answer.Before = &row
	}
	return json.Marshal(answer)
}

// heatmap has the spans that match q by time and duration.
func (s *server) heatmap(ctx context.Context, p *params) ([]byte, error) {
	within, filter := p.timeRange(false), p.filter()
	columns := p.number("columns", 60, 1, maxColumns)
	if p.err != nil {
		return nil, p.err
	}
	step := columnWidth(within, columns)
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: filter, Range: within, Step: step})
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		All     redRow  `json:"all"`
		Heatmap heatmap `json:"heatmap"`
	}{s.red(within, groups), newHeatmap(within, step, groups)})
}

// together runs the questions at once and returns when all have ended.
func together(ctx context.Context, questions ...func(context.Context) error) error {
	return each(ctx, len(questions), func(ctx context.Context, i int) error { return questions[i](ctx) })
}
