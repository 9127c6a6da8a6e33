package demo

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/demo/movies"
	"github.com/fuwu-project/fuwu/redeye"
)

// The home page: the first n films of a list that the cache has, those of them that the visitor may see.

type homeArg struct{ N, User int64 }

type homeData struct {
	Movies []card `json:"movies"`
}

type card struct {
	ID     int64   `json:"id"`
	Title  string  `json:"title"`
	Rating float64 `json:"rating"`
}

func (s *Site) home() page[homeArg, homeData] {
	return page[homeArg, homeData]{
		name: "home",
		arg: func(r *http.Request) (a homeArg, err error) {
			if a.N, err = number(r, "n", 8); err == nil {
				a.User, err = number(r, "user", 8)
			}
			return a, err
		},
		ways: map[Way]func(context.Context, homeArg) (homeData, error){
			NK: s.homeNK,
			Redeye: s.homeOf(func(ctx context.Context, a homePageArg) ([]card, error) {
				return homeQuery.Run(ctx, s.movie.programs, a.IDs, a.User)
			}),
			Text: s.homeOf(func(ctx context.Context, a homePageArg) ([]card, error) {
				return redeye.Text[[]card](homeText, redeye.Args{"ids": a.IDs, "user": a.User}).Run(ctx, s.movie.programs)
			}),
			Hand: s.homeOf(func(ctx context.Context, a homePageArg) ([]card, error) {
				return rpcCall[[]card](ctx, s.movie.client, "movie.service/home_page", a)
			}),
		},
		view: func(d homeData) view {
			v := view{Title: "Movies"}
			for _, c := range d.Movies {
				v.Items = append(v.Items, item{c.Title, fmt.Sprintf("rated %.1f", c.Rating), fmt.Sprintf("/subject/%d", c.ID)})
			}
			return v
		},
	}
}

func (s *Site) homeNK(ctx context.Context, a homeArg) (homeData, error) {
	ids, err := s.homeList(ctx, a.N)
	if err != nil {
		return homeData{}, err
	}
	d := homeData{Movies: []card{}}
	for _, id := range ids {
		may, err := rpcCall[bool](ctx, s.user.client, "user.service/can_view", viewArg{id, a.User})
		if err != nil {
			return homeData{}, err
		}
		if !may {
			continue
		}
		m, err := rpcCall[*movie](ctx, s.movie.client, "movie.service/get_movie", idArg{id})
		if err != nil {
			return homeData{}, err
		}
		rating, err := rpcCall[float64](ctx, s.rating.client, "rating.service/get_rating", idArg{id})
		if err != nil {
			return homeData{}, err
		}
		d.Movies = append(d.Movies, card{m.ID, m.Title, rating})
	}
	return d, nil
}

// homeList is the list in the cache. Where the cache was lost it is empty: an empty page is better than none.
func (s *Site) homeList(ctx context.Context, n int64) (ids []int64, err error) {
	list, err := s.mc.get(ctx, []string{homeListKey})
	if err != nil {
		return nil, err
	}
	for text := range strings.FieldsSeq(list[0]) {
		if int64(len(ids)) >= n {
			break
		}
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// homeOf is the page with its cards asked for at once.
func (s *Site) homeOf(cards func(context.Context, homePageArg) ([]card, error)) func(context.Context, homeArg) (homeData, error) {
	return func(ctx context.Context, a homeArg) (homeData, error) {
		ids, err := s.homeList(ctx, a.N)
		if err != nil {
			return homeData{}, err
		}
		found, err := cards(ctx, homePageArg{ids, a.User})
		return homeData{found}, err
	}
}

const homeText = `
	get_movies(ids)
		.filter(lambda x: x.can_view(user))
		.map(lambda x: {"id": x.id, "title": x.title, "rating": x.rating()})`

var homeQuery = redeye.Prepare2("movie-web.home", func(ids redeye.Param[[]int64], user redeye.Param[int64]) redeye.Query[[]card] {
	return redeye.Into(
		movies.GetMoviesOf(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanViewOf(user) }),
		func(x movies.MovieX, c *card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title()), redeye.Set(&c.Rating, x.Rating())}
		})
})

type homePageArg struct {
	IDs  []int64 `json:"ids"`
	User int64   `json:"user"`
}

// homePage is the method that somebody in the movie service wrote for this page.
func (s *Site) homePage(ctx context.Context, a homePageArg) ([]card, error) {
	found, err := s.movies(ctx, a.IDs)
	if err != nil {
		return nil, err
	}
	may, err := s.visible(ctx, each(found, movieID), a.User)
	if err != nil {
		return nil, err
	}
	shown := []*movie{}
	for i, m := range found {
		if may[i] {
			shown = append(shown, m)
		}
	}
	ratings, err := s.ratings(ctx, each(shown, movieID))
	if err != nil {
		return nil, err
	}
	cards := []card{}
	for i, m := range shown {
		cards = append(cards, card{m.ID, m.Title, ratings[i]})
	}
	return cards, nil
}
