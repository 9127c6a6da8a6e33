package redeye

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/graph-gophers/dataloader/v7"
	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// Card is a row of the answer.
type Card struct {
	ID     int64
	Title  string
	Rating float64
}

type movie struct{ id int64 }

// backend is the data: each operation, for one film or many, takes as long as the latency says.
type backend struct {
	latency time.Duration
	ops     atomic.Int64
}

func (b *backend) wait() {
	b.ops.Add(1)
	time.Sleep(b.latency)
}

func (b *backend) canView(ids []int64, user int64) []bool {
	b.wait()
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = id%10 != user
	}
	return out
}

func (b *backend) titles(ids []int64) []string {
	b.wait()
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fmt.Sprintf("Movie number %d", id)
	}
	return out
}

func (b *backend) ratings(ids []int64) []float64 {
	b.wait()
	out := make([]float64, len(ids))
	for i, id := range ids {
		out[i] = float64(id%100) / 10
	}
	return out
}

func (b *backend) exist(ids []int64) []int64 {
	b.wait()
	return ids
}

type ask struct {
	IDs  []int64
	User int64
}

// service serves the backend in three ways: an operation at a time (for one or many), the page written by hand, and Redeye.
func service(tb testing.TB, b *backend) string {
	mux := http.NewServeMux()
	serve := func(path string, f func(ask) any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			var a ask
			if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(f(a)) // the client is gone if this fails
		})
	}
	serve("/exist", func(a ask) any { return b.exist(a.IDs) })
	serve("/can_view", func(a ask) any { return b.canView(a.IDs, a.User) })
	serve("/titles", func(a ask) any { return b.titles(a.IDs) })
	serve("/ratings", func(a ask) any { return b.ratings(a.IDs) })
	serve("/page", func(a ask) any { return b.page(a) })

	mux.Handle("/redeye.v1.Redeye/", handler(tb, b))
	mux.Handle("/ahead/", http.StripPrefix("/ahead", handler(tb, b, server.Cheap())))
	srv := httptest.NewServer(mux)
	tb.Cleanup(srv.Close)
	return srv.URL
}

// handler is Redeye; opts are those of title and rating.
func handler(tb testing.TB, b *backend, opts ...server.Option) http.Handler {
	s := server.New("movies")
	mv := server.Entity(s, "Movie", func(m movie) int64 { return m.id })
	ids := func(ms []movie) []int64 {
		out := make([]int64, len(ms))
		for i, m := range ms {
			out[i] = m.id
		}
		return out
	}
	server.BatchArg(mv, "can_view", func(_ context.Context, ms []movie, user int64) ([]bool, error) { return b.canView(ids(ms), user), nil }, server.Args("user"))
	server.Batch(mv, "title", func(_ context.Context, ms []movie) ([]string, error) { return b.titles(ids(ms)), nil }, opts...)
	server.Batch(mv, "rating", func(_ context.Context, ms []movie) ([]float64, error) { return b.ratings(ids(ms)), nil }, opts...)
	server.Source(s, "get_movies", func(_ context.Context, in []int64) ([]movie, error) {
		found := b.exist(in)
		out := make([]movie, len(found))
		for i, id := range found {
			out[i] = movie{id}
		}
		return out, nil
	}, server.Args("ids"))
	h, err := s.Handler()
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// page is the endpoint that somebody writes for this page: three waves.
func (b *backend) page(a ask) []Card {
	found := b.exist(a.IDs)
	can := b.canView(found, a.User)
	var seen []int64
	for i, id := range found {
		if can[i] {
			seen = append(seen, id)
		}
	}
	var titles []string
	var ratings []float64
	var g errgroup.Group
	g.Go(func() error { titles = b.titles(seen); return nil })
	g.Go(func() error { ratings = b.ratings(seen); return nil })
	_ = g.Wait() // neither fails
	out := make([]Card, len(seen))
	for i, id := range seen {
		out[i] = Card{id, titles[i], ratings[i]}
	}
	return out
}

// client calls the service.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string) *client {
	return &client{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

func call[T any](ctx context.Context, c *client, path string, a ask) (out T, err error) {
	body, err := json.Marshal(a)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, json.NewDecoder(resp.Body).Decode(&out)
}

type strategy func(ctx context.Context, c *client, ids []int64, user int64) ([]Card, error)

// pull asks for one film and one property at a time, so many at once.
func pull(atOnce int) strategy {
	return func(ctx context.Context, c *client, ids []int64, user int64) ([]Card, error) {
		found, err := call[[]int64](ctx, c, "/exist", ask{IDs: ids})
		if err != nil {
			return nil, err
		}
		cards := make([]*Card, len(found))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for i, id := range found {
			g.Go(func() error {
				one := ask{IDs: []int64{id}, User: user}
				can, err := call[[]bool](ctx, c, "/can_view", one)
				if err != nil || !can[0] {
					return err
				}
				title, err := call[[]string](ctx, c, "/titles", one)
				if err != nil {
					return err
				}
				rating, err := call[[]float64](ctx, c, "/ratings", one)
				if err != nil {
					return err
				}
				cards[i] = &Card{id, title[0], rating[0]}
				return nil
			})
		}
		err = g.Wait()
		return seen(cards), err
	}
}

func seen(cards []*Card) (out []Card) {
	for _, c := range cards {
		if c != nil {
			out = append(out, *c)
		}
	}
	return out
}

// batches calls what is batched, by hand.
func batches(ctx context.Context, c *client, ids []int64, user int64) ([]Card, error) {
	found, err := call[[]int64](ctx, c, "/exist", ask{IDs: ids})
	if err != nil {
		return nil, err
	}
	can, err := call[[]bool](ctx, c, "/can_view", ask{found, user})
	if err != nil {
		return nil, err
	}
	var visible []int64
	for i, id := range found {
		if can[i] {
			visible = append(visible, id)
		}
	}
	var titles []string
	var ratings []float64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { titles, err = call[[]string](ctx, c, "/titles", ask{IDs: visible}); return err })
	g.Go(func() (err error) { ratings, err = call[[]float64](ctx, c, "/ratings", ask{IDs: visible}); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	cards := make([]Card, len(visible))
	for i, id := range visible {
		cards[i] = Card{id, titles[i], ratings[i]}
	}
	return cards, nil
}

// loaders asks for one film and one property at a time, a goroutine each, and graph-gophers/dataloader puts together what comes within a window.
func loaders(opts ...func() dataloader.Option[int64, any]) strategy {
	return func(ctx context.Context, c *client, ids []int64, user int64) ([]Card, error) {
		load := func(path string, one func(ctx context.Context, path string, a ask) ([]any, error)) dataloader.Interface[int64, any] {
			var options []dataloader.Option[int64, any]
			for _, o := range opts {
				options = append(options, o())
			}
			return dataloader.NewBatchedLoader(func(ctx context.Context, keys []int64) []*dataloader.Result[any] {
				vals, err := one(ctx, path, ask{keys, user})
				out := make([]*dataloader.Result[any], len(keys))
				for i := range out {
					out[i] = &dataloader.Result[any]{Error: err}
					if err == nil {
						out[i].Data = vals[i]
					}
				}
				return out
			}, options...)
		}
		many := func(ctx context.Context, path string, a ask) ([]any, error) { return call[[]any](ctx, c, path, a) }
		canView, title, rating := load("/can_view", many), load("/titles", many), load("/ratings", many)
		found, err := call[[]int64](ctx, c, "/exist", ask{IDs: ids})
		if err != nil {
			return nil, err
		}
		cards := make([]*Card, len(found))
		g, ctx := errgroup.WithContext(ctx)
		for i, id := range found {
			g.Go(func() error {
				can, err := canView.Load(ctx, id)()
				if err != nil || can != true {
					return err
				}
				t, r := title.Load(ctx, id), rating.Load(ctx, id)
				name, err1 := t()
				stars, err2 := r()
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
				text, _ := name.(string)
				number, _ := stars.(float64)
				cards[i] = &Card{id, text, number}
				return nil
			})
		}
		err = g.Wait()
		return seen(cards), err
	}
}

func window(d time.Duration) func() dataloader.Option[int64, any] {
	return func() dataloader.Option[int64, any] { return dataloader.WithWait[int64, any](d) }
}

func endpoint(ctx context.Context, c *client, ids []int64, user int64) ([]Card, error) {
	return call[[]Card](ctx, c, "/page", ask{ids, user})
}

const program = `get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`

func inRedeye(url string) strategy {
	c := redeye.NewClient(url, redeye.Config{})
	return func(ctx context.Context, _ *client, ids []int64, user int64) ([]Card, error) {
		return redeye.Text[[]Card](program, redeye.Args{"ids": ids, "user": user}).Run(ctx, c)
	}
}

type named struct {
	name string
	ask  strategy
	slow bool
}

func strategies(url string) []named {
	return []named{
		{"pull/sequential", pull(1), true},
		{"pull/16-at-once", pull(16), true},
		{"dataloader/16ms", loaders(), false},
		{"dataloader/1ms", loaders(window(time.Millisecond)), false},
		{"batches-by-hand", batches, false},
		{"endpoint-by-hand", endpoint, false},
		{"redeye", inRedeye(url), false},
		{"redeye/ahead", inRedeye(url + "/ahead"), false}, // title and rating are declared cheap, and are called with can_view
	}
}

func idsTo(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}

// All strategies give one answer; Redeye with four operations of the backend, as the endpoint that is written by hand.
func TestSameAnswer(t *testing.T) {
	b := &backend{}
	url := service(t, b)
	c := newClient(url)
	want := b.page(ask{idsTo(100), 3})
	for _, s := range strategies(url) {
		b.ops.Store(0)
		got, err := s.ask(t.Context(), c, idsTo(100), 3)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d rows, %v", s.name, len(got), err)
		}
		if ops := b.ops.Load(); (strings.HasPrefix(s.name, "redeye") || s.name == "endpoint-by-hand") && ops != 4 {
			t.Errorf("%s: %d operations", s.name, ops)
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTalk is the page, alone: time, and CPU of client and server together. The latency of an operation is what time.Sleep makes of it.
func BenchmarkTalk(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, latency := range []time.Duration{time.Millisecond, 5 * time.Millisecond} {
			data := &backend{latency: latency}
			url := service(b, data)
			c := newClient(url)
			for _, s := range strategies(url) {
				if s.slow && (n > 100 || latency > time.Millisecond) {
					continue
				}
				b.Run(fmt.Sprintf("n=%d/latency=%v/%s", n, latency, s.name), func(b *testing.B) {
					ids := idsTo(n)
					if _, err := s.ask(b.Context(), c, ids, 3); err != nil { // connections, plans
						b.Fatal(err)
					}
					data.ops.Store(0)
					before := cpu()
					for b.Loop() {
						if _, err := s.ask(b.Context(), c, ids, 3); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e6, "cpu-ms/op")
					b.ReportMetric(float64(data.ops.Load())/float64(b.N), "ops/op")
				})
			}
		}
	}
}
