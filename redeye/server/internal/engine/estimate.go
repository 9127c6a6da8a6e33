package engine

import (
	"fmt"
	"math"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// What is taken for granted where nothing is known: a list has guessedItems elements, and a condition holds for one row in two. A source that
// takes one list answers with an element for each of that list's.
const (
	guessedItems = 10
	guessedShare = 0.5
	// estimateSteps bounds the walk: of values that are used many times in lists of many lengths there may be no end to it.
	estimateSteps = 20_000
)

// Estimates are what a run of a plan would do at each node, as far as that can be said without running it.
type Estimates struct {
	at     map[*Node]*estimate
	params []*column.Column
	median func(*Method) time.Duration
	binds  map[within]*supposed
	steps  int
}

// within is a node in a frame.
type within struct {
	n *Node
	f *supposed
}

type estimate struct{ rows, calls, items float64 }

// Estimate says what a run would do: rows and calls at each node, from the lengths of the lists that are given, limits, and how large a batch each method
// takes. It walks the plan as a run does, with numbers of rows in the place of rows, so what a run does not demand is not counted. Calls that are
// saved because a row was asked before in another function, or is in the cache, are not foreseen. Without params (nil), nothing is known
// of them. median is that of how long invocations of a method took; 0 if there was none.
func (p *Plan) Estimate(params []*column.Column, median func(*Method) time.Duration) *Estimates {
	e := &Estimates{at: map[*Node]*estimate{}, params: params, median: median, binds: map[within]*supposed{}}
	e.deep(e.demand(p.Root, &supposed{}, 1), 1)
	return e
}

// supposed is a frame: the root, or the scope of a lambda. A selection of its rows is no other frame, but fewer rows of it.
type supposed struct {
	level int
	up    *supposed
	above float64 // rows of up to which those here belong
	item  func(rows float64) *likely
	done  map[*Node]*computed
}

type computed struct {
	rows  float64 // the most that were demanded
	value *likely
}

// likely is what is known of a column of values. What they hold is computed, as in a run, where somebody wants it, of as many rows as are
// wanted. All of it is nil of a scalar.
type likely struct {
	items float64 // of a list, on average
	item  func(rows float64) *likely
	field []func(rows float64) *likely // of an object

	scope *supposed // of lambdas over the list
}

// over returns the frame of a lambda over the items of a list, of which there are so many rows in home.
func (v *likely) over(home *supposed, rows float64, level int) *supposed {
	if v.scope == nil || v.scope.up != home || v.scope.level != level {
		v.scope = &supposed{level: level, up: home, item: v.item}
	}
	v.scope.above = max(v.scope.above, rows)
	return v.scope
}

// bind returns the frame of a function of n whose variable, of the level, is item; there are so many rows in home. It is the same each time.
func (e *Estimates) bind(n *Node, home *supposed, rows float64, level int, item func(rows float64) *likely) *supposed {
	g := e.binds[within{n, home}]
	if g == nil {
		g = &supposed{level: level, up: home, item: item}
		e.binds[within{n, home}] = g
	}
	g.above = max(g.above, rows)
	return g
}

// each computes so many items; of what is no list, as when the walk was given up, nothing.
func (v *likely) each(rows float64) *likely {
	if v.item == nil {
		return &likely{}
	}
	return v.item(rows)
}

// part is a list of some of the items of another.
func (v *likely) part(items float64) *likely {
	some := *v
	some.items = items
	return &some
}

// guess is a value of which nothing but the type is known.
func (e *Estimates) guess(t schema.Type) *likely {
	v := &likely{}
	e.steps += len(t.Fields)
	switch t.Kind {
	case schema.KindList:
		v.items, v.item = guessedItems, func(float64) *likely { return e.guess(*t.Elem) }
	case schema.KindObject:
		for _, f := range t.Fields {
			v.field = append(v.field, func(float64) *likely { return e.guess(f.Type) })
		}
	default:
	}
	return v
}

// deep demands all that rows of a value hold.
func (e *Estimates) deep(v *likely, rows float64) {
	if e.steps > estimateSteps {
		return
	}
	if v.item != nil {
		e.deep(v.item(rows*v.items), rows*v.items)
	}
	for _, f := range v.field {
		e.deep(f(rows), rows)
	}
}

// demand computes rows of a node in a frame.
func (e *Estimates) demand(n *Node, f *supposed, rows float64) *likely {
	for f.level > n.level {
		rows, f = min(rows, f.above), f.up
	}
	if e.steps++; e.steps > estimateSteps {
		return &likely{}
	}
	was := f.done[n]
	if was != nil && rows <= was.rows {
		return was.value
	}
	at := e.at[n]
	if at == nil {
		at = &estimate{}
		e.at[n] = at
	}
	more := rows
	if was != nil {
		more -= was.rows
	}
	at.rows += more
	v := e.compute(n, f, rows, more)
	if was != nil && v.scope == nil { // what was computed in lambdas over the list still is
		if v.scope = was.value.scope; v.scope != nil {
			v.scope.item = v.item
		}
	}
	if f.done == nil {
		f.done = map[*Node]*computed{}
	}
	f.done[n] = &computed{rows, v}
	return v
}

func (e *Estimates) compute(n *Node, f *supposed, rows, more float64) *likely {
	kid := func(i int) *likely { return e.demand(n.Kids[i], f, rows) }
	some := func(i int) *likely { return e.demand(n.Kids[i], f, rows*guessedShare) }
	// in computes a function of the node for all rows of a list.
	in := func(i int, list *likely) {
		e.demand(n.Kids[i], list.over(f, rows, n.bound), rows*list.items)
	}
	switch n.Op {
	case ast.OpParam:
		return e.param(n)
	case ast.OpVar:
		if f.item != nil {
			return f.item(rows)
		}
		return e.guess(n.Type)
	case ast.OpLet, ast.OpThen, ast.OpValidate:
		if n.Op == ast.OpThen {
			kid(0)
		}
		value := func(rows float64) *likely { return e.demand(n.Kids[0], f, rows) }
		body := e.demand(n.Kids[1], e.bind(n, f, rows, n.bound, value), rows)
		if n.Op == ast.OpValidate {
			return kid(0)
		}
		return body
	case ast.OpCall, ast.OpSource:
		return e.call(n, f, rows, more)
	case ast.OpAttr:
		x := kid(0)
		if n.Kids[0].Type.Kind == schema.KindObject && n.field < len(x.field) {
			return x.field[n.field](rows)
		}
		return e.guess(n.Type)
	case ast.OpIndex, ast.OpFirst, ast.OpLast:
		x := kid(0)
		for i := range n.Kids[1:] {
			kid(i + 1)
		}
		if x.item == nil { // a map
			return e.guess(n.Type)
		}
		return x.item(rows)
	case ast.OpAnd, ast.OpOr:
		kid(0)
		some(1)
		return e.guess(n.Type)
	case ast.OpIf:
		kid(0)
		some(2)
		return some(1)
	case ast.OpOrElse, ast.OpOnError: // the other is for exceptions
		return kid(0)
	case ast.OpObject:
		v := &likely{}
		for _, k := range n.Kids {
			v.field = append(v.field, func(rows float64) *likely { return e.demand(k, f, rows) })
		}
		return v
	case ast.OpList:
		count := float64(len(n.Kids))
		return &likely{items: count, item: func(rows float64) *likely {
			v := e.guess(*n.Type.Elem)
			for _, k := range n.Kids {
				v = e.demand(k, f, rows/count)
			}
			return v
		}}
	case ast.OpFilter:
		x := kid(0)
		in(1, x)
		ahead := rows * x.items // of the rows that pass what needs no call
		for _, term := range n.terms {
			if term.calls {
				break
			}
			ahead *= guessedShare
		}
		for _, k := range n.early {
			e.demand(k, x.over(f, rows, n.bound), ahead)
		}
		return x.part(x.items * guessedShare)
	case ast.OpMap:
		x := kid(0)
		g := x.over(f, rows, n.bound)
		return &likely{items: x.items, item: func(rows float64) *likely { return e.demand(n.Kids[1], g, rows) }}
	case ast.OpFlatMap:
		x := kid(0)
		g := x.over(f, rows, n.bound)
		inner := e.demand(n.Kids[1], g, rows*x.items)
		return &likely{items: x.items * inner.items, item: inner.item}
	case ast.OpLimit:
		x, most := kid(0), e.number(n.Kids[1])
		kid(1)
		if len(n.Kids) == 3 { // a filter below it, which asks until there are enough
			asked := min(x.items, most/guessedShare)
			e.demand(n.Kids[2], x.over(f, rows, n.bound), rows*asked)
			return x.part(asked * guessedShare)
		}
		return x.part(min(x.items, most))
	case ast.OpSkip:
		x, skipped := kid(0), e.number(n.Kids[1])
		kid(1)
		return x.part(max(0, x.items-skipped))
	case ast.OpSort, ast.OpDistinct:
		x := kid(0)
		for i := range n.Kids[1:] {
			in(i+1, x)
		}
		return x.part(x.items)
	case ast.OpGroup:
		x := kid(0)
		in(1, x)
		each := &likely{items: 1 / guessedShare, item: x.item}
		group := &likely{field: []func(float64) *likely{
			func(float64) *likely { return e.guess(n.Kids[1].Type) },
			func(float64) *likely { return each },
		}}
		return &likely{items: x.items * guessedShare, item: func(float64) *likely { return group }}
	case ast.OpPage:
		x := kid(0)
		kid(1)
		for i := range n.Kids[3:] {
			in(i+3, x)
		}
		page := x.part(min(x.items, e.number(n.Kids[1])))
		return &likely{field: []func(float64) *likely{
			func(float64) *likely { return page },
			func(float64) *likely { return &likely{} },
		}}
	case ast.OpSum, ast.OpMin, ast.OpMax, ast.OpAvg, ast.OpAny, ast.OpAll:
		in(1, kid(0))
		return e.guess(n.Type)
	case ast.OpReduce:
		x := kid(0)
		e.deep(x, rows)
		kid(1)
		steps := rows * x.items // the function calls nothing
		acc := e.bind(n, f, rows, n.bound, nil)
		e.demand(n.Kids[2], e.bind(n, acc, steps, n.bound+1, x.item), steps)
		return e.guess(n.Type)
	case ast.OpJoin, ast.OpLeftJoin, ast.OpSemiJoin, ast.OpAntiJoin:
		l, r := kid(0), kid(1)
		in(2, l)
		in(3, r)
		if n.Op == ast.OpSemiJoin || n.Op == ast.OpAntiJoin {
			return l.part(l.items * guessedShare)
		}
		pair := &likely{field: []func(float64) *likely{l.each, r.each}}
		return &likely{items: l.items, item: func(float64) *likely { return pair }}
	case ast.OpCache, ast.OpTimeout, ast.OpWarm:
		x := kid(0)
		e.deep(x, rows)
		if n.Op == ast.OpWarm {
			return e.guess(n.Type)
		}
		return x
	case ast.OpAdd:
		l, r := kid(0), kid(1)
		if l.item == nil {
			return e.guess(n.Type)
		}
		share := l.items / max(1, l.items+r.items)
		return &likely{items: l.items + r.items, item: func(rows float64) *likely {
			r.each(rows * (1 - share))
			return l.each(rows * share)
		}}
	case ast.OpLength:
		kid(0)
		return e.guess(n.Type)
	case ast.OpOrDrop:
		return kid(0)
	default: // of scalars, all of them
		for i := range n.Kids {
			e.deep(kid(i), rows)
		}
		return e.guess(n.Type)
	}
}

// call counts the invocations of a method for more rows of a frame: one batch for each arguments, cut into as many as are needed.
func (e *Estimates) call(n *Node, f *supposed, rows, more float64) *likely {
	args := 0 // the level on which they depend
	out := e.guess(n.Type)
	lists := 0
	for i, k := range n.Kids {
		v := e.demand(k, f, rows)
		if i < n.receivers() {
			continue
		}
		e.deep(v, rows)
		args = max(args, k.level)
		if v.item != nil {
			if lists++; n.Op == ast.OpSource && out.item != nil {
				out.items = v.items
			}
		}
	}
	if lists > 1 && out.item != nil {
		out.items = guessedItems
	}
	at := e.at[n]
	if n.Op == ast.OpSource {
		at.calls, at.items = at.calls+more, at.items+more
		return out
	}
	groups, g := more, f
	for g.level > args {
		groups, g = min(groups, g.above), g.up
	}
	if n.Method.Pairs {
		groups = min(1, more)
	}
	size := more / max(groups, 1)
	if n.Method.MaxBatch > 0 {
		size = math.Ceil(size / float64(n.Method.MaxBatch))
	} else {
		size = min(1, math.Ceil(size))
	}
	at.calls, at.items = at.calls+size*groups, at.items+more
	return out
}

// param is what is known of a parameter.
func (e *Estimates) param(n *Node) *likely {
	v := e.guess(n.Type)
	if v.item != nil && n.field < len(e.params) && !e.params[n.field].IsNull(0) {
		v.items = float64(e.params[n.field].Items.Len)
	}
	return v
}

// number is that of rows which are asked for.
func (e *Estimates) number(n *Node) float64 {
	switch {
	case n.Op == ast.OpLit && n.value.Kind() == ast.KindInt:
		return float64(max(0, n.value.Int()))
	case n.Op == ast.OpParam && n.field < len(e.params) && n.Type.Equal(integer):
		return float64(max(0, e.params[n.field].Ints[0]))
	}
	return guessedItems
}

// of writes what is estimated of a node as the end of a plan's line.
func (e *Estimates) of(n *Node) string {
	at := e.at[n]
	switch {
	case e.steps > estimateSteps:
		return "not estimated"
	case at == nil || at.rows == 0:
		return "about nothing"
	}
	out := "about " + count(whole(at.rows), "row")
	if at.calls == 0 {
		return out
	}
	out += fmt.Sprintf(", %s of %s", count(whole(at.calls), "call"), count(whole(at.items), "item"))
	if took := e.median(n.Method); took > 0 {
		out += fmt.Sprintf(", median %v", round(took))
	}
	return out
}

// whole rounds up: half a call is one that may be made.
func whole(n float64) int64 {
	if n < math.MaxInt32 {
		return int64(math.Ceil(n))
	}
	return math.MaxInt32
}
