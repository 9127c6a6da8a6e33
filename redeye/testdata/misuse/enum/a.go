// Package enum takes enums for texts, for each other, and for what has an order.
package enum

import (
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

var series = "series"

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Medium().Eq(series) }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Medium().Eq(movies.Age18) }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Medium().Eq(movies.MediumPlay) }) // want undefined: movies.MediumPlay

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Medium().In([]string{"series"}) }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Medium().Lt(movies.MediumSeries) }) // want has no field or method Lt

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Medium().HasPrefix("s") }) // want has no field or method HasPrefix

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return redeye.Eq(x.Medium(), x.Title()) }) // want does not match|does not implement

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return redeye.Lt(x.Medium(), x.Medium()) }) // want does not satisfy

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.ShownAs(series) }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.ShownAsOf(x.Title()) }) // want does not implement

var _ = movies.GetMovies(nil).Sort(func(x movies.MovieX) redeye.Key { return redeye.Asc(x.Medium()) }) // want does not satisfy

var _ = redeye.Max(movies.GetMovies(nil), func(x movies.MovieX) redeye.Enum[movies.Medium] { return x.Medium() }) // want does not satisfy

type card struct {
	Title  string
	Medium movies.Medium
}

var _ = redeye.Into(movies.GetMovies(nil), func(x movies.MovieX, c *card) redeye.Fields {
	return redeye.Fields{
		redeye.Set(&c.Title, x.Medium()), // want redeye.Enum
		redeye.Set(&c.Medium, x.Title()), // want redeye.Str
		redeye.Set(&c.Medium, x.Medium()),
		redeye.Set(&c.Title, x.Medium().Str()),
	}
})
