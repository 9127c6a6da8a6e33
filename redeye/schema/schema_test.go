package schema_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"int":    "int",
		" int ?": "int?",
		"list<{id:int,title:string?,actors:list<Actor>}>?": "list<{id: int, title: string?, actors: list<Actor>}>?",
		"map< int , map<string,float?> >":                  "map<int, map<string, float?>>",
		"{}":                                               "{}",
		"unknown":                                          "unknown",
		"Movie?":                                           "Movie?",
		"enum  Genre < drama,\"science fiction\" , \"None\">?":               `enum Genre<drama, "science fiction", "None">?`,
		`list<{g: enum G<"a\"b", "a\\b", "18", "电影">, h: enum enum2<bool>}>`: `list<{g: enum G<"a\"b", "a\\b", "18", "电影">, h: enum enum2<bool>}>`,
	} {
		got, err := schema.Parse(text)
		if err != nil || got.String() != want {
			t.Errorf("%s is read as %s, %v", text, got, err)
		}
		if again, err := schema.Parse(want); err != nil || !again.Equal(got) {
			t.Errorf("%s is read again as %s, %v", want, again, err)
		}
	}
	for text, want := range map[string]string{
		"":                    "a name is expected",
		"int??":               "the end is expected",
		"list":                "< is expected",
		"list<int":            "> is expected",
		"map<float, int>":     "a key of string or int",
		"{a: int, a: int}":    "another name than a",
		"{a int}":             ": is expected",
		"{a: int b: int}":     ", is expected",
		"object":              "a type is expected",
		"int x":               "the end is expected",
		"enum":                "a name is expected",
		"enum G":              "< is expected",
		"enum G<>":            "the enum G has 0 values",
		"enum G<a b>":         ", is expected",
		"enum G<a, >":         "a name is expected",
		"enum G<None>":        "a name is expected",
		"enum G<a, b, \"a\">": `has the value "a" twice`,
		"enum int<a>":         `"int" cannot be the name of an enum`,
		"enum G<\"a>":         `a closing " is expected`,
		`enum G<"\n">`:        `\\ or \" is expected`,
		"enum G<\"\n\">":      "cannot be a value",
		"enum G<\"\xff\">":    "cannot be a value",
		"enum G<\"\">":        "cannot be a value",
		"enum G<\"" + strings.Repeat("x", 65) + "\">": "1 to 64 bytes",
		"enum G<" + strings.Repeat("x,", 1000) + "x>": "has 1001 values; it can have 1 to 1000",
		"lambda":                         "a name is expected",
		strings.Repeat("list<", 10_000):  "less nesting",
		strings.Repeat("list<", 300_000): "a type of 1500000 bytes",
	} {
		if got, err := schema.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50s is read as %v, %v", text, got, err)
		}
	}
}

// Types of any kind are read as they are written.
func TestParsePrinted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		want := asttest.Type(rng.IntN)
		if got, err := schema.Parse(want.String()); err != nil || !got.Equal(want) {
			t.Fatalf("%s is read as %s, %v", want, got, err)
		}
	}
}

// Types are the same only if the names and the values of their enums are; messages name the names alone.
func TestEnums(t *testing.T) {
	types := []string{"enum G<a, b>", "enum G<b, a>", "enum G<a>", "enum H<a, b>", "enum G<a, b>?", "string", "list<enum G<a, b>>", "list<enum G<a>>"}
	for i, a := range types {
		for j, b := range types {
			x, err := schema.Parse(a)
			y, err2 := schema.Parse(b)
			if err != nil || err2 != nil || x.Equal(y) != (i == j) {
				t.Errorf("%s and %s are the same: %v, %v, %v", a, b, x.Equal(y), err, err2)
			}
		}
	}
	long, err := schema.EnumOf("Long", strings.Split("abcdefghijklm", "")...)
	if err != nil {
		t.Fatal(err)
	}
	object := schema.Type{Kind: schema.KindObject, Fields: []schema.Field{{Name: "l", Type: schema.ListOf(long.OrNull())}}}
	if got := object.Short(); got != "{l: list<Long?>}" {
		t.Error(got)
	}
	if !object.Has(schema.KindEnum) || object.Has(schema.KindInt) {
		t.Error("the type does not know its parts")
	}
	if got := long.NoValue("x"); got != `Long has no value "x"; it has a, b, c, d, e, f, g, h, i, j and 3 more` {
		t.Error(got)
	}
	if _, err := schema.EnumOf("E", "a", "a"); err == nil {
		t.Error("a value twice")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("list<{id: int, title: map<string, Movie?>}>")
	f.Add(`{g: enum Genre<drama, "science fiction", "\\\"">?, n: enum N<x>}`)
	f.Fuzz(func(t *testing.T, s string) {
		typ, err := schema.Parse(s)
		if err != nil {
			return
		}
		if again, err := schema.Parse(typ.String()); err != nil || !again.Equal(typ) {
			t.Fatalf("%q is read as %s, that as %s, %v", s, typ, again, err)
		}
	})
}

const movies = `{
	"service": "movies",
	"version": "v",
	"entities": [{
		"name": "Movie", "key": "int",
		"attrs": [{"name": "year", "type": "int", "doc": "of release"}],
		"methods": [{"name": "can_view", "args": [{"name": "user", "type": "int"}], "result": "bool", "batch": "batch", "max_batch": 500, "cost": "cheap", "scope": "principal"}]
	}],
	"sources": [{"name": "get_movies", "args": [{"name": "ids", "type": "list<int>"}], "result": "list<Movie>", "cost": "normal", "scope": "public"}]
}`

func TestRead(t *testing.T) {
	s, err := schema.Read([]byte(movies))
	if err != nil {
		t.Fatal(err)
	}
	movie := s.Entity("Movie")
	if movie == nil || movie.Attr("year").Type.Kind != schema.KindInt || movie.Method("can_view").Args[0].Name != "user" ||
		s.Source("get_movies").Result.Elem.Name != "Movie" || s.Entity("Actor") != nil || movie.Method("x") != nil || movie.Attr("x") != nil {
		t.Errorf("%+v", s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := schema.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if b2, _ := json.Marshal(again); string(b2) != string(b) {
		t.Errorf("%s\nis written again as\n%s", b, b2)
	}
}

// A schema that programs could not use is refused, with everything that is wrong with it.
func TestCheck(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{`"name": "Movie"`, `"name": "int"`, `"int" cannot be the name of an entity`},
		{`"key": "int"`, `"key": "float"`, "the key of Movie is a float"},
		{`"name": "year"`, `"name": "a b"`, `"a b" cannot be the name of an attribute`},
		{`"name": "year"`, `"name": "can_view"`, "there are two Movie.can_view"},
		{`"name": "can_view"`, `"name": "filter"`, `"filter" cannot be the name of a method`},
		{`"name": "get_movies"`, `"name": "let"`, `"let" cannot be the name of a source`},
		{`"result": "bool"`, `"result": "Actor"`, "there is no entity Actor"},
		{`"result": "bool"`, `"result": "list<unknown>"`, "which is none of a value"},
		{`"name": "user"`, `"name": ""`, `an argument named ""`},
		{`"type": "list<int>"`, `"type": "list<"`, "a name is expected"},
		{`"result": "bool"`, `"result": "enum Movie<a>"`, "there are an entity and an enum Movie"},
		{`"type": "int"`, `"type": "enum G<a>"}, {"name": "g", "type": "enum G<a, b>"`, "Movie.g has an enum G, but not with the values that it has elsewhere"},
	} {
		if !strings.Contains(movies, test.old) {
			t.Fatal(test.old)
		}
		if _, err := schema.Read([]byte(strings.Replace(movies, test.old, test.new, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.new, err)
		}
	}
}
