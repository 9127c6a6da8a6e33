// Package asttest makes programs for tests: well-formed trees of every operation, without regard to types.
package asttest

import (
	"math"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Tree makes a program out of choices: pick(n) is one of 0 to n-1. Small choices give small programs, so that a
// property tester's shrinking works. All of them pass [ast.Check] with default limits.
func Tree(pick func(n int) int) ast.Node {
	g := generator{pick: pick, budget: 40}
	return g.node(0, 0)
}

// Bytes makes choices out of a fuzzer's bytes, zeros when they are used up.
func Bytes(b []byte) func(n int) int {
	return func(n int) int {
		if len(b) == 0 || n <= 1 {
			return 0
		}
		v := int(b[0])
		b = b[1:]
		if n > 256 && len(b) > 0 {
			v |= int(b[0]) << 8
			b = b[1:]
		}
		return v % n
	}
}

type generator struct {
	pick   func(n int) int
	budget int // of nodes with children
	vars   int // bound here
}

var (
	names    = []string{"x", "y", "m", "title", "can_view", "get_movies", "_a9", "int", "x2"}
	sources  = []string{"get_movies", "movies_by_year", "all"}
	methods  = []string{"title", "can_view", "rating", "x"}
	messages = []string{"", "too many", "quote \" back\\slash", "line\nbreak\t\r", "电影 é \u200b \x01 \U0001f3ac \ufeff"}
)

func of[T any](g *generator, choices []T) T { return choices[g.pick(len(choices))] }

var unary = []ast.Op{
	ast.OpNot, ast.OpNeg, ast.OpLower, ast.OpUpper, ast.OpLength, ast.OpFirst, ast.OpLast, ast.OpInt, ast.OpFloat, ast.OpStr, ast.OpOrDrop,
}

var binary = []ast.Op{
	ast.OpAnd, ast.OpOr, ast.OpEq, ast.OpNe, ast.OpLt, ast.OpLe, ast.OpGt, ast.OpGe, ast.OpIn, ast.OpAdd, ast.OpSub, ast.OpMul, ast.OpDiv,
	ast.OpFloorDiv, ast.OpMod, ast.OpStartsWith, ast.OpEndsWith, ast.OpOrElse, ast.OpOnError,
}

// node makes a node at a depth, within so many lambdas.
func (g *generator) node(depth, lambdas int) ast.Node {
	n := 31
	if depth > 20 || g.budget <= 0 {
		n = 3
	} else if lambdas >= 4 {
		n = 16
	}
	g.budget--
	next := func() ast.Node { return g.node(depth+1, lambdas) }
	lambda := func(vars int) ast.Lambda {
		g.vars += vars
		defer func() { g.vars -= vars }()
		f := ast.Lambda{}
		if g.pick(4) > 0 {
			for range vars {
				f.Vars = append(f.Vars, of(g, names))
			}
		}
		f.Body = g.node(depth+1, lambdas+1)
		return f
	}
	list := func() (ns []ast.Node) {
		for range g.pick(4) {
			ns = append(ns, next())
		}
		return ns
	}
	switch g.pick(n) {
	case 0:
		return &ast.Lit{Value: g.literal()}
	case 1:
		return &ast.Param{Name: of(g, names)}
	case 2:
		if g.vars == 0 {
			return &ast.Lit{}
		}
		return &ast.Var{Depth: g.pick(g.vars)}
	case 3:
		return &ast.Attr{X: next(), Name: of(g, names)}
	case 4:
		return &ast.Index{X: next(), I: next()}
	case 5:
		return &ast.Call{X: next(), Name: of(g, methods), Args: list()}
	case 6:
		return &ast.Call{Name: of(g, sources), Args: list()}
	case 7, 8:
		return &ast.Unary{Code: of(g, unary), X: next()}
	case 9, 10, 11:
		return &ast.Binary{Code: of(g, binary), L: next(), R: next()}
	case 12:
		return &ast.If{Cond: next(), Then: next(), Else: next()}
	case 13:
		return &ast.Match{X: next(), Pattern: of(g, messages)}
	case 14:
		o := &ast.Object{Values: list()}
		for i := range o.Values {
			o.Names = append(o.Names, names[(g.pick(len(names)-3)+i)%len(names)])
		}
		if len(o.Names) > 1 {
			o.Names = append([]string(nil), names[:len(o.Names)]...)
		}
		return o
	case 15:
		return &ast.List{Items: list()}
	case 16:
		return &ast.Let{X: next(), In: lambda(1)}
	case 17:
		return &ast.Then{X: next(), F: lambda(1)}
	case 18:
		return &ast.Filter{X: next(), F: lambda(1)}
	case 19:
		return &ast.Map{X: next(), F: lambda(1)}
	case 20:
		return &ast.FlatMap{X: next(), F: lambda(1)}
	case 21:
		return &ast.Limit{X: next(), N: next()}
	case 22:
		return &ast.Skip{X: next(), N: next()}
	case 23:
		s := &ast.Sort{X: next()}
		for range 1 + g.pick(3) {
			s.Keys = append(s.Keys, ast.Key{By: lambda(1), Desc: g.pick(2) == 1})
		}
		return s
	case 24:
		return &ast.Distinct{X: next(), F: lambda(1)}
	case 25:
		return &ast.Group{X: next(), F: lambda(1)}
	case 26:
		return &ast.Aggregate{Code: ast.OpSum + ast.Op(g.pick(6)), X: next(), F: lambda(1)}
	case 27:
		return &ast.Reduce{X: next(), Init: next(), F: lambda(2)}
	case 28:
		return &ast.Join{Code: ast.OpJoin + ast.Op(g.pick(4)), Left: next(), Right: next(), LeftKey: lambda(1), RightKey: lambda(1)}
	case 29:
		return &ast.Page{X: next(), Size: next(), After: next()}
	default:
		ttl := ast.Duration(time.Duration(1+g.pick(1000)) * time.Millisecond)
		switch g.pick(4) {
		case 0:
			return &ast.Validate{X: next(), F: lambda(1), Msg: of(g, messages)}
		case 1:
			return &ast.Cache{X: next(), TTL: ttl, Scope: of(g, []string{"public", "tenant", "principal"})}
		case 2:
			return &ast.Warm{X: next(), TTL: ttl, Scope: of(g, []string{"public", "tenant", "principal"})}
		default:
			return &ast.Timeout{X: next(), After: ttl}
		}
	}
}

func (g *generator) literal() ast.Value {
	switch g.pick(8) {
	case 0:
		return ast.Null()
	case 1:
		return ast.Bool(g.pick(2) == 1)
	case 2, 3:
		return ast.Int(of(g, []int64{0, 1, -1, 7, 42, -300, math.MaxInt64, math.MinInt64}))
	case 4:
		return ast.Float(of(g, []float64{0, math.Copysign(0, -1), 1, -2.5, 1e21, 1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1}))
	case 5:
		return ast.String(of(g, messages))
	case 6:
		return ast.Bytes(of(g, append(messages, "\xff\x00\"")))
	default:
		if g.pick(2) == 0 {
			return ast.Duration(of(g, []time.Duration{0, time.Second, -90 * time.Minute, math.MaxInt64, math.MinInt64, 1}))
		}
		return ast.Time(of(g, []time.Time{{}, time.Unix(0, 0), time.Unix(1.7e9, 5), time.Unix(1e12, 0)}))
	}
}
