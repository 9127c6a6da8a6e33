package wire

import (
	"math"

	"github.com/fuwu-project/fuwu/internal/span"
)

// What Jaeger and Zipkin say in other ways than OpenTelemetry. Package tracefile reads the same from files.

// TagField is the field of a span that a tag of type string stands for: OpenTelemetry's exporters put what the other format has
// no field for into tags.
type TagField byte

// The fields.
const (
	NoField    TagField = iota
	StatusCode          // see [Outcome.Name]
	StatusMessage
	ScopeName
	ScopeVersion
	TraceState
)

// FieldOf tells the field by the tag's key.
func FieldOf(key []byte) TagField {
	switch string(key) {
	case "otel.status_code":
		return StatusCode
	case "otel.status_description":
		return StatusMessage
	case "otel.scope.name", "otel.library.name":
		return ScopeName
	case "otel.scope.version", "otel.library.version":
		return ScopeVersion
	case "w3c.tracestate":
		return TraceState
	}
	return NoField
}

// IsHTTPStatus says that a tag of that key is the status of HTTP, as it is called today or was before.
func IsHTTPStatus(key []byte) bool {
	return string(key) == "http.status_code" || string(key) == "http.response.status_code"
}

// Outcome is what the tags of a span say about how it went.
type Outcome struct {
	Named  bool        // there is a status code,
	Code   span.Status // which is this one
	Failed bool        // the tag error is true
	HTTP   int64       // the status of HTTP, 0 if there is none
}

// Name takes the text of [StatusCode], and says whether it is a status.
func (o *Outcome) Name(text []byte) bool {
	switch string(text) {
	case "OK":
		o.Code = span.StatusOK
	case "ERROR":
		o.Code = span.StatusError
	case "UNSET":
		o.Code = span.StatusUnset
	default:
		return false
	}
	o.Named = true
	return true
}

// HTTPFrom takes a status of HTTP that is a text.
func (o *Outcome) HTTPFrom(text []byte) { o.HTTP = httpStatus(text) }

// Status is that of a span of that kind: the one that was named, or else whether something failed.
func (o *Outcome) Status(kind span.Kind) span.Status {
	if !o.Named && (o.Failed || httpFailed(kind, o.HTTP)) {
		return span.StatusError
	}
	return o.Code
}

// httpStatus is the status that a text is, or 0.
func httpStatus(text []byte) int64 {
	if code, ok := digits(text); ok && len(text) == 3 {
		return int64(code)
	}
	return 0
}

// httpFailed says whether a status of HTTP is an error (OpenTelemetry's conventions for HTTP spans): one of the client's is
// none of the server's.
func httpFailed(kind span.Kind, code int64) bool {
	return code < 600 && (kind == span.KindServer && code >= 500 || kind == span.KindClient && code >= 400)
}

// TakeParent takes a CHILD_OF reference to the span id, of the same trace, as the parent of the span own, and says whether it
// did. The parent may be named twice; and a server's half of a call that has the id of the client's, as Zipkin has it,
// refers to that.
func TakeParent(parent *span.ID, own, id span.ID) bool {
	if *parent == 0 && id != own {
		*parent = id
	}
	return id == own || id == *parent
}

// JaegerFlags are a span's flags from Jaeger's: 1 is sampled, and 2, debug, implies it.
func JaegerFlags(flags uint32) uint32 {
	if flags&3 != 0 {
		return span.FlagSampled
	}
	return 0
}

// Micros is a time of µs in ns, held within an int64.
func Micros(us int64) int64 { return min(max(us, 0), math.MaxInt64/1000) * 1000 }

// The attribute of a link that says which kind of reference of OpenTracing's it was.
const (
	RefType     = "opentracing.ref_type"
	ChildOf     = "child_of"
	FollowsFrom = "follows_from"
)
