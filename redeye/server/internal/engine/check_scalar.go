package engine

import (
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

func (c *checker) unary(out *Node, n *ast.Unary, like schema.Type) {
	set := func(t schema.Type, run func(*run, *Node, *Frame) *Vec, kids ...*Node) {
		out.Type, out.run, out.Kids = t, run, kids
	}
	switch n.Code {
	case ast.OpNot:
		set(boolean, runNot, c.want(n.X, boolean))
	case ast.OpNeg:
		x := c.check(n.X, like)
		if k := x.Type.Kind; x.Type.Null || k != schema.KindInt && k != schema.KindFloat && k != schema.KindDuration {
			c.fail(n, "there is no negative of %s", article(x.Type))
		}
		set(x.Type, runNeg, x)
	case ast.OpLower, ast.OpUpper:
		set(text, runCase, c.want(n.X, text))
	case ast.OpLength:
		x := c.check(n.X, unknown)
		if k := x.Type.Kind; x.Type.Null || k != schema.KindList && k != schema.KindMap && k != schema.KindString && k != schema.KindBytes {
			c.fail(n.X, "this is %s, which has no length", article(x.Type))
		}
		set(integer, runLength, x)
		switch x.Type.Kind {
		case schema.KindString:
			out.run = runTextLength
		case schema.KindBytes:
			out.run = runBytesLength
		default:
		}
	case ast.OpFirst, ast.OpLast:
		wish := unknown
		if c.open(n.X) == 2 && like.Kind != schema.KindUnknown {
			wish = schema.ListOf(like.NotNull())
		}
		x := c.list(n.X, wish)
		set(x.Type.Elem.OrNull(), runEnd, x)
	case ast.OpInt:
		c.convert(out, n, integer)
	case ast.OpFloat:
		c.convert(out, n, floats)
	case ast.OpStr:
		c.convert(out, n, text)
	case ast.OpOrDrop:
		if len(c.drops) == 0 {
			c.fail(n, "or_drop drops a row of map, flat_map or filter, and is in none")
		}
		x := c.check(n.X, like)
		set(x.Type, runSame, x)
		twin := *out // which check finds equal
		c.drops[len(c.drops)-1] = append(c.drops[len(c.drops)-1], c.intern(&twin))
	default:
	}
}

func (c *checker) convert(out *Node, n *ast.Unary, to schema.Type) {
	wish := unknown
	if c.open(n.X) == 2 {
		wish = to // a parameter that is converted is given as what it is converted to
	}
	x := c.check(n.X, wish)
	from := x.Type.Kind
	ok := !x.Type.Null && (from == to.Kind || from == schema.KindInt || from == schema.KindFloat || from == schema.KindString ||
		(from == schema.KindBool || from == schema.KindEnum) && to.Kind == schema.KindString)
	if !ok {
		c.fail(n, "%s cannot be made %s", article(x.Type), article(to))
	}
	out.Kids, out.Type, out.run = []*Node{x}, to, runConvert
}

func (c *checker) binary(out *Node, n *ast.Binary, like schema.Type) {
	set := func(t schema.Type, run func(*run, *Node, *Frame) *Vec, kids ...*Node) {
		out.Type, out.run, out.Kids = t, run, kids
	}
	switch n.Code {
	case ast.OpAnd, ast.OpOr:
		set(boolean, runLogic, c.want(n.L, boolean), c.want(n.R, boolean))
	case ast.OpEq, ast.OpNe:
		kids, t := c.together(unknown, n.L, n.R)
		if t.Kind == schema.KindMap || t.Kind == schema.KindUnknown {
			c.fail(n, "there is no comparison of %s", article(t))
		}
		set(boolean, runEqual, kids...)
	case ast.OpLt, ast.OpLe, ast.OpGt, ast.OpGe:
		kids := c.sides(n, unknown, "order")
		t, ok := both(kids[0].Type, kids[1].Type)
		if !ok {
			c.fail(n.R, "this is %s, and what stands beside it is %s%s", article(kids[1].Type), article(kids[0].Type), advice(kids[1].Type, kids[0].Type))
		}
		if t.Null {
			side := n.L
			if !kids[0].Type.Null {
				side = n.R
			}
			c.fail(side, "this may be null, and null has no order: use x.or_else(…)")
		}
		if !t.Kind.Ordered() {
			c.fail(n, "%s has no order", article(t))
		}
		set(boolean, compareBy(t.Kind), kids...)
	case ast.OpIn:
		c.in(out, n)
	case ast.OpAdd, ast.OpSub, ast.OpMul, ast.OpDiv, ast.OpFloorDiv, ast.OpMod:
		c.arithmetic(out, n, like)
	case ast.OpStartsWith, ast.OpEndsWith:
		set(boolean, runAffix, c.want(n.L, text), c.want(n.R, text))
	case ast.OpOrElse:
		if like.Kind == schema.KindUnknown && c.open(n.L) == 2 && c.open(n.R) < 2 {
			like = c.check(n.R, unknown).Type
		}
		x := c.check(n.L, like.OrNull())
		if !x.Type.Null {
			c.fail(n.L, "this is %s, which is never null; use it as it is", article(x.Type))
		}
		d := c.check(n.R, x.Type.NotNull())
		t, ok := both(x.Type.NotNull(), d.Type)
		if !ok {
			c.fail(n.R, "this is %s, and stands for %s", article(d.Type), article(x.Type.NotNull()))
		}
		set(t, runOrElse, x, d)
	case ast.OpOnError:
		x := c.check(n.L, like)
		d := c.check(n.R, x.Type)
		t, ok := both(x.Type, d.Type)
		if !ok {
			c.fail(n.R, "this is %s, and stands for %s", article(d.Type), article(x.Type))
		}
		set(t, runOnError, x, d)
	default:
	}
}

func (c *checker) in(out *Node, n *ast.Binary) {
	out.Type = boolean
	if !isText(n.R) && c.open(n.R) >= max(1, c.open(n.L)) { // ids in x in ids
		l := c.check(n.L, unknown)
		out.Kids = []*Node{l, c.want(n.R, schema.ListOf(l.Type))}
		out.run = runIn
		return
	}
	r := c.check(n.R, unknown)
	switch {
	case r.Type.Null:
		c.fail(n.R, "this may be null: use x.or_else(…)")
	case r.Type.Kind == schema.KindList:
		l := c.check(n.L, *r.Type.Elem)
		if t, ok := both(l.Type, *r.Type.Elem); !ok || t.Kind == schema.KindMap {
			c.fail(n, "%s cannot be in %s", article(l.Type), article(r.Type))
		}
		out.Kids, out.run = []*Node{l, r}, runIn
	case r.Type.Kind == schema.KindMap:
		out.Kids, out.run = []*Node{c.want(n.L, schema.Of(r.Type.Key)), r}, runIn
	case r.Type.Kind == schema.KindString:
		out.Kids, out.run = []*Node{c.want(n.L, text), r}, runAffix
	default:
		c.fail(n.R, "this is %s; in asks a list, a map or a text", article(r.Type))
	}
}

// sides checks the operands of an operation that enums do not have, first the one whose type depends less on the other's.
func (c *checker) sides(n *ast.Binary, like schema.Type, lacks string) []*Node {
	kids := make([]*Node, 2)
	order := []int{0, 1}
	if c.open(n.L) > c.open(n.R) {
		order = []int{1, 0}
	}
	for _, i := range order {
		side := []ast.Node{n.L, n.R}[i]
		kids[i] = c.check(side, like)
		if like = kids[i].Type; like.Kind == schema.KindEnum {
			c.fail(side, "this is %s, and enums have no %s; str(x) is its text", article(like), lacks)
		}
	}
	return kids
}

func (c *checker) arithmetic(out *Node, n *ast.Binary, like schema.Type) {
	kids := c.sides(n, like, "arithmetic")
	out.Kids = kids
	for i, side := range []ast.Node{n.L, n.R} {
		if kids[i].Type.Null {
			c.fail(side, "this may be null: use x.then(lambda v: …) or x.or_else(…)")
		}
	}
	l, r := kids[0].Type, kids[1].Type
	type signature struct {
		op   ast.Op
		l, r schema.Kind
	}
	const (
		kInt, kFloat, kTime, kDuration, kString = schema.KindInt, schema.KindFloat, schema.KindTime, schema.KindDuration, schema.KindString
	)
	sig := signature{n.Code, l.Kind, r.Kind}
	switch {
	case sig == signature{ast.OpDiv, kInt, kInt}:
		c.fail(n, "/ is of floats; write a // b for a whole quotient, or float(a) / float(b)")
	case l.Kind == schema.KindList && r.Kind == schema.KindList && n.Code == ast.OpAdd:
		t, ok := both(l, r)
		if !ok {
			c.fail(n, "%s and %s cannot be put together", article(l), article(r))
		}
		out.Type, out.run = t, runConcatLists
		return
	}
	result, ok := map[signature]schema.Kind{
		{ast.OpAdd, kInt, kInt}: kInt, {ast.OpSub, kInt, kInt}: kInt, {ast.OpMul, kInt, kInt}: kInt, {ast.OpFloorDiv, kInt, kInt}: kInt,
		{ast.OpMod, kInt, kInt}: kInt, {ast.OpAdd, kFloat, kFloat}: kFloat, {ast.OpSub, kFloat, kFloat}: kFloat,
		{ast.OpMul, kFloat, kFloat}: kFloat, {ast.OpDiv, kFloat, kFloat}: kFloat, {ast.OpAdd, kString, kString}: kString,
		{ast.OpSub, kTime, kTime}: kDuration, {ast.OpAdd, kTime, kDuration}: kTime, {ast.OpSub, kTime, kDuration}: kTime,
		{ast.OpAdd, kDuration, kDuration}: kDuration, {ast.OpSub, kDuration, kDuration}: kDuration, {ast.OpMul, kDuration, kInt}: kDuration,
	}[sig]
	if !ok {
		c.fail(n, "there is no %s %s %s%s", l.Short(), map[ast.Op]string{
			ast.OpAdd: "+", ast.OpSub: "-", ast.OpMul: "*", ast.OpDiv: "/", ast.OpFloorDiv: "//", ast.OpMod: "%",
		}[n.Code], r.Short(), advice(r, l))
	}
	out.Type = schema.Of(result)
	switch l.Kind {
	case kFloat:
		out.run = runFloatArithmetic
	case kString:
		out.run = runConcatTexts
	default:
		out.run = runIntArithmetic
	}
}
