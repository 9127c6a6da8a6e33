package suggest_test

// What is suggested in place of the talk's page, as it is written; TestTalk runs it.

import (
	"context"

	"github.com/fuwu-project/fuwu/redeye"
	movies "github.com/fuwu-project/fuwu/redeye/server/examples/movies/moviesclient"
)

type MovieRow struct {
	ID     int64        `redeye:"id" json:"id"`
	Year   int64        `redeye:"year" json:"year"`
	Genre  movies.Genre `redeye:"genre" json:"genre"`
	Title  string       `redeye:"title" json:"title"`
	Rating *float64     `redeye:"rating" json:"rating"`
}

func page(ctx context.Context, client *redeye.Client, ids []int64, user int64) ([]MovieRow, error) {
	return redeye.Into(movies.GetMovies(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanView(user) }), func(x movies.MovieX, row *MovieRow) redeye.Fields {
		return redeye.Fields{
			redeye.Set(&row.ID, x.ID()),
			redeye.Set(&row.Year, x.Year()),
			redeye.Set(&row.Genre, x.Genre()),
			redeye.Set(&row.Title, x.Title()),
			redeye.Set(&row.Rating, x.Rating()),
		}
	}).Run(ctx, client)
}
