// Package jaeger speaks version 1 of Jaeger's query API over HTTP, so that what was made for Jaeger can
// read what a [store.Store] holds: Grafana's Jaeger data source, older Jaeger UIs, people's scripts.
// docs/api.md says what is served, and what differs from Jaeger and why.
//
// The package turns an address into a question ([Find]) and the store's columns into Jaeger's JSON. It
// bounds the bytes and spans of one answer; how many questions run at a time, how long, and what their
// answers are sent as is its caller's to say.
package jaeger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// What one question may ask for. What an answer leaves out for these bounds it says.
const (
	maxTraces    = 1000     // whole traces
	maxSelected  = 1 << 16  // matching spans looked at to find as many traces
	maxBytes     = 64 << 20 // of an answer of several traces; one trace is sent whole
	maxNames     = 10_000   // services or operations
	maxTags      = 64       // conditions on tags
	maxParameter = 16 << 10 // bytes of one parameter
	prettyIndent = "    "   // of prettyPrint
	day          = 24 * time.Hour
	searchWindow = 2 * day // of a search that names no start
)

// The kinds of question, as the server's metrics name them.
const (
	Services          = "jaeger_services"
	ServiceOperations = "jaeger_service_operations"
	Operations        = "jaeger_operations"
	Search            = "jaeger_search"
	Trace             = "jaeger_trace"
	Dependencies      = "jaeger_dependencies"
)

// Kinds lists them.
var Kinds = []string{Services, ServiceOperations, Operations, Search, Trace, Dependencies}

// Error is an error that is the client's to mend, in Jaeger's words where a client may know these.
type Error struct {
	Status int // of HTTP
	Msg    string
}

func (e *Error) Error() string { return e.Msg }

func badRequest(msg string) error { return &Error{http.StatusBadRequest, msg} }

// problem is an element of the envelope's errors.
type problem struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

// envelope is what every answer comes in. Limit and offset are always 0. Warnings are not Jaeger's: its
// clients take an answer with errors for a failed one, and skip members that they do not know.
type envelope struct {
	Data     json.RawMessage `json:"data"`
	Total    int             `json:"total"`
	Limit    int             `json:"limit"`
	Offset   int             `json:"offset"`
	Errors   []problem       `json:"errors"`
	Warnings []string        `json:"warnings,omitempty"`
}

// ErrorBody is the body of an answer that is only an error. Jaeger sends it as text/plain.
func ErrorBody(status int, msg string) []byte {
	body, _ := json.Marshal(envelope{Errors: []problem{{Code: status, Msg: msg}}}) // strings and numbers always marshal
	return append(body, '\n')
}

// An Answer finds the body of the answer to one question, as JSON. Its error may be an [*Error].
type Answer func(ctx context.Context) ([]byte, error)

// server holds what a question needs beside its parameters.
type server struct {
	store store.Store
	now   time.Time
}

// Find returns the kind of the question that a request asks and what answers it; kind is empty if the
// request's address is none of this API's. A request for a trace that wants protobuf is none: it is
// Tempo's, whose API has the same address.
func Find(s store.Store, now time.Time, r *http.Request) (kind string, answer Answer) {
	q := server{s, now}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/") // a name may hold an escaped /
	if !ok {
		return "", nil
	}
	var find func(ctx context.Context, p *params) (envelope, error)
	switch path {
	case "services":
		kind, find = Services, q.services
	case "operations":
		kind, find = Operations, q.operations
	case "traces":
		kind, find = Search, q.search
	case "dependencies":
		kind, find = Dependencies, q.dependencies
	default:
		if id, ok := strings.CutPrefix(path, "traces/"); ok {
			if id == "" || strings.Contains(id, "/") || wantsProtobuf(r) {
				return "", nil
			}
			kind, find = Trace, func(ctx context.Context, p *params) (envelope, error) { return q.trace(ctx, p, id) }
			break
		}
		// Grafana joins the name to the address as it is, so a / in it may have come unescaped, too.
		service, ok := strings.CutPrefix(path, "services/")
		service, isOperations := strings.CutSuffix(service, "/operations")
		if !ok || !isOperations || service == "" {
			return "", nil
		}
		kind, find = ServiceOperations, func(ctx context.Context, _ *params) (envelope, error) {
			return q.serviceOperations(ctx, service)
		}
	}
	return kind, func(ctx context.Context) ([]byte, error) {
		p, err := parse(r.URL.RawQuery)
		if err != nil {
			return nil, err
		}
		e, err := find(ctx, p)
		if err != nil {
			return nil, err
		}
		return e.encode(p.pretty())
	}
}

// wantsProtobuf says that protobuf is what the client would like best.
func wantsProtobuf(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	mediaType, _, err := mime.ParseMediaType(first)
	return err == nil && mediaType == "application/protobuf"
}

// encode puts the envelope around the data without copying them through a marshaller.
func (e *envelope) encode(pretty bool) ([]byte, error) {
	data := e.Data
	e.Data = nil
	frame, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	const open = `{"data":null`
	body := make([]byte, 0, len(open)+len(data)+len(frame))
	body = append(body, open[:len(open)-len("null")]...)
	body = append(append(body, data...), frame[len(open):]...)
	if !pretty {
		return body, nil
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", prettyIndent); err != nil {
		return nil, err
	}
	return indented.Bytes(), nil
}

func (q server) services(ctx context.Context, _ *params) (envelope, error) {
	return q.names(ctx, store.NamesQuery{Of: store.Services})
}

func (q server) serviceOperations(ctx context.Context, escaped string) (envelope, error) {
	service, err := url.PathUnescape(escaped)
	if err != nil {
		return envelope{}, badRequest("unable to parse the service's name: " + err.Error())
	}
	return q.names(ctx, store.NamesQuery{Of: store.Operations, Service: service})
}

func (q server) names(ctx context.Context, of store.NamesQuery) (envelope, error) {
	of.Limit = maxNames + 1
	names, err := q.store.Names(ctx, of)
	if err != nil {
		return envelope{}, err
	}
	var e envelope
	if len(names) > maxNames {
		names = names[:maxNames]
		e.Warnings = []string{"there are more than the first " + strconv.Itoa(maxNames) + " names"}
	}
	e.Total = len(names)
	e.Data = appendStrings(nil, names)
	return e, nil
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = span.AppendJSONString(dst, s)
	}
	return append(dst, ']')
}

// trace answers with one trace. Where and when its spans lie is the store's to know, so start and end,
// with which clients narrow the search for it, must only be numbers.
func (q server) trace(ctx context.Context, p *params, escaped string) (envelope, error) {
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return envelope{}, badRequest("unable to parse param 'traceID': " + err.Error())
	}
	id, err := parseTraceID(text)
	if err != nil {
		return envelope{}, badRequest("unable to parse param 'traceID': " + err.Error())
	}
	p.integer("start", 0)
	p.integer("end", 0)
	raw := p.boolean("raw")
	if p.err != nil {
		return envelope{}, p.err
	}
	b, err := q.store.Trace(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return envelope{}, &Error{http.StatusNotFound, "trace not found"}
	}
	if err != nil {
		return envelope{}, err
	}
	return envelope{Data: append(appendTrace([]byte{'['}, b, id, raw), ']')}, nil
}
