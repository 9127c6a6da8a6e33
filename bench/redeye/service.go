package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/fuwu-project/fuwu/bench/redeye/internal/graph"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// service serves the backend in four ways: an operation at a time (for one or many), the page written by hand, GraphQL, and Redeye.
type service struct {
	data     *backend
	url      string
	requests atomic.Int64
	close    func()
}

func serve(b *backend) (*service, error) {
	mux := http.NewServeMux()
	mux.Handle("/exist", answer(func(a ask) any { return b.Exist(a.IDs) }))
	mux.Handle("/can_view", answer(func(a ask) any { return b.CanView(a.IDs, a.User) }))
	mux.Handle("/titles", answer(func(a ask) any { return b.Titles(a.IDs) }))
	mux.Handle("/ratings", answer(func(a ask) any { return b.Ratings(a.IDs) }))
	mux.Handle("/page", answer(func(a ask) any { return b.page(a) }))
	mux.Handle("/graphql", graph.Handler(b, time.Millisecond))
	plain, err := redeyeHandler(b)
	if err != nil {
		return nil, err
	}
	mux.Handle("/redeye.v1.Redeye/", plain)
	ahead, err := redeyeHandler(b, server.Cheap())
	if err != nil {
		return nil, err
	}
	mux.Handle("/ahead/", http.StripPrefix("/ahead", ahead))

	s := &service{data: b}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		mux.ServeHTTP(w, r)
	}))
	s.url, s.close = srv.URL, srv.Close
	return s, nil
}

// answer serves a function, from JSON to JSON.
func answer(f func(ask) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a ask
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f(a)) // the client is gone if this fails
	})
}

// redeyeHandler is Redeye as it is, with its check and its budgets; opts are those of title and rating.
func redeyeHandler(b *backend, opts ...server.Option) (http.Handler, error) {
	s := server.New("movies")
	mv := server.Entity(s, "Movie", func(m movie) int64 { return m.id })
	ids := func(ms []movie) []int64 {
		out := make([]int64, len(ms))
		for i, m := range ms {
			out[i] = m.id
		}
		return out
	}
	server.BatchArg(mv, "can_view", func(_ context.Context, ms []movie, user int64) ([]bool, error) { return b.CanView(ids(ms), user), nil }, server.Args("user"))
	server.Batch(mv, "title", func(_ context.Context, ms []movie) ([]string, error) { return b.Titles(ids(ms)), nil }, opts...)
	server.Batch(mv, "rating", func(_ context.Context, ms []movie) ([]float64, error) { return b.Ratings(ids(ms)), nil }, opts...)
	server.Source(s, "get_movies", func(_ context.Context, in []int64) ([]movie, error) {
		found := b.Exist(in)
		out := make([]movie, len(found))
		for i, id := range found {
			out[i] = movie{id}
		}
		return out, nil
	}, server.Args("ids"))
	return s.Handler()
}
