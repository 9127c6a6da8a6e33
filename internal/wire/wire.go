// Package wire turns the bodies of trace requests into [span.Batch]es and back. It does no I/O.
//
// Decoding goes from bytes to columns in one pass, without objects in between: the body becomes the
// batch's text, and the columns point into it. A reused batch is filled without allocation.
//
// # What is kept, what is refused
//
// A body that is not well-formed is refused whole, with an [*Error] that names the byte. A
// well-formed span that is not valid is left out by itself and counted in [Report.Rejected]: its trace
// id must be 16 bytes, its span id 8, neither all zeros, and its parent id empty or 8 bytes (zeros mean
// none). Zipkin's trace ids may be of 8 bytes too, and its hex may leave leading zeros out.
// Everything else is kept, with these rules:
//
//   - Equal keys among the attributes of one owner, or within one map: the last value wins, at the
//     place of the first.
//   - Text that is not UTF-8 gets U+FFFD for each bad byte and is counted in [Report.Replaced].
//   - A kind or status that OTLP does not know is unspecified or unset.
//   - An end before the start makes a duration of 0, counted in [Report.Clamped].
//   - A link whose ids have a wrong length is dropped and counted like one over a limit; empty or
//     zero ids are allowed there, as OpenTelemetry allows them.
//   - What exceeds [Limits] is cut, and counted in [Report.Cut] and in the owner's dropped count.
//   - Fields unknown to us are skipped, except protobuf's groups, which no format here has: those are refused.
//
// Jaeger's spans become such ones by these rules, which package tracefile follows for its JSON:
//
//   - The process's tags are the resource's attributes, and its serviceName service.name, if it has one.
//   - The tag span.kind is the kind, and the tags in which OpenTelemetry's exporters put status, scope and tracestate are
//     those. The status that otel.status_code says counts; without it, a tag error that is true makes it an error, as does an HTTP
//     status of 400 or more for a client, of 500 or more for a server.
//   - The parent is parentSpanId, or else the first CHILD_OF of the same trace. Other references are links with the
//     attribute opentracing.ref_type; one without ids is dropped like a link above.
//   - A log is an event. Its field event is the name, or else its field message.
//   - Flags are sampled (1), which debug (2) implies. A negative duration is 0, counted in [Report.Clamped].
//
// Zipkin's spans of version 2 become such ones by the rules in zipkin.go; its spans of version 1 become spans of
// version 2 first, by those in zipkin_v1.go. "debug" and "shared" are not kept. JSON of one version where the other is
// expected is refused, and the error says which it is.
package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Format is the encoding of a body. The numbers stand in the store's log on disk and are never
// renumbered.
type Format byte

// The formats. Gzip is a bit on top of another format.
const (
	OTLPProto    Format = 1 // opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest
	OTLPJSON     Format = 2 // the same as OTLP/JSON
	ZipkinJSON   Format = 3 // a list of Zipkin's spans of version 2, or a list of such lists, which are traces
	ZipkinProto  Format = 4 // zipkin.proto3.ListOfSpans
	ZipkinV1JSON Format = 5 // as ZipkinJSON, of spans of version 1
	ZipkinThrift Format = 6 // list<zipkincore.Span> in Thrift's binary protocol, which are of version 1
	JaegerThrift Format = 7 // jaeger.thrift's Batch in Thrift's binary protocol
	Gzip         Format = 0x80
)

// maxBody is the largest body that is decoded at all, so that every offset into a batch's text fits
// into 32 bits: the text of nested values is at most six times as long as what it was made from.
const maxBody = 512 << 20

// Limits bound what a request may hold. A zero field means its default.
type Limits struct {
	RequestBytes int // of the body after decompression; default 64 MiB, at most 512 MiB; beyond: refused
	Spans        int // of a request; default 131,072; spans beyond are rejected
	Elements     int // attributes, events and links of a request in all; default 4,194,304, and one in 8 bytes; beyond: dropped
	Attributes   int // of one span, event, link, resource or scope; default 1,024; beyond: dropped
	Events       int // of one span; default 1,024; beyond: dropped
	Links        int // of one span; default 1,024; beyond: dropped
	KeyBytes     int // of an attribute's key; default 1,024; an attribute with a longer one is dropped
	ValueBytes   int // of a value, a name or another text; default 64 KiB; longer ones are shortened
	Depth        int // of lists and maps within an attribute; default 32, at most 60; deeper values become null
}

const (
	// An element that says something takes elementBytes of a body, and one in a batch five times that. Some anyElements of them may
	// be smaller, so that only a body that is made of empty ones is cut.
	elementBytes = 8
	anyElements  = 64 << 10

	maxDepth = 60 // package span reads JSON of twice that depth
	noLimit  = 1 << 31
)

// withDefaults returns the limits with defaults in place of zeros.
func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.RequestBytes, 64<<20)
	def(&l.Spans, 128<<10)
	def(&l.Elements, 4<<20)
	def(&l.Attributes, 1024)
	def(&l.Events, 1024)
	def(&l.Links, 1024)
	def(&l.KeyBytes, 1024)
	def(&l.ValueBytes, 64<<10)
	def(&l.Depth, 32)
	l.RequestBytes = min(l.RequestBytes, maxBody)
	l.Depth = min(l.Depth, maxDepth)
	return l
}

// MaxRequestBytes is RequestBytes, or what its zero stands for.
func (l Limits) MaxRequestBytes() int { return l.withDefaults().RequestBytes }

// Report says what a decoder did to the spans of a request that it did not refuse.
type Report struct {
	Rejected int    // spans left out
	Reason   string // why the first of them was; for the sender
	Clamped  int    // spans whose end was before their start
	Cut      int    // attributes, events and links left out, and texts shortened
	Replaced int    // texts that were not UTF-8

	// Limited says that a limit shaped the batch, so that replaying the body would make another one.
	Limited bool
}

// Error is a body that cannot be read.
type Error struct {
	Offset int // byte in the uncompressed body at which it went wrong
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Msg) }

// ErrTooLarge reports a body over [Limits.RequestBytes].
var ErrTooLarge = errors.New("the request is too large")

// Decode adds the spans of an uncompressed body to b, which must be empty. The body becomes the batch's
// text: it must not change while the batch is in use, and nobody else may use its spare capacity. The
// error is an *Error or ErrTooLarge; the batch is then of no use until it is reset. Batch.Wire is
// left alone.
func Decode(f Format, body []byte, lim Limits, b *span.Batch) (Report, error) {
	lim = lim.withDefaults()
	lim.Elements = min(lim.Elements, anyElements+len(body)/elementBytes)
	return decode(f, body, lim, b)
}

// Replay decodes a body from the store's log, compressed or not: the format is [Format]'s number. It
// applies the rules of validity and no limits, so it makes the batch that Decode made unless
// [Report.Limited] was set.
func Replay(format byte, body []byte, b *span.Batch) error {
	f := Format(format)
	if f&Gzip != 0 {
		raw, err := Gunzip(nil, body, maxBody)
		if err != nil {
			return err
		}
		f, body = f&^Gzip, raw
	} else {
		body = slices.Clip(body) // the log's buffer may go on behind it
	}
	_, err := decode(f, body, Limits{
		RequestBytes: maxBody, Spans: noLimit, Elements: noLimit, Attributes: noLimit, Events: noLimit,
		Links: noLimit, KeyBytes: noLimit, ValueBytes: noLimit, Depth: maxDepth,
	}, b)
	return err
}

func decode(f Format, body []byte, lim Limits, b *span.Batch) (Report, error) {
	if len(body) > lim.RequestBytes {
		return Report{}, fmt.Errorf("%w: %d bytes; the limit is %d", ErrTooLarge, len(body), lim.RequestBytes)
	}
	switch f {
	case OTLPProto:
		return decodeProto(body, lim, b)
	case OTLPJSON:
		return decodeJSON(body, lim, b)
	case ZipkinJSON:
		return decodeZipkinJSON(body, lim, b, (*zipkinJSON).span)
	case ZipkinProto:
		return decodeZipkinProto(body, lim, b)
	case ZipkinV1JSON:
		return decodeZipkinJSON(body, lim, b, (*zipkinJSON).spanV1)
	case ZipkinThrift:
		return decodeZipkinThrift(body, lim, b)
	case JaegerThrift:
		return decodeJaegerThrift(body, lim, b)
	default:
		return Report{}, &Error{0, fmt.Sprintf("unknown format %#x", byte(f))}
	}
}
