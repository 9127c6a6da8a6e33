package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/local"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// subject is a store on disk with so many requests of workload.Subject, in the hour before now.
func subject(t testing.TB, requests int) store.Store {
	t.Helper()
	s, err := local.Open(local.Options{Dir: t.TempDir(), Decode: wire.Replay, Encode: wire.Encode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	every := int64(time.Hour) / int64(requests+1)
	for b := range workload.Subject(1, requests, now.Add(-time.Hour).UnixNano(), every) {
		add(t, s, b)
	}
	return s
}

func ask(t testing.TB, h http.Handler, target string, answer any) {
	t.Helper()
	w := get(t, h, Prefix+target)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), answer); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
}

type pathAnswer struct {
	ID, Service, Label string
	Steps              []string
	A, B               meansRow
	Extra, Share       float64
}

type whyAnswer struct {
	A, B  population
	Extra float64
	Paths []pathAnswer
	Rest  struct {
		Paths        int
		Extra, Share float64
	}
	Traits []traitRow
}

var subjectEndpoint = url.Values{"service": {workload.SubjectService}, "name": {workload.SubjectName}}.Encode()

// TestWhy: what was planted is named first, with its figures.
func TestWhy(t *testing.T) {
	requests := 6_000
	if testing.Short() {
		requests = 3_000
	}
	h := handler(subject(t, requests))
	var e struct {
		Now     redRow
		Before  *redRow
		Heatmap heatmap
		Slowest []requestRow
	}
	ask(t, h, "/endpoint?"+subjectEndpoint, &e)
	if e.Now.Requests != uint64(requests) || e.Now.Share != 1 || e.Before != nil || len(e.Slowest) != 10 {
		t.Errorf("%+v, before %+v, %d slowest", e.Now, e.Before, len(e.Slowest))
	}
	cells, failed := uint64(0), uint64(0)
	for i, column := range e.Heatmap.Counts {
		failed += e.Heatmap.Errors[i]
		if len(column) != len(e.Heatmap.Edges)-1 {
			t.Fatalf("column %d has %d rows between %d edges", i, len(column), len(e.Heatmap.Edges))
		}
		for _, n := range column {
			cells += n
		}
	}
	if cells != uint64(requests) || failed != e.Now.Errors || failed == 0 {
		t.Errorf("the heatmap has %d requests and %d errors", cells, failed)
	}
	if !slices.IsSortedFunc(e.Slowest, func(x, y requestRow) int { return int(y.Duration - x.Duration) }) {
		t.Errorf("slowest: %+v", e.Slowest)
	}

	var why whyAnswer
	ask(t, h, "/why?"+subjectEndpoint, &why)
	first := why.Paths[0]
	if first.Label != "user.Get" || first.Service != "web" || strings.Join(first.Steps, " ▸ ") != "user.Get" {
		t.Errorf("the first path is %+v", first)
	}
	// 5 % have 90 to 330 users, and the slowest 5 % are these and a few with the slow query.
	if first.A.Calls < 150 || first.A.Calls > 230 || math.Abs(first.B.Calls-11) > 1 || first.A.Serial < 0.99 || first.Share < 0.8 {
		t.Errorf("the first path has %+v", first)
	}
	if top := why.Traits[0]; top.Key != "span.subject.type" || top.Value != "series" || top.A < 0.6 || top.B > 0.12 || top.Filter != `span.subject.type = "series"` {
		t.Errorf("the first trait is %+v", top)
	}
	if why.A.Looked != min(300, why.A.Requests) || why.B.Looked != 300 || why.A.Requests < requests/25 || why.A.Requests > requests/15 ||
		why.B.Requests < requests*45/100 || why.B.Requests > requests*60/100 {
		t.Errorf("slow %+v\nnormal %+v", why.A, why.B)
	}
	extra, share := why.Rest.Extra, why.Rest.Share
	for _, p := range why.Paths {
		extra, share = extra+p.Extra, share+p.Share
	}
	if math.Abs(extra-why.Extra) > 1 || math.Abs(share-1) > 1e-6 || math.Abs(why.Extra-(why.A.Mean-why.B.Mean)) > 1 {
		t.Errorf("extras sum to %v and shares to %v of %v", extra, share, why.Extra)
	}

	// The other cause, chosen by its durations.
	var query whyAnswer
	ask(t, h, "/why?slow=370ms..450ms&limit=1&q="+url.QueryEscape(`{ span.subject.type = "movie" }`)+"&"+subjectEndpoint, &query)
	if p := query.Paths[0]; p.Label != "mysql SELECT * FROM item WHERE subject = ?" || strings.Join(p.Steps, "|") != "catalog.List|"+p.Label {
		t.Errorf("the first path is %+v", p)
	}
	if top := query.Traits[0]; top.Key != "span.app.version" || top.Value != "2026.11.3" {
		t.Errorf("the first trait is %+v", top)
	}
	if len(query.Paths) != 1 || query.Rest.Paths == 0 {
		t.Errorf("%d paths and %d others", len(query.Paths), query.Rest.Paths)
	}
}

// TestSample: a sample has so many as were asked for, each once, and of each time about as many as that has of all.
func TestSample(t *testing.T) {
	s := storetest.NewModel()
	b := new(span.Batch)
	put := func(i int, at time.Duration) {
		b.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i + 1)}, SpanID: 1, Name: "x", Start: now.Add(-at).UnixNano(), Duration: 5, Resource: resource("web"),
		})
	}
	for i := range 900 { // a burst
		put(i, 50*time.Minute+time.Duration(i)*time.Millisecond)
	}
	for i := range 100 {
		put(900+i, time.Duration(i+1)*10*time.Second)
	}
	add(t, s, b)
	sv, ok := handler(s).(*server)
	if !ok {
		t.Fatal("the handler is no server")
	}
	within := store.TimeRange{From: now.Add(-time.Hour).UnixNano(), To: now.UnixNano()}
	for _, n := range []int{1, 7, 100, 999, 1000, 5000} {
		got, matched, err := sv.sample(t.Context(), nil, within, n)
		if err != nil || matched != 1000 || len(got) != min(n, 1000) {
			t.Fatalf("of 1000, %d: %d of %d, %v", n, len(got), matched, err)
		}
		seen, early := map[request]bool{}, 0
		for _, r := range got {
			if seen[r] {
				t.Fatalf("%v is there twice", r)
			}
			if seen[r] = true; r.trace.Lo <= 900 {
				early++
			}
		}
		if want, sigma := float64(len(got))*0.9, math.Sqrt(float64(len(got))*0.9*0.1); math.Abs(float64(early)-want) > 3*sigma {
			t.Errorf("of %d, %d are of the burst, want %v", n, early, want)
		}
	}
	if got, matched, err := sv.sample(t.Context(), nil, store.TimeRange{From: 1, To: 2}, 10); err != nil || matched != 0 || len(got) != 0 {
		t.Errorf("of nothing: %v, %d, %v", got, matched, err)
	}
}

// TestPatterns: requests of one shape are one pattern, and one that was not there before is new.
func TestPatterns(t *testing.T) {
	s := fixture(t)
	for i := range uint64(4) {
		add(t, s, pageTrace(100+i, "GET /subject/{id}", 10*time.Minute+time.Duration(i)*time.Second, 0, false))
	}
	h := handler(s)
	var got struct {
		Now, Before population
		Total       int
		Patterns    []patternRow
	}
	name := url.Values{"service": {"movie-web"}, "name": {"GET /subject/{id}"}}.Encode()
	ask(t, h, "/patterns?from=now-15m&before=15m&"+name, &got)
	if got.Now.Looked != 5 || got.Before.Looked != 1 || got.Total != 2 {
		t.Fatalf("%+v", got)
	}
	plain, chatty := got.Patterns[0], got.Patterns[1]
	if plain.Now.Requests != 4 || !plain.New || !slices.Equal(plain.Lacks, []string{}) || plain.Now.TimeShare < 0.7 {
		t.Errorf("%+v", plain)
	}
	// The request that was there before made 9 calls, this one 6: folded, that is the same.
	if chatty.Now.Requests != 1 || chatty.New || chatty.Before.Requests != 1 || !slices.Equal(chatty.Has, []string{"movie-web mc get"}) {
		t.Errorf("%+v", chatty)
	}
}

// TestPatternsOfTwoTimes: any two times can be set side by side.
func TestPatternsOfTwoTimes(t *testing.T) {
	s := storetest.NewModel()
	for i := range uint64(8) { // plain ones half an hour ago, chatty ones since ten minutes ago, both two hours ago
		plain, chatty := pageTrace(100+i, "GET /subject/{id}", 30*time.Minute+time.Duration(i)*time.Second, 0, false), pageTrace(200+i, "GET /subject/{id}", 5*time.Minute, 9, false)
		add(t, s, plain)
		add(t, s, chatty)
		if i == 0 {
			add(t, s, pageTrace(300, "GET /subject/{id}", 2*time.Hour, 0, false))
			add(t, s, pageTrace(301, "GET /subject/{id}", 2*time.Hour, 9, false))
		}
	}
	h := handler(s)
	name := url.Values{"service": {"movie-web"}, "name": {"GET /subject/{id}"}}.Encode()
	for before, isNew := range map[string]bool{
		"beforeFrom=now-1h&beforeTo=now-20m": true, "beforeFrom=now-3h&beforeTo=now-20m": false, "beforeFrom=now-3h&beforeTo=now-1h": false,
	} {
		var got struct{ Patterns []patternRow }
		ask(t, h, "/patterns?from=now-10m&"+before+"&"+name, &got)
		if len(got.Patterns) != 1 || got.Patterns[0].Now.Requests != 8 || got.Patterns[0].New != isNew || got.Patterns[0].Now.TimeShare != 1 {
			t.Errorf("%s: %+v", before, got)
		}
	}
}

func TestCompareRequests(t *testing.T) {
	h := handler(fixture(t))
	var got struct {
		A, B  side
		Extra float64
		Paths []pathAnswer
	}
	ask(t, h, "/compare?a=6b49d2000000000000000002&b=1", &got)
	if got.Extra != float64(3*ms) || got.A.Duration-got.B.Duration != got.Extra || got.A.Spans != 12 || got.B.Name != "GET /subject/{id}" {
		t.Errorf("%+v", got)
	}
	sum := 0.0
	for _, p := range got.Paths {
		sum += p.Extra
	}
	if p := got.Paths[0]; sum != got.Extra || p.Label != "mc get" || p.A.Calls != 9 || p.B.Calls != 6 {
		t.Errorf("extras sum to %v; %+v", sum, p)
	}
	ask(t, h, "/compare?a=6b49d2000000000000000002&b=typical&order=tree", &got)
	if got.B.Typical == nil || got.B.Typical.Looked == 0 || got.Paths[0].Label != "GET /subject/{id}" {
		t.Errorf("%+v", got)
	}
}

func TestMap(t *testing.T) {
	h := handler(fixture(t))
	var got struct {
		Spans, Matched int
		Edges          []edgeRow
	}
	ask(t, h, "/map", &got)
	if len(got.Edges) != 2 || got.Edges[0].Callee != "movie" || got.Edges[0].Calls != 4 || got.Edges[1].Callee != "mc" || !got.Edges[1].Store || got.Edges[1].Calls != 17 {
		t.Errorf("%+v", got)
	}
	ask(t, h, "/map?service=movie", &got)
	if len(got.Edges) != 1 {
		t.Errorf("%+v", got)
	}
	ask(t, h, "/map?service=nobody", &got)
	if len(got.Edges) != 0 {
		t.Errorf("%+v", got)
	}
}

// BenchmarkEndpoint asks what the endpoint page asks, of 100,000 requests (2.2 M spans) on disk: a new server, and one that
// has been asked before, but too long ago to remember the answer.
func BenchmarkEndpoint(b *testing.B) {
	s := subject(b, 100_000)
	questions := []string{"/endpoint?" + subjectEndpoint, "/why?" + subjectEndpoint, "/patterns?" + subjectEndpoint}
	for _, q := range questions {
		name, _, _ := strings.Cut(q, "?")
		b.Run("first"+name, func(b *testing.B) {
			for b.Loop() {
				var answer json.RawMessage
				ask(b, handler(s), q, &answer)
			}
		})
		b.Run("again"+name, func(b *testing.B) {
			h := handler(s)
			var answer json.RawMessage
			ask(b, h, q, &answer)
			for b.Loop() {
				if s, ok := h.(*server); ok {
					s.recent = recent{}
				}
				ask(b, h, q, &answer)
			}
			b.ReportMetric(float64(len(answer)), "bytes")
		})
	}
}

// TestRecent: an answer is remembered for a while, and memory of them is bounded.
func TestRecent(t *testing.T) {
	var r recent
	at := now
	r.keep("a", at, []byte("1"))
	if got := r.find("a", at.Add(recentFor-1)); string(got) != "1" {
		t.Errorf("remembered %q", got)
	}
	if got := r.find("a", at.Add(recentFor)); got != nil {
		t.Errorf("still remembered %q", got)
	}
	r.keep("a", at, []byte("22"))
	if r.bytes != 3 {
		t.Errorf("%d bytes", r.bytes)
	}
	r.keep("b", at, make([]byte, recentBytes))
	if got := r.find("b", at); got != nil || r.bytes != 3 {
		t.Errorf("too much was kept; %d bytes", r.bytes)
	}
	r.keep("c", at.Add(recentFor), []byte("3"))
	if len(r.made) != 1 || r.bytes != 2 {
		t.Errorf("%d answers, %d bytes", len(r.made), r.bytes)
	}
}

// TestEndpointOfTooMany: however many names a service makes up, each has its page.
func TestEndpointOfTooMany(t *testing.T) {
	s, err := local.Open(local.Options{Dir: t.TempDir(), Decode: wire.Replay, Encode: wire.Encode, MaxGroups: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := new(span.Batch)
	for i := range 200 {
		b.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i + 1)}, SpanID: 1, Name: fmt.Sprintf("GET /%04d", i),
			Start: now.UnixNano() - int64(time.Minute), Duration: ms, Resource: resource("web"),
		})
	}
	add(t, s, b)
	var answer struct{ Now redRow }
	ask(t, handler(s), "/endpoint?columns=10&service=web&name="+url.QueryEscape("GET /0007"), &answer)
	if answer.Now.Requests != 1 || answer.Now.Share != 1.0/200 {
		t.Errorf("%+v", answer.Now)
	}
}

func TestColumnWidth(t *testing.T) {
	for _, c := range []struct {
		span    time.Duration
		columns int
		want    string
	}{
		{time.Hour, 60, "1m0s"},
		{61 * time.Minute, 60, "2m0s"},
		{24 * time.Hour, 60, "30m0s"},
		{7 * 24 * time.Hour, 60, "3h0m0s"},
		{time.Second, 60, "20ms"},
		{time.Nanosecond, 60, "1ms"},
		{50 * 365 * 24 * time.Hour, 60, fmt.Sprint(305 * 24 * time.Hour)},
	} {
		if got := columnWidth(store.TimeRange{From: 1, To: 1 + int64(c.span)}, c.columns); got.String() != c.want {
			t.Errorf("%v in %d: %v, want %s", c.span, c.columns, got, c.want)
		}
	}
}
