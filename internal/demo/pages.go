package demo

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/shuai"
)

// The pages are written the way pages are written: a loop that asks for one thing after another.

func (s *Site) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page(s.home))
	mux.HandleFunc("GET /subject/{id}", page(s.subject))
	mux.HandleFunc("GET /subject/{id}/photos", page(s.photos))
	mux.HandleFunc("GET /user/{id}", page(s.userPage))
	mux.HandleFunc("GET /search", page(s.search))
	return mux
}

// view is what a page shows.
type view struct {
	Title string
	Notes []string
	Items []item
}

type item struct{ Text, Detail, Link string }

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}li small{color:#666}nav a{margin-right:1rem}</style>
<nav><a href="/">Movies</a><a href="/subject/1">The film</a><a href="/subject/1/photos">Its photos</a><a href="/search?q=winter">Search</a></nav>
<h1>{{.Title}}</h1>{{range .Notes}}<p>{{.}}</p>{{end}}
<ul>{{range .Items}}<li>{{if .Link}}<a href="{{.Link}}">{{.Text}}</a>{{else}}{{.Text}}{{end}} <small>{{.Detail}}</small></li>{{end}}</ul></html>
`))

// page runs f and renders what it returns. The trace id is in the answer, so that a slow page can be
// looked up.
func page(f func(context.Context, *http.Request) (view, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		span := shuai.SpanFromContext(r.Context())
		w.Header().Set("X-Trace-Id", span.TraceID().String())
		v, err := f(r.Context(), r)
		if err != nil {
			span.Error(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var body bytes.Buffer
		if err := pageTemplate.Execute(&body, v); err != nil {
			span.Error(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body.Bytes()) // a reader that went away is no concern of the site's
	}
}

func pathID(r *http.Request) (int, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", r.PathValue("id"))
	}
	return id, nil
}

func (s *Site) home(ctx context.Context, _ *http.Request) (view, error) {
	list, err := s.mc.get(ctx, "home:list")
	if err != nil {
		return view{}, err
	}
	v := view{Title: "Movies"}
	for text := range strings.SplitSeq(string(list), " ") {
		id, err := strconv.Atoi(text)
		if err != nil {
			continue // the cache was lost: an empty page is better than none
		}
		m, err := rpcCall[movie](ctx, s.movie.client, "movie.service/get_movie", idArg{id})
		if err != nil {
			return view{}, err
		}
		v.Items = append(v.Items, movieItem(m))
	}
	return v, nil
}

func movieItem(m movie) item {
	return item{m.Title, strconv.Itoa(m.Year), fmt.Sprintf("/subject/%d", m.ID)}
}

func (s *Site) subject(ctx context.Context, r *http.Request) (view, error) {
	id, err := pathID(r)
	if err != nil {
		return view{}, err
	}
	m, err := rpcCall[movie](ctx, s.movie.client, "movie.service/get_movie", idArg{id})
	if err != nil {
		return view{}, err
	}
	rating, err := s.mc.get(ctx, fmt.Sprintf("rating:%d", id))
	if err != nil {
		return view{}, err
	}
	v := view{Title: m.Title, Notes: []string{fmt.Sprintf("%d, rated %s.", m.Year, rating)}}
	for _, who := range m.Cast {
		p, err := rpcCall[person](ctx, s.user.client, "user.service/get_user", idArg{who})
		if err != nil {
			return view{}, err
		}
		v.Items = append(v.Items, item{p.Name, "cast", fmt.Sprintf("/user/%d", p.ID)})
	}
	for k := range min(4, pictures(id)) {
		p, err := rpcCall[picture](ctx, s.pic.client, "movie.service/movie_pic1svc", pictureArg{id, k})
		if err != nil {
			return view{}, err
		}
		v.Items = append(v.Items, item{fmt.Sprintf("Picture %d", k+1), fmt.Sprintf("%d × %d", p.Width, p.Height), fmt.Sprintf("/subject/%d/photos", id)})
	}
	return v, nil
}

// photos is the page of the talk: a call for each picture, one for each author's card, one for each long
// description. Of film 1 that is 180 + 89 + 26 = 295 calls, one after another.
func (s *Site) photos(ctx context.Context, r *http.Request) (view, error) {
	id, err := pathID(r)
	if err != nil {
		return view{}, err
	}
	v := view{Title: "Photos"}
	cards := map[int]string{}
	for k, total := 0, 1; k < total; k++ {
		p, err := rpcCall[picture](ctx, s.pic.client, "movie.service/movie_pic1svc", pictureArg{id, k})
		if err != nil {
			return view{}, err
		}
		total = p.Total
		v.Title = fmt.Sprintf("%d photos of %s", total, p.Movie)
		if _, ok := cards[p.Author]; !ok {
			card, err := s.mc.get(ctx, fmt.Sprintf("user_card:%d", p.Author))
			if err != nil {
				return view{}, err
			}
			cards[p.Author] = string(card)
		}
		detail := "by " + cards[p.Author]
		if p.Text {
			text, err := s.beansdb.get(ctx, fmt.Sprintf("pic_text:%d:%d", id, k))
			if err != nil {
				return view{}, err
			}
			detail += ": " + string(text)
		}
		v.Items = append(v.Items, item{Text: fmt.Sprintf("%d × %d", p.Width, p.Height), Detail: detail})
	}
	return v, nil
}

func (s *Site) userPage(ctx context.Context, r *http.Request) (view, error) {
	id, err := pathID(r)
	if err != nil {
		return view{}, err
	}
	p, err := rpcCall[person](ctx, s.user.client, "user.service/get_user", idArg{id})
	if err != nil {
		return view{}, err
	}
	ids, err := rpcCall[[]int](ctx, s.user.client, "user.service/get_collection", idArg{id})
	if err != nil {
		return view{}, err
	}
	more, err := rpcCall[[]int](ctx, s.movie.client, "movie.service/recommend", idArg{id})
	if err != nil {
		return view{}, err
	}
	v := view{Title: p.Name, Notes: []string{fmt.Sprintf("%d movies in the collection.", len(ids))}}
	for _, m := range append(ids, more...) {
		m, err := rpcCall[movie](ctx, s.movie.client, "movie.service/get_movie", idArg{m})
		if err != nil {
			return view{}, err
		}
		v.Items = append(v.Items, movieItem(m))
	}
	return v, nil
}

func (s *Site) search(ctx context.Context, r *http.Request) (view, error) {
	q := r.URL.Query().Get("q")
	shuai.SpanFromContext(ctx).SetString("search.query", q)
	found, err := rpcCall[[]movie](ctx, s.movie.client, "movie.service/search", searchArg{q})
	if err != nil {
		return view{}, err
	}
	v := view{Title: "Search", Notes: []string{fmt.Sprintf("%d movies for “%s”.", len(found), q)}}
	for _, m := range found {
		v.Items = append(v.Items, movieItem(m))
	}
	return v, nil
}
