package demo

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/demo/movies"
	"github.com/fuwu-project/fuwu/redeye"
)

// A film's photos, each with its author and, where it has one, a long description: the page of the talk.

type photosData struct {
	ID     int64   `json:"id"`
	Title  string  `json:"title"`
	Photos []photo `json:"photos"`
}

type photo struct {
	Width  int64  `json:"width"`
	Height int64  `json:"height"`
	Author string `json:"author"`
	Text   string `json:"text"`
}

func photosPath(movie int64) string { return fmt.Sprintf("/subject/%d/photos", movie) }

func (s *Site) photos() page[int64, photosData] {
	return page[int64, photosData]{
		name: "photos",
		arg:  pathID,
		ways: map[Way]func(context.Context, int64) (photosData, error){
			NK: s.photosNK,
			Redeye: byID("movie", func(ctx context.Context, ids []int64) ([]photosData, error) {
				return photosQuery.Run(ctx, s.movie.programs, ids)
			}),
			Text: byID("movie", func(ctx context.Context, ids []int64) ([]photosData, error) {
				return redeye.Text[[]photosData](photosText, redeye.Args{"ids": ids}).Run(ctx, s.movie.programs)
			}),
			Hand: func(ctx context.Context, id int64) (photosData, error) {
				return rpcCall[photosData](ctx, s.movie.client, "movie.service/photos_page", idArg{id})
			},
		},
		view: func(d photosData) view {
			v := view{Title: fmt.Sprintf("%d photos of %s", len(d.Photos), d.Title)}
			for _, p := range d.Photos {
				detail := "by " + p.Author
				if p.Text != "" {
					detail += ": " + p.Text
				}
				v.Items = append(v.Items, item{Text: fmt.Sprintf("%d × %d", p.Width, p.Height), Detail: detail})
			}
			return v
		},
	}
}

// photosNK makes a call for each picture, one for each author's card, one for each long description. Of the big film that is
// 180 + 89 + 26 = 295 calls, one after another.
func (s *Site) photosNK(ctx context.Context, id int64) (photosData, error) {
	d := photosData{ID: id, Photos: []photo{}}
	cards := map[int64]string{}
	for k, total := int64(0), int64(1); k < total; k++ {
		p, err := rpcCall[*picture](ctx, s.pic.client, "movie.service/movie_pic1svc", pictureArg{id, k})
		if err != nil {
			return d, err
		}
		d.Title, total = p.Title, p.Total
		if _, ok := cards[p.Author]; !ok {
			card, err := s.cards(ctx, []int64{p.Author})
			if err != nil {
				return d, err
			}
			cards[p.Author] = card[0]
		}
		text := ""
		if p.HasText {
			texts, err := s.descriptions(ctx, []*picture{p})
			if err != nil {
				return d, err
			}
			text = texts[0]
		}
		d.Photos = append(d.Photos, photo{p.Width, p.Height, cards[p.Author], text})
	}
	return d, nil
}

const photosText = `
	get_movies(ids).map(lambda x: {
		"id": x.id, "title": x.title,
		"photos": x.pictures().map(lambda p: {"width": p.width, "height": p.height, "author": p.author.card(), "text": p.text()})})`

var photosQuery = redeye.Prepare1("movie-web.photos", func(ids redeye.Param[[]int64]) redeye.Query[[]photosData] {
	return redeye.Into(movies.GetMoviesOf(ids), func(x movies.MovieX, d *photosData) redeye.Fields {
		return redeye.Fields{
			redeye.Set(&d.ID, x.ID()), redeye.Set(&d.Title, x.Title()),
			redeye.Set(&d.Photos, redeye.Into(x.Pictures(), func(p movies.PictureX, out *photo) redeye.Fields {
				return redeye.Fields{
					redeye.Set(&out.Width, p.Width()), redeye.Set(&out.Height, p.Height()),
					redeye.Set(&out.Author, p.Author().Card()), redeye.Set(&out.Text, p.Text()),
				}
			})),
		}
	})
})

// photosPage is the method that somebody in the movie service wrote for this page.
func (s *Site) photosPage(ctx context.Context, a idArg) (d photosData, err error) {
	m, err := one(ctx, s.movies, a.ID, "movie")
	if err != nil {
		return d, err
	}
	albums, err := s.albums(ctx, []*movie{m})
	if err != nil {
		return d, err
	}
	shots := albums[0]
	authors := distinct(each(shots, func(p *picture) int64 { return p.Author }))
	var cards, texts []string
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { cards, err = s.cards(ctx, authors); return err })
	g.Go(func() (err error) { texts, err = s.descriptions(ctx, shots); return err })
	if err := g.Wait(); err != nil {
		return d, err
	}
	nameOf := map[int64]string{}
	for i, author := range authors {
		nameOf[author] = cards[i]
	}
	d = photosData{m.ID, m.Title, []photo{}}
	for i, p := range shots {
		d.Photos = append(d.Photos, photo{p.Width, p.Height, nameOf[p.Author], texts[i]})
	}
	return d, nil
}
