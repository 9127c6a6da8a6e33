package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/quantity"
	"github.com/fuwu-project/fuwu/internal/span"
)

// findingRow is one finding. Times are ns; figures are of the requests examined.
type findingRow struct {
	ID           string        `json:"id"`
	Kind         string        `json:"kind"`
	State        string        `json:"state"`
	Service      string        `json:"service"`
	Name         string        `json:"name"`
	PathID       string        `json:"pathId"`
	Caller       string        `json:"caller"`
	Label        string        `json:"label"`
	Steps        []string      `json:"steps"`
	FirstSeen    string        `json:"firstSeen"`
	LastSeen     string        `json:"lastSeen"`
	Requests     int64         `json:"requests"`
	Of           int64         `json:"of"`
	Part         float64       `json:"part"`
	PerDay       float64       `json:"perDay"`
	Calls        float64       `json:"calls"`
	LeastCalls   int64         `json:"leastCalls"`
	MostCalls    int64         `json:"mostCalls"`
	Variation    float64       `json:"variation"`
	Correlation  float64       `json:"correlation"`
	Serial       float64       `json:"serial"`
	Distinct     float64       `json:"distinct"`
	Saving       float64       `json:"saving"`
	SavingPerDay float64       `json:"savingPerDay"`
	Confidence   float64       `json:"confidence"`
	Title        string        `json:"title"`
	Advice       string        `json:"advice"`
	Evidence     []evidenceRow `json:"evidence"`
	Reason       string        `json:"reason,omitempty"`
	MutedUntil   string        `json:"mutedUntil,omitempty"`
	Site         *siteRow      `json:"site,omitempty"`
	Mending      *mendingRow   `json:"mending,omitempty"`
}

// siteRow is where in the code the calls are made.
type siteRow struct {
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int64  `json:"line,omitempty"`
}

// mendingRow compares what was estimated to be saved of a request of the endpoint with what was.
type mendingRow struct {
	At        string    `json:"at"`
	Together  []string  `json:"together"`
	Estimated float64   `json:"estimated"`
	ByQuery   bool      `json:"byQuery"`
	Measured  float64   `json:"measured"`
	Error     float64   `json:"error"`
	Before    sampleRow `json:"before"`
	After     sampleRow `json:"after"`
}

type sampleRow struct {
	Requests int64   `json:"requests"`
	Mean     float64 `json:"mean"`
}

func (s *server) mendingRow(f *findings.Finding, now time.Time) *mendingRow {
	m := f.MendingAt(now, s.findingsOf(f.Service, f.Name))
	if m == nil {
		return nil
	}
	row := &mendingRow{
		At: number(m.At), Together: []string{}, Estimated: m.Estimated, ByQuery: m.ByQuery, Measured: m.Measured, Error: m.Error,
		Before: sampleRow(m.Before), After: sampleRow(m.After),
	}
	for _, id := range m.Together {
		row.Together = append(row.Together, span.ID(id).String())
	}
	return row
}

type evidenceRow struct {
	TraceID  string `json:"traceId"`
	SpanID   string `json:"spanId"`
	Start    string `json:"start"`
	Duration int64  `json:"duration"`
	Calls    int    `json:"calls"`
	Saving   int64  `json:"saving"`
}

func newFindingRow(f *findings.Finding, now time.Time) findingRow {
	x := f.FiguresAt(now)
	row := findingRow{
		ID: span.ID(f.ID).String(), Kind: f.Shown().String(), State: x.State.String(), Service: f.Service, Name: f.Name,
		PathID: span.ID(f.Path).String(), Caller: f.Caller, Label: f.Label, Steps: f.Steps,
		FirstSeen: number(f.First), LastSeen: number(f.Last), Requests: x.Requests, Of: x.Of, Part: x.Part, PerDay: x.PerDay,
		Calls: x.Calls, LeastCalls: x.LeastCalls, MostCalls: x.MostCalls, Variation: x.Variation, Correlation: x.Correlation,
		Serial: x.Serial, Distinct: x.Distinct, Saving: x.Saving, SavingPerDay: x.SavingPerDay, Confidence: x.Confidence,
		Evidence: []evidenceRow{}, Reason: f.Reason,
	}
	if row.Steps == nil {
		row.Steps = []string{}
	}
	if f.MutedUntil > 0 {
		row.MutedUntil = number(f.MutedUntil)
	}
	for _, e := range f.Evidence {
		row.Evidence = append(row.Evidence, evidenceRow{e.TraceID, e.SpanID, number(e.Start), e.Duration, e.Calls, e.Saving})
	}
	if f.Site != (analyze.CodeSite{}) {
		site := siteRow(f.Site)
		row.Site = &site
	}
	row.Title, row.Advice = wordsFor(f, x)
	return row
}

// wordsFor says what a finding is and what could be done.
func wordsFor(f *findings.Finding, x findings.Figures) (title, advice string) {
	const batch = "Ask for all of them in one call."
	saving := quantity.Duration(int64(x.Saving))
	saves := " Saves about " + saving + " of each of these requests, by estimate."
	switch f.Shown() {
	case analyze.Chatty:
		times := fmt.Sprintf("%d times", int64(x.Calls))
		if x.LeastCalls != x.MostCalls {
			times = fmt.Sprintf("%d to %d times, %d in the middle", x.LeastCalls, x.MostCalls, int64(x.Calls))
		}
		return fmt.Sprintf("%s calls %s %s, %.0f %% of the time one after the other", f.Caller, f.Label, times, 100*x.Serial), batch + saves
	case analyze.SerialFanOut:
		if f.Kind == analyze.Chatty {
			return fmt.Sprintf("%s calls %s %d times in every request, one after the other", f.Caller, f.Label, int64(x.Calls)),
				"Make these calls at once, or one call for all." + saves
		}
		return fmt.Sprintf("%s makes %d calls one after the other", f.Label, int64(x.Calls)), "Make those at once that do not need each other's answers." + saves
	case analyze.SlowCall:
		return fmt.Sprintf("requests wait for %s in %s", f.Label, f.Caller), "Make it faster: " + saving + " of each of these requests go into it."
	case analyze.RetryStorm:
		return fmt.Sprintf("%s calls %s %d times because it fails", f.Caller, f.Label, int64(x.Calls)), "Fail sooner, or mend what fails." + saves
	}
	return "", ""
}

// inSight are the states of findings that ask for something to be done.
func inSight(_ *findings.Finding, s findings.State) bool {
	return s == findings.New || s == findings.Open || s == findings.Back
}

// allFindings are none where nobody looks.
func (s *server) allFindings() []*findings.Finding {
	if s.Findings == nil {
		return nil
	}
	return s.Findings.Findings()
}

// findingsOf are those of an endpoint.
func (s *server) findingsOf(service, name string) []*findings.Finding {
	if s.Findings == nil {
		return nil
	}
	return s.Findings.Of(service, name)
}

// findingRows are the findings of a list that are wanted, those that save most first.
func (s *server) findingRows(list []*findings.Finding, wanted func(*findings.Finding, findings.State) bool) []findingRow {
	rows := []findingRow{}
	now := s.Now()
	for _, f := range list {
		if state := f.StateAt(now); wanted(f, state) {
			row := newFindingRow(f, now)
			if state == findings.Resolved {
				row.Mending = s.mendingRow(f, now)
			}
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(x, y findingRow) int {
		return cmp.Or(cmp.Compare(y.SavingPerDay*y.Confidence, x.SavingPerDay*x.Confidence), cmp.Compare(x.ID, y.ID))
	})
	return rows
}

// findingCounts are how many findings in sight there are by service and name of the endpoint.
func (s *server) findingCounts() map[[2]string]int {
	counts := map[[2]string]int{}
	now := s.Now()
	for _, f := range s.allFindings() {
		if inSight(f, f.StateAt(now)) {
			counts[[2]string{f.Service, f.Name}]++
		}
	}
	return counts
}

func (s *server) findings(_ context.Context, p *params) ([]byte, error) {
	states := append([]string{"insight", "all"}, findings.States()...)
	state := p.oneOf("state", states...)
	kind := p.oneOf("kind", append([]string{"any"}, analyze.CauseKinds()...)...)
	service, name := p.text("service"), p.text("name")
	order := p.oneOf("sort", "saving", "new", "confidence", "requests")
	limit := p.number("limit", 100, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	rows := s.findingRows(s.allFindings(), func(f *findings.Finding, at findings.State) bool {
		return (service == "" || f.Service == service) && (name == "" || f.Name == name) && (kind == "any" || f.Shown().String() == kind) &&
			(state == "insight" && inSight(f, at) || state == "all" && at != findings.Suspected || state == at.String())
	})
	switch order {
	case "new":
		slices.SortStableFunc(rows, func(x, y findingRow) int { return strings.Compare(y.FirstSeen, x.FirstSeen) })
	case "confidence":
		slices.SortStableFunc(rows, func(x, y findingRow) int { return cmp.Compare(y.Confidence, x.Confidence) })
	case "requests":
		slices.SortStableFunc(rows, func(x, y findingRow) int { return cmp.Compare(y.PerDay, x.PerDay) })
	}
	var answer struct {
		Examined int64        `json:"examined"`
		Rate     float64      `json:"rate"`
		Skipped  int64        `json:"skipped"`
		Waiting  int          `json:"waiting"`
		Total    int          `json:"total"`
		Findings []findingRow `json:"findings"`
	}
	answer.Rate = 1
	if s.Findings != nil {
		e := s.Findings.Examination()
		answer.Examined, answer.Rate, answer.Skipped, answer.Waiting = e.Examined, e.Rate, e.Skipped, e.Waiting
	}
	answer.Total, answer.Findings = len(rows), rows[:min(limit, len(rows))]
	return json.Marshal(answer)
}

var errNoFinding = &requestError{status: http.StatusNotFound, msg: "there is no such finding; the list with state all has every one"}

func (s *server) finding(ctx context.Context, p *params, text string) ([]byte, error) {
	id, err := span.ParseID(text)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	if p.err != nil {
		return nil, p.err
	}
	var found *findings.Finding
	rows := s.findingRows(s.allFindings(), func(f *findings.Finding, _ findings.State) bool {
		if f.ID == uint64(id) {
			found = f
		}
		return f.ID == uint64(id)
	})
	if len(rows) == 0 {
		return nil, errNoFinding
	}
	answer := struct {
		findingRow
		Suggestion *suggestionRow `json:"suggestion,omitempty"`
	}{findingRow: rows[0]}
	if answer.Suggestion, err = s.suggestion(ctx, found); err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// maxDecision bounds the body of a person's decision, and maxReason the words in it.
const (
	maxDecision = 64 << 10
	maxReason   = 2000
)

// decide mutes, resolves or reopens a finding.
func (s *server) decide(ctx context.Context, text, what string, body io.Reader) ([]byte, error) {
	id, err := span.ParseID(text)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	var decision struct {
		Reason string `json:"reason"`
		For    string `json:"for"`
	}
	if raw, err := io.ReadAll(body); err != nil {
		return nil, badRequest("the body cannot be read: %v", err)
	} else if len(strings.TrimSpace(string(raw))) > 0 {
		if err := json.Unmarshal(raw, &decision); err != nil {
			return nil, badRequest(`the body is JSON such as {"reason": "by design", "for": "7d"}: %v`, err)
		}
	}
	if len(decision.Reason) > maxReason {
		return nil, badRequest("the reason has %d bytes; at most %d are taken", len(decision.Reason), maxReason)
	}
	now := s.Now()
	var until time.Time
	if decision.For != "" {
		d, err := parseDuration(decision.For)
		if err != nil || d <= 0 {
			return nil, badRequest("for=%s: how long, such as 12h or 7d; without it, for good", clip(decision.For))
		}
		until = now.Add(d)
	}
	if s.Findings == nil {
		return nil, errNoFinding
	}
	err = s.Findings.Change(func(b *findings.Book) error {
		switch what {
		case "mute":
			return b.Mute(uint64(id), now, until, strings.ToValidUTF8(decision.Reason, "\ufffd"))
		case "resolve":
			return b.Resolve(uint64(id), now)
		}
		return b.Reopen(uint64(id))
	})
	if errors.Is(err, findings.ErrUnknown) {
		return nil, errNoFinding
	}
	if err != nil {
		return nil, err
	}
	return s.finding(ctx, &params{now: now}, text)
}

// causeRow is what one request wastes.
type causeRow struct {
	Kind    string   `json:"kind"`
	PathID  string   `json:"pathId"`
	Label   string   `json:"label"`
	Steps   []string `json:"steps"`
	Calls   int      `json:"calls"`
	Covered int64    `json:"covered"`
	Serial  float64  `json:"serial"`
	Saving  int64    `json:"saving"`
	Rows    []int32  `json:"rows"`
	Finding string   `json:"finding"`
}

// causesOf are what the request of row 0 wastes, and the findings that it is a case of.
func (s *server) causesOf(t *analyze.Tree) []causeRow {
	rows := []causeRow{}
	if t.Len() == 0 {
		return rows
	}
	_, causes := analyze.NewProfiler().Examine(t, 0)
	if len(causes) == 0 {
		return rows
	}
	known := map[string]string{}
	for _, f := range s.findingsOf(t.Services[t.Service[0]], t.Names[t.Name[0]]) {
		if f.StateAt(s.Now()) != findings.Suspected {
			known[f.Kind.String()+span.ID(f.Path).String()] = span.ID(f.ID).String()
		}
	}
	for i := range causes {
		c := &causes[i]
		row := causeRow{
			Kind: c.Kind.String(), PathID: pathID(c.Path), Label: cutName(c.Path.Label), Steps: stepsOf(c.Path), Calls: c.Calls,
			Covered: c.Covered, Serial: 1, Saving: c.Saving, Rows: c.Rows[:min(len(c.Rows), maxSpans)],
		}
		if c.Covered > 0 {
			row.Serial = float64(c.Alone) / float64(c.Covered)
		}
		row.Finding = known[row.Kind+row.PathID]
		rows = append(rows, row)
	}
	return rows
}

// maxMetricFindings bounds the findings that have a counter each.
const maxMetricFindings = 500

func (s *server) findingMetrics(e *exposition) {
	if s.Findings == nil {
		return
	}
	type of struct{ kind, state string }
	counts := map[of]int{}
	rows := s.findingRows(s.allFindings(), func(_ *findings.Finding, at findings.State) bool { return at != findings.Suspected })
	for i := range rows {
		counts[of{rows[i].Kind, rows[i].State}]++
	}
	e.family("shuai_findings", "gauge", "Findings: causes of slowness that requests have proven, by kind and state.")
	for _, kind := range analyze.CauseKinds() {
		for _, state := range findings.States() {
			e.sample(float64(counts[of{kind, state}]), "kind", kind, "state", state)
		}
	}
	e.family("shuai_finding_requests_total", "counter", "Examined requests that have the finding, of the 500 that save most.")
	for _, row := range rows[:min(maxMetricFindings, len(rows))] {
		e.sample(float64(row.Requests), "finding", row.ID, "kind", row.Kind, "service", row.Service, "endpoint", row.Name, "path", strings.Join(row.Steps, " > "))
	}
	x := s.Findings.Examination()
	e.counter("shuai_findings_examined_total", x.Examined, "Requests examined for findings since the start.")
	e.counter("shuai_findings_skipped_total", x.Skipped, "Traces that were not examined, for want of time; others stand for them.")
	e.family("shuai_findings_sampling_ratio", "gauge", "Part of the traces that was examined lately.")
	e.sample(x.Rate)
	e.family("shuai_findings_waiting_traces", "gauge", "Traces that are complete and wait to be examined.")
	e.sample(float64(x.Waiting))
}
