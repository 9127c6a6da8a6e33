package span_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	. "github.com/fuwu-project/fuwu/internal/span"
)

func TestParseTraceID(t *testing.T) {
	for _, c := range []struct {
		text string
		want TraceID
	}{
		{"0af7651916cd43dd8448eb211c80319c", TraceID{0x0af7651916cd43dd, 0x8448eb211c80319c}},
		{"0AF7651916CD43DD8448EB211C80319C", TraceID{0x0af7651916cd43dd, 0x8448eb211c80319c}},
		{"8448eb211c80319c", TraceID{0, 0x8448eb211c80319c}},
		{"1", TraceID{0, 1}},
		{"f8448eb211c80319c", TraceID{0xf, 0x8448eb211c80319c}},
		{strings.Repeat("f", 32), TraceID{math.MaxUint64, math.MaxUint64}},
	} {
		if got, err := ParseTraceID(c.text); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{"", "0", strings.Repeat("0", 32), strings.Repeat("1", 33), "g", "-1", "0x1", "1 ", "١", strings.Repeat("x", 1<<20)} {
		_, err := ParseTraceID(text)
		if !errors.Is(err, ErrBadID) || len(err.Error()) > 300 {
			t.Errorf("%.40q: %v", text, err)
		}
		if len(text) != 33 && len(text) != 32 {
			if _, err := ParseID(text); !errors.Is(err, ErrBadID) || len(err.Error()) > 300 {
				t.Errorf("span id %.40q: %v", text, err)
			}
		}
	}
	if _, err := ParseID(strings.Repeat("1", 17)); !errors.Is(err, ErrBadID) {
		t.Errorf("a span id of 17 digits: %v", err)
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := TraceID{rapid.Uint64().Draw(t, "hi"), rapid.Uint64Min(1).Draw(t, "lo")}
		if back, err := ParseTraceID(id.String()); err != nil || back != id || len(id.String()) != 32 {
			t.Fatalf("%v reads back as %v, %v", id, back, err)
		}
		p := id.Bytes()
		if back, ok := TraceIDFromBytes(p[:]); !ok || back != id {
			t.Fatalf("%v from bytes is %v", id, back)
		}
		if back, ok := TraceIDFromBytes(p[8:]); !ok || back != (TraceID{0, id.Lo}) {
			t.Fatalf("%v from 8 bytes is %v", id, back)
		}
		o := TraceID{rapid.SampledFrom([]uint64{id.Hi, 0, math.MaxUint64}).Draw(t, "hi2"), rapid.Uint64Min(1).Draw(t, "lo2")}
		if got, want := id.Compare(o), strings.Compare(id.String(), o.String()); got != want {
			t.Fatalf("%v against %v: %d, as text %d", id, o, got, want)
		}
		s := ID(id.Lo)
		if back, err := ParseID(s.String()); err != nil || back != s || len(s.String()) != 16 {
			t.Fatalf("%v reads back as %v, %v", s, back, err)
		}
		if b := s.Bytes(); string(b[:]) != string(p[8:]) {
			t.Fatalf("bytes of %v are %x", s, b)
		}
	})
	for _, p := range [][]byte{nil, {}, {1}, make([]byte, 8), make([]byte, 16), make([]byte, 17)} {
		if id, ok := TraceIDFromBytes(p); ok {
			t.Errorf("%x is the id %v", p, id)
		}
	}
	if !(TraceID{}).IsZero() || (TraceID{0, 1}).IsZero() || (TraceID{1, 0}).IsZero() {
		t.Error("IsZero")
	}
}

func TestKindAndStatus(t *testing.T) {
	for k := range Kind(6) {
		if back, ok := ParseKind(k.String()); !ok || back != k {
			t.Errorf("kind %d reads back as %d", k, back)
		}
	}
	for s := range Status(3) {
		if back, ok := ParseStatus(s.String()); !ok || back != s {
			t.Errorf("status %d reads back as %d", s, back)
		}
	}
	if Kind(9).String() != "kind(9)" || Status(9).String() != "status(9)" || ValueType(99).String() != "type(99)" {
		t.Error("unknown numbers have no name")
	}
	if _, ok := ParseKind("SERVER"); ok {
		t.Error("kinds are in lower case")
	}
	if _, ok := ParseStatus(""); ok {
		t.Error("no status is not a status")
	}
}

func TestValueString(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Value{}, ""},
		{StringValue("a\x00"), "a\x00"},
		{BoolValue(true), "true"},
		{BoolValue(false), "false"},
		{IntValue(math.MinInt64), "-9223372036854775808"},
		{DoubleValue(200), "200"},
		{DoubleValue(1e21), "1e+21"},
		{DoubleValue(math.Copysign(0, -1)), "-0"},
		{DoubleValue(math.NaN()), "NaN"},
		{DoubleValue(math.Inf(-1)), "-Inf"},
		{TextValue(Bytes, "\x00\xff"), "AP8="},
		{TextValue(List, `["a"]`), `["a"]`},
		{TextValue(Map, `{}`), `{}`},
	} {
		if got := c.v.String(); got != c.want {
			t.Errorf("%v %#v: %q, want %q", c.v.Type, c.v, got, c.want)
		}
	}
	if v := IntValue(-3); v.Int() != -3 || !BoolValue(true).Bool() || BoolValue(false).Bool() || DoubleValue(-.5).Double() != -.5 {
		t.Error("a number does not come back")
	}
	if a, b := DoubleValue(math.NaN()), DoubleValue(math.NaN()); a != b {
		t.Error("NaN is not itself")
	}
}

func TestSpanReads(t *testing.T) {
	s := Span{Start: 5, Duration: 7, Attrs: []Attribute{{"a", IntValue(1)}}}
	if s.End() != 12 || s.Attr("a") != IntValue(1) || s.Attr("b") != (Value{}) || s.Service() != UnknownService {
		t.Errorf("%+v", s)
	}
	for _, c := range []struct {
		v    Value
		want string
	}{{StringValue("web"), "web"}, {StringValue(""), UnknownService}, {IntValue(1), UnknownService}, {TextValue(Bytes, "web"), UnknownService}} {
		s.Resource.Attrs = []Attribute{{"service.name", c.v}}
		var b Batch
		b.Append(&s)
		if s.Service() != c.want || b.Service(0) != c.want {
			t.Errorf("service of %#v: %q, in a batch %q", c.v, s.Service(), b.Service(0))
		}
	}
}

func TestType(t *testing.T) {
	for _, c := range []struct {
		attrs string // key=value, numbers as ints
		want  string
	}{
		{"", "the name"},
		{"peer.service=x", "the name"},
		{"db.system.name=mysql", "mysql"},
		{"db.system=mariadb", "mysql"},
		{"db.system.name=memcached", "mc"},
		{"db.system=redis rpc.method=Get rpc.service=S", "redis"}, // a store comes first
		{"db.system=redis http.request.method=GET server.address=h", "redis"},
		{"db.system.name=beansdb", "beansdb"},
		{"db.system.name=postgresql db.system=old", "postgresql"},
		{"db.system= http.method=GET", "the name"}, // empty is absent
		{"rpc.service=shop.Cart rpc.method=Add", "shop.Cart.Add"},
		{"rpc.method=shop.Cart/Add", "shop.Cart.Add"},
		{"rpc.method=/shop.Cart/Add rpc.service=other", "shop.Cart.Add"},
		{"rpc.method=Add", "Add"},
		{"rpc.service=shop.Cart", "the name"},
		{"rpc.service=S rpc.method=M http.request.method=POST server.address=h", "S.M"},
		{"http.request.method=GET", "the name"}, // a server without a host
		{"http.request.method=GET server.address=h", "h GET"},
		{"http.request.method=GET server.address=h http.route=/a/{id}", "h /a/{id}"},
		{"http.request.method=GET server.address=h url.template=/a/{id}", "h /a/{id}"},
		{"http.request.method=GET server.address=h server.port=8080 http.route=/a", "h:8080 /a"},
		{"http.request.method=GET server.address=h server.port=80", "h GET"},
		{"http.request.method=GET server.address=h server.port=443", "h GET"},
		{"http.method=POST net.peer.name=h", "h POST"},
		{"http.method=POST http.host=h", "h POST"},
		{"http.method=POST net.host.name=h http.route=/a", "h /a"},
		{"server.address=h http.route=/a", "the name"}, // no method, no HTTP
		{"http.request.method=7 server.address=h", "the name"},
	} {
		s := Span{Name: "the name"}
		for kv := range strings.FieldsSeq(c.attrs) {
			k, v, _ := strings.Cut(kv, "=")
			value := StringValue(v)
			n := int64(0)
			for _, d := range v {
				n = n*10 + int64(d-'0')
			}
			if v != "" && strings.Trim(v, "0123456789") == "" {
				value = IntValue(n)
			}
			s.Attrs = append(s.Attrs, Attribute{k, value})
		}
		var b Batch
		b.Append(&Span{Attrs: []Attribute{{"db.system", StringValue("of another span")}}})
		b.Append(&s)
		if got := b.Type(1); got != c.want {
			t.Errorf("%s: %q, want %q", c.attrs, got, c.want)
		}
	}
}
