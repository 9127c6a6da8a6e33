package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Scope says who may see the same answer of a method, and the same cached value.
type Scope uint8

// The scopes, the widest first.
const (
	Public  Scope = iota
	Tenant        // everybody of a tenant
	Private       // one principal
	Never         // nobody: an answer is good for the query that asked
)

// ParseScope reads the name that programs and schemas use.
func ParseScope(name string) (Scope, bool) {
	for s, n := range scopeNames {
		if n == name {
			return Scope(s), true
		}
	}
	return 0, false
}

var scopeNames = [...]string{"public", "tenant", "principal"}

// MaxTTL bounds how long anything is kept. A program that asks for more gets this.
const MaxTTL = 24 * time.Hour

// Caller is who a run is for.
type Caller struct{ Tenant, Name string }

// owner is whose a value of the scope is; false if that is nobody in particular, for whom nothing is kept.
func (c Caller) owner(s Scope) (owner []byte, ok bool) {
	owner = append(owner, byte(s))
	switch s {
	case Tenant:
		return appendPart(owner, c.Tenant), c.Tenant != ""
	case Private:
		return appendPart(appendPart(owner, c.Tenant), c.Name), c.Name != ""
	case Public, Never:
	}
	return owner, s == Public
}

// appendPart writes a text so that no other texts one after another are the same bytes.
func appendPart(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// kept is what a cache or warm node keeps.
type kept struct {
	scope   Scope
	ttl     time.Duration
	excuses bool     // errors in it need not be seen: there is an on_error or or_drop
	digest  [32]byte // of the expression, its type, and the types of what it takes
	inputs  []*Node  // what it takes from outside: parameters, variables, or of variables those fields that it reads
}

// keeps prepares a node that keeps the value of its operand.
func (c *checker) keeps(out *Node, x ast.Node, scope string) {
	if c.pure != "" {
		c.fail(out.Src, "a function of reduce calls nothing, so there is nothing to keep")
	}
	out.keep = &kept{ttl: min(out.value.Duration(), MaxTTL)}
	out.keep.scope, _ = ParseScope(scope)
	c.caches = true
	digest := sha256.New()
	hash := ast.HashOf(x)
	digest.Write(hash[:])
	digest.Write(appendPart(nil, out.Kids[0].Type.String()))
	seen := map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		switch {
		case n.Op == ast.OpOnError, n.Op == ast.OpOrDrop:
			out.keep.excuses = true
		case n.Op == ast.OpPage:
			c.fail(out.Src, "a page has a cursor, which is of one program and one caller; cache what the page is of")
		case n.Op == ast.OpParam, variable(n) != nil && variable(n).level <= len(c.vars):
			out.keep.inputs = append(out.keep.inputs, n)
			digest.Write(appendPart(nil, n.Type.String()))
			return
		case n.Method != nil:
			digest.Write(appendPart(nil, n.Method.Name))
		}
		for _, k := range n.Kids {
			walk(k)
		}
	}
	walk(out.Kids[0])
	digest.Sum(out.keep.digest[:0])
}

// variable returns the variable that n is, or a field of, or nil.
func variable(n *Node) *Node {
	for n.Op == ast.OpAttr && n.attr == nil {
		n = n.Kids[0]
	}
	if n.Op == ast.OpVar {
		return n
	}
	return nil
}

// scopes refuses caches of what others must not see. A scope is that of the methods that a value depends on, besides what is in
// its key: receivers that come from outside by their key, scalars by their value. But what an attribute of an entity from outside is
// depends on where the entity came from.
//
// around has the scope of what the variables of each level range over. The tree is as large as the program's, for all that
// nodes of the plan are shared.
func (c *checker) scopes(n *Node, around map[int]Scope) Scope {
	widest := Public
	kids := n.Kids
	below := func(k *Node) { widest = max(widest, c.scopes(k, around)) }
	switch v := variable(n); {
	case v != nil:
		if n.Type.Has(schema.KindEntity) {
			return around[v.level]
		}
		return Public
	case n.Method != nil:
		widest = n.Method.Scope
		if n.receivers() == 1 && variable(kids[0]) != nil {
			kids = kids[1:]
		}
	case n.bound > 0:
		below(kids[0])
		over := 1
		if n.Op >= ast.OpJoin && n.Op <= ast.OpAntiJoin {
			below(kids[1])
			over = 2
		}
		was, again := around[n.bound], around[n.bound+1]
		around[n.bound], around[n.bound+1] = widest, widest // of reduce there are two
		defer func() { around[n.bound], around[n.bound+1] = was, again }()
		kids = kids[over:]
	}
	for _, k := range kids {
		below(k)
	}
	if n.keep != nil && widest > n.keep.scope {
		c.fail(n.Src, "%s", tooWide(n, widest))
	}
	return widest
}

// tooWide says why a value cannot be kept for so many.
func tooWide(n *Node, scope Scope) string {
	var culprit *Method
	var walk func(n *Node)
	walk = func(n *Node) {
		if culprit == nil && n.Method != nil && n.Method.Scope == scope {
			culprit = n.Method
		}
		for _, k := range n.Kids {
			walk(k)
		}
	}
	walk(n.Kids[0])
	which := "the entities that are read here come from a method whose answers are"
	if culprit != nil {
		which = "answers of " + culprit.Name + " are"
	}
	if scope == Never {
		return which + " never to be kept"
	}
	alone := map[Scope]string{Tenant: "one tenant", Private: "one principal"}[scope]
	return fmt.Sprintf("%s for %s alone; %q would show them to others", which, alone, scopeNames[n.keep.scope])
}

// methodKey begins the keys of a method's answers.
func methodKey(m *Method, args string, owner []byte) []byte {
	b := append(appendPart([]byte("m"), m.Name), owner...)
	return appendPart(b, args)
}

// nodeKey begins the keys of a node's values.
func (k *kept) nodeKey(owner []byte) []byte {
	return append(append([]byte("n"), owner...), k.digest[:]...)
}
