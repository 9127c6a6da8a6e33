// Package api is the native HTTP API that the web UI and the command line use, and the server of the
// UI's files, of other systems' APIs (package jaeger) and of the server's own metrics. docs/api.md is its
// contract: routes, parameters, shapes and their meaning. It sees a store.Store and never an engine.
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
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fuwu-project/fuwu/internal/api/jaeger"
	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/views"
)

// Prefix is the path of the API; its version changes with the meaning of what is there.
const Prefix = nativeAPI + "/v1"

const nativeAPI = "/api/shuai"

// Config says what to serve. Only Store is needed.
type Config struct {
	Store    store.Store
	UI       fs.FS             // the UI's files with index.html at the top; nil: no UI
	Version  string            // shown by /status
	Ingest   func() Ingest     // the collector's counters for /status and /metrics; nil: none
	Views    *views.List       // what people gave a name; nil: nothing is kept
	Findings *findings.Watcher // what requests waste; nil: nobody looks
	Catalog  *catalog.Catalog  // the Redeye services that are known; nil: none
	Ready    func() error      // why the server should get no more requests, for /readyz; nil: the store decides
	Logger   *slog.Logger      // told of internal errors; nil: nobody is
	Now      func() time.Time

	MaxQueries   int           // questions to the store at a time, others wait; 0: 4 a core
	QueryTimeout time.Duration // time for one question, waiting included; 0: 30 s
	ReadWithin   time.Duration // time for reading the requests of a sample; what is not read by then is not looked at; 0: 3 s
}

// Ingest is what the collector has counted since the server started.
type Ingest struct {
	Received int64            // spans stored
	Rejected int64            // spans left out of requests that were taken
	Refused  map[string]int64 // requests, by reason

	Requests        int64    // that were taken
	Bytes           int64    // of their bodies, as they came off the wire
	Cut             int64    // attributes, events and links left out, and texts shortened
	Clamped         int64    // spans that ended before they started
	Replaced        int64    // texts that were not UTF-8
	InFlight        int64    // bytes of requests in memory now
	Connections     int64    // open now
	MetricsRequests int64    // requests of metrics that were taken
	Reasons         []string // all that Refused may have, so that metrics show those that never occurred as 0
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
	if cfg.ReadWithin <= 0 {
		cfg.ReadWithin = 3 * time.Second
	}
	return &server{
		Config: cfg, ui: newFiles(cfg.UI), slots: make(chan struct{}, cfg.MaxQueries),
		asked: newFigures(append(slices.Clone(nativeKinds), jaeger.Kinds...)), started: cfg.Now(), profiles: newProfiles(),
		looking: make(chan struct{}, 1),
	}
}

type server struct {
	Config
	ui      *files
	slots   chan struct{}
	asked   figures
	started time.Time

	profiles *profiles
	recent   recent
	looking  chan struct{} // held by whoever reads a file
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
	isNative := path == nativeAPI || strings.HasPrefix(path, nativeAPI+"/")
	isOthers := !isNative && (path == "/api" || strings.HasPrefix(path, "/api/"))
	if isNative && r.Method == http.MethodPost {
		s.postNative(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		if isOthers { // in the words of those whose API it is
			writeText(w, http.StatusMethodNotAllowed, "Method Not Allowed\n")
			return
		}
		fault{status: http.StatusMethodNotAllowed, msg: "this address takes GET and HEAD, not " + clip(r.Method)}.write(w, r, nativeErrors)
		return
	}
	switch {
	case isNative:
		s.serveNative(w, r)
	case isOthers:
		s.serveOthers(w, r)
	case path == "/metrics":
		h.Set("Cache-Control", "no-store")
		write(w, r, http.StatusOK, metricsType, s.metrics())
	case path == "/healthz":
		writeText(w, http.StatusOK, "ok\n")
	case path == "/readyz":
		s.ready(w, r)
	case strings.HasPrefix(path, shortLinks) && s.Views != nil:
		s.follow(w, r, strings.TrimPrefix(path, shortLinks))
	default:
		s.ui.serve(w, r)
	}
}

// readyWithin is how long the store may take to prove that it answers.
const readyWithin = 2 * time.Second

// ready answers 200 while requests are welcome and the store answers questions. It waits for no slot:
// a busy server is a ready one.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	if s.Ready != nil {
		if err := s.Ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	switch _, err := s.Store.Trace(ctx, span.TraceID{Hi: 1, Lo: 1}); {
	case err == nil, errors.Is(err, store.ErrNotFound):
		writeText(w, http.StatusOK, "ready\n")
	case r.Context().Err() != nil: // nobody is listening
	case errors.Is(err, context.DeadlineExceeded):
		writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("the store does not answer within %v\n", readyWithin))
	default:
		writeText(w, http.StatusServiceUnavailable, s.explain(r, err).msg+"\n")
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", textType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // an error here is the client's going away
}

// An endpoint answers one question with JSON.
type endpoint func(ctx context.Context, p *params) ([]byte, error)

// nativeKinds are the questions of the native API, as the metrics name them.
var nativeKinds = []string{
	"endpoints", "traces", "names", kindStatus, "skeleton", "stats", "spans", "paths", "find", "events", "percentile",
	"services", "endpoint", "heatmap", "why", "patterns", "compare", "map", "findings", "views", "redeye", "change", kindFile, "look",
}

// kindFile is a download.
const kindFile = "file"

// kindStatus asks the store nothing, and is wanted most while that is busy.
const kindStatus = "status"

// find returns the kind of the question at the path behind Prefix and what answers it, or nil.
func (s *server) find(path string) (kind string, _ endpoint) {
	switch path {
	case "/endpoints":
		return "endpoints", s.endpoints
	case "/traces":
		return "traces", s.traces
	case "/names":
		return "names", s.names
	case "/status":
		return kindStatus, s.status
	case "/services":
		return "services", s.services
	case "/endpoint":
		return "endpoint", s.endpoint
	case "/heatmap":
		return "heatmap", s.heatmap
	case "/why":
		return "why", s.remembered("why", s.why)
	case "/patterns":
		return "patterns", s.remembered("patterns", s.patterns)
	case "/compare":
		return "compare", s.compare
	case "/map":
		return "map", s.serviceMap
	case "/findings":
		return "findings", s.findings
	case "/views":
		return "views", s.listViews
	case "/redeye":
		return "redeye", s.interfaces
	case "/redeye/plan":
		return "redeye", s.interfacePlan
	}
	if id, ok := strings.CutPrefix(path, "/findings/"); ok {
		return "findings", func(ctx context.Context, p *params) ([]byte, error) { return s.finding(ctx, p, id) }
	}
	rest, ok := strings.CutPrefix(path, "/traces/")
	if !ok {
		return "", nil
	}
	slash := strings.LastIndexByte(rest, '/') // an id in base64 may have one, too
	if slash < 0 {
		return "", nil
	}
	id, what := rest[:slash], rest[slash+1:]
	var of func(ctx context.Context, p *params, id span.TraceID) ([]byte, error)
	switch what {
	case "skeleton":
		of = s.skeleton
	case "stats":
		of = s.stats
	case "spans":
		of = s.spans
	case "paths":
		of = s.paths
	case "find":
		of = s.findIn
	case "events":
		of = s.events
	case "percentile":
		of = s.percentile
	case kindFile:
		of = s.file
	default:
		return "", nil
	}
	return what, func(ctx context.Context, p *params) ([]byte, error) {
		traceID, err := parseTraceID(id)
		if err != nil {
			return nil, badRequest("%v", err)
		}
		return of(ctx, p, traceID)
	}
}

func (s *server) serveNative(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, Prefix)
	kind, answer := s.find(path)
	if !ok || answer == nil {
		fault{status: http.StatusNotFound, msg: "nothing answers at " + clip(r.URL.Path) + "; see docs/api.md"}.write(w, r, nativeErrors)
		return
	}
	s.ask(w, r, kind, nativeErrors, func(ctx context.Context) ([]byte, error) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, badRequest("the query string cannot be read: %v", err)
		}
		return answer(ctx, &params{values: values, now: s.Now()})
	})
}

// serveOthers serves the APIs of other systems. What none of them has is no page of the UI either.
func (s *server) serveOthers(w http.ResponseWriter, r *http.Request) {
	kind, answer := jaeger.Find(s.Store, s.Now(), r)
	if answer == nil {
		writeText(w, http.StatusNotFound, "404 page not found\n")
		return
	}
	s.ask(w, r, kind, jaegerErrors, answer)
}

// ask answers one question: bounded in time, one of a bounded number, and counted.
func (s *server) ask(w http.ResponseWriter, r *http.Request, kind string, form errorForm, answer func(context.Context) ([]byte, error)) {
	began := time.Now()
	body, err := s.answer(r.Context(), kind, answer)
	took := time.Since(began)
	switch {
	case err == nil:
		s.asked.add(kind, took, answered)
		w.Header().Set("Cache-Control", "no-store")
		if kind == kindFile {
			w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(r)+`"`)
		}
		write(w, r, http.StatusOK, jsonType, body)
	case r.Context().Err() != nil: // nobody is listening
		s.asked.add(kind, took, abandoned)
	default:
		f := s.explain(r, err)
		s.asked.add(kind, took, f.outcome)
		f.write(w, r, form)
	}
}

func (s *server) answer(ctx context.Context, kind string, answer func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.QueryTimeout)
	defer cancel()
	if kind != kindStatus {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return answer(ctx)
}

// fault is an error as the client is told it.
type fault struct {
	status  int
	msg     string
	at      *int // byte of the filter
	outcome outcome
}

// explain finds the words for an error: the client's own, or 503 when time ran out, or 500.
func (s *server) explain(r *http.Request, err error) fault {
	if e, ok := errors.AsType[*requestError](err); ok {
		return fault{e.status, e.msg, e.at, refused}
	}
	if e, ok := errors.AsType[*jaeger.Error](err); ok {
		return fault{e.Status, e.Msg, nil, refused}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fault{http.StatusNotFound, "no span of this trace is stored: it may not have arrived yet, not have been sampled, or be past retention", nil, refused}
	case errors.Is(err, context.DeadlineExceeded):
		return fault{http.StatusServiceUnavailable, fmt.Sprintf("no answer within %v; ask for a shorter time range, or again later", s.QueryTimeout), nil, timedOut}
	case errors.Is(err, store.ErrTooMany):
		return fault{http.StatusUnprocessableEntity, err.Error() + "; ask for a shorter time range, or for a part of them", nil, refused}
	case errors.Is(err, store.ErrClosed):
		return fault{http.StatusServiceUnavailable, "the server is stopping", nil, stopping}
	}
	s.Logger.Error("query", "path", clip(r.URL.Path), "error", err)
	return fault{http.StatusInternalServerError, "the server could not answer; its log says why", nil, broken}
}

// errorForm is how an API words an error.
type errorForm struct {
	mediaType string
	body      func(fault) []byte
}

var (
	nativeErrors = errorForm{jsonType, func(f fault) []byte {
		var answer struct {
			Error struct {
				Message string `json:"message"`
				At      *int   `json:"at,omitempty"`
			} `json:"error"`
		}
		answer.Error.Message, answer.Error.At = f.msg, f.at
		body, _ := json.Marshal(answer) // strings and numbers always marshal
		return body
	}}
	jaegerErrors = errorForm{textType, func(f fault) []byte { return jaeger.ErrorBody(f.status, f.msg) }}
)

func (f fault) write(w http.ResponseWriter, r *http.Request, form errorForm) {
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, r, f.status, form.mediaType, form.body(f))
}

const (
	jsonType = "application/json"
	textType = "text/plain; charset=utf-8"
)

// gzipFrom is the size in bytes from which compressing is worth it: what is shorter travels in one go, as it is, since TCP sends 10
// segments before it waits for an acknowledgement (RFC 6928). Both sides would only wait for it.
const gzipFrom = 10 * 1460

// gzipLevel: a skeleton of 50,000 spans (2.36 MB) takes 10 ms and becomes 685 kB; the default level takes
// 22 ms and saves nothing more.
const gzipLevel = 2

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzipLevel) // the level is valid
	return w
}}

func write(w http.ResponseWriter, r *http.Request, status int, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
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

// workers is how many processors one answer may use.
func workers() int { return min(runtime.GOMAXPROCS(0), 4) }

// each calls f for 0 … n-1, a few at a time, until one fails.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
			if err := f(ctx, int(i)); err != nil {
				cancel(err)
			}
		}
	}
	var others sync.WaitGroup
	for range min(n, workers()) - 1 {
		others.Go(work)
	}
	work() // here, too, since another goroutine may take its time to start
	others.Wait()
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
