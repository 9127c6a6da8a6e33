package shuai

import (
	"context"
	"strings"
)

// The headers of B3, Zipkin's format (github.com/openzipkin/b3-propagation). A caller may send ids without a decision
// whether the trace is recorded, which then is ours, or a decision without ids.
const (
	headerB3        = "b3"
	headerB3Trace   = "x-b3-traceid"
	headerB3Span    = "x-b3-spanid"
	headerB3Sampled = "x-b3-sampled"
	headerB3Flags   = "x-b3-flags"
)

// extractB3 reads {trace}-{span}[-{decision}[-{parent}]], or {decision} alone. As everywhere but in B3 itself, the span of the server is a
// child of the caller's and not the same.
func extractB3(ctx context.Context, c Carrier) *Span {
	trace, rest, ids := strings.Cut(firstValue(c.Get(headerB3)), "-")
	if !ids {
		return remoteB3(ctx, "", "", trace)
	}
	span, rest, more := strings.Cut(rest, "-")
	decision, parent, parented := strings.Cut(rest, "-")
	if trace == "" || more && decision == "" || parented && !isHex(parent, 16) {
		return nil
	}
	return remoteB3(ctx, trace, span, decision)
}

func extractB3Multi(ctx context.Context, c Carrier) *Span {
	trace := firstValue(c.Get(headerB3Trace))
	span := ""
	if trace != "" {
		span = firstValue(c.Get(headerB3Span))
	}
	decision := firstValue(c.Get(headerB3Sampled))
	if firstValue(c.Get(headerB3Flags)) == "1" {
		decision = "d"
	}
	return remoteB3(ctx, trace, span, decision)
}

// remoteB3 returns nil if there is neither a span nor a decision, or one of the two is not valid.
func remoteB3(ctx context.Context, trace, span, decision string) *Span {
	var flags uint8
	switch decision {
	case "":
		flags = flagUndecided
	case "0", "false":
		flags = flagDecided
	case "1", "true", "d": // d is for debug: a trace that somebody asked for
		flags = flagDecided | flagSampled
	default:
		return nil
	}
	if trace == "" {
		if span != "" || flags&flagDecided == 0 {
			return nil
		}
		return remote(ctx, TraceID{}, 0, flags)
	}
	if !isHex(trace, 32) && !isHex(trace, 16) || !isHex(span, 16) {
		return nil
	}
	var id TraceID
	id.Hi, _ = parseHex(trace[:len(trace)-16])
	id.Lo, _ = parseHex(trace[len(trace)-16:])
	spanID, _ := parseHex(span)
	if id.IsZero() || spanID == 0 {
		return nil
	}
	return remote(ctx, id, SpanID(spanID), flags&^flagDecided)
}

func injectB3(s *Span, c Carrier) {
	b := make([]byte, 0, 32+1+16+2)
	b = s.trace.appendHex(b)
	b = append(b, '-')
	b = appendHex64(b, uint64(s.SpanID()))
	if s.flags()&flagUndecided == 0 {
		b = append(b, '-', '0'+s.flags()&flagSampled)
	}
	c.Set(headerB3, string(b))
}

func injectB3Multi(s *Span, c Carrier) {
	c.Set(headerB3Trace, s.trace.String())
	c.Set(headerB3Span, s.SpanID().String())
	if s.flags()&flagUndecided == 0 {
		c.Set(headerB3Sampled, string('0'+rune(s.flags()&flagSampled)))
	}
}

// firstValue is what counts of a header that was sent more than once.
func firstValue(s string) string {
	s, _, _ = strings.Cut(s, ",")
	return strings.Trim(s, " \t")
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	_, ok := parseHex(s)
	return ok
}
