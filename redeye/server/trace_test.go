package server_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/server"
	"github.com/fuwu-project/fuwu/shuai"
)

// span is one as the tracer sends it.
type span struct {
	name, id, parent string
	failed           bool
	attrs            map[string]any
}

// collector takes what a tracer sends, as OTLP (github.com/open-telemetry/opentelemetry-proto): spans, and how many were counted.
type collector struct {
	mu     sync.Mutex
	spans  []span
	counts map[string]int
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A request holds resources, a resource scopes, a scope spans or metrics.
	below(below(below([][]byte{body}, 1), 2), 2, func(b []byte) {
		if strings.HasSuffix(r.URL.Path, "/v1/traces") {
			c.spans = append(c.spans, readSpan(b))
		} else {
			c.count(b)
		}
	})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}

// below returns the messages in one field of messages.
func below(in [][]byte, field int, f ...func([]byte)) (out [][]byte) {
	for _, b := range in {
		r := pb.NewReader(b)
		for r.Next() {
			if r.Field != field {
				r.Skip()
				continue
			}
			b := r.Bytes()
			out = append(out, b)
			for _, f := range f {
				f(b)
			}
		}
	}
	return out
}

func readSpan(b []byte) span {
	s := span{attrs: map[string]any{}}
	r := pb.NewReader(b)
	for r.Next() {
		switch r.Field {
		case 2:
			s.id = string(r.Bytes())
		case 4:
			s.parent = string(r.Bytes())
		case 5:
			s.name = r.String()
		case 9:
			k, v := readAttr(r.Message())
			s.attrs[k] = v
		case 15:
			status := r.Message()
			for status.Next() {
				if status.Field == 3 {
					s.failed = status.Uint() == 2
				} else {
					status.Skip()
				}
			}
		default:
			r.Skip()
		}
	}
	return s
}

func readAttr(r pb.Reader) (key string, value any) {
	for r.Next() {
		if r.Field == 1 {
			key = r.String()
			continue
		}
		v := r.Message()
		for v.Next() {
			switch v.Field {
			case 1:
				value = v.String()
			case 2:
				value = v.Uint() != 0
			case 3:
				value = int64(v.Uint())
			default:
				v.Skip()
			}
		}
	}
	return key, value
}

// count adds what a metric of the tracer's statistics counts, by the name of the span.
func (c *collector) count(metric []byte) {
	below(below([][]byte{metric}, 10), 1, func(point []byte) {
		name, n := "", 0
		r := pb.NewReader(point)
		for r.Next() {
			switch r.Field {
			case 1:
				if k, v := readAttr(r.Message()); k == "span.name" {
					name = fmt.Sprint(v)
				}
			case 4:
				n = int(math.Float64bits(r.Double())) // fixed64
			default:
				r.Skip()
			}
		}
		c.counts[name] += n
	})
}

// traced runs f within a span of a tracer that records the share ratio of all traces, and returns what a collector got.
func traced(t *testing.T, ratio float64, f func(ctx context.Context)) *collector {
	t.Helper()
	c := &collector{counts: map[string]int{}}
	tracer, err := shuai.New(shuai.Config{Service: "test", Ratio: ratio, Transport: c, Statistics: "delta"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, page := tracer.StartSpan(t.Context(), "page", shuai.KindServer)
	f(ctx)
	page.End()
	if err := tracer.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// An execution is one span and each invocation one below it, with what was asked for, sent and saved.
func TestSpans(t *testing.T) {
	w := newWorld()
	var used server.Usage
	c := traced(t, 1, func(ctx context.Context) {
		req := request(talk, "ids", "[1, 2, 3, 4, 1]", "user", "1")
		req.Site = server.CallSite{Label: "web/page.go:42", Key: "web.Page"}
		answer, err := w.Query(server.WithPrincipal(ctx, server.Principal{Name: "ann", Tenant: "acme"}), req)
		if err != nil {
			t.Fatal(err)
		}
		used = answer.Usage
	})
	byName := map[string]span{}
	for _, s := range c.spans {
		byName[s.name] = s
	}
	if len(c.spans) != 6 || len(byName) != 6 {
		t.Fatalf("the page, the query and four batches are %d spans: %+v", len(c.spans), c.spans)
	}
	query := byName["movies.query"]
	if query.parent != byName["page"].id {
		t.Error("the query is not below the page")
	}
	// 1 source, 5 can_view, 4 + 4 of title and rating.
	for key, want := range map[string]any{
		"redeye.site": "web.Page", "redeye.callsite": "web/page.go:42", "redeye.tenant": "acme", "redeye.program": talk, "redeye.partial": false,
		"redeye.calls.planned": int64(14), "redeye.calls.sent": int64(4), "redeye.calls.saved": int64(10), "redeye.items": used.Items,
		"redeye.steps": used.Steps, "redeye.memory": used.Memory, "redeye.rows": int64(4), "redeye.breaker": "closed",
	} {
		if got := query.attrs[key]; got != want {
			t.Errorf("%s is %v, not %v", key, got, want)
		}
	}
	if plan := fmt.Sprint(query.attrs["redeye.plan"]); !strings.Contains(plan, "call Movie.can_view") {
		t.Errorf("the plan: %s", plan)
	}
	if hash := fmt.Sprint(query.attrs["redeye.hash"]); len(hash) != 64 {
		t.Errorf("the hash: %s", hash)
	}
	for name, items := range map[string]int64{"get_movies": 1, "Movie.can_view": 4, "Movie.title": 3, "Movie.rating": 3} {
		s := byName[name]
		if s.parent != query.id || s.attrs["redeye.items"] != items || s.attrs["redeye.method"] != name || s.attrs["redeye.breaker"] != "closed" || s.failed {
			t.Errorf("the batch %s: %+v", name, s)
		}
	}
}

// Executions that end early have told what they did until then, and those that are refused are spans that say why.
func TestSpansOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.SiteConcurrency = 1
		w.delay = time.Second
		c := traced(t, 1, func(ctx context.Context) {
			ask := func(text string, b server.Budget) {
				req := request(text)
				req.Budget = b
				_, _ = w.Query(ctx, req)
			}
			ask(`movies(1, 5).map(lambda m: m.title())`, server.Budget{Items: 3})
			ask(`movies(1, 5).map(lambda m: m.secret())`, server.Budget{})
			ask(`movies(1, 5).map(lambda m: m.broken())`, server.Budget{})
			ask(`movies(1, 100).map(lambda m: m.poster())`, server.Budget{Wall: 1500 * time.Millisecond}) // 16 are begun
			go ask(`movies(3, 4)`, server.Budget{})
			synctest.Wait()
			ask(`movies(3, 4)`, server.Budget{})
			time.Sleep(time.Second)
			synctest.Wait()
		})
		var got []string
		begun := map[string]int64{} // by execution
		for _, s := range c.spans {
			begun[s.parent]++
		}
		for _, s := range c.spans {
			if s.name == "movies.query" {
				got = append(got, fmt.Sprint(
					s.failed, " ", s.attrs["redeye.error.code"], " ", s.attrs["redeye.error.reason"], " ", s.attrs["redeye.error.method"], " ", s.attrs["redeye.error.budget"]))
				if s.attrs["redeye.calls.sent"] != begun[s.id] {
					t.Errorf("%v calls are said to be sent, and %d were: %v", s.attrs["redeye.calls.sent"], begun[s.id], s.attrs)
				}
			}
		}
		slices.Sort(got)
		want := []string{
			"false <nil> <nil> <nil> <nil>",
			"true DEADLINE_EXCEEDED <nil> <nil> <nil>",
			"true NOT_FOUND <nil> Movie.broken <nil>",
			"true RESOURCE_EXHAUSTED BUDGET_EXCEEDED <nil> items",
			"true UNAVAILABLE SITE_BUSY <nil> <nil>",
			"true UNKNOWN <nil> Movie.secret <nil>",
		}
		if !slices.Equal(got, want) {
			t.Errorf("executions were\n%s", strings.Join(got, "\n"))
		}
		for _, s := range c.spans {
			if s.name == "Movie.broken" && s.attrs["redeye.items.failed"] != int64(2) {
				t.Errorf("%+v", s)
			}
		}
	})
}

// The tracer counts every execution and every batch, though it records none of them.
func TestSpanStatistics(t *testing.T) {
	w := newWorld()
	calls := 0
	c := traced(t, -1, func(ctx context.Context) {
		for i := range 50 {
			if _, err := w.Query(ctx, request(talk, "ids", fmt.Sprintf("[1, %d]", i*20+21), "user", "1")); err != nil {
				t.Fatal(err)
			}
			calls += len(w.taken())
		}
	})
	if len(c.spans) != 0 || c.counts["movies.query"] != 50 {
		t.Errorf("%d spans; counted: %v", len(c.spans), c.counts)
	}
	delete(c.counts, "movies.query")
	delete(c.counts, "page")
	batches := 0
	for _, n := range c.counts {
		batches += n
	}
	if batches != calls || c.counts["get_movies"] != 50 {
		t.Errorf("%d calls were made; counted: %v", calls, c.counts)
	}
}

// docs/redeye/operate.md has every attribute that spans have, and no other.
func TestSpanAttributesAreDocumented(t *testing.T) {
	w := newWorld()
	w.MethodConcurrency, w.delay, w.StaleIfError, w.SlowCall = 1, time.Millisecond, time.Hour, time.Nanosecond
	c := traced(t, 1, func(ctx context.Context) {
		for _, req := range []server.Request{
			{Text: `movies(1, 9).map(lambda m: m.poster())`}, // which wait for each other
			{Text: talk, Params: request("", "ids", "[1, 2]", "user", "1").Params},
			{Text: `movies(1, 5).map(lambda m: m.broken())`, Partial: true},
			{Text: `movies(1, 5).filter(lambda m: m.broken() != "")`, Partial: true},
			{Text: `movies(1, 5).map(lambda m: m.broken())`},
			{Text: `movies(1, 5).map(lambda m: m.title())`, Budget: server.Budget{Items: 2}},
		} {
			_, _ = w.Query(ctx, req)
		}
		for range 2 {
			_, _ = w.Query(ctx, request(`shelf([1]).map(lambda m: m.tagline()).cache("1ns", "public")`))
			w.breaks("Movie.tagline")
		}
	})
	seen := map[string]bool{}
	for _, s := range c.spans {
		for key := range s.attrs {
			seen[key] = true
		}
	}
	text, err := os.ReadFile("../../docs/redeye/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(redeye\\.[a-z.]+)`").FindAllSubmatch(text, -1) {
		documented[string(m[1])] = true
	}
	for key := range documented {
		if !seen[key] {
			t.Errorf("no span of this test has %s, which the documentation names", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if !documented[key] {
			t.Errorf("the documentation lacks %s", key)
		}
	}
}
