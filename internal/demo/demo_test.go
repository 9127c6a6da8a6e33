package demo

import (
	"compress/gzip"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// sink is an OTLP/HTTP collector that keeps what it is sent, decoded by the official types.
type sink struct {
	*httptest.Server
	mu    sync.Mutex
	spans []sunkSpan
}

type sunkSpan struct {
	*tracepb.Span
	service string
}

func (s sunkSpan) attr(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

func newSink(t *testing.T) *sink {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			http.NotFound(w, r)
			return
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		var req collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(raw, &req); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, rs := range req.ResourceSpans {
			service := ""
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				for _, sp := range ss.Spans {
					s.spans = append(s.spans, sunkSpan{sp, service})
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp, string(body)
}

// The page of the talk: its root has exactly 180 + 89 + 26 children, and below each of the 180 calls of pic are the other half of the call and the store
// that it asks.
func TestPhotosPage(t *testing.T) {
	s := newSink(t)
	site, err := Run(t.Context(), Config{Collector: s.URL, Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	resp, body := get(t, site.URL+photosPath(bigFilm))
	if resp.StatusCode != http.StatusOK || strings.Count(body, "<li>") != 180 || strings.Count(body, "the day picture") != 26 {
		t.Errorf("%s, %d photos, %d descriptions", resp.Status, strings.Count(body, "<li>"), strings.Count(body, "the day picture"))
	}
	if err := site.Close(t.Context()); err != nil { // flushes
		t.Fatal(err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	var root sunkSpan
	for _, sp := range s.spans {
		if len(sp.ParentSpanId) == 0 {
			root = sp
		}
	}
	if root.Span == nil || root.Name != "GET /subject/{id}/photos" || root.service != "movie-web" {
		t.Fatalf("the root is %v", root)
	}
	children, below := map[string]int{}, map[string]int{}
	for _, sp := range s.spans {
		switch {
		case string(sp.TraceId) != string(root.TraceId):
			t.Errorf("a span of another trace: %v", sp.Span)
		case string(sp.ParentSpanId) == string(root.SpanId):
			children[sp.attr("rpc.method")+sp.attr("db.system.name")]++
		case len(sp.ParentSpanId) != 0:
			below[sp.service+" "+sp.Kind.String()+" "+sp.attr("db.system.name")]++
		}
	}
	wantChildren := map[string]int{"movie.service/movie_pic1svc": 180, "memcached": 89, "beansdb": 26}
	wantBelow := map[string]int{"pic SPAN_KIND_SERVER ": 180, "pic SPAN_KIND_CLIENT beansdb": 180}
	if !maps.Equal(children, wantChildren) || !maps.Equal(below, wantBelow) {
		t.Errorf("children %v and %v below them, want %v and %v", children, below, wantChildren, wantBelow)
	}
}

// Every page works, but where a fault is planted; its trace crosses the services it should.
func TestPages(t *testing.T) {
	s := newSink(t)
	site, err := Run(t.Context(), Config{Collector: s.URL, Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	pages := []struct {
		path, holds string
		status      int
		services    string
		trace       string
	}{
		{path: "/", holds: "Movies", status: 200, services: "movie movie-web rating user"},
		{path: "/subject/7", holds: "rated", status: 200, services: "movie movie-web pic rating user"},
		{path: "/subject/2/photos", holds: "photos of", status: 200, services: "movie-web pic"},
		{path: "/user/11", holds: "in the collection", status: 200, services: "movie movie-web user"},
		{path: "/search?q=winter", holds: "movies for", status: 200, services: "movie movie-web"},
		{path: "/search?q=ocean%27s", holds: "unterminated quote", status: 500, services: "movie movie-web"},
		{path: "/subject/none", holds: "not a number", status: 500, services: "movie-web"},
		{path: "/subject/9999", holds: "no movie 9999", status: 500, services: "movie movie-web"},
	}
	for i := range pages {
		p := &pages[i]
		resp, body := get(t, site.URL+p.path)
		if p.trace = resp.Header.Get("X-Trace-Id"); resp.StatusCode != p.status || !strings.Contains(body, p.holds) {
			t.Errorf("%s: %s: %.300s", p.path, resp.Status, body)
		}
	}
	if err := site.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pages {
		seen, failed := map[string]bool{}, false
		for _, sp := range s.spans {
			if hexID(sp.TraceId) == p.trace {
				seen[sp.service] = true
				failed = failed || sp.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR
			}
		}
		var names []string
		for _, n := range []string{"movie", "movie-web", "pic", "rating", "user"} {
			if seen[n] {
				names = append(names, n)
			}
		}
		if got := strings.Join(names, " "); got != p.services || failed != (p.status >= 500) {
			t.Errorf("%s crossed %q, want %q; an error is in it: %v", p.path, got, p.services, failed)
		}
	}
}

func hexID(p []byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range p {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// The visitors come by themselves, the first one to the big film's photos, and closing leaves nothing behind.
func TestLoadAndClose(t *testing.T) {
	s := newSink(t)
	leaks := goleak.IgnoreCurrent()
	site, err := Run(t.Context(), Config{Collector: s.URL, Rate: 50})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for done := false; !done; {
		s.mu.Lock()
		roots, photos := 0, false
		for _, sp := range s.spans {
			if len(sp.ParentSpanId) == 0 {
				roots++
				photos = photos || sp.Name == "GET /subject/{id}/photos"
			}
		}
		s.mu.Unlock()
		done = roots >= 10 && photos
		select {
		case <-deadline:
			t.Fatalf("%d requests, photos among them: %v", roots, photos)
		case <-time.After(20 * time.Millisecond):
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := site.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := site.Close(ctx); err != nil {
		t.Error(err)
	}
	s.CloseClientConnections()
	goleak.VerifyNone(t, leaks, goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
}

// A connection that a browser keeps in reserve does not hold up the end.
func TestCloseWithUnusedConnection(t *testing.T) {
	s := newSink(t)
	site, err := Run(t.Context(), Config{Collector: s.URL, Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(site.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	get(t, site.URL+"/search?q=winter") // accepted after it, so it was accepted too
	began := time.Now()
	if err := site.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second { // net/http waits for 5 s
		t.Errorf("closing took %v", took)
	}
}

// A site that cannot start leaves nothing behind and says which service it was.
func TestRunTakenPort(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	taken := httptest.NewServer(nil)
	defer taken.Close()
	_, err := Run(t.Context(), Config{Web: taken.Listener.Addr().String(), Collector: "http://127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "movie-web") {
		t.Errorf("got %v", err)
	}
	taken.Close()
	goleak.VerifyNone(t, leaks)
}

// Nor does one whose stores do not answer, or are not to be used.
func TestRunWithoutStores(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for words, at := range map[string]Addresses{
		"MySQL":         {MySQL: "root@tcp(" + nobody + ")/"},
		"redis":         {Redis: nobody},
		"memcached":     {Memcached: nobody},
		"beansdb":       {Beansdb: nobody},
		"invalid DSN":   {MySQL: nobody},
		`leave "theirs`: {MySQL: "root@tcp(" + nobody + ")/theirs"},
	} {
		_, err := Run(t.Context(), Config{Stores: at, Rate: -1, Collector: "http://127.0.0.1:1"})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want %q in it", at, err, words)
		}
	}
	goleak.VerifyNone(t, leaks)
}
