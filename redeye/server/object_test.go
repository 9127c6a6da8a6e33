package server_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server"
)

type (
	genre   string
	stars   int32
	country struct{ code string }
	studio  struct {
		name  string
		where country
		made  []genre
		since server.Null[int64]
	}
)

func (genre) String() string { return "not this" }

// What a method returns may be an object with objects, lists and nulls in it, and types with names of their own.
func TestObjects(t *testing.T) {
	w := newWorld()
	server.Named[genre](w.Server)
	server.NamedInt[stars](w.Server)
	server.Object(w.Server, server.Field("code", func(c country) string { return c.code }))
	server.Object(w.Server,
		server.Field("name", func(s studio) string { return s.name }),
		server.Field("where", func(s studio) country { return s.where }),
		server.Field("made", func(s studio) []genre { return s.made }),
		server.Field("since", func(s studio) server.Null[int64] { return s.since }))
	studios := []studio{
		{"Nero", country{"de"}, []genre{"horror", "drama"}, server.Some[int64](1920)}, {"UFA", country{"de"}, nil, server.Null[int64]{}}, {"Metro", country{"us"}, []genre{"comedy"}, server.Some[int64](1915)},
	}
	server.Source(w.Server, "studios", func(_ context.Context, g genre) ([]studio, error) {
		var out []studio
		for _, s := range studios {
			if g == "" || strings.Contains(string(g), s.where.code) {
				out = append(out, s)
			}
		}
		return out, nil
	}, server.Args("of"), server.Scope("public"))
	server.Source0(w.Server, "best", func(context.Context) (map[string]studio, error) { return map[string]studio{"de": studios[0]}, nil })
	server.Source0(w.Server, "worst", func(context.Context) (server.Null[studio], error) { return server.Null[studio]{}, nil })
	server.Source0(w.Server, "rated", func(context.Context) ([]stars, error) { return []stars{3, 5}, nil })
	for text, want := range map[string]string{
		`studios("")`: `[{"name":"Nero","where":{"code":"de"},"made":["horror","drama"],"since":1920},{"name":"UFA","where":{"code":"de"},"made":[],"since":null},{"name":"Metro","where":{"code":"us"},"made":["comedy"],"since":1915}]`,
		`studios("de").filter(lambda s: "drama" in s.made).map(lambda s: s.name + " " + s.where.code)`: `["Nero de"]`,
		`studios("").group(lambda s: s.where).map(lambda g: {"c": g.key.code, "n": g.items.length()})`: `[{"c":"de","n":2},{"c":"us","n":1}]`,
		`studios("").map(lambda s: s.since.or_else(0)).cache("1m", "public")`:                          `[1920,0,1915]`,
		`best()`: `{"de":{"name":"Nero","where":{"code":"de"},"made":["horror","drama"],"since":1920}}`,
		`worst().then(lambda s: s.where.code).or_else("none")`:                `"none"`,
		`[worst(), studios("us")[0]].map(lambda s: s.then(lambda x: x.name))`: `[null,"Metro"]`,
		`rated().sum()`:       `8`,
		`studios(g).length()`: `2`,
	} {
		var params []string
		if strings.Contains(text, "(g)") {
			params = []string{"g", `"de"`}
		}
		if got := string(column.AppendJSON(nil, ask(t, w, text, params...).Value, 0)); got != want {
			t.Errorf("%s is\n%s", text, got)
		}
	}
	sch, err := w.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if got := sch.Source("studios").Result.String(); got != "list<{name: string, where: {code: string}, made: list<string>, since: int?}>" {
		t.Error(got)
	}

	bad := server.New("bad")
	server.Object[country](bad)
	server.Object(bad, server.Field("x y", func(studio) string { return "" }), server.Field("g", func(studio) genre { return "" }), server.Field("n", func(studio) int { return 1 }), server.Field("n", func(studio) int { return 1 }))
	server.Named[string](bad)
	server.Source(bad, "takes", func(context.Context, country) (int, error) { return 0, nil })
	err = bad.Check()
	for _, want := range []string{"country: it has no fields", `"x y" cannot be`, "its field g: the type server_test.genre", "two fields n", "Named string: the Go type is known", "its argument arg"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in\n%v", want, err)
		}
	}
}
