package optimise

import "github.com/fuwu-project/fuwu/redeye/ast"

// filterFilter: x.filter(p).filter(q)  =>  x.filter(p and q)
func filterFilter(n ast.Node, _ Types) (ast.Node, bool) {
	outer, ok := n.(*ast.Filter)
	if !ok {
		return nil, false
	}
	inner, ok := outer.X.(*ast.Filter)
	if !ok || has(inner.F.Body, ast.OpOrDrop) || has(outer.F.Body, ast.OpOrDrop) { // which is demanded of every row
		return nil, false
	}
	both := &ast.Binary{Code: ast.OpAnd, L: inner.F.Body, R: outer.F.Body}
	return &ast.Filter{X: inner.X, F: ast.Lambda{Vars: inner.F.Vars, Body: both}}, true
}
