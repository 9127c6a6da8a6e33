package shuai

import (
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Attr is an attribute, made by [String], [Int], [Float] or [Bool].
//
// It is two words for the key and two for the value: text is its address and length; a number has
// the address of the byte in kinds that stands for its type. So seven of them fit into a span of
// 384 bytes, which a plain struct makes 576; allocating those costs a recorded span a fifth more.
type Attr struct {
	key string
	ptr *byte
	num uint64 // length of the text, int64, IEEE 754 bits, or 0 and 1
}

var kinds [3]byte

var kindInt, kindFloat, kindBool = &kinds[0], &kinds[1], &kinds[2]

// String makes a text attribute. A value of more than 16 KiB is cut.
func String(key, v string) Attr {
	v = clip(v)
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

// isText reports that the value is text.
func (a *Attr) isText() bool { return a.ptr != kindInt && a.ptr != kindFloat && a.ptr != kindBool }

// text is the value if it is text, else "".
func (a *Attr) text() string {
	if !a.isText() {
		return ""
	}
	return unsafe.String(a.ptr, int(a.num))
}

// size is the memory that the attribute refers to.
func (a *Attr) size() int {
	if a.isText() {
		return len(a.key) + int(a.num)
	}
	return len(a.key)
}

// maxText bounds one attribute value, name or message; it leaves room for any SQL statement worth reading.
const maxText = 16 << 10

// clip cuts at a character's boundary and lets go of the long original.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
