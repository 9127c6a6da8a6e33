package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/suggest"
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// suggestionRow is the Redeye query that a page should be, in place of its calls.
type suggestionRow struct {
	Service  string               `json:"service"` // under which its spans come
	Sketch   bool                 `json:"sketch"`
	Query    string               `json:"query"`
	Go       string               `json:"go"`
	Params   []paramRow           `json:"params"`
	Replaced []suggest.Part       `json:"replaced"`
	Kept     []suggest.Part       `json:"kept"`
	Batches  int                  `json:"batches"`
	Saving   float64              `json:"saving"` // ns of a request of the endpoint on average, by estimate; 0: not known
	Assumed  []suggest.Assumption `json:"assumed"`
	Checked  bool                 `json:"checked"`           // the service's own checker takes it
	Refused  string               `json:"refused,omitempty"` // why it does not
	TraceID  string               `json:"traceId"`           // the request it is made of
	Services int                  `json:"services"`          // that the server knows
	Silent   []silentRow          `json:"silent"`            // of these, that do not answer
}

type paramRow struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type silentRow struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// suggestion is the query in place of the calls of a chatty finding, made of a request that has it and is still stored; nil of other findings, and where there is no such request.
func (s *server) suggestion(ctx context.Context, f *findings.Finding) (*suggestionRow, error) {
	if f.Kind != analyze.Chatty {
		return nil, nil
	}
	calls, label, traceID, err := s.callsOf(ctx, f)
	if err != nil || len(calls) == 0 {
		return nil, err
	}
	row := &suggestionRow{TraceID: traceID, Silent: []silentRow{}}
	var schemas []*schema.Schema
	of := map[*schema.Schema]string{}
	for _, known := range s.Catalog.Services() {
		row.Services++
		sch, err := s.Catalog.Schema(ctx, known.Name)
		if err != nil {
			row.Silent = append(row.Silent, silentRow{known.Name, wordsOf(err)})
			continue
		}
		schemas = append(schemas, sch)
		of[sch] = known.Name
	}
	x := suggest.For(calls, label, schemas)
	row.Sketch, row.Query, row.Go, row.Batches = x.Sketch, x.Query, x.Go, x.Batches
	row.Replaced, row.Kept, row.Assumed = notNil(x.Parts), notNil(x.Kept), notNil(x.Assumed)
	row.Params = []paramRow{}
	for _, p := range x.Params {
		row.Params = append(row.Params, paramRow{p.Name, p.Type.String()})
	}
	if x.Sketch {
		return row, nil
	}
	if row.Saving, err = s.querySaving(ctx, f, x); err != nil {
		return nil, err
	}
	for sch, name := range of {
		if sch == x.Schema {
			row.Service = name
		}
	}
	if err := s.Catalog.Check(ctx, row.Service, x.Query); err != nil {
		row.Refused = wordsOf(err)
	} else {
		row.Checked = true
	}
	return row, nil
}

// querySample is how many requests the estimate for a query is made of.
const querySample = 50

// querySaving is what a query would save of a request of the finding's endpoint, on average: of a fair sample of those from the first that had the
// finding to the latest, which are the ones that mending is measured by. It is kept; when the finding is closed, what was kept is the answer.
func (s *server) querySaving(ctx context.Context, f *findings.Finding, x *suggest.Suggestion) (float64, error) {
	if !inSight(f, f.StateAt(s.Now())) {
		if f.Query == nil {
			return 0, nil
		}
		return f.Query.Saving, nil
	}
	endpoint := store.AllOf(store.IsRoot(), store.Is(store.ServiceName, f.Service), store.Is(store.Name, f.Name))
	requests, _, err := s.sample(ctx, endpoint, store.TimeRange{From: f.First, To: f.Last + 1}, querySample)
	if err != nil {
		return 0, err
	}
	q := findings.Query{}
	for _, p := range x.Parts {
		q.Replaces = append(q.Replaces, p.Label)
	}
	began := time.Now()
	for _, r := range requests {
		if time.Since(began) > s.ReadWithin {
			break
		}
		b, err := s.Store.Trace(ctx, r.trace)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		t := analyze.NewTree(b)
		for p := 0; p < t.Len(); p = int(t.End[p]) {
			if t.Batch.SpanID[t.Row[p]] == r.root {
				q.Requests++
				q.Saving += (float64(analyze.QuerySaving(t, p, f.Caller, x.Waves)) - q.Saving) / float64(q.Requests)
			}
		}
	}
	if q.Requests > 0 {
		s.Findings.Keep(f.ID, q)
	}
	return q.Saving, nil
}

// wordsOf is what an error of a Redeye service says to people.
func wordsOf(err error) string {
	if e, ok := errors.AsType[*redeye.Error](err); ok && e.Where != "" {
		return e.Error()
	}
	return clipTo(err.Error(), 500)
}

// recently is how long before the latest request of a finding another of them still shows what the page does.
const recently = 24 * time.Hour

// callsOf are the calls around those of a finding, and their label, in that request of its evidence which would gain most: the
// others may lack some of the calls. It is one of the latest that are stored, since the page may have been different before.
func (s *server) callsOf(ctx context.Context, f *findings.Finding) (calls []suggest.Call, label, traceID string, err error) {
	evidence := slices.Clone(f.Evidence)
	age := func(e findings.Evidence) int64 { return (f.Last - e.Start) / int64(recently) } // in days
	slices.SortStableFunc(evidence, func(x, y findings.Evidence) int {
		return cmp.Or(cmp.Compare(age(x), age(y)), cmp.Compare(y.Saving, x.Saving))
	})
	for _, e := range evidence {
		id, err := span.ParseTraceID(e.TraceID)
		if err != nil {
			continue
		}
		b, err := s.Store.Trace(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", "", err
		}
		t := analyze.NewTree(b)
		rows := rowsOf(t, e.SpanID, f)
		if len(rows) == 0 {
			continue
		}
		most := 0
		for _, m := range analyze.CallsAround(t, int(rows[0])) {
			calls = append(calls, suggest.Call{Label: m.Label, Names: m.Names, Count: m.Count, First: m.First})
			// The body of a loop is no call itself: the one that it makes most often is meant.
			if m.Label == f.Label {
				label, most = m.Label, len(t.Row)+1
			} else if m.Count > most {
				label, most = m.Label, m.Count
			}
		}
		return calls, label, e.TraceID, nil
	}
	return nil, "", "", nil
}

// rowsOf are the positions of a finding's calls in the request that begins with the span.
func rowsOf(t *analyze.Tree, root string, f *findings.Finding) []int32 {
	for p := 0; p < t.Len(); p = int(t.End[p]) {
		if t.Batch.SpanID[t.Row[p]].String() != root {
			continue
		}
		_, causes := analyze.NewProfiler().Examine(t, p)
		for i := range causes {
			if causes[i].Kind == f.Kind && causes[i].Path.ID == f.Path {
				return causes[i].Rows
			}
		}
	}
	return nil
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// known says whether the server was told of a Redeye service.
func (s *server) known(service string) bool {
	return slices.ContainsFunc(s.Catalog.Services(), func(k catalog.Service) bool { return k.Name == service })
}
