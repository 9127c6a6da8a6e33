package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/api/jaeger"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/wire/tracefile"
)

// crossOrigin refuses what another site's page sends.
var crossOrigin = http.NewCrossOriginProtection()

// postNative answers the questions that change something, or bring something along.
func (s *server) postNative(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, msg string) { fault{status: status, msg: msg}.write(w, r, nativeErrors) }
	if err := crossOrigin.Check(r); err != nil {
		refuse(http.StatusForbidden, "a page of another site may not do this")
		return
	}
	path, _ := strings.CutPrefix(r.URL.Path, Prefix)
	if rest, ok := strings.CutPrefix(path, "/findings/"); ok {
		id, what, _ := strings.Cut(rest, "/")
		if what == "mute" || what == "resolve" || what == "reopen" {
			s.ask(w, r, "change", nativeErrors, func(ctx context.Context) ([]byte, error) {
				return s.decide(ctx, id, what, http.MaxBytesReader(w, r.Body, maxDecision))
			})
			return
		}
	}
	if path == "/redeye/switch" {
		s.ask(w, r, "change", nativeErrors, func(ctx context.Context) ([]byte, error) {
			return s.switchInterface(ctx, http.MaxBytesReader(w, r.Body, maxDecision))
		})
		return
	}
	if id, isRemove := strings.CutSuffix(strings.TrimPrefix(path, "/views/"), "/remove"); path == "/views" || isRemove && strings.HasPrefix(path, "/views/") {
		s.ask(w, r, "change", nativeErrors, func(context.Context) ([]byte, error) {
			if isRemove {
				return s.removeView(id)
			}
			return s.addView(http.MaxBytesReader(w, r.Body, maxDecision))
		})
		return
	}
	if path == "/look" || strings.HasPrefix(path, "/look/") {
		what := strings.TrimPrefix(strings.TrimPrefix(path, "/look"), "/")
		// Only one file is read at a time: whoever sends it slowly must not keep the others waiting. What cannot set
		// a deadline is no connection, and has none.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.QueryTimeout))
		body := http.MaxBytesReader(w, r.Body, int64(lookLimits.MaxRequestBytes()))
		s.ask(w, r, "look", nativeErrors, func(ctx context.Context) ([]byte, error) { return s.lookAt(ctx, what, r.URL.RawQuery, body) })
		return
	}
	w.Header().Set("Allow", "GET, HEAD")
	refuse(http.StatusMethodNotAllowed, "this address takes GET and HEAD, not POST")
}

// file is a trace as a file, in one of the forms that people exchange.
func (s *server) file(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	form := tracefile.Form(p.oneOf("format", string(tracefile.OTLP), string(tracefile.Jaeger), string(tracefile.Zipkin)))
	if p.err != nil {
		return nil, p.err
	}
	b, err := s.Store.Trace(ctx, id)
	if err != nil {
		return nil, err
	}
	switch form {
	case tracefile.Jaeger:
		return jaeger.File(b, id), nil
	case tracefile.Zipkin:
		return tracefile.EncodeZipkin(b)
	case tracefile.OTLP:
	}
	return tracefile.EncodeOTLP(b), nil
}

// fileName is what a trace is called that is taken away: by its id and form.
func fileName(r *http.Request) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix+"/traces/"), "/file")
	trace, err := parseTraceID(id)
	if err != nil {
		return "trace.json"
	}
	name := "trace-" + trace.String()
	if form := r.URL.Query().Get("format"); form != "" && form != string(tracefile.OTLP) {
		name += "." + form // of a form that was answered, so one of those there are
	}
	return name + ".json"
}

// lookLimits bound a file that is looked at without being stored.
var lookLimits = wire.Limits{RequestBytes: 64 << 20, Spans: 1 << 20}

// opened is a store of what a file holds.
type opened struct {
	store.Store // nil: nothing else is asked of it
	traces      map[span.TraceID]*span.Batch
}

func (o opened) Trace(_ context.Context, id span.TraceID) (*span.Batch, error) {
	if b := o.traces[id]; b != nil {
		return b, nil
	}
	return nil, store.ErrNotFound
}

// openFile reads a file and sorts it by trace.
func openFile(r io.Reader) (tracefile.Form, opened, wire.Report, error) {
	body, err := io.ReadAll(r)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, wire.ErrTooLarge) {
		return "", opened{}, wire.Report{}, &requestError{
			status: http.StatusRequestEntityTooLarge, msg: fmt.Sprintf("the file is larger than %d MiB", lookLimits.MaxRequestBytes()>>20),
		}
	}
	if err != nil {
		return "", opened{}, wire.Report{}, badRequest("the file did not arrive whole: %v", err)
	}
	form, all, rep, err := tracefile.Decode(body, lookLimits)
	if err != nil {
		return "", opened{}, wire.Report{}, badRequest("the file cannot be read: %v", err)
	}
	o := opened{traces: map[span.TraceID]*span.Batch{}}
	for _, id := range all.TraceID {
		if o.traces[id] == nil {
			o.traces[id] = new(span.Batch)
		}
	}
	if len(o.traces) == 1 {
		o.traces[all.TraceID[0]] = all
		return form, o, rep, nil
	}
	for i := range all.Len() {
		s := all.Span(i)
		o.traces[s.TraceID].Append(&s)
	}
	return form, o, rep, nil
}

type openedRow struct {
	TraceID  string     `json:"traceId"`
	Start    string     `json:"start"`
	Duration int64      `json:"duration"`
	Spans    int        `json:"spans"`
	Errors   int        `json:"errors"`
	Root     *rootBrief `json:"root"`
}

// lookAt answers about a trace in a file as about one that is stored, and stores nothing.
func (s *server) lookAt(ctx context.Context, what, query string, file io.Reader) ([]byte, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, badRequest("the query string cannot be read: %v", err)
	}
	select { // one at a time: a large file takes several times its size in memory
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	form, o, rep, err := openFile(file)
	if err != nil {
		return nil, err
	}
	rows := []openedRow{}
	for id, b := range o.traces {
		t := summary(new(analyze.Summarizer).Summarize(b))
		rows = append(rows, openedRow{id.String(), t.Start, t.Duration, t.Spans, t.Errors, t.Root})
	}
	slices.SortFunc(rows, func(x, y openedRow) int {
		return cmp.Or(cmp.Compare(y.Spans, x.Spans), cmp.Compare(x.TraceID, y.TraceID))
	})
	if what == "" {
		return json.Marshal(struct {
			Form     tracefile.Form `json:"form"`
			Rejected int            `json:"rejected"`
			Reason   string         `json:"reason,omitempty"`
			Traces   []openedRow    `json:"traces"`
		}{form, rep.Rejected, rep.Reason, rows})
	}
	if len(rows) == 0 {
		return nil, badRequest("there is no span in the file")
	}
	id := rows[0].TraceID
	if v := values.Get("trace"); v != "" {
		id = v
	}
	inFile := &server{Config: s.Config, profiles: newProfiles()}
	inFile.Store, inFile.Findings = o, nil
	kind, answer := inFile.find("/traces/" + id + "/" + what)
	if answer == nil || kind == "percentile" {
		return nil, &requestError{status: http.StatusNotFound, msg: "nothing answers at /look/" + clip(what) + "; see docs/api.md"}
	}
	return answer(ctx, &params{values: values, now: s.Now()})
}
