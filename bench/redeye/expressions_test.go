package main

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"github.com/expr-lang/expr"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/fuwu-project/fuwu/redeye/server"
)

// film is an ordinary Go object that expressions run over.
type film struct {
	ID, Year, Votes int64
	Rating          float64
	Title           string
}

func films(n int) []*film {
	out := make([]*film, n)
	for i := range out {
		k := int64(i) * 2654435761 % 1_000_003
		out[i] = &film{ID: int64(i), Year: 1950 + k%75, Votes: k * 7 % 100_000, Rating: float64(k%100) / 10, Title: fmt.Sprintf("Film %d", i)}
	}
	return out
}

func filmServer(all []*film) *server.Server {
	s := server.New("films")
	f := server.Entity(s, "Film", func(f *film) int64 { return f.ID })
	server.Attr(f, "year", func(f *film) int64 { return f.Year })
	server.Attr(f, "votes", func(f *film) int64 { return f.Votes })
	server.Attr(f, "rating", func(f *film) float64 { return f.Rating })
	server.Attr(f, "title", func(f *film) string { return f.Title })
	server.Source0(s, "films", func(context.Context) ([]*film, error) { return all, nil }, server.UniqueKeys())
	s.Budget = server.Budget{RowsOut: 1 << 20, BytesOut: 1 << 30, Memory: 1 << 30, Rows: 1 << 20, Steps: 1 << 40}
	return s
}

// work is something that is done to all films. run returns how many rows came of it.
type work struct {
	name string
	make func(all []*film) (run func() (int, error), err error)
}

// Of the peers the fastest form that was found: expr and CEL look at one film at a time through its Go type, Starlark at values that hold
// one each and were made beforehand.
var predicates = []work{
	{"Redeye", inQuery(`films().filter(lambda f: f.year > 2010 and f.rating > 7.0 and f.votes > 70000).length()`)},
	{"Go closure", func(all []*film) (func() (int, error), error) {
		return func() (int, error) {
			count := 0
			for _, f := range all {
				if passes(f) {
					count++
				}
			}
			return count, nil
		}, nil
	}},
	{"expr", func(all []*film) (func() (int, error), error) {
		p, err := expr.Compile(`Year > 2010 && Rating > 7.0 && Votes > 70000`, expr.Env(&film{}), expr.AsBool())
		return func() (int, error) {
			count := 0
			for _, f := range all {
				ok, err := expr.Run(p, f)
				if err != nil {
					return 0, err
				}
				if ok == true {
					count++
				}
			}
			return count, nil
		}, err
	}},
	{"expr, whole list", func(all []*film) (func() (int, error), error) {
		p, err := expr.Compile(`count(films, .Year > 2010 && .Rating > 7.0 && .Votes > 70000)`, expr.Env(list{}))
		return func() (int, error) {
			n, err := expr.Run(p, list{all})
			if err != nil {
				return 0, err
			}
			count, _ := n.(int)
			return count, nil
		}, err
	}},
	{"CEL", func(all []*film) (func() (int, error), error) {
		p, err := celProgram(`f.Year > 2010 && f.Rating > 7.0 && f.Votes > 70000`)
		if err != nil {
			return nil, err
		}
		return func() (int, error) {
			count := 0
			vars := map[string]any{}
			for _, f := range all {
				vars["f"] = f
				ok, _, err := p.Eval(vars)
				if err != nil {
					return 0, err
				}
				if ok.Value() == true {
					count++
				}
			}
			return count, nil
		}, nil
	}},
	{"Starlark", inStarlark(`[None for f in films if f.year > 2010 and f.rating > 7.0 and f.votes > 70000]`)},
}

var projections = []work{
	{"Redeye", inQuery(`films().map(lambda f: {"id": f.id, "title": f.title, "rating": f.rating})`)},
	{"Go closure", func(all []*film) (func() (int, error), error) {
		return func() (int, error) {
			cards := make([]card, 0, len(all))
			for _, f := range all {
				cards = append(cards, project(f))
			}
			return len(cards), nil
		}, nil
	}},
	{"expr, whole list", func(all []*film) (func() (int, error), error) {
		p, err := expr.Compile(`map(films, {{"id": .ID, "title": .Title, "rating": .Rating}})`, expr.Env(list{}))
		return func() (int, error) {
			rows, err := expr.Run(p, list{all})
			if err != nil {
				return 0, err
			}
			cards, _ := rows.([]any)
			return len(cards), nil
		}, err
	}},
	{"CEL", func(all []*film) (func() (int, error), error) {
		p, err := celProgram(`{"id": dyn(f.ID), "title": dyn(f.Title), "rating": dyn(f.Rating)}`)
		if err != nil {
			return nil, err
		}
		return func() (int, error) {
			vars := map[string]any{}
			rows := make([]any, 0, len(all))
			for _, f := range all {
				vars["f"] = f
				row, _, err := p.Eval(vars)
				if err != nil {
					return 0, err
				}
				rows = append(rows, row)
			}
			return len(rows), nil
		}, nil
	}},
	{"Starlark", inStarlark(`[{"id": f.id, "title": f.title, "rating": f.rating} for f in films]`)},
}

// passes and project are called, as what is not known beforehand is: a compiler that put them into the loop would show something else.
var (
	passes  = func(f *film) bool { return f.Year > 2010 && f.Rating > 7 && f.Votes > 70000 }
	project = func(f *film) card { return card{f.ID, f.Title, f.Rating} }
)

// inQuery is a whole query: the plan is looked up, the source called, the answer made. What is counted is its list, or its number.
func inQuery(text string) func(all []*film) (func() (int, error), error) {
	return func(all []*film) (func() (int, error), error) {
		s := filmServer(all)
		return func() (int, error) {
			answer, err := s.Query(context.Background(), server.Request{Text: text})
			switch {
			case err != nil:
				return 0, err
			case answer.Value.Items != nil:
				return answer.Value.Items.Len, nil
			}
			return int(answer.Value.Ints[0]), nil
		}, nil
	}
}

// list is what expr's programs over all films see.
type list struct {
	Films []*film `expr:"films"`
}

func celProgram(text string) (cel.Program, error) {
	env, err := cel.NewEnv(ext.NativeTypes(reflect.TypeFor[*film]()), cel.Variable("f", cel.ObjectType("redeye.film")))
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	return env.Program(checked, cel.EvalOptions(cel.OptOptimize))
}

func inStarlark(text string) func(all []*film) (func() (int, error), error) {
	return func(all []*film) (func() (int, error), error) {
		values := make([]starlark.Value, len(all))
		for i, f := range all {
			values[i] = filmValue{f}
		}
		globals, err := starlark.ExecFileOptions(&syntax.FileOptions{}, &starlark.Thread{}, "work.star", "def work(films):\n  return "+text, nil)
		if err != nil {
			return nil, err
		}
		rows := starlark.NewList(values)
		thread := &starlark.Thread{}
		return func() (int, error) {
			out, err := starlark.Call(thread, globals["work"], starlark.Tuple{rows}, nil)
			if err != nil {
				return 0, err
			}
			return starlark.Len(out), nil
		}, nil
	}
}

// filmValue is a film as Starlark sees it.
type filmValue struct{ f *film }

func (v filmValue) String() string        { return v.f.Title }
func (v filmValue) Type() string          { return "film" }
func (v filmValue) Freeze()               {}
func (v filmValue) Truth() starlark.Bool  { return true }
func (v filmValue) Hash() (uint32, error) { return uint32(v.f.ID), nil }
func (v filmValue) AttrNames() []string   { return []string{"id", "year", "votes", "rating", "title"} }

func (v filmValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "id":
		return starlark.MakeInt64(v.f.ID), nil
	case "year":
		return starlark.MakeInt64(v.f.Year), nil
	case "votes":
		return starlark.MakeInt64(v.f.Votes), nil
	case "rating":
		return starlark.Float(v.f.Rating), nil
	case "title":
		return starlark.String(v.f.Title), nil
	}
	return nil, nil
}

// The work is the same: as many rows come of it, whoever does it.
func TestSameWork(t *testing.T) {
	all := films(5000)
	for what, works := range map[string][]work{"predicate": predicates, "projection": projections} {
		var want int
		for i, w := range works {
			run, err := w.make(all)
			if err != nil {
				t.Fatalf("%s, %s: %v", what, w.name, err)
			}
			got, err := run()
			if err != nil {
				t.Fatalf("%s, %s: %v", what, w.name, err)
			}
			if i == 0 {
				want = got
			}
			if got != want || got == 0 {
				t.Errorf("%s, %s: %d rows instead of %d", what, w.name, got, want)
			}
		}
	}
}

// BenchmarkExpressions is a predicate of three terms and a projection to three fields over ordinary Go objects.
func BenchmarkExpressions(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		all := films(n)
		for _, what := range []struct {
			name  string
			works []work
		}{{"predicate", predicates}, {"projection", projections}} {
			for _, w := range what.works {
				b.Run(fmt.Sprintf("%s/rows=%d/by=%s", what.name, n, w.name), func(b *testing.B) {
					run, err := w.make(all)
					if err != nil {
						b.Fatal(err)
					}
					b.ReportAllocs()
					for b.Loop() {
						if _, err := run(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
				})
			}
		}
	}
}
