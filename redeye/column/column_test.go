package column_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

func parse(t testing.TB, s string) schema.Type {
	typ, err := schema.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// rows is the column as text, for comparison.
func rows(c *column.Column) string {
	var b []byte
	for i := range c.Len {
		b = append(column.AppendJSON(b, c, i), '\n')
	}
	return string(b)
}

func Example() {
	t, _ := schema.Parse("list<{id: int, title: string?}>")
	c, _ := column.ReadJSON([]byte(`[{"id": 7, "title": "Brazil"}, {"id": 9}]`), t, 100)
	fmt.Println(c.Items.Field("id").Ints, c.Items.Field("title").Texts[0], c.Items.Field("title").IsNull(1))
	wire := column.AppendProto(nil, c)
	again, _ := column.ReadProto(wire, t, 100)
	fmt.Println(string(column.AppendJSON(nil, again, 0)))
	// Output:
	// [7 9] Brazil true
	// [{"id":7,"title":"Brazil"},{"id":9,"title":null}]
}

// Columns of any type survive both forms.
func TestForms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		checkForms(t, r.IntN)
	}
}

func FuzzForms(f *testing.F) {
	f.Add([]byte{9, 3, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, choices []byte) { checkForms(t, asttest.Bytes(choices)) })
}

func checkForms(t *testing.T, pick func(n int) int) {
	t.Helper()
	typ := asttest.Type(pick)
	c := asttest.Column(pick, typ, pick(20))
	again, err := column.ReadProto(column.AppendProto(nil, c), typ, 10000)
	if err != nil || rows(again) != rows(c) {
		t.Fatalf("%s\n%s\nin protobuf: %v\n%s", typ, rows(c), err, rows(again))
	}
	from := pick(c.Len + 1)
	to := from + pick(c.Len-from+1)
	want := strings.Join(strings.SplitAfter(rows(c), "\n")[from:to], "")
	if got := c.Slice(from, to); got.Len != to-from || rows(got) != want {
		t.Fatalf("rows %d to %d of\n%sare\n%s", from, to, rows(c), rows(got))
	}
	for i := range c.Len {
		text := column.AppendJSON(nil, c, i)
		one, err := column.ReadJSON(text, typ, 10000)
		if err != nil || rows(one) != string(text)+"\n" {
			t.Fatalf("%s %s: %v, %v", typ, text, one, err)
		}
	}
}

// FuzzReadProto: whatever the bytes, there is an error or a column that has its other form.
func FuzzReadProto(f *testing.F) {
	for _, s := range []string{"list<{id: int, title: string?}>", "map<int, float>?", "{a: bool, b: bytes?, c: list<time>}", "duration", `list<{g: enum G<a, "b c">?}?>`} {
		typ := parse(f, s)
		f.Add(s, column.AppendProto(nil, asttest.Column(func(n int) int { return n - 1 }, typ, 3)))
	}
	f.Fuzz(func(t *testing.T, s string, b []byte) {
		typ, err := schema.Parse(s)
		if err != nil {
			return
		}
		c, err := column.ReadProto(b, typ, 1000)
		if err != nil {
			return
		}
		again, err := column.ReadProto(column.AppendProto(nil, c), typ, 1000)
		if err != nil || rows(again) != rows(c) {
			t.Fatalf("%s\n%s\nread again: %v", typ, rows(c), err)
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	f.Add("{g: enum G<a, \"b c\">, h: list<enum G<a, \"b c\">?>}?", `{"g": "b c", "h": ["a", null]}`)
	f.Add("list<{id: int, title: string?}>", `[{"id": 7, "title": "Brazil"}, {"id": 9}]`)
	f.Add("map<int, float>?", `{"-5": "NaN", "7": 1e3}`)
	f.Add("{a: bool, b: bytes?, c: list<time>, d: duration}", `{"a": true, "c": ["2026-11-25T08:00:00.5+08:00"], "d": "1m"}`)
	f.Fuzz(func(t *testing.T, s, text string) {
		typ, err := schema.Parse(s)
		if err != nil {
			return
		}
		c, err := column.ReadJSON([]byte(text), typ, 1000)
		if err != nil {
			return
		}
		if again, err := column.ReadJSON(column.AppendJSON(nil, c, 0), typ, 1000); err != nil || rows(again) != rows(c) {
			t.Fatalf("%s %s is written as %s, and read again: %v", typ, text, rows(c), err)
		}
	})
}

func TestReadJSONErrors(t *testing.T) {
	for _, test := range []struct{ typ, text, want string }{
		{"int", `1.5`, "1.5 where int is expected"},
		{"int", `"1"`, `"1" where int`},
		{"int", `99999999999999999999`, "where int"},
		{"int", `null`, "null where int"},
		{"int", `1 2`, "something follows"},
		{"int", ``, "EOF"},
		{"float", `"nan"`, "where float"},
		{"bool", `1`, "where bool"},
		{"string", `1`, "where string"},
		{"bytes", `"?"`, "base64"},
		{"time", `"today"`, "no time like"},
		{"time", `"1500-01-01T00:00:00Z"`, "no time like"},
		{"duration", `"5"`, "no duration like"},
		{"list<int>", `{}`, "where list<int>"},
		{"list<int>", `[1, null]`, "null where int"},
		{"list<int>", `[1,`, "EOF"},
		{"{a: int}", `{}`, `the field "a" of {a: int} is missing`},
		{"{a: int}", `{"a": 1, "a": 2}`, "or twice"},
		{"{a: int}", `{"a": 1, "b": 2}`, `a field "b"`},
		{"map<int, int>", `{"x": 1}`, `the key "x"`},
		{"map<int, int>", `{"1": 1, "1": 2}`, "there twice"},
		{"Movie", `1`, "cannot be of the type Movie"},
		{"enum G<a, b>", `"c"`, `G has no value "c"; it has a, b`},
		{"enum G<a, b>", `""`, `G has no value ""`},
		{"enum G<a, b>", `1`, "1 where G is expected"},
		{"list<enum G<a, b>?>", `["a", null, "A"]`, `byte 15: G has no value "A"`},
	} {
		c, err := column.ReadJSON([]byte(test.text), parse(t, test.typ), 1000)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s as %s gives %v, %v", test.text, test.typ, c, err)
		}
	}
}

// Texts that are UTF-8 together and not each by itself are refused, as are those that are not, by their row.
func TestTextsAreUTF8(t *testing.T) {
	wire := func(text string, lengths ...byte) []byte {
		b := []byte{1 << 3, byte(len(lengths)), 6<<3 | 2, byte(len(lengths))}
		b = append(append(b, lengths...), 7<<3|2, byte(len(text)))
		return append(b, text...)
	}
	for _, test := range []struct {
		wire []byte
		want string
	}{
		{wire("aé€😀", 1, 2, 3, 4), ""},
		{wire("aé€😀", 0, 3, 0, 7), ""},
		{wire("aé", 2, 1), "row 0"},
		{wire("a€", 1, 1, 2), "row 1"},
		{wire("ab\xff", 1, 1, 1), "row 2"},
		{wire("\xe2\x82", 2), "row 0"},
		{wire("abc", 1, 1), "left over"},
		{wire("abc", 1, 3), "longer"},
	} {
		c, err := column.ReadProto(test.wire, parse(t, "string"), 100)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q: %v, %v", test.wire, c, err)
		}
		if _, err := column.ReadProto(test.wire, parse(t, "bytes"), 100); err != nil && test.want != "left over" && test.want != "longer" {
			t.Errorf("%q as bytes: %v", test.wire, err)
		}
	}
}

// What comes as protobuf has values of its enums, but where it is null or in an object that is null.
func TestEnumsInProto(t *testing.T) {
	for _, test := range []struct{ typ, as, json, want string }{
		{"enum G<a, b>", "string", `"a"`, ""},
		{"enum G<a, b>", "string", `"c"`, `G has no value "c"`},
		{"enum G<a, b>", "string", `""`, `G has no value ""`},
		{"enum G<a, b>?", "string?", `null`, ""},
		{"enum G<a, b>", "bytes", `"/w=="`, "row 0 is not UTF-8"},
		{"list<enum G<a, b>>", "list<string>", `["a", "c"]`, `"c"`},
		{"map<int, enum G<a, b>>", "map<int, string>", `{"1": "c"}`, `"c"`},
		{"list<{g: enum G<a, b>}?>", "list<{g: string}?>", `[null, {"g": "b"}]`, ""},
		{"list<{g: enum G<a, b>}?>", "list<{g: string}?>", `[null, {"g": ""}]`, `""`},
		{"list<{o: {g: enum G<a, b>}}?>", "list<{o: {g: string}}?>", `[null, {"o": {"g": "b"}}]`, ""},
		{"list<{o: {g: enum G<a, b>}?}?>", "list<{o: {g: string}?}?>", `[null, {"o": null}, {"o": {"g": "b"}}]`, ""},
		{"list<{o: {g: enum G<a, b>}?}?>", "list<{o: {g: string}?}?>", `[null, {"o": null}, {"o": {"g": "c"}}]`, `"c"`},
		{"{n: list<{g: enum G<a, b>}>}?", "{n: list<{g: string}>}?", `{"n": [{"g": ""}]}`, `""`},
	} {
		c, err := column.ReadJSON([]byte(test.json), parse(t, test.as), 100)
		if err != nil {
			t.Fatal(err)
		}
		typ := parse(t, test.typ)
		got, err := column.ReadProto(column.AppendProto(nil, c), typ, 100)
		switch {
		case test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s as %s: %v", test.json, test.typ, err)
		case err == nil && !got.Type.Equal(typ):
			t.Errorf("it is %s", got.Type)
		}
	}
}

// A limit is met exactly, and no memory is taken beyond it.
func TestLimits(t *testing.T) {
	typ := parse(t, "list<int>")
	c, err := column.ReadJSON([]byte(`[1,2,3]`), typ, 4)
	if err != nil {
		t.Fatal(err)
	}
	wire := column.AppendProto(nil, c)
	if _, err := column.ReadProto(wire, typ, 4); err != nil {
		t.Error(err)
	}
	var limit *column.LimitError
	if _, err := column.ReadJSON([]byte(`[1,2,3]`), typ, 3); !errors.As(err, &limit) {
		t.Errorf("one value more than allowed: %v", err)
	}
	if _, err := column.ReadProto(wire, typ, 3); err == nil {
		t.Error("one value more than allowed was read")
	}
	// An object without fields has no bytes, however many rows there are of it.
	if _, err := column.ReadProto([]byte{1 << 3, 0xff, 0xff, 0xff, 0x7f}, parse(t, "{}"), 1000); !errors.As(err, &limit) {
		t.Errorf("268 million rows of nothing: %v", err)
	}
	if _, err := column.ReadProto([]byte{1 << 3, 0xff, 0xff, 0xff, 0x7f}, parse(t, "bool"), 1000); !errors.As(err, &limit) {
		t.Errorf("268 million bools: %v", err)
	}
}

func BenchmarkCards(b *testing.B) {
	typ := parse(b, "list<{id: int, title: string, rating: float}>")
	text := "[" + strings.TrimSuffix(strings.Repeat(`{"id": 1234567, "title": "The Grand Budapest Hotel", "rating": 8.1},`, 1000), ",") + "]"
	c, err := column.ReadJSON([]byte(text), typ, 1e6)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.Run("AppendProto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = column.AppendProto(buf[:0], c)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
	})
	b.Run("AppendJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = column.AppendJSON(buf[:0], c, 0)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
	})
	wire := column.AppendProto(nil, c)
	b.Run("ReadProto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = column.ReadProto(wire, typ, 1e6)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
	})
}
