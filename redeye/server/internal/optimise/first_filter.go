package optimise

import "github.com/fuwu-project/fuwu/redeye/ast"

// firstFilter: x.filter(p).first()  =>  x.filter(p).limit(1).first()
func firstFilter(n ast.Node, _ Types) (ast.Node, bool) {
	first, ok := n.(*ast.Unary)
	if !ok || first.Code != ast.OpFirst {
		return nil, false
	}
	switch x := first.X.(type) {
	case *ast.Filter:
	case *ast.Map:
		if _, ok := x.X.(*ast.Filter); !ok || has(x.F.Body, ast.OpOrDrop) {
			return nil, false
		}
	default:
		return nil, false
	}
	return &ast.Unary{Code: ast.OpFirst, X: &ast.Limit{X: first.X, N: &ast.Lit{Value: ast.Int(1)}}}, true
}
