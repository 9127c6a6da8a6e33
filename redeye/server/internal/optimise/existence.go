package optimise

import "github.com/fuwu-project/fuwu/redeye/ast"

// existence: x.filter(p).length() > 0  =>  x.any(p)   and != 0, >= 1; == 0, < 1, <= 0 are not x.any(p)
func existence(n ast.Node, _ Types) (ast.Node, bool) {
	c, ok := n.(*ast.Binary)
	if !ok {
		return nil, false
	}
	length, ok := c.L.(*ast.Unary)
	if !ok || length.Code != ast.OpLength {
		return nil, false
	}
	filter, ok := length.X.(*ast.Filter)
	count, isNumber := number(c.R)
	if !ok || !isNumber || has(filter.F.Body, ast.OpOrDrop) {
		return nil, false
	}
	any := &ast.Aggregate{Code: ast.OpAny, X: filter.X, F: filter.F}
	type test struct {
		op ast.Op
		n  int64
	}
	switch (test{c.Code, count}) {
	case test{ast.OpGt, 0}, test{ast.OpNe, 0}, test{ast.OpGe, 1}:
		return any, true
	case test{ast.OpEq, 0}, test{ast.OpLt, 1}, test{ast.OpLe, 0}:
		return &ast.Unary{Code: ast.OpNot, X: any}, true
	}
	return nil, false
}
