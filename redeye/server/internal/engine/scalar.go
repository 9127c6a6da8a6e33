package engine

import (
	"cmp"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// This file computes scalars: one loop for each operation and type. A column of one value for all rows is
// read through its mask, or by a loop of its own where that is worth it.

// two evaluates both operands, also if the first waits.
func (x *run) two(n *Node, f *Frame) (a, b *Vec, ok bool) {
	a, b = x.eval(n.Kids[0], f), x.eval(n.Kids[1], f)
	return a, b, a != nil && b != nil
}

func runNot(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a)}
	for i, m := 0, a.mask(); i < f.n; i++ {
		out.Bools[i] = !a.Bools[i&m]
	}
	return out
}

// compareBy returns the comparison of a kind.
func compareBy(k schema.Kind) func(*run, *Node, *Frame) *Vec {
	switch k {
	case schema.KindFloat:
		return comparison(func(v *Vec) []float64 { return v.Floats })
	case schema.KindString, schema.KindBytes:
		return comparison(func(v *Vec) []string { return v.Texts })
	default:
		return comparison(func(v *Vec) []int64 { return v.Ints })
	}
}

func comparison[T cmp.Ordered](of func(*Vec) []T) func(*run, *Node, *Frame) *Vec {
	return func(x *run, n *Node, f *Frame) *Vec {
		a, b, ok := x.two(n, f)
		if !ok {
			return nil
		}
		if !x.readTexts(a, b) {
			return nil
		}
		out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a, b)}
		if b.One && !a.One {
			compareWith(out.Bools, n.Op, of(a), of(b)[0])
		} else {
			compare(out.Bools, n.Op, of(a), a.mask(), of(b), b.mask())
		}
		return out
	}
}

// compareWith is the common case, a column with one value.
func compareWith[T cmp.Ordered](out []bool, op ast.Op, xs []T, y T) {
	xs = xs[:len(out)]
	switch op {
	case ast.OpLt:
		for i, x := range xs {
			out[i] = x < y
		}
	case ast.OpLe:
		for i, x := range xs {
			out[i] = x <= y
		}
	case ast.OpGt:
		for i, x := range xs {
			out[i] = x > y
		}
	case ast.OpGe:
		for i, x := range xs {
			out[i] = x >= y
		}
	case ast.OpEq:
		for i, x := range xs {
			out[i] = x == y
		}
	default:
		for i, x := range xs {
			out[i] = x != y
		}
	}
}

func compare[T cmp.Ordered](out []bool, op ast.Op, xs []T, xm int, ys []T, ym int) {
	for i := range out {
		x, y := xs[i&xm], ys[i&ym]
		switch op {
		case ast.OpLt:
			out[i] = x < y
		case ast.OpLe:
			out[i] = x <= y
		case ast.OpGt:
			out[i] = x > y
		case ast.OpGe:
			out[i] = x >= y
		case ast.OpEq:
			out[i] = x == y
		default:
			out[i] = x != y
		}
	}
}

// runEqual is == and !=.
func runEqual(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a, b)}
	ka, kb := a.kind(), b.kind()
	plain := a.Null == nil && b.Null == nil && ka == kb
	switch {
	case plain && ka == schema.KindInt:
		equalScalars(out.Bools, n.Op, a, b, a.Ints, b.Ints)
	case plain && ka == schema.KindFloat:
		equalScalars(out.Bools, n.Op, a, b, a.Floats, b.Floats)
	case plain && ka == schema.KindString:
		if !x.readTexts(a, b) {
			return nil
		}
		equalScalars(out.Bools, n.Op, a, b, a.Texts, b.Texts)
	default:
		ta, tb := n.Kids[0].Type, n.Kids[1].Type
		if da, db := x.deep(a, ta), x.deep(b, tb); !da || !db {
			return nil
		}
		ca, cb := x.keyer(ta), x.keyer(tb)
		for i := range out.Bools {
			if out.Bools[i] = ca.equal(a, i, cb, b, i) == (n.Op == ast.OpEq); x.err != nil {
				return nil
			}
		}
	}
	return out
}

func equalScalars[T cmp.Ordered](out []bool, op ast.Op, a, b *Vec, xs, ys []T) {
	if b.One && !a.One {
		compareWith(out, op, xs, ys[0])
		return
	}
	compare(out, op, xs, a.mask(), ys, b.mask())
}

func runIntArithmetic(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	out := &Vec{N: f.n, Ints: make([]int64, f.n), Errs: errs(f.n, a, b)}
	xm, ym := a.mask(), b.mask()
	for i := range out.Ints {
		x, y := a.Ints[i&xm], b.Ints[i&ym]
		var z int64
		var fine bool
		switch n.Op {
		case ast.OpAdd:
			z = x + y
			fine = (x^z)&(y^z) >= 0
		case ast.OpSub:
			z = x - y
			fine = (x^y)&(x^z) >= 0
		case ast.OpMul:
			z, fine = multiply(x, y)
		case ast.OpFloorDiv:
			z, fine = floorDiv(x, y)
		default:
			z, fine = floorMod(x, y)
		}
		out.Ints[i] = z
		if !fine {
			out.setErr(i, outOfRange(n, "%d %s %d is no int", x, map[ast.Op]string{
				ast.OpAdd: "+", ast.OpSub: "-", ast.OpMul: "*", ast.OpFloorDiv: "//", ast.OpMod: "%",
			}[n.Op], y))
		}
	}
	return out
}

func multiply(x, y int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	if (x < 0) != (y < 0) {
		return int64(-lo), hi == 0 && lo <= 1<<63
	}
	return int64(lo), hi == 0 && lo < 1<<63
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func floorDiv(x, y int64) (int64, bool) {
	if y == 0 || x == math.MinInt64 && y == -1 {
		return 0, false
	}
	q := x / y
	if x%y != 0 && (x < 0) != (y < 0) {
		q--
	}
	return q, true
}

func floorMod(x, y int64) (int64, bool) {
	switch y {
	case 0:
		return 0, false
	case -1:
		return 0, true
	}
	r := x % y
	if r != 0 && (r < 0) != (y < 0) {
		r += y
	}
	return r, true
}

func runFloatArithmetic(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	out := &Vec{N: f.n, Floats: make([]float64, f.n), Errs: errs(f.n, a, b)}
	xm, ym := a.mask(), b.mask()
	for i := range out.Floats {
		x, y := a.Floats[i&xm], b.Floats[i&ym]
		switch n.Op {
		case ast.OpAdd:
			out.Floats[i] = x + y
		case ast.OpSub:
			out.Floats[i] = x - y
		case ast.OpMul:
			out.Floats[i] = x * y
		default:
			out.Floats[i] = x / y
		}
	}
	return out
}

func runNeg(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	out := &Vec{N: f.n, Errs: errs(f.n, a)}
	m := a.mask()
	if n.Type.Kind == schema.KindFloat {
		out.Floats = make([]float64, f.n)
		for i := range out.Floats {
			out.Floats[i] = -a.Floats[i&m]
		}
		return out
	}
	out.Ints = make([]int64, f.n)
	for i := range out.Ints {
		out.Ints[i] = -a.Ints[i&m]
		if a.Ints[i&m] == math.MinInt64 {
			out.setErr(i, outOfRange(n, "-(%d) is no int", int64(math.MinInt64)))
		}
	}
	return out
}

// maxText bounds the text that an operation makes.
const maxText = 1 << 20

func runConcatTexts(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	out := &Vec{N: f.n, Texts: make([]string, f.n), Errs: errs(f.n, a, b)}
	xm, ym := a.mask(), b.mask()
	for i := range out.Texts {
		s, t := a.Texts[i&xm], b.Texts[i&ym]
		if len(s)+len(t) > maxText {
			out.setErr(i, outOfRange(n, "a text of %d bytes; %d are allowed", len(s)+len(t), maxText))
			continue
		}
		if !x.charge("memory", &x.used.Memory, int64(len(s)+len(t)), x.budget.Memory) {
			return nil
		}
		out.Texts[i] = s + t
	}
	return out
}

func runCase(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	convert := strings.ToLower
	if n.Op == ast.OpUpper {
		convert = strings.ToUpper
	}
	out := &Vec{N: f.n, Texts: make([]string, f.n), Errs: errs(f.n, a)}
	m := a.mask()
	for i := range out.Texts {
		s := a.Texts[i&m]
		if !x.charge("memory", &x.used.Memory, int64(len(s)), x.budget.Memory) {
			return nil
		}
		out.Texts[i] = convert(s)
	}
	return out
}

// runAffix is startswith, endswith and in of texts.
func runAffix(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	if !x.readTexts(a, b) {
		return nil
	}
	out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a, b)}
	xm, ym := a.mask(), b.mask()
	for i := range out.Bools {
		s, t := a.Texts[i&xm], b.Texts[i&ym]
		switch n.Op {
		case ast.OpStartsWith:
			out.Bools[i] = strings.HasPrefix(s, t)
		case ast.OpEndsWith:
			out.Bools[i] = strings.HasSuffix(s, t)
		default:
			out.Bools[i] = strings.Contains(t, s)
		}
	}
	return out
}

func runMatch(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a)}
	m := a.mask()
	for i := range out.Bools {
		s := a.Texts[i&m]
		if !x.read(len(s) * n.field) {
			return nil
		}
		out.Bools[i] = n.re.MatchString(s)
	}
	return out
}

func runTextLength(x *run, n *Node, f *Frame) *Vec {
	return x.lengths(n, f, utf8.RuneCountInString)
}

func runBytesLength(x *run, n *Node, f *Frame) *Vec {
	return x.lengths(n, f, func(s string) int { return len(s) })
}

func (x *run) lengths(n *Node, f *Frame, of func(string) int) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	if !x.readTexts(a) {
		return nil
	}
	out := &Vec{N: f.n, Ints: make([]int64, f.n), Errs: errs(f.n, a)}
	m := a.mask()
	for i := range out.Ints {
		out.Ints[i] = int64(of(a.Texts[i&m]))
	}
	return out
}

// runConvert is int(x), float(x), str(x).
func runConvert(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil || !x.readTexts(a) {
		return nil
	}
	from := n.Kids[0].Type.Kind
	if from == n.Type.Kind || from == schema.KindEnum { // whose values are texts already
		return a
	}
	out := blank(n.Type, f.n)
	out.Errs = errs(f.n, a)
	m := a.mask()
	for i := range f.n {
		j := i & m
		switch n.Type.Kind {
		case schema.KindInt:
			if from == schema.KindFloat {
				v := a.Floats[j]
				if !(v >= -(1<<63) && v < 1<<63) {
					out.setErr(i, outOfRange(n, "%v is no int", v))
					continue
				}
				out.Ints[i] = int64(v)
				continue
			}
			v, err := strconv.ParseInt(a.Texts[j], 10, 64)
			if err != nil {
				out.setErr(i, outOfRange(n, "%.40q is no int", a.Texts[j]))
			}
			out.Ints[i] = v
		case schema.KindFloat:
			if from == schema.KindInt {
				out.Floats[i] = float64(a.Ints[j])
				continue
			}
			v, err := strconv.ParseFloat(a.Texts[j], 64)
			if err != nil {
				out.setErr(i, outOfRange(n, "%.40q is no float", a.Texts[j]))
			}
			out.Floats[i] = v
		default:
			switch from {
			case schema.KindInt:
				out.Texts[i] = strconv.FormatInt(a.Ints[j], 10)
			case schema.KindFloat:
				out.Texts[i] = ast.Literal(ast.Float(a.Floats[j]))
			default:
				out.Texts[i] = ast.Literal(ast.Bool(a.Bools[j]))
			}
		}
	}
	return out
}
