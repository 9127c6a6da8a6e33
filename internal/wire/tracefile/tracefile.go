// Package tracefile reads and writes traces as people save and send them: JSON files of OTLP, Jaeger and Zipkin (v2).
// OTLP comes back as it was. The other two have microseconds, no difference between the attributes of a span and of
// its resource (Zipkin), and only text (Zipkin), so what cannot be said in them is put as OpenTelemetry's exporters
// put it.
//
// These are for single traces and a person who waits: they are read whole, and not with package wire's care for
// speed.
package tracefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// Form is what a file is written in.
type Form string

// The forms.
const (
	OTLP   Form = "otlp"
	Jaeger Form = "jaeger"
	Zipkin Form = "zipkin"
)

// ErrForm says that a file is none that is known.
var ErrForm = errors.New(`this is no file of OTLP ({"resourceSpans": …}), Jaeger ({"data": …}) or Zipkin ([{"traceId": …}])`)

// Decode reads a file of any form, of one trace or several. Spans without valid ids are left out and counted in the
// report. An error says where in the file it went wrong, if that is known.
func Decode(body []byte, lim wire.Limits) (Form, *span.Batch, wire.Report, error) {
	b := new(span.Batch)
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	if len(trimmed) == 0 {
		return "", nil, wire.Report{}, ErrForm
	}
	if len(body) > lim.MaxRequestBytes() {
		return "", nil, wire.Report{}, wire.ErrTooLarge
	}
	if trimmed[0] == '[' {
		rep, err := decodeZipkin(trimmed, b)
		return Zipkin, b, rep, err
	}
	var top struct {
		ResourceSpans json.RawMessage
		Result        struct{ ResourceSpans json.RawMessage } // Jaeger's version 3
		Data          json.RawMessage
		Spans         json.RawMessage
		Processes     json.RawMessage
	}
	if err := json.Unmarshal(trimmed, &top); err != nil {
		return "", nil, wire.Report{}, jsonError(err)
	}
	switch {
	case top.Result.ResourceSpans != nil:
		body = append(append([]byte(`{"resourceSpans":`), top.Result.ResourceSpans...), '}')
		rep, err := wire.Decode(wire.OTLPJSON, body, lim, b)
		return OTLP, b, rep, err
	case top.ResourceSpans != nil:
		rep, err := wire.Decode(wire.OTLPJSON, bytes.Clone(trimmed), lim, b)
		return OTLP, b, rep, err
	case top.Data != nil:
		rep, err := decodeJaeger(top.Data, b)
		return Jaeger, b, rep, err
	case top.Spans != nil && top.Processes != nil:
		rep, err := decodeJaeger(append(append([]byte("["), trimmed...), ']'), b)
		return Jaeger, b, rep, err
	}
	return "", nil, wire.Report{}, ErrForm
}

// jsonError says where.
func jsonError(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &wire.Error{Offset: int(e.Offset), Msg: e.Error()}
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &wire.Error{Offset: int(e.Offset), Msg: fmt.Sprintf("%s is a %s here", e.Field, e.Value)}
	}
	return err
}

// ids reads the ids of a span; ok is false when it has none.
func ids(s *span.Span, trace, id, parent string) (ok bool) {
	var err1, err2 error
	s.TraceID, err1 = span.ParseTraceID(trace)
	s.SpanID, err2 = span.ParseID(id)
	if parent != "" {
		s.Parent, _ = span.ParseID(parent) // of zeros: a root
	}
	return err1 == nil && err2 == nil
}

// reject counts a span that is left out.
func reject(rep *wire.Report, what string, i int) {
	if rep.Rejected++; rep.Reason == "" {
		rep.Reason = fmt.Sprintf("%s %d has no valid ids", what, i)
	}
}

// micros is a time of µs in ns, held within what a time can be.
func micros(us int64) int64 {
	return min(max(us, 0), math.MaxInt64/2000) * 1000
}

// statusFrom takes a status apart that OpenTelemetry's exporters put into tags. It says whether the tag was one.
func statusFrom(s *span.Span, key, value string) bool {
	switch key {
	case "otel.status_code":
		switch value {
		case "OK":
			s.Status = span.StatusOK
		case "ERROR":
			s.Status = span.StatusError
		}
	case "otel.status_description":
		s.StatusMessage = value
	case "otel.scope.name", "otel.library.name":
		s.Scope.Name = value
	case "otel.scope.version", "otel.library.version":
		s.Scope.Version = value
	case "w3c.tracestate":
		s.TraceState = value
	default:
		return false
	}
	return true
}
