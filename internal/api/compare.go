package api

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// patternFigures are an execution pattern in one range. Times are ns, quantiles exact for the requests looked at.
type patternFigures struct {
	Requests  int     `json:"requests"` // of those looked at
	Part      float64 `json:"part"`     // of those looked at
	TimeShare float64 `json:"timeShare"`
	Errors    int     `json:"errors"`
	Mean      int64   `json:"mean"`
	P50       int64   `json:"p50"`
	P95       int64   `json:"p95"`
	Max       int64   `json:"max"`
}

type patternRow struct {
	ID      string         `json:"id"`
	Now     patternFigures `json:"now"`
	Before  patternFigures `json:"before"`
	New     bool           `json:"new"`
	Spans   int            `json:"spans"` // of a typical request
	Typical requestRow     `json:"typical"`
	Slowest requestRow     `json:"slowest"`
	Has     []string       `json:"has"`   // what it calls and the most frequent pattern does not
	Lacks   []string       `json:"lacks"` // and the other way round
}

func figuresOf(p *analyze.Pattern, all *population) patternFigures {
	f := patternFigures{
		Requests: p.Requests, Errors: p.Errors, Mean: p.Duration / int64(p.Requests), P50: p.P50, P95: p.P95, Max: p.Max,
		Part: float64(p.Requests) / float64(all.Looked),
	}
	if all.sum.Duration > 0 {
		f.TimeShare = float64(p.Duration) / float64(all.sum.Duration)
	}
	return f
}

// maxDiffering bounds the calls in which two patterns are said to differ.
const maxDiffering = 10

func labelsOf(paths []*analyze.Path) []string {
	labels := []string{}
	for _, p := range paths[:min(maxDiffering, len(paths))] {
		labels = append(labels, p.Service+" "+cutName(p.Label))
	}
	return labels
}

// patterns groups the requests of an endpoint by the shape of their trees, now and before.
func (s *server) patterns(ctx context.Context, p *params) ([]byte, error) {
	now := population{within: p.timeRange(false)}
	service, name, filter := p.endpointOf()
	before := population{within: p.window("before", p.before(now.within))}
	sample := p.number("sample", 500, 1, maxSample)
	limit := p.number("limit", 20, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	err := together(
		ctx,
		func(ctx context.Context) error { return s.choose(ctx, &now, filter, bound{}, bound{}, sample) },
		func(ctx context.Context) error { return s.choose(ctx, &before, filter, bound{}, bound{}, sample) },
	)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx, &now, &before); err != nil {
		return nil, err
	}
	earlier := map[uint64]*analyze.Pattern{}
	old := analyze.Patterns(before.found)
	for i := range old {
		earlier[old[i].ID] = &old[i]
	}
	list := analyze.Patterns(now.found)
	rows := []patternRow{}
	var usual *analyze.Profile
	if len(list) > 0 {
		most := slices.MaxFunc(list, func(x, y analyze.Pattern) int { return cmp.Compare(x.Requests, y.Requests) })
		usual = most.Typical
	}
	for i := range list[:min(limit, len(list))] {
		x := &list[i]
		row := patternRow{
			ID: span.ID(x.ID).String(), Now: figuresOf(x, &now), Spans: x.Typical.Spans,
			Typical: profileRows([]*analyze.Profile{x.Typical}, 1)[0], Slowest: profileRows([]*analyze.Profile{x.Slowest}, 1)[0],
			Has: labelsOf(x.Typical.Only(usual)), Lacks: labelsOf(usual.Only(x.Typical)),
		}
		if was := earlier[x.ID]; was != nil {
			row.Before = figuresOf(was, &before)
		} else {
			row.New = before.Looked > 0
		}
		rows = append(rows, row)
	}
	return json.Marshal(struct {
		Service  string       `json:"service"`
		Name     string       `json:"name"`
		Now      population   `json:"now"`
		Before   population   `json:"before"`
		Total    int          `json:"total"`
		Patterns []patternRow `json:"patterns"`
	}{service, name, now, before, len(list), rows})
}

// side is one of the two that are compared: a request, or the typical ones of its endpoint.
type side struct {
	TraceID  string      `json:"traceId,omitempty"`
	Service  string      `json:"service"`
	Name     string      `json:"name"`
	Start    string      `json:"start,omitempty"`
	Duration float64     `json:"duration"` // of many, the mean
	Spans    float64     `json:"spans"`    // of many, the mean
	Typical  *population `json:"typical,omitempty"`

	sum analyze.Population
}

// typicalRequests, as a side of a comparison, are the middle half of the endpoint of the other side, around its time.
const typicalRequests = "typical"

// compare sets two requests beside each other, or one beside the typical ones of its endpoint.
func (s *server) compare(ctx context.Context, p *params) ([]byte, error) {
	a, b := p.text("a"), p.text("b")
	limit := p.number("limit", 50, 1, maxRows)
	sample := p.number("sample", 300, 1, maxSample)
	tree := p.oneOf("order", "extra", "tree") == "tree"
	if a == "" || b == "" || a == typicalRequests {
		p.fail("say which: a=<trace id>&b=<trace id>, or b=typical for the usual requests of the endpoint of a")
	}
	if p.err != nil {
		return nil, p.err
	}
	f := s.profiles.start()
	left, first, err := s.sideOf(ctx, f, a)
	if err != nil {
		return nil, err
	}
	var right *side
	if b == typicalRequests {
		right, err = s.typicalSide(ctx, f, left, first, sample)
	} else {
		right, _, err = s.sideOf(ctx, f, b)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		A *side `json:"a"`
		B *side `json:"b"`
		differences
	}{left, right, newDifferences(&left.sum, &right.sum, tree, limit)})
}

func (s *server) sideOf(ctx context.Context, f *analyze.Profiler, text string) (*side, *analyze.Profile, error) {
	id, err := parseTraceID(text)
	if err != nil {
		return nil, nil, badRequest("%v", err)
	}
	stored, err := s.Store.Trace(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	t := analyze.NewTree(stored)
	r := f.Profile(t, 0)
	x := &side{
		TraceID: r.TraceID.String(), Service: t.Services[t.Service[0]], Name: t.Names[t.Name[0]],
		Start: number(r.Start), Duration: float64(r.Duration), Spans: float64(r.Spans),
	}
	x.sum.Add(r)
	return x, r, nil
}

func (s *server) typicalSide(ctx context.Context, f *analyze.Profiler, of *side, r *analyze.Profile, sample int) (*side, error) {
	const around = int64(30 * 60 * 1e9)
	pop := &population{within: store.TimeRange{From: max(r.Start-around, 0), To: addTime(r.Start, around)}}
	filter := store.AllOf(store.IsRoot(), store.Is(store.ServiceName, of.Service), store.Is(store.Name, of.Name))
	if err := s.choose(ctx, pop, filter, bound{quantile: 0.25, is: 'p'}, bound{quantile: 0.75, is: 'p'}, sample); err != nil {
		return nil, err
	}
	found, err := s.readProfiles(ctx, f, pop.chosen)
	if err != nil {
		return nil, err
	}
	pop.take(found[0])
	x := &side{Service: of.Service, Name: of.Name, Duration: pop.Mean, Typical: pop, sum: pop.sum}
	if pop.Looked > 0 {
		x.Spans = float64(pop.sum.Spans) / float64(pop.Looked)
	}
	return x, nil
}
