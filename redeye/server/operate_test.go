package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/redeye/server"
)

// Every program at every call site has its figures and its switch.
func TestCallSites(t *testing.T) {
	w := newWorld()
	w.Operator = func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer operator" {
			return errors.New("no")
		}
		return nil
	}
	url, _ := serve(t, w)
	at := func(line int) server.Request {
		req := request(`movies(1, 5).map(lambda m: m.title())`)
		req.Site = server.CallSite{Label: fmt.Sprintf("web/page.go:%d", line), Key: "web.Page"}
		return req
	}
	for line := range 3 {
		if _, err := w.Query(t.Context(), at(line)); err != nil {
			t.Fatal(err)
		}
	}
	list := w.CallSites()
	if len(list) != 1 || list[0].Calls != 3 || list[0].Backend != 6 || list[0].Planned != 15 || list[0].Label != "web/page.go:2" {
		t.Fatalf("%+v", list)
	}
	do := func(method, token, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, url+"/redeye/callsites", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	off := `{"key": "web.Page", "hash": "` + list[0].Hash + `", "off": true}`
	for _, test := range []struct {
		method, token, body string
		status              int
	}{
		{"GET", "", "", 403},
		{"GET", "Bearer operator", "", 200},
		{"POST", "", off, 403},
		{"POST", "Bearer operator", "{", 400},
		{"POST", "Bearer operator", `{"key": "other"}`, 404},
		{"POST", "Bearer operator", `{"method": "Movie.none"}`, 404},
		{"POST", "Bearer operator", `{"method": "Movie.title", "switch": "off"}`, 400},
		{"POST", "Bearer operator", `{"method": "Movie.title", "limit": -1}`, 400},
		{"POST", "", `{"method": "Movie.title", "switch": "open"}`, 403},
		{"PUT", "Bearer operator", "", 405},
		{"POST", "Bearer operator", off, 204},
	} {
		if status := do(test.method, test.token, test.body); status != test.status {
			t.Errorf("%+v: %d", test, status)
		}
	}
	_, err := w.Query(t.Context(), at(7))
	if e := reason(t, err); e.Reason != "SITE_OFF" || e.Code != "UNAVAILABLE" || e.Site != "web/page.go:7" {
		t.Error(err)
	}
	if _, err := w.Query(t.Context(), request(`movies(1, 5)`)); err != nil {
		t.Errorf("another query is refused too: %v", err)
	}
}

func siteOf(t *testing.T, w *world, key string) server.SiteStatus {
	t.Helper()
	all := w.CallSites()
	i := slices.IndexFunc(all, func(s server.SiteStatus) bool { return s.Key == key })
	if i < 0 {
		t.Fatalf("no site %s in %+v", key, all)
	}
	return all[i]
}

func methodOf(t *testing.T, w *world, name string) server.MethodStatus {
	t.Helper()
	all := w.Methods()
	i := slices.IndexFunc(all, func(m server.MethodStatus) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no method %s", name)
	}
	return all[i]
}

// The operator's switch goes before a breaker, for a program at a call site and for a method, and back again.
func TestSwitches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Budget.Rows = 100
		ask := func(n string) error {
			req := request(`movies(1, n)`, "n", n)
			req.Site = server.CallSite{Key: "page"}
			_, err := w.Query(t.Context(), req)
			return err
		}
		for range 20 {
			_ = ask("500")
		}
		if e := reason(t, ask("9")); e.Reason != "BREAKER_OPEN" {
			t.Fatal(e)
		}
		site := siteOf(t, w, "page")
		set := func(to string, limit int) {
			if err := w.SetSite(site.Tenant, site.Key, site.Hash, server.Setting{Switch: to, Limit: limit}); err != nil {
				t.Fatal(err)
			}
		}
		set("closed", 0)
		for range 50 {
			if e := reason(t, ask("500")); e.Reason != "BUDGET_EXCEEDED" {
				t.Fatal("forced closed:", e)
			}
		}
		if got := siteOf(t, w, "page"); got.Switch != "closed" || got.Breaker != "closed" || got.Off {
			t.Errorf("%+v", got)
		}
		set("open", 0)
		if e := reason(t, ask("9")); e.Reason != "SITE_OFF" {
			t.Fatal(e)
		}
		if got := siteOf(t, w, "page"); got.Switch != "open" || got.Breaker != "open" || !got.Off || got.Refused != 2 {
			t.Errorf("%+v", got)
		}
		set("", 3)
		if err := ask("9"); err != nil {
			t.Fatal(err)
		}
		if got := siteOf(t, w, "page"); got.Switch != "automatic" || got.Limit != 3 {
			t.Errorf("%+v", got)
		}

		title := func() error {
			_, err := w.Query(t.Context(), request(`movies(1, 3).map(lambda m: m.title())`))
			return err
		}
		if err := w.SetMethod("Movie.title", server.Setting{Switch: "open"}); err != nil {
			t.Fatal(err)
		}
		w.taken()
		if e := reason(t, title()); e.Reason != "METHOD_OFF" || e.Method != "Movie.title" || e.Code != "UNAVAILABLE" || len(w.taken()) != 1 {
			t.Fatal(e)
		}
		// What can do without the method does.
		if _, err := w.Query(t.Context(), request(`movies(1, 3).map(lambda m: m.title().on_error("?"))`)); err != nil {
			t.Error(err)
		}
		if got := methodOf(t, w, "Movie.title"); got.Breaker != "open" || got.Switch != "open" || got.Refused != 2 || got.Limit != 64 {
			t.Errorf("%+v", got)
		}
		if err := w.SetMethod("Movie.title", server.Setting{}); err != nil {
			t.Fatal(err)
		}
		if err := title(); err != nil {
			t.Error(err)
		}
		if err := w.SetMethod("Movie.nothing", server.Setting{}); !errors.Is(err, server.ErrNoSuch) {
			t.Error(err)
		}
	})
}

// An operator gives a program at a call site a budget of its own: more than others have or less, but no more time. Requests lower it as they do the server's,
// and its breaker counts what exceeds it.
func TestBudgetOfACallSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Operator = func(*http.Request) error { return nil }
		w.Budget.Rows = 100
		h, err := w.Handler()
		if err != nil {
			t.Fatal(err)
		}
		ask := func(site string, b server.Budget) string {
			req := request(`movies(1, n).length()`, "n", "500")
			req.Site.Key, req.Budget = site, b
			switch _, err := w.Query(t.Context(), req); {
			case err == nil:
				return "answered"
			case reason(t, err).Budget != "":
				return fmt.Sprint(reason(t, err).Budget, " ", reason(t, err).Limit)
			default:
				return reason(t, err).Code + " " + reason(t, err).Reason
			}
		}
		set := func(site, what string) (int, string) {
			body := fmt.Sprintf(`{"key": %q, "hash": %q, %s}`, site, siteOf(t, w, site).Hash, what)
			got := httptest.NewRecorder()
			h.ServeHTTP(got, httptest.NewRequest(http.MethodPost, "/redeye/callsites", strings.NewReader(body)))
			return got.Code, got.Body.String()
		}
		for i, step := range []struct {
			site, set string
			status    int
			budget    server.Budget
			want      string
		}{
			{"report", "", 0, server.Budget{}, "rows 100"},
			{"other", "", 0, server.Budget{}, "rows 100"},
			{"report", `"budget": {"rows": 1000}`, 204, server.Budget{}, "answered"},
			{"other", "", 0, server.Budget{}, "rows 100"},
			{"report", "", 0, server.Budget{Rows: 300}, "rows 300"},
			{"report", "", 0, server.Budget{Rows: 5000}, "answered"},
			{"report", `"limit": 7`, 204, server.Budget{}, "answered"}, // which leaves the budget as it is
			{"report", `"budget": {"rows": 400, "steps": 3}`, 204, server.Budget{}, "steps 3"},
			{"report", `"budget": {"rows": 1000, "wall_nanos": 1000000}`, 204, server.Budget{}, "answered"},
			{"report", `"budget": {"row": 7}`, 400, server.Budget{}, "answered"},
			{"report", `"budget": {"rows": -7}`, 400, server.Budget{}, "answered"},
			{"report", `"budgets": {"rows": 7}`, 400, server.Budget{}, "answered"},
			{"report", `"method": "movies", "budget": {"rows": 7}`, 400, server.Budget{}, "answered"},
			{"report", `"budget": {}`, 204, server.Budget{}, "rows 100"},
		} {
			if step.set != "" {
				if status, body := set(step.site, step.set); status != step.status {
					t.Errorf("step %d: %d %s", i, status, body)
				}
			}
			if got := ask(step.site, step.budget); got != step.want {
				t.Errorf("step %d: %s instead of %s", i, got, step.want)
			}
		}

		// The time is the server's at most.
		w.delay = time.Hour
		for wall, want := range map[string]time.Duration{"1000000000": time.Second, "3600000000000": 5 * time.Second} {
			if status, body := set("other", `"budget": {"rows": 1000, "wall_nanos": `+wall+`}`); status != 204 {
				t.Fatal(body)
			}
			req := request(`movies(1, n).length()`, "n", "500")
			req.Site.Key = "other"
			start := time.Now()
			_, err := w.Query(t.Context(), req)
			if took := time.Since(start); err == nil || took != want {
				t.Errorf("%v, after %v instead of %v", err, took, want)
			}
		}
		synctest.Wait()
		w.delay = 0

		// What exceeds it counts for the breaker, what a request chose does not.
		if status, body := set("other", `"budget": {"rows": 300}`); status != 204 || siteOf(t, w, "other").Budget.Rows != 300 {
			t.Fatal(body)
		}
		time.Sleep(time.Minute)
		for range 40 {
			if got := ask("other", server.Budget{Rows: 200}); got != "rows 200" {
				t.Fatal(got)
			}
		}
		for range 20 {
			if got := ask("other", server.Budget{}); got != "rows 300" {
				t.Fatal(got)
			}
		}
		if got := ask("other", server.Budget{}); got != "UNAVAILABLE BREAKER_OPEN" {
			t.Error(got)
		}
	})
}

// A method is called so often at once as it may be, by all queries together; the others wait for their turn, in order, and whoever gives up
// takes no turn.
func TestMethodConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var mu sync.Mutex
		now, most := 0, 0
		slow := server.Entity(w.Server, "Slow", func(s struct{ id int64 }) int64 { return s.id })
		server.Batch(slow, "work", func(ctx context.Context, ss []struct{ id int64 }) ([]int64, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			defer func() { mu.Lock(); now--; mu.Unlock() }()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return make([]int64, len(ss)), ctx.Err()
		}, server.Concurrency(2))
		server.Source0(w.Server, "slows", func(context.Context) ([]struct{ id int64 }, error) { return []struct{ id int64 }{{1}}, nil })
		start := time.Now()
		ask := func(ctx context.Context, site int) (time.Duration, error) {
			req := request(`slows().map(lambda s: s.work())`)
			req.Site.Key = fmt.Sprint("site", site) // each has a bound of its own
			_, err := w.Query(ctx, req)
			return time.Since(start), err
		}
		gone, cancel := context.WithCancel(t.Context())
		results := make(chan string, 10)
		for i := range 6 {
			ctx := t.Context()
			if i == 2 {
				ctx = gone
			}
			go func() {
				took, err := ask(ctx, i)
				results <- fmt.Sprint(i, " ", took, " ", err != nil)
			}()
			synctest.Wait()
		}
		if got := methodOf(t, w, "Slow.work"); got.Running != 2 || got.Waiting != 4 || got.Limit != 2 {
			t.Errorf("%+v", got)
		}
		cancel()
		var got []string
		for range 6 {
			got = append(got, <-results)
		}
		slices.Sort(got)
		if want := "0 1s false, 1 1s false, 2 0s true, 3 2s false, 4 2s false, 5 3s false"; strings.Join(got, ", ") != want || most != 2 {
			t.Errorf("%q, %d at once", got, most)
		}
		// The operator may allow more.
		if err := w.SetMethod("Slow.work", server.Setting{Limit: 5}); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		for i := range 5 {
			go func() {
				took, _ := ask(t.Context(), i)
				results <- took.String()
			}()
		}
		for range 5 {
			if took := <-results; took != "1s" {
				t.Error(took)
			}
		}
		if got := methodOf(t, w, "Slow.work"); got.Running != 0 || got.Waiting != 0 || got.Calls != 10 || got.Failed != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// Calls that take longer than they should open a method's breaker, where the service says how long that is; whoever gives up on them does not hide it.
func TestSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(server.SlowAfter(time.Minute)) // title and rating
		w.SlowCall = 100 * time.Millisecond
		ask := func(delay, patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			w.delay = delay
			defer synctest.Wait() // for those that nobody waits for any more
			_, err := w.Query(ctx, request(`movies(1, 3).map(lambda m: m.title())`))
			return err
		}
		for range 20 {
			if err := ask(100*time.Millisecond, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if got := methodOf(t, w, "movies"); got.Slow != 0 || got.Breaker != "closed" || got.SlowAfter != "100ms" {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Minute)
		for i := range 20 {
			patience := time.Duration(1+i%2) * 150 * time.Millisecond // gone before movies answers, and before title does
			if err := ask(200*time.Millisecond, patience); reason(t, err).Code != "DEADLINE_EXCEEDED" {
				t.Fatal(err)
			}
		}
		if got := methodOf(t, w, "movies"); got.Slow != 20 || got.Failed != 0 || got.Breaker != "open" {
			t.Errorf("%+v", got)
		}
		if e := reason(t, ask(0, time.Hour)); e.Reason != "BREAKER_OPEN" || e.Method != "movies" {
			t.Error(e)
		}
		if got := methodOf(t, w, "Movie.title"); got.Slow != 0 || got.Breaker != "closed" || got.SlowAfter != "1m0s" {
			t.Errorf("%+v", got)
		}
		// Quick again, it is asked again.
		time.Sleep(6 * time.Second)
		for range 5 {
			if err := ask(time.Millisecond, time.Hour); err != nil {
				t.Error(err)
			}
		}
		// Unless somebody says so, no call is too slow.
		w = newWorld()
		for range 40 {
			if err := ask(2*time.Second, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if got := methodOf(t, w, "movies"); got.Slow != 0 || got.SlowAfter != "" {
			t.Errorf("%+v", got)
		}
	})
}

// A caller cannot open a breaker that is in others' way with bounds of its own: neither a method's with deadlines that are too
// short for it, nor a program's with tiny budgets.
func TestBreakersAreNotTrippedByCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 50 * time.Millisecond
		for range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := w.Query(ctx, request(`movies(1, 5)`))
			cancel()
			if reason(t, err).Code != "DEADLINE_EXCEEDED" {
				t.Fatal(err)
			}
			req := request(`movies(1, 5)`)
			req.Budget = server.Budget{Rows: 1}
			if _, err := w.Query(t.Context(), req); reason(t, err).Reason != "BUDGET_EXCEEDED" {
				t.Fatal(err)
			}
		}
		if _, err := w.Query(t.Context(), request(`movies(1, 5)`)); err != nil {
			t.Error(err)
		}
		// A method that really hangs is left alone after a while.
		time.Sleep(time.Minute)
		w.delay = time.Hour
		var wg sync.WaitGroup
		for range 25 {
			wg.Go(func() { _, _ = w.Query(t.Context(), request(`movies(2, 5)`)) })
		}
		wg.Wait()
		synctest.Wait()
		if got := methodOf(t, w, "movies"); got.Breaker != "open" {
			t.Errorf("%+v", got)
		}
	})
}

// A flood of call sites pushes out nobody's history: it shares one site, of its tenant, which is bounded as one is.
func TestCallSiteFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ask := func(tenant, key string) error {
			req := server.Request{Text: "1", Site: server.CallSite{Key: key}}
			_, err := w.Query(server.WithPrincipal(t.Context(), server.Principal{Tenant: tenant}), req)
			return err
		}
		for range 3 {
			_ = ask("acme", "page")
		}
		for i := range 10_050 {
			if err := ask("eve", fmt.Sprint("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		sites := w.CallSites()
		if page, other := siteOf(t, w, "page"), siteOf(t, w, "other"); len(sites) != 10_002 || page.Calls != 3 || other.Tenant != "eve" || other.Calls != 50 {
			t.Errorf("%d sites, %+v, %+v", len(sites), page, other)
		}
		// The bound of all is the server's: with that many tenants, new ones share one.
		for i := range 10_050 {
			_ = ask(fmt.Sprint("tenant", i), "page")
		}
		if n := len(w.CallSites()); n != 20_001 {
			t.Errorf("%d call sites are kept", n)
		}
		// What is not used for long makes room.
		time.Sleep(11 * time.Minute)
		if err := ask("bob", "late"); err != nil {
			t.Fatal(err)
		}
		if late := siteOf(t, w, "late"); late.Calls != 1 {
			t.Errorf("%+v", late)
		}
	})
}

// Plans of strangers' programs take bounded memory, however large and many they are.
func TestPlanFlood(t *testing.T) {
	w := newWorld()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	ask := func(i int) {
		terms := make([]string, 150)
		for j := range terms {
			terms[j] = fmt.Sprintf("m.year + %d", i*1000+j)
		}
		text := `movies(1, 2).map(lambda m: [` + strings.Join(terms, ", ") + `])`
		if _, err := w.Query(t.Context(), server.Request{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	ask(0)
	before := heap()
	for i := range 400 {
		ask(i + 1)
	}
	held, stats := heap()-before, w.PlanStats()
	t.Logf("%d bytes for %+v", held, stats)
	if stats.Bytes > 64<<20 || held > stats.Bytes*3/2+(16<<20) {
		t.Errorf("holds %d bytes and says %+v", held, stats)
	}
	runtime.KeepAlive(w)
}

// In a steady state plans are there: a program is read and checked once, by however many at once it is asked.
func TestPlanCache(t *testing.T) {
	w := newWorld()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				req := request(fmt.Sprintf(`movies(1, n).map(lambda m: m.id + %d)`, i%3), "n", fmt.Sprint(g))
				if _, err := w.Query(t.Context(), req); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := w.PlanStats(); got.Plans != 3 || got.Misses != 3 || got.Hits < 790 {
		t.Errorf("%+v", got)
	}
	// A locked server makes nothing of what it does not run, and explains it to nobody.
	w.Mode = server.Locked
	for i := range 50 {
		_, err := w.Query(t.Context(), request(fmt.Sprintf(`movies(1, %d)`, i)))
		_, explained := w.Explain(t.Context(), request(fmt.Sprintf(`movies(1, %d)`, i)))
		if reason(t, err).Reason != "PROGRAM_UNKNOWN" || reason(t, explained).Reason != "PROGRAM_UNKNOWN" {
			t.Fatal(err, explained)
		}
	}
	if got := w.PlanStats(); got.Plans != 3 {
		t.Errorf("%+v", got)
	}
}

// A hook that panics refuses.
func TestAuthorizePanics(t *testing.T) {
	w := newWorld()
	w.Authorize = func(context.Context, server.Principal, string) error { panic("a bug") }
	for _, err := range []error{
		func() error { _, err := w.Query(t.Context(), request(`movies(1, 2)`)); return err }(),
		func() error { _, err := w.Explain(t.Context(), request(`movies(1, 2)`)); return err }(),
	} {
		if e := reason(t, err); e.Code != "PERMISSION_DENIED" || !strings.Contains(fmt.Sprint(e.Cause), "a bug") {
			t.Error(err)
		}
	}
	if len(w.taken()) != 0 {
		t.Error("it was called all the same")
	}
}

// What an operator sees: call sites, methods, cache and plans, in JSON.
func TestOperatorsPage(t *testing.T) {
	w := newWorld()
	w.Operator = func(*http.Request) error { return nil }
	url, _ := serve(t, w)
	mustAskAs(t, w, "ann", `shelf([1, 2]).map(lambda m: m.stars())`)
	mustAskAs(t, w, "ann", `shelf([1, 2]).map(lambda m: m.stars())`)
	resp, err := http.Get(url + "/redeye/callsites")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		CallSites []server.SiteStatus
		Methods   []server.MethodStatus
		Cache     server.CacheStats
		Plans     server.PlanStats
	}
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	site := page.CallSites[0]
	if len(page.CallSites) != 1 || site.Hits != 2 || site.Misses != 2 || site.Breaker != "closed" || site.Switch != "automatic" || site.Tenant != "acme" {
		t.Errorf("%+v", page.CallSites)
	}
	if page.Cache.Entries != 2 || page.Cache.Hits != 2 || page.Plans.Plans != 1 || page.Plans.Hits != 1 || len(page.Methods) != len(w.Methods()) {
		t.Errorf("%+v %+v %d methods", page.Cache, page.Plans, len(page.Methods))
	}
}

// What Prometheus reads: every line is of the format, every family has its kind, and the figures are those of the other page.
func TestMetrics(t *testing.T) {
	w := newWorld()
	w.Operator = func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer operator" {
			return errors.New("no")
		}
		return nil
	}
	for range 25 {
		_, _ = w.Query(t.Context(), request(`movies(1, 3).map(lambda m: m.panics())`))
	}
	mustAskAs(t, w, "ann", `shelf([1, 2]).map(lambda m: m.stars())`)
	h, err := w.Handler()
	if err != nil {
		t.Fatal(err)
	}
	get := func(token string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, "/redeye/metrics", nil)
		req.Header.Set("Authorization", token)
		got := httptest.NewRecorder()
		h.ServeHTTP(got, req)
		return got
	}
	if got := get(""); got.Code != http.StatusForbidden || strings.Contains(got.Body.String(), "movies") {
		t.Error(got.Code, got.Body)
	}
	kinds, values := map[string]string{}, map[string]string{}
	for line := range strings.Lines(get("Bearer operator").Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if kind := regexp.MustCompile(`^# TYPE (\w+) (counter|gauge)$`).FindStringSubmatch(line); kind != nil {
			kinds[kind[1]] = kind[2]
			continue
		}
		sample := regexp.MustCompile(`^(\w+)(\{method="[\w.]+"\})? (\d+)$`).FindStringSubmatch(line)
		switch {
		case sample != nil:
			if kind := kinds[sample[1]]; kind == "" || (kind == "counter") != strings.HasSuffix(sample[1], "_total") {
				t.Errorf("%s, of the kind %q", line, kind)
			}
			values[sample[1]+sample[2]] = sample[3]
		case !strings.HasPrefix(line, "# HELP "):
			t.Errorf("what is %q?", line)
		}
	}
	for name, want := range map[string]string{
		"redeye_queries_total": "26", "redeye_query_errors_total": "25", "redeye_queries_refused_total": "0", "redeye_queries_running": "0",
		"redeye_callsites": "2", "redeye_callsites_open": "0", `redeye_method_calls_total{method="movies"}`: "25",
		`redeye_method_failed_total{method="Movie.panics"}`: "20", `redeye_method_refused_total{method="Movie.panics"}`: "5",
		`redeye_method_breaker_opened_total{method="Movie.panics"}`: "1", `redeye_method_breaker_open{method="Movie.panics"}`: "1",
		`redeye_method_breaker_open{method="Movie.title"}`: "0", "redeye_cache_entries": "2", "redeye_cache_misses_total": "2", "redeye_plans": "2", "redeye_plan_hits_total": "24",
	} {
		if values[name] != want {
			t.Errorf("%s is %q, not %s", name, values[name], want)
		}
	}
}

// An analysis is of an execution as any: what was done at each node, how long calls took, what was kept.
func TestAnalyze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 3 * time.Millisecond
		const text = `shelf(ids).filter(lambda m: m.year > 1981).map(lambda m: {"stars": m.stars().on_error(0), "poster": m.poster(), "line": m.tagline().cache("1m", "public")})`
		mustAskAs(t, w, "ann", text, "ids", "[1, 2]")
		out, err := w.Analyze(t.Context(), request(text, "ids", "[2, 3, 4, 4]"))
		if err != nil {
			t.Fatal(err)
		}
		for node, want := range map[string]string{
			"call shelf": "1 row, 1 call of 1 item in 3ms", "filter": "1 row", "on_error": "4 rows", "call Movie.stars, at most 10 at once": "4 rows, 1 call of 2 items in 3ms, 1 item in error, 1 of 3 kept",
			"call Movie.poster, at most 1 at once": "4 rows, 3 calls of 3 items in 3ms each, the longest 3ms", "cache for 1m0s, public": "4 rows, 1 of 3 kept",
			"call Movie.tagline": "2 rows, 1 call of 2 items in 3ms",
		} {
			i := strings.Index(out.Plan, "  "+node+"  #")
			if i < 0 {
				t.Errorf("no %s in\n%s", node, out.Plan)
				continue
			}
			if line, _, _ := strings.Cut(out.Plan[i+2:], "\n"); !strings.HasSuffix(line, "  "+want) {
				t.Errorf("want %q in\n%s", want, line)
			}
		}
		if out.Usage.Calls != 6 || out.Usage.Hits != 2 || !strings.Contains(out.Plan, "calls                6  of 200\n") || !strings.Contains(out.Plan, "by the filter, in blocks") {
			t.Errorf("%+v\n%s", out.Usage, out.Plan)
		}
		if _, err := w.Analyze(t.Context(), request(text)); reason(t, err).Reason != "PARAMETER" {
			t.Error(err)
		}
	})
}

// A program that is certain to make more calls than it may is refused before its first; one that may do with fewer is not.
func TestHopelessProgramsCallNothing(t *testing.T) {
	numbers := func(n, kinds int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint(i % kinds)
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	for _, test := range []struct {
		text     string
		ids      string
		hopeless bool
	}{
		{`ids.map(lambda i: get_movies([i]))`, numbers(300, 300), true},
		{`{"a": 1, "b": ids.map(lambda i: {"n": i, "ms": get_movies([i, 7]).length()})}`, numbers(300, 300), false}, // length may need none, as far as is known
		{`{"a": 1, "b": ids.map(lambda i: {"n": i, "ms": get_movies([i, 7])})}`, numbers(300, 300), true},
		{`ids.map(lambda i: get_movies([i])[0].id + 1)`, numbers(300, 300), false},
		{`ids.map(lambda i: ids.map(lambda j: get_movies([i, j])))`, numbers(250, 250), true},
		{`ids.map(lambda i: get_movies([i]))`, numbers(1000, 20), false},
		{`ids.map(lambda i: get_movies([i])) + ids.map(lambda j: get_movies([j]))`, numbers(150, 150), false}, // the same ones
		{`ids.map(lambda i: get_movies([i]) if i > 300 else [])`, numbers(400, 400), false},
		{`ids.map(lambda i: get_movies([i])).limit(3)`, numbers(400, 400), false},
		{`ids.map(lambda i: get_movies([100 // i]))`, numbers(400, 400), false},
		{`ids.filter(lambda i: i < 3).map(lambda i: get_movies([i]))`, numbers(400, 400), false},
		{`ids.map(lambda i: get_movies([i])).length()`, numbers(400, 400), false},
	} {
		w := newWorld() // each its own: a call that was begun for a query that failed may still come after it
		_, err := w.Query(t.Context(), request(test.text, "ids", test.ids))
		calls := len(w.taken())
		var e *server.Error
		over := errors.As(err, &e) && e.Budget == "calls"
		if refused := over && calls == 0 && e.Used > 201; refused != test.hopeless {
			t.Errorf("%s: %d calls, %v", test.text, calls, err)
		}
		if test.hopeless && (!strings.Contains(e.Where, "^") || e.Used <= e.Limit) {
			t.Errorf("%+v", e)
		}
	}
}
