// Package pb reads and writes the protobuf wire format (protobuf.dev/programming-guides/encoding), field by field,
// so that Redeye's client needs no generated code and its server no object that a stranger's bytes can inflate.
package pb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Wire types.
const (
	typeVarint = 0
	typeFixed8 = 1 // 64 bits
	typeBytes  = 2
	typeFixed4 = 5 // 32 bits
)

// AppendUint appends a field of type uint32, uint64, bool or an enum. Like the other functions it leaves out the
// default, as proto3 does.
func AppendUint(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(appendTag(b, field, typeVarint), v)
}

// AppendUintElement appends a varint field even if it is zero: one of a oneof.
func AppendUintElement(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(appendTag(b, field, typeVarint), v)
}

// AppendDoubleElement appends a field of type double even if it is zero.
func AppendDoubleElement(b []byte, field int, v float64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, typeFixed8), math.Float64bits(v))
}

// AppendInt appends a field of type sint64.
func AppendInt(b []byte, field int, v int64) []byte { return AppendUint(b, field, Zigzag(v)) }

// AppendBool appends a field of type bool.
func AppendBool(b []byte, field int, v bool) []byte {
	if v {
		return AppendUint(b, field, 1)
	}
	return b
}

// AppendDouble appends a field of type double.
func AppendDouble(b []byte, field int, v float64) []byte {
	if bits := math.Float64bits(v); bits != 0 {
		return binary.LittleEndian.AppendUint64(appendTag(b, field, typeFixed8), bits)
	}
	return b
}

// AppendString appends a field of type string or bytes.
func AppendString[T ~string | ~[]byte](b []byte, field int, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return AppendElement(b, field, v)
}

// AppendElement appends one of a repeated field of strings or bytes; it may be empty.
func AppendElement[T ~string | ~[]byte](b []byte, field int, v T) []byte {
	return append(AppendHeader(b, field, len(v)), v...)
}

// AppendHeader appends what stands before the size bytes of a string, bytes, message or packed field.
func AppendHeader(b []byte, field, size int) []byte {
	return binary.AppendUvarint(appendTag(b, field, typeBytes), uint64(size))
}

// AppendMessage appends a message that body appends, even if that is nothing.
func AppendMessage(b []byte, field int, body func([]byte) []byte) []byte {
	b = appendTag(b, field, typeBytes)
	start := len(b)
	b = body(append(b, 0))
	size := len(b) - start - 1
	if size < 0x80 {
		b[start] = byte(size)
		return b
	}
	var head [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(head[:], uint64(size))
	b = append(b, head[:n-1]...) // room; what it says is overwritten
	copy(b[start+n:], b[start+1:start+1+size])
	copy(b[start:], head[:n])
	return b
}

func appendTag(b []byte, field, wireType int) []byte {
	return binary.AppendUvarint(b, uint64(field)<<3|uint64(wireType))
}

// Zigzag is the varint of a sint64.
func Zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

// Unzigzag undoes [Zigzag].
func Unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// Reader reads the fields of one message. What it returns points into the message. The first error stays and
// ends the reading:
//
//	for r.Next() {
//		switch r.Field {
//		case 1: x = r.Uint()
//		default: r.Skip()
//		}
//	}
//	return r.Err()
type Reader struct {
	Field int // the number of the field that Next found

	buf      []byte
	pos      int
	wireType int
	err      error
}

// NewReader returns a Reader of msg.
func NewReader(msg []byte) Reader { return Reader{buf: msg} }

// Next goes to the next field; false at the end and after an error. The value of the field must be read or skipped.
func (r *Reader) Next() bool {
	if r.err != nil || r.pos == len(r.buf) {
		return false
	}
	tag := r.varint()
	r.Field, r.wireType = int(tag>>3), int(tag&7)
	if r.err == nil && (tag>>3 == 0 || tag>>3 > 1<<29-1) {
		r.fail("field number %d", tag>>3)
	}
	return r.err == nil
}

// Err returns what was wrong, with the offset in the message.
func (r *Reader) Err() error { return r.err }

// Fail makes msg the Reader's error, at the current place, if it has none yet.
func (r *Reader) Fail(msg string) { r.fail("%s", msg) }

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d, field %d: %s", r.pos, r.Field, fmt.Sprintf(format, args...))
	}
}

func (r *Reader) varint() uint64 {
	v, n := binary.Uvarint(r.buf[r.pos:])
	if n <= 0 {
		r.fail("broken varint")
		return 0
	}
	r.pos += n
	return v
}

func (r *Reader) want(wireType int) bool {
	if r.err == nil && r.wireType != wireType {
		r.fail("wire type %d instead of %d", r.wireType, wireType)
	}
	return r.err == nil
}

// Uint reads a varint.
func (r *Reader) Uint() uint64 {
	if !r.want(typeVarint) {
		return 0
	}
	return r.varint()
}

// Int reads a sint64.
func (r *Reader) Int() int64 { return Unzigzag(r.Uint()) }

// Double reads a double.
func (r *Reader) Double() float64 {
	if !r.want(typeFixed8) {
		return 0
	}
	b := r.take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// Bytes reads bytes, a message or a packed field.
func (r *Reader) Bytes() []byte {
	if !r.want(typeBytes) {
		return nil
	}
	n := r.varint()
	if n > uint64(len(r.buf)-r.pos) {
		r.fail("%d bytes announced, %d left", n, len(r.buf)-r.pos)
		return nil
	}
	return r.take(int(n))
}

// Message returns a Reader of a field that is a message.
func (r *Reader) Message() Reader { return NewReader(r.Bytes()) }

// String reads a string, which must be UTF-8.
func (r *Reader) String() string {
	b := r.Bytes()
	if !utf8.Valid(b) {
		r.fail("not UTF-8")
		return ""
	}
	return string(b)
}

func (r *Reader) take(n int) []byte {
	if n > len(r.buf)-r.pos {
		r.fail("cut off")
		return nil
	}
	b := r.buf[r.pos : r.pos+n]
	r.pos += n
	return b
}

// Skip passes over a field that is not known here.
func (r *Reader) Skip() {
	switch r.wireType {
	case typeVarint:
		r.varint()
	case typeFixed8:
		r.take(8)
	case typeBytes:
		r.Bytes()
	case typeFixed4:
		r.take(4)
	default:
		r.fail("wire type %d", r.wireType)
	}
}

// ErrPacked says that a packed field does not end where a number does.
var ErrPacked = errors.New("broken packed field")

// AppendInts appends a packed repeated sint64.
func AppendInts[T ~int64](b []byte, field int, vs []T) []byte {
	if len(vs) == 0 {
		return b
	}
	return AppendMessage(b, field, func(b []byte) []byte {
		for _, v := range vs {
			b = binary.AppendUvarint(b, Zigzag(int64(v)))
		}
		return b
	})
}

// Ints reads a packed repeated sint64 of at most limit numbers, each of which is a byte or more.
func Ints(packed []byte, limit int) ([]int64, error) {
	n, err := countVarints(packed, limit)
	if err != nil {
		return nil, err
	}
	vs := make([]int64, 0, n)
	for len(packed) > 0 {
		v, size := binary.Uvarint(packed)
		if size <= 0 {
			return nil, ErrPacked
		}
		vs = append(vs, Unzigzag(v))
		packed = packed[size:]
	}
	return vs, nil
}

// Uints reads a packed repeated uint64 of at most limit numbers, none above the largest int64.
func Uints(packed []byte, limit int) ([]int64, error) {
	n, err := countVarints(packed, limit)
	if err != nil {
		return nil, err
	}
	vs := make([]int64, 0, n)
	for len(packed) > 0 {
		v, size := binary.Uvarint(packed)
		if size <= 0 || v > math.MaxInt64 {
			return nil, ErrPacked
		}
		vs = append(vs, int64(v))
		packed = packed[size:]
	}
	return vs, nil
}

func countVarints(packed []byte, limit int) (int, error) {
	n := 0
	for _, c := range packed {
		if c < 0x80 {
			n++
		}
	}
	if n > limit {
		return 0, fmt.Errorf("%d numbers where %d are allowed", n, limit)
	}
	return n, nil
}

// AppendDoubles appends a packed repeated double.
func AppendDoubles(b []byte, field int, vs []float64) []byte {
	if len(vs) == 0 {
		return b
	}
	b = AppendHeader(b, field, 8*len(vs))
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// Doubles reads a packed repeated double of at most limit numbers.
func Doubles(packed []byte, limit int) ([]float64, error) {
	if len(packed)%8 != 0 {
		return nil, ErrPacked
	}
	n := len(packed) / 8
	if n > limit {
		return nil, fmt.Errorf("%d numbers where %d are allowed", n, limit)
	}
	vs := make([]float64, n)
	for i := range vs {
		vs[i] = math.Float64frombits(binary.LittleEndian.Uint64(packed[8*i:]))
	}
	return vs, nil
}
