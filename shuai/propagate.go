package shuai

import (
	"context"
	"strings"
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

const (
	headerParent = "traceparent"
	headerState  = "tracestate"
)

// Extract returns a context whose span is the caller's, from the headers traceparent and tracestate
// of W3C Trace Context (level 2). Without a valid traceparent it returns ctx.
func Extract(ctx context.Context, c Carrier) context.Context {
	p, ok := parseTraceparent(strings.Trim(c.Get(headerParent), " \t"))
	if !ok {
		return ctx
	}
	return Remote(ctx, p.trace, p.span, Flags(p.flags), c.Get(headerState))
}

// Remote returns a context whose span is one in another process, for callers whose ids do not come in the headers that [Extract]
// knows. The state is a W3C tracestate, or empty; a state that is not valid is ignored. Without ids it returns ctx.
func Remote(ctx context.Context, trace TraceID, span SpanID, flags Flags, state string) context.Context {
	if trace.IsZero() || span == 0 {
		return ctx
	}
	s := remote(ctx, trace, span, uint8(flags)&wireFlags)
	if state := parseTracestate(state); state != "" {
		s.rec = &record{more: &moreThanMostNeed{state: state}}
	}
	return s
}

func remote(ctx context.Context, trace TraceID, span SpanID, flags uint8) *Span {
	if around, ok := ctx.(*Span); ok {
		ctx = around.base()
	}
	s := &Span{ctx: ctx, trace: trace, flags: flags | flagRemote}
	s.id.Store(uint64(span))
	return s
}

// Inject writes the span in which ctx runs to the headers of a call. Without a span it writes nothing.
func Inject(ctx context.Context, c Carrier) {
	s := SpanFromContext(ctx)
	if !s.valid() {
		return
	}
	b := make([]byte, 0, traceparentLen)
	b = append(b, "00-"...)
	b = s.trace.appendHex(b)
	b = append(b, '-')
	b = appendHex64(b, uint64(s.SpanID()))
	b = append(b, '-', '0', '0'+s.flags&wireFlags)
	c.Set(headerParent, string(b))
	if state := s.state(); state != "" {
		c.Set(headerState, state)
	}
}

type traceparent struct {
	trace TraceID
	span  SpanID
	flags uint8
}

// 00-{32 hex}-{16 hex}-{2 hex}
const traceparentLen = 55

// parseTraceparent reads any version: of one that it does not know, the part that version 00
// has, as section 4.3 of the specification asks.
func parseTraceparent(s string) (p traceparent, ok bool) {
	if len(s) < traceparentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return p, false
	}
	version, ok0 := parseHex(s[:2])
	hi, ok1 := parseHex(s[3:19])
	lo, ok2 := parseHex(s[19:35])
	span, ok3 := parseHex(s[36:52])
	flags, ok4 := parseHex(s[53:55])
	switch {
	case !ok0, !ok1, !ok2, !ok3, !ok4, version == 0xff, hi|lo == 0, span == 0:
		return p, false
	case len(s) > traceparentLen && (version == 0 || s[traceparentLen] != '-'):
		return p, false
	}
	return traceparent{TraceID{hi, lo}, SpanID(span), uint8(flags) & wireFlags}, true
}

// parseHex reads lower-case digits only, as the specification has it.
func parseHex(s string) (v uint64, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}

const (
	maxStateMembers = 32
	maxStateBytes   = 512 // what the specification asks everyone to propagate
	longStateMember = 128 // members longer than this are the first to go
)

// parseTracestate returns the header as it is to be passed on: without white space and empty members,
// at most 32 members and 512 bytes; "" if it is not valid, as section 3.3 of the specification asks.
func parseTracestate(s string) string {
	if s == "" {
		return ""
	}
	var members []string
	size := -1
	for m := range strings.SplitSeq(s, ",") {
		m = strings.Trim(m, " \t")
		if m == "" {
			continue
		}
		if !validMember(m) {
			return ""
		}
		if len(members) < maxStateMembers {
			members = append(members, m)
			size += len(m) + 1
		}
	}
	for _, atLeast := range []int{longStateMember + 1, 0} {
		for i := len(members) - 1; i >= 0 && size > maxStateBytes; i-- {
			if len(members[i]) >= atLeast {
				size -= len(members[i]) + 1
				members = append(members[:i], members[i+1:]...)
			}
		}
	}
	return strings.Join(members, ",")
}

func validMember(m string) bool {
	key, value, ok := strings.Cut(m, "=")
	if !ok || key == "" || len(key) > 256 || value == "" || len(value) > 256 {
		return false
	}
	for i := range len(key) {
		c := key[i]
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || strings.IndexByte("_-*/@", c) < 0) {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return true // the value does not end in a space: the member was trimmed
}
