// Package api is the native HTTP API that the web UI and the command line use, and the server of the
// UI's files. docs/api.md is its contract: routes, parameters, shapes and their meaning. It sees a
// store.Store and never an engine.
//
// Every answer is built whole before its first byte is sent, so a status is never taken back; questions
// are bounded in number ([Config.MaxQueries]) and in time ([Config.QueryTimeout]), and end when the
// client goes away.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// Prefix is the path of the API; its version changes with the meaning of what is there.
const Prefix = "/api/shuai/v1"

// Config says what to serve. Only Store is needed.
type Config struct {
	Store   store.Store
	UI      fs.FS         // the UI's files with index.html at the top; nil: no UI
	Version string        // shown by /status
	Ingest  func() Ingest // the collector's counters for /status; nil: none
	Logger  *slog.Logger  // told of internal errors; nil: nobody is
	Now     func() time.Time

	MaxQueries   int           // questions to the store at a time, others wait; 0: 4 a core
	QueryTimeout time.Duration // time for one question, waiting included; 0: 30 s
}

// Ingest is what the collector has counted since the server started.
type Ingest struct {
	Received int64            // spans stored
	Rejected int64            // spans left out of requests that were taken
	Refused  map[string]int64 // requests, by reason
}

// New makes the handler of the API and the UI. It may be used concurrently.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxQueries <= 0 {
		cfg.MaxQueries = 4 * runtime.GOMAXPROCS(0)
	}
	if cfg.QueryTimeout <= 0 {
		cfg.QueryTimeout = 30 * time.Second
	}
	return &server{Config: cfg, ui: newFiles(cfg.UI), slots: make(chan struct{}, cfg.MaxQueries)}
}

type server struct {
	Config
	ui    *files
	slots chan struct{}
}

// requestError is an error that is the client's to mend: its message is written for the person who asked.
type requestError struct {
	status int
	msg    string
	at     *int // byte of the filter
}

func (e *requestError) Error() string { return e.msg }

func badRequest(format string, args ...any) error {
	return &requestError{status: http.StatusBadRequest, msg: fmt.Sprintf(format, args...)}
}

// contentPolicy lets the UI load what this server serves and nothing else; neither scripts nor styles are
// inline. What React and canvas code set on element.style is no inline style to a browser.
const contentPolicy = "default-src 'self'; img-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	path := r.URL.Path // not cleaned: names in the UI's paths may hold anything
	isAPI := path == "/api" || strings.HasPrefix(path, "/api/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		s.fail(w, r, &requestError{status: http.StatusMethodNotAllowed, msg: "this address takes GET and HEAD, not " + clip(r.Method)})
		return
	}
	switch {
	case isAPI:
		s.serveAPI(w, r)
	case path == "/healthz":
		writeText(w, http.StatusOK, "ok\n")
	case path == "/readyz":
		s.ready(w, r)
	default:
		s.ui.serve(w, r)
	}
}

// ready answers 200 while the store answers questions.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	_, err := s.Store.Trace(r.Context(), span.TraceID{Hi: 1, Lo: 1})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		writeText(w, http.StatusServiceUnavailable, "the store does not answer: "+err.Error()+"\n")
		return
	}
	writeText(w, http.StatusOK, "ready\n")
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // an error here is the client's going away
}

// An endpoint answers one question with JSON.
type endpoint func(ctx context.Context, p *params) ([]byte, error)

// find returns what answers the path behind Prefix, or nil.
func (s *server) find(path string) endpoint {
	switch path {
	case "/endpoints":
		return s.endpoints
	case "/traces":
		return s.traces
	case "/names":
		return s.names
	case "/status":
		return s.status
	}
	rest, ok := strings.CutPrefix(path, "/traces/")
	if !ok {
		return nil
	}
	id, what, ok := strings.Cut(rest, "/")
	if !ok {
		return nil
	}
	var of func(ctx context.Context, p *params, id span.TraceID) ([]byte, error)
	switch what {
	case "skeleton":
		of = s.skeleton
	case "stats":
		of = s.stats
	case "spans":
		of = s.spans
	default:
		return nil
	}
	return func(ctx context.Context, p *params) ([]byte, error) {
		traceID, err := span.ParseTraceID(id)
		if err != nil {
			return nil, badRequest("%v", err)
		}
		return of(ctx, p, traceID)
	}
}

func (s *server) serveAPI(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, Prefix)
	answer := s.find(path)
	if !ok || answer == nil {
		s.fail(w, r, &requestError{status: http.StatusNotFound, msg: "nothing answers at " + clip(r.URL.Path) + "; see docs/api.md"})
		return
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.fail(w, r, badRequest("the query string cannot be read: %v", err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.QueryTimeout)
	defer cancel()
	if path != "/status" { // which asks the store nothing, and is wanted most while it is busy
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			s.fail(w, r, ctx.Err())
			return
		}
	}
	body, err := answer(ctx, &params{values: values, now: s.Now()})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, r, http.StatusOK, body)
}

// fail answers with an error: the client's own, or 503 when time ran out, or 500.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is listening
	}
	var answer struct {
		Error struct {
			Message string `json:"message"`
			At      *int   `json:"at,omitempty"`
		} `json:"error"`
	}
	status := http.StatusInternalServerError
	answer.Error.Message = "the server could not answer; its log says why"
	if e, ok := errors.AsType[*requestError](err); ok {
		status, answer.Error.Message, answer.Error.At = e.status, e.msg, e.at
	} else {
		switch {
		case errors.Is(err, store.ErrNotFound):
			status, answer.Error.Message = http.StatusNotFound, "no span of this trace is stored: it may not have arrived yet, not have been sampled, or be past retention"
		case errors.Is(err, context.DeadlineExceeded):
			status = http.StatusServiceUnavailable
			answer.Error.Message = fmt.Sprintf("no answer within %v; ask for a shorter time range, or again later", s.QueryTimeout)
		case errors.Is(err, store.ErrClosed):
			status, answer.Error.Message = http.StatusServiceUnavailable, "the server is stopping"
		default:
			s.Logger.Error("query", "path", clip(r.URL.Path), "error", err)
		}
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	body, err := json.Marshal(answer)
	if err != nil {
		s.Logger.Error("encode an error", "error", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, r, status, body)
}

// gzipFrom is the size in bytes from which compressing is worth it: one packet.
const gzipFrom = 1400

// gzipLevel: a skeleton of 50,000 spans (2.36 MB) takes 10 ms and becomes 685 kB; the default level takes
// 22 ms and saves nothing more.
const gzipLevel = 2

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzipLevel) // the level is valid
	return w
}}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Add("Vary", "Accept-Encoding")
	if len(body) < gzipFrom || !acceptsGzip(r) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // an error here is the client's going away
		}
		return
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	z, _ := gzipWriters.Get().(*gzip.Writer)
	z.Reset(w)
	_, _ = z.Write(body)
	_ = z.Close()
	gzipWriters.Put(z)
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip or *, unless its weight is 0.
func acceptsGzip(r *http.Request) bool {
	star := false
	for _, line := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(part, ";")
			q, isWeight := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(weight), " ", ""), "q=")
			v, err := strconv.ParseFloat(q, 64)
			taken := !isWeight || err == nil && v > 0
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip":
				return taken
			case "*":
				star = taken
			}
		}
	}
	return star
}

// each calls f for 0 … n-1, a few at a time, until one fails.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0), 4) {
		wg.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// clip keeps what a client sent from filling a message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// number is a time in an answer: a decimal string, since JavaScript cannot hold it.
func number(ns int64) string { return strconv.FormatInt(ns, 10) }
