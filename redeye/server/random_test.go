package server_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server"
)

var (
	tBool, tInt, tFloat, tText = schema.Of(schema.KindBool), schema.Of(schema.KindInt), schema.Of(schema.KindFloat), schema.Of(schema.KindString)
	tMovie                     = schema.EntityOf("Movie")
	tMedium, tAge              = enumOf("Medium", "feature", "short film", "series"), enumOf("Age", "all", "12", "18")
)

func enumOf(name string, values ...string) schema.Type {
	t, err := schema.EnumOf(name, values...)
	if err != nil {
		panic(err)
	}
	return t
}

// programs makes well-typed programs over the world of world_test.go out of choices, small ones for small choices.
type programs struct {
	pick   func(n int) int
	vars   []schema.Type
	budget int
	pure   bool // no calls here
	depth  int  // of lambdas
}

func (g *programs) lit(v ast.Value) ast.Node { return &ast.Lit{Value: v} }

func (g *programs) int() ast.Node { return g.lit(ast.Int(int64(g.pick(6)))) }

// typ makes a type that values of programs have.
func (g *programs) typ(depth int) schema.Type {
	n := 11
	if depth > 1 {
		n = 8
	}
	switch g.pick(n) {
	case 0:
		return tInt
	case 1:
		return tText
	case 2:
		return tBool
	case 3:
		return tFloat
	case 4, 5:
		return tMovie
	case 6:
		return tMedium
	case 7:
		return tAge
	case 8:
		return schema.ListOf(g.typ(depth + 1))
	case 9:
		return g.scalar().OrNull()
	default:
		t := schema.Type{Kind: schema.KindObject}
		for i := range 1 + g.pick(3) {
			t.Fields = append(t.Fields, schema.Field{Name: []string{"a", "b", "c"}[i], Type: g.typ(depth + 1)})
		}
		return t
	}
}

func (g *programs) scalar() schema.Type {
	return []schema.Type{tInt, tText, tBool, tFloat, tMedium, tAge}[g.pick(6)]
}

// beside makes what stands beside something of a type, which an enum's value that is written down needs.
func (g *programs) beside(t schema.Type) ast.Node {
	if t.Kind == schema.KindEnum && g.pick(3) > 0 {
		return g.lit(ast.String(t.Values[g.pick(len(t.Values))]))
	}
	return g.expr(t)
}

func (g *programs) lambda(of schema.Type, body func() ast.Node) ast.Lambda {
	g.vars = append(g.vars, of)
	g.depth++
	defer func() { g.vars = g.vars[:len(g.vars)-1]; g.depth-- }()
	return ast.Lambda{Body: body()}
}

// leaf makes a short program of a type: a variable if there is one.
func (g *programs) leaf(t schema.Type) ast.Node {
	var fitting []int
	for i, v := range g.vars {
		if v.Equal(t) {
			fitting = append(fitting, len(g.vars)-1-i)
		}
	}
	if len(fitting) > 0 && g.pick(5) > 0 {
		return &ast.Var{Depth: fitting[g.pick(len(fitting))]}
	}
	if t.Null {
		return &ast.If{Cond: g.leaf(tBool), Then: g.leaf(t.NotNull()), Else: &ast.Lit{}}
	}
	switch t.Kind {
	case schema.KindInt:
		if g.pick(4) == 3 {
			return &ast.Unary{Code: ast.OpInt, X: &ast.Param{Name: "n"}}
		}
		return g.int()
	case schema.KindFloat:
		return g.lit(ast.Float([]float64{0, 1.5, -2}[g.pick(3)]))
	case schema.KindString:
		return g.lit(ast.String([]string{"", "drama", "Movie 3", "t0"}[g.pick(4)]))
	case schema.KindBool:
		return g.lit(ast.Bool(g.pick(2) == 0))
	case schema.KindEnum:
		if t.Name == "Age" {
			return &ast.Call{X: g.leaf(tMovie), Name: "age"}
		}
		return &ast.Attr{X: g.leaf(tMovie), Name: "medium"}
	case schema.KindEntity:
		if t.Name == "Movie" && !g.pure {
			return &ast.Index{X: &ast.Call{Name: "get_movies", Args: []ast.Node{&ast.List{Items: []ast.Node{g.int()}}}}, I: g.lit(ast.Int(0))}
		}
		return &ast.Index{X: g.leaf(schema.ListOf(t)), I: g.lit(ast.Int(0))}
	case schema.KindList:
		if t.Elem.Kind == schema.KindEntity && !t.Elem.Null {
			if t.Elem.Name == "Movie" {
				return &ast.Call{Name: "movies", Args: []ast.Node{g.int(), g.lit(ast.Int(int64(g.pick(30))))}}
			}
			return &ast.Call{X: g.leaf(tMovie), Name: "cast"}
		}
		list := &ast.List{}
		for range 1 + g.pick(3) {
			list.Items = append(list.Items, g.leaf(*t.Elem))
		}
		return list
	default:
		o := &ast.Object{}
		for _, f := range t.Fields {
			o.Names, o.Values = append(o.Names, f.Name), append(o.Values, g.leaf(f.Type))
		}
		return o
	}
}

// expr makes a program of a type.
func (g *programs) expr(t schema.Type) ast.Node {
	if g.budget--; g.budget <= 0 || g.depth >= 4 || g.pick(4) == 0 {
		return g.leaf(t)
	}
	if t.Null {
		return g.nullable(t)
	}
	switch g.pick(8) { // what gives any type
	case 0:
		return &ast.If{Cond: g.expr(tBool), Then: g.expr(t), Else: g.beside(t)}
	case 1:
		return &ast.Binary{Code: ast.OpOrElse, L: g.expr(t.OrNull()), R: g.beside(t)}
	case 2:
		if g.pick(2) == 0 {
			return &ast.Binary{Code: ast.OpOnError, L: g.expr(t), R: g.beside(t)}
		}
		return &ast.Binary{Code: ast.OpOnError, L: g.expr(t), R: g.leaf(t)}
	case 3:
		of := g.typ(1)
		return &ast.Let{X: g.expr(of), In: g.lambda(of, func() ast.Node { return g.expr(t) })}
	case 4:
		return &ast.Index{X: g.expr(schema.ListOf(t)), I: g.int()}
	case 5:
		o := schema.Type{Kind: schema.KindObject, Fields: []schema.Field{{Name: "a", Type: t}, {Name: "b", Type: g.typ(1)}}}
		return &ast.Attr{X: g.expr(o), Name: "a"}
	}
	switch t.Kind {
	case schema.KindInt:
		return g.ints()
	case schema.KindFloat:
		return g.floats()
	case schema.KindString:
		return g.texts()
	case schema.KindBool:
		return g.bools()
	case schema.KindEnum:
		return g.enums(t)
	case schema.KindList:
		return g.list(*t.Elem)
	case schema.KindObject:
		o := &ast.Object{}
		for _, f := range t.Fields {
			o.Names, o.Values = append(o.Names, f.Name), append(o.Values, g.expr(f.Type))
		}
		return o
	default:
		return g.leaf(t)
	}
}

func (g *programs) enums(t schema.Type) ast.Node {
	if t.Name == "Age" {
		return &ast.Call{X: g.expr(tMovie), Name: "age"}
	}
	if g.pick(3) == 0 {
		return &ast.Index{X: &ast.Attr{X: g.expr(tMovie), Name: "media"}, I: g.int()}
	}
	return &ast.Attr{X: g.expr(tMovie), Name: "medium"}
}

func (g *programs) nullable(t schema.Type) ast.Node {
	some := t.NotNull()
	switch g.pick(5) {
	case 0:
		return &ast.Unary{Code: []ast.Op{ast.OpFirst, ast.OpLast}[g.pick(2)], X: g.expr(schema.ListOf(some))}
	case 1:
		of := g.scalar()
		return &ast.Then{X: g.expr(of.OrNull()), F: g.lambda(of, func() ast.Node { return g.expr(some) })}
	case 2:
		if some.Kind == schema.KindInt {
			return &ast.Attr{X: g.expr(tMovie), Name: "sequel_of"}
		}
		if some.Kind == schema.KindString && !g.pure {
			return &ast.Call{X: g.expr(tMovie), Name: "poster"}
		}
		if some.Name == "Medium" {
			return &ast.Attr{X: g.expr(tMovie), Name: "next_medium"}
		}
	case 3:
		if some.Kind == schema.KindInt || some.Kind == schema.KindFloat || some.Kind == schema.KindString {
			of := g.typ(1)
			return &ast.Aggregate{Code: []ast.Op{ast.OpMin, ast.OpMax}[g.pick(2)], X: g.expr(schema.ListOf(of)), F: g.lambda(of, func() ast.Node { return g.expr(some) })}
		}
	}
	return &ast.If{Cond: g.expr(tBool), Then: g.expr(some), Else: &ast.Lit{}}
}

func (g *programs) ints() ast.Node {
	switch g.pick(6) {
	case 0:
		return &ast.Attr{X: g.expr(tMovie), Name: []string{"id", "year", "length"}[g.pick(3)]}
	case 1:
		return &ast.Binary{Code: []ast.Op{ast.OpAdd, ast.OpSub, ast.OpMul, ast.OpFloorDiv, ast.OpMod}[g.pick(5)], L: g.expr(tInt), R: g.expr(tInt)}
	case 2:
		return &ast.Unary{Code: ast.OpLength, X: g.expr(schema.ListOf(g.typ(1)))}
	case 3:
		of := g.typ(1)
		return &ast.Aggregate{Code: ast.OpSum, X: g.expr(schema.ListOf(of)), F: g.lambda(of, func() ast.Node { return g.expr(tInt) })}
	case 4:
		return g.reduce(tInt)
	default:
		return &ast.Unary{Code: []ast.Op{ast.OpNeg, ast.OpInt}[g.pick(2)], X: g.expr(tInt)}
	}
}

func (g *programs) reduce(t schema.Type) ast.Node {
	of := g.typ(2)
	r := &ast.Reduce{X: g.expr(schema.ListOf(of)), Init: g.expr(t)}
	was := g.pure
	g.pure = true
	r.F = g.lambda(t, func() ast.Node { return g.lambda(of, func() ast.Node { return g.pureLeaf(t) }).Body })
	g.pure = was
	return r
}

// pureLeaf makes what reduce may hold: it calls nothing.
func (g *programs) pureLeaf(t schema.Type) ast.Node {
	acc := &ast.Var{Depth: 1}
	if t.Kind == schema.KindInt {
		return &ast.Binary{Code: ast.OpAdd, L: acc, R: &ast.Binary{Code: ast.OpMod, L: acc, R: g.lit(ast.Int(7))}}
	}
	return acc
}

func (g *programs) floats() ast.Node {
	if g.pick(3) == 0 && !g.pure {
		return &ast.Call{X: g.expr(tMovie), Name: "rating"}
	}
	if g.pick(2) == 0 {
		return &ast.Unary{Code: ast.OpFloat, X: g.expr(tInt)}
	}
	return &ast.Binary{Code: []ast.Op{ast.OpAdd, ast.OpSub, ast.OpMul, ast.OpDiv}[g.pick(4)], L: g.expr(tFloat), R: g.expr(tFloat)}
}

func (g *programs) texts() ast.Node {
	switch g.pick(5) {
	case 0:
		return &ast.Attr{X: g.expr(tMovie), Name: "genre"}
	case 1:
		return &ast.Binary{Code: ast.OpAdd, L: g.expr(tText), R: g.expr(tText)}
	case 2:
		return &ast.Unary{Code: []ast.Op{ast.OpUpper, ast.OpLower, ast.OpStr}[g.pick(2)], X: g.expr(tText)}
	case 3:
		return &ast.Unary{Code: ast.OpStr, X: g.expr([]schema.Type{tInt, tMedium, tAge}[g.pick(3)])}
	default:
		if g.pure {
			return g.leaf(tText)
		}
		return &ast.Call{X: g.expr(tMovie), Name: []string{"title", "title", "broken"}[g.pick(3)]}
	}
}

func (g *programs) bools() ast.Node {
	switch g.pick(8) {
	case 6:
		t := []schema.Type{tMedium, tAge}[g.pick(2)]
		l, r := g.expr(t), g.beside(t)
		if g.pick(2) == 0 {
			l, r = r, l
		}
		return &ast.Binary{Code: []ast.Op{ast.OpEq, ast.OpNe}[g.pick(2)], L: l, R: r}
	case 7:
		return &ast.Call{X: g.expr(tMovie), Name: "shown_as", Args: []ast.Node{g.beside(tMedium)}}
	case 0:
		return &ast.Binary{Code: []ast.Op{ast.OpAnd, ast.OpOr}[g.pick(2)], L: g.expr(tBool), R: g.expr(tBool)}
	case 1:
		t := []schema.Type{tInt, tText}[g.pick(2)]
		return &ast.Binary{Code: []ast.Op{ast.OpEq, ast.OpNe, ast.OpLt, ast.OpLe, ast.OpGt, ast.OpGe}[g.pick(6)], L: g.expr(t), R: g.expr(t)}
	case 2:
		t := g.scalar()
		if t.Kind == schema.KindEnum {
			return &ast.Binary{Code: ast.OpIn, L: g.expr(t), R: &ast.List{Items: []ast.Node{g.beside(t), g.beside(t)}}}
		}
		return &ast.Binary{Code: ast.OpIn, L: g.expr(t), R: g.expr(schema.ListOf(t))}
	case 3:
		of := g.typ(1)
		return &ast.Aggregate{Code: []ast.Op{ast.OpAny, ast.OpAll}[g.pick(2)], X: g.expr(schema.ListOf(of)), F: g.lambda(of, func() ast.Node { return g.expr(tBool) })}
	case 4:
		return &ast.Unary{Code: ast.OpNot, X: g.expr(tBool)}
	default:
		if g.pure {
			return g.leaf(tBool)
		}
		return &ast.Call{X: g.expr(tMovie), Name: []string{"can_view", "may_see"}[g.pick(2)], Args: []ast.Node{g.expr(tInt)}}
	}
}

func (g *programs) list(elem schema.Type) ast.Node {
	t := schema.ListOf(elem)
	switch g.pick(13) {
	case 0, 1:
		return &ast.Filter{X: g.expr(t), F: g.lambda(elem, func() ast.Node { return g.expr(tBool) })}
	case 2, 3:
		of := g.typ(1)
		return &ast.Map{X: g.expr(schema.ListOf(of)), F: g.lambda(of, func() ast.Node { return g.expr(elem) })}
	case 4:
		of := g.typ(1)
		return &ast.FlatMap{X: g.expr(schema.ListOf(of)), F: g.lambda(of, func() ast.Node { return g.expr(t) })}
	case 5:
		return &ast.Limit{X: g.expr(t), N: g.expr(tInt)}
	case 6:
		return &ast.Skip{X: g.expr(t), N: g.expr(tInt)}
	case 7:
		s := &ast.Sort{X: g.expr(t)}
		for range 1 + g.pick(2) {
			key := []schema.Type{tInt, tText, tBool, tInt.OrNull()}[g.pick(4)]
			s.Keys = append(s.Keys, ast.Key{By: g.lambda(elem, func() ast.Node { return g.expr(key) }), Desc: g.pick(2) == 1 && !key.Null})
		}
		return s
	case 8:
		return &ast.Distinct{X: g.expr(t), F: g.lambda(elem, func() ast.Node { return g.expr(g.scalar()) })}
	case 9:
		of := g.typ(1)
		key := []schema.Type{tInt, tText, tMovie, tInt.OrNull(), tMedium}[g.pick(5)]
		n := &ast.Join{Code: []ast.Op{ast.OpSemiJoin, ast.OpAntiJoin}[g.pick(2)], Left: g.expr(t), Right: g.expr(schema.ListOf(of))}
		n.LeftKey = g.lambda(elem, func() ast.Node { return g.expr(key) })
		n.RightKey = g.lambda(of, func() ast.Node { return g.expr(key) })
		return n
	case 10:
		// The left sides of a join, through its pairs.
		of := g.typ(1)
		n := &ast.Join{Code: []ast.Op{ast.OpJoin, ast.OpLeftJoin}[g.pick(2)], Left: g.expr(t), Right: g.expr(schema.ListOf(of))}
		n.LeftKey = g.lambda(elem, func() ast.Node { return g.expr(tInt) })
		n.RightKey = g.lambda(of, func() ast.Node { return g.expr(tInt) })
		return &ast.Map{X: n, F: ast.Lambda{Body: &ast.Attr{X: &ast.Var{}, Name: "left"}}}
	case 11:
		// The first row of each group.
		n := &ast.Group{X: g.expr(t), F: g.lambda(elem, func() ast.Node { return g.expr(g.scalar()) })}
		return &ast.Map{X: n, F: ast.Lambda{Body: &ast.Index{X: &ast.Attr{X: &ast.Var{}, Name: "items"}, I: g.lit(ast.Int(0))}}}
	default:
		return &ast.Binary{Code: ast.OpAdd, L: g.expr(t), R: g.expr(t)}
	}
}

// Random programs have the value that they have row by row, and take no more calls. Where the naive interpreter fails, the engine
// may find that it did not need what failed; it never fails where the other does not.
func TestRandomProgramsRowByRow(t *testing.T) {
	w := newWorld()
	var ran, failed, calls, naiveCalls int
	count := 2000
	if testing.Short() {
		count = 1000
	}
	r := rand.New(rand.NewPCG(5, seed()))
	for range count {
		ok, made, would := checkRandom(t, w, r.IntN)
		ran++
		if !ok {
			failed++
		}
		calls, naiveCalls = calls+made, naiveCalls+would
	}
	t.Logf("%d programs, %d of which fail; %d calls instead of %d", ran, failed, calls, naiveCalls)
	if failed > ran*2/3 {
		t.Error("most programs fail: they show little")
	}
}

// seed is that of REDEYE_SEED, to look for more.
func seed() uint64 {
	n, err := strconv.ParseUint(os.Getenv("REDEYE_SEED"), 10, 64)
	if err != nil {
		return 6
	}
	return n
}

// It is so too where methods are called ahead.
func TestRandomProgramsCalledAhead(t *testing.T) {
	w := newWorld(server.Cheap())
	w.cheap = true
	r := rand.New(rand.NewPCG(8, seed()))
	for range 500 {
		checkRandom(t, w, r.IntN)
	}
}

func TestRandomProgramsShrunk(t *testing.T) {
	w := newWorld()
	rapid.Check(t, func(t *rapid.T) {
		checkRandom(t, w, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
	})
}

// ahead reports whether something in n may look at more rows than row by row: limit, any and all in chunks, the keys of a join at once.
func ahead(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.Limit, *ast.Join:
		return true
	case *ast.Aggregate:
		if n.Code == ast.OpAny || n.Code == ast.OpAll {
			return true
		}
	default:
	}
	for c := range ast.Children(n) {
		if ahead(c) {
			return true
		}
	}
	return false
}

func checkRandom(t interface {
	Fatalf(string, ...any)
	Helper()
}, w *world, pick func(n int) int,
) (ok bool, calls, naiveCalls int) {
	t.Helper()
	g := &programs{pick: pick, budget: 25}
	var n ast.Node
	if pick(2) == 0 {
		n = g.expr(g.typ(0))
	} else { // something of each movie of a list
		movies := &ast.Filter{X: g.leaf(schema.ListOf(tMovie)), F: g.lambda(tMovie, func() ast.Node { return g.expr(tBool) })}
		n = &ast.Map{X: movies, F: g.lambda(tMovie, func() ast.Node { return g.expr(g.typ(0)) })}
	}
	if err := ast.Check(n, ast.Limits{}); err != nil {
		return false, 0, 0 // nested too deeply
	}
	in := &naive{params: map[string]any{"n": int64(3)}}
	want, wantErr := deep(func() (any, error) { return in.eval(n, nil) })
	req := server.Request{Program: n, Params: map[string]server.Value{}}
	if strings.Contains(string(ast.AppendJSON(nil, n)), `["param"`) {
		req.Params["n"] = server.JSON([]byte("3"))
	}
	answer, err := w.Query(context.Background(), req)
	w.taken()
	checkPartial(t, w, req, err == nil && wantErr == nil, want)
	e, ok := errors.AsType[*server.Error](err)
	if ok && e.Reason == "BUDGET_EXCEEDED" {
		return false, 0, 0
	}
	switch {
	case err != nil && wantErr == nil:
		t.Fatalf("%s\n%v\n%v\nwhere row by row it is %s", ast.Text(n), err, errors.Unwrap(err), want)
	case ok && e.Code == "INTERNAL":
		t.Fatalf("%s\n%v\n%v", ast.Text(n), err, errors.Unwrap(err))
	case err != nil || wantErr != nil:
		return false, 0, 0
	}
	if _, err := w.Explain(context.Background(), req); err != nil {
		t.Fatalf("%s\nis run, and not explained: %v", ast.Text(n), err)
	}
	got := string(column.AppendJSON(nil, answer.Value, 0))
	if got != want {
		t.Fatalf("%s\nis      %s\nand row by row\n        %s", ast.Text(n), got, want)
	}
	if !w.cheap && !in.met && !ahead(n) && int(answer.Usage.Items) > in.calls {
		t.Fatalf("%s\nasked for %d, row by row for %d", ast.Text(n), answer.Usage.Items, in.calls)
	}
	return true, int(answer.Usage.Calls), in.calls
}

// checkPartial checks that a partial answer is the whole one where that is there and no error was replaced, and that one with errors in it travels.
func checkPartial(t interface {
	Fatalf(string, ...any)
	Helper()
}, w *world, req server.Request, whole bool, want string,
) {
	t.Helper()
	req.Partial = true
	answer, err := w.Query(context.Background(), req)
	w.taken()
	if err != nil {
		if e, ok := errors.AsType[*server.Error](err); whole && !has(req.Program, ast.OpOnError) || !ok || e.Code == "INTERNAL" {
			t.Fatalf("%s\nin part: %v\n%v", ast.Text(req.Program), err, errors.Unwrap(err))
		}
		return
	}
	got := column.AppendJSON(nil, answer.Value, 0)
	if whole && !has(req.Program, ast.OpOnError) && (string(got) != want || answer.ErrorsTotal+answer.RowsDropped > 0) {
		t.Fatalf("%s\nis in part %s, with %v\nand as a whole %s", ast.Text(req.Program), got, answer.Errors, want)
	}
	again, err := column.ReadProto(column.AppendProto(nil, answer.Value), answer.Value.Type, 1<<30)
	if err != nil || string(column.AppendJSON(nil, again, 0)) != string(got) {
		t.Fatalf("%s\nin part %s\ndoes not travel: %v", ast.Text(req.Program), got, err)
	}
}

func has(n ast.Node, op ast.Op) bool {
	if n.Op() == op {
		return true
	}
	for c := range ast.Children(n) {
		if has(c, op) {
			return true
		}
	}
	return false
}
