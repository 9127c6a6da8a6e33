package redeye_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

// exampleClient asks a server that knows two movies. A real one is redeye.NewClient("http://movies:8080", redeye.Config{}).
func exampleClient() *redeye.Client {
	out := answerOf(&testing.T{}, "list<{id: int, title: string}>", `[{"id":1,"title":"Metropolis"},{"id":3,"title":"M"}]`)
	s := &server{answer: func(_ context.Context, r *request) ([]byte, *redeye.Error) {
		if r.text == "films()" {
			return nil, &redeye.Error{
				Code: redeye.CodeInvalidArgument, Reason: "TYPE", Msg: "there is no source films",
				Where: "1:1: there is no source films\n    films()\n    ^^^^^^^",
			}
		}
		return out, nil
	}}
	return redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(s)}})
}

func ExampleText() {
	type Card struct {
		ID    int64
		Title string
	}
	cards, err := redeye.Text[[]Card](
		`get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title()})`,
		redeye.Args{"ids": []int64{1, 2, 3}, "user": 7},
	).Run(context.Background(), exampleClient())
	fmt.Println(cards, err)
	// Output: [{1 Metropolis} {3 M}] <nil>
}

// Package movies is made of the service's schema by "redeye gen".
func ExampleInto() {
	type Card struct {
		ID    int64
		Title string
	}
	ids, user := []int64{1, 2, 3}, int64(7)
	cards, err := redeye.Into(
		movies.GetMovies(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanView(user) }),
		func(x movies.MovieX, c *Card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title())}
		},
	).Run(context.Background(), exampleClient())
	fmt.Println(cards, err)
	// Output: [{1 Metropolis} {3 M}] <nil>
}

func ExamplePrepare2() {
	type Card struct {
		ID    int64
		Title string
	}
	page := redeye.Prepare2("movies.page", func(ids redeye.Param[[]int64], user redeye.Param[int64]) redeye.Query[[]Card] {
		return redeye.Into(
			movies.GetMoviesOf(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanViewOf(user) }),
			func(x movies.MovieX, c *Card) redeye.Fields {
				return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title())}
			})
	})
	cards, err := page.Run(context.Background(), exampleClient(), []int64{1, 2, 3}, 7)
	fmt.Println(cards, err)
	// Output: [{1 Metropolis} {3 M}] <nil>
}

func ExampleError() {
	_, err := redeye.Text[int64]("films()", nil).Run(context.Background(), exampleClient())
	if e, ok := errors.AsType[*redeye.Error](err); ok {
		fmt.Println(e.Code, e.Reason)
		fmt.Println(e.Where)
	}
	// Output:
	// INVALID_ARGUMENT TYPE
	// 1:1: there is no source films
	//     films()
	//     ^^^^^^^
}
