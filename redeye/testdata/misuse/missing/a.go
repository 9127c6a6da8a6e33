// Package missing asks for what the schema does not have.
package missing

import (
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.CanVew(1) }) // want has no field or method CanVew

var _ = movies.GetFilms(nil) // want undefined: movies.GetFilms

var _ = movies.GetMovies(nil).Map(nil) // want has no field or method Map
