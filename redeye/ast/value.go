package ast

import (
	"math"
	"time"
)

// Kind is the kind of a literal.
type Kind uint8

// The kinds of literals. The numbers are part of the hash and of the wire form; they never change.
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindBytes
	KindTime
	KindDuration
)

var kindNames = [...]string{"null", "bool", "int", "float", "string", "bytes", "time", "duration"}

// String returns the name of the type that literals of the kind have.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Value is a literal: a scalar. The zero Value is null. Two Values are equal by == if they are the same literal,
// which for floats means the same bits. (Lists and objects in a program are nodes; values given from outside
// are parameters and travel as columns.)
type Value struct {
	kind Kind
	bits uint64 // bool, int, float, time and duration in nanoseconds
	text string // string, bytes
}

// Null is the literal None.
func Null() Value { return Value{} }

// Bool is a literal truth value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, bits: 1}
	}
	return Value{kind: KindBool}
}

// Int is a literal whole number.
func Int(i int64) Value { return Value{kind: KindInt, bits: uint64(i)} }

// Float is a literal number. Text and JSON know finite ones only, so a program that holds another is refused
// wherever it is read.
func Float(f float64) Value { return Value{kind: KindFloat, bits: math.Float64bits(f)} }

// String is a literal text, in UTF-8.
func String(s string) Value { return Value{kind: KindString, text: s} }

// Bytes is a literal of bytes, given as a string of them.
func Bytes(b string) Value { return Value{kind: KindBytes, text: b} }

// Time is a literal point in time. It is kept as Unix nanoseconds, which reach from 1678 to 2262; a time outside
// of them becomes the nearest of them.
func Time(t time.Time) Value {
	switch {
	case t.Before(minTime):
		t = minTime
	case t.After(maxTime):
		t = maxTime
	}
	return Value{kind: KindTime, bits: uint64(t.UnixNano())}
}

var minTime, maxTime = time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)

// Duration is a literal span of time.
func Duration(d time.Duration) Value { return Value{kind: KindDuration, bits: uint64(d)} }

// Kind returns what the value is.
func (v Value) Kind() Kind { return v.kind }

// Bool returns the truth value; false if v is none.
func (v Value) Bool() bool { return v.kind == KindBool && v.bits == 1 }

// Int returns the whole number; of a time the Unix nanoseconds, of a duration the nanoseconds.
func (v Value) Int() int64 { return int64(v.bits) }

// Float returns the number of a float.
func (v Value) Float() float64 { return math.Float64frombits(v.bits) }

// Text returns a string's text or a literal of bytes' bytes.
func (v Value) Text() string { return v.text }

// Time returns the point in time, in UTC.
func (v Value) Time() time.Time { return time.Unix(0, v.Int()).UTC() }

// Duration returns the span of time.
func (v Value) Duration() time.Duration { return time.Duration(v.bits) }
