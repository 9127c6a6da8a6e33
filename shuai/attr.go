package shuai

import (
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Attr is an attribute, made by [String], [Int], [Float], [Bool], [Strings], [Bytes], [List], [Map] or [Null].
//
// It is two words for the key and two for the value: text is its address and length; a number has
// the address of the byte in kinds that stands for its type; any other value is encoded at once, and marked in the length.
// So seven of them fit into a span of 384 bytes, which a plain struct makes 576; allocating those costs a recorded span a
// fifth more.
type Attr struct {
	key string
	ptr *byte
	num uint64 // length of the text, int64, IEEE 754 bits, or 0 and 1; or encodedBit and the length of an AnyValue
}

const encodedBit = 1 << 63

var kinds [3]byte

var kindInt, kindFloat, kindBool = &kinds[0], &kinds[1], &kinds[2]

// String makes a text attribute. A value of more than 16 KiB is cut.
func String(key, v string) Attr {
	if len(v) > maxText { // not by clip, so that this is inlined
		v = cut(v)
	}
	return Attr{key, unsafe.StringData(v), uint64(len(v))}
}

// Int makes an integer attribute.
func Int(key string, v int64) Attr { return Attr{key, kindInt, uint64(v)} }

// Float makes a floating-point attribute.
func Float(key string, v float64) Attr { return Attr{key, kindFloat, math.Float64bits(v)} }

// Bool makes a boolean attribute.
func Bool(key string, v bool) Attr {
	if v {
		return Attr{key, kindBool, 1}
	}
	return Attr{key, kindBool, 0}
}

// Null makes an attribute without a value.
func Null(key string) Attr { return encoded(key, nil) }

// Strings makes an attribute that is a list of texts.
func Strings(key string, v ...string) Attr {
	return composite(key, anyArray, len(v), func(i int) Attr { return String("", v[i]) })
}

// Bytes makes an attribute that is not text. A value of more than 16 KiB is cut.
func Bytes(key string, v []byte) Attr {
	v = v[:min(len(v), maxText)]
	return encoded(key, append(appendLen(nil, anyBytes, len(v)), v...))
}

// List makes an attribute that is a list of the values of items, whose keys do not matter. What is beyond 16 KiB is cut.
func List(key string, items ...Attr) Attr {
	return composite(key, anyArray, len(items), func(i int) Attr { return items[i] })
}

// Map makes an attribute that has attributes. Those beyond 16 KiB are cut.
func Map(key string, entries ...Attr) Attr {
	return composite(key, anyMap, len(entries), func(i int) Attr { return entries[i] })
}

func composite(key string, kind, n int, at func(int) Attr) Attr {
	b, start := open(nil, kind)
	for i := range n {
		a := at(i)
		if len(b)+len(a.key)+a.size() > maxText {
			break
		}
		if kind == anyMap {
			b = appendAttr(b, 1, &a)
		} else {
			b = appendValue(b, 1, &a)
		}
	}
	return encoded(key, closeMessage(b, start))
}

func encoded(key string, value []byte) Attr {
	return Attr{key, unsafe.SliceData(value), encodedBit | uint64(len(value))}
}

// isPointer reports that ptr is the value's address.
func (a *Attr) isPointer() bool {
	return uintptr(unsafe.Pointer(a.ptr))-uintptr(unsafe.Pointer(&kinds)) >= uintptr(len(kinds))
}

// text is the value if it is text, else "".
func (a *Attr) text() string {
	if !a.isPointer() || a.num&encodedBit != 0 {
		return ""
	}
	return unsafe.String(a.ptr, int(a.num))
}

// encoded is the value as the fields of an AnyValue, if it is neither text nor a number.
func (a *Attr) encoded() []byte { return unsafe.Slice(a.ptr, int(a.num&^encodedBit)) }

// size is the memory that the attribute refers to.
func (a *Attr) size() int {
	if a.isPointer() {
		return len(a.key) + int(a.num&^encodedBit)
	}
	return len(a.key)
}

// maxText bounds one attribute value, name or message; it leaves room for any SQL statement worth reading.
const maxText = 16 << 10

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return cut(s)
}

// cut cuts at a character's boundary and lets go of the long original.
//
//go:noinline
func cut(s string) string {
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
