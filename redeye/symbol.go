package redeye

import (
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// typed is what all symbols are: a node, and the Go type of its value.
type typed[T any] struct{ n Node }

func (x typed[T]) node() Node { return x.n }
func (x typed[T]) is(T)       {}

// ordered is a symbol that can be compared. What it is compared with becomes a parameter of the program; for two symbols
// there are the functions [Eq], [Lt] and so on.
type ordered[T any] struct{ typed[T] }

// Eq is x == v.
func (x ordered[T]) Eq(v T) Bool { return Bool{typed[bool]{binary(ast.OpEq, x.n, value(v))}} }

// Ne is x != v.
func (x ordered[T]) Ne(v T) Bool { return Bool{typed[bool]{binary(ast.OpNe, x.n, value(v))}} }

// Lt is x < v.
func (x ordered[T]) Lt(v T) Bool { return Bool{typed[bool]{binary(ast.OpLt, x.n, value(v))}} }

// Le is x <= v.
func (x ordered[T]) Le(v T) Bool { return Bool{typed[bool]{binary(ast.OpLe, x.n, value(v))}} }

// Gt is x > v.
func (x ordered[T]) Gt(v T) Bool { return Bool{typed[bool]{binary(ast.OpGt, x.n, value(v))}} }

// Ge is x >= v.
func (x ordered[T]) Ge(v T) Bool { return Bool{typed[bool]{binary(ast.OpGe, x.n, value(v))}} }

// In is whether x is one of vs.
func (x ordered[T]) In(vs []T) Bool { return Bool{typed[bool]{binary(ast.OpIn, x.n, value(vs))}} }

// The symbols of scalars.
type (
	// Bool stands for a truth value. It is none itself: if x.CanView(user) { … } does not compile.
	Bool struct{ typed[bool] }
	// Int stands for a whole number of 64 bits.
	Int struct{ ordered[int64] }
	// Float stands for a number, IEEE 754 binary64.
	Float struct{ ordered[float64] }
	// Str stands for a text.
	Str struct{ ordered[string] }
	// Bytes stands for bytes.
	Bytes struct{ ordered[[]byte] }
	// Time stands for a point in time.
	Time struct{ ordered[time.Time] }
	// Duration stands for a span of time.
	Duration struct{ ordered[time.Duration] }
	// Enum stands for one of the values of T, a type of generated code.
	Enum[T ~string] struct{ typed[T] }
	// Entity stands for an entity; outside of the server it is its key. Generated symbols embed it.
	Entity[K any] struct{ typed[K] }
	// Param stands for an argument of a prepared query.
	Param[T any] struct{ typed[T] }
)

// EntityOf is for generated code.
func EntityOf[K any](n Node) Entity[K] { return Entity[K]{typed[K]{n}} }

// Record stands for an object; generated symbols embed it. T is the struct that it is in Go.
type Record[T any] struct{ typed[T] }

// RecordOf is for generated code.
func RecordOf[T any](n Node) Record[T] { return Record[T]{typed[T]{n}} }

// From is for generated code.
func (Bool) From(n Node) Bool { return Bool{typed[bool]{n}} }

// From is for generated code.
func (Int) From(n Node) Int { return Int{ordered[int64]{typed[int64]{n}}} }

// From is for generated code.
func (Float) From(n Node) Float { return Float{ordered[float64]{typed[float64]{n}}} }

// From is for generated code.
func (Str) From(n Node) Str { return Str{ordered[string]{typed[string]{n}}} }

// From is for generated code.
func (Bytes) From(n Node) Bytes { return Bytes{ordered[[]byte]{typed[[]byte]{n}}} }

// From is for generated code.
func (Time) From(n Node) Time { return Time{ordered[time.Time]{typed[time.Time]{n}}} }

// From is for generated code.
func (Duration) From(n Node) Duration {
	return Duration{ordered[time.Duration]{typed[time.Duration]{n}}}
}

// From is for generated code.
func (Enum[T]) From(n Node) Enum[T] { return Enum[T]{typed[T]{n}} }

// Eq is x == v.
func (x Enum[T]) Eq(v T) Bool { return from[Bool](binary(ast.OpEq, x.n, value(v))) }

// Ne is x != v.
func (x Enum[T]) Ne(v T) Bool { return from[Bool](binary(ast.OpNe, x.n, value(v))) }

// In is whether x is one of vs.
func (x Enum[T]) In(vs []T) Bool { return from[Bool](binary(ast.OpIn, x.n, value(vs))) }

// Str is x as a text.
func (x Enum[T]) Str() Str { return from[Str](unary(ast.OpStr, x.n)) }

// And is true where x and y are. y is computed where x is true.
func (x Bool) And(y Bool) Bool { return x.From(binary(ast.OpAnd, x.n, y.n)) }

// Or is true where x or y is. y is computed where x is false.
func (x Bool) Or(y Bool) Bool { return x.From(binary(ast.OpOr, x.n, y.n)) }

// Not is true where x is false.
func (x Bool) Not() Bool { return x.From(unary(ast.OpNot, x.n)) }

// Str is "True" or "False".
func (x Bool) Str() Str { return from[Str](unary(ast.OpStr, x.n)) }

// Add is x + v; beyond 64 bits it is an error OUT_OF_RANGE, as in Sub, Mul, Div, Mod and Neg.
func (x Int) Add(v int64) Int { return x.From(binary(ast.OpAdd, x.n, value(v))) }

// Sub is x - v.
func (x Int) Sub(v int64) Int { return x.From(binary(ast.OpSub, x.n, value(v))) }

// Mul is x * v.
func (x Int) Mul(v int64) Int { return x.From(binary(ast.OpMul, x.n, value(v))) }

// Div is x / v, rounded down.
func (x Int) Div(v int64) Int { return x.From(binary(ast.OpFloorDiv, x.n, value(v))) }

// Mod is what is left by Div; it has the sign of v.
func (x Int) Mod(v int64) Int { return x.From(binary(ast.OpMod, x.n, value(v))) }

// Neg is -x.
func (x Int) Neg() Int { return x.From(unary(ast.OpNeg, x.n)) }

// Float is the nearest float.
func (x Int) Float() Float { return from[Float](unary(ast.OpFloat, x.n)) }

// Str is x in decimal.
func (x Int) Str() Str { return from[Str](unary(ast.OpStr, x.n)) }

// Add is x + v.
func (x Float) Add(v float64) Float { return x.From(binary(ast.OpAdd, x.n, value(v))) }

// Sub is x - v.
func (x Float) Sub(v float64) Float { return x.From(binary(ast.OpSub, x.n, value(v))) }

// Mul is x * v.
func (x Float) Mul(v float64) Float { return x.From(binary(ast.OpMul, x.n, value(v))) }

// Div is x / v.
func (x Float) Div(v float64) Float { return x.From(binary(ast.OpDiv, x.n, value(v))) }

// Neg is -x.
func (x Float) Neg() Float { return x.From(unary(ast.OpNeg, x.n)) }

// Int is the whole part.
func (x Float) Int() Int { return from[Int](unary(ast.OpInt, x.n)) }

// Str is x as Go writes it.
func (x Float) Str() Str { return from[Str](unary(ast.OpStr, x.n)) }

// HasPrefix is whether x begins with v.
func (x Str) HasPrefix(v string) Bool { return from[Bool](binary(ast.OpStartsWith, x.n, value(v))) }

// HasSuffix is whether x ends with v.
func (x Str) HasSuffix(v string) Bool { return from[Bool](binary(ast.OpEndsWith, x.n, value(v))) }

// Contains is whether v is in x.
func (x Str) Contains(v string) Bool { return from[Bool](binary(ast.OpIn, value(v), x.n)) }

// Matches is whether x holds a match of a regular expression (RE2). The pattern is part of the program.
func (x Str) Matches(pattern string) Bool {
	return from[Bool](Node{func(s *scope) ast.Node { return &ast.Match{X: x.n.in(s), Pattern: pattern} }})
}

// Append is x and v after it.
func (x Str) Append(v string) Str { return x.From(binary(ast.OpAdd, x.n, value(v))) }

// Lower is x in lower case.
func (x Str) Lower() Str { return x.From(unary(ast.OpLower, x.n)) }

// Upper is x in upper case.
func (x Str) Upper() Str { return x.From(unary(ast.OpUpper, x.n)) }

// Length is how many code points x has.
func (x Str) Length() Int { return from[Int](unary(ast.OpLength, x.n)) }

// Int reads x as a whole number in decimal; what is none is an error OUT_OF_RANGE.
func (x Str) Int() Int { return from[Int](unary(ast.OpInt, x.n)) }

// Float reads x as a number as Go does; what is none is an error OUT_OF_RANGE.
func (x Str) Float() Float { return from[Float](unary(ast.OpFloat, x.n)) }

// Add is the time d later.
func (x Time) Add(d time.Duration) Time { return x.From(binary(ast.OpAdd, x.n, value(d))) }

// Since is how long x is after t.
func (x Time) Since(t time.Time) Duration { return from[Duration](binary(ast.OpSub, x.n, value(t))) }

// Add is x + d.
func (x Duration) Add(d time.Duration) Duration { return x.From(binary(ast.OpAdd, x.n, value(d))) }

// Sub is x - d.
func (x Duration) Sub(d time.Duration) Duration { return x.From(binary(ast.OpSub, x.n, value(d))) }

// Mul is x times n.
func (x Duration) Mul(n int64) Duration { return x.From(binary(ast.OpMul, x.n, value(n))) }

// Opt stands for what is X or null: nil in Go.
type Opt[X Symbol[X, T], T any] struct{ typed[*T] }

// From is for generated code.
func (Opt[X, T]) From(n Node) Opt[X, T] { return Opt[X, T]{typed[*T]{n}} }

// IsNull is whether there is none.
func (x Opt[X, T]) IsNull() Bool {
	return from[Bool](binary(ast.OpEq, x.n, Node{func(*scope) ast.Node { return &ast.Lit{} }}))
}

// OrElse is x, and v where x is null.
func (x Opt[X, T]) OrElse(v T) X { return from[X](binary(ast.OpOrElse, x.n, value(v))) }

// Nullable is x, for where null is allowed too.
func Nullable[X Symbol[X, T], T any](x X) Opt[X, T] { return from[Opt[X, T]](x.node()) }

// Then is null where x is, and f of it elsewhere.
func Then[X Symbol[X, T], T any, Y Symbol[Y, U], U any](x Opt[X, T], f func(X) Y) Opt[Y, U] {
	v, y := bind[X](f)
	return from[Opt[Y, U]](Node{func(s *scope) ast.Node { return &ast.Then{X: x.n.in(s), F: s.with(y.node(), v)} }})
}

// OrElse is x, and y where x is null.
func OrElse[X Symbol[X, T], T any](x Opt[X, T], y Expr[T]) X {
	return from[X](binary(ast.OpOrElse, x.n, y.node()))
}

// Ordered are the Go types whose symbols have an order.
type Ordered interface {
	int64 | float64 | string | []byte | time.Time | time.Duration
}

// Number are the Go types whose symbols can be added up.
type Number interface {
	int64 | float64 | time.Duration
}

// Eq is a == b.
func Eq[T any](a, b Expr[T]) Bool { return from[Bool](binary(ast.OpEq, a.node(), b.node())) }

// Ne is a != b.
func Ne[T any](a, b Expr[T]) Bool { return from[Bool](binary(ast.OpNe, a.node(), b.node())) }

// Lt is a < b.
func Lt[T Ordered](a, b Expr[T]) Bool { return from[Bool](binary(ast.OpLt, a.node(), b.node())) }

// Le is a <= b.
func Le[T Ordered](a, b Expr[T]) Bool { return from[Bool](binary(ast.OpLe, a.node(), b.node())) }

// Gt is a > b.
func Gt[T Ordered](a, b Expr[T]) Bool { return from[Bool](binary(ast.OpGt, a.node(), b.node())) }

// Ge is a >= b.
func Ge[T Ordered](a, b Expr[T]) Bool { return from[Bool](binary(ast.OpGe, a.node(), b.node())) }

// Add is a + b.
func Add[X Symbol[X, T], T Number | string](a X, b Expr[T]) X {
	return from[X](binary(ast.OpAdd, a.node(), b.node()))
}

// Sub is a - b.
func Sub[X Symbol[X, T], T Number](a X, b Expr[T]) X {
	return from[X](binary(ast.OpSub, a.node(), b.node()))
}

// Mul is a * b.
func Mul[X Symbol[X, T], T int64 | float64](a X, b Expr[T]) X {
	return from[X](binary(ast.OpMul, a.node(), b.node()))
}

// If is a where cond is true, and b elsewhere. Of each row only that side is computed.
func If[X Symbol[X, T], T any](cond Bool, a, b X) X {
	return from[X](Node{func(s *scope) ast.Node {
		return &ast.If{Cond: cond.n.in(s), Then: a.node().in(s), Else: b.node().in(s)}
	}})
}

// Let is f of x, where x is computed at most once however often f uses it.
func Let[X Symbol[X, T], T any, Y Symbol[Y, U], U any](x X, f func(X) Y) Y {
	v, y := bind[X](f)
	return from[Y](Node{func(s *scope) ast.Node { return &ast.Let{X: x.node().in(s), In: s.with(y.node(), v)} }})
}

// OnError is x, and v where x is in error.
func OnError[X Symbol[X, T], T any](x X, v T) X {
	return from[X](binary(ast.OpOnError, x.node(), value(v)))
}

// OrDrop is x; where it is in error, the row around it is left out.
func OrDrop[X Symbol[X, T], T any](x X) X { return from[X](unary(ast.OpOrDrop, x.node())) }

// Validate is x; where cond is false of it, the query fails with FAILED_PRECONDITION and the message.
func Validate[X Symbol[X, T], T any](x X, cond func(X) Bool, msg string) X {
	v, c := bind[X](cond)
	return from[X](Node{func(s *scope) ast.Node {
		return &ast.Validate{X: x.node().in(s), F: s.with(c.n, v), Msg: msg}
	}})
}

// Cache is x, perhaps as it was up to ttl ago for the same scope: public, tenant or principal.
func Cache[X Symbol[X, T], T any](x X, ttl time.Duration, who string) X {
	return from[X](Node{func(s *scope) ast.Node {
		return &ast.Cache{X: x.node().in(s), TTL: ast.Duration(ttl), Scope: who}
	}})
}

// Warm computes x and fills what [Cache] of the same scope reads. It is how many rows x has.
func Warm[X Symbol[X, T], T any](x X, ttl time.Duration, who string) Int {
	return from[Int](Node{func(s *scope) ast.Node {
		return &ast.Warm{X: x.node().in(s), TTL: ast.Duration(ttl), Scope: who}
	}})
}

// Timeout is x, in error with DEADLINE_EXCEEDED where it is not there in time.
func Timeout[X Symbol[X, T], T any](x X, after time.Duration) X {
	return from[X](Node{func(s *scope) ast.Node { return &ast.Timeout{X: x.node().in(s), After: ast.Duration(after)} }})
}
