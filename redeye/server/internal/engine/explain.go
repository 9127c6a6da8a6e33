package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Explain writes the plan as a tree: a line for each node, below it what it takes. A node that stands in several places
// is computed once, and written out once.
//
//	map                               list<{id: int, title: string}>
//	  filter                          list<Movie>
//	    call get_movies  one batch    list<Movie>
//
// With estimates each line has what a run would do there, and with figures of a run it ends with what was done. Either may be nil.
func (p *Plan) Explain(estimates *Estimates, figures *Figures) string {
	var b strings.Builder
	seen := map[*Node]int{}
	var write func(n *Node, depth int, fused bool)
	write = func(n *Node, depth int, fused bool) {
		label := strings.Repeat("  ", depth) + n.label()
		i, again := seen[n]
		if again && len(n.Kids) > 0 {
			fmt.Fprintf(&b, "%-50s as #%d\n", label, i)
			return
		}
		if !again {
			i = len(seen) + 1
			seen[n] = i
		}
		typ := n.Type.String()
		if len(typ) > 500 { // of an object of hundreds of fields, which is said at every node
			typ = typ[:500] + "…"
		}
		line := fmt.Sprintf("%-50s %s", fmt.Sprintf("%s  #%d", label, i), typ)
		does := len(n.Kids) > 0 || n.Method != nil
		if estimates != nil && does {
			line = fmt.Sprintf("%-80s  %s", line, estimates.of(n))
		}
		if figures != nil && does {
			what := figures.at[n].String()
			if fused && figures.at[n] == nil {
				what = "by the filter, in blocks"
			}
			line = fmt.Sprintf("%-130s  %s", line, what)
		}
		b.WriteString(line + "\n")
		for j, k := range n.Kids {
			write(k, depth+1, fused || n.Op == ast.OpFilter && j == 1 && n.fuses())
		}
	}
	write(p.Root, 0, false)
	return b.String()
}

// fuses reports whether a filter looks at attributes itself, rather than having its predicate computed.
func (n *Node) fuses() bool {
	return slices.ContainsFunc(n.bounds, func(b *bound) bool { return b != nil })
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
	case ast.OpCache, ast.OpWarm:
		return fmt.Sprintf("%s for %v, %s", n.Op, n.keep.ttl, scopeNames[n.keep.scope])
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
