// Package nonordered compares and adds up what has no order.
package nonordered

import (
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

var _ = redeye.Max(movies.GetMovies(nil), func(x movies.MovieX) movies.MovieInfoX { return x.Info() }) // want does not satisfy|no type

var _ = redeye.Sum(movies.GetMovies(nil), func(x movies.MovieX) redeye.Str { return x.Title() }) // want does not satisfy

var _ = movies.GetMovies(nil).Sort(func(x movies.MovieX) redeye.Key { return redeye.Asc(x.Rating()) }) // want does not satisfy

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return redeye.Lt(x.Year(), x.Title()) }) // want does not match|does not implement

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Rating().Gt(5) }) // want has no field or method Gt
