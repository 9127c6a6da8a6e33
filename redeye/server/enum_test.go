package server_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server"
)

type (
	colour string
	level  uint8
	wide   int64
)

const (
	red   colour = "red"
	green colour = "dark green"
)

// pbKind is what generated code of protobuf has.
type pbKind int32

var pbName = map[int32]string{0: "PB_UNSPECIFIED", 1: "PB_ONE"}

func (l level) String() string { return "not this" }

// lamp is an object with enums in it.
type lamp struct {
	colour colour
	levels map[string]level
}

func TestEnumRegistration(t *testing.T) {
	w := newWorld()
	server.Enum(w.Server, "Colour", red, green)
	server.EnumInt[level](w.Server, "Level", map[int]string{200: "high", 0: "low"})
	server.EnumInt[pbKind](w.Server, "Pb", pbName)
	server.Object(w.Server,
		server.Field("colour", func(l lamp) colour { return l.colour }),
		server.Field("levels", func(l lamp) map[string]level { return l.levels }))
	server.Source0(w.Server, "lamps", func(context.Context) ([]lamp, error) {
		return []lamp{{red, map[string]level{"a": 200}}, {green, map[string]level{"a": 0, "b": 9}}, {"", nil}}, nil
	})
	type args struct {
		Colours []colour
		Level   server.Null[level]
		Pb      pbKind
	}
	var got []args
	server.Source(w.Server, "take", func(_ context.Context, a args) (pbKind, error) {
		got = append(got, a)
		return a.Pb, nil
	})
	server.Batch(server.Entity(w.Server, "Room", func(r wide) int64 { return int64(r) }), "light", func(context.Context, []wide) ([]level, error) {
		return []level{7, 200}, server.Errs{server.Errorf("NOT_FOUND", "it is dark"), nil}
	})
	server.Source0(w.Server, "rooms", func(context.Context) ([]wide, error) { return []wide{1, 2}, nil })
	for text, want := range map[string]string{
		`lamps().limit(1)`: `[{"colour":"red","levels":{"a":"high"}}]`,
		`lamps().filter(lambda l: l.colour.on_error("red") == "dark green").map(lambda l: l.levels["a"] == "low")`: `[true]`,
		`lamps().map(lambda l: l.levels["b"].on_error("high"))`:                                                    `["high","high","high"]`,
		`take(["red", "dark green"], None, "PB_ONE") == "PB_ONE"`:                                                  `true`,
		`take([], "high", "PB_UNSPECIFIED")`:                                                                       `"PB_UNSPECIFIED"`,
	} {
		if answer := string(column.AppendJSON(nil, ask(t, w, text).Value, 0)); answer != want {
			t.Errorf("%s is\n%s", text, answer)
		}
	}
	if _, err := w.Query(t.Context(), request(`lamps()`)); err == nil || !strings.Contains(err.Error(), `[1].levels[1]: lamps: `) && !strings.Contains(err.Error(), `[2].colour: lamps: `) {
		t.Error(err)
	}
	// What a method says itself of a row is what is said.
	if _, err := w.Query(t.Context(), request(`rooms().map(lambda r: r.light())`)); err == nil || !strings.Contains(err.Error(), "it is dark") {
		t.Error(err)
	}
	if len(got) != 2 {
		t.Fatal(got)
	}
	for _, a := range got {
		switch {
		case len(a.Colours) == 2 && a.Colours[1] == green && !a.Level.Valid && a.Pb == 1:
		case len(a.Colours) == 0 && a.Level == server.Some[level](200) && a.Pb == 0:
		default:
			t.Errorf("%+v", a)
		}
	}
	sch, err := w.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if got := sch.Source("lamps").Result.String(); got != `list<{colour: enum Colour<red, "dark green">, levels: map<string, enum Level<low, high>>}>` {
		t.Error(got)
	}
	if got := sch.Entity("Movie").Attr("next_medium").Type.String(); got != `enum Medium<feature, "short film", series>?` {
		t.Error(got)
	}
}

func TestEnumMistakes(t *testing.T) {
	bad := server.New("bad")
	server.Enum[colour](bad, "Colour")
	server.Enum(bad, "Text", "a", "b")
	server.Enum(bad, "list", medium("a"))
	server.EnumInt[level](bad, "Level", map[int]string{-1: "less", 256: "more", 1: "one"})
	server.EnumInt[level](bad, "Level", map[level]string{1: "one"})
	server.EnumInt[uint8](bad, "Octet", map[uint8]string{1: "one"})
	server.EnumInt[pbKind](bad, "Pb", map[pbKind]string{1: "one", 2: "one"})
	server.EnumInt[wide](bad, "Wide", map[wide]string{1: ""})
	server.EnumInt[age](bad, "Age", map[age]string{1: "one"})
	server.Entity(bad, "Age", func(m *movie) int64 { return m.id })
	server.Source0(bad, "age", func(context.Context) (age, error) { return 1, nil })
	err := bad.Check()
	for _, want := range []string{
		"Colour has 0 values", "Enum Text: string is any string; give the enum a Go type of its own", `"list" cannot be the name of an enum`,
		"EnumInt Level: -1 is too large", "EnumInt Level: 256 is too large", "Enum Level of server_test.level: the Go type is known already",
		"Enum Octet: uint8 is any uint8", `Pb has the value "one" twice`, `"" cannot be a value of the enum Wide`, "there are an entity and an enum Age",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in\n%v", want, err)
		}
	}
}

// Of an object that is null, or that its method says is in error, nothing else is said, however deep it is.
func TestEnumsBelowNull(t *testing.T) {
	type inner struct{ medium medium }
	type outer struct {
		in   inner
		list []inner
	}
	w := newWorld()
	server.Object(w.Server, server.Field("medium", func(i inner) medium { return i.medium }))
	server.Object(w.Server, server.Field("inner", func(o outer) inner { return o.in }), server.Field("list", func(o outer) []inner { return o.list }))
	server.Source0(w.Server, "boxes", func(context.Context) ([]server.Null[outer], error) {
		return []server.Null[outer]{server.Some(outer{inner{feature}, []inner{{series}}}), {}, {Value: outer{inner{"none"}, []inner{{"none"}}}}}, nil
	})
	server.Batch(server.Entity(w.Server, "Room", func(r wide) int64 { return int64(r) }), "box", func(context.Context, []wide) ([]outer, error) {
		return []outer{{inner{"none"}, []inner{{"none"}}}, {inner{feature}, nil}}, server.Errs{server.Errorf("NOT_FOUND", "it is dark"), nil}
	})
	server.Source0(w.Server, "rooms", func(context.Context) ([]wide, error) { return []wide{1, 2}, nil })
	for text, want := range map[string]string{
		`boxes()`:                        `[{"inner":{"medium":"feature"},"list":[{"medium":"series"}]},null,null]`,
		`rooms().map(lambda r: r.box())`: `[null,{"inner":{"medium":"feature"},"list":[]}]`,
	} {
		answer, err := w.Query(t.Context(), server.Request{Text: text, Partial: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(column.AppendJSON(nil, answer.Value, 0)); got != want || answer.ErrorsTotal > 1 {
			t.Errorf("%s is %s, with %v", text, got, answer.Errors)
		}
		if _, err := column.ReadProto(column.AppendProto(nil, answer.Value), answer.Value.Type, 1000); err != nil {
			t.Error(err)
		}
	}
	if answer, err := w.Query(t.Context(), request(`boxes()`)); err != nil || answer.Value.Items.Len != 3 {
		t.Error(err)
	}
}

// A partial answer travels whatever there is of enums in what is null for an error.
func TestEnumsInErrorOnTheWire(t *testing.T) {
	w := newWorld()
	for _, text := range []string{
		`movies(4, 9).map(lambda m: [{"medium": m.medium, "age": m.age(), "media": m.media}][m.id - 6])`,
		`movies(4, 9).map(lambda m: {"o": {"medium": m.medium, "next": m.next_medium} if m.id // (m.id - 5) > 0 else {"medium": "series", "next": None}})`,
		`movies(4, 9).left_join(movies(5, 7).map(lambda m: {"id": m.id, "medium": m.medium}), lambda m: m.id, lambda m: m.id).map(lambda p: p.right)`,
		`movies(4, 9).group(lambda m: m.medium).map(lambda g: {"key": g.key, "media": g.items.map(lambda m: m.media)})`,
	} {
		answer, err := w.Query(t.Context(), server.Request{Text: text, Partial: true})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		again, err := column.ReadProto(column.AppendProto(nil, answer.Value), answer.Value.Type, 1000)
		if err != nil || string(column.AppendJSON(nil, again, 0)) != string(column.AppendJSON(nil, answer.Value, 0)) {
			t.Errorf("%s\n%s\n%v", text, column.AppendJSON(nil, answer.Value, 0), err)
		}
		if one, err := column.ReadJSON(column.AppendJSON(nil, answer.Value, 0), answer.Value.Type, 1000); err != nil {
			t.Errorf("%s\n%v\n%v", text, one, err)
		}
	}
}
