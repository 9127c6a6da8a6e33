package redeye

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// goType is the Go type of values of t.
func goType(t schema.Type) reflect.Type {
	if t.Null {
		return reflect.PointerTo(goType(t.NotNull()))
	}
	switch t.Kind {
	case schema.KindBool:
		return reflect.TypeFor[bool]()
	case schema.KindInt:
		return reflect.TypeFor[int64]()
	case schema.KindFloat:
		return reflect.TypeFor[float64]()
	case schema.KindString, schema.KindEnum:
		return reflect.TypeFor[string]()
	case schema.KindBytes:
		return reflect.TypeFor[[]byte]()
	case schema.KindTime:
		return timeType
	case schema.KindDuration:
		return durationType
	case schema.KindList:
		return reflect.SliceOf(goType(*t.Elem))
	case schema.KindMap:
		return reflect.MapOf(goType(schema.Of(t.Key)), goType(*t.Elem))
	case schema.KindObject:
		var fields []reflect.StructField
		for _, f := range t.Fields {
			fields = append(fields, reflect.StructField{Name: strings.ToUpper(f.Name), Type: goType(f.Type)})
		}
		return reflect.StructOf(fields)
	default:
		panic(t.String())
	}
}

// Any answer goes into the Go type that it says, and from there back into a column that says the same.
func TestDecodeEncode(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		typ := asttest.Type(rng.IntN)
		want := asttest.Column(rng.IntN, typ, 1)
		if want.IsNull(0) {
			continue // of what a pointer is to, there is none
		}
		v := reflect.New(goType(typ))
		if err := decode(want, []byte(typ.String()), v.Interface(), false); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		got, err := columnOf(v.Elem().Interface())
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		w, g := column.AppendJSON(nil, want, 0), column.AppendJSON(nil, got, 0)
		var wv, gv any // where a map's order does not matter
		if err := errors.Join(json.Unmarshal(w, &wv), json.Unmarshal(g, &gv)); err != nil || !reflect.DeepEqual(wv, gv) {
			t.Fatalf("%s\n%s\ncomes out of Go as\n%s, %v", typ, w, g, err)
		}
	}
}

func TestDecode(t *testing.T) {
	type inner struct{ N int8 }
	type outer struct {
		PosterURL string
		In        *inner `redeye:"inside"`
		Small     uint8
		Named     namedInt
		Tags      []string
		hidden    int
	}
	_ = outer{hidden: 1} // what is not exported is passed over
	for _, test := range []struct {
		typ, value string
		into       any
		want       any    // what into points to
		err        string // instead
	}{
		{typ: "{poster_url: string, small: int, named: int, inside: {n: int}?}", value: `{"poster_url":"u","small":255,"named":-3,"inside":{"n":5}}`, into: new(outer), want: outer{PosterURL: "u", Small: 255, Named: -3, In: &inner{5}}},
		{typ: "{posterurl: string}", value: `{"posterurl":"u"}`, into: new(outer), want: outer{PosterURL: "u"}},
		{typ: "{small: int}", value: `{"small":256}`, into: new(outer), err: ".small: 256 does not fit into a uint8"},
		{typ: "{small: int}", value: `{"small":-1}`, into: new(outer), err: ".small: -1 does not fit into a uint8"},
		{typ: "{inside: {n: int}?}", value: `{"inside":{"n":128}}`, into: new(outer), err: ".inside.n: 128 does not fit into a int8"},
		{typ: "{titel: string}", value: `{"titel":"x"}`, into: new(outer), err: ".titel: redeye.outer has no field for it; add Titel"},
		{typ: "{hidden: int}", value: `{"hidden":1}`, into: new(outer), err: ".hidden: redeye.outer has no field for it"},
		{typ: "{named: string}", value: `{"named":"x"}`, into: new(outer), err: ".named: it is string, which does not fit into a redeye.namedInt"},
		{typ: "list<{poster_url: string?}>", value: `[]`, into: new([]outer), err: ".poster_url of its elements: it is string?, which may be null, and a string cannot be; make it a *string"},
		{typ: "list<string>", value: `[]`, into: new([]string), want: []string{}},
		{typ: "list<string>?", value: `null`, into: new(*[]string), want: (*[]string)(nil)},
		{typ: "list<list<int>>", value: `[[1],[],[2,3]]`, into: new([][]int64), want: [][]int64{{1}, {}, {2, 3}}},
		{typ: "map<string, list<int>>", value: `{"a":[1],"b":[]}`, into: new(map[string][]int), want: map[string][]int{"a": {1}, "b": {}}},
		{typ: "map<int, bool>", value: `{"7":true}`, into: new(map[namedInt]bool), want: map[namedInt]bool{7: true}},
		{typ: "time", value: `"2026-11-25T08:00:00Z"`, into: new(time.Time), want: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)},
		{typ: "duration", value: `"1m30s"`, into: new(time.Duration), want: 90 * time.Second},
		{typ: "duration", value: `"1m30s"`, into: new(int64), err: "it is duration, which does not fit into a int64"},
		{typ: "int", value: `7`, into: new(time.Duration), err: "it is int, which does not fit into a time.Duration"},
		{typ: "float", value: `0.5`, into: new(float32), want: float32(0.5)},
		{typ: "bytes", value: `"AAE="`, into: new([]byte), want: []byte{0, 1}},
		{typ: "int", value: `7`, into: new(*int), want: func() *int { n := 7; return &n }()},
		{typ: "{}", value: `{}`, into: new(time.Time), err: "it is {}, which does not fit into a time.Time"},
		{typ: "int", value: `7`, into: new(chan int), err: "it is int, which does not fit into a chan int"},
	} {
		typ, err := schema.Parse(test.typ)
		if err != nil {
			t.Fatal(err)
		}
		c, err := column.ReadJSON([]byte(test.value), typ, 1000)
		if err != nil {
			t.Fatal(err)
		}
		err = decode(c, []byte(test.typ), test.into, false)
		switch {
		case test.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), test.err) {
				t.Errorf("%s %s: %v, not %s", test.typ, test.value, err, test.err)
			}
		case err != nil || !reflect.DeepEqual(reflect.ValueOf(test.into).Elem().Interface(), test.want):
			t.Errorf("%s %s: %+v, %v", test.typ, test.value, reflect.ValueOf(test.into).Elem().Interface(), err)
		}
	}
}

type namedInt int16

// Lists of an answer share memory, and yet one cannot be made longer into the next.
func TestListsAreApart(t *testing.T) {
	typ, _ := schema.Parse("list<list<int>>")
	c, err := column.ReadJSON([]byte("[[1],[2]]"), typ, 100)
	if err != nil {
		t.Fatal(err)
	}
	var lists [][]int64
	if err := decode(c, []byte("list<list<int>>"), &lists, false); err != nil {
		t.Fatal(err)
	}
	lists[0] = append(lists[0], 9)
	if lists[1][0] != 2 {
		t.Error("appending to one list wrote into the next")
	}
}

func TestParams(t *testing.T) {
	type point struct{ X, Y int }
	five := 5
	for _, test := range []struct {
		value any
		typ   string
		json  string
	}{
		{7, "int", "7"},
		{uint8(7), "int", "7"},
		{[]point{{1, 2}}, "list<{x: int, y: int}>", `[{"x":1,"y":2}]`},
		{map[string][]bool{"b": {true}, "a": nil}, "map<string, list<bool>>", `{"a":[],"b":[true]}`},
		{map[uint16]string{9: "x", 1 << 15: "y"}, "map<int, string>", `{"9":"x","32768":"y"}`},
		{&five, "int?", "5"},
		{(*string)(nil), "string?", "null"},
		{[]*int{nil, &five}, "list<int?>", "[null,5]"},
		{time.Unix(1, 0), "time", `"1970-01-01T00:00:01Z"`},
		{float32(0.5), "float", "0.5"},
		{[]byte{1}, "bytes", `"AQ=="`},
		{"x", "string", `"x"`},
		{[]string{"x"}, "list<string>", `["x"]`},
	} {
		c, err := columnOf(test.value)
		if err != nil || c.Type.String() != test.typ || string(column.AppendJSON(nil, c, 0)) != test.json {
			t.Errorf("%v: %v, %v", test.value, c, err)
		}
	}
	for want, value := range map[string]any{
		"nil has no type":          nil,
		"a chan int has no":        make(chan int),
		"is too large for an int":  uint64(1 << 63),
		"is not between 1678":      time.Time{},
		"a map's key is a string":  map[bool]int{},
		"what may be null already": new(*int),
		"point.C: a func() has no": struct{ C func() }{},
	} {
		if _, err := columnOf(value); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "point")) {
			t.Errorf("%T: %v", value, err)
		}
	}
}

// Whatever a server answers, the client returns a value or an error.
func FuzzAnswer(f *testing.F) {
	typ, _ := schema.Parse("list<{id: int, title: string, tags: list<string?>, m: map<string, float>}>")
	c, _ := column.ReadJSON([]byte(`[{"id":1,"title":"x","tags":[null,"y"],"m":{"a":0.5}}]`), typ, 100)
	f.Add(pb.AppendMessage(pb.AppendString(nil, 1, typ.String()), 2, func(b []byte) []byte { return column.AppendProto(b, c) }), true)
	type row struct {
		ID    int32
		Title string
		Tags  []*string
		M     map[string]float64
	}
	f.Fuzz(func(t *testing.T, body []byte, partial bool) {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/proto")
			_, _ = io.Copy(w, bytes.NewReader(body))
		})
		client := NewClient("", Config{HTTP: &http.Client{Transport: InProcess(h)}})
		q := Text[[]row]("x", nil)
		if partial {
			q = q.Partial()
		}
		_, _ = q.Answer(t.Context(), client)
	})
}
