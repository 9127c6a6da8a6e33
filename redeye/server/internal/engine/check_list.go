package engine

import (
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

func (c *checker) collection(out *Node, n ast.Node, like schema.Type) {
	out.bound = len(c.vars) + 1
	elem := unknown // of the list that the place would like
	if like.Kind == schema.KindList {
		elem = *like.Elem
	}
	switch n := n.(type) {
	case *ast.Filter:
		x := c.list(n.X, like)
		cond, drops := c.function(n.F, x.Type.Elem, boolean)
		out.Kids, out.Type, out.drops, out.terms, out.run = []*Node{x, cond}, x.Type, drops, terms(cond), runFilter
	case *ast.Map:
		x := c.list(n.X, unknown)
		c.vars = append(c.vars, x.Type.Elem)
		c.drops = append(c.drops, nil)
		body := c.check(n.F.Body, elem)
		out.drops = c.drops[len(c.drops)-1]
		c.drops = c.drops[:len(c.drops)-1]
		c.vars = c.vars[:len(c.vars)-1]
		out.Kids, out.Type, out.run = []*Node{x, body}, schema.ListOf(body.Type), runMap
		speculate(x, body)
	case *ast.FlatMap:
		x := c.list(n.X, unknown)
		c.vars = append(c.vars, x.Type.Elem)
		c.drops = append(c.drops, nil)
		body := c.list(n.F.Body, like)
		out.drops = c.drops[len(c.drops)-1]
		c.drops = c.drops[:len(c.drops)-1]
		c.vars = c.vars[:len(c.vars)-1]
		out.Kids, out.Type, out.run = []*Node{x, body}, body.Type, runFlatMap
	case *ast.Limit:
		out.bound = 0
		x := c.list(n.X, like)
		count := c.want(n.N, integer)
		out.Kids, out.Type, out.run = []*Node{x, count}, x.Type, runLimit
		if x.Op == ast.OpFilter && x.Kids[1].calls {
			// Rows are asked in chunks until there are enough.
			out.Kids = []*Node{x.Kids[0], count, x.Kids[1]}
			out.bound, out.drops, out.run = x.bound, x.drops, runLimitFilter
		}
	case *ast.Skip:
		out.bound = 0
		x := c.list(n.X, like)
		out.Kids, out.Type, out.run = []*Node{x, c.want(n.N, integer)}, x.Type, runSkip
	case *ast.Sort:
		x := c.list(n.X, like)
		out.Kids, out.Type, out.run = []*Node{x}, x.Type, runSort
		for _, key := range n.Keys {
			k, drops := c.function(key.By, x.Type.Elem, unknown)
			c.noDrops(drops)
			if !k.Type.Kind.Ordered() && k.Type.Kind != schema.KindBool {
				c.fail(key.By.Body, "this is %s, which has no order%s", article(k.Type), advice(k.Type, text))
			}
			out.Kids = append(out.Kids, k)
			out.desc = append(out.desc, key.Desc)
		}
	case *ast.Distinct:
		x := c.list(n.X, like)
		key := c.key(n.F, x.Type.Elem)
		out.Kids, out.Type, out.run = []*Node{x, key}, x.Type, runDistinct
	case *ast.Group:
		x := c.list(n.X, unknown)
		key := c.key(n.F, x.Type.Elem)
		out.Kids, out.run = []*Node{x, key}, runGroup
		out.Type = schema.ListOf(schema.Type{Kind: schema.KindObject, Fields: []schema.Field{{Name: "key", Type: key.Type}, {Name: "items", Type: x.Type}}})
	case *ast.Aggregate:
		c.aggregate(out, n)
	case *ast.Reduce:
		c.reduce(out, n, like)
	case *ast.Join:
		l, r := c.list(n.Left, unknown), c.list(n.Right, unknown)
		lk := c.key(n.LeftKey, l.Type.Elem)
		rk := c.key(n.RightKey, r.Type.Elem)
		if t, ok := both(lk.Type, rk.Type); !ok || t.Kind == schema.KindUnknown {
			c.fail(n, "the keys are %s and %s%s", article(lk.Type), article(rk.Type), advice(rk.Type, lk.Type))
		}
		out.Kids, out.run = []*Node{l, r, lk, rk}, runJoin
		right := *r.Type.Elem
		switch n.Code {
		case ast.OpSemiJoin, ast.OpAntiJoin:
			out.Type = l.Type
			return
		case ast.OpLeftJoin:
			right = right.OrNull()
		default:
		}
		out.Type = schema.ListOf(schema.Type{Kind: schema.KindObject, Fields: []schema.Field{{Name: "left", Type: *l.Type.Elem}, {Name: "right", Type: right}}})
	case *ast.Page:
		c.page(out, n)
	default:
	}
}

// key checks a function whose values are compared for equality.
func (c *checker) key(f ast.Lambda, of *schema.Type) *Node {
	k, drops := c.function(f, of, unknown)
	c.noDrops(drops)
	if !comparable(k.Type) {
		c.fail(f.Body, "this is %s; a key is a scalar, an entity, or an object or list of such", article(k.Type))
	}
	return k
}

func comparable(t schema.Type) bool {
	switch t.Kind {
	case schema.KindUnknown, schema.KindMap:
		return false
	case schema.KindList:
		return comparable(*t.Elem)
	case schema.KindObject:
		for _, f := range t.Fields {
			if !comparable(f.Type) {
				return false
			}
		}
	default:
	}
	return true
}

func (c *checker) aggregate(out *Node, n *ast.Aggregate) {
	x := c.list(n.X, unknown)
	result := unknown
	if n.Code == ast.OpAny || n.Code == ast.OpAll {
		result = boolean
	}
	body, drops := c.function(n.F, x.Type.Elem, result)
	c.noDrops(drops)
	out.Kids = []*Node{x, body}
	kind := body.Type.Kind
	bad := func(what string) { c.fail(n.F.Body, "this is %s; %s", article(body.Type), what) }
	switch n.Code {
	case ast.OpSum:
		if body.Type.Null || kind != schema.KindInt && kind != schema.KindFloat && kind != schema.KindDuration {
			bad("a sum is of ints, floats or durations")
		}
		out.Type, out.run = body.Type, runSum
	case ast.OpAvg:
		if body.Type.Null || kind != schema.KindInt && kind != schema.KindFloat {
			bad("an average is of ints or floats")
		}
		out.Type, out.run = floats.OrNull(), runAvg
	case ast.OpMin, ast.OpMax:
		if body.Type.Null || !kind.Ordered() {
			bad("the smallest and the greatest are of what has an order, and is not null" + advice(body.Type, text))
		}
		out.Type, out.run = body.Type.OrNull(), runExtreme
	default:
		out.Type, out.run = boolean, runAnyAll
	}
}

func (c *checker) reduce(out *Node, n *ast.Reduce, like schema.Type) {
	x := c.list(n.X, unknown)
	first := c.check(n.Init, like)
	outer := c.pure
	c.pure = "a function of reduce calls nothing: its rows depend on each other; call in a map before it"
	c.vars = append(c.vars, &first.Type, x.Type.Elem)
	c.drops = append(c.drops, nil)
	body := c.want(n.F.Body, first.Type)
	c.noDrops(c.drops[len(c.drops)-1])
	c.drops = c.drops[:len(c.drops)-1]
	c.vars = c.vars[:len(c.vars)-2]
	c.pure = outer
	out.Kids, out.Type, out.run = []*Node{x, first, body}, first.Type, runReduce
}

// speculate lets calls of a map's function begin on all rows of the filter below it while its predicate waits, if they
// were declared cheap. The variable of both functions is of one level, so what is computed there is found here.
func speculate(x, body *Node) {
	if x.Op != ast.OpFilter || !x.Kids[1].calls {
		return
	}
	var collect func(n *Node)
	collect = func(n *Node) {
		switch {
		case n.Op == ast.OpObject || n.Op == ast.OpOrElse || n.Op == ast.OpOnError:
			for _, k := range n.Kids {
				collect(k)
			}
		case n.Op == ast.OpCall && n.Method.Cheap && cheap(n.Kids):
			x.early = append(x.early, n)
		}
	}
	collect(body)
}

// cheap reports whether nothing in ns calls what is not.
func cheap(ns []*Node) bool {
	for _, n := range ns {
		if n.Method != nil && !n.Method.Cheap || !cheap(n.Kids) {
			return false
		}
	}
	return true
}
