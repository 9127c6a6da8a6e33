package demo

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxInFlight bounds the visitors who wait for a page at once.
const maxInFlight = 32

// load visits the site until ctx ends: rate visits a second on average, whether or not the site keeps up,
// as visitors do. The first one looks at the big film's photos.
func (s *Site) load(ctx context.Context, rate float64, rng *rand.Rand) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxInFlight}}
	defer client.CloseIdleConnections()
	var visits sync.WaitGroup
	defer visits.Wait()
	slots := make(chan struct{}, maxInFlight)
	path := photosPath(bigFilm)
	for {
		target := s.URL + path
		select {
		case slots <- struct{}{}:
			visits.Go(func() {
				defer func() { <-slots }()
				visit(ctx, client, target)
			})
		default: // this visitor does not wait
		}
		wait := time.NewTimer(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
		path = nextVisit(rng)
	}
}

// loadFault visits the page that asks for too much, ten times a second, while that is on.
func (s *Site) loadFault(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxInFlight}}
	defer client.CloseIdleConnections()
	next := time.NewTicker(100 * time.Millisecond)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			if s.fault.Load() {
				visit(ctx, client, s.URL+"/everybody")
			}
		case <-ctx.Done():
			return
		}
	}
}

func nextVisit(rng *rand.Rand) string {
	switch p := rng.IntN(100); {
	case p < 20:
		return "/"
	case p < 50:
		return fmt.Sprintf("/subject/%d", 1+rng.IntN(pictured))
	case p < 60:
		return photosPath(1 + rng.Int64N(pictured))
	case p < 65:
		return photosPath(bigFilm)
	case p < 85:
		return fmt.Sprintf("/user/%d", 1+rng.IntN(people))
	case p < 88:
		return "/search?q=" + url.QueryEscape("ocean's") // the planted error
	}
	return "/search?q=" + strings.ToLower(nouns[rng.IntN(len(nouns))])
}

// visit reads a page as a browser does. What it gets, errors included, is in the trace.
func visit(ctx context.Context, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // the page was read
}
