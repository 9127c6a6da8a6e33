package engine

import (
	"fmt"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Explain writes the plan as a tree: a line for each node, below it what it takes. A node that stands in several places
// is computed once, and written out once.
//
//	map                               list<{id: int, title: string}>
//	  filter                          list<Movie>
//	    call get_movies  one batch    list<Movie>
func (p *Plan) Explain() string {
	var b strings.Builder
	seen := map[*Node]int{}
	var write func(n *Node, depth int)
	write = func(n *Node, depth int) {
		label := strings.Repeat("  ", depth) + n.label()
		if i, ok := seen[n]; ok && len(n.Kids) > 0 {
			fmt.Fprintf(&b, "%-50s as #%d\n", label, i)
			return
		}
		seen[n] = len(seen) + 1
		fmt.Fprintf(&b, "%-50s %s\n", fmt.Sprintf("%s  #%d", label, seen[n]), n.Type)
		for _, k := range n.Kids {
			write(k, depth+1)
		}
	}
	write(p.Root, 0)
	return b.String()
}

// label says in a few words what a node does.
func (n *Node) label() string {
	switch n.Op {
	case ast.OpLit:
		return ast.Literal(n.value)
	case ast.OpParam:
		return "parameter"
	case ast.OpVar:
		return fmt.Sprintf("row of level %d", n.level)
	case ast.OpAttr:
		if attr, ok := n.Src.(*ast.Attr); ok {
			return "." + attr.Name
		}
		return n.Op.String()
	case ast.OpCall, ast.OpSource:
		label := "call " + n.Method.Name
		if n.Method.MaxBatch > 0 {
			label += fmt.Sprintf(", at most %d at once", n.Method.MaxBatch)
		}
		return label
	case ast.OpFilter:
		if len(n.early) > 0 {
			var names []string
			for _, e := range n.early {
				names = append(names, e.Method.Name)
			}
			return "filter, calling ahead " + strings.Join(names, ", ")
		}
		return n.Op.String()
	case ast.OpLimit:
		if len(n.Kids) == 3 {
			return "limit of a filter, in chunks"
		}
		return n.Op.String()
	default:
		return n.Op.String()
	}
}

// Methods returns the methods and sources that the plan may call, each once.
func (p *Plan) Methods() []*Method {
	var out []*Method
	methods, nodes := map[*Method]bool{}, map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if nodes[n] {
			return
		}
		nodes[n] = true
		if n.Method != nil && !methods[n.Method] {
			methods[n.Method] = true
			out = append(out, n.Method)
		}
		for _, k := range n.Kids {
			walk(k)
		}
	}
	walk(p.Root)
	return out
}
