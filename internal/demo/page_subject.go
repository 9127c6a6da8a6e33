package demo

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/demo/movies"
	"github.com/fuwu-project/fuwu/redeye"
)

// A film's page: its rating, who plays in it, and its first pictures.

const subjectPictures = 4

type subjectData struct {
	ID       int64    `json:"id"`
	Title    string   `json:"title"`
	Year     int64    `json:"year"`
	Rating   float64  `json:"rating"`
	Cast     []person `json:"cast"`
	Pictures []size   `json:"pictures"`
}

type size struct {
	Width  int64 `json:"width"`
	Height int64 `json:"height"`
}

func (s *Site) subject() page[int64, subjectData] {
	return page[int64, subjectData]{
		name: "subject",
		arg:  pathID,
		ways: map[Way]func(context.Context, int64) (subjectData, error){
			NK: s.subjectNK,
			Redeye: byID("movie", func(ctx context.Context, ids []int64) ([]subjectData, error) {
				return subjectQuery.Run(ctx, s.movie.programs, ids)
			}),
			Text: byID("movie", func(ctx context.Context, ids []int64) ([]subjectData, error) {
				return redeye.Text[[]subjectData](subjectText, redeye.Args{"ids": ids}).Run(ctx, s.movie.programs)
			}),
			Hand: func(ctx context.Context, id int64) (subjectData, error) {
				return rpcCall[subjectData](ctx, s.movie.client, "movie.service/subject_page", idArg{id})
			},
		},
		view: func(d subjectData) view {
			v := view{Title: d.Title, Notes: []string{fmt.Sprintf("%d, rated %.1f.", d.Year, d.Rating)}}
			for _, p := range d.Cast {
				v.Items = append(v.Items, item{p.Name, "cast", fmt.Sprintf("/user/%d", p.ID)})
			}
			for k, p := range d.Pictures {
				v.Items = append(v.Items, item{fmt.Sprintf("Picture %d", k+1), fmt.Sprintf("%d × %d", p.Width, p.Height), photosPath(d.ID)})
			}
			return v
		},
	}
}

func (s *Site) subjectNK(ctx context.Context, id int64) (d subjectData, err error) {
	m, err := rpcCall[*movie](ctx, s.movie.client, "movie.service/get_movie", idArg{id})
	if err != nil {
		return d, err
	}
	d = subjectData{ID: m.ID, Title: m.Title, Year: m.Year, Cast: []person{}, Pictures: []size{}}
	if d.Rating, err = rpcCall[float64](ctx, s.rating.client, "rating.service/get_rating", idArg{id}); err != nil {
		return d, err
	}
	cast, err := rpcCall[[]int64](ctx, s.movie.client, "movie.service/get_cast", idArg{id})
	if err != nil {
		return d, err
	}
	for _, who := range cast {
		p, err := rpcCall[person](ctx, s.user.client, "user.service/get_user", idArg{who})
		if err != nil {
			return d, err
		}
		d.Cast = append(d.Cast, p)
	}
	for k := range min(m.Pictures, subjectPictures) {
		p, err := rpcCall[*picture](ctx, s.pic.client, "movie.service/movie_pic1svc", pictureArg{id, k})
		if err != nil {
			return d, err
		}
		d.Pictures = append(d.Pictures, size{p.Width, p.Height})
	}
	return d, nil
}

const subjectText = `
	get_movies(ids).map(lambda x: {
		"id": x.id, "title": x.title, "year": x.year, "rating": x.rating(),
		"cast": x.cast().map(lambda p: {"id": p.id, "name": p.name()}),
		"pictures": x.pictures().limit(4).map(lambda p: {"width": p.width, "height": p.height})})`

var subjectQuery = redeye.Prepare1("movie-web.subject", func(ids redeye.Param[[]int64]) redeye.Query[[]subjectData] {
	return redeye.Into(movies.GetMoviesOf(ids), func(x movies.MovieX, d *subjectData) redeye.Fields {
		return redeye.Fields{
			redeye.Set(&d.ID, x.ID()), redeye.Set(&d.Title, x.Title()), redeye.Set(&d.Year, x.Year()), redeye.Set(&d.Rating, x.Rating()),
			redeye.Set(&d.Cast, redeye.Into(x.Cast(), func(p movies.PersonX, out *person) redeye.Fields {
				return redeye.Fields{redeye.Set(&out.ID, p.ID()), redeye.Set(&out.Name, p.Name())}
			})),
			redeye.Set(&d.Pictures, redeye.Into(x.Pictures().Limit(subjectPictures), func(p movies.PictureX, out *size) redeye.Fields {
				return redeye.Fields{redeye.Set(&out.Width, p.Width()), redeye.Set(&out.Height, p.Height())}
			})),
		}
	})
})

// subjectPage is the method that somebody in the movie service wrote for this page.
func (s *Site) subjectPage(ctx context.Context, a idArg) (d subjectData, err error) {
	m, err := one(ctx, s.movies, a.ID, "movie")
	if err != nil {
		return d, err
	}
	d = subjectData{ID: m.ID, Title: m.Title, Year: m.Year, Cast: []person{}, Pictures: []size{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		ratings, err := s.ratings(ctx, []int64{a.ID})
		if err == nil {
			d.Rating = ratings[0]
		}
		return err
	})
	g.Go(func() error {
		cast, err := one(ctx, s.casts, a.ID, "cast of movie")
		if err != nil {
			return err
		}
		found, err := s.persons(ctx, cast)
		for _, p := range found {
			d.Cast = append(d.Cast, *p)
		}
		return err
	})
	g.Go(func() error {
		albums, err := s.albums(ctx, []*movie{m})
		if err != nil {
			return err
		}
		for _, p := range albums[0][:min(len(albums[0]), subjectPictures)] {
			d.Pictures = append(d.Pictures, size{p.Width, p.Height})
		}
		return nil
	})
	return d, g.Wait()
}
