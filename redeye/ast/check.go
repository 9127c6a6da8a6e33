package ast

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Limits bound the programs that are read. A field that is zero has its default.
type Limits struct {
	Bytes   int // of text, protobuf or JSON; default 256 KiB
	Nodes   int // default 2,000
	Depth   int // nodes from the root to a leaf; default 64
	Lambdas int // lambdas within lambdas; default 4
}

// Or returns the limits with defaults for what is zero.
func (l Limits) Or() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Bytes, 256 << 10}, {&l.Nodes, 2000}, {&l.Depth, 64}, {&l.Lambdas, 4}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

// LimitError says which limit a program exceeds.
type LimitError struct {
	What  string // "nodes"
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the program has more than the %d %s that are allowed", e.Limit, e.What)
}

// Error says what is wrong with a program, and with which node of it.
type Error struct {
	Node Node // nil if no node is at fault
	Msg  string
}

func (e *Error) Error() string { return e.Msg }

const (
	maxKeys    = 16      // of a sort
	maxPattern = 1 << 10 // bytes of a regular expression
)

// Check reports whether the tree is one that a reader of text could have made: every part there, within the
// limits, names that are names, variables that are bound. Every reader of this package ends with it, so it is of use
// for trees made by hand. Types are not its business. It returns nil, a [*LimitError] or an [*Error].
func Check(root Node, limits Limits) error {
	c := checker{limits: limits.Or()}
	return c.check(root)
}

type checker struct {
	limits Limits
	count  int
	depth  int
	scopes int // lambdas around
	vars   int // variables of those
	at     Node
	err    error
}

func (c *checker) check(n Node) error {
	c.visit(n)
	return c.err
}

// visit goes no deeper than the limit, so a tree of any depth is no danger.
func (c *checker) visit(n Node) {
	if c.err != nil {
		return
	}
	if n == nil {
		c.fail("a part is missing")
		return
	}
	c.count++
	if c.count > c.limits.Nodes {
		c.err = &LimitError{"nodes", c.limits.Nodes}
		return
	}
	if c.depth >= c.limits.Depth {
		c.err = &LimitError{"levels", c.limits.Depth}
		return
	}
	c.depth++
	outer := c.at
	c.at = n
	c.own(n)
	n.parts(c)
	c.at = outer
	c.depth--
}

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = &Error{c.at, fmt.Sprintf(format, args...)}
	}
}

// own checks what the parts of a node must be together.
func (c *checker) own(n Node) {
	switch n := n.(type) {
	case *Var:
		if n.Depth < 0 || n.Depth >= c.vars {
			c.fail("variable %d is not bound here", n.Depth)
		}
	case *Call:
		if n.X == nil && !IsSourceName(n.Name) || n.X != nil && !IsMethodName(n.Name) {
			c.fail("%q cannot be the name of a method or source", clip(n.Name))
		}
	case *Object:
		if len(n.Names) != len(n.Values) {
			c.fail("%d names for %d fields", len(n.Names), len(n.Values))
		}
		if i := firstRepeated(n.Names); i >= 0 {
			c.fail("the field %q is there twice", clip(n.Names[i]))
		}
	case *Match:
		if len(n.Pattern) > maxPattern {
			c.fail("the pattern is longer than %d bytes", maxPattern)
		}
	case *Sort:
		if len(n.Keys) == 0 || len(n.Keys) > maxKeys {
			c.fail("sort takes 1 to %d keys", maxKeys)
		}
	case *Cache:
		c.duration(n.TTL)
		c.scope(n.Scope)
	case *Warm:
		c.duration(n.TTL)
		c.scope(n.Scope)
	case *Timeout:
		c.duration(n.After)
	case *Unary:
		c.code(n.Code, OpNot, OpOrDrop)
	case *Binary:
		c.code(n.Code, OpAnd, OpOnError)
	case *Aggregate:
		c.code(n.Code, OpSum, OpAll)
	case *Join:
		c.code(n.Code, OpJoin, OpAntiJoin)
	case *Lit, *Param, *Let, *Attr, *Index, *If, *Then, *List, *Filter, *Map, *FlatMap, *Limit, *Skip, *Distinct, *Group,
		*Reduce, *Page, *Validate:
	}
}

// code checks the operation of a node that has several; their numbers are consecutive.
func (c *checker) code(op, first, last Op) {
	if op < first || op > last {
		c.fail("operation %d is none of %s to %s", op, first, last)
	}
}

func (c *checker) duration(v Value) {
	if v.kind != KindDuration || v.Duration() <= 0 {
		c.fail("%s takes a duration above zero, like \"10s\"", c.at.Op())
	}
}

func (c *checker) scope(s string) {
	if !slices.Contains([]string{"public", "tenant", "principal"}, s) {
		c.fail("the scope of a cache is public, tenant or principal, not %q", clip(s))
	}
}

func firstRepeated(names []string) int {
	seen := make(map[string]bool, len(names))
	for i, s := range names {
		if seen[s] {
			return i
		}
		seen[s] = true
	}
	return -1
}

func (c *checker) node(n *Node) { c.visit(*n) }

func (c *checker) optional(n *Node) {
	if *n != nil {
		c.visit(*n)
	}
}

func (c *checker) lambda(f *Lambda, vars int) {
	if len(f.Vars) != 0 && len(f.Vars) != vars {
		c.fail("a function of %d variables where one of %d is needed", len(f.Vars), vars)
		return
	}
	for _, name := range f.Vars {
		c.name(&name)
	}
	c.scopes++
	c.vars += vars
	if c.scopes > c.limits.Lambdas && c.err == nil {
		c.err = &LimitError{"lambdas within lambdas", c.limits.Lambdas}
	}
	c.visit(f.Body)
	c.scopes--
	c.vars -= vars
}

func (c *checker) nodes(ns *[]Node) {
	for _, n := range *ns {
		c.visit(n)
	}
}

func (c *checker) fields(names *[]string, values *[]Node) {
	for i := range *names {
		c.name(&(*names)[i])
	}
	c.nodes(values)
}

func (c *checker) keys(keys *[]Key) {
	for i := range *keys {
		c.lambda(&(*keys)[i].By, 1)
	}
}

func (c *checker) name(s *string) {
	if !IsName(*s) {
		c.fail("%q is not a name", clip(*s))
	}
}

func (c *checker) text(s *string) {
	if !utf8.ValidString(*s) {
		c.fail("text that is not UTF-8")
	}
}

func (c *checker) number(i *int) {
	if *i < 0 {
		c.fail("negative number %d", *i)
	}
}

func (c *checker) value(v *Value) {
	switch v.kind {
	case KindNull, KindBool, KindInt, KindBytes, KindTime, KindDuration:
	case KindFloat:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			c.fail("a literal cannot be %v", f)
		}
	case KindString:
		c.text(&v.text)
	default:
		c.fail("literal of unknown kind %d", v.kind)
	}
}

// clip shortens what a stranger wrote for an error message.
func clip(s string) string {
	if len(s) > 70 {
		return s[:70] + "…"
	}
	return s
}
