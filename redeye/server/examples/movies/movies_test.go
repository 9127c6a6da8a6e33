package movies_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/gen"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies/moviesclient"
)

var rewrite = flag.Bool("rewrite", false, "write moviesclient anew")

func serve(t *testing.T) (*movies.Service, http.Handler) {
	t.Helper()
	s, err := movies.New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return s, h
}

func inProcess(h http.Handler) *redeye.Client {
	return redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(h)}})
}

// Package moviesclient is what redeye gen makes of the served schema.
func TestGenerated(t *testing.T) {
	_, h := serve(t)
	s, err := inProcess(h).Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := gen.Go(s, "moviesclient")
	if err != nil {
		t.Fatal(err)
	}
	const file = "moviesclient/moviesclient.go"
	if *rewrite {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what is generated; write it with go test -rewrite (%v)", file, err)
	}
}

type card struct {
	ID     int64    `json:"id"`
	Title  string   `json:"title"`
	Rating *float64 `json:"rating"`
	Cast   []string `json:"cast"`
}

const talk = `get_movies(ids).filter(lambda x: x.can_view(user))` +
	`.map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating(), "cast": x.cast().map(lambda a: a.name())})`

func built(ids []int64, user int64) redeye.Query[[]card] {
	return redeye.Into(
		moviesclient.GetMovies(ids).Filter(func(x moviesclient.MovieX) redeye.Bool { return x.CanView(user) }),
		fields)
}

func fields(x moviesclient.MovieX, c *card) redeye.Fields {
	return redeye.Fields{
		redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title()), redeye.Set(&c.Rating, x.Rating()),
		redeye.Set(&c.Cast, redeye.Map(x.Cast(), moviesclient.ActorX.Name)),
	}
}

var prepared = redeye.Prepare2("movies.page", func(ids redeye.Param[[]int64], user redeye.Param[int64]) redeye.Query[[]card] {
	return redeye.Into(
		moviesclient.GetMoviesOf(ids).Filter(func(x moviesclient.MovieX) redeye.Bool { return x.CanViewOf(user) }),
		fields)
})

// curl asks as people do. Where there is no curl, the same request is made without it.
func curl(t *testing.T, url, body string) []byte {
	t.Helper()
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", "-H", "Content-Type: application/json", url, "-d", body).Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Log("no curl here; net/http stands for it")
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// However the service is asked, the answer is the same, and it calls each function once.
func TestSameAnswer(t *testing.T) {
	s, h := serve(t)
	srv := httptest.NewServer(h)
	defer srv.Close()
	ids, user := []int64{5, 3, 1, 2, 99}, int64(12)

	body, err := json.Marshal(map[string]any{"text": talk, "params": map[string]any{"ids": ids, "user": user}})
	if err != nil {
		t.Fatal(err)
	}
	var byCurl struct{ Value []card }
	if out := curl(t, srv.URL+"/redeye.v1.Redeye/Query", string(body)); json.Unmarshal(out, &byCurl) != nil {
		t.Fatalf("%s", out)
	}
	rating := 8.3
	want := []card{
		{5, "The Blue Angel", nil, []string{"Marlene Dietrich", "Emil Jannings"}},
		{1, "Metropolis", &rating, []string{"Brigitte Helm", "Gustav Fröhlich"}},
		{2, "M", &rating, []string{"Peter Lorre"}},
	}
	if !reflect.DeepEqual(byCurl.Value, want) {
		t.Errorf("by curl: %+v", byCurl.Value)
	}
	if n := s.Calls.Swap(0); n != 6 {
		t.Errorf("%d calls of the service's functions by curl", n)
	}

	overHTTP := redeye.NewClient(srv.URL, redeye.Config{})
	for name, ask := range map[string]func(*redeye.Client) ([]card, error){
		"text": func(c *redeye.Client) ([]card, error) {
			return redeye.Text[[]card](talk, redeye.Args{"ids": ids, "user": user}).Run(t.Context(), c)
		},
		"built":    func(c *redeye.Client) ([]card, error) { return built(ids, user).Run(t.Context(), c) },
		"prepared": func(c *redeye.Client) ([]card, error) { return prepared.Run(t.Context(), c, ids, user) },
		"again":    func(c *redeye.Client) ([]card, error) { return prepared.Run(t.Context(), c, ids, user) },
		"partial": func(c *redeye.Client) ([]card, error) {
			a, err := built(ids, user).Partial().Answer(t.Context(), c)
			return a.Value, err
		},
	} {
		for where, c := range map[string]*redeye.Client{"over HTTP": overHTTP, "in process": inProcess(h)} {
			got, err := ask(c)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s: %+v, %v", name, where, got, err)
			}
			if n := s.Calls.Swap(0); n != 6 {
				t.Errorf("%s %s: %d calls of the service's functions", name, where, n)
			}
		}
	}
}

// What the server says of a mistake comes to the caller, with its place.
func TestErrors(t *testing.T) {
	_, h := serve(t)
	for want, q := range map[string]redeye.Query[[]string]{
		"TYPE":      redeye.Text[[]string]("get_movies(ids).map(lambda x: x.titel())", redeye.Args{"ids": []int64{1}}),
		"SYNTAX":    redeye.Text[[]string]("get_movies(", nil),
		"PARAMETER": redeye.Text[[]string]("get_movies(ids).map(lambda x: x.title())", nil),
		"DECODE":    redeye.Text[[]string]("get_movies(ids)", redeye.Args{"ids": []int64{1}}),
		"BUDGET_EXCEEDED": redeye.Text[[]string]("get_movies(ids).map(lambda x: x.title())", redeye.Args{"ids": []int64{1}}).
			Within(redeye.Budget{Calls: 1}),
	} {
		_, err := q.Run(t.Context(), inProcess(h))
		e, ok := errors.AsType[*redeye.Error](err)
		if !ok || e.Reason != want || !strings.HasPrefix(e.Site, "movies_test/movies_test.go:") {
			t.Errorf("%s: %+v", want, err)
		}
		if want == "TYPE" && !strings.Contains(e.Where, "x.titel())\n") {
			t.Errorf("no place in the text: %s", e.Where)
		}
	}
	ex, err := redeye.Text[[]string]("get_movies(ids).map(lambda x: x.title())", nil).Explain(t.Context(), inProcess(h))
	if err != nil || ex.Type != "list<string>" || ex.Params["ids"] != "list<int>" || ex.Plan == "" {
		t.Errorf("%+v, %v", ex, err)
	}
}
