package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

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
		"":                               "a name is expected",
		"int??":                          "the end is expected",
		"list":                           "< is expected",
		"list<int":                       "> is expected",
		"map<float, int>":                "a key of string or int",
		"{a: int, a: int}":               "another name than a",
		"{a int}":                        ": is expected",
		"{a: int b: int}":                ", is expected",
		"object":                         "a type is expected",
		"int x":                          "the end is expected",
		"lambda":                         "a name is expected",
		strings.Repeat("list<", 10_000):  "less nesting",
		strings.Repeat("list<", 100_000): "a type of 500000 bytes",
	} {
		if got, err := schema.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50s is read as %v, %v", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("list<{id: int, title: map<string, Movie?>}>")
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
	} {
		if !strings.Contains(movies, test.old) {
			t.Fatal(test.old)
		}
		if _, err := schema.Read([]byte(strings.Replace(movies, test.old, test.new, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.new, err)
		}
	}
}
