package engine

import (
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// This file makes objects and lists, and takes them apart.

func runObject(_ *run, n *Node, f *Frame) *Vec {
	out := &Vec{N: f.n, Fields: make([]Col, len(n.Kids))}
	for i, k := range n.Kids {
		out.Fields[i] = nodeCol{k, f}
	}
	return out
}

func runField(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	if a.Fields == nil { // all in error
		return x.withErrs(blank(n.Type, f.n), errs(f.n, a))
	}
	v := a.Fields[n.field].force(x)
	if v == nil {
		return nil
	}
	if a.One {
		v = constant(v, f.n)
	}
	return x.withErrs(v, errs(f.n, a))
}

func runAttr(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	if a.Base == nil { // all in error
		return x.withErrs(blank(n.Type, f.n), errs(f.n, a))
	}
	v := n.attr.read(a.Base.Refs, a.At, a.size())
	if n.attr.Fill == nil {
		blame(v, map[*Error]*Error{}, func(e *Error) *Error {
			attr, _ := n.Src.(*ast.Attr)
			return methodError(&Method{Name: a.Base.Entity.Name + "." + attr.Name}, n, e)
		})
	}
	if a.One {
		v = constant(v, f.n)
	}
	return x.withErrs(v, errs(f.n, a))
}

// runList puts the elements of all rows one after another: element j of row i is row i of element j.
func runList(_ *run, n *Node, f *Frame) *Vec {
	out := &Vec{N: f.n, Ends: make([]int32, f.n)}
	k := len(n.Kids)
	order := make([]int32, 0, f.n*k)
	for i := range f.n {
		for j := range k {
			order = append(order, int32(j*f.n+i))
		}
		out.Ends[i] = int32((i + 1) * k)
	}
	if k == 0 {
		out.Items = Ready(blank(*n.Type.Elem, 0))
		return out
	}
	parts, rows := make([]Col, k), make([]int, k)
	for j, kid := range n.Kids {
		parts[j], rows[j] = nodeCol{kid, f}, f.n
	}
	out.Items = newUnion(parts, rows).pick(&Sel{order})
	return out
}

func runConcatLists(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	a, b = x.spread(a), x.spread(b)
	out := &Vec{N: f.n, Ends: make([]int32, f.n), Errs: errs(f.n, a, b)}
	left, right := a.items(), b.items()
	if !x.rows(left + right) {
		return nil
	}
	order := make([]int32, 0, left+right)
	for i := range f.n {
		if out.Errs == nil || out.Errs[i] == nil {
			for _, side := range []struct {
				v      *Vec
				offset int
			}{{a, 0}, {b, left}} {
				start, end := side.v.span(i)
				for j := start; j < end; j++ {
					order = append(order, int32(side.offset+j))
				}
			}
		}
		out.Ends[i] = int32(len(order))
	}
	out.Items = newUnion([]Col{a.Items, b.Items}, []int{left, right}).pick(&Sel{order})
	return out
}

func runLength(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	out := &Vec{N: f.n, Ints: make([]int64, f.n), Errs: errs(f.n, a)}
	for i := range out.Ints {
		start, end := a.span(i)
		out.Ints[i] = int64(end - start)
	}
	return out
}

// runIndex is an element of a list by number, of a map by key.
func runIndex(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	t := n.Kids[0].Type
	if t.Kind == schema.KindMap {
		if a.Keys.force(x) == nil {
			return nil
		}
	}
	bad := errs(f.n, a, b)
	at := make([]int32, 0, f.n)
	good := &Sel{make([]int32, 0, f.n)}
	for i := range f.n {
		if bad != nil && bad[i] != nil {
			continue
		}
		start, end := a.span(i)
		j := -1
		if t.Kind == schema.KindMap {
			if !x.read(8 * (end - start)) { // it looks at all keys
				return nil
			}
			j = find(a.Keys.force(x), start, end, b, i)
		} else if k := b.Ints[i&b.mask()]; k >= 0 && k < int64(end-start) {
			j = start + int(k)
		} else if k < 0 && k >= int64(start-end) {
			j = end + int(k)
		}
		if j < 0 {
			if bad == nil {
				bad = make([]*Error, f.n)
			}
			bad[i] = outOfRange(n, "there is no element %s among %d", describe(b, i), end-start)
			continue
		}
		at = append(at, int32(j))
		good.idx = append(good.idx, int32(i))
	}
	if len(good.idx) == 0 {
		return x.withErrs(blank(n.Type, f.n), bad)
	}
	s := state(n, f, func() *Col {
		col := a.Items.pick(&Sel{at})
		return &col
	})
	v := (*s).force(x)
	if v == nil {
		return nil
	}
	return x.withErrs(x.merge(f.n, n.blank, []*Sel{good}, []*Vec{v}), bad)
}

// find returns where among the keys from start to end the key of row i is, or -1.
func find(keys *Vec, start, end int, b *Vec, i int) int {
	i &= b.mask()
	if keys.Ints != nil {
		if j := slices.Index(keys.Ints[start:end], b.Ints[i]); j >= 0 {
			return start + j
		}
		return -1
	}
	if keys.Texts != nil {
		if j := slices.Index(keys.Texts[start:end], b.Texts[i]); j >= 0 {
			return start + j
		}
	}
	return -1
}

type endState struct {
	good *Sel
	col  Col
}

// runEnd is first, last.
func runEnd(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	s := state(n, f, func() *endState {
		at := &Sel{}
		good := where(f.n, func(i int) bool {
			start, end := a.span(i)
			if start == end {
				return false
			}
			if n.Op == ast.OpFirst {
				at.idx = append(at.idx, int32(start))
			} else {
				at.idx = append(at.idx, int32(end-1))
			}
			return true
		})
		return &endState{good, a.Items.pick(at)}
	})
	empty := where(f.n, func(i int) bool { start, end := a.span(i); return start == end })
	if len(s.good.idx) == 0 {
		return x.withErrs(nulls(n.Type, f.n), errs(f.n, a))
	}
	v := s.col.force(x)
	if v == nil {
		return nil
	}
	return x.withErrs(x.merge(f.n, n.blank, []*Sel{s.good, empty}, []*Vec{v, nulls(n.Type, len(empty.idx))}), errs(f.n, a))
}
