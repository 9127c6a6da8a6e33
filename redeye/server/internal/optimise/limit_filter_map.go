package optimise

import "github.com/fuwu-project/fuwu/redeye/ast"

// limitFilterMap: x.map(f).filter(p).limit(n)  =>  x.filter(p of f).limit(n).map(f)
//
// The engine computes what p and f have in common once.
func limitFilterMap(n ast.Node, _ Types) (ast.Node, bool) {
	limit, ok := n.(*ast.Limit)
	if !ok {
		return nil, false
	}
	filter, ok := limit.X.(*ast.Filter)
	if !ok {
		return nil, false
	}
	m, ok := filter.X.(*ast.Map)
	if !ok || has(m.F.Body, ast.OpOrDrop) || has(filter.F.Body, ast.OpOrDrop) || size(m.F.Body)*uses(filter.F.Body, 0) > 500 {
		return nil, false
	}
	p := fieldsOf(compose(filter.F.Body, m.F.Body))
	rows := &ast.Limit{X: &ast.Filter{X: m.X, F: ast.Lambda{Vars: m.F.Vars, Body: p}}, N: limit.N}
	return &ast.Map{X: rows, F: m.F}, true
}

// uses counts how often the variable is used.
func uses(n ast.Node, depth int) int {
	if v, ok := n.(*ast.Var); ok && v.Depth == depth {
		return 1
	}
	total := 0
	for c, vars := range ast.Scopes(n) {
		total += uses(c, depth+vars)
	}
	return total
}

// fieldsOf: {"a": e, …}.a  =>  e, everywhere in n.
func fieldsOf(n ast.Node) ast.Node {
	n = ast.Rebuild(n, func(c ast.Node, _ int) ast.Node { return fieldsOf(c) })
	if attr, ok := n.(*ast.Attr); ok {
		if o, ok := attr.X.(*ast.Object); ok {
			for i, name := range o.Names {
				if name == attr.Name {
					return o.Values[i]
				}
			}
		}
	}
	return n
}
