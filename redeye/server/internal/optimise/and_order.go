package optimise

import (
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// andOrder: a and b  =>  b and a   if a calls, and b does not and cannot fail; or likewise
//
// So methods are called only for rows that local attributes have not decided.
func andOrder(n ast.Node, types Types) (ast.Node, bool) {
	and, ok := n.(*ast.Binary)
	if !ok || and.Code != ast.OpAnd && and.Code != ast.OpOr || !calls(and.L) || !total(and.R, types) || has(and.L, ast.OpOrDrop) || has(and.L, ast.OpOnError) {
		return nil, false
	}
	return &ast.Binary{Code: and.Code, L: and.R, R: and.L}, true
}

// total reports whether n calls nothing and cannot be in error, for a row that is not.
func total(n ast.Node, types Types) bool {
	switch n := n.(type) {
	case *ast.Lit, *ast.Param:
		return true
	case *ast.Attr:
		// Of an entity: a field of an object may be anything. What is an enum may have a value that is none.
		_, ok := n.X.(*ast.Var)
		return ok && types[n.X].Kind == schema.KindEntity && !types[n].Has(schema.KindEnum)
	case *ast.Unary:
		return n.Code == ast.OpNot && total(n.X, types)
	case *ast.Binary:
		return (n.Code <= ast.OpIn || n.Code == ast.OpStartsWith || n.Code == ast.OpEndsWith) && total(n.L, types) && total(n.R, types)
	case *ast.Match:
		return total(n.X, types)
	default:
		return false
	}
}
