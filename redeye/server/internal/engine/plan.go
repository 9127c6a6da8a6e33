package engine

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Node is a node of a plan: typed, and the same for equal parts of the program.
type Node struct {
	Op    ast.Op
	Type  schema.Type
	Src   ast.Node // the node of the program that it came from
	Kids  []*Node
	run   func(x *run, n *Node, f *Frame) *Vec
	uses  uint32 // a bit for each level whose variable it depends on
	level int    // the greatest of them: the frame in which it is computed
	slot  int    // its place in the memo of such a frame
	bound int    // the level of the variable that its functions bind, the first if there are two

	Method  *Method // of a call
	attr    *Attr
	field   int // of an object; of a parameter its number; of a match the instructions of its pattern
	value   ast.Value
	literal *Vec // that value, as a row; nil if it is null, or none
	re      *regexp.Regexp
	msg     string   // of validate
	desc    []bool   // of sort, for each key
	drops   []*Node  // or_drop in the function
	calls   bool     // there is a call in it
	terms   []*Node  // of a filter: its predicate is all of them
	bounds  []*bound // of a filter: its terms as bounds; nil where one is none
	keep    *kept    // of cache and warm
	early   []*Node  // of a filter: what may be computed of all rows while the predicate waits
	users   int      // nodes that have it as an operand
	key     string
}

// Plan is a program that has been checked. It can be run any number of times, concurrently.
type Plan struct {
	Root    *Node
	Params  []Param
	Program ast.Node                 // as it is run
	Types   map[ast.Node]schema.Type // of the nodes of Program; for whoever rewrites it
	Bytes   int                      // that it takes, about
	Pages   bool                     // there are pages in it, which need cursors
	slots   []int                    // by level
	Catalog *Catalog
}

// Param is a parameter of a program.
type Param struct {
	Name string
	Type schema.Type
}

// intern returns the node of the plan that is equal to n, which may be n itself.
func (c *checker) intern(n *Node) *Node {
	var b strings.Builder
	b.WriteString(strconv.Itoa(int(n.Op)))
	for _, k := range n.Kids {
		b.WriteByte(' ')
		b.WriteString(k.key)
	}
	fmt.Fprintf(&b, " %d %d %v %s", n.bound, n.field, n.desc, n.Type.Short())
	switch src := n.Src.(type) {
	case *ast.Lit:
		fmt.Fprintf(&b, " %d %s", n.value.Kind(), ast.Literal(n.value))
	case *ast.Attr:
		b.WriteString(" " + src.Name)
	case *ast.Call:
		b.WriteString(" " + src.Name)
	case *ast.Match:
		b.WriteString(" " + src.Pattern)
	case *ast.Validate:
		b.WriteString(" " + src.Msg)
	case *ast.Cache:
		fmt.Fprintf(&b, " %v %s", n.value, src.Scope)
	case *ast.Warm:
		fmt.Fprintf(&b, " %v %s", n.value, src.Scope)
	case *ast.Timeout:
		fmt.Fprintf(&b, " %v", n.value)
	default:
	}
	key := b.String()
	if same := c.nodes[key]; same != nil {
		return same
	}
	for _, k := range n.Kids {
		n.uses |= k.uses
		n.calls = n.calls || k.calls
		k.users++
	}
	switch n.Op {
	case ast.OpVar:
		n.uses, n.bound = 1<<n.bound, 0
	case ast.OpReduce:
		n.uses &^= 3 << n.bound
	default:
		if n.bound > 0 {
			n.uses &^= 1 << n.bound
		}
	}
	n.calls = n.calls || n.Method != nil
	n.level = bits.Len32(n.uses) - 1
	if n.uses == 0 {
		n.level = 0
	}
	for len(c.slots) <= n.level {
		c.slots = append(c.slots, 0)
	}
	n.slot = c.slots[n.level]
	c.slots[n.level]++
	n.key = strconv.Itoa(len(c.nodes))
	c.nodes[key] = n
	return n
}
