package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// testdata/script/cache has what is kept for whom. Here is when, how much, and by whom of several.

func askAs(ctx context.Context, w *world, name, text string, params ...string) (*server.Answer, error) {
	return w.Query(server.WithPrincipal(ctx, server.Principal{Name: name, Tenant: "acme"}), request(text, params...))
}

func mustAskAs(t testing.TB, w *world, name, text string, params ...string) *server.Answer {
	t.Helper()
	answer, err := askAs(t.Context(), w, name, text, params...)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	return answer
}

// A value is good for as long as the reader takes, and no longer; one that is used when most of its time is over is renewed, and
// nobody waits for that.
func TestCacheAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ask := func(ttl string) string {
			mustAskAs(t, w, "ann", `movies(1, 3).map(lambda m: m.title()).cache("`+ttl+`")`)
			synctest.Wait()
			return strings.Join(w.taken(), ", ")
		}
		const made = "Movie.title [1 2], movies 1 to 3"
		for _, step := range []struct {
			wait time.Duration
			ttl  string
			want string
		}{
			{0, "1m", made},
			{30 * time.Second, "1m", ""},
			{5 * time.Second, "1s", made}, // it is too old for this one, which makes it anew for all
			{30 * time.Second, "1m", ""},
			{17 * time.Second, "1m", made}, // 47 s old: renewed, after it was used
			{30 * time.Second, "1m", ""},   // 77 s after it was made before that
			{time.Minute, "1m", made},      // too old
			{2 * time.Minute, "10m", ""},   // for this one it is not: what it says is how old a value may be
		} {
			time.Sleep(step.wait)
			if got := ask(step.ttl); got != step.want {
				t.Errorf("%v later, at most %s old: %q instead of %q", step.wait, step.ttl, got, step.want)
			}
		}
	})
}

// What is renewed is renewed once, row by row, with the variables of all levels around, and what fails stays as it was.
func TestCacheRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 500 * time.Millisecond
		const nested = `[n, n + 1].map(lambda k: shelf([k, k + 2]).map(lambda m: {"k": k, "s": (m.tagline() + str(k) + str(n)).cache("100s", "public"), "of": m.stars().on_error(0)}))`
		first := mustAskAs(t, w, "ann", nested, "n", "3")
		w.taken()
		time.Sleep(78 * time.Second)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				start := time.Now()
				again := mustAskAs(t, w, "bob", nested, "n", "3")
				if got, want := column.AppendJSON(nil, again.Value, 0), column.AppendJSON(nil, first.Value, 0); string(got) != string(want) {
					t.Errorf("%s\nis not\n%s", got, want)
				}
				if took := time.Since(start); took > 1500*time.Millisecond { // the source; stars, which are kept for a minute only; and the one of them that is an error, again
					t.Errorf("waited %v", took)
				}
			})
		}
		wg.Wait()
		time.Sleep(5 * time.Second)
		asked := 0
		for _, c := range w.taken() {
			if strings.HasPrefix(c, "Movie.tagline") {
				asked++
			}
		}
		if stats := w.CacheStats(); asked != 1 || stats.Renewed != 4 {
			t.Errorf("asked %d times; %+v", asked, stats)
		}
		time.Sleep(20 * time.Second) // older than the first ones may be
		if again := mustAskAs(t, w, "bob", nested, "n", "3"); again.Usage.Hits < 4 {
			t.Errorf("%+v", again.Usage)
		}
	})
}

// Of several that want what is not there, one has it made.
func TestCacheFillsOnce(t *testing.T) {
	for name, text := range map[string]string{
		"value":  `shelf([1, 2, 3]).map(lambda m: m.tagline()).cache("1m", "public").map(lambda s: s.length())`,
		"rows":   `[1, 2, 3].map(lambda i: shelf([i]).map(lambda m: m.tagline()).cache("1m", "public"))`,
		"method": `let(shelf([1, 2, 3]).cache("1m", "public"), lambda ms: ms.map(lambda m: m.stars()))`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.delay = 100 * time.Millisecond
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						if answer := mustAskAs(t, w, fmt.Sprint("user", i), text); answer.Usage.Wall != 200*time.Millisecond {
							t.Errorf("took %v", answer.Usage.Wall)
						}
					})
				}
				wg.Wait()
				calls := w.taken()
				shelf := len(slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasPrefix(c, "shelf") }))
				if name == "rows" && shelf != 3 || name != "rows" && (shelf != 1 || len(calls) != 2) {
					t.Errorf("calls: %q", calls)
				}
			})
		})
	}
}

// Whoever waits for another's value goes on alone when the other fails, is cancelled, or takes too long.
func TestCacheFillerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 300 * time.Millisecond
		const text = `shelf([1, 2]).map(lambda m: m.tagline()).cache("1m", "public")`
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 2)
		go func() {
			_, err := askAs(ctx, w, "ann", text)
			results <- err
		}()
		synctest.Wait()
		go func() {
			_, err := askAs(t.Context(), w, "bob", text)
			results <- err
		}()
		time.Sleep(100 * time.Millisecond)
		cancel()
		if err := <-results; err == nil {
			t.Error("cancelled, and answered")
		}
		start := time.Now()
		if err := <-results; err != nil || time.Since(start) != 600*time.Millisecond {
			t.Error(err, time.Since(start))
		}

		// An error is the caller's own.
		const broken = `movies(1, 2).map(lambda m: m.broken()).cache("1m").on_error(["?"])`
		for range 2 {
			go func() {
				_, err := askAs(t.Context(), w, "ann", broken)
				results <- err
			}()
		}
		for range 2 {
			if err := <-results; reason(t, err).Code != "NOT_FOUND" {
				t.Error(err)
			}
		}

		// Whoever makes it is in no hurry.
		w.taken()
		w.delay = 3 * time.Second
		go func() {
			_, err := askAs(t.Context(), w, "ann", `shelf([7]).map(lambda m: m.stars())`)
			results <- err
		}()
		synctest.Wait()
		w.delay = 10 * time.Millisecond
		start = time.Now()
		if _, err := askAs(t.Context(), w, "bob", `shelf([7]).map(lambda m: m.stars())`); err != nil || time.Since(start) > 2*time.Second {
			t.Error(err, time.Since(start))
		}
		<-results
	})
}

// A query that wants the same value in two places does not wait for itself.
func TestCacheTwiceInAQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 10 * time.Millisecond
		answer := mustAskAs(t, w, "ann", `{"a": [1, 2].map(lambda i: shelf([i, 5]).map(lambda m: m.tagline().cache("1m", "public"))),
			"b": shelf([2, 5]).map(lambda m: m.tagline().cache("1m", "public")), "c": shelf([1]).map(lambda m: m.stars()), "d": shelf([2, 1]).map(lambda m: m.stars())}`)
		if answer.Usage.Wall > 40*time.Millisecond {
			t.Errorf("took %v: %q", answer.Usage.Wall, w.taken())
		}
	})
}

// Whoever floods the cache pushes out what they put there. Memory stays within its bound.
func TestCacheFlood(t *testing.T) {
	w := newWorld()
	w.CacheBytes = 1 << 20
	for _, name := range []string{"ann", "bob", "cleo"} {
		for i := range 20 {
			mustAskAs(t, w, name, `movies(n, n + 5).map(lambda m: m.mark()).cache("1h")`, "n", fmt.Sprint(i))
		}
	}
	w.taken()
	for i := range 4000 {
		mustAskAs(t, w, "eve", `movies(n, n + 5).map(lambda m: m.mark()).cache("24h")`, "n", fmt.Sprint(i))
	}
	w.taken()
	stats := w.CacheStats()
	if stats.Bytes > 1<<20 || stats.Evicted < 1000 {
		t.Errorf("%+v", stats)
	}
	for _, name := range []string{"ann", "bob", "cleo"} {
		for i := range 20 {
			mustAskAs(t, w, name, `movies(n, n + 5).map(lambda m: m.mark()).cache("1h")`, "n", fmt.Sprint(i))
		}
	}
	if calls := w.taken(); len(calls) != 0 {
		t.Errorf("eve pushed out what others had: %d calls", len(calls))
	}
	// One value that is too large for the cache is answered, and leaves it as it is.
	before := w.CacheStats().Entries
	mustAskAs(t, w, "eve", `movies(0, 9000).map(lambda m: m.genre).cache("1h")`)
	if after := w.CacheStats(); after.Entries != before {
		t.Errorf("%d entries before, %+v after", before, after)
	}
}

// What the cache says that it holds is about what it does hold.
func TestCacheMemory(t *testing.T) {
	w := newWorld()
	w.CacheBytes = 8 << 20
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	ask := func(n int) {
		mustAskAs(t, w, "ann", `movies(n, n + 100).map(lambda m: {"id": m.id, "t": m.title().cache("1h"), "g": m.genre}).cache("1h")`, "n", fmt.Sprint(n))
		w.taken()
	}
	ask(0)
	before := heap()
	for i := range 400 {
		ask(i * 100)
	}
	held, said := heap()-before, w.CacheStats().Bytes
	if said > 8<<20 || held > 2*said {
		t.Errorf("says %d bytes, and holds %d", said, held)
	}
	runtime.KeepAlive(w)
}

// Names cannot be put together so that one caller's key is another's.
func TestCacheKeysAreNotForged(t *testing.T) {
	w := newWorld()
	const text = `movies(1, 2).map(lambda m: m.mark()).cache("1m")`
	for _, who := range []server.Principal{
		{Tenant: "a", Name: "bc"}, {Tenant: "ab", Name: "c"}, {Tenant: "", Name: "abc"}, {Tenant: "\x01a", Name: "bc"}, {Tenant: "a\x02b", Name: "c"}, {Tenant: "a\x02bc", Name: "a"},
	} {
		answer, err := w.Query(server.WithPrincipal(t.Context(), who), request(text))
		if err != nil || answer.Value.Items.Texts[0] != who.Name+"'s 1" || answer.Usage.Hits != 0 {
			t.Errorf("%+v got %v, %v", who, answer, err)
		}
	}
	// Nor texts, lists and nulls so that one value's key is another's.
	const joined = `let((["!"] + xs).skip(1), lambda l: {"n": l.length(), "s": l.reduce("", lambda acc, x: acc + "|" + x)}.cache("1m", "public"))`
	for _, xs := range []string{`[]`, `[""]`, `["", ""]`, `["a", "b"]`, `["ab"]`, `["a|b"]`, `["a\u0001b"]`} {
		answer := mustAskAs(t, w, "ann", joined, "xs", xs)
		if answer.Usage.Hits != 0 {
			t.Errorf("%s: %s", xs, column.AppendJSON(nil, answer.Value, 0))
		}
	}
}

// A hit is charged: what comes from the cache takes memory and rows as what is computed does.
func TestCacheBudgets(t *testing.T) {
	w := newWorld()
	const text = `movies(1, 1000).map(lambda m: {"id": m.id, "g": m.genre}).cache("1m")`
	mustAskAs(t, w, "ann", text)
	for _, b := range []server.Budget{{Memory: 10_000}, {Rows: 998}, {RowsOut: 998}} {
		req := request(text)
		req.Budget = b
		_, err := w.Query(server.WithPrincipal(t.Context(), server.Principal{Name: "ann", Tenant: "acme"}), req)
		if reason(t, err).Reason != "BUDGET_EXCEEDED" {
			t.Errorf("%+v: %v", b, err)
		}
	}
	if answer := mustAskAs(t, w, "ann", text); answer.Usage.Hits != 1 || answer.Usage.Calls != 0 {
		t.Errorf("%+v", answer.Usage)
	}
}

// A caller who may not use a method does not get what is kept of it.
func TestCacheIsAuthorized(t *testing.T) {
	w := newWorld()
	w.Authorize = func(_ context.Context, who server.Principal, method string) error {
		if who.Name == "eve" && method == "Movie.tagline" {
			return errors.New("not yours")
		}
		return nil
	}
	const text = `shelf([1]).map(lambda m: m.tagline()).cache("1m", "public")`
	mustAskAs(t, w, "ann", text)
	_, err := askAs(t.Context(), w, "eve", text)
	if reason(t, err).Code != "PERMISSION_DENIED" {
		t.Error(err)
	}
}

// That something is null, or not there, is kept for a second unless the server says otherwise, and never for longer than other values are.
func TestCacheNegative(t *testing.T) {
	for _, test := range []struct {
		ttl   time.Duration // of the server
		wait  time.Duration
		calls string
	}{
		{0, 590 * time.Millisecond, ""},
		{0, 1100 * time.Millisecond, "Movie.poster 4, Movie.stars [4]"},
		{-1, 0, "Movie.poster 4, Movie.stars [4]"},
		{30 * time.Second, 17 * time.Second, ""},
		{30 * time.Second, 31 * time.Second, "Movie.poster 4, Movie.stars [4]"},
		{time.Hour, 61 * time.Second, "Movie.poster 4, Movie.poster 6, Movie.stars [4 6]"}, // a minute is what stars and the program say
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.NegativeTTL = test.ttl
			for i := range 2 {
				answer := mustAskAs(t, w, "ann", `let(shelf([4, 6]).cache("1h", "public"), lambda ms: ms.map(lambda m: {"p": m.poster().cache("1m"), "s": m.stars().on_error(-1)}))`)
				if got := string(column.AppendJSON(nil, answer.Value, 0)); got != `[{"p":null,"s":-1},{"p":"https://img/6.jpg","s":1}]` {
					t.Error(got)
				}
				if got := strings.Join(w.taken(), ", "); i == 1 && got != test.calls {
					t.Errorf("kept for %v at most, asked %v later: %q instead of %q", test.ttl, test.wait, got, test.calls)
				}
				time.Sleep(test.wait)
			}
		})
	}
}

// What is too old stands in for what cannot be made, where the server lets it, and the answer says so. It is tried again every second, by one.
func TestCacheStaleIfError(t *testing.T) {
	for name, test := range map[string]struct {
		text, down string
		stale      int64
	}{
		"method":         {`shelf([1, 2]).map(lambda m: m.stars())`, "Movie.stars", 2},
		"some of them":   {`shelf([1, 2]).map(lambda m: m.stars()) + shelf([11]).filter(lambda m: m.year < 0).map(lambda m: m.stars())`, "Movie.stars", 2},
		"value":          {`shelf([1, 2]).map(lambda m: m.tagline()).cache("1m", "public")`, "Movie.tagline", 1},
		"source":         {`shelf([1, 2]).map(lambda m: m.tagline()).cache("1m", "public")`, "shelf", 1},
		"rows":           {`[1, 2].map(lambda i: shelf([i]).map(lambda m: m.tagline()).cache("1m", "public"))`, "shelf", 2},
		"a row":          {`[1, 2].map(lambda i: shelf([i]).map(lambda m: m.tagline()).cache("1m", "public"))`, "shelf [2]", 1},
		"in an object":   {`shelf([1, 2]).map(lambda m: {"a": [m.tagline()], "b": m}).cache("1m", "public").map(lambda o: {"a": o.a, "b": o.b.id})`, "Movie.tagline", 1},
		"under on_error": {`shelf([1, 2]).map(lambda m: m.stars().on_error(-1))`, "Movie.stars", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.StaleIfError = 10 * time.Minute
				first := string(column.AppendJSON(nil, mustAskAs(t, w, "ann", test.text).Value, 0))
				ask := func(stale int64) (calls int) {
					t.Helper()
					w.taken()
					answer := mustAskAs(t, w, "ann", test.text)
					if got := string(column.AppendJSON(nil, answer.Value, 0)); got != first || answer.Usage.Stale != stale {
						t.Errorf("%s with %d values too old, after %s", got, answer.Usage.Stale, first)
					}
					return strings.Count(strings.Join(w.taken(), "\n"), test.down)
				}
				w.breaks(test.down)
				if calls := ask(0); calls > 1 { // which the source may be asked for what is kept of a method
					t.Error(calls)
				}
				time.Sleep(2 * time.Minute)
				if calls := ask(test.stale); calls == 0 {
					t.Error("it was not tried")
				}
				if calls := ask(test.stale); calls != 0 {
					t.Errorf("%d calls of what has just failed", calls)
				}
				time.Sleep(time.Second)
				if calls := ask(test.stale); calls == 0 {
					t.Error("it was not tried again")
				}
				time.Sleep(time.Second)
				w.breaks("")
				ask(0)
				w.breaks(test.down)
				time.Sleep(12 * time.Minute)
				answer, err := askAs(t.Context(), w, "ann", test.text)
				if name == "under on_error" && answer.Usage.Stale == 0 {
					return
				}
				if reason(t, err).Code != "UNAVAILABLE" {
					t.Error(err)
				}
			})
		})
	}
}

// Nothing stands in unless the server says so, nor for an error that is not the method's own; nor is anything kept that is made of what does.
func TestCacheStaleIfErrorIsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stars = `shelf([1, 2]).map(lambda m: m.stars())`
		w := newWorld()
		mustAskAs(t, w, "ann", stars)
		time.Sleep(59 * time.Second) // between 80 and 100 % of its time
		w.breaks("Movie.stars")
		_, first := askAs(t.Context(), w, "ann", stars)
		time.Sleep(2 * time.Second)
		_, err := askAs(t.Context(), w, "ann", stars)
		if first != nil && reason(t, first).Code != "UNAVAILABLE" || reason(t, err).Code != "UNAVAILABLE" {
			t.Error(first, err)
		}

		w = newWorld()
		w.StaleIfError = time.Hour
		mustAskAs(t, w, "ann", stars)
		time.Sleep(2 * time.Minute)
		ctx, cancel := context.WithTimeout(server.WithPrincipal(t.Context(), server.Principal{Name: "ann", Tenant: "acme"}), time.Second)
		defer cancel()
		w.delay = time.Hour
		if _, err := w.Query(ctx, request(stars)); reason(t, err).Code != "DEADLINE_EXCEEDED" {
			t.Error(err)
		}
		synctest.Wait()
		w.delay = 0

		w.breaks("Movie.stars")
		const outer = `shelf([1, 2]).map(lambda m: m.stars()).cache("1h", "public")`
		if answer := mustAskAs(t, w, "ann", outer); answer.Usage.Stale != 2 {
			t.Errorf("%+v", answer.Usage)
		}
		w.breaks("")
		w.taken()
		time.Sleep(2 * time.Second)
		if answer := mustAskAs(t, w, "ann", outer); answer.Usage.Stale != 0 || answer.Usage.Hits != 0 || len(w.taken()) != 2 {
			t.Errorf("%+v", answer.Usage)
		}
	})
}

// Of many that want what is too old and cannot be made, one tries; when the method's breaker is open none does; and all have an answer.
func TestCacheStaleOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.StaleIfError = time.Hour
		const text = `let(shelf([1, 2]).cache("1h", "public"), lambda ms: ms.map(lambda m: m.stars()))`
		mustAskAs(t, w, "ann", text)
		time.Sleep(2 * time.Minute)
		w.taken()
		w.breaks("Movie.stars")
		w.delay = 100 * time.Millisecond
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if answer := mustAskAs(t, w, fmt.Sprint("user", i), text); answer.Usage.Stale != 2 || answer.Usage.Wall != 100*time.Millisecond {
					t.Errorf("%+v", answer.Usage)
				}
			})
		}
		wg.Wait()
		if calls := w.taken(); len(calls) != 1 {
			t.Errorf("calls: %q", calls)
		}
		const other = `shelf([n]).map(lambda m: m.stars().on_error(-1))` // of which nothing is kept
		for i := range 40 {
			mustAskAs(t, w, "ann", other, "n", fmt.Sprint(101+i))
		}
		if got := methodOf(t, w, "Movie.stars"); got.Breaker != "open" {
			t.Fatalf("%+v", got)
		}
		w.taken()
		if answer := mustAskAs(t, w, "ann", text); answer.Usage.Stale != 2 || len(w.taken()) != 0 {
			t.Errorf("%+v", answer.Usage)
		}
		// The client hears of it, and so does the operator.
		h, err := w.Handler()
		if err != nil {
			t.Fatal(err)
		}
		c := redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(h)}})
		answer, err := redeye.Text[[]int64](text, nil).Named("page").Answer(t.Context(), c)
		if err != nil || answer.Usage.Stale != 2 || !slices.Equal(answer.Value, []int64{1, 2}) {
			t.Errorf("%+v, %v", answer, err)
		}
		if site := siteOf(t, w, "page"); site.Stale != 2 || w.CacheStats().Stale < 42 {
			t.Errorf("%+v, %+v", site, w.CacheStats())
		}
	})
}

// With a cache off, hints are no more than that.
func TestCacheOff(t *testing.T) {
	w := newWorld()
	w.CacheBytes = -1
	for range 2 {
		mustAskAs(t, w, "ann", `{"a": movies(1, 3).map(lambda m: m.title()).cache("1m"), "n": movies(1, 3).warm("1m"), "s": shelf([1]).map(lambda m: m.stars())}`)
		if n := len(w.taken()); n != 4 {
			t.Errorf("%d calls", n)
		}
	}
}

// Random programs with caches strewn into them have the value that they have without, whoever has filled the caches with what.
func TestRandomProgramsWithCaches(t *testing.T) {
	w := newWorld()
	w.CacheBytes = 1 << 20 // which is soon full
	ctx := server.WithPrincipal(t.Context(), server.Principal{Name: "ann"})
	r := rand.New(rand.NewPCG(7, seed()))
	ran, hits := 0, int64(0)
	for range 1500 {
		g := &programs{pick: r.IntN, budget: 20}
		movies := &ast.Filter{X: &ast.Call{Name: "movies", Args: []ast.Node{g.lit(ast.Int(1)), g.int()}}, F: g.lambda(tMovie, func() ast.Node { return g.expr(tBool) })}
		n := ast.Node(&ast.Map{X: movies, F: g.lambda(tMovie, func() ast.Node { return g.expr(g.typ(0)) })})
		if ast.Check(n, ast.Limits{Depth: 30}) != nil {
			continue
		}
		params := map[string]any{"n": int64(3)}
		want, err := deep(func() (any, error) { return (&naive{params: params}).eval(n, nil) })
		if err != nil {
			continue
		}
		cached := strew(n, r)
		req := server.Request{Program: cached, Params: map[string]server.Value{}}
		if strings.Contains(string(ast.AppendJSON(nil, n)), `["param"`) {
			req.Params["n"] = server.JSON([]byte("3"))
		}
		for range 2 {
			answer, err := w.Query(ctx, req)
			if e, ok := errors.AsType[*server.Error](err); ok && e.Reason == "BUDGET_EXCEEDED" { // a cache demands all of what it keeps
				break
			}
			if err != nil {
				t.Fatalf("%s\n%v\n%v", ast.Text(cached), err, errors.Unwrap(err))
			}
			if got := string(column.AppendJSON(nil, answer.Value, 0)); got != want {
				t.Fatalf("%s\nis      %s\nand row by row\n        %s", ast.Text(cached), got, want)
			}
			hits += answer.Usage.Hits
			ran++
		}
		w.taken()
	}
	if t.Logf("%d runs, %d hits, %+v", ran, hits, w.CacheStats()); hits < 1000 {
		t.Errorf("%d hits in %d runs show little", hits, ran)
	}
}

// strew puts caches around some nodes.
func strew(n ast.Node, r *rand.Rand) ast.Node {
	if reduce, ok := n.(*ast.Reduce); ok { // whose function has none
		return &ast.Reduce{X: strew(reduce.X, r), Init: strew(reduce.Init, r), F: reduce.F}
	}
	out := ast.Rebuild(n, func(c ast.Node, _ int) ast.Node { return strew(c, r) })
	switch n.(type) {
	case *ast.Lit, *ast.Param, *ast.List:
		return out
	default:
	}
	if r.IntN(4) > 0 {
		return out
	}
	return &ast.Cache{X: out, TTL: ast.Duration(time.Hour), Scope: "principal"}
}

// Many at once fill, find, renew and push out, and every answer is right.
func TestCacheRace(t *testing.T) {
	w := newWorld()
	w.CacheBytes = 200_000
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 60 {
				n := r.IntN(30)
				ttl := []string{"1ms", "20ms", "1h"}[r.IntN(3)]
				answer := mustAskAs(t, w, fmt.Sprint("user", r.IntN(3)),
					`shelf([n, n + 1, n * 2]).map(lambda m: {"t": m.tagline().cache("`+ttl+`", "public"), "m": m.mark().cache("`+ttl+`"), "s": m.stars().on_error(-1)}).cache("`+ttl+`")`, "n", fmt.Sprint(n))
				rows := answer.Value.Items
				for i, id := range []int64{int64(n), int64(n) + 1, 2 * int64(n)} {
					m := movieByID(id)
					if got := rows.Field("t").Texts[i]; got != fmt.Sprintf("%s %d", m.genre, m.year) {
						t.Errorf("row %d of %d: %s", i, n, got)
					}
					if got := rows.Field("m").Texts[i]; !strings.HasSuffix(got, fmt.Sprintf("'s %d", id)) {
						t.Errorf("row %d of %d: %s", i, n, got)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := w.Shutdown(t.Context()); err != nil { // which waits for renewals
		t.Error(err)
	}
}
