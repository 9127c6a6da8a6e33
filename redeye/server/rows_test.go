package server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/redeye/server"
)

// The tests of this file are the promises of Redeye, by the numbers of its feature table. Row 17, misuse of the host language does not
// compile, is among the client's tests. Row 15, a gateway over services that know nothing of Redeye, is not here.

func ask(t testing.TB, w *world, text string, params ...string) *server.Answer {
	t.Helper()
	answer, err := w.Query(t.Context(), request(text, params...))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func request(text string, params ...string) server.Request {
	req := server.Request{Text: text, Params: map[string]server.Value{}}
	for i := 0; i < len(params); i += 2 {
		req.Params[params[i]] = server.JSON([]byte(params[i+1]))
	}
	return req
}

func reason(t testing.TB, err error) *server.Error {
	t.Helper()
	e, ok := errors.AsType[*server.Error](err)
	if !ok {
		t.Fatalf("%v is no error of a query", err)
	}
	return e
}

// Row 1: the talk's query is one request, of a program that was not written on the server, and brings what was asked for and no more.
func TestRow01OneRequest(t *testing.T) {
	w := newWorld()
	url, _ := serve(t, w)
	status, body := post(t, url+"/redeye.v1.Redeye/Query", `{"text": `+strconv.Quote(talk)+`, "params": {"ids": [1, 2, 3], "user": 1}}`)
	if status != http.StatusOK || !strings.HasPrefix(body, `{"value":[{"id":1,"title":"Movie 1","rating":0.5},{"id":3,"title":"Movie 3","rating":1.5}],`) {
		t.Error(status, body)
	}
	if site := w.CallSites(); len(site) != 1 || site[0].Calls != 1 {
		t.Errorf("%+v", site)
	}
}

// Row 2: n rows of k methods are 1 + k calls, without a timer.
func TestRow02FourCalls(t *testing.T) {
	w := newWorld()
	for _, n := range []int{1, 10, 1000} {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprint(i*20+1)) // those have a rating, and can be seen
		}
		answer := ask(t, w, talk, "ids", "["+strings.Join(ids, ",")+"]", "user", "1")
		if calls := len(w.taken()); calls != 4 || answer.Usage.Calls != 4 {
			t.Errorf("%d movies took %d calls", n, calls)
		}
	}
}

// Row 3: lists within lists. The calls do not depend on the numbers of rows.
func TestRow03ListInList(t *testing.T) {
	w := newWorld()
	for _, n := range []string{"6", "400"} {
		ask(t, w, `movies(1, n).map(lambda m: {"same": movies(1, 4).map(lambda x: {"t": x.title(), "actors": m.cast().map(lambda a: a.name())})})`, "n", n)
		calls := w.taken()
		casts := 0
		for _, c := range calls {
			if strings.HasPrefix(c, "Movie.cast") { // which takes four at once
				casts++
			}
		}
		if len(calls)-casts != 4 {
			t.Errorf("%s movies: %d calls besides cast", n, len(calls)-casts)
		}
	}
}

// Row 4: equal calls are made once, wherever they stand.
func TestRow04EqualCallsOnce(t *testing.T) {
	w := newWorld()
	ask(t, w, `{"a": get_movies([1, 2, 1]).map(lambda m: m.title()), "b": get_movies([1, 2, 1]).filter(lambda m: m.title() != ""), "c": movies(2, 4).map(lambda m: m.title())}`)
	asked := map[string]int{}
	for _, c := range w.taken() {
		if ids, ok := strings.CutPrefix(c, "Movie.title "); ok {
			for id := range strings.FieldsSeq(strings.Trim(ids, "[]")) {
				asked[id]++
			}
		}
	}
	if len(asked) != 3 || asked["1"] != 1 || asked["2"] != 1 || asked["3"] != 1 {
		t.Errorf("titles asked for: %v", asked)
	}
}

// Row 5: a predicate over a remote method decides which rows are projected; the others cause no further calls.
func TestRow05DroppedRowsAreNotAsked(t *testing.T) {
	w := newWorld()
	ask(t, w, `movies(1, 10).filter(lambda m: m.can_view(1)).map(lambda m: m.title())`)
	for _, c := range w.taken() {
		if strings.HasPrefix(c, "Movie.title") && c != "Movie.title [1 3 4 6 7 9]" {
			t.Error(c)
		}
	}
}

// Row 6: limit after a dear filter stops calling: at most two chunks beyond the need.
func TestRow06LimitStopsCalling(t *testing.T) {
	w := newWorld()
	answer := ask(t, w, `movies(1, 5000).filter(lambda m: m.can_view(1)).limit(10)`)
	if got := answer.Usage.Items; got > 1+10+2*16 || answer.Value.Items.Len != 10 {
		t.Errorf("%d receivers for %d rows", got, answer.Value.Items.Len)
	}
}

// waves is how long the talk's query takes where each call takes 5 ms, in time that only calls take.
func waves(t *testing.T, opts ...server.Option) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(opts...)
		w.delay = 5 * time.Millisecond
		answer := ask(t, w, talk, "ids", "[1, 2, 3, 4]", "user", "1")
		if answer.Usage.Calls != 4 {
			t.Errorf("%d calls", answer.Usage.Calls)
		}
		took = answer.Usage.Wall
	})
	return took
}

// Row 7: independent calls overlap, so that a query takes as long as its longest chain of dependent calls: get, can_view, then title and
// rating together.
func TestRow07Waves(t *testing.T) {
	if took := waves(t); took != 15*time.Millisecond {
		t.Errorf("the query took %v", took)
	}
}

// Row 8: what is declared cheap is called ahead, which saves a wave.
func TestRow08Speculation(t *testing.T) {
	if took := waves(t, server.Cheap()); took != 10*time.Millisecond {
		t.Errorf("the query took %v", took)
	}
}

// It is called of those rows alone that may yet pass, and not if that could take what the rest of the query needs of its budget.
func TestRow08SpeculationIsBounded(t *testing.T) {
	w := newWorld(server.Cheap())
	ask(t, w, `movies(1, 9).filter(lambda m: m.year > 1985 and m.can_view(1)).map(lambda m: m.title())`)
	if got := joinLines(w.taken()); got != "Movie.can_view(1) [6 7 8]\nMovie.title [6 7 8]\nmovies 1 to 9\n" {
		t.Error(got)
	}
	const program = `movies(1, 100).filter(lambda m: m.can_view(1)).map(lambda m: m.title())`
	for _, test := range []struct {
		world  *world
		budget server.Budget
	}{
		{newWorld(server.Cheap()), server.Budget{Items: 1 + 99 + 66}},
		{newWorld(server.Cheap(), server.MaxBatch(1)), server.Budget{Calls: 1 + 1 + 66}},
		{newWorld(server.Cheap(), server.MaxBatch(10)), server.Budget{Calls: 1 + 1 + 7}},
	} {
		answer, err := test.world.Query(t.Context(), server.Request{Text: program, Budget: test.budget})
		if err != nil || answer.Value.Items.Len != 66 {
			t.Errorf("within %+v: %v", test.budget, err)
		}
	}
}

// Row 18: a query waits for calls as long as the endpoint that somebody writes by hand. What it costs besides, and what it takes of
// the processor, are measured by benchmarks.
func TestRow18WaitsAsByHand(t *testing.T) {
	byHand := time.Duration(0)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 5 * time.Millisecond
		start := time.Now()
		_ = w.note(t.Context(), "get_movies")
		_ = w.note(t.Context(), "can_view")
		var wg sync.WaitGroup
		for _, method := range []string{"title", "rating"} {
			wg.Go(func() { _ = w.note(t.Context(), "%s", method) })
		}
		wg.Wait()
		byHand = time.Since(start)
	})
	if took := waves(t); took > byHand*110/100 {
		t.Errorf("the query takes %v, the endpoint by hand %v", took, byHand)
	}
}

// Row 9: a program whose types are wrong is refused before any call, with the place.
func TestRow09TypesBeforeCalls(t *testing.T) {
	w := newWorld()
	_, err := w.Query(t.Context(), request(`get_movies([1]).filter(lambda m: m.title() > 3)`))
	if e := reason(t, err); e.Reason != "TYPE" || !strings.Contains(e.Where, "^") || len(w.taken()) != 0 {
		t.Error(err)
	}
}

// Row 10: each budget lets through what is at it and refuses one more, and says which it was, its bound and the use.
func TestRow10Budgets(t *testing.T) {
	w := newWorld()
	full := ask(t, w, `movies(1, 101).map(lambda m: {"t": m.title(), "n": m.cast().length()})`).Usage
	for name, b := range map[string]func(n int64) server.Budget{
		"steps":     func(n int64) server.Budget { return server.Budget{Steps: full.Steps + n} },
		"rows":      func(n int64) server.Budget { return server.Budget{Rows: full.Rows + n} },
		"rows_out":  func(n int64) server.Budget { return server.Budget{RowsOut: full.RowsOut + n} },
		"memory":    func(n int64) server.Budget { return server.Budget{Memory: full.Memory + n} },
		"bytes_out": func(n int64) server.Budget { return server.Budget{BytesOut: full.BytesOut + n} },
		"calls":     func(n int64) server.Budget { return server.Budget{Calls: full.Calls + n} },
		"items":     func(n int64) server.Budget { return server.Budget{Items: full.Items + n} },
	} {
		req := request(`movies(1, 101).map(lambda m: {"t": m.title(), "n": m.cast().length()})`)
		req.Budget = b(0)
		if _, err := w.Query(t.Context(), req); err != nil {
			t.Errorf("%s at its bound: %v", name, err)
		}
		req.Budget = b(-1)
		_, err := w.Query(t.Context(), req)
		if e := reason(t, err); e.Reason != "BUDGET_EXCEEDED" || e.Budget != name || e.Used <= e.Limit || e.Limit == 0 {
			t.Errorf("%s one above its bound: %+v", name, e)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = time.Hour
		_, err := w.Query(t.Context(), request(`movies(1, 2)`))
		if e := reason(t, err); e.Code != "DEADLINE_EXCEEDED" {
			t.Error(err)
		}
	})
}

// Row 11: errors are of cells; fail fast or partial as the caller likes. (The scripts show what each means.)
func TestRow11PartialOrFailFast(t *testing.T) {
	w := newWorld()
	req := request(`movies(12, 15).map(lambda m: {"id": m.id, "rating": m.rating()})`)
	_, err := w.Query(t.Context(), req)
	if e := reason(t, err); e.Code != "NOT_FOUND" || e.Path != "[1].rating" || e.Method != "Movie.rating" || e.Usage.Calls != 2 || e.Usage.Planned != 4 {
		t.Error(err)
	}
	req.Partial = true
	answer, err := w.Query(t.Context(), req)
	if err != nil || answer.ErrorsTotal != 1 || answer.Errors[0].Path != "[1].rating" || answer.Value.Items.Len != 3 {
		t.Error(answer, err)
	}
}

// Row 12: a program at one call site that exceeds its budgets is refused there after a while, and the other 99 see nothing of it. A
// method that fails is left alone, and counts against no site.
func TestRow12Breakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Budget.Rows = 100
		refused := 0
		for range 50 {
			for i := range 100 {
				n := "9"
				if i == 7 {
					n = "500"
				}
				req := request(`movies(1, n)`, "n", n)
				req.Site = server.CallSite{Key: fmt.Sprint("site", i)}
				_, err := w.Query(t.Context(), req)
				switch {
				case i != 7 && err != nil:
					t.Fatalf("site %d: %v", i, err)
				case i == 7 && reason(t, err).Reason == "BREAKER_OPEN":
					refused++
				}
			}
			w.taken()
		}
		if refused != 30 {
			t.Errorf("%d of 50 were refused; the first 20 are a sample", refused)
		}
		time.Sleep(6 * time.Second) // half open
		req := request(`movies(1, n)`, "n", "9")
		req.Site = server.CallSite{Key: "site7"}
		for range 5 {
			if _, err := w.Query(t.Context(), req); err != nil {
				t.Error(err)
			}
		}

		open := 0
		for range 40 {
			_, err := w.Query(t.Context(), request(`movies(1, 3).map(lambda m: m.panics())`))
			if e := reason(t, err); e.Method != "Movie.panics" {
				t.Fatal(err)
			} else if e.Reason == "BREAKER_OPEN" {
				open++
			}
		}
		if open != 20 {
			t.Errorf("%d of 40 calls of a broken method were left out", open)
		}
		if _, err := w.Query(t.Context(), request(`movies(1, 3).map(lambda m: m.title())`)); err != nil {
			t.Error(err)
		}
	})
}

// Row 13: the second run of a program reads and checks nothing: of a thousand queries of five programs at least 99 % find their plan.
func TestRow13PlanCache(t *testing.T) {
	w := newWorld()
	for i := range 1000 {
		ask(t, w, fmt.Sprintf(`movies(1, n).map(lambda m: m.year + %d)`, i%5), "n", fmt.Sprint(i%7))
	}
	if got := w.PlanStats(); got.Hits < 990 || got.Misses != 5 {
		t.Errorf("%+v", got)
	}
	first := ask(t, w, `movies(1, n)`, "n", "3")
	if _, err := w.Query(t.Context(), server.Request{Hash: first.Hash, Params: request("", "n", "4").Params}); err != nil {
		t.Error(err)
	}
	_, err := w.Query(t.Context(), server.Request{Hash: [32]byte{1}})
	if e := reason(t, err); e.Reason != "PLAN_UNKNOWN" || e.Code != "NOT_FOUND" {
		t.Error(err)
	}
}

// Row 14: a locked server runs what was registered with it, by its hash too, and no more.
func TestRow14LockedPrograms(t *testing.T) {
	learning := newWorld()
	learning.Mode = server.Learn
	ask(t, learning, `movies(1,   n)`, "n", "3")
	ask(t, learning, `movies(1, n)`, "n", "5")
	learned := learning.Learned()
	if len(learned) != 1 || learned[0] != "movies(1, n)" {
		t.Fatalf("learned %q", learned)
	}
	locked := newWorld()
	locked.Mode = server.Locked
	if err := locked.Allow(learned...); err != nil {
		t.Fatal(err)
	}
	if err := locked.Allow("movies(1)"); err == nil {
		t.Error("a program that does not fit was allowed")
	}
	known := ask(t, locked, `movies(1, n)`, "n", "3")
	if _, err := locked.Query(t.Context(), server.Request{Hash: known.Hash, Params: request("", "n", "3").Params}); err != nil {
		t.Error(err)
	}
	locked.taken()
	_, err := locked.Query(t.Context(), request(`movies(2, n)`, "n", "3"))
	if e := reason(t, err); e.Reason != "PROGRAM_UNKNOWN" || len(locked.taken()) != 0 {
		t.Error(err)
	}
}

// Row 16: pages neither repeat nor skip rows while others come and go; a cursor is good for its query and its caller.
func TestRow16Pages(t *testing.T) {
	w := newWorld()
	const page = `movies(a, b).sort(desc(lambda m: m.year)).page(4, after)`
	var ids []int64
	after, b := "null", "40"
	for range 30 {
		answer := ask(t, w, `let(`+page+`, lambda p: {"ids": p.rows.map(lambda m: m.id), "next": p.next})`, "a", "1", "b", b, "after", after)
		ids = append(ids, answer.Value.Field("ids").Items.Ints...)
		if answer.Value.Field("next").IsNull(0) {
			break
		}
		after = `"` + answer.Value.Field("next").Texts[0] + `"`
	}
	if len(ids) != 39 {
		t.Fatalf("%d rows: %v", len(ids), ids)
	}
	for i, id := range ids {
		if id != int64(39-i) {
			t.Fatalf("row %d is %d", i, id)
		}
	}
	// A row that comes before the place is not seen, those after it are as they were.
	const ones = `get_movies(ids).sort(lambda m: m.id).page(2, after)`
	first := ask(t, w, ones, "ids", "[1, 3, 5, 7]", "after", "null")
	next := first.Value.Field("next").Texts[0]
	for _, test := range []struct{ text, ids, after, want string }{
		{ones, "[1, 3, 5, 7]", next, ""},
		{ones, "[1, 3, 5, 8]", next, "CURSOR_MISMATCH"},
		{`get_movies(ids).sort(lambda m: m.year).page(2, after)`, "[1, 3, 5, 7]", next, "CURSOR_MISMATCH"},
		{ones, "[1, 3, 5, 7]", next[:20], "CURSOR_MISMATCH"},
		{ones, "[1, 3, 5, 7]", "", "CURSOR_MISMATCH"},
		{ones, "[1, 3, 5, 7]", strings.ToUpper(next), "CURSOR_MISMATCH"},
	} {
		_, err := w.Query(t.Context(), request(test.text, "ids", test.ids, "after", `"`+test.after+`"`))
		if test.want == "" && err != nil || test.want != "" && reason(t, err).Reason != test.want {
			t.Errorf("%+v: %v", test, err)
		}
	}
	other := server.WithPrincipal(t.Context(), server.Principal{Name: "eve"})
	_, err := w.Query(other, request(ones, "ids", "[1, 3, 5, 7]", "after", `"`+next+`"`))
	if reason(t, err).Reason != "CURSOR_MISMATCH" {
		t.Error("somebody else's cursor opened")
	}
}

// Row 16 also: the pages of a list are the list, sorted, however many rows of it are equal throughout.
func TestRow16PagesOfEqualRows(t *testing.T) {
	w := newWorld()
	r := rand.New(rand.NewPCG(16, 2))
	for range 300 {
		list := make([]int64, r.IntN(12))
		for i := range list {
			list[i] = r.Int64N(4)
		}
		given, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		size := 1 + r.IntN(5)
		var got []int64
		for after := "null"; ; {
			page := ask(t, w, `list.sort(desc(lambda i: i // 2)).page(size, after)`, "list", string(given), "size", strconv.Itoa(size), "after", after).Value
			rows := page.Field("rows").Items.Ints
			got = append(got, rows...)
			if page.Field("next").IsNull(0) {
				break
			}
			if after = strconv.Quote(page.Field("next").Texts[0]); len(rows) != size || len(got) > len(list) {
				t.Fatalf("%v by %d gives %v", list, size, got)
			}
		}
		slices.SortFunc(list, func(a, b int64) int { return cmp.Or(cmp.Compare(b/2, a/2), cmp.Compare(a, b)) })
		if !slices.Equal(got, list) {
			t.Fatalf("%v by %d gives %v", list, size, got)
		}
	}
}

// Row 16 also: rows come and go between pages, and those that are there throughout are each seen once.
func TestRow16PagesOfWhatChanges(t *testing.T) {
	w := newWorld()
	stock := map[int64]bool{}
	for id := range int64(60) {
		stock[id] = true
	}
	server.Source0(w.Server, "stock", func(context.Context) ([]*movie, error) {
		var ms []*movie
		for id := range stock {
			ms = append(ms, movieByID(id))
		}
		return ms, nil
	})
	seen := map[int64]int{}
	r := rand.New(rand.NewPCG(16, 1))
	touched := map[int64]bool{}
	for after := "null"; ; {
		page := ask(t, w, `stock().sort(desc(lambda m: m.length), lambda m: m.genre).page(7, after)`, "after", after).Value
		for _, id := range page.Field("rows").Items.Ints {
			seen[id]++
		}
		if page.Field("next").IsNull(0) {
			break
		}
		after = strconv.Quote(page.Field("next").Texts[0])
		for range 4 {
			id := r.Int64N(100)
			touched[id] = true
			if stock[id] {
				delete(stock, id)
			} else {
				stock[id] = true
			}
		}
	}
	for id := range int64(60) {
		if n := seen[id]; n != 1 && !touched[id] {
			t.Errorf("movie %d was seen %d times", id, n)
		}
	}
	if len(touched) < 10 {
		t.Error("little came and went")
	}
}

// A query that is cancelled cancels its calls, and ends at once.
func TestCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		start := time.Now()
		_, err := w.Query(ctx, request(`movies(1, 2)`))
		if e := reason(t, err); e.Code != "CANCELLED" || time.Since(start) != time.Second {
			t.Error(err, time.Since(start))
		}
	})
}

// What is not there in time is in error, and the rest is there.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 40 * time.Millisecond
		answer := ask(t, w, `movies(1, 3).map(lambda m: {"id": m.id, "title": m.title().timeout("10ms").on_error("late")})`)
		if got := answer.Value.Items.Field("title").Texts[0]; got != "late" || answer.Usage.Wall != 50*time.Millisecond {
			t.Error(got, answer.Usage.Wall)
		}
	})
}

// Mistakes of registration are all found at the start, and each says where and what.
func TestRegistrationMistakes(t *testing.T) {
	s := server.New("bad")
	type unregistered struct{}
	mv := server.Entity(s, "list", func(m *movie) int64 { return m.id })
	server.Entity(s, "Twice", func(m *movie) int64 { return m.id })
	server.Attr(mv, "x y", func(m *movie) int64 { return 0 })
	server.Attr(mv, "u", func(m *movie) unregistered { return unregistered{} })
	server.Batch(mv, "filter", func(context.Context, []*movie) ([]int, error) { return nil, nil })
	server.Batch(mv, "big", func(context.Context, []*movie) ([]int, error) { return nil, nil }, server.MaxBatch(-5))
	server.Batch(mv, "slow", func(context.Context, []*movie) ([]int, error) { return nil, nil }, server.SlowAfter(0))
	server.Batch(mv, "scoped", func(context.Context, []*movie) ([]int, error) { return nil, nil }, server.Scope("mine"))
	server.BatchArg(mv, "args", func(context.Context, []*movie, int) ([]int, error) { return nil, nil }, server.Args("a", "b"))
	server.BatchArg(mv, "entity", func(context.Context, []*movie, *movie) ([]int, error) { return nil, nil })
	server.Source0(s, "let", func(context.Context) (int, error) { return 0, nil })
	err := s.Check()
	for _, want := range []string{
		`"list" cannot be the name of an entity`, "Entity Twice: the Go type *server_test.movie is registered already", `"x y" cannot be the name of an attribute`,
		"Attr list.u: the type server_test.unregistered", `"filter" cannot be the name of a method`, "MaxBatch(-5)", "SlowAfter(0s)", `not "mine"`, "names 2 arguments of 1",
		"list.entity: its argument arg", `"let" cannot be the name of a source`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in\n%v", want, err)
		}
	}
	if _, err := s.Query(t.Context(), server.Request{Text: "1"}); reason(t, err).Reason != "REGISTRATION" {
		t.Error(err)
	}
}

// Executions of one program at one site beyond its bound are refused; a shutdown waits for those that run.
func TestConcurrencyAndShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.SiteConcurrency = 2
		w.delay = time.Second
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := w.Query(context.Background(), request(`movies(1, 2)`))
				results <- err
			}()
		}
		synctest.Wait()
		if e := reason(t, <-results); e.Reason != "SITE_BUSY" {
			t.Error(e)
		}
		start := time.Now()
		if err := w.Shutdown(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Error(err, time.Since(start))
		}
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		_, err := w.Query(context.Background(), request(`movies(1, 2)`))
		if e := reason(t, err); e.Reason != "SHUTDOWN" {
			t.Error(e)
		}
	})
}

// A cursor ends after its time.
func TestCursorExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.CursorTTL = time.Minute
		const page = `movies(1, 9).sort(lambda m: m.id).page(3, after)`
		next := ask(t, w, page, "after", "null").Value.Field("next").Texts[0]
		time.Sleep(time.Minute)
		ask(t, w, page, "after", `"`+next+`"`)
		time.Sleep(2 * time.Second)
		_, err := w.Query(t.Context(), request(page, "after", `"`+next+`"`))
		if e := reason(t, err); e.Reason != "CURSOR_EXPIRED" {
			t.Error(err)
		}
	})
}
