package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// This file reads Thrift's binary protocol (Apache Thrift, doc/specs/thrift-binary-protocol.md): a struct is fields until
// a stop byte, each its type, its number and its value, all big-endian. Only texts and lists say how much there is of
// them, so what nobody wants is walked through like the rest.

// The types of values, as they stand on the wire.
const (
	tStop   = 0
	tBool   = 2
	tByte   = 3
	tDouble = 4
	tI16    = 6
	tI32    = 8
	tI64    = 10
	tString = 11
	tStruct = 12
	tMap    = 13
	tSet    = 14
	tList   = 15
	tUUID   = 16
)

// thriftSizes are the fewest bytes that a value of each type takes; 0 is no type.
var thriftSizes = [...]int{
	tBool: 1, tByte: 1, tDouble: 8, tI16: 2, tI32: 4, tI64: 8, tString: 4, tStruct: 1, tMap: 6, tSet: 5, tList: 5, tUUID: 16,
}

// thriftDepth bounds the nesting of values that are stepped over.
const thriftDepth = 64

// thriftReader reads body from at on. The first error is sticky, and nothing is left to read after it: the next field is
// the stop, the next list is empty, and all else is zero. So a loop over fields ends by itself; one over the elements of
// a list looks at err.
type thriftReader struct {
	body []byte
	at   int
	err  error
}

// field reads the header of a struct's next field: its number shifted by 8, and its type. The stop is 0.
func (r *thriftReader) field() (tag uint32) {
	p := r.body[r.at:]
	switch {
	case len(p) >= 3 && p[0] != tStop:
		r.at += 3
		return uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[0])
	case len(p) == 0 || p[0] != tStop:
		r.truncated()
		return tStop
	}
	r.at++
	return tStop
}

// take steps over the next n bytes, at most those of an id, and returns them; if there are fewer left, zeros.
func (r *thriftReader) take(n int) []byte {
	from := r.at
	if len(r.body)-from < n {
		r.truncated()
		return zeros[:n]
	}
	r.at += n
	return r.body[from:r.at]
}

var zeros [16]byte

func (r *thriftReader) byte() byte { return r.take(1)[0] }
func (r *thriftReader) bool() bool { return r.byte() == 1 }
func (r *thriftReader) i16() int16 { return int16(binary.BigEndian.Uint16(r.take(2))) }
func (r *thriftReader) i32() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) }
func (r *thriftReader) i64() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) }

func (r *thriftReader) double() float64 { return math.Float64frombits(uint64(r.i64())) }

// binary reads bytes or a text, and says where they lie in the body, as [filler.text] wants it.
func (r *thriftReader) binary() (p []byte, off int) {
	n := r.count(1)
	off = r.at
	r.at += n
	return r.body[off:r.at], off
}

// list reads the header of a list or set and returns how many elements follow, which are of type elem.
func (r *thriftReader) list(elem byte) (n int) {
	at := r.at
	got, n := r.anyList()
	if n > 0 && got != elem {
		r.fail(at, "a list of type %d, want %d", got, elem)
		return 0
	}
	return n
}

// anyList is list for elements of whatever type.
func (r *thriftReader) anyList() (elem byte, n int) {
	elem = r.byte()
	return elem, r.count(thriftSize(elem))
}

// count reads a number of things that take at least size bytes each.
func (r *thriftReader) count(size int) int {
	at := r.at
	n := int(r.i32())
	switch left := len(r.body) - r.at; {
	case n == 0:
	case n < 0:
		r.fail(at, "a length of %d", n)
		return 0
	case size == 0:
		r.fail(at, "%d values of a type that Thrift does not have", n)
		return 0
	case n > left/size:
		r.fail(at, "a length of %d where %d bytes are left", n, left)
		return 0
	}
	return n
}

func thriftSize(typ byte) int {
	if int(typ) >= len(thriftSizes) {
		return 0
	}
	return thriftSizes[typ]
}

// skip steps over the value of a field that nobody wants.
func (r *thriftReader) skip(tag uint32) { r.skipValue(byte(tag), thriftDepth) }

func (r *thriftReader) skipValue(typ byte, depth int) {
	size := thriftSize(typ)
	switch {
	case size == 0:
		r.fail(r.at, "a value of type %d, which Thrift does not have", typ)
	case typ < tString || typ == tUUID:
		r.take(size)
	case typ == tString:
		r.binary()
	case depth == 0:
		r.fail(r.at, "values nested deeper than %d", thriftDepth)
	case typ == tStruct:
		for tag := r.field(); tag != tStop; tag = r.field() {
			r.skipValue(byte(tag), depth-1)
		}
	case typ == tMap:
		key, value := r.byte(), r.byte()
		for n := r.count(thriftSize(key) + thriftSize(value)); n > 0 && r.err == nil; n-- {
			r.skipValue(key, depth-1)
			r.skipValue(value, depth-1)
		}
	default:
		for elem, n := r.anyList(); n > 0 && r.err == nil; n-- {
			r.skipValue(elem, depth-1)
		}
	}
}

// seek goes to a place that was noted, unless after an error.
func (r *thriftReader) seek(at int) {
	if r.err == nil {
		r.at = at
	}
}

// end refuses what stands behind the value that a body is.
func (r *thriftReader) end() {
	if r.at < len(r.body) {
		r.fail(r.at, "bytes after the end of the request")
	}
}

func (r *thriftReader) truncated() { r.fail(len(r.body), "the body ends within a value") }

func (r *thriftReader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{at, fmt.Sprintf(format, args...)}
	}
	r.at = len(r.body)
}
