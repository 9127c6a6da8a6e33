package catalog_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/server/examples/movies"
)

// films starts the example service, which takes the token "secret" from operators.
func films(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	s, err := movies.New()
	if err != nil {
		t.Fatal(err)
	}
	s.Operator = func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer secret" {
			return errors.New("no")
		}
		return nil
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, asked
}

func TestParseService(t *testing.T) {
	if s, err := catalog.ParseService("movies=http://127.0.0.1:8080/"); err != nil || s != (catalog.Service{Name: "movies", URL: "http://127.0.0.1:8080"}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, text := range []string{"", "movies", "=http://a", "m=a:80", "m=file:///etc/passwd", "m=http://", "m=http://a/?x=1", "m=http://me:pw@a", "m=gopher://a"} {
		if s, err := catalog.ParseService(text); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("%q is %+v, %v", text, s, err)
		}
	}
}

// TestCatalog: a real service is asked once for what is remembered.
func TestCatalog(t *testing.T) {
	url, asked := films(t)
	now := time.Now()
	var mu sync.Mutex
	c := catalog.New(catalog.Config{Services: []catalog.Service{{Name: "movies", URL: url}}, Token: "secret", Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	ctx := t.Context()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if s, err := c.Schema(ctx, "movies"); err != nil || s.Source("get_movies") == nil {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	wg.Wait()
	if n := asked.Swap(0); n != 1 {
		t.Errorf("asked %d times for the schema", n)
	}
	mu.Lock()
	now = now.Add(2 * time.Minute)
	mu.Unlock()
	if _, err := c.Schema(ctx, "movies"); err != nil || asked.Swap(0) != 1 {
		t.Errorf("not asked anew: %v", err)
	}

	if err := c.Check(ctx, "movies", "get_movies(ids).map(lambda x: x.title())"); err != nil {
		t.Error(err)
	}
	if err := c.Check(ctx, "movies", "get_movies(ids).map(lambda x: x.titel())"); err == nil || !strings.Contains(err.Error(), "did you mean title?") {
		t.Error(err)
	}

	// A program that was run is a site, which can be switched off and on.
	client := redeye.NewClient(url, redeye.Config{})
	run := func() error {
		_, err := redeye.Text[[]string]("get_movies(ids).map(lambda x: x.title())", redeye.Args{"ids": []int64{1}}).Named("page").Run(ctx, client)
		return err
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	sites, err := c.Sites(ctx, "movies")
	if err != nil || len(sites) != 1 || sites[0].Key != "page" || sites[0].Calls != 1 || sites[0].Breaker != "closed" {
		t.Fatalf("%+v, %v", sites, err)
	}
	for _, off := range []bool{true, false} {
		if err := c.Switch(ctx, "movies", sites[0].Tenant, sites[0].Key, sites[0].Hash, off, 0); err != nil {
			t.Fatal(err)
		}
		if after, err := c.Sites(ctx, "movies"); err != nil || after[0].Off != off {
			t.Errorf("%+v, %v", after, err)
		}
		if err := run(); (err != nil) != off {
			t.Errorf("off %v: %v", off, err)
		}
	}
	if err := c.Switch(ctx, "movies", "", "nothing", "", true, 0); err == nil {
		t.Error("what is not there was switched")
	}
}

// TestRefusals: what is not an answer is an error that says what to do.
func TestRefusals(t *testing.T) {
	url, _ := films(t)
	elsewhere := httptest.NewServer(http.RedirectHandler(url, http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer garbage.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := catalog.New(catalog.Config{Services: []catalog.Service{{"movies", url}, {"elsewhere", elsewhere.URL}, {"garbage", garbage.URL}, {"gone", gone.URL}}})
	for service, want := range map[string]string{
		"movies": "--redeye-token", "elsewhere": "redirect", "garbage": "call sites: invalid", "gone": "does not answer", "never": "--redeye NAME=URL",
	} {
		if _, err := c.Sites(t.Context(), service); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", service, err, want)
		}
		if _, err := c.Schema(t.Context(), service); (err == nil) != (service == "movies") {
			t.Errorf("%s: %v", service, err)
		}
	}
	var none *catalog.Catalog
	if _, err := none.Schema(t.Context(), "movies"); !errors.Is(err, catalog.ErrUnknown) || none.Services() != nil {
		t.Error(err)
	}
}
