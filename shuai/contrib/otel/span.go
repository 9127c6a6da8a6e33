package shuaiotel

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
)

// span is a [trace.Span]: a *shuai.Span under another type, a single pointer, so that an interface holds it without an allocation.
//
// A [trace.Span] must have an unexported method, which only embedding embedded.Span gives; a field for it would make span
// two words. So the pointer is declared to point to one. It is never used as such: nobody can call the method.
type span struct{ *seal }

type seal struct{ embedded.Span }

var _ trace.Span = span{}

func view(s *shuai.Span) trace.Span { return span{(*seal)(unsafe.Pointer(s))} }

func (s span) core() *shuai.Span { return (*shuai.Span)(unsafe.Pointer(s.seal)) }

func init() {
	// OpenTelemetry keeps its key to itself, so it is asked for it.
	var key keyCatcher
	trace.SpanFromContext(&key)
	bridge.Installed.Store(&bridge.Bridge{
		Key:     key.caught,
		View:    func(s any) any { return view(s.(*shuai.Span)) }, //nolint:errcheck // it is one
		Span:    func(view any) any { return spanOf(view) },
		Baggage: func(ctx context.Context) string { return baggage.FromContext(ctx).String() },
	})
}

// keyCatcher is a context that remembers what it was asked for.
type keyCatcher struct {
	context.Context
	caught any
}

func (c *keyCatcher) Value(key any) any {
	c.caught = key
	return nil
}

// spanOf is the span that OpenTelemetry keeps in a context as Shuai has it: the same, or, if another SDK made it or a
// propagator other than ours found it in the headers of a call, one with its ids; or nil.
func spanOf(view any) *shuai.Span {
	switch v := view.(type) {
	case span:
		return v.core()
	case trace.Span:
		return foreign(v.SpanContext())
	}
	return nil
}

func foreign(sc trace.SpanContext) *shuai.Span {
	if !sc.IsValid() {
		return nil
	}
	t, s := sc.TraceID(), sc.SpanID()
	state := ""
	if ts := sc.TraceState(); ts.Len() > 0 {
		state = ts.String()
	}
	made, _ := bridge.NewSpan(binary.BigEndian.Uint64(t[:8]), binary.BigEndian.Uint64(t[8:]), binary.BigEndian.Uint64(s[:]),
		uint8(sc.TraceFlags()), state, sc.IsRemote()).(*shuai.Span)
	return made
}

// SpanContext implements [trace.Span], as do all that follow.
func (s span) SpanContext() trace.SpanContext {
	c := s.core()
	var cfg trace.SpanContextConfig
	id := c.TraceID()
	binary.BigEndian.PutUint64(cfg.TraceID[:8], id.Hi)
	binary.BigEndian.PutUint64(cfg.TraceID[8:], id.Lo)
	binary.BigEndian.PutUint64(cfg.SpanID[:], uint64(c.SpanID()))
	cfg.TraceFlags = trace.TraceFlags(c.Flags())
	cfg.Remote = c.Remote()
	if state := c.Tracestate(); state != "" {
		cfg.TraceState = parseState(state)
	}
	return trace.NewSpanContext(cfg)
}

// lastState is the tracestate that was last asked for: most traces have the same, which says how they were sampled.
var lastState atomic.Pointer[parsedState]

type parsedState struct {
	text  string
	state trace.TraceState
}

func parseState(text string) trace.TraceState {
	last := lastState.Load()
	if last == nil || last.text != text {
		state, _ := trace.ParseTraceState(text) // an error leaves it empty: what ours takes, theirs may not
		last = &parsedState{text, state}
		lastState.Store(last)
	}
	return last.state
}

func (s span) IsRecording() bool { return s.core().Recording() }

func (s span) TracerProvider() trace.TracerProvider { return providerOf(s.core().Tracer()) }

func (s span) SetName(name string) { s.core().SetName(name) }

func (s span) SetStatus(code codes.Code, description string) {
	switch code {
	case codes.Ok:
		s.core().SetStatus(shuai.StatusOK, "")
	case codes.Error:
		s.core().SetStatus(shuai.StatusError, description)
	case codes.Unset: // changes nothing
	}
}

func (s span) SetAttributes(kv ...attribute.KeyValue) {
	if c := s.core(); c.Recording() {
		setAttributes(c, kv)
	}
}

func (s span) AddEvent(name string, options ...trace.EventOption) {
	c := s.core()
	switch {
	case !c.Recording():
	case len(options) == 0:
		c.AddEvent(name)
	default:
		cfg := trace.NewEventConfig(options...)
		c.AddEventAt(cfg.Timestamp(), name, attrs(cfg.Attributes())...)
	}
}

func (s span) AddLink(l trace.Link) {
	addLink(s.core(), l)
}

// RecordError adds an event; the status is the caller's to set.
func (s span) RecordError(err error, options ...trace.EventOption) {
	c := s.core()
	if err == nil || !c.Recording() {
		return
	}
	cfg := trace.NewEventConfig(options...)
	c.AddEventAt(cfg.Timestamp(), "exception", exception(attrs(cfg.Attributes()), err, cfg.StackTrace())...)
}

// End ends the span. Where it is deferred and the function panics, it notes that and lets the panic go on.
func (s span) End(options ...trace.SpanEndOption) {
	c := s.core()
	var cfg trace.SpanConfig
	if len(options) > 0 {
		cfg = trace.NewSpanEndConfig(options...)
	}
	if c.Recording() {
		if p := recover(); p != nil {
			defer panic(p)
			c.AddEvent("exception", exception(nil, p, cfg.StackTrace())...)
		}
	}
	if end := cfg.Timestamp(); !end.IsZero() {
		c.EndAt(end)
		return
	}
	c.End()
}

// exception adds the attributes of an event for an error or what else a program panicked with.
func exception(list []shuai.Attr, v any, stack bool) []shuai.Attr {
	list = append(list, shuai.String("exception.type", fmt.Sprintf("%T", v)), shuai.String("exception.message", fmt.Sprint(v)))
	if stack {
		list = append(list, shuai.String("exception.stacktrace", string(debug.Stack())))
	}
	return list
}

func addLink(s *shuai.Span, l trace.Link) {
	if s.Recording() {
		s.AddLink(foreign(l.SpanContext), attrs(l.Attributes)...)
	}
}

// setAttributes goes by way of the stack.
func setAttributes(s *shuai.Span, kvs []attribute.KeyValue) {
	var some [8]shuai.Attr
	for len(kvs) > 0 {
		n := min(len(kvs), len(some))
		for i := range n {
			some[i] = attr(&kvs[i])
		}
		s.Set(some[:n]...)
		kvs = kvs[n:]
	}
}

func attrs(kvs []attribute.KeyValue) []shuai.Attr {
	if len(kvs) == 0 {
		return nil
	}
	attrs := make([]shuai.Attr, len(kvs))
	for i := range kvs {
		attrs[i] = attr(&kvs[i])
	}
	return attrs
}

// attr is the small part of what there is to know that most need: the rest is value's.
func attr(kv *attribute.KeyValue) shuai.Attr {
	switch kv.Value.Type() { //nolint:exhaustive // the others are value's
	case attribute.STRING:
		return shuai.String(string(kv.Key), kv.Value.AsString())
	case attribute.INT64:
		return shuai.Int(string(kv.Key), kv.Value.AsInt64())
	case attribute.BOOL:
		return shuai.Bool(string(kv.Key), kv.Value.AsBool())
	}
	return value(string(kv.Key), kv.Value)
}

func value(key string, v attribute.Value) shuai.Attr {
	switch v.Type() {
	case attribute.BOOL:
		return shuai.Bool(key, v.AsBool())
	case attribute.INT64:
		return shuai.Int(key, v.AsInt64())
	case attribute.FLOAT64:
		return shuai.Float(key, v.AsFloat64())
	case attribute.STRING:
		return shuai.String(key, v.AsString())
	case attribute.BOOLSLICE:
		return list(key, v.AsBoolSlice(), shuai.Bool)
	case attribute.INT64SLICE:
		return list(key, v.AsInt64Slice(), shuai.Int)
	case attribute.FLOAT64SLICE:
		return list(key, v.AsFloat64Slice(), shuai.Float)
	case attribute.STRINGSLICE:
		return shuai.Strings(key, v.AsStringSlice()...)
	case attribute.BYTESLICE:
		return shuai.Bytes(key, v.AsByteSlice())
	case attribute.SLICE:
		return list(key, v.AsSlice(), value)
	case attribute.MAP:
		return shuai.Map(key, attrs(v.AsMap())...)
	case attribute.EMPTY:
	}
	return shuai.Null(key)
}

func list[T any](key string, values []T, of func(string, T) shuai.Attr) shuai.Attr {
	items := make([]shuai.Attr, len(values))
	for i, v := range values {
		items[i] = of("", v)
	}
	return shuai.List(key, items...)
}
