package optimise

import "github.com/fuwu-project/fuwu/redeye/ast"

// limitSkip: x.skip(m).limit(n)  =>  x.limit(m + n).skip(m)   if m and n are literals
func limitSkip(n ast.Node, _ Types) (ast.Node, bool) {
	limit, ok := n.(*ast.Limit)
	if !ok {
		return nil, false
	}
	skip, ok := limit.X.(*ast.Skip)
	if !ok {
		return nil, false
	}
	some, ok1 := number(limit.N)
	first, ok2 := number(skip.N)
	if !ok1 || !ok2 {
		return nil, false
	}
	return &ast.Skip{X: &ast.Limit{X: skip.X, N: &ast.Lit{Value: ast.Int(first + some)}}, N: skip.N}, true
}

// number returns a literal that can be a number of rows.
func number(n ast.Node) (int64, bool) {
	lit, ok := n.(*ast.Lit)
	if !ok || lit.Value.Kind() != ast.KindInt || lit.Value.Int() < 0 || lit.Value.Int() > 1<<40 {
		return 0, false
	}
	return lit.Value.Int(), true
}
