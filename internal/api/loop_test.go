package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies"
	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// loop is a page, the service that it asks, and Shuai; the two send their spans as applications do.
type loop struct {
	watcher *findings.Watcher
	api     http.Handler
	films   *httptest.Server
	page    *httptest.Server
	mended  atomic.Bool // the page asks with the query of program
	program atomic.Value
	tracers []*shuai.Tracer
}

const operatorToken = "of operators"

func startLoop(t *testing.T) *loop {
	t.Helper()
	l := new(loop)
	l.watcher = findings.Start(findings.Options{Store: storetest.NewModel()})
	collector := httptest.NewServer(collect.New(collect.Config{Store: l.watcher}).HTTPHandler())
	t.Cleanup(collector.Close)
	tracer := func(service string) *shuai.Tracer {
		tr, err := shuai.New(shuai.Config{Service: service, Endpoint: collector.URL, Ratio: 1, FlushEvery: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		l.tracers = append(l.tracers, tr)
		return tr
	}

	s, err := movies.New()
	if err != nil {
		t.Fatal(err)
	}
	s.Operator = func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer "+operatorToken {
			return errors.New("no operator")
		}
		return nil
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	// The service's RPCs answer for one film, with what the methods for many say.
	inside := redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(h)}})
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("POST /rpc/{method}", func(w http.ResponseWriter, r *http.Request) {
		shuai.SpanFromContext(r.Context()).SetName("movie.service/" + r.PathValue("method"))
		time.Sleep(300 * time.Microsecond) // what a call costs there
		v, err := redeye.Text[*column.Column]("get_movies([id]).map(lambda x: x."+r.PathValue("method")+"())[0]", redeye.Args{"id": 1}).Run(context.Background(), inside)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(column.AppendJSON(nil, v, 0))
	})
	l.films = httptest.NewServer(shuaihttp.NewHandler(mux, shuaihttp.Config{Tracer: tracer("movies")}))
	t.Cleanup(l.films.Close)

	traced := &http.Client{Transport: shuaihttp.NewTransport(nil, shuaihttp.Config{})}
	client := redeye.NewClient(l.films.URL, redeye.Config{HTTP: traced})
	web := http.NewServeMux()
	web.HandleFunc("GET /list", func(w http.ResponseWriter, r *http.Request) {
		if l.mended.Load() {
			program, _ := l.program.Load().(string)
			v, err := redeye.Text[*column.Column](program, redeye.Args{"ids": []int64{1, 2, 3, 4, 5}}).Named("list").Run(r.Context(), client)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(column.AppendJSON(nil, v, 0))
			return
		}
		for range 12 {
			for _, method := range []string{"title", "rating"} {
				ctx := shuaihttp.WithCall(r.Context(), "movie.service/"+method, shuai.String("rpc.method", "movie.service/"+method), shuai.String("code.function.name", "web.list"))
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.films.URL+"/rpc/"+method, nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := traced.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			}
		}
	})
	l.page = httptest.NewServer(shuaihttp.NewHandler(web, shuaihttp.Config{Tracer: tracer("web")}))
	t.Cleanup(l.page.Close)
	l.api = New(Config{Store: l.watcher, Findings: l.watcher, Catalog: catalog.New(catalog.Config{
		Services: []catalog.Service{{Name: "movies", URL: l.films.URL}, {Name: "gone", URL: "http://127.0.0.1:1"}}, Token: operatorToken,
	})})
	return l
}

// visit asks for the page so often, and has it examined.
func (l *loop) visit(t *testing.T, n int) {
	t.Helper()
	for range n {
		resp, err := http.Get(l.page.URL + "/list")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		_ = resp.Body.Close()
	}
	for _, tr := range l.tracers {
		for tr.Stats().Buffered > 0 {
			if t.Context().Err() != nil {
				t.Fatal("the spans do not arrive")
			}
			time.Sleep(time.Millisecond)
		}
	}
	l.watcher.Settle(t.Context(), time.Now().Add(time.Hour))
}

// TestLoop walks the loop: a chatty page is found, the query in its place is one that the service takes and answers, the finding goes
// when the page asks with it, and what was estimated stands beside what was measured.
func TestLoop(t *testing.T) {
	l := startLoop(t)
	l.visit(t, 15)
	type findingAnswer struct {
		findingRow
		Suggestion *suggestionRow
	}
	find := func(label, state string) (f findingAnswer) {
		t.Helper()
		var list struct{ Findings []findingRow }
		ask(t, l.api, "/findings?state="+state, &list)
		at := slices.IndexFunc(list.Findings, func(f findingRow) bool { return f.Label == label })
		if at < 0 {
			t.Fatalf("no finding of %s is %s: %+v", label, state, list.Findings)
		}
		ask(t, l.api, "/findings/"+list.Findings[at].ID, &f)
		return f
	}
	f := find("movie.service.title", "new")
	if f.Site == nil || f.Site.Function != "web.list" || f.Calls < 11 || f.Calls > 13 || f.Mending != nil {
		t.Errorf("%+v", f.findingRow)
	}
	s := f.Suggestion
	if s == nil {
		t.Fatal("no suggestion")
	}
	if s.Sketch || !s.Checked || s.Refused != "" || s.Service != "movies" || len(s.Replaced) != 2 || s.Batches != 3 || s.Services != 2 || len(s.Silent) != 1 ||
		s.Silent[0].Name != "gone" || !strings.Contains(s.Go, "movies.GetMovies(ids)") || len(s.Params) != 1 || s.Params[0] != (paramRow{"ids", "list<int>"}) {
		t.Errorf("%+v", s)
	}
	// 24 calls less two waves.
	if one := s.Saving / 24; s.Saving <= 0 || one < float64(300*time.Microsecond)*0.8 {
		t.Errorf("the query saves %v, its 24 calls take 300 µs and more each", time.Duration(s.Saving))
	}
	l.program.Store(s.Query)
	l.mended.Store(true)
	l.visit(t, 40)
	f = find("movie.service.title", "resolved")
	m := f.Mending
	if m == nil || len(m.Together) != 1 || m.After.Requests != 40 || m.Before.Requests < 10 || m.Measured <= 0 || m.Error <= 0 {
		t.Fatalf("%+v", m)
	}
	t.Logf("estimated %v, measured %v ± %v", time.Duration(m.Estimated), time.Duration(m.Measured), time.Duration(m.Error))
	if m.Estimated != s.Saving || !m.ByQuery || f.Suggestion == nil || f.Suggestion.Saving != s.Saving {
		t.Errorf("%+v %+v", m, f.Suggestion)
	}

	// Redeye's side: one interface, with what it saved, its plan, and the switch.
	var seen struct {
		Services   []redeyeServiceRow
		Interfaces []interfaceRow
		Methods    []methodRow
	}
	ask(t, l.api, "/redeye", &seen)
	at := slices.IndexFunc(seen.Interfaces, func(r interfaceRow) bool { return r.Site == "list" })
	if at < 0 || len(seen.Services) != 2 || seen.Services[0].Error != "" || seen.Services[1].Error == "" {
		t.Fatalf("%+v", seen)
	}
	one := seen.Interfaces[at]
	// get_movies is one call; title and rating are one for each of 5 films, and were one for all.
	if one.Service != "movies" || one.Calls != 40 || one.Planned != 40*11 || one.Sent != 40*3 || one.Saved != 40*8 || one.Errors != 0 || one.P50 <= 0 ||
		one.Breaker != "closed" || one.Live == nil || one.Live.Calls != 40 || !strings.Contains(one.Program, "get_movies(ids)") {
		t.Errorf("%+v %+v", one, one.Live)
	}
	var plan struct {
		Looked  int
		Plan    []planLine
		Batches []planBatch
		Mean    float64
		Own     float64
		Slowest struct{ TraceID string }
	}
	ask(t, l.api, fmt.Sprintf("/redeye/plan?service=movies&site=list&hash=%s", one.Hash), &plan)
	methods := []string{}
	for _, line := range plan.Plan {
		if line.Method != "" {
			methods = append(methods, line.Method)
		}
	}
	slices.Sort(methods)
	if plan.Looked != mostExecutions || !slices.Equal(methods, []string{"Movie.rating", "Movie.title", "get_movies"}) || len(plan.Batches) != 3 ||
		plan.Batches[0].Method != "get_movies" || plan.Mean <= 0 || plan.Own <= 0 || plan.Own > plan.Mean || len(plan.Slowest.TraceID) != 32 {
		t.Errorf("%+v", plan)
	}
	for _, b := range plan.Batches {
		items := map[string]float64{"get_movies": 1, "Movie.title": 5, "Movie.rating": 5}[b.Method]
		if b.Calls != 1 || b.Items != items || b.Start < 0 || b.End < b.Start+b.Duration*0.99 || b.Breaker != "closed" {
			t.Errorf("%+v", b)
		}
	}
	body, err := json.Marshal(map[string]any{"service": "movies", "site": "list", "hash": one.Hash, "off": true})
	if err != nil {
		t.Fatal(err)
	}
	if w := post(t, l.api, Prefix+"/redeye/switch", string(body)); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	resp, err := http.Get(l.page.URL + "/list")
	if err != nil || resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("the page of a program that was switched off: %v %v", resp.Status, err)
	}
	_ = resp.Body.Close()
	ask(t, l.api, "/redeye?service=movies", &seen)
	if at := slices.IndexFunc(seen.Interfaces, func(r interfaceRow) bool { return r.Site == "list" }); !seen.Interfaces[at].Live.Off {
		t.Errorf("%+v", seen.Interfaces[at].Live)
	}
	for wrong, want := range map[string]string{
		`{"service": "elsewhere", "off": true}`: "--redeye NAME=URL", `{`: "the body is JSON", `{"service": "movies", "site": "nothing"}`: "404",
	} {
		if w := post(t, l.api, Prefix+"/redeye/switch", wrong); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", wrong, w.Code, w.Body, want)
		}
	}

	// The page falls back.
	l.mended.Store(false)
	l.visit(t, 2)
	if f := find("movie.service.title", "back"); f.Mending != nil {
		t.Errorf("%+v", f)
	}
	for _, tr := range l.tracers {
		if err := tr.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := l.watcher.Close(); err != nil {
		t.Error(err)
	}
}
