package api

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/store"
)

// population says which requests of an endpoint are meant: those of a range whose duration is above Over and at
// most UpTo (ns; 0: any).
type population struct {
	From     string  `json:"from"`
	To       string  `json:"to"`
	Over     int64   `json:"over"`
	UpTo     int64   `json:"upTo"`
	Requests int     `json:"requests"` // that are meant
	Looked   int     `json:"looked"`   // at so many of them
	Errors   int     `json:"errors"`   // of these
	Mean     float64 `json:"mean"`     // of these

	within store.TimeRange
	chosen []request
	found  []*analyze.Profile
	sum    analyze.Population
}

// bound is one end of a range of durations: a quantile or a duration.
type bound struct {
	quantile float64
	ns       int64
	is       byte // 'p', 'd', or 0: none
}

// durationsFrom reads "p95..", "p25..p75", "300ms..2s", "..": two bounds.
func (p *params) durationsFrom(name, otherwise string) (lo, hi bound) {
	v := p.values.Get(name)
	if v == "" {
		v = otherwise
	}
	a, b, ok := strings.Cut(v, "..")
	read := func(s string) (bound, bool) {
		if s == "" {
			return bound{}, true
		}
		if rest, isP := strings.CutPrefix(s, "p"); isP {
			f, err := strconv.ParseFloat(rest, 64)
			return bound{quantile: f / 100, is: 'p'}, err == nil && f >= 0 && f <= 100
		}
		d, err := parseDuration(s)
		return bound{ns: int64(d), is: 'd'}, err == nil
	}
	lo, okLo := read(a)
	hi, okHi := read(b)
	if !ok || !okLo || !okHi {
		p.fail("%s=%s: a range of durations, such as p95.., p25..p75 or 300ms..2s", name, clip(v))
	}
	return lo, hi
}

// window is the range of one population: name+"From" and name+"To", by default that of the question.
func (p *params) window(name string, otherwise store.TimeRange) store.TimeRange {
	sub := params{values: map[string][]string{}, now: p.now}
	for _, end := range []string{"from", "to"} {
		v := p.values.Get(name + strings.ToUpper(end[:1]) + end[1:])
		if v == "" {
			v = number(otherwise.From)
			if end == "to" {
				v = number(otherwise.To)
			}
		}
		sub.values.Set(end, v)
	}
	r := sub.timeRange(false)
	if sub.err != nil {
		p.fail("%sFrom, %sTo: %v", name, name, sub.err)
	}
	return r
}

// edges are the bounds as durations: above over, at most upTo. A quantile is the edge of the bucket of the sketch
// that it lies in, so that what is as slow as the quantile is on its far side.
func edges(d *store.Sketch, lo, hi bound) (over, upTo int64) {
	bucket := func(q float64) (from, to float64) {
		n := float64(d.Count())
		seen := uint64(0)
		d.Each(func(over, upTo float64, count uint64) {
			if rank := max(math.Ceil(q*n), 1); float64(seen) < rank && float64(seen+count) >= rank {
				from, to = over, upTo
			}
			seen += count
		})
		return from, to
	}
	switch lo.is {
	case 'p':
		from, _ := bucket(lo.quantile)
		over = int64(from)
	case 'd':
		over = max(lo.ns-1, 0)
	}
	switch hi.is {
	case 'p':
		if _, to := bucket(hi.quantile); hi.quantile < 1 {
			upTo = int64(to)
		}
	case 'd':
		upTo = hi.ns
	}
	return over, upTo
}

// choose takes a sample of the population of at most about n requests.
func (s *server) choose(ctx context.Context, pop *population, all store.Expr, lo, hi bound, n int) error {
	pop.From, pop.To = number(pop.within.From), number(pop.within.To)
	if lo.is == 'p' || hi.is == 'p' {
		groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: all, Range: pop.within})
		if err != nil {
			return err
		}
		sum := total(groups)
		pop.Over, pop.UpTo = edges(&sum.Durations, lo, hi)
	} else {
		pop.Over, pop.UpTo = edges(nil, lo, hi)
	}
	filter := all
	compare := func(op store.Op, ns int64) store.Expr {
		return store.Compare{Field: store.Duration, Op: op, Value: store.Literal{Type: store.DurationLiteral, Int: ns}}
	}
	if pop.Over > 0 {
		filter = store.AllOf(filter, compare(store.Gt, pop.Over))
	}
	if pop.UpTo > 0 {
		filter = store.AllOf(filter, compare(store.Le, pop.UpTo))
	}
	var err error
	pop.chosen, pop.Requests, err = s.sample(ctx, filter, pop.within, n)
	return err
}

// look reads the requests chosen.
func (s *server) look(ctx context.Context, pops ...*population) error {
	lists := make([][]request, len(pops))
	for i, pop := range pops {
		lists[i] = pop.chosen
	}
	found, err := s.readProfiles(ctx, s.profiles.start(), lists...)
	if err != nil {
		return err
	}
	for i, pop := range pops {
		pop.take(found[i])
	}
	return nil
}

func (pop *population) take(found []*analyze.Profile) {
	pop.found, pop.sum = found, analyze.Population{}
	for _, r := range found {
		pop.sum.Add(r)
	}
	pop.Looked, pop.Errors, pop.Mean = pop.sum.Requests, pop.sum.Errors, pop.sum.Mean()
}

// meansRow are the figures of a path per request. Times are ns.
type meansRow struct {
	Requests float64 `json:"requests"`
	Calls    float64 `json:"calls"`
	Errors   float64 `json:"errors"`
	Total    float64 `json:"total"`
	Self     float64 `json:"self"`
	Critical float64 `json:"critical"`
	Serial   float64 `json:"serial"`
	Most     int     `json:"most"`
}

type differenceRow struct {
	ID      string   `json:"id"`
	Depth   int      `json:"depth"`
	Service string   `json:"service"`
	Label   string   `json:"label"`
	Steps   []string `json:"steps"`
	A       meansRow `json:"a"`
	B       meansRow `json:"b"`
	Extra   float64  `json:"extra"`
	Share   float64  `json:"share"`
}

// differences are the paths of a comparison, of which the first limit are listed and the others summed.
type differences struct {
	Extra float64         `json:"extra"` // of the mean durations, ns
	Paths []differenceRow `json:"paths"`
	Rest  struct {
		Paths int     `json:"paths"`
		Extra float64 `json:"extra"`
		Share float64 `json:"share"`
	} `json:"rest"`
}

func newDifferences(a, b *analyze.Population, tree bool, limit int) differences {
	list := analyze.Compare(a, b)
	if tree {
		list = analyze.DifferenceTree(list)
	}
	d := differences{Extra: a.Mean() - b.Mean(), Paths: []differenceRow{}}
	for i := range list {
		x := &list[i]
		if i >= limit {
			d.Rest.Paths++
			d.Rest.Extra += x.Extra
			d.Rest.Share += x.Share
			continue
		}
		d.Paths = append(d.Paths, differenceRow{
			ID: pathID(x.Path), Depth: x.Depth, Service: x.Service, Label: cutName(x.Label), Steps: stepsOf(x.Path),
			A: meansRow(x.A), B: meansRow(x.B), Extra: x.Extra, Share: x.Share,
		})
	}
	return d
}

// maxSteps bounds the steps that are told of a path: its last ones.
const maxSteps = 12

// stepsOf are the labels on the way to a path, the root's left out, its own last.
func stepsOf(p *analyze.Path) []string {
	steps := []string{}
	for at := p; at.Parent != nil && len(steps) < maxSteps; at = at.Parent {
		steps = append(steps, cutName(at.Label))
	}
	slices.Reverse(steps)
	return steps
}

type traitRow struct {
	Service string  `json:"service"`
	Key     string  `json:"key"`
	Value   string  `json:"value"`
	A       float64 `json:"a"`
	B       float64 `json:"b"`
	Times   float64 `json:"times"`
	Filter  string  `json:"filter,omitempty"`
}

func newTraits(a, b *analyze.Population, service string, limit int) []traitRow {
	rows := []traitRow{}
	for _, l := range analyze.Lifts(a, b) {
		if len(rows) == limit {
			break
		}
		row := traitRow{Service: l.Service, Key: l.Key, Value: l.Value, A: l.InA, B: l.InB, Times: l.Times}
		scope, key := store.OnSpan, strings.TrimPrefix(l.Key, "span.")
		if l.Service != "" {
			scope, key = store.OnResource, strings.TrimPrefix(l.Key, "resource.")
		}
		if l.Service == "" || l.Service == service { // what the root has, a filter for roots finds
			row.Filter = store.Is(store.Field{Scope: scope, Name: key}, l.Value).String()
		}
		rows = append(rows, row)
	}
	return rows
}

// maxSample bounds the requests of a population that are looked at.
const maxSample = 2000

func (s *server) why(ctx context.Context, p *params) ([]byte, error) {
	within := p.timeRange(false)
	service, name, filter := p.endpointOf()
	a, b := population{within: p.window("slow", within)}, population{within: p.window("normal", within)}
	slowLo, slowHi := p.durationsFrom("slow", "p95..")
	normalLo, normalHi := p.durationsFrom("normal", "p25..p75")
	sample := p.number("sample", 300, 1, maxSample)
	limit := p.number("limit", 20, 1, maxRows)
	tree := p.oneOf("order", "extra", "tree") == "tree"
	if p.err != nil {
		return nil, p.err
	}
	err := together(
		ctx,
		func(ctx context.Context) error { return s.choose(ctx, &a, filter, slowLo, slowHi, sample) },
		func(ctx context.Context) error { return s.choose(ctx, &b, filter, normalLo, normalHi, sample) },
	)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx, &a, &b); err != nil {
		return nil, err
	}
	type examples struct {
		Slowest []requestRow `json:"slowest"`
		A       []requestRow `json:"a"`
		B       []requestRow `json:"b"`
	}
	slowest := slices.Clone(a.found)
	slices.SortFunc(slowest, func(x, y *analyze.Profile) int {
		return cmp.Or(cmp.Compare(y.Duration, x.Duration), x.TraceID.Compare(y.TraceID))
	})
	return json.Marshal(struct {
		Service string     `json:"service"`
		Name    string     `json:"name"`
		A       population `json:"a"`
		B       population `json:"b"`
		differences
		Traits   []traitRow `json:"traits"`
		Examples examples   `json:"examples"`
	}{
		service, name, a, b, newDifferences(&a.sum, &b.sum, tree, limit), newTraits(&a.sum, &b.sum, service, limit),
		examples{profileRows(slowest, 3), profileRows(typical(a.found), 3), profileRows(typical(b.found), 3)},
	})
}

// typical orders requests by how near they are to the median duration.
func typical(found []*analyze.Profile) []*analyze.Profile {
	if len(found) == 0 {
		return nil
	}
	list := slices.Clone(found)
	slices.SortFunc(list, func(x, y *analyze.Profile) int {
		return cmp.Or(cmp.Compare(x.Duration, y.Duration), x.TraceID.Compare(y.TraceID))
	})
	median := list[len(list)/2].Duration
	away := func(r *analyze.Profile) int64 { return max(r.Duration-median, median-r.Duration) }
	slices.SortStableFunc(list, func(x, y *analyze.Profile) int { return cmp.Compare(away(x), away(y)) })
	return list
}

func profileRows(list []*analyze.Profile, n int) []requestRow {
	rows := []requestRow{}
	for _, r := range list[:min(n, len(list))] {
		rows = append(rows, requestRow{r.TraceID.String(), r.SpanID.String(), number(r.Start), r.Duration, r.Failed})
	}
	return rows
}
