// Package span is the vocabulary that every part of the server shares: ids, the columnar [Batch]
// in which spans travel from the socket to the disk and back, and the span type under which a call
// is counted. Its model is OpenTelemetry's (opentelemetry-proto, trace.proto): whatever the model
// can say is kept, whatever it cannot say is an attribute.
//
// There are two forms of a span. A [Batch] holds many spans by column and is what codecs fill,
// engines store and analysis reads. A [Span] is one span as a plain struct, for tests, for the
// brute-force models and for showing one span to a person; [Batch.Append] and [Batch.Span]
// convert without loss.
package span

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// TraceID is the 128-bit id of a trace, as in W3C Trace Context: Hi holds the first eight bytes,
// big-endian. The zero id is invalid. Ids made by Shuai sort by the time of their birth.
type TraceID struct{ Hi, Lo uint64 }

// ID is the 64-bit id of a span, big-endian on the wire. The zero id is invalid; as a parent it
// means "no parent".
type ID uint64

// ErrBadID reports a string that is not an id.
var ErrBadID = errors.New("not an id")

// TraceIDFromBytes reads a 16-byte id, or an 8-byte one into the low half; ok is false for any
// other length and for an id of zeros.
func TraceIDFromBytes(p []byte) (id TraceID, ok bool) {
	switch len(p) {
	case 16:
		id = TraceID{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])}
	case 8:
		id = TraceID{0, binary.BigEndian.Uint64(p)}
	}
	return id, !id.IsZero()
}

// ParseTraceID reads 1 to 32 hex digits of either case; missing leading digits are zeros.
func ParseTraceID(s string) (TraceID, error) {
	if len(s) == 0 || len(s) > 32 {
		return TraceID{}, fmt.Errorf("%w: %.40q: a trace id has 1 to 32 hex digits", ErrBadID, s)
	}
	var id TraceID
	for i := range len(s) {
		d, ok := hexDigit(s[i])
		if !ok {
			return TraceID{}, fmt.Errorf("%w: %.40q: %q is not a hex digit", ErrBadID, s, s[i])
		}
		id.Hi = id.Hi<<4 | id.Lo>>60
		id.Lo = id.Lo<<4 | uint64(d)
	}
	if id.IsZero() {
		return TraceID{}, fmt.Errorf("%w: a trace id is not all zeros", ErrBadID)
	}
	return id, nil
}

// ParseID reads 1 to 16 hex digits of either case; missing leading digits are zeros.
func ParseID(s string) (ID, error) {
	if len(s) == 0 || len(s) > 16 {
		return 0, fmt.Errorf("%w: %.40q: a span id has 1 to 16 hex digits", ErrBadID, s)
	}
	var id ID
	for i := range len(s) {
		d, ok := hexDigit(s[i])
		if !ok {
			return 0, fmt.Errorf("%w: %.40q: %q is not a hex digit", ErrBadID, s, s[i])
		}
		id = id<<4 | ID(d)
	}
	if id == 0 {
		return 0, fmt.Errorf("%w: a span id is not all zeros", ErrBadID)
	}
	return id, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// IsZero reports the invalid id.
func (id TraceID) IsZero() bool { return id.Hi|id.Lo == 0 }

// Bytes is the id as it stands on the wire.
func (id TraceID) Bytes() (p [16]byte) {
	binary.BigEndian.PutUint64(p[:], id.Hi)
	binary.BigEndian.PutUint64(p[8:], id.Lo)
	return p
}

// String is 32 lower-case hex digits.
func (id TraceID) String() string {
	p := id.Bytes()
	return hex.EncodeToString(p[:])
}

// Compare orders ids as their hex digits sort: -1, 0 or +1.
func (id TraceID) Compare(o TraceID) int {
	switch {
	case id == o:
		return 0
	case id.Hi < o.Hi || id.Hi == o.Hi && id.Lo < o.Lo:
		return -1
	}
	return 1
}

// Bytes is the id as it stands on the wire.
func (id ID) Bytes() (p [8]byte) {
	binary.BigEndian.PutUint64(p[:], uint64(id))
	return p
}

// String is 16 lower-case hex digits.
func (id ID) String() string {
	p := id.Bytes()
	return hex.EncodeToString(p[:])
}

// Kind says which side of a call a span is; the numbers are OTLP's.
type Kind uint8

// The kinds of OTLP.
const (
	KindUnspecified Kind = iota
	KindInternal
	KindServer
	KindClient
	KindProducer
	KindConsumer
)

var kindNames = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}

// String is the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Status is a span's outcome; the numbers are OTLP's.
type Status uint8

// The status codes of OTLP.
const (
	StatusUnset Status = iota
	StatusOK
	StatusError
)

var statusNames = [...]string{"unset", "ok", "error"}

// String is the status' name in lower case.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// ParseKind is the inverse of [Kind.String].
func ParseKind(s string) (Kind, bool) {
	for i, n := range kindNames {
		if n == s {
			return Kind(i), true
		}
	}
	return 0, false
}

// ParseStatus is the inverse of [Status.String].
func ParseStatus(s string) (Status, bool) {
	for i, n := range statusNames {
		if n == s {
			return Status(i), true
		}
	}
	return 0, false
}

// Bits of a span's flags as OTLP has them: the low byte is the W3C trace flags.
const (
	FlagSampled        = 1 << 0
	FlagRandom         = 1 << 1 // at least the right-most 7 bytes of the trace id are random (Trace Context level 2)
	FlagRemoteKnown    = 1 << 8 // FlagParentIsRemote says something
	FlagParentIsRemote = 1 << 9
)
