package shuaihttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/internal/goroutine"
)

// NewHandler returns a handler that makes a server span of each request that next serves. The span is named
// by method and route, as "GET /subject/{id}", where [Config.Route] says the route, or next is, or leads with the same request to, an
// [http.ServeMux]; another router calls SetName on [shuai.SpanFromContext] and sets http.route. A name that the application
// gives stays. Where it is for this service to decide whether the trace is recorded, and next itself is the ServeMux, or
// Config.Route is set, the name is known when that is decided, so that each route can have its own share. With the ServeMux of Go 1.21
// (GODEBUG=httpmuxgo121=1) next has to be it: behind another handler it gives no route. A status of 500 and above
// and a panic, which goes on, make it an error.
//
// The response writer that next sees has Unwrap, for [http.ResponseController], and is an
// [http.Flusher], [http.Hijacker], [io.ReaderFrom], [http.Pusher] and [http.CloseNotifier] where the server's own is.
func NewHandler(next http.Handler, cfg Config) http.Handler {
	handlers.Store(true)
	return &handler{next: next, server: server{cfg: cfg}}
}

type handler struct {
	next http.Handler
	server
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(h.next, w, r) }

// server is what handlers have apart from what is next.
type server struct {
	cfg   Config
	names pairs
}

// silentMux says that a ServeMux tells a request nothing of its pattern: that of Go 1.21, with GODEBUG=httpmuxgo121=1, which net/http reads
// when it starts.
var silentMux = sync.OnceValue(func() bool {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}}
	mux.ServeHTTP(nil, r)
	return r.Pattern == ""
})

// route is that of a request, if it is known before it is served and somebody needs it: the server's mux would have to match twice.
func (h *server) route(next http.Handler, r *http.Request, decided bool) string {
	if h.cfg.Route != nil {
		return h.cfg.Route(r)
	}
	if mux, ok := next.(*http.ServeMux); ok && (!decided || silentMux()) {
		_, pattern := mux.Handler(r)
		return routeOf(pattern)
	}
	return ""
}

// name is verb and route, which mostly is the pattern.
func (h *server) name(verb, route, pattern string) string {
	if len(pattern) == len(verb)+1+len(route) && pattern[:len(verb)] == verb && pattern[len(verb)] == ' ' {
		return pattern
	}
	return h.names.text(verb, route)
}

func (h *server) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if h.cfg.skips(r) {
		next.ServeHTTP(w, r)
		return
	}
	ctx, a := h.arrive(next, r)
	if !a.span.Counted() {
		r2 := r.WithContext(ctx)
		defer giveBack(r, r2)
		defer goroutine.Begin(ctx, r).End()
		next.ServeHTTP(w, r2)
		return
	}
	seen := &served{request: *r.WithContext(ctx)}
	r2 := &seen.request
	defer func() {
		p := recover()
		giveBack(r, r2)
		h.answered(a, r2.Pattern, seen.writer.status, p)
		if p != nil {
			panic(p) // the server's to handle, or to hide: http.ErrAbortHandler
		}
	}()
	defer goroutine.Begin(ctx, r).End()
	next.ServeHTTP(seen.write(w), r2)
}

// arrived is a request that is being served.
type arrived struct {
	span              *shuai.Span
	name, verb, route string
}

// arrive starts the span of a request, and returns the context in which next is to serve it.
func (h *server) arrive(next http.Handler, r *http.Request) (context.Context, arrived) {
	attr, verb := method(r.Method)
	around := r.Context()
	if !h.cfg.Public {
		around = h.cfg.extract(r)
	}
	route := h.route(next, r, !h.cfg.Public && shuai.SpanFromContext(around).Decided())
	name := h.names.text(verb, route)
	ctx, span := h.cfg.begin(around, r, name)
	if span.Recording() {
		describe(span, r, attr)
	}
	return ctx, arrived{span, name, verb, route}
}

// answered ends the span of a request that was served by a pattern, with a status, 0 if nothing was written, or a panic.
func (h *server) answered(a arrived, pattern string, status int, panicked any) {
	if of := routeOf(pattern); of != "" && of != a.route && h.cfg.Route == nil {
		a.route = of
		a.span.Rename(a.name, h.name(a.verb, of, pattern))
	}
	if a.route != "" {
		a.span.SetString("http.route", a.route)
	}
	describeOutcome(a.span, status, panicked)
	a.span.End()
}

// giveBack tells the server's request what its copy has been told: the pattern, for whoever logs the request outside, and the form, whose files
// the server removes.
func giveBack(r, served *http.Request) {
	r.Pattern, r.MultipartForm = served.Pattern, served.MultipartForm
}

// describe sets what is known of a request before it is served.
func describe(span *shuai.Span, r *http.Request, method string) {
	span.SetString("http.request.method", method)
	if method != r.Method {
		span.SetString("http.request.method_original", r.Method)
	}
	span.SetString("url.path", r.URL.Path)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	setServer(span, r.Host, scheme)
	if host, _ := splitHostPort(r.RemoteAddr); host != "" {
		span.SetString("client.address", host)
	}
}

// routeOf is the path of a ServeMux pattern, "[METHOD ][HOST]/[PATH]", without the "{$}" that ends one
// that matches nothing below it.
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return strings.TrimSuffix(pattern[i:], "{$}")
	}
	return ""
}

// served is what the next handler sees of a request: one allocation instead of two.
type served struct {
	request http.Request
	writer  closeWriter
}

// write returns the writer with those of the interfaces that handlers ask for by type assertion: what the writers of HTTP/1 and HTTP/2
// have.
func (s *served) write(w http.ResponseWriter) http.ResponseWriter {
	s.writer.ResponseWriter = w
	if full, ok := w.(http1); ok {
		s.writer.flusher, s.writer.full = full, full
		if _, ok := w.(http.CloseNotifier); ok { //nolint:staticcheck // handlers older than contexts ask for it
			return &s.writer
		}
		return &s.writer.http1Writer
	}
	if full, ok := w.(http2); ok {
		s.writer.flusher = full
		return &http2Writer{&s.writer.flushWriter, full}
	}
	if f, ok := w.(http.Flusher); ok {
		s.writer.flusher = f
		return &s.writer.flushWriter
	}
	return &s.writer.responseWriter
}

// responseWriter remembers the status.
type responseWriter struct {
	http.ResponseWriter
	status int // 0: nothing was written
}

func describeOutcome(span *shuai.Span, status int, panicked any) {
	if panicked != nil {
		if err, ok := panicked.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			span.SetStatus(shuai.StatusError, "handler aborted the response")
		} else {
			span.Panic(panicked)
		}
		if span.Recording() {
			span.SetString("error.type", fmt.Sprintf("%T", panicked))
		}
		if status == 0 {
			return // the server closes the connection without an answer
		}
	}
	if status == 0 {
		status = http.StatusOK // what the server writes for a handler that does not
	}
	span.SetInt("http.response.status_code", int64(status))
	if status >= 500 && panicked == nil {
		span.SetString("error.type", strconv.Itoa(status))
		span.SetStatus(shuai.StatusError, http.StatusText(status))
	}
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.wrote()
	return w.ResponseWriter.Write(p)
}

func (w *responseWriter) WriteString(s string) (int, error) {
	w.wrote()
	return io.WriteString(w.ResponseWriter, s)
}

func (w *responseWriter) wrote() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// Unwrap lets [http.ResponseController] find what the writer can do.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type flushWriter struct {
	responseWriter
	flusher http.Flusher
}

// Flush implements [http.Flusher].
func (w *flushWriter) Flush() {
	w.wrote()
	w.flusher.Flush()
}

// FlushError is for [http.ResponseController], whose caller is to learn that the client has gone.
func (w *flushWriter) FlushError() error {
	w.wrote()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// http1 is what the server's writer of HTTP/1 can do.
type http1 interface {
	http.Flusher
	http.Hijacker
	io.ReaderFrom
}

// http2 is what that of HTTP/2 can do.
type http2 interface {
	http.Flusher
	http.Pusher
	http.CloseNotifier //nolint:staticcheck // as for HTTP/1
}

type http2Writer struct {
	*flushWriter
	full http2
}

// Push implements [http.Pusher].
func (w *http2Writer) Push(target string, opts *http.PushOptions) error {
	return w.full.Push(target, opts)
}

// CloseNotify implements [http.CloseNotifier].
func (w *http2Writer) CloseNotify() <-chan bool { return w.full.CloseNotify() }

type http1Writer struct {
	flushWriter
	full http1
}

// Hijack implements [http.Hijacker].
func (w *http1Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.full.Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// ReadFrom implements [io.ReaderFrom], by which a file is sent without passing through the process.
func (w *http1Writer) ReadFrom(src io.Reader) (int64, error) {
	w.wrote()
	return w.full.ReadFrom(src)
}

// closeWriter is one that is an [http.CloseNotifier] as well.
type closeWriter struct{ http1Writer }

// CloseNotify implements [http.CloseNotifier].
func (w *closeWriter) CloseNotify() <-chan bool {
	return w.full.(http.CloseNotifier).CloseNotify() //nolint:errcheck,staticcheck // write has looked
}
