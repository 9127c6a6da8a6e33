package gen_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/gen"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew")

func movies(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/movies.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The golden file is a package, so that it is compiled, vetted and used by the tests of package redeye.
func TestGo(t *testing.T) {
	s, err := schema.Read([]byte(movies(t)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := gen.Go(s, "movies")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "../internal/movies/movies.go"
	if *rewrite {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the generator makes; see the difference with go test -rewrite", golden)
	}
}

// Names that would collide in Go are refused, and both are named.
func TestCollisions(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{`"name": "genre"`, `"name": "YEAR"`, ""},
		{`"name": "genre"`, `"name": "y_ear"`, ""},
		{`"name": "genre"`, `"name": "_year"`, "Movie.year and Movie._year would both be Year in Go"},
		{`"name": "title"`, `"name": "can_view_of"`, "Movie.can_view_of and Movie.can_view would both be CanViewOf in Go"},
		{`"name": "actors"`, `"name": "actor_seq"`, "the entity Actor and the source actor_seq would both be ActorSeq in Go"},
		{`"name": "actors"`, `"name": "movie_info"`, "the object {studio: string, budget: int?, releases: list<{country: string, at: time}>} and the source movie_info would both be MovieInfo in Go"},
		{`"name": "max_width"`, `"name": "_type"`, "the arguments _type and type of Movie.poster would both be typeArg in Go"},
		{`"name": "studio"`, `"name": "x y"`, ""}, // not there: the type is text
		{`studio: string`, `Budget: string`, "would both be Budget in Go"},
		{`"name": "genre"`, `"name": "_from"`, ""},
		{`"name": "actors"`, `"name": "medium"`, "the enum Medium and the source medium would both be Medium in Go"},
		{`\"12+\"`, `\"18-\"`, `the value "18-" of Age and the value "18+" of Age would both be Age18 in Go`},
		{`"name": "actors"`, `"name": "age_value4"`, `the value "?" of Age and the source age_value4 would both be AgeValue4 in Go`},
		{`\"12+\"`, `\"*/ func init() { panic(1) }\"`, ""},
		{`"service": "movies"`, `"service": "a\nfunc init() { panic(1) }"`, ""},
		{`"doc": "of release"`, `"doc": "x\u2028y\r\nfunc init() { panic(1) }"`, ""},
	} {
		s, err := schema.Read([]byte(strings.Replace(movies(t), test.old, test.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		src, err := gen.Go(s, "movies")
		switch {
		case test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v", test.new, err)
		case strings.Contains(string(src), "\nfunc init"):
			t.Errorf("%s writes code:\n%s", test.new, src)
		}
	}
	s, _ := schema.Read([]byte(movies(t)))
	for _, bad := range []string{"", "func", "a b", "a;b"} {
		if _, err := gen.Go(s, bad); err == nil {
			t.Errorf("a package named %q", bad)
		}
	}
}

func TestPackageName(t *testing.T) {
	for service, want := range map[string]string{"movies": "movies", "Movie-Site": "moviesite", "7up": "svc7up", "func": "svcfunc", "电影": "svc"} {
		if got := gen.PackageName(service); got != want {
			t.Errorf("%s: %s", service, got)
		}
	}
}
