package optimise

import "github.com/fuwu-project/fuwu/redeye/ast"

// limitMap: x.map(f).limit(n)  =>  x.limit(n).map(f)   so that a filter below meets the limit
func limitMap(n ast.Node, _ Types) (ast.Node, bool) {
	limit, ok := n.(*ast.Limit)
	if !ok {
		return nil, false
	}
	m, ok := limit.X.(*ast.Map)
	if !ok || has(m.F.Body, ast.OpOrDrop) { // which takes rows away
		return nil, false
	}
	return &ast.Map{X: &ast.Limit{X: m.X, N: limit.N}, F: m.F}, true
}
