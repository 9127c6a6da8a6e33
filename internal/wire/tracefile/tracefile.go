// Package tracefile reads and writes traces as people save and send them: JSON files of OTLP, Jaeger and Zipkin (v2).
// OTLP comes back as it was. The other two have microseconds, no difference between the attributes of a span and of
// its resource (Zipkin), and only text (Zipkin), so what cannot be said in them is put as OpenTelemetry's exporters
// put it.
//
// These are for single traces and a person who waits: what package wire does not read, which is Jaeger's, is read whole,
// and all is written without its care for speed.
package tracefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

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
		rep, err := wire.Decode(wire.ZipkinJSON, bytes.Clone(trimmed), lim, b)
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
