package span

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestJSONMap(t *testing.T) {
	for _, tt := range []struct {
		attrs []Attribute
		want  string
	}{
		{nil, `{}`},
		{[]Attribute{{"a", IntValue(1)}, {"b", DoubleValue(1)}}, `{"a":1,"b":1.0}`},
		{[]Attribute{{"min", IntValue(math.MinInt64)}, {"-0", DoubleValue(math.Copysign(0, -1))}}, `{"min":-9223372036854775808,"-0":-0.0}`},
		{[]Attribute{{"inf", DoubleValue(math.Inf(-1))}, {"big", DoubleValue(1e300)}}, `{"inf":{"doubleValue":"-Infinity"},"big":1e+300}`},
		{[]Attribute{{"raw", TextValue(Bytes, "\x00\xff")}, {"none", Value{}}}, `{"raw":{"bytesValue":"AP8="},"none":null}`},
		{[]Attribute{{"bytesValue", StringValue("AP8=")}}, `{"kvlistValue":{"bytesValue":"AP8="}}`},
		{[]Attribute{{"kvlistValue", TextValue(Map, `{"a":1}`)}}, `{"kvlistValue":{"kvlistValue":{"a":1}}}`},
		{[]Attribute{{"list", TextValue(List, `[1,{"bytesValue":""}]`)}, {"q\"\n\x01<é", StringValue("\u2028")}}, `{"list":[1,{"bytesValue":""}],"q\"\n\u0001<é":"` + "\u2028" + `"}`},
	} {
		text := string(AppendJSONMap(nil, tt.attrs))
		if text != tt.want {
			t.Errorf("AppendJSONMap(%v) = %s, want %s", tt.attrs, text, tt.want)
		}
		back, err := ParseJSONMap(text)
		if err != nil || !cmp.Equal(back, tt.attrs) {
			t.Errorf("ParseJSONMap(%s) = %v, %v", text, back, err)
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	deep := make([]byte, 1<<20)
	for i := range deep {
		deep[i] = '['
	}
	for _, text := range []string{"", "{", "[", `{"a"}`, `{"a":}`, `{"a":1,}`, `{} {}`, `{"a":01x}`, `{"a":"\q"}`, `{"a":"`, `{"bytesValue":"AA=="}`, `nul`, `{"a":99999999999999999999}`, string(deep)} {
		if _, err := ParseJSONMap(text); err == nil {
			t.Errorf("ParseJSONMap(%.40q) accepted", text)
		}
		if _, err := ParseJSONList(text); err == nil {
			t.Errorf("ParseJSONList(%.40q) accepted", text)
		}
	}
}

// Maps that are wrapped in each other take no longer than others. (A parser that reads each twice does not come to an end.)
func TestParseJSONNested(t *testing.T) {
	text := strings.Repeat(`{"kvlistValue":`, maxJSONDepth) + "1" + strings.Repeat("}", maxJSONDepth)
	attrs, err := ParseJSONMap(text)
	inner := strings.TrimSuffix(strings.TrimPrefix(text, `{"kvlistValue":{"kvlistValue":`), "}}")
	if err != nil || !cmp.Equal(attrs, []Attribute{{kvlistKey, TextValue(Map, inner)}}) {
		t.Errorf("%v, %v", attrs, err)
	}
}

// Whatever is appended reads back equal: types, order, and keys that look like escapes.
func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attrs := drawAttributes(t, 3)
		back, err := ParseJSONMap(string(AppendJSONMap(nil, attrs)))
		if err != nil || !cmp.Equal(back, attrs) {
			t.Fatalf("%s\n%v\n%s", AppendJSONMap(nil, attrs), err, cmp.Diff(attrs, back))
		}
		var values []Value
		for _, a := range attrs {
			values = append(values, a.Value)
		}
		list, err := ParseJSONList(string(AppendJSONList(nil, values)))
		if err != nil || len(list) != len(values) || len(list) > 0 && !cmp.Equal(list, values) {
			t.Fatalf("%s\n%v", AppendJSONList(nil, values), err)
		}
	})
}

func drawAttributes(t *rapid.T, depth int) []Attribute {
	var attrs []Attribute
	for range rapid.IntRange(0, 4).Draw(t, "attributes") {
		key := rapid.OneOf(rapid.SampledFrom([]string{"bytesValue", "doubleValue", "kvlistValue", ""}), rapid.String()).Draw(t, "key")
		attrs = append(attrs, Attribute{key, drawValue(t, depth)})
	}
	return attrs
}

func drawValue(t *rapid.T, depth int) Value {
	switch typ := rapid.SampledFrom([]ValueType{Null, String, Bool, Int, Double, Bytes, List, Map}).Draw(t, "type"); typ {
	case String:
		return StringValue(rapid.String().Draw(t, "string"))
	case Bool:
		return BoolValue(rapid.Bool().Draw(t, "bool"))
	case Int:
		return IntValue(rapid.Int64().Draw(t, "int"))
	case Double:
		f := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 3})).Draw(t, "double")
		return DoubleValue(f)
	case Bytes:
		return TextValue(Bytes, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	case List:
		if depth > 0 {
			return TextValue(List, string(AppendJSONList(nil, []Value{drawValue(t, depth-1), drawValue(t, depth-1)})))
		}
	case Map:
		if depth > 0 {
			return TextValue(Map, string(AppendJSONMap(nil, drawAttributes(t, depth-1))))
		}
	case Null:
	}
	return Value{}
}

// TestNormalJSON: what others wrote becomes what is written here.
func TestNormalJSON(t *testing.T) {
	for text, want := range map[string]string{
		`[ 1 , "a" ]`:                           `[1,"a"]`,
		"{\"a\x12\r\":\"\t\"}":                  `{"a\u0012\r":"\t"}`,
		`{"a":1,"b":2,"a":[ ]}`:                 `{"a":[],"b":2}`,
		`{"a":1e3,"b":"\u0041","c":-0.0}`:       `{"a":1000.0,"b":"A","c":-0.0}`,
		`{"kvlistValue" :{"bytesValue":"x"}}`:   `{"kvlistValue":{"bytesValue":"x"}}`,
		`{"kvlistValue":{"a":{"b": 1}}}`:        `{"a":{"b":1}}`,
		`[{"bytesValue" : "AA=="},{"a": null}]`: `[{"bytesValue":"AA=="},{"a":null}]`,
		`{"a":`:                                 `null`,
	} {
		typ := Map
		if text[0] == '[' {
			typ = List
		}
		if got := string(AppendJSON(nil, NormalJSON(TextValue(typ, text)))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, v := range []Value{{}, StringValue(`{ }`), IntValue(1), DoubleValue(0.5), BoolValue(true), TextValue(Bytes, "\x00")} {
		if got := NormalJSON(v); got != v {
			t.Errorf("%v: %v", v, got)
		}
	}
}

func FuzzParseJSONMap(f *testing.F) {
	f.Add(`{"a":1,"b":[1.5,null,{"bytesValue":"AP8="}],"c":{"kvlistValue":{"bytesValue":"x"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		attrs, err := ParseJSONMap(text)
		if err != nil {
			return
		}
		again, err := ParseJSONMap(string(AppendJSONMap(nil, attrs)))
		if err != nil || len(again) != len(attrs) {
			t.Fatalf("%q: %v, then %v, %v", text, attrs, again, err)
		}
		if !utf8.ValidString(text) {
			return
		}
		normal := NormalJSON(TextValue(Map, text))
		if !json.Valid([]byte(normal.Str)) || NormalJSON(normal) != normal {
			t.Fatalf("%q: %s, then %s", text, normal.Str, NormalJSON(normal).Str)
		}
	})
}

// Every byte at every place among eight that need no escape.
func TestAppendJSONStringEveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			p := []byte("abcdefgh~!ijklmno")
			p[at] = byte(c)
			got := string(AppendJSONString(nil, string(p)))
			var back string
			if err := json.Unmarshal([]byte(got), &back); err != nil || back != strings.ToValidUTF8(string(p), "\ufffd") {
				t.Fatalf("byte %#x at %d: %s: %q %v", c, at, got, back, err)
			}
		}
	}
}

// TestAppendPlainJSON: what it appends is what AppendJSONString does, and it refuses what needs more than quotes.
func TestAppendPlainJSON(t *testing.T) {
	for n := range 20 {
		for at := range max(n, 1) {
			for c := range 256 {
				p := bytes.Repeat([]byte{'a'}, n)
				if n > 0 {
					p[at] = byte(c)
				}
				want := AppendJSONString([]byte("x"), string(p))
				got, ok := AppendPlainJSON([]byte("x"), p)
				if plain := len(want) == n+3 && c < 0x80; ok != plain && n > 0 || ok && !bytes.Equal(got, want) || !ok && string(got) != "x" {
					t.Fatalf("%q: %s, %t", p, got, ok)
				}
			}
		}
	}
}
