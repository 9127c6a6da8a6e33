// Package wrongtype sets fields to expressions of other types.
package wrongtype

import (
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

type card struct {
	ID     int64
	Title  string
	Rating float64
	Cast   []string
}

var _ = redeye.Into(movies.GetMovies(nil), func(x movies.MovieX, c *card) redeye.Fields {
	return redeye.Fields{
		redeye.Set(&c.ID, x.Title()),      // want redeye.Str of x.Title\(\) does not match
		redeye.Set(&c.Title, "x"),         // want string does not (implement|match)
		redeye.Set(&c.Rating, x.Rating()), // want redeye.Opt
		redeye.Set(&c.Cast, x.Cast()),     // want redeye.Seq
		redeye.Set(c.ID, x.ID()),          // want int64
	}
})

var _ []string = mustNot(redeye.Ask(movies.GetMovies(nil))) // want cannot use

func mustNot[R any](redeye.Query[R]) (r R) { return r }
