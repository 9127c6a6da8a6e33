package shuai

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
)

// Carrier is where the headers of a call are kept: those of HTTP, gRPC metadata, a Thrift header
// map, message headers. Names are given in lower case; a carrier of case-insensitive names ignores
// it. Get returns "" for a name that is absent, and joins several values by commas.
type Carrier interface {
	Get(key string) string
	Set(key, value string)
	Keys() []string
}

// MapCarrier is a Carrier with exact names.
type MapCarrier map[string]string

// Get implements [Carrier].
func (m MapCarrier) Get(key string) string { return m[key] }

// Set implements [Carrier].
func (m MapCarrier) Set(key, value string) { m[key] = value }

// Keys implements [Carrier].
func (m MapCarrier) Keys() []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// format is one way to write a trace, or what goes with it, into headers.
type format uint8

const (
	formatW3C format = iota
	formatBaggage
	formatB3
	formatB3Multi
)

var formatNames = []string{"tracecontext", "baggage", "b3", "b3multi"}

// formats are those that a tracer looks for in the calls that it gets, and those that it writes into the calls that are made.
type formats struct{ accept, send []format }

var defaultFormats = formats{
	accept: []format{formatW3C, formatBaggage, formatB3, formatB3Multi},
	send:   []format{formatW3C, formatBaggage},
}

// parseFormats reads names as OTEL_PROPAGATORS has them; those that it does not know are returned.
func parseFormats(names []string) (list []format, unknown []string) {
	list = []format{}
	for _, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		switch i := slices.Index(formatNames, name); {
		case i >= 0 && !slices.Contains(list, format(i)):
			list = append(list, format(i))
		case i < 0 && name != "" && name != "none":
			unknown = append(unknown, name)
		}
	}
	return list, unknown
}

// propagation is the choice of formats after environment and defaults; unknown are names in the environment, which are no error.
func (c Config) propagation(getenv func(string) string) (f formats, unknown []string, err error) {
	f = defaultFormats
	if s := getenv("OTEL_PROPAGATORS"); s != "" {
		f.accept, unknown = parseFormats(strings.Split(s, ","))
		f.send = f.accept
	}
	for _, choice := range []struct {
		field string
		names []string
		into  *[]format
	}{{"Accept", c.Accept, &f.accept}, {"Send", c.Send, &f.send}} {
		if choice.names == nil {
			continue
		}
		list, bad := parseFormats(choice.names)
		if bad != nil {
			return f, unknown, fmt.Errorf("%s: %q is none of %s and none", choice.field, bad[0], strings.Join(formatNames, ", "))
		}
		*choice.into = list
	}
	return f, unknown, nil
}

func (t *Tracer) formats() formats {
	if t == nil {
		return defaultFormats
	}
	return t.propagation
}

// Extract returns a context whose span is the caller's, in the formats that the default tracer accepts: see [Config.Accept].
// Headers that are not valid are as good as none, and without any it returns ctx. The header, or member of the baggage, shuai-debug
// with any value but 0 and false makes the trace a recorded one; a process whose Config accepts no format looks for nothing.
func Extract(ctx context.Context, c Carrier) context.Context { return Default().Extract(ctx, c) }

// Extract returns a context whose span is the caller's. See the function [Extract].
func (t *Tracer) Extract(ctx context.Context, c Carrier) context.Context {
	accept := t.formats().accept
	var carried baggage
	if slices.Contains(accept, formatBaggage) {
		if carried = parseBaggage(c.Get(headerBaggage)); carried != nil {
			ctx = context.WithValue(ctx, baggageKey{}, carried) // below the span, so that the context that comes back is the span
		}
	}
	for _, f := range accept {
		var s *Span
		switch f {
		case formatW3C:
			s = extractW3C(ctx, c)
		case formatB3:
			s = extractB3(ctx, c)
		case formatB3Multi:
			s = extractB3Multi(ctx, c)
		case formatBaggage:
		}
		if s != nil {
			if forced(c, carried) {
				s.meta = s.meta&^flagUndecided | flagSampled
			}
			return s
		}
	}
	if len(accept) > 0 && forced(c, carried) {
		return remote(ctx, TraceID{}, 0, flagDecided|flagSampled)
	}
	return ctx
}

// headerDebug, as a header or a member of the baggage, asks for the trace to be recorded, whatever the ratio.
const headerDebug = "shuai-debug"

func forced(c Carrier, carried baggage) bool {
	for _, v := range [...]string{c.Get(headerDebug), carried.value(headerDebug)} {
		switch v {
		case "", "0", "false":
		default:
			return true
		}
	}
	return false
}

// Inject writes the span in which ctx runs and its baggage to the headers of a call, in the formats that the span's tracer
// sends, or where there is none, the default tracer: see [Config.Send].
func Inject(ctx context.Context, c Carrier) {
	s := SpanFromContext(ctx)
	t := s.Tracer()
	if t == nil {
		t = Default()
	}
	t.inject(ctx, s, c)
}

// Inject writes the span in which ctx runs and its baggage to the headers of a call, in the formats that t sends.
func (t *Tracer) Inject(ctx context.Context, c Carrier) { t.inject(ctx, SpanFromContext(ctx), c) }

func (t *Tracer) inject(ctx context.Context, s *Span, c Carrier) {
	for _, f := range t.formats().send {
		switch {
		case f == formatBaggage:
			injectBaggage(ctx, c)
		case !s.valid():
		case f == formatW3C:
			injectW3C(s, c)
		case f == formatB3:
			injectB3(s, c)
		case f == formatB3Multi:
			injectB3Multi(s, c)
		}
	}
}

// Fields are the names of the headers that Inject may write.
func (t *Tracer) Fields() (names []string) {
	for _, f := range t.formats().send {
		switch f {
		case formatW3C:
			names = append(names, headerParent, headerState)
		case formatBaggage:
			names = append(names, headerBaggage)
		case formatB3:
			names = append(names, headerB3)
		case formatB3Multi:
			names = append(names, headerB3Trace, headerB3Span, headerB3Sampled)
		}
	}
	return names
}

// Remote returns a context whose span is one in another process, for callers whose ids do not come in the headers that [Extract]
// knows. The state is a W3C tracestate, or empty; a state that is not valid is ignored. Without ids it returns ctx.
func Remote(ctx context.Context, trace TraceID, span SpanID, flags Flags, state string) context.Context {
	if trace.IsZero() || span == 0 {
		return ctx
	}
	s := remote(ctx, trace, span, uint8(flags)&wireFlags)
	s.setState(state)
	return s
}

func remote(ctx context.Context, trace TraceID, span SpanID, flags uint8) *Span {
	if around, ok := ctx.(*Span); ok {
		ctx = around.base()
	}
	return &Span{ctx: ctx, trace: trace, id: uint64(span), meta: uint64(flags | flagRemote)}
}

// setState is for a remote span that nobody else knows yet.
func (s *Span) setState(header string) {
	if o, ok := parseOdds(header); ok && s.Sampled() { // a service's with this tracer
		s.meta |= uint64(o) << metaShift
		return
	}
	state := parseTracestate(header)
	if !s.Sampled() {
		state = withoutOdds(state)
	}
	if state != "" {
		s.rec = &record{more: &moreThanMostNeed{state: state}}
		s.meta |= flagState
	}
}

func init() {
	bridge.NewSpan = func(traceHi, traceLo, span uint64, flags uint8, state string, isRemote bool) any {
		s := remote(context.Background(), TraceID{traceHi, traceLo}, SpanID(span), flags&wireFlags)
		if !isRemote {
			s.meta &^= flagRemote
		}
		s.setState(state)
		return s
	}
	bridge.Distinct = func(tracer any) {
		if t, _ := tracer.(*Tracer); t != nil {
			t.distinct = true
		}
	}
	bridge.HideBaggage = func(ctx context.Context) context.Context {
		return context.WithValue(ctx, baggageKey{}, baggage(nil))
	}
}
