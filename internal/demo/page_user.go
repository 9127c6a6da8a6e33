package demo

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/demo/movies"
	"github.com/fuwu-project/fuwu/redeye"
)

// A user's page: what they collect and what they may like.

type userData struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	Collection  []entry `json:"collection"`
	Recommended []entry `json:"recommended"`
}

func (s *Site) userHome() page[int64, userData] {
	return page[int64, userData]{
		name: "user",
		arg:  pathID,
		ways: map[Way]func(context.Context, int64) (userData, error){
			NK: s.userNK,
			Redeye: byID("user", func(ctx context.Context, ids []int64) ([]userData, error) {
				return userQuery.Run(ctx, s.movie.programs, ids)
			}),
			Text: byID("user", func(ctx context.Context, ids []int64) ([]userData, error) {
				return redeye.Text[[]userData](userText, redeye.Args{"ids": ids}).Run(ctx, s.movie.programs)
			}),
			Hand: func(ctx context.Context, id int64) (userData, error) {
				return rpcCall[userData](ctx, s.movie.client, "movie.service/user_page", idArg{id})
			},
		},
		view: func(d userData) view {
			v := view{Title: d.Name, Notes: []string{fmt.Sprintf("%d movies in the collection.", len(d.Collection))}}
			for _, e := range append(d.Collection, d.Recommended...) {
				v.Items = append(v.Items, e.item())
			}
			return v
		},
	}
}

func (s *Site) userNK(ctx context.Context, id int64) (d userData, err error) {
	p, err := rpcCall[person](ctx, s.user.client, "user.service/get_user", idArg{id})
	if err != nil {
		return d, err
	}
	d.ID, d.Name = p.ID, p.Name
	ids, err := rpcCall[[]int64](ctx, s.user.client, "user.service/get_collection", idArg{id})
	if err != nil {
		return d, err
	}
	if d.Collection, err = s.entries(ctx, ids); err != nil {
		return d, err
	}
	if ids, err = rpcCall[[]int64](ctx, s.movie.client, "movie.service/recommend", idArg{id}); err != nil {
		return d, err
	}
	d.Recommended, err = s.entries(ctx, ids)
	return d, err
}

const userText = `
	get_users(ids).map(lambda u: {
		"id": u.id, "name": u.name(),
		"collection": u.collection().map(lambda x: {"id": x.id, "title": x.title, "year": x.year}),
		"recommended": u.recommended().map(lambda x: {"id": x.id, "title": x.title, "year": x.year})})`

var userQuery = redeye.Prepare1("movie-web.user", func(ids redeye.Param[[]int64]) redeye.Query[[]userData] {
	return redeye.Into(movies.GetUsersOf(ids), func(u movies.PersonX, d *userData) redeye.Fields {
		return redeye.Fields{
			redeye.Set(&d.ID, u.ID()), redeye.Set(&d.Name, u.Name()),
			redeye.Set(&d.Collection, redeye.Into(u.Collection(), setEntry)),
			redeye.Set(&d.Recommended, redeye.Into(u.Recommended(), setEntry)),
		}
	})
})

func setEntry(x movies.MovieX, e *entry) redeye.Fields {
	return redeye.Fields{redeye.Set(&e.ID, x.ID()), redeye.Set(&e.Title, x.Title()), redeye.Set(&e.Year, x.Year())}
}

// userPage is the method that somebody in the movie service wrote for this page.
func (s *Site) userPage(ctx context.Context, a idArg) (d userData, err error) {
	p, err := one(ctx, s.persons, a.ID, "user")
	if err != nil {
		return d, err
	}
	d = userData{ID: p.ID, Name: p.Name}
	g, ctx := errgroup.WithContext(ctx)
	list := func(to *[]entry, ids func(context.Context, []int64) ([][]int64, error)) func() error {
		return func() error {
			lists, err := ids(ctx, []int64{a.ID})
			if err != nil {
				return err
			}
			found, err := s.movieLists(ctx, lists)
			if err == nil {
				*to = each(found[0], entryOf)
			}
			return err
		}
	}
	g.Go(list(&d.Collection, s.collections))
	g.Go(list(&d.Recommended, s.recommended))
	return d, g.Wait()
}
