// Package graph is the talk's page as a GraphQL service beside the data, by gqlgen: with batch resolvers, and with resolvers of one film each that
// graph-gophers/dataloader puts together. The generated code comes out of schema.graphqls.
package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/graph-gophers/dataloader/v7"
	"github.com/vektah/gqlparser/v2/ast"
)

//go:generate go tool gqlgen generate

// Backend is the data. Answers are in the order of the ids.
type Backend interface {
	Exist(ids []int64) []int64
	CanView(ids []int64, user int64) []bool
	Titles(ids []int64) []string
	Ratings(ids []int64) []float64
}

// Movie is what the resolvers are asked about.
type Movie struct{ ID int64 }

// Handler serves the data. Loaders collect for the window.
func Handler(b Backend, window time.Duration) http.Handler {
	h := handler.New(NewExecutableSchema(Config{Resolvers: resolver{b}}))
	h.AddTransport(transport.POST{})
	h.SetQueryCache(lru.New[*ast.QueryDocument](100))
	h.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(context.WithValue(ctx, loadersKey{}, newLoaders(b, window)))
	})
	return h
}

type resolver struct{ Backend }

func (r resolver) Query() QueryResolver { return r }
func (r resolver) Movie() MovieResolver { return r }

func (r resolver) Movies(_ context.Context, ids []int64) ([]*Movie, error) {
	found := r.Exist(ids)
	out := make([]*Movie, len(found))
	for i, id := range found {
		out[i] = &Movie{id}
	}
	return out, nil
}

func idsOf(movies []*Movie) []int64 {
	out := make([]int64, len(movies))
	for i, m := range movies {
		out[i] = m.ID
	}
	return out
}

func (r resolver) CanView(_ context.Context, movies []*Movie, user int64) ([]bool, error) {
	return r.Backend.CanView(idsOf(movies), user), nil
}

func (r resolver) Title(_ context.Context, movies []*Movie) ([]string, error) {
	return r.Titles(idsOf(movies)), nil
}

func (r resolver) Rating(_ context.Context, movies []*Movie) ([]float64, error) {
	return r.Ratings(idsOf(movies)), nil
}

// loaders are of one request.
type loaders struct {
	canView *dataloader.Loader[view, bool]
	title   *dataloader.Loader[int64, string]
	rating  *dataloader.Loader[int64, float64]
}

type loadersKey struct{}

// view is a question of whether a user, of whom there is one in a request, may see a film.
type view struct{ id, user int64 }

func newLoaders(b Backend, window time.Duration) *loaders {
	return &loaders{
		canView: loader(window, func(views []view) []bool {
			ids := make([]int64, len(views))
			for i, v := range views {
				ids[i] = v.id
			}
			return b.CanView(ids, views[0].user)
		}),
		title:  loader(window, b.Titles),
		rating: loader(window, b.Ratings),
	}
}

func loader[K comparable, V any](window time.Duration, many func([]K) []V) *dataloader.Loader[K, V] {
	return dataloader.NewBatchedLoader(func(_ context.Context, keys []K) []*dataloader.Result[V] {
		out := make([]*dataloader.Result[V], len(keys))
		for i, v := range many(keys) {
			out[i] = &dataloader.Result[V]{Data: v}
		}
		return out
	}, dataloader.WithWait[K, V](window))
}

func loadersOf(ctx context.Context) *loaders {
	l, _ := ctx.Value(loadersKey{}).(*loaders)
	return l
}

func (resolver) OneCanView(ctx context.Context, m *Movie, user int64) (bool, error) {
	return loadersOf(ctx).canView.Load(ctx, view{m.ID, user})()
}

func (resolver) OneTitle(ctx context.Context, m *Movie) (string, error) {
	return loadersOf(ctx).title.Load(ctx, m.ID)()
}

func (resolver) OneRating(ctx context.Context, m *Movie) (float64, error) {
	return loadersOf(ctx).rating.Load(ctx, m.ID)()
}
