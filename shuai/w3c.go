package shuai

import (
	"context"
	"strings"
)

const (
	headerParent = "traceparent"
	headerState  = "tracestate"
)

func extractW3C(ctx context.Context, c Carrier) *Span {
	p, ok := parseTraceparent(strings.Trim(c.Get(headerParent), " \t"))
	if !ok {
		return nil
	}
	s := remote(ctx, p.trace, p.span, p.flags)
	s.setState(c.Get(headerState))
	return s
}

func injectW3C(s *Span, c Carrier) {
	b := make([]byte, 0, traceparentLen)
	b = append(b, "00-"...)
	b = s.trace.appendHex(b)
	b = append(b, '-')
	b = appendHex64(b, uint64(s.SpanID()))
	b = append(b, '-', '0', '0'+s.flags()&wireFlags)
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

// parseHex reads lower-case digits only, as the specification has it. Eight at a time, without a branch: what digit it is cannot be predicted. They
// are digits if the number is written as they are.
func parseHex(s string) (v uint64, ok bool) {
	ok = true
	for ; len(s) >= 8; s = s[8:] {
		text := uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
			uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
		d := text&0x0f0f0f0f0f0f0f0f + text>>6&0x0101010101010101*9 // a digit a byte; letters have bit 6
		d = (d | d>>4) & 0x00ff00ff00ff00ff
		d = (d | d>>8) & 0x0000ffff0000ffff
		n := uint32(d | d>>16)
		ok = ok && hex32(n) == text
		v = v<<32 | uint64(n)
	}
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
	return v, ok
}

const (
	maxStateMembers = 32
	maxStateBytes   = 512 // what the specification asks everyone to propagate
	longStateMember = 128 // members longer than this are the first to go
)

// parseTracestate returns the header as it is to be passed on: without white space and empty members, at most 512
// bytes; "" if it is not valid or has more than 32 members, as section 3.3 of the specification and its test suite have it.
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
		if !validMember(m) || len(members) == maxStateMembers {
			return ""
		}
		members = append(members, m)
		size += len(m) + 1
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
