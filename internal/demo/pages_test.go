package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func runSite(t *testing.T, cfg Config) *Site {
	t.Helper()
	if cfg.Collector == "" {
		cfg.Collector = newSink(t).URL
	}
	cfg.Rate = -1
	if cfg.Delay == nil {
		cfg.Delay = func() time.Duration { return 0 }
	}
	site, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return site
}

// everyPage is an address of each page, of usual things and of unusual ones.
var everyPage = []string{
	"/", "/?n=100&user=12", "/?n=0", "/subject/1", "/subject/7", "/subject/999", "/subject/1/photos", "/subject/4/photos",
	"/user/11", "/user/20", "/search?q=winter", "/search?q=the+last+mirror", "/search?q=nothing",
}

func asJSON(path string, way Way) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "format=json&impl=" + string(way)
}

// Every page is the same in all ways, to the byte, as JSON and, but for what says the way, as HTML.
func TestWays(t *testing.T) {
	site := runSite(t, Config{})
	for _, path := range everyPage {
		bodies := map[Way]string{}
		for _, way := range Ways() {
			resp, body := get(t, site.URL+asJSON(path, way))
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s by %s: %s: %.200s", path, way, resp.Status, body)
			}
			bodies[way] = body
		}
		for _, way := range Ways() {
			if bodies[way] != bodies[NK] {
				t.Errorf("%s by %s is\n%.300s\nand by %s\n%.300s", path, way, bodies[way], NK, bodies[NK])
			}
		}
	}
}

// What fails fails in every way, in words that say why.
func TestWaysToFail(t *testing.T) {
	site := runSite(t, Config{})
	for path, words := range map[string]string{
		"/search?q=ocean%27s": "unterminated quote", "/subject/9999": "no movie 9999", "/user/9999": "no user 9999", "/subject/x": `"x" is not a number`, "/?n=x": `n: "x" is not a number`,
	} {
		for _, way := range Ways() {
			if resp, body := get(t, site.URL+asJSON(path, way)); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, words) {
				t.Errorf("%s by %s: %s: %s", path, way, resp.Status, body)
			}
		}
	}
}

func post(t *testing.T, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	resp, err := http.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := fmt.Fprint(&b, resp.Request.URL.Path); err != nil {
		t.Fatal(err)
	}
	return resp, b.String()
}

// A page's way can be changed while the site runs; it shows on the page.
func TestMode(t *testing.T) {
	site := runSite(t, Config{Way: Text})
	if way := site.Mode("photos"); way != Text {
		t.Errorf("the photos begin by %s", way)
	}
	if way := site.Mode("everybody"); way != Redeye {
		t.Errorf("a page with one way has %s", way)
	}
	for _, step := range []struct {
		form   url.Values
		status int
		page   string
		want   Way
	}{
		{url.Values{"page": {"photos"}, "impl": {"redeye"}}, 200, "photos", Redeye},
		{url.Values{"page": {"photos"}, "impl": {"hand"}, "back": {"/subject/4/photos"}}, 200, "photos", Hand},
		{url.Values{"impl": {"nk"}}, 200, "home", NK},
		{url.Values{"impl": {"nk"}}, 200, "everybody", Redeye},
		{url.Values{"page": {"everybody"}, "impl": {"nk"}}, 400, "everybody", Redeye},
		{url.Values{"page": {"none"}, "impl": {"nk"}}, 400, "home", NK},
		{url.Values{"page": {"home"}, "impl": {"none"}}, 400, "home", NK},
	} {
		resp, path := post(t, site.URL+"/mode", step.form)
		if resp.StatusCode != step.status || site.Mode(step.page) != step.want {
			t.Errorf("%v: %s, and %s by %s", step.form, resp.Status, step.page, site.Mode(step.page))
		}
		if back := step.form.Get("back"); back != "" && path != back {
			t.Errorf("%v went to %s", step.form, path)
		}
	}
	if _, body := get(t, site.URL+"/mode"); !strings.Contains(body, `"photos":"nk"`) {
		t.Error(body)
	}
	if _, body := get(t, site.URL+"/?n=3&impl=hand"); !strings.Contains(body, `name="back" value="/?n=3"`) || !strings.Contains(body, `value="hand" disabled`) {
		t.Error(body)
	}
	if resp, body := get(t, site.URL+"/?impl=none"); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, `"none"`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

// Visitors come to the page that asks for too much when they are sent there.
func TestFaultControl(t *testing.T) {
	site := runSite(t, Config{Way: Redeye})
	for _, on := range []string{"true", "false"} {
		post(t, site.URL+"/fault", url.Values{"on": {on}})
		if _, body := get(t, site.URL+"/fault"); body != `{"on":`+on+"}\n" {
			t.Error(body)
		}
		if on == "true" {
			for deadline := time.Now().Add(20 * time.Second); !strings.Contains(callSites(t, site), "movie-web.everybody"); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nobody came")
				}
			}
		}
	}
}

func callSites(t *testing.T, site *Site) string {
	t.Helper()
	_, body := get(t, site.Movies+"/redeye/callsites")
	return body
}

// A page that asks for too much fails alone: after some tries its breaker opens, and the other pages are as before.
func TestFault(t *testing.T) {
	site := runSite(t, Config{Way: Redeye})
	refused := 0
	for range 40 {
		resp, body := get(t, site.URL+"/everybody")
		switch resp.StatusCode {
		case http.StatusInternalServerError:
			if !strings.Contains(body, "RESOURCE_EXHAUSTED") {
				t.Fatal(body)
			}
		case http.StatusServiceUnavailable:
			refused++
		default:
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	if refused < 10 {
		t.Errorf("%d of 40 were refused", refused)
	}
	for _, path := range everyPage {
		if resp, body := get(t, site.URL+path); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s: %s", path, resp.Status, body)
		}
	}
	sites := callSites(t, site)
	if !strings.Contains(sites, `"breaker": "open"`) || strings.Count(sites, `"breaker": "closed"`) < 5 {
		t.Error(sites)
	}
}
