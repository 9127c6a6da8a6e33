package ast

import "iter"

// Children yields the nodes below n, bodies of lambdas among them, in canonical order.
func Children(n Node) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		n.parts(&walker{yield: func(c Node, _ int) bool { return yield(c) }})
	}
}

// Scopes yields the nodes below n and, with each, how many variables are bound for it that are not for n.
func Scopes(n Node) iter.Seq2[Node, int] {
	return func(yield func(Node, int) bool) { n.parts(&walker{yield: yield}) }
}

type walker struct {
	yield func(Node, int) bool
	done  bool
}

func (w *walker) child(n Node, vars int) { w.done = w.done || !w.yield(n, vars) }

func (w *walker) node(n *Node) { w.child(*n, 0) }

func (w *walker) optional(n *Node) {
	if *n != nil {
		w.child(*n, 0)
	}
}

func (w *walker) lambda(f *Lambda, vars int) { w.child(f.Body, vars) }

func (w *walker) nodes(ns *[]Node) {
	for _, n := range *ns {
		w.child(n, 0)
	}
}

func (w *walker) fields(_ *[]string, values *[]Node) { w.nodes(values) }

func (w *walker) keys(keys *[]Key) {
	for _, key := range *keys {
		w.child(key.By.Body, 1)
	}
}

func (w *walker) name(*string) {}
func (w *walker) text(*string) {}
func (w *walker) number(*int)  {}
func (w *walker) value(*Value) {}

// Rebuild returns n with its children replaced by what f makes of them, given with each how many variables are bound for
// it that are not for n. If none changes, that is n itself; otherwise a new node of the same kind.
func Rebuild(n Node, f func(child Node, vars int) Node) Node {
	var kids []Node
	changed := false
	for c, vars := range Scopes(n) {
		k := f(c, vars)
		changed = changed || k != c
		kids = append(kids, k)
	}
	if !changed {
		return n
	}
	r := recorder{rec: record{op: n.Op()}, below: func(Node) {}}
	n.parts(&r)
	out := n.Op().New()
	out.parts(&builder{rec: r.rec, kids: kids})
	return out
}
