package shuai

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// The encoder writes protobuf by hand: the messages of opentelemetry-proto (trace.proto,
// collector/trace/v1) that a tracer needs. A message inside another is written behind one byte for
// its length and moved when the length needs more, which for an attribute it hardly ever does.

// Protobuf wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// Bits of Span.flags beside those of W3C.
const (
	otlpRemoteKnown = 0x100
	otlpRemote      = 0x200
)

// open starts a message that is field field of the one around it; close ends it.
func open(b []byte, field int) (_ []byte, at int) {
	b = append(b, byte(field<<3|wireBytes), 0)
	return b, len(b)
}

func closeMessage(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	more := varintLen(uint64(n)) - 1
	b = append(b, make([]byte, more)...)
	copy(b[at+more:], b[at:at+n])
	binary.PutUvarint(b[at-1:], uint64(n))
	return b
}

func varintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// appendText writes a string field, unless it is empty, which a reader takes an absent one for.
func appendText(b []byte, field int, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(b, field, s)
}

// appendString writes a string field, empty or not. A collector may refuse a whole request for one
// string that is not UTF-8; the replacement is one byte, so that text never grows.
func appendString(b []byte, field int, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	return append(appendLen(b, field, len(s)), s...)
}

// appendLen begins a field of n bytes.
func appendLen(b []byte, field, n int) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3|wireBytes)), uint64(n))
}

func appendVarint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3|wireVarint)), v)
}

func appendFixed64(b []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, byte(field<<3|wireFixed64)), v)
}

func appendTraceID(b []byte, field int, id TraceID) []byte {
	b = append(b, byte(field<<3|wireBytes), 16)
	b = binary.BigEndian.AppendUint64(b, id.Hi)
	return binary.BigEndian.AppendUint64(b, id.Lo)
}

func appendSpanID(b []byte, field int, id SpanID) []byte {
	return binary.BigEndian.AppendUint64(append(b, byte(field<<3|wireBytes), 8), uint64(id))
}

// appendAttr writes a KeyValue.
func appendAttr(b []byte, field int, a *Attr) []byte {
	b, at := open(b, field)
	b = appendText(b, 1, a.key)
	return closeMessage(appendValue(b, 2, a), at)
}

// Fields of AnyValue, a oneof, so zeros are written too.
const (
	anyText  = 1
	anyBool  = 2
	anyInt   = 3
	anyFloat = 4
	anyArray = 5
	anyMap   = 6
	anyBytes = 7
)

// appendValue writes an AnyValue.
func appendValue(b []byte, field int, a *Attr) []byte {
	b, at := open(b, field)
	switch {
	case a.ptr == kindBool:
		b = appendVarint(b, anyBool, a.num)
	case a.ptr == kindInt:
		b = appendVarint(b, anyInt, a.num)
	case a.ptr == kindFloat:
		b = appendFixed64(b, anyFloat, a.num)
	case a.num&encodedBit != 0:
		b = append(b, a.encoded()...)
	default:
		b = appendString(b, anyText, a.text())
	}
	return closeMessage(b, at)
}

func appendAttrs(b []byte, field int, attrs []Attr) []byte {
	for i := range attrs {
		b = appendAttr(b, field, &attrs[i])
	}
	return b
}

// appendSpan writes an ended span as field 2 of ScopeSpans.
func appendSpan(b []byte, r *record) []byte {
	b, at := open(b, 2)
	b = appendTraceID(b, 1, r.trace)
	b = appendSpanID(b, 2, r.id)
	if r.flags&flagState != 0 {
		b = appendText(b, 3, r.more.state)
	} else if r.odds != 0 {
		var state int
		b, state = open(b, 3)
		b = closeMessage(r.odds.appendTo(b), state)
	}
	if r.parent != 0 {
		b = appendSpanID(b, 4, r.parent)
	}
	b = appendText(b, 5, r.name)
	b = appendVarint(b, 6, uint64(r.kind))
	b = appendFixed64(b, 7, uint64(r.start))
	b = appendFixed64(b, 8, uint64(r.start)+uint64(r.duration))
	b = appendAttrs(b, 9, r.first[:r.count])
	if r.more != nil {
		b = appendMore(b, r.more)
	}
	if r.status != StatusUnset {
		var status int
		b, status = open(b, 15)
		if r.more != nil {
			b = appendText(b, 2, r.more.message)
		}
		b = closeMessage(appendVarint(b, 3, uint64(r.status)), status)
	}
	return closeMessage(appendFlags(b, 16, r.flags, r.remote), at)
}

func appendFlags(b []byte, field int, flags uint8, remote bool) []byte {
	v := uint32(flags&wireFlags) | otlpRemoteKnown
	if remote {
		v |= otlpRemote
	}
	b = binary.AppendUvarint(b, uint64(field<<3|wireFixed32))
	return binary.LittleEndian.AppendUint32(b, v)
}

func appendMore(b []byte, m *moreThanMostNeed) []byte {
	count := func(b []byte, field int, n uint32) []byte {
		if n == 0 {
			return b
		}
		return appendVarint(b, field, uint64(n))
	}
	var at int
	b = appendAttrs(b, 9, m.attrs)
	b = count(b, 10, m.droppedAttrs)
	for i := range m.events {
		e := &m.events[i]
		b, at = open(b, 11)
		b = appendFixed64(b, 1, uint64(e.time))
		b = appendText(b, 2, e.name)
		b = closeMessage(appendAttrs(b, 3, e.attrs), at)
	}
	b = count(b, 12, m.droppedEvents)
	for i := range m.links {
		l := &m.links[i]
		b, at = open(b, 13)
		b = appendTraceID(b, 1, l.trace)
		b = appendSpanID(b, 2, l.span)
		b = appendText(b, 3, l.state)
		b = appendAttrs(b, 4, l.attrs)
		b = closeMessage(appendFlags(b, 6, l.flags, l.flags&flagRemote != 0), at)
	}
	return count(b, 14, m.droppedLinks)
}

// appendResource writes a Resource as field 1 of ResourceSpans.
func appendResource(b []byte, attrs []Attr) []byte {
	b, at := open(b, 1)
	return closeMessage(appendAttrs(b, 1, attrs), at)
}

// resourceOf is what a collector learns about the process. The attributes shuai.id.* tell it how to read the
// ids: "ipv4" and "ipv6-hash" are the layouts of [TraceID] and [SpanID], the latter with a hash
// (FNV-1a) of the address for want of an IPv4 one, and with -keyed behind it they are hidden by an [IDKey]; shuai.id.pid is the 15-bit
// number in the ids.
func resourceOf(s settings, id identity) []Attr {
	attrs := []Attr{
		String("service.name", s.service),
		String("telemetry.sdk.name", "shuai"),
		String("telemetry.sdk.language", "go"),
		String("telemetry.sdk.version", Version),
		Int("process.pid", int64(os.Getpid())),
		String("service.instance.id", instanceID()),
	}
	if host, err := os.Hostname(); err == nil {
		attrs = append(attrs, String("host.name", host))
	}
	if s.randomIDs {
		attrs = append(attrs, String("shuai.id.layout", "random"))
	} else {
		layout := id.layout
		if s.idKey != nil {
			layout += "-keyed"
		}
		attrs = append(attrs, String("shuai.id.layout", layout),
			String("shuai.id.ip", id.ip.String()), Int("shuai.id.pid", int64(id.pid)))
	}
	for _, k := range slices.Sorted(maps.Keys(s.resource)) {
		a := String(k, s.resource[k])
		if i := slices.IndexFunc(attrs, func(b Attr) bool { return b.key == k }); i >= 0 {
			attrs[i] = a
		} else {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

// instanceID tells the process from all others, as the number of a process, which a container's always is 1, does not.
var instanceID = sync.OnceValue(func() string {
	return string(TraceID{rand.Uint64(), rand.Uint64()}.appendHex(nil))
})

// ownScope is that of spans made by this package.
var ownScope = appendScope(nil, "github.com/fuwu-project/fuwu/shuai", Version, "", nil)

// appendScope writes the fields of a ScopeSpans but for the spans: field 1, an InstrumentationScope, and 3.
func appendScope(b []byte, name, version, schemaURL string, attrs []Attr) []byte {
	b, at := open(b, 1)
	b = appendText(b, 1, name)
	b = appendText(b, 2, version)
	return appendText(closeMessage(appendAttrs(b, 3, attrs), at), 3, schemaURL)
}

// An encoder builds an ExportTraceServiceRequest of one ResourceSpans, with a ScopeSpans for each tracer whose spans there are.
type encoder struct {
	resource []byte // encoded
	scopes   []scopeSpans
	last     int // the scope of the span before
	size     int // bytes in all scopes
	spans    int
}

// scopeSpans are the spans of one scope. What stands before them contains their length, so room for it is left and it is written last,
// right-aligned.
type scopeSpans struct {
	tracer *Tracer
	buf    []byte
}

// room is the most that can stand before the spans: two tags and lengths, resource and scope.
func (e *encoder) room(t *Tracer) int {
	return 2*(1+binary.MaxVarintLen64) + len(e.resource) + len(t.scope)
}

func (e *encoder) add(r *record) {
	if e.spans == 0 || e.scopes[e.last].tracer != r.tracer {
		e.enter(r.tracer)
	}
	into := &e.scopes[e.last]
	before := len(into.buf)
	into.buf = appendSpan(into.buf, r)
	e.size += len(into.buf) - before
	e.spans++
}

// enter makes t's scope the last one.
func (e *encoder) enter(t *Tracer) {
	i := slices.IndexFunc(e.scopes, func(s scopeSpans) bool { return s.tracer == t })
	if i < 0 {
		i = len(e.scopes)
		if i == 1 && len(e.scopes[0].buf) == 0 {
			i = 0 // of the request before
		} else {
			e.scopes = append(e.scopes, scopeSpans{})
		}
		e.scopes[i].tracer = t
	}
	if s := &e.scopes[i]; len(s.buf) == 0 {
		s.buf = append(s.buf, make([]byte, e.room(t))...)
	}
	e.last = i
}

// finish returns the request, in parts, which are valid until the next add.
func (e *encoder) finish() (request [][]byte, spans int) {
	total := 0 // bytes of all ScopeSpans with their tags and lengths
	for _, s := range e.scopes {
		n := len(s.tracer.scope) + len(s.buf) - e.room(s.tracer)
		total += 1 + varintLen(uint64(n)) + n
	}
	for i := range e.scopes {
		s := &e.scopes[i]
		room := e.room(s.tracer)
		head := make([]byte, 0, room)
		if i == 0 {
			head = appendLen(head, 1, len(e.resource)+total)
			head = append(head, e.resource...)
		}
		head = appendLen(head, 2, len(s.tracer.scope)+len(s.buf)-room)
		head = append(head, s.tracer.scope...)
		part := s.buf[room-len(head):]
		copy(part, head)
		request = append(request, part)
		s.buf = s.buf[:0]
	}
	spans = e.spans
	e.spans, e.size = 0, 0
	clear(e.scopes[min(1, len(e.scopes)):])
	e.scopes = e.scopes[:min(1, len(e.scopes))] // one buffer is kept
	return request, spans
}

var errTruncated = errors.New("truncated message")

// parseResponse reads an ExportTraceServiceResponse: how many spans the collector did not take, and why.
func parseResponse(b []byte) (rejected uint64, message string, err error) {
	err = eachField(b, func(field uint64, _ uint64, partial []byte) error {
		if field != 1 {
			return nil
		}
		return eachField(partial, func(field uint64, v uint64, text []byte) error {
			switch field {
			case 1:
				rejected = v
			case 2:
				message = string(text)
			}
			return nil
		})
	})
	return rejected, message, err
}

// eachField calls f with each field's number and its value, as a number or as bytes.
func eachField(b []byte, f func(field, number uint64, bytes []byte) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errTruncated
		}
		b = b[n:]
		var number uint64
		var bytes []byte
		switch tag & 7 {
		case wireVarint:
			if number, n = binary.Uvarint(b); n <= 0 {
				return errTruncated
			}
		case wireFixed64:
			n = 8
		case wireFixed32:
			n = 4
		case wireBytes:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > uint64(len(b)-m) {
				return errTruncated
			}
			bytes, n = b[m:m+int(size)], m+int(size)
		default:
			return errors.New("a group or an unknown wire type")
		}
		if n > len(b) {
			return errTruncated
		}
		b = b[n:]
		if err := f(tag>>3, number, bytes); err != nil {
			return err
		}
	}
	return nil
}
