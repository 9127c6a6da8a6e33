package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// Way is how a page gets its data.
type Way string

// The ways. All give the same page.
const (
	NK     Way = "nk"     // a loop that asks for one thing after another, the way pages are written: n × k calls
	Redeye Way = "redeye" // one Redeye query, in Go
	Text   Way = "text"   // the same, as text
	Hand   Way = "hand"   // a method that the movie service has for this page alone
)

// Ways are all of them.
func Ways() []Way { return []Way{NK, Redeye, Text, Hand} }

// page is a page whose address says A and which shows D.
type page[A, D any] struct {
	name string // in /mode
	arg  func(*http.Request) (A, error)
	ways map[Way]func(context.Context, A) (D, error)
	view func(D) view
}

// pages is what movie-web serves: each page in a file of its own.
func (s *Site) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", serve(s, s.home()))
	mux.Handle("GET /subject/{id}", serve(s, s.subject()))
	mux.Handle("GET /subject/{id}/photos", serve(s, s.photos()))
	mux.Handle("GET /user/{id}", serve(s, s.userHome()))
	mux.Handle("GET /search", serve(s, s.searchResults()))
	mux.Handle("GET /everybody", serve(s, s.everybody()))
	s.controls(mux)
	return mux
}

// serve gets a page's data as [Site.Mode] says, or as ?impl= says for this request, and renders it, as JSON with ?format=json. The
// trace id is in the answer, so that a slow page can be looked up.
func serve[A, D any](s *Site, p page[A, D]) http.Handler {
	s.mode.add(p.name, slices.DeleteFunc(Ways(), func(w Way) bool { return p.ways[w] == nil }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span := shuai.SpanFromContext(r.Context())
		w.Header().Set("X-Trace-Id", span.TraceID().String())
		way := s.Mode(p.name)
		if asked := r.FormValue("impl"); asked != "" {
			way = Way(asked)
		}
		span.SetString("demo.impl", string(way))
		body, err := p.render(r, way)
		if err != nil {
			span.Error(err)
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", http.DetectContentType(body))
		if wantsJSON(r) {
			w.Header().Set("Content-Type", "application/json")
		}
		_, _ = w.Write(body) // a reader that went away is no concern of the site's
	})
}

func wantsJSON(r *http.Request) bool { return r.FormValue("format") == "json" }

func (p page[A, D]) render(r *http.Request, way Way) ([]byte, error) {
	get := p.ways[way]
	if get == nil {
		return nil, fmt.Errorf("the page %s has no impl %q", p.name, way)
	}
	arg, err := p.arg(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	if way == Redeye || way == Text {
		ctx = shuaihttp.WithCall(ctx, "redeye.v1.Redeye/Query", redeyeAttributes("Query")...)
	}
	data, err := get(ctx, arg)
	if err != nil {
		return nil, err
	}
	if wantsJSON(r) {
		return json.Marshal(data)
	}
	v := p.view(data)
	query := r.URL.Query()
	query.Del("impl") // a button would change nothing here
	back := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
	v.Page, v.Way, v.Path = p.name, way, back.RequestURI()
	for _, w := range Ways() {
		if p.ways[w] != nil {
			v.Ways = append(v.Ways, w)
		}
	}
	var body bytes.Buffer
	err = pageTemplate.Execute(&body, v)
	return body.Bytes(), err
}

// fail answers an error. One that ends by itself, such as a breaker that is open, is for a short while.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[*redeye.Error](err); ok && e.Code == redeye.CodeUnavailable {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(e.Wait/time.Second))))
	}
	http.Error(w, err.Error(), status)
}

// view is what a page shows.
type view struct {
	Title string
	Notes []string
	Items []item

	Page, Path string
	Way        Way
	Ways       []Way
}

type item struct{ Text, Detail, Link string }

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}li small,form{color:#666}nav a{margin-right:1rem}</style>
<nav><a href="/">Movies</a><a href="/subject/1">The film</a><a href="/subject/1/photos">Its photos</a><a href="/user/11">A visitor</a><a href="/search?q=winter">Search</a></nav>
<h1>{{.Title}}</h1>{{range .Notes}}<p>{{.}}</p>{{end}}
<ul>{{range .Items}}<li>{{if .Link}}<a href="{{.Link}}">{{.Text}}</a>{{else}}{{.Text}}{{end}} <small>{{.Detail}}</small></li>{{end}}</ul>
<form method="post" action="/mode"><input type="hidden" name="page" value="{{.Page}}"><input type="hidden" name="back" value="{{.Path}}">
This page gets its data by {{$way := .Way}}{{range .Ways}}<button name="impl" value="{{.}}"{{if eq . $way}} disabled{{end}}>{{.}}</button> {{end}}</form></html>
`))

func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", r.PathValue("id"))
	}
	return id, nil
}

// number is a parameter of the address.
func number(r *http.Request, name string, otherwise int64) (int64, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", name, text)
	}
	return n, nil
}

// entry is a film in a list.
type entry struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Year  int64  `json:"year"`
}

func entryOf(m *movie) entry { return entry{m.ID, m.Title, m.Year} }

func (e entry) item() item {
	return item{e.Title, strconv.FormatInt(e.Year, 10), fmt.Sprintf("/subject/%d", e.ID)}
}

// entries asks for films one by one.
func (s *Site) entries(ctx context.Context, ids []int64) ([]entry, error) {
	out := []entry{}
	for _, id := range ids {
		m, err := rpcCall[*movie](ctx, s.movie.client, "movie.service/get_movie", idArg{id})
		if err != nil {
			return nil, err
		}
		out = append(out, entryOf(m))
	}
	return out, nil
}

// byID is the one row of an answer about one thing.
func byID[D any](what string, ask func(context.Context, []int64) ([]D, error)) func(context.Context, int64) (D, error) {
	return func(ctx context.Context, id int64) (D, error) { return one(ctx, ask, id, what) }
}
