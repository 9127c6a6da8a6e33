// Package movies is an example of a service that is asked with Redeye: a few films, with who may see them and how they are rated. The functions that
// are registered here would ask a database or other services; each that is batched would ask once for all.
package movies

import (
	"context"
	"sync/atomic"

	"github.com/fuwu-project/fuwu/redeye/server"
)

// Movie is a film.
type Movie struct {
	ID    int64
	Year  int64
	Genre Genre
}

// Genre is what kind of film it is.
type Genre string

// The genres that there are.
const (
	ScienceFiction Genre = "science fiction"
	Crime          Genre = "crime"
	Horror         Genre = "horror"
	Comedy         Genre = "comedy"
	Drama          Genre = "drama"
)

// Actor is who plays in films.
type Actor struct{ ID int64 }

// Service is the service and how often its functions were called.
type Service struct {
	*server.Server
	Calls atomic.Int64
}

var (
	films = map[int64]*Movie{
		1: {1, 1927, ScienceFiction}, 2: {2, 1931, Crime}, 3: {3, 1922, Horror}, 4: {4, 1924, Comedy}, 5: {5, 1930, Drama},
	}
	titles  = map[int64]string{1: "Metropolis", 2: "M", 3: "Nosferatu", 4: "Sherlock Jr.", 5: "The Blue Angel"}
	ratings = map[int64]float64{1: 8.3, 2: 8.3, 3: 7.9, 4: 8.2} // nobody has rated the fifth
	cast    = map[int64][]int64{1: {1, 2}, 2: {3}, 3: {4}, 4: {5, 6}, 5: {7, 8}}
	names   = map[int64]string{
		1: "Brigitte Helm", 2: "Gustav Fröhlich", 3: "Peter Lorre", 4: "Max Schreck", 5: "Buster Keaton", 6: "Kathryn McGuire",
		7: "Marlene Dietrich", 8: "Emil Jannings",
	}
)

// New returns the service, ready to be served.
func New() (*Service, error) {
	s := &Service{Server: server.New("movies")}

	actor := server.Entity(s.Server, "Actor", func(a *Actor) int64 { return a.ID })
	server.Batch(actor, "name", func(_ context.Context, as []*Actor) ([]string, error) {
		s.Calls.Add(1)
		out := make([]string, len(as))
		for i, a := range as {
			out[i] = names[a.ID]
		}
		return out, nil
	}, server.Scope("public"))

	server.Enum(s.Server, "Genre", ScienceFiction, Crime, Horror, Comedy, Drama)
	movie := server.Entity(s.Server, "Movie", func(m *Movie) int64 { return m.ID }, "a film")
	server.Attr(movie, "year", func(m *Movie) int64 { return m.Year }, "of release")
	server.Attr(movie, "genre", func(m *Movie) Genre { return m.Genre })
	server.Batch(movie, "title", func(_ context.Context, ms []*Movie) ([]string, error) {
		s.Calls.Add(1)
		out := make([]string, len(ms))
		for i, m := range ms {
			out[i] = titles[m.ID]
		}
		return out, nil
	}, server.Scope("public"))
	server.BatchArg(movie, "can_view", func(_ context.Context, ms []*Movie, user int64) ([]bool, error) {
		s.Calls.Add(1)
		out := make([]bool, len(ms))
		for i, m := range ms {
			out[i] = m.Genre != Horror || user >= 18 // a user's number is their age here
		}
		return out, nil
	}, server.Args("user"), server.Doc("whether the user may see it"))
	server.Keyed(movie, "rating", func(_ context.Context, ids []int64) (map[int64]server.Null[float64], error) {
		s.Calls.Add(1)
		out := map[int64]server.Null[float64]{}
		for _, id := range ids {
			if r, ok := ratings[id]; ok {
				out[id] = server.Some(r)
			}
		}
		return out, nil
	}, server.Scope("public"))
	server.Batch(movie, "cast", func(_ context.Context, ms []*Movie) ([][]*Actor, error) {
		s.Calls.Add(1)
		out := make([][]*Actor, len(ms))
		for i, m := range ms {
			for _, id := range cast[m.ID] {
				out[i] = append(out[i], &Actor{id})
			}
		}
		return out, nil
	}, server.Scope("public"))

	server.Source(s.Server, "get_movies", func(_ context.Context, ids []int64) ([]*Movie, error) {
		s.Calls.Add(1)
		var out []*Movie
		for _, id := range ids {
			if m := films[id]; m != nil {
				out = append(out, m)
			}
		}
		return out, nil
	}, server.Args("ids"), server.Scope("public"), server.Doc("those of the films that there are, in the order of ids"), server.Replaces("movie.service.get_movie"))
	return s, s.Check()
}
