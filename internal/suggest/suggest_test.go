package suggest_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"go/format"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/suggest"
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies/moviesclient"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// service is the example, in this process.
func service(t interface {
	Helper()
	Fatal(args ...any)
},
) (*redeye.Client, *schema.Schema) {
	t.Helper()
	s, err := movies.New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	c := redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(h)}})
	sch, err := c.Schema(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c, sch
}

// page of the talk, as a trace shows it.
var talk = []suggest.Call{
	{Label: "movie.service.get_movies", Count: 1, First: 0},
	{Label: "movie.service.can_view", Count: 100, First: 10},
	{Label: "movie.service.title", Count: 60, First: 11},
	{Label: "movie.service.get_rating", Names: []string{"movie.service/get_rating"}, Count: 60, First: 12},
}

const whole = "package suggest_test\n\n// What is suggested in place of the talk's page, as it is written; TestTalk runs it.\n\nimport (\n\t\"context\"\n\n" +
	"\t\"github.com/fuwu-project/fuwu/redeye\"\n\tmovies \"github.com/fuwu-project/fuwu/redeye/server/examples/movies/moviesclient\"\n)\n\n"

// TestTalk: the query for the talk's page, as text and in Go, gives what the page's loop gives.
func TestTalk(t *testing.T) {
	c, sch := service(t)
	s := suggest.For(talk, "movie.service.title", []*schema.Schema{sch})
	if s.Sketch || s.Schema != sch || s.Batches != 4 || len(s.Parts) != 4 || len(s.Kept) != 0 {
		t.Fatalf("%+v", s)
	}
	golden(t, "talk_page_test.go", whole+s.Go)
	if formatted, err := format.Source([]byte(s.Go)); err != nil || !bytes.Equal(formatted, []byte(s.Go)) {
		t.Errorf("not as gofmt has it: %v\n%s", err, formatted)
	}
	ids, user := []int64{5, 3, 1, 2}, int64(12)

	// The loop asks for each movie by itself.
	ask := func(method string, id int64) *column.Column {
		args := redeye.Args{"ids": []int64{id}}
		if strings.Contains(method, "user") {
			args["user"] = user
		}
		v, err := redeye.Text[*column.Column]("get_movies(ids).map(lambda x: x."+method+")[0]", args).Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var loop []MovieRow
	for _, id := range ids {
		if !ask("can_view(user)", id).Bools[0] {
			continue
		}
		row := MovieRow{ID: id, Year: ask("year", id).Ints[0], Genre: moviesclient.Genre(ask("genre", id).Texts[0]), Title: ask("title()", id).Texts[0]}
		if r := ask("rating()", id); !r.IsNull(0) {
			row.Rating = &r.Floats[0]
		}
		loop = append(loop, row)
	}
	byText, err := redeye.Text[[]MovieRow](s.Query, redeye.Args{"ids": ids, "user": user}).Run(t.Context(), c)
	if err != nil || !reflect.DeepEqual(byText, loop) {
		t.Errorf("as text %+v, %v\nthe loop gives %+v", byText, err, loop)
	}
	inGo, err := page(t.Context(), c, ids, user)
	if err != nil || !reflect.DeepEqual(inGo, loop) {
		t.Errorf("in Go %+v, %v\nthe loop gives %+v", inGo, err, loop)
	}
	if len(loop) != 3 {
		t.Errorf("%d rows of 4 movies, one of which may not be seen", len(loop))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what is written (go test -rewrite): %v\n%s", name, err, got)
	}
}

// site has what the example lacks: entities within entities, one thing at a time, calls that a method names.
var site = &schema.Schema{
	Service: "site",
	Entities: []schema.Entity{
		{Name: "Picture", Key: schema.Of(schema.KindInt), Attrs: []schema.Attr{attr("id", "int"), attr("width", "int"), attr("author", "User")}, Methods: []schema.Method{
			{Name: "caption", Result: typ("string"), Replaces: []string{"beansdb get"}},
		}},
		{Name: "User", Key: schema.Of(schema.KindInt), Attrs: []schema.Attr{attr("id", "int"), attr("name", "string")}, Methods: []schema.Method{
			{Name: "card", Result: typ("string"), Replaces: []string{"mc get"}},
			{Name: "collection", Result: typ("list<Film>")},
			{Name: "x", Args: []schema.Arg{{Name: "x", Type: typ("string")}}, Result: typ("bool")},
		}},
		{Name: "Film", Key: schema.Of(schema.KindInt), Attrs: []schema.Attr{attr("id", "int"), attr("title", "string")}, Methods: []schema.Method{
			{Name: "pictures", Result: typ("list<Picture>"), Replaces: []string{"pic.service.movie_pic1svc"}},
			{Name: "users", Result: typ("list<User>")},
			{Name: "may_see", Args: []schema.Arg{{Name: "user", Type: typ("int")}}, Result: typ("bool")},
			{Name: "similar", Args: []schema.Arg{{Name: "user", Type: typ("string")}}, Result: typ("list<Film>")},
		}},
	},
	Sources: []schema.Method{
		{Name: "film", Args: []schema.Arg{{Name: "id", Type: typ("int")}}, Result: typ("Film")},
		{Name: "user", Args: []schema.Arg{{Name: "id", Type: typ("int")}}, Result: typ("User?")},
		{Name: "films", Args: []schema.Arg{{Name: "ids", Type: typ("list<int>")}}, Result: typ("list<Film>")},
	},
}

func attr(name, t string) schema.Attr { return schema.Attr{Name: name, Type: typ(t)} }

func typ(s string) schema.Type {
	t, err := schema.Parse(s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestSuggestions: calls, and what is written for them.
func TestSuggestions(t *testing.T) {
	_, example := service(t)
	for name, c := range map[string]struct {
		calls   []suggest.Call
		finding string
		schemas []*schema.Schema
	}{
		"photos": {
			[]suggest.Call{{Label: "pic.service.movie_pic1svc", Count: 180}, {Label: "mc get", Count: 89, First: 1}, {Label: "beansdb get", Count: 26, First: 2}},
			"pic.service.movie_pic1svc",
			[]*schema.Schema{example, site},
		},
		"one-then-many": {
			[]suggest.Call{{Label: "film.service.GetFilm", Count: 1}, {Label: "pic.service.movie_pic1svc", Count: 12, First: 1}, {Label: "mysql SELECT * FROM ad", Count: 3, First: 2}},
			"pic.service.movie_pic1svc",
			[]*schema.Schema{site},
		},
		"null": {
			[]suggest.Call{{Label: "user.service/get_user", Count: 1}, {Label: "user.service/collection", Count: 1, First: 1}, {Label: "film.service.get_films", Count: 30, First: 2}},
			"film.service.get_films",
			[]*schema.Schema{site},
		},
		"arguments": {
			[]suggest.Call{{Label: "f.may_see", Count: 9, First: 1}, {Label: "f.similar", Count: 8, First: 2}, {Label: "u.User.x", Count: 20, First: 3}},
			"f.similar",
			[]*schema.Schema{site},
		},
		"routes": {
			[]suggest.Call{{Label: "movies:8080 /movies/{id}/title", Count: 20}, {Label: "movies:8080 /rating/:id", Names: []string{"GET /rating/:id"}, Count: 20, First: 1}},
			"movies:8080 /rating/:id",
			[]*schema.Schema{example},
		},
		"routes-sketch": {
			[]suggest.Call{{Label: "shop:8080 /books/{id}/price", Count: 9}, {Label: "shop:8080 /stock/{id...}", Count: 9, First: 1}},
			"shop:8080 /stock/{id...}",
			nil,
		},
		"sketch": {
			[]suggest.Call{{Label: "pic.service.movie_pic1svc", Count: 180}, {Label: "mc get", Count: 89}, {Label: "redis GET", Count: 1}, {Label: "redis GET user:?", Count: 8}},
			"mc get",
			[]*schema.Schema{example},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := suggest.For(c.calls, c.finding, c.schemas)
			if _, _, err := text.Parse(s.Query, ast.Limits{}); err != nil {
				t.Errorf("no program: %v\n%s", err, s.Query)
			}
			var w strings.Builder
			service := ""
			if s.Schema != nil {
				service = s.Schema.Service
			}
			fmt.Fprintf(&w, "service %q, sketch %v, %d batches, parameters %v\nin place of %v\nnot of %v\nassumed %v\nwaves %q\n\n%s\n\n%s", service, s.Sketch, s.Batches, s.Params, s.Parts, s.Kept, s.Assumed, s.Waves, s.Query, s.Go)
			golden(t, filepath.Join("testdata", name+".golden"), w.String())
			if s.Go != "" {
				if formatted, err := format.Source([]byte(s.Go)); err != nil || string(formatted) != s.Go {
					t.Errorf("not as gofmt has it: %v\n%s", err, formatted)
				}
			}
		})
	}
}

// TestAccepted: whatever is called, the example's own checker takes the query.
func TestAccepted(t *testing.T) {
	c, sch := service(t)
	labels := []string{"get_movie", "get_movies", "can_view", "title", "rating", "cast", "name", "actor.name", "movie.service.get_movie", "mc get", "x.service/GetTitles"}
	rapid.Check(t, func(t *rapid.T) {
		var calls []suggest.Call
		for _, label := range rapid.SliceOfNDistinct(rapid.SampledFrom(labels), 1, 6, rapid.ID).Draw(t, "calls") {
			calls = append(calls, suggest.Call{Label: label, Count: rapid.IntRange(1, 100).Draw(t, "count"), First: int64(rapid.IntRange(0, 9).Draw(t, "first"))})
		}
		finding := rapid.SampledFrom(calls).Draw(t, "finding").Label
		s := suggest.For(calls, finding, []*schema.Schema{sch})
		if n := len(s.Parts) + len(s.Kept); n != len(calls) {
			t.Fatalf("%d of %d calls are accounted for: %+v", n, len(calls), s)
		}
		if s.Sketch {
			if _, _, err := text.Parse(s.Query, ast.Limits{}); err != nil {
				t.Fatal(err)
			}
			return
		}
		if !slices.ContainsFunc(s.Parts, func(p suggest.Part) bool { return p.Label == finding }) {
			t.Fatalf("the finding is no part of it: %+v", s)
		}
		e, err := redeye.Text[*column.Column](s.Query, nil).Explain(context.Background(), c)
		if err != nil {
			t.Fatalf("%v\n%s", err, s.Query)
		}
		if len(e.Params) != len(s.Params) {
			t.Fatalf("parameters %v, want %v", s.Params, e.Params)
		}
		for _, p := range s.Params {
			if e.Params[p.Name] != p.Type.String() {
				t.Fatalf("the parameter %s is %s, not %s", p.Name, e.Params[p.Name], p.Type)
			}
		}
	})
}
