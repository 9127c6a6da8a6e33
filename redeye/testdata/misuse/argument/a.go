// Package argument gives arguments of the wrong type.
package argument

import (
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

var _ = movies.GetMovies([]string{"1"}) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.CanView("me") }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.CanViewOf(x.Title()) }) // want does not implement

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { return x.Year().Gt("1990") }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(a movies.ActorX) redeye.Bool { return a.ID().Eq(1) }) // want cannot use

var _ = movies.GetMovies(nil).Filter(func(x movies.MovieX) bool { return true }) // want cannot use

var page = redeye.Prepare1("page", func(ids redeye.Param[[]int64]) redeye.Query[[]int64] { return redeye.Ask(movies.GetMoviesOf(ids)) })

var _, _ = page.Run(nil, nil, "1") // want cannot use
