package demo

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/server"
	"github.com/fuwu-project/fuwu/shuai"
)

// The movie service offers its data to programs, too. What is registered are the functions that the services' methods call, with
// all that they can answer for at once. Package movies is what "redeye gen" makes of it (go test -run TestSymbols -update).

// offer makes the Redeye server of the movie service.
func (s *Site) offer() *server.Server {
	r := server.New("movies")
	r.Operator = func(*http.Request) error { return nil } // whoever reaches the demo

	aPerson := server.Entity(r, "Person", func(p *person) int64 { return p.ID }, "who plays in films, takes pictures, or visits")
	aPicture := server.Entity(r, "Picture", func(p *picture) int64 { return p.Movie*1000 + p.K }, "a picture of a film")
	aMovie := server.Entity(r, "Movie", func(m *movie) int64 { return m.ID }, "a film")
	public := server.Scope("public")

	server.Attr(aMovie, "title", func(m *movie) string { return m.Title })
	server.Attr(aMovie, "year", func(m *movie) int64 { return m.Year }, "of release")
	server.BatchArg(aMovie, "can_view", func(ctx context.Context, ms []*movie, user int64) ([]bool, error) {
		return s.visible(ctx, each(ms, movieID), user)
	}, server.Args("user"), server.Doc("whether the user may see it"), server.Replaces("user.service.can_view"))
	server.Batch(aMovie, "rating", func(ctx context.Context, ms []*movie) ([]float64, error) {
		return s.ratings(ctx, each(ms, movieID))
	}, public, server.Cheap(), server.Doc("of 10"), server.Replaces("rating.service.get_rating"))
	server.Batch(aMovie, "cast", func(ctx context.Context, ms []*movie) ([][]*person, error) {
		ids, err := s.casts(ctx, each(ms, movieID))
		return each(ids, personsOf), err
	}, public, server.Doc("who plays in it"), server.Replaces("movie.service.get_cast"))
	server.Batch(aMovie, "pictures", s.albums, public, server.Replaces("movie.service.movie_pic1svc"))

	server.Batch(aPerson, "name", func(ctx context.Context, ps []*person) ([]string, error) {
		return s.names(ctx, each(ps, personID))
	}, public, server.Replaces("user.service.get_user"))
	server.Batch(aPerson, "card", func(ctx context.Context, ps []*person) ([]string, error) {
		return s.cards(ctx, each(ps, personID))
	}, public, server.Doc("the name as the cache has it"), server.Replaces("mc get "+keyPrefix+"user_card:?"))
	server.Batch(aPerson, "roles", s.filmsOf(s.roles), public, server.Doc("the films that they play in"))
	server.Batch(aPerson, "collection", s.filmsOf(s.collections), server.Doc("the films that they collect"), server.Replaces("user.service.get_collection"))
	server.Batch(aPerson, "recommended", s.filmsOf(s.recommended), server.Doc("films that they may like"), server.Replaces("movie.service.recommend"))

	server.Attr(aPicture, "width", func(p *picture) int64 { return p.Width }, "in pixels")
	server.Attr(aPicture, "height", func(p *picture) int64 { return p.Height }, "in pixels")
	server.Attr(aPicture, "author", func(p *picture) *person { return &person{ID: p.Author} })
	server.Batch(aPicture, "text", s.descriptions, public, server.Doc("a long description, often empty"), server.Replaces("beansdb get "+keyPrefix+"pic_text:?:?"))

	server.Source(r, "get_movies", s.movies, server.Args("ids"), public,
		server.Doc("those of the films that there are, in the order of ids"), server.Replaces("movie.service.get_movie"))
	server.Source(r, "get_users", s.persons, server.Args("ids"), public,
		server.Doc("those of the users that there are, in the order of ids"), server.Replaces("user.service.get_user"))
	server.Source(r, "search", func(ctx context.Context, query string) ([]*movie, error) {
		found, err := s.search(ctx, query)
		if errors.Is(err, errQuote) {
			err = server.Errorf("INVALID_ARGUMENT", "%v", err) // in these words
		}
		return found, err
	}, server.Args("query"), public, server.Doc("films with one of the words in their title"))
	return r
}

func movieID(m *movie) int64   { return m.ID }
func personID(p *person) int64 { return p.ID }

// personsOf are people of whom only the id is known so far.
func personsOf(ids []int64) []*person {
	return each(ids, func(id int64) *person { return &person{ID: id} })
}

// filmsOf makes a method of Person of what lists films by their ids.
func (s *stores) filmsOf(lists func(context.Context, []int64) ([][]int64, error)) func(context.Context, []*person) ([][]*movie, error) {
	return func(ctx context.Context, ps []*person) ([][]*movie, error) {
		ids, err := lists(ctx, each(ps, personID))
		if err != nil {
			return nil, err
		}
		return s.movieLists(ctx, ids)
	}
}

// movieLists are the films of many lists of ids, each asked for once.
func (s *stores) movieLists(ctx context.Context, lists [][]int64) ([][]*movie, error) {
	found, err := s.movies(ctx, distinct(slices.Concat(lists...)))
	if err != nil {
		return nil, err
	}
	byID := map[int64]*movie{}
	for _, m := range found {
		byID[m.ID] = m
	}
	return each(lists, func(list []int64) []*movie {
		ms := []*movie{}
		for _, id := range list {
			if m := byID[id]; m != nil {
				ms = append(ms, m)
			}
		}
		return ms
	}), nil
}

const redeyePath = "/redeye.v1.Redeye/"

// withRedeye serves Redeye beside a service's methods, its calls named as theirs are.
func withRedeye(methods rpcMethods, programs http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, ok := strings.CutPrefix(r.URL.Path, redeyePath)
		switch {
		case ok:
			span := shuai.SpanFromContext(r.Context())
			span.SetName("redeye.v1.Redeye/" + method)
			span.Set(redeyeAttributes(method)...)
			programs.ServeHTTP(w, r.WithContext(r.Context())) // a copy: its pattern is no name
		case strings.HasPrefix(r.URL.Path, "/redeye/"):
			programs.ServeHTTP(w, r)
		default:
			methods.ServeHTTP(w, r)
		}
	})
}

func redeyeAttributes(method string) []shuai.Attr {
	return []shuai.Attr{shuai.String("rpc.system.name", "connectrpc"), shuai.String("rpc.method", "redeye.v1.Redeye/"+method)}
}
