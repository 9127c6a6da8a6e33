package span

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// ValueType is the type of an attribute's value.
type ValueType uint8

// The value types of OTLP's AnyValue. Lists and maps are kept as JSON text, so that any tool can
// read them: integers are digits, doubles always have a point or an exponent, and what JSON cannot
// say stands in OTLP/JSON's own object form: {"bytesValue":"<base64>"}, {"doubleValue":"NaN"}. A map
// of one entry whose key is one of those names is written {"kvlistValue":{…}}, so the text is lossless.
const (
	Null ValueType = iota
	String
	Bool
	Int
	Double
	Bytes
	List
	Map
)

var valueTypeNames = [...]string{"null", "string", "bool", "int", "double", "bytes", "list", "map"}

// String is the type's name in lower case.
func (t ValueType) String() string {
	if int(t) < len(valueTypeNames) {
		return valueTypeNames[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// IsText says that a value of this type lives in the text arena: a string, bytes, or the JSON of a
// list or map.
func (t ValueType) IsText() bool { return t == String || t >= Bytes }

// Value is one attribute value. Str holds text types, Num the bits of the others. Values are
// comparable with ==; two NaNs of the same bits are equal.
type Value struct {
	Type ValueType
	Str  string
	Num  uint64
}

// StringValue makes a String.
func StringValue(s string) Value { return Value{Type: String, Str: s} }

// BoolValue makes a Bool.
func BoolValue(v bool) Value {
	if v {
		return Value{Type: Bool, Num: 1}
	}
	return Value{Type: Bool}
}

// IntValue makes an Int.
func IntValue(v int64) Value { return Value{Type: Int, Num: uint64(v)} }

// DoubleValue makes a Double.
func DoubleValue(v float64) Value { return Value{Type: Double, Num: math.Float64bits(v)} }

// TextValue makes a value of a text type: String, Bytes, or the JSON of a List or Map.
func TextValue(t ValueType, s string) Value { return Value{Type: t, Str: s} }

// Bool reads a Bool; of another type it is meaningless, as are Int and Double.
func (v Value) Bool() bool { return v.Num != 0 }

// Int reads an Int.
func (v Value) Int() int64 { return int64(v.Num) }

// Double reads a Double.
func (v Value) Double() float64 { return math.Float64frombits(v.Num) }

// String shows the value to a person: bytes as base64, numbers in their shortest form.
func (v Value) String() string {
	switch v.Type {
	case String, List, Map:
		return v.Str
	case Bytes:
		return base64.StdEncoding.EncodeToString([]byte(v.Str))
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Int:
		return strconv.FormatInt(v.Int(), 10)
	case Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case Null:
	}
	return ""
}

// Attribute is a key with its value.
type Attribute struct {
	Key   string
	Value Value
}

// Event is something that happened during a span, at Time (Unix ns).
type Event struct {
	Time    int64
	Name    string
	Attrs   []Attribute
	Dropped uint32 // attributes that the sender dropped
}

// Link points at a span of this or another trace.
type Link struct {
	TraceID    TraceID
	SpanID     ID
	TraceState string
	Attrs      []Attribute
	Dropped    uint32
	Flags      uint32
}

// Resource is who made the spans: a process, with its service.name.
type Resource struct {
	Attrs     []Attribute
	Dropped   uint32
	SchemaURL string
}

// Scope is the library that made the spans.
type Scope struct {
	Name, Version string
	Attrs         []Attribute
	Dropped       uint32
	SchemaURL     string
}

// Span is one span as a plain struct.
type Span struct {
	TraceID       TraceID
	SpanID        ID
	Parent        ID // 0: a root
	Name          string
	Kind          Kind
	Start         int64 // Unix ns, UTC
	Duration      int64 // ns, ≥ 0
	Status        Status
	StatusMessage string
	TraceState    string
	Flags         uint32
	Attrs         []Attribute
	Events        []Event
	Links         []Link
	DroppedAttrs  uint32
	DroppedEvents uint32
	DroppedLinks  uint32
	Resource      Resource
	Scope         Scope
}

// End is the span's end, Unix ns.
func (s *Span) End() int64 { return s.Start + s.Duration }

// Attr returns the value of key among the span's own attributes, or a Null.
func (s *Span) Attr(key string) Value { return find(s.Attrs, key) }

// Service is the resource's service.name, or "unknown_service" as OpenTelemetry has it.
func (s *Span) Service() string {
	if v := find(s.Resource.Attrs, "service.name"); v.Type == String && v.Str != "" {
		return v.Str
	}
	return UnknownService
}

// UnknownService is the name of a service whose resource has none.
const UnknownService = "unknown_service"

func find(attrs []Attribute, key string) Value {
	for i := range attrs {
		if attrs[i].Key == key {
			return attrs[i].Value
		}
	}
	return Value{}
}

func equalResource(a, b Resource) bool {
	return slices.Equal(a.Attrs, b.Attrs) && a.Dropped == b.Dropped && a.SchemaURL == b.SchemaURL
}

func equalScope(a, b Scope) bool {
	return a.Name == b.Name && a.Version == b.Version && slices.Equal(a.Attrs, b.Attrs) &&
		a.Dropped == b.Dropped && a.SchemaURL == b.SchemaURL
}
