// Package optimise rewrites programs into ones that have the same value and cost less. A rule is a file: its comment says
// "this => that", and testdata has a script of it. What a program demands may become less, never more: so an optimised program
// fails only where the other does.
//
// The engine computes only what is demanded, and knows what it has computed, so there is no rule here to drop columns, to
// share equal parts or to put filters before maps. The rules make visible to it what stands in the way of stopping early.
package optimise

import (
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Rule rewrites a node, or returns false.
type Rule struct {
	Name  string
	Apply func(n ast.Node, types Types) (ast.Node, bool)
	// Less says that what is no longer demanded may have been in error. So it is where nothing in the program could tell.
	Less bool
}

// Types are those of a program's nodes as far as they are known: not of nodes that a rule has made.
type Types map[ast.Node]schema.Type

// Rules are those that there are.
var Rules = []Rule{
	{Name: "limit below map", Apply: limitMap},
	{Name: "limit below skip", Apply: limitSkip},
	{Name: "filters as one", Apply: filterFilter},
	{Name: "filter below map, under a limit", Apply: limitFilterMap},
	{Name: "first of a filter", Apply: firstFilter, Less: true},
	{Name: "existence", Apply: existence, Less: true},
	{Name: "cheap terms first", Apply: andOrder, Less: true},
}

// most bounds how often rules are applied to a program; growth, how many nodes they may add to it.
const (
	most   = 100
	growth = 1000
)

// Program rewrites a program until no rule applies, and returns the names of the rules that did, in order. Nodes that take the place of others
// take their place in source.
func Program(n ast.Node, source *ast.Source, types Types) (ast.Node, []string) {
	o := optimiser{source: source, types: types, catches: has(n, ast.OpOnError) || has(n, ast.OpOrDrop)}
	limit := size(n) + growth
	for {
		before := len(o.applied)
		n = o.rewrite(n, true)
		if len(o.applied) == before || len(o.applied) >= most || size(n) > limit {
			return n, o.applied
		}
	}
}

type optimiser struct {
	source  *ast.Source
	types   Types
	catches bool // there is an on_error or or_drop
	applied []string
}

// rewrite applies rules from the leaves to the root. free says that an error of n is one of the whole program.
func (o *optimiser) rewrite(n ast.Node, free bool) ast.Node {
	i := -1
	out := o.place(ast.Rebuild(n, func(c ast.Node, vars int) ast.Node {
		i++
		return o.rewrite(c, free && passes(n, i, vars > 0))
	}), n)
	for _, r := range Rules {
		if len(o.applied) >= most {
			break
		}
		if r.Less && o.catches && !free {
			continue
		}
		if better, ok := r.Apply(out, o.types); ok {
			o.applied = append(o.applied, r.Name)
			out = o.place(better, n)
		}
	}
	return out
}

// passes reports whether an error of a part of n, by its number, which may be in a function, is one of n, and can be met nowhere else: not in what catches
// it, and not in a variable or an element, which could be caught where it is used.
func passes(n ast.Node, part int, inFunction bool) bool {
	switch n := n.(type) {
	case *ast.Binary:
		return n.Code != ast.OpOnError || part > 0
	case *ast.Unary:
		return n.Code != ast.OpOrDrop
	case *ast.Let, *ast.Then:
		return inFunction
	case *ast.Map, *ast.FlatMap:
		return !inFunction
	case *ast.Reduce:
		return part == 0
	case *ast.Validate, *ast.List:
		return false
	default:
		return true
	}
}

// place gives a new node, and what is new below it, the place of the old one.
func (o *optimiser) place(n, old ast.Node) ast.Node {
	if n == old || o.source == nil {
		return n
	}
	if _, known := o.source.Spans[n]; known {
		return n
	}
	o.source.Spans[n] = o.source.Spans[old]
	for c := range ast.Children(n) {
		o.place(c, old)
	}
	return n
}

// shift makes a node that stands within by more binders: variables from cut on count them too.
func shift(n ast.Node, cut, by int) ast.Node {
	if v, ok := n.(*ast.Var); ok {
		if v.Depth >= cut {
			return &ast.Var{Depth: v.Depth + by}
		}
		return n
	}
	return ast.Rebuild(n, func(c ast.Node, vars int) ast.Node { return shift(c, cut+vars, by) })
}

// compose makes the body of lambda x: p(f(x)), of the bodies of p and f.
func compose(p, f ast.Node) ast.Node { return substitute(p, f, 0) }

func substitute(n, f ast.Node, depth int) ast.Node {
	if v, ok := n.(*ast.Var); ok {
		if v.Depth == depth {
			return shift(f, 0, depth)
		}
		return n
	}
	return ast.Rebuild(n, func(c ast.Node, vars int) ast.Node { return substitute(c, f, depth+vars) })
}

// calls reports whether there is a call of a method or source in n.
func calls(n ast.Node) bool {
	if _, ok := n.(*ast.Call); ok {
		return true
	}
	for c := range ast.Children(n) {
		if calls(c) {
			return true
		}
	}
	return false
}

// has reports whether there is a node of the operation in n.
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

// size counts nodes.
func size(n ast.Node) int {
	total := 1
	for c := range ast.Children(n) {
		total += size(c)
	}
	return total
}
