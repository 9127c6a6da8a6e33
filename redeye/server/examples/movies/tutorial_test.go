package movies_test

import (
	"context"
	"testing"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies/moviesclient"
)

// What docs/redeye/tutorial.md shows.

// movieService stands for a service that is called a movie and a property at a time.
type movieService interface {
	GetMovies(ctx context.Context, ids []int64) ([]int64, error)
	CanView(ctx context.Context, movie, user int64) (bool, error)
	Title(ctx context.Context, movie int64) (string, error)
	Rating(ctx context.Context, movie int64) (*float64, error)
}

type Card struct {
	ID     int64
	Title  string
	Rating *float64
}

func pageCallByCall(ctx context.Context, movies movieService, ids []int64, user int64) ([]Card, error) {
	found, err := movies.GetMovies(ctx, ids)
	if err != nil {
		return nil, err
	}
	var cards []Card
	for _, id := range found {
		ok, err := movies.CanView(ctx, id, user) // n calls
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		title, err := movies.Title(ctx, id) // n more
		if err != nil {
			return nil, err
		}
		rating, err := movies.Rating(ctx, id) // and n more
		if err != nil {
			return nil, err
		}
		cards = append(cards, Card{id, title, rating})
	}
	return cards, nil
}

func pageInText(ctx context.Context, client *redeye.Client, ids []int64, user int64) ([]Card, error) {
	return redeye.Text[[]Card](`
		get_movies(ids)
			.filter(lambda x: x.can_view(user))
			.map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`,
		redeye.Args{"ids": ids, "user": user},
	).Run(ctx, client)
}

func page(ctx context.Context, client *redeye.Client, ids []int64, user int64) ([]Card, error) {
	return redeye.Into(
		moviesclient.GetMovies(ids).Filter(func(x moviesclient.MovieX) redeye.Bool { return x.CanView(user) }),
		func(x moviesclient.MovieX, c *Card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title()), redeye.Set(&c.Rating, x.Rating())}
		},
	).Run(ctx, client)
}

var pageOf = redeye.Prepare2("movies.page", func(ids redeye.Param[[]int64], user redeye.Param[int64]) redeye.Query[[]Card] {
	return redeye.Into(
		moviesclient.GetMoviesOf(ids).Filter(func(x moviesclient.MovieX) redeye.Bool { return x.CanViewOf(user) }),
		func(x moviesclient.MovieX, c *Card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title()), redeye.Set(&c.Rating, x.Rating())}
		})
})

// callByCall is the service called by Redeye, a call at a time.
type callByCall struct{ c *redeye.Client }

func ask[T any](ctx context.Context, c *redeye.Client, text string, args redeye.Args) (T, error) {
	return redeye.Text[T](text, args).Run(ctx, c)
}

func (s callByCall) GetMovies(ctx context.Context, ids []int64) ([]int64, error) {
	return ask[[]int64](ctx, s.c, "get_movies(ids)", redeye.Args{"ids": ids})
}

func (s callByCall) CanView(ctx context.Context, id, user int64) (bool, error) {
	return ask[bool](ctx, s.c, "get_movies([id])[0].can_view(user)", redeye.Args{"id": id, "user": user})
}

func (s callByCall) Title(ctx context.Context, id int64) (string, error) {
	return ask[string](ctx, s.c, "get_movies([id])[0].title()", redeye.Args{"id": id})
}

func (s callByCall) Rating(ctx context.Context, id int64) (*float64, error) {
	return ask[*float64](ctx, s.c, "get_movies([id])[0].rating()", redeye.Args{"id": id})
}

// The handlers of the tutorial answer the same.
func TestTutorialHandlers(t *testing.T) {
	_, h := serve(t)
	c := inProcess(h)
	ids, user := []int64{1, 3, 5}, int64(12)
	want, err := pageCallByCall(t.Context(), callByCall{c}, ids, user)
	if err != nil || len(want) != 2 {
		t.Fatal(want, err)
	}
	for name, f := range map[string]func(context.Context, *redeye.Client, []int64, int64) ([]Card, error){
		"text": pageInText, "built": page, "prepared": pageOf.Run,
	} {
		got, err := f(t.Context(), c, ids, user)
		if err != nil || len(got) != 2 || got[0].Title != want[0].Title || *got[0].Rating != *want[0].Rating || got[1].ID != 5 || got[1].Rating != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
