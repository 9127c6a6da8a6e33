// Package condition uses a symbol as if it were there already.
package condition

import (
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool {
	if x.CanView(1) { // want non-boolean condition in if statement
		return x.CanView(2)
	}
	return x.CanView(1) && x.CanView(2) // want operator && not defined
})

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool {
	return x.Year() > 1990 // want mismatched types|cannot convert|cannot use
})

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool {
	for range x.Cast() { // want cannot range over
	}
	return !x.CanView(1) // want operator ! not defined
})
