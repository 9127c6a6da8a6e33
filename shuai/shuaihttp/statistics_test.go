package shuaihttp_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// counted are the requests of metrics that a tracer sends.
type counted struct {
	tracer *shuai.Tracer
	mu     sync.Mutex
	bodies []byte
}

func newCounted(t *testing.T, ratio float64) *counted {
	t.Helper()
	c := &counted{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if c.mu.Lock(); r.URL.Path == "/v1/metrics" {
			c.bodies = append(c.bodies, body...)
		}
		c.mu.Unlock()
	}))
	t.Cleanup(srv.Close)
	tr, err := shuai.New(shuai.Config{Service: "test", Endpoint: srv.URL, Ratio: ratio})
	if err != nil {
		t.Fatal(err)
	}
	c.tracer = tr
	return c
}

// What is counted of a request does not depend on whether it is recorded: name, type and outcome.
func TestStatistics(t *testing.T) {
	for _, ratio := range []float64{1, -1} {
		c := newCounted(t, ratio)
		cfg := shuaihttp.Config{Tracer: c.tracer}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /ok/{id}", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("GET /fails", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		srv := httptest.NewServer(shuaihttp.NewHandler(mux, cfg))
		client := &http.Client{Transport: shuaihttp.NewTransport(&http.Transport{}, cfg)}
		for _, path := range []string{"/ok/1", "/ok/2", "/fails"} {
			req, err := http.NewRequestWithContext(shuaihttp.WithRoute(t.Context(), "/the"+path[:3]), http.MethodGet, srv.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		client.CloseIdleConnections()
		srv.Close()
		if err := c.tracer.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		host := srv.Listener.Addr().String()
		for _, want := range [][]string{
			{"GET /ok/{id}", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"},
			{"GET /fails", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR"},
			{"GET /the/ok", "SPAN_KIND_CLIENT", host + " /the/ok", "STATUS_CODE_UNSET"},
			{"GET /the/fa", "SPAN_KIND_CLIENT", host + " /the/fa", "STATUS_CODE_ERROR"},
		} {
			if !inOrder(c.bodies, want) {
				t.Errorf("ratio %v: no series of %q", ratio, want)
			}
		}
		if bytes.Contains(c.bodies, []byte("/ok/1")) {
			t.Errorf("ratio %v: a path is counted", ratio)
		}
	}
}

// inOrder looks for texts of one series: with nothing but the keys of attributes between them.
func inOrder(b []byte, texts []string) bool {
	for start := 0; ; {
		i := bytes.Index(b[start:], []byte(texts[0]))
		if i < 0 {
			return false
		}
		start += i + len(texts[0])
		rest, all := b[start:], true
		for _, text := range texts[1:] {
			i := bytes.Index(rest, []byte(text))
			if all = all && 0 <= i && i < 40; all {
				rest = rest[i+len(text):]
			}
		}
		if all {
			return true
		}
	}
}

// A public handler continues nobody's trace and lets nobody decide; any other is told by the header what to do.
func TestPublicAndForced(t *testing.T) {
	const trace = "6b0349c00a112a079f3b6c1de85a7042"
	for _, tt := range []struct {
		name           string
		public         bool
		ratio          float64
		parent, debug  string
		spans          int
		continues      bool
		baggageInstead bool
	}{
		{name: "parent recorded", ratio: -1, parent: "01", spans: 1, continues: true},
		{name: "parent recorded, public", public: true, ratio: -1, parent: "01"},
		{name: "parent not recorded, public", public: true, ratio: 1, parent: "00", spans: 1},
		{name: "forced", ratio: -1, debug: "1", spans: 1},
		{name: "forced by baggage", ratio: -1, debug: "1", spans: 1, baggageInstead: true},
		{name: "forced child", ratio: -1, parent: "00", debug: "yes", spans: 1, continues: true},
		{name: "forced, public", public: true, ratio: -1, debug: "1"},
		{name: "not forced", ratio: -1, debug: "0"},
	} {
		c := newCollector(t, tt.ratio)
		h := shuaihttp.NewHandler(http.NotFoundHandler(), shuaihttp.Config{Tracer: c.tracer, Public: tt.public})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if tt.parent != "" {
			r.Header.Set("traceparent", "00-"+trace+"-1503bc5349c04000-"+tt.parent)
		}
		if tt.baggageInstead {
			r.Header.Set("baggage", "shuai-debug="+tt.debug)
		} else if tt.debug != "" {
			r.Header.Set("shuai-debug", tt.debug)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		spans := c.spans(t)
		if len(spans) != tt.spans || len(spans) > 0 && (spans[0].trace == trace) != tt.continues {
			t.Errorf("%s: %+v", tt.name, spans)
		}
	}
}
