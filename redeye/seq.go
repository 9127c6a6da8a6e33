package redeye

import (
	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Seq stands for a list of X.
type Seq[X Symbol[X, T], T any] struct{ typed[[]T] }

// From is for generated code.
func (Seq[X, T]) From(n Node) Seq[X, T] { return Seq[X, T]{typed[[]T]{n}} }

// Filter is the rows for which cond is true. It is called once, with a symbol that stands for every row; so are the functions that other
// operations take.
func (l Seq[X, T]) Filter(cond func(X) Bool) Seq[X, T] {
	v, c := bind[X](cond)
	return l.From(Node{func(s *scope) ast.Node { return &ast.Filter{X: l.n.in(s), F: s.with(c.n, v)} }})
}

// Limit is the first n rows. What is only needed for others is not computed.
func (l Seq[X, T]) Limit(n int64) Seq[X, T] {
	size := value(n)
	return l.From(Node{func(s *scope) ast.Node { return &ast.Limit{X: l.n.in(s), N: size.in(s)} }})
}

// Skip is all rows but the first n.
func (l Seq[X, T]) Skip(n int64) Seq[X, T] {
	size := value(n)
	return l.From(Node{func(s *scope) ast.Node { return &ast.Skip{X: l.n.in(s), N: size.in(s)} }})
}

// Key is a key of [Seq.Sort].
type Key struct {
	by   Node
	desc bool
}

// Asc sorts by an expression, smallest first.
func Asc[T Ordered | bool](e Expr[T]) Key { return Key{e.node(), false} }

// Desc sorts by an expression, greatest first.
func Desc[T Ordered | bool](e Expr[T]) Key { return Key{e.node(), true} }

// AscNull sorts by what may be null, smallest first and null last.
func AscNull[T Ordered | bool](e Expr[*T]) Key { return Key{e.node(), false} }

// DescNull sorts by what may be null, greatest first and null last.
func DescNull[T Ordered | bool](e Expr[*T]) Key { return Key{e.node(), true} }

// Sort is the rows in the order of the first key, those that are equal by it in the order of the second, and so on; those that are equal by all stay as they are.
func (l Seq[X, T]) Sort(keys ...func(X) Key) Seq[X, T] {
	vars, by := make([]*variable, len(keys)), make([]Key, len(keys))
	for i, f := range keys {
		vars[i], by[i] = bind[X](f)
	}
	return l.From(Node{func(s *scope) ast.Node {
		n := &ast.Sort{X: l.n.in(s)}
		for i, k := range by {
			n.Keys = append(n.Keys, ast.Key{By: s.with(k.by, vars[i]), Desc: k.desc})
		}
		return n
	}})
}

// DistinctBy is the first of the rows with equal keys.
func (l Seq[X, T]) DistinctBy(key func(X) Any) Seq[X, T] {
	v, k := bind[X](key)
	return l.From(Node{func(s *scope) ast.Node { return &ast.Distinct{X: l.n.in(s), F: s.with(k.node(), v)} }})
}

// Distinct is the first of rows that are equal.
func (l Seq[X, T]) Distinct() Seq[X, T] { return l.DistinctBy(func(x X) Any { return x }) }

// Concat is l and the rows of m after it.
func (l Seq[X, T]) Concat(m Seq[X, T]) Seq[X, T] { return l.From(binary(ast.OpAdd, l.n, m.n)) }

// At is row i, from 0, or from the end if i is negative. If there is none it is an error OUT_OF_RANGE.
func (l Seq[X, T]) At(i int64) X {
	index := value(i)
	return from[X](Node{func(s *scope) ast.Node { return &ast.Index{X: l.n.in(s), I: index.in(s)} }})
}

// First is the first row, null if there is none.
func (l Seq[X, T]) First() Opt[X, T] { return from[Opt[X, T]](unary(ast.OpFirst, l.n)) }

// Last is the last row, null if there is none.
func (l Seq[X, T]) Last() Opt[X, T] { return from[Opt[X, T]](unary(ast.OpLast, l.n)) }

// Length is how many rows there are. What they hold is not computed.
func (l Seq[X, T]) Length() Int { return from[Int](unary(ast.OpLength, l.n)) }

// Any is whether cond is true of a row; rows are looked at until one is.
func (l Seq[X, T]) Any(cond func(X) Bool) Bool { return fold[Bool](ast.OpAny, l, cond) }

// All is whether cond is true of every row; rows are looked at until one is not.
func (l Seq[X, T]) All(cond func(X) Bool) Bool { return fold[Bool](ast.OpAll, l, cond) }

func fold[Z Symbol[Z, V], V any, X Symbol[X, T], T any, Y Any](op ast.Op, l Seq[X, T], f func(X) Y) Z {
	v, y := bind[X](f)
	return from[Z](Node{func(s *scope) ast.Node {
		return &ast.Aggregate{Code: op, X: l.n.in(s), F: s.with(y.node(), v)}
	}})
}

// Map is a list with f of each row. [Into] makes structs.
func Map[X Symbol[X, T], T any, Y Symbol[Y, U], U any](l Seq[X, T], f func(X) Y) Seq[Y, U] {
	v, y := bind[X](f)
	return from[Seq[Y, U]](Node{func(s *scope) ast.Node { return &ast.Map{X: l.n.in(s), F: s.with(y.node(), v)} }})
}

// FlatMap is the lists that f makes of the rows, one after another.
func FlatMap[X Symbol[X, T], T any, Y Symbol[Y, U], U any](l Seq[X, T], f func(X) Seq[Y, U]) Seq[Y, U] {
	v, y := bind[X](f)
	return from[Seq[Y, U]](Node{func(s *scope) ast.Node { return &ast.FlatMap{X: l.n.in(s), F: s.with(y.n, v)} }})
}

// Sum is f of all rows added up, from the first to the last.
func Sum[X Symbol[X, T], T any, Y Symbol[Y, U], U Number](l Seq[X, T], f func(X) Y) Y {
	return fold[Y](ast.OpSum, l, f)
}

// Min is the smallest f of a row, null if there is none.
func Min[X Symbol[X, T], T any, Y Symbol[Y, U], U Ordered](l Seq[X, T], f func(X) Y) Opt[Y, U] {
	return fold[Opt[Y, U]](ast.OpMin, l, f)
}

// Max is the greatest f of a row, null if there is none.
func Max[X Symbol[X, T], T any, Y Symbol[Y, U], U Ordered](l Seq[X, T], f func(X) Y) Opt[Y, U] {
	return fold[Opt[Y, U]](ast.OpMax, l, f)
}

// Avg is the mean of f of the rows, null if there is none.
func Avg[X Symbol[X, T], T any, Y Symbol[Y, U], U int64 | float64](l Seq[X, T], f func(X) Y) Opt[Float, float64] {
	return fold[Opt[Float, float64]](ast.OpAvg, l, f)
}

// Contains is whether a value is one of a list's.
func Contains[X Symbol[X, T], T any](l Seq[X, T], x Expr[T]) Bool {
	return from[Bool](binary(ast.OpIn, x.node(), l.n))
}

// Reduce folds the rows: it begins with init, and f of what there is and of the next row is what there is then. f calls no methods. init is a scalar and a part of the
// program: it is what says the type of acc.
func Reduce[X Symbol[X, T], T any, Y Symbol[Y, U], U any](l Seq[X, T], init U, f func(acc Y, x X) Y) Y {
	acc, row := new(variable), new(variable)
	body := f(from[Y](acc.node()), from[X](row.node())).node()
	return from[Y](Node{func(s *scope) ast.Node {
		return &ast.Reduce{X: l.n.in(s), Init: s.literal(init), F: s.with(body, acc, row)}
	}})
}

// Group is rows with an equal key.
type Group[K, T any] struct {
	Key   K
	Items []T
}

// GroupX stands for a [Group].
type GroupX[K Symbol[K, J], J any, X Symbol[X, T], T any] struct{ typed[Group[J, T]] }

// From is for generated code.
func (GroupX[K, J, X, T]) From(n Node) GroupX[K, J, X, T] {
	return GroupX[K, J, X, T]{typed[Group[J, T]]{n}}
}

// Key is what the rows have in common.
func (g GroupX[K, J, X, T]) Key() K { return Attr[K](g, "key") }

// Items is the rows.
func (g GroupX[K, J, X, T]) Items() Seq[X, T] { return Attr[Seq[X, T]](g, "items") }

// GroupBy puts rows with equal keys together: groups in order of their first row, and the rows of each as they come.
func GroupBy[X Symbol[X, T], T any, K Symbol[K, J], J any](l Seq[X, T], key func(X) K) Seq[GroupX[K, J, X, T], Group[J, T]] {
	v, k := bind[X](key)
	return from[Seq[GroupX[K, J, X, T], Group[J, T]]](Node{func(s *scope) ast.Node {
		return &ast.Group{X: l.n.in(s), F: s.with(k.node(), v)}
	}})
}

// Pair is a row of one list with one of another.
type Pair[L, R any] struct {
	Left  L
	Right R
}

// PairX stands for a [Pair].
type PairX[L Symbol[L, A], A any, R Symbol[R, B], B any] struct{ typed[Pair[A, B]] }

// From is for generated code.
func (PairX[L, A, R, B]) From(n Node) PairX[L, A, R, B] {
	return PairX[L, A, R, B]{typed[Pair[A, B]]{n}}
}

// Left is the row of the first list.
func (p PairX[L, A, R, B]) Left() L { return Attr[L](p, "left") }

// Right is the row of the second list.
func (p PairX[L, A, R, B]) Right() R { return Attr[R](p, "right") }

func join[X Symbol[X, T], T any, Y Symbol[Y, U], U, K any](op ast.Op, l Seq[X, T], m Seq[Y, U], lk func(X) Expr[K], mk func(Y) Expr[K]) Node {
	v, a := bind[X](lk)
	w, b := bind[Y](mk)
	return Node{func(s *scope) ast.Node {
		return &ast.Join{Code: op, Left: l.n.in(s), Right: m.n.in(s), LeftKey: s.with(a.node(), v), RightKey: s.with(b.node(), w)}
	}}
}

// Join is each pair of rows with equal keys, by the order of l, then of m.
func Join[X Symbol[X, T], T any, Y Symbol[Y, U], U, K any](
	l Seq[X, T], m Seq[Y, U], lk func(X) Expr[K], mk func(Y) Expr[K],
) Seq[PairX[X, T, Y, U], Pair[T, U]] {
	return from[Seq[PairX[X, T, Y, U], Pair[T, U]]](join(ast.OpJoin, l, m, lk, mk))
}

// LeftJoin is as [Join], and has each row of l that matches none, with null.
func LeftJoin[X Symbol[X, T], T any, Y Symbol[Y, U], U, K any](
	l Seq[X, T], m Seq[Y, U], lk func(X) Expr[K], mk func(Y) Expr[K],
) Seq[PairX[X, T, Opt[Y, U], *U], Pair[T, *U]] {
	return from[Seq[PairX[X, T, Opt[Y, U], *U], Pair[T, *U]]](join(ast.OpLeftJoin, l, m, lk, mk))
}

// SemiJoin is the rows of l for which m has one with an equal key.
func SemiJoin[X Symbol[X, T], T any, Y Symbol[Y, U], U, K any](l Seq[X, T], m Seq[Y, U], lk func(X) Expr[K], mk func(Y) Expr[K]) Seq[X, T] {
	return l.From(join(ast.OpSemiJoin, l, m, lk, mk))
}

// AntiJoin is the rows of l for which m has none with an equal key.
func AntiJoin[X Symbol[X, T], T any, Y Symbol[Y, U], U, K any](l Seq[X, T], m Seq[Y, U], lk func(X) Expr[K], mk func(Y) Expr[K]) Seq[X, T] {
	return l.From(join(ast.OpAntiJoin, l, m, lk, mk))
}

// Dict stands for a map with keys of K, which is int64 or string.
type Dict[K comparable, X Symbol[X, T], T any] struct{ typed[map[K]T] }

// From is for generated code.
func (Dict[K, X, T]) From(n Node) Dict[K, X, T] { return Dict[K, X, T]{typed[map[K]T]{n}} }

// At is the value of a key. If there is none it is an error OUT_OF_RANGE.
func (d Dict[K, X, T]) At(k K) X {
	key := value(k)
	return from[X](Node{func(s *scope) ast.Node { return &ast.Index{X: d.n.in(s), I: key.in(s)} }})
}

// Has is whether there is the key.
func (d Dict[K, X, T]) Has(k K) Bool { return from[Bool](binary(ast.OpIn, value(k), d.n)) }

// Length is how many keys there are.
func (d Dict[K, X, T]) Length() Int { return from[Int](unary(ast.OpLength, d.n)) }
