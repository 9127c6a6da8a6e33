package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fuwu-project/fuwu/internal/demo/movies"
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/shuai"
)

// Search results. A query with a quote that is not closed fails.

type searchData struct {
	Query  string  `json:"query"`
	Movies []entry `json:"movies"`
}

func (s *Site) searchResults() page[string, searchData] {
	return page[string, searchData]{
		name: "search",
		arg: func(r *http.Request) (string, error) {
			q := r.FormValue("q")
			shuai.SpanFromContext(r.Context()).SetString("search.query", q)
			return q, nil
		},
		ways: map[Way]func(context.Context, string) (searchData, error){
			NK: func(ctx context.Context, q string) (searchData, error) {
				ids, err := rpcCall[[]int64](ctx, s.movie.client, "movie.service/search", searchArg{q})
				if err != nil {
					return searchData{}, err
				}
				found, err := s.entries(ctx, ids)
				return searchData{q, found}, err
			},
			Redeye: func(ctx context.Context, q string) (searchData, error) {
				found, err := searchQuery.Run(ctx, s.movie.programs, q)
				return searchData{q, found}, err
			},
			Text: func(ctx context.Context, q string) (searchData, error) {
				found, err := redeye.Text[[]entry](searchText, redeye.Args{"q": q}).Run(ctx, s.movie.programs)
				return searchData{q, found}, err
			},
			Hand: func(ctx context.Context, q string) (searchData, error) {
				found, err := rpcCall[[]entry](ctx, s.movie.client, "movie.service/search_page", searchArg{q})
				return searchData{q, found}, err
			},
		},
		view: func(d searchData) view {
			v := view{Title: "Search", Notes: []string{fmt.Sprintf("%d movies for “%s”.", len(d.Movies), d.Query)}}
			for _, e := range d.Movies {
				v.Items = append(v.Items, e.item())
			}
			return v
		},
	}
}

const searchText = `search(q).map(lambda x: {"id": x.id, "title": x.title, "year": x.year})`

var searchQuery = redeye.Prepare1("movie-web.search", func(q redeye.Param[string]) redeye.Query[[]entry] {
	return redeye.Into(movies.SearchOf(q), setEntry)
})

// searchPage is the method that somebody in the movie service wrote for this page.
func (s *Site) searchPage(ctx context.Context, a searchArg) ([]entry, error) {
	found, err := s.search(ctx, a.Query)
	return each(found, entryOf), err
}
