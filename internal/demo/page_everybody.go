package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fuwu-project/fuwu/internal/demo/movies"
	"github.com/fuwu-project/fuwu/redeye"
)

// Everybody who ever played with everybody else's colleagues: a page that somebody composed of what the movie service offers, and that asks for far too
// much. Each try exceeds the budget of its query, so that after some tries the breaker of this query opens; the other pages see nothing of it.

func (s *Site) everybody() page[struct{}, []string] {
	return page[struct{}, []string]{
		name: "everybody",
		arg:  func(*http.Request) (a struct{}, err error) { return a, nil },
		ways: map[Way]func(context.Context, struct{}) ([]string, error){
			Redeye: func(ctx context.Context, _ struct{}) ([]string, error) {
				return everybodyQuery.Run(ctx, s.movie.programs, []int64{1, 2, 3, 4, 5, 6, 7, 8})
			},
		},
		view: func(names []string) view { return view{Title: fmt.Sprintf("%d people", len(names))} },
	}
}

var everybodyQuery = redeye.Prepare1("movie-web.everybody", func(ids redeye.Param[[]int64]) redeye.Query[[]string] {
	colleagues := func(x movies.PersonX) movies.PersonSeq { return redeye.FlatMap(x.Roles(), movies.MovieX.Cast) }
	people := redeye.FlatMap(movies.GetMoviesOf(ids), movies.MovieX.Cast)
	return redeye.Ask(redeye.Map(redeye.FlatMap(redeye.FlatMap(people, colleagues), colleagues), movies.PersonX.Name))
})
