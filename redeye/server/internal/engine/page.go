package engine

import (
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

func (c *checker) page(out *Node, n *ast.Page, like schema.Type) {
	c.fail(n, "page")
}
