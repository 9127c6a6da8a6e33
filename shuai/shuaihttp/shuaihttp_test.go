package shuaihttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

func contains(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
}

// A client, a server and what the server calls are one trace; names and attributes are those of the conventions.
func TestThroughTheNet(t *testing.T) {
	c := newCollector(t, 1)
	cfg := shuaihttp.Config{Tracer: c.tracer}
	client := &http.Client{Transport: shuaihttp.NewTransport(&http.Transport{}, cfg)}
	defer client.CloseIdleConnections()
	backend := httptest.NewServer(shuaihttp.NewHandler(http.NotFoundHandler(), cfg))
	defer backend.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /subject/{id}", func(w http.ResponseWriter, r *http.Request) {
		ctx := shuaihttp.WithRoute(r.Context(), "/rating/{id}")
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, backend.URL+"/rating/7?secret=x", nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.URL.User = url.UserPassword("u", "p")
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(w, resp.Body)
		resp.Body.Close()
		if req.Header.Get("traceparent") != "" {
			t.Error("the caller's request was changed")
		}
	})
	outside := ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shuaihttp.NewHandler(mux, cfg).ServeHTTP(w, r)
		outside = r.Pattern
	}))
	defer front.Close()

	ctx := shuaihttp.WithCall(t.Context(), "movie.Service/GetMovie", shuai.String("rpc.method", "movie.Service/GetMovie"))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL+"/subject/1292052", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "not found") {
		t.Fatalf("%q, %v", body, err)
	}
	resp.Body.Close()
	if outside != "GET /subject/{id}" {
		t.Errorf("outside of the handler the pattern is %q", outside)
	}

	byName := map[string]span{}
	for _, s := range c.spans(t) {
		byName[s.name] = s
	}
	call, page, out, in := byName["movie.Service/GetMovie"], byName["GET /subject/{id}"], byName["GET /rating/{id}"], byName["GET"]
	if len(byName) != 4 {
		t.Fatalf("spans: %v", byName)
	}
	for _, pair := range [][2]span{{call, page}, {page, out}, {out, in}} {
		if pair[1].parent != pair[0].id || pair[1].trace != pair[0].trace {
			t.Errorf("%q is not the child of %q", pair[1].name, pair[0].name)
		}
	}
	if call.kind != shuai.KindClient || page.kind != shuai.KindServer || out.kind != shuai.KindClient || in.kind != shuai.KindServer {
		t.Error("wrong kinds")
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(front.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, page.attrs, map[string]string{
		"http.request.method": "GET", "http.route": "/subject/{id}", "url.path": "/subject/1292052",
		"http.response.status_code": "200", "server.address": host, "server.port": port, "client.address": "127.0.0.1",
	})
	contains(t, call.attrs, map[string]string{
		"http.request.method": "GET", "rpc.method": "movie.Service/GetMovie", "http.response.status_code": "200",
		"server.address": host, "server.port": port, "url.full": front.URL + "/subject/1292052",
	})
	contains(t, out.attrs, map[string]string{
		"url.template": "/rating/{id}", "http.response.status_code": "404", "error.type": "404", "url.full": backend.URL + "/rating/7",
	})
	contains(t, in.attrs, map[string]string{"http.response.status_code": "404", "http.route": "", "error.type": ""})
	if out.status != shuai.StatusError || in.status != shuai.StatusUnset || page.status != shuai.StatusUnset {
		t.Errorf("statuses: client of 404 %d, server of 404 %d, server of 200 %d", out.status, in.status, page.status)
	}
}

func TestServerOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		method  string
		want    map[string]string
		span    string
		status  shuai.Status
		message string
		event   string // starts with
	}{
		{name: "nothing written", handler: func(http.ResponseWriter, *http.Request) {}, want: map[string]string{"http.response.status_code": "200"}},
		{name: "only written", handler: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x"); w.WriteHeader(500) }, want: map[string]string{"http.response.status_code": "200"}},
		{name: "early hints", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, want: map[string]string{"http.response.status_code": "204"}},
		{name: "500", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, want: map[string]string{"http.response.status_code": "503", "error.type": "503"}, status: shuai.StatusError, message: "Service Unavailable"},
		{name: "panic", handler: func(http.ResponseWriter, *http.Request) { panic("boom") }, want: map[string]string{"error.type": "string", "http.response.status_code": ""}, status: shuai.StatusError, message: "panic: boom", event: "exception: panic: boom"},
		{name: "panic after the header", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); panic(io.EOF) }, want: map[string]string{"http.response.status_code": "201"}, status: shuai.StatusError, message: "panic: EOF", event: "exception: panic: EOF"},
		{name: "abort", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, status: shuai.StatusError, message: "handler aborted the response"},
		{name: "unknown method", method: "BREW", handler: func(http.ResponseWriter, *http.Request) {}, span: "HTTP", want: map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "BREW"}},
		{name: "named by the handler", handler: func(_ http.ResponseWriter, r *http.Request) { shuai.SpanFromContext(r.Context()).SetName("mine") }, span: "mine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCollector(t, 1)
			h := shuaihttp.NewHandler(tt.handler, shuaihttp.Config{Tracer: c.tracer})
			if tt.method == "" {
				tt.method = http.MethodGet
			}
			if tt.span == "" {
				tt.span = tt.method
			}
			var panicked any
			func() {
				defer func() { panicked = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), tt.method, "/", nil))
			}()
			if (panicked != nil) != (strings.Contains(tt.name, "panic") || tt.name == "abort") {
				t.Errorf("panicked with %v", panicked)
			}
			spans := c.spans(t)
			if len(spans) != 1 {
				t.Fatalf("spans: %v", spans)
			}
			s := spans[0]
			contains(t, s.attrs, tt.want)
			if s.name != tt.span || s.status != tt.status || s.message != tt.message {
				t.Errorf("%q, status %d %q; want %q, %d %q", s.name, s.status, s.message, tt.span, tt.status, tt.message)
			}
			if (tt.event == "") != (len(s.events) == 0) || tt.event != "" && !strings.HasPrefix(s.events[0], tt.event) {
				t.Errorf("events %q, want %q", s.events, tt.event)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	for pattern, want := range map[string]string{
		"/": "GET /", "GET /a/{id}": "GET /a/{id}", "example.com/a": "GET /a", "GET example.com/a/{rest...}": "GET /a/{rest...}", "/static/": "GET /static/", "GET /b/{$}": "GET /b/",
	} {
		c := newCollector(t, 1)
		mux := http.NewServeMux()
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
		path := map[string]string{"/": "/x", "GET /a/{id}": "/a/1", "example.com/a": "/a", "GET example.com/a/{rest...}": "/a/b/c", "/static/": "/static/x", "GET /b/{$}": "/b/"}[pattern]
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com"+path, nil)
		shuaihttp.NewHandler(mux, shuaihttp.Config{Tracer: c.tracer}).ServeHTTP(httptest.NewRecorder(), r)
		if s := c.spans(t); len(s) != 1 || s[0].name != want || s[0].attrs["http.route"] != strings.TrimPrefix(want, "GET ") ||
			s[0].attrs["server.address"] != "example.com" || s[0].attrs["server.port"] != "80" {
			t.Errorf("%s: %+v", pattern, s)
		}
	}
}

// The route is part of the name whoever decided that the request is recorded, and wherever the mux is, unless the application has given another.
func TestNames(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for _, caller := range []string{"", "00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-01"} {
			for path, want := range map[string]string{
				"/subject/1": "GET /subject/{id}", "/rpc/get": "movie.service/get", "/tab": "GET /tab", "/none": "GET",
			} {
				c := newCollector(t, 1)
				mux := http.NewServeMux()
				mux.HandleFunc("/subject/{id}", func(http.ResponseWriter, *http.Request) {})
				mux.HandleFunc("GET\t/tab", func(http.ResponseWriter, *http.Request) {})
				mux.HandleFunc("/rpc/{method}", func(_ http.ResponseWriter, r *http.Request) {
					shuai.SpanFromContext(r.Context()).SetName("movie.service/" + r.PathValue("method"))
				})
				next := http.Handler(mux)
				if behind {
					next = http.HandlerFunc(mux.ServeHTTP)
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				if caller != "" {
					r.Header.Set("traceparent", caller)
				}
				shuaihttp.NewHandler(next, shuaihttp.Config{Tracer: c.tracer}).ServeHTTP(httptest.NewRecorder(), r)
				if s := c.spans(t); len(s) != 1 || s[0].name != want {
					t.Errorf("%s, called by %q, behind another handler %v: %+v", path, caller, behind, s)
				}
			}
		}
	}
}

// The ServeMux of Go 1.21 tells requests nothing, so it is asked, whoever decided that the request is recorded.
func TestOldServeMux(t *testing.T) {
	const setting = "httpmuxgo121=1" // net/http reads it once
	if !strings.Contains(os.Getenv("GODEBUG"), setting) {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), "GODEBUG="+setting)
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, caller := range []string{"", "00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-01"} {
		for path, want := range map[string]string{
			"/subject/1": "GET /subject/", "/subject": "GET /subject/", "/exact": "GET /exact", "/a/../exact": "GET /exact", "/moved/1": "GET /moved/", "/none": "GET",
		} {
			c := newCollector(t, 1)
			mux := http.NewServeMux()
			mux.HandleFunc("/subject/", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("/exact", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("/moved/", func(_ http.ResponseWriter, r *http.Request) { r.URL.Path = "/exact" })
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if caller != "" {
				r.Header.Set("traceparent", caller)
			}
			shuaihttp.NewHandler(mux, shuaihttp.Config{Tracer: c.tracer}).ServeHTTP(httptest.NewRecorder(), r)
			if s := c.spans(t); len(s) != 1 || s[0].name != want || s[0].attrs["http.route"] != strings.TrimPrefix(want[len("GET"):], " ") {
				t.Errorf("%s, called by %q: %+v", path, caller, s)
			}
		}
	}
}

// gone is the writer of a client that has gone.
type gone struct{ *httptest.ResponseRecorder }

func (gone) FlushError() error { return io.ErrClosedPipe }

// What a handler can do with its writer, it can do with ours.
func TestAbilities(t *testing.T) {
	for _, ratio := range []float64{1, -1} {
		c := newCollector(t, ratio)
		traced := shuaihttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			switch r.URL.Path {
			case "/flush":
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				if err := rc.Flush(); err != nil {
					t.Error(err)
				}
			case "/file":
				w.(io.ReaderFrom).ReadFrom(strings.NewReader("file"))
			case "/hijack":
				conn, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
				rw.Flush()
				line, _ := rw.ReadString('\n')
				rw.WriteString("echo " + line)
				rw.Flush()
			}
		}), shuaihttp.Config{Tracer: c.tracer})
		var handlers sync.WaitGroup // the server does not wait for one that has taken its connection
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handlers.Add(1)
			defer handlers.Done()
			traced.ServeHTTP(w, r)
		}))
		client := &http.Client{Transport: shuaihttp.NewTransport(&http.Transport{}, shuaihttp.Config{Tracer: c.tracer})}
		for path, want := range map[string]string{"/flush": "x", "/file": "file"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != want {
				t.Errorf("%s: %q, %v", path, body, err)
			}
			resp.Body.Close()
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/hijack", nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		duplex, ok := resp.Body.(io.ReadWriteCloser)
		if !ok {
			t.Fatalf("after 101 the body is a %T, which cannot be written to", resp.Body)
		}
		io.WriteString(duplex, "hello\n")
		if line, err := bufio.NewReader(duplex).ReadString('\n'); err != nil || line != "echo hello\n" {
			t.Errorf("%q, %v", line, err)
		}
		duplex.Close()
		client.CloseIdleConnections()
		srv.Close()
		handlers.Wait()
		if want, n := map[float64]int{1: 6, -1: 0}[ratio], len(c.spans(t)); n != want {
			t.Errorf("ratio %v: %d spans, want %d", ratio, n, want)
		}
	}
	// A client that has gone is not hidden.
	shuaihttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("flushing to nobody: %v", err)
		}
	}), shuaihttp.Config{Tracer: newCollector(t, 1).tracer}).ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	// Nothing is claimed that is not there.
	c := newCollector(t, 1)
	shuaihttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Flusher); ok {
			t.Error("a writer that cannot flush has become a Flusher")
		}
	}), shuaihttp.Config{Tracer: c.tracer}).ServeHTTP(struct{ http.ResponseWriter }{httptest.NewRecorder()},
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
}

// The server removes the files of a form that a handler has read, although it was another request's.
func TestFormsFilesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, tracer := range []*shuai.Tracer{newCollector(t, 1).tracer, newCollector(t, -1).tracer, nil} {
		srv := httptest.NewServer(shuaihttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(0); err != nil {
				t.Error(err)
			}
			if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 1 {
				t.Errorf("%d files while the request is served, %v", len(files), err)
			}
		}), shuaihttp.Config{Tracer: tracer}))
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", "name")
		if err != nil {
			t.Fatal(err)
		}
		part.Write(make([]byte, 11<<20)) // more than is kept in memory at the least
		form.Close()
		resp, err := srv.Client().Post(srv.URL, form.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		srv.Close()
		if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 0 {
			t.Errorf("%d files afterwards, %v", len(files), err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }
func (b failingBody) Close() error             { return nil }

// A response is that of the request that was sent, not of a copy, whether it is traced or not.
func TestResponsesRequest(t *testing.T) {
	for name, cfg := range map[string]shuai.Config{
		"recorded": {Ratio: 1}, "counted": {Ratio: -1}, "passed on": {Ratio: -1, Statistics: "off"},
	} {
		cfg.Service, cfg.Endpoint = "test", "http://127.0.0.1:9"
		tracer, err := shuai.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, _ := tracer.StartSpan(t.Context(), "root", shuai.KindServer)
		transport := shuaihttp.NewTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		}), shuaihttp.Config{Tracer: tracer})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.Request != req {
			t.Errorf("%s: the response is that of another request", name)
		}
		_ = tracer.Stop(t.Context()) // nobody takes the spans
	}
}

func TestClientOutcomes(t *testing.T) {
	body := func(code int, b io.ReadCloser) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			return &http.Response{StatusCode: code, Status: strconv.Itoa(code), Body: b}, nil
		}
	}
	for _, tt := range []struct {
		name   string
		answer func() (*http.Response, error)
		status shuai.Status
		typ    string
	}{
		{"200", body(200, io.NopCloser(strings.NewReader("x"))), shuai.StatusUnset, ""},
		{"no body", body(204, http.NoBody), shuai.StatusUnset, ""},
		{"400", body(400, http.NoBody), shuai.StatusError, "400"},
		{"500", body(500, http.NoBody), shuai.StatusError, "500"},
		{"refused", func() (*http.Response, error) { return nil, errors.New("refused") }, shuai.StatusError, "*errors.errorString"},
		{"canceled", func() (*http.Response, error) { return nil, fmt.Errorf("x: %w", context.Canceled) }, shuai.StatusError, "canceled"},
		{"timeout", func() (*http.Response, error) { return nil, context.DeadlineExceeded }, shuai.StatusError, "timeout"},
		{"body breaks", body(200, failingBody{io.ErrUnexpectedEOF}), shuai.StatusError, "*errors.errorString"},
	} {
		c := newCollector(t, 1)
		tr := shuaihttp.NewTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("traceparent") == "" {
				t.Error("no traceparent")
			}
			return tt.answer()
		}), shuaihttp.Config{Tracer: c.tracer})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = nil
		resp, err := tr.RoundTrip(req)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			resp.Body.Close()
		}
		spans := c.spans(t)
		if len(spans) != 1 {
			t.Fatalf("%s: spans: %v", tt.name, spans)
		}
		if s := spans[0]; s.status != tt.status || s.attrs["error.type"] != tt.typ || s.attrs["server.port"] != "443" {
			t.Errorf("%s: status %d, %v", tt.name, s.status, s.attrs)
		}
	}
}

// Requests that nobody traces, and those that are filtered out, pass through untouched; a decision not to sample is passed on.
func TestUntraced(t *testing.T) {
	sent := http.Header{}
	base := roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = maps.Clone(r.Header)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	do := func(ctx context.Context, cfg shuaihttp.Config) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shuaihttp.NewTransport(base, cfg).RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		return sent.Get("traceparent")
	}
	if h := do(t.Context(), shuaihttp.Config{}); h != "" {
		t.Errorf("without a tracer sends %q", h)
	}
	c := newCollector(t, -1)
	no := func(*http.Request) bool { return false }
	if h := do(t.Context(), shuaihttp.Config{Tracer: c.tracer, Filter: no}); h != "" {
		t.Errorf("filtered out, but sends %q", h)
	}
	if h := do(t.Context(), shuaihttp.Config{Tracer: c.tracer}); !strings.HasSuffix(h, "-02") {
		t.Errorf("not sampled, but sends %q", h)
	}
	const parent = "00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-00"
	h := shuaihttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got := do(r.Context(), shuaihttp.Config{}); !strings.HasPrefix(got, parent[:36]) || !strings.HasSuffix(got, "-00") || got == parent {
			t.Errorf("the caller's decision is passed on as %q", got)
		}
	}), shuaihttp.Config{Tracer: c.tracer})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Traceparent", parent)
	h.ServeHTTP(httptest.NewRecorder(), r)
	filtered := shuaihttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if shuai.SpanFromContext(r.Context()) != nil {
			t.Error("filtered out, but traced")
		}
	}), shuaihttp.Config{Tracer: c.tracer, Filter: no})
	filtered.ServeHTTP(httptest.NewRecorder(), r)
}

func TestHeader(t *testing.T) {
	h := shuaihttp.Header{}
	h.Set("tracestate", "a=1")
	http.Header(h).Add("Tracestate", "b=2")
	if got := h.Get("tracestate"); got != "a=1,b=2" {
		t.Errorf("two headers read as %q", got)
	}
	if got := h.Get("absent"); got != "" || len(h.Keys()) != 1 {
		t.Errorf("%q, %v", got, h.Keys())
	}
}

func Example() {
	stop, err := shuai.Start(shuai.Config{Service: "movie-web"})
	if err != nil {
		log.Fatal(err)
	}
	defer stop(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("GET /subject/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "subject ", r.PathValue("id"))
	})
	server := httptest.NewServer(shuaihttp.NewHandler(mux, shuaihttp.Config{}))
	defer server.Close()

	client := &http.Client{Transport: shuaihttp.NewTransport(nil, shuaihttp.Config{})}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/subject/1292052", nil)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	// Output: subject 1292052 <nil>
}
