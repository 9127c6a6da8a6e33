package engine

import (
	"cmp"
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// blockRows is how many values of an attribute are looked at together: they stay in the first cache.
const blockRows = 256

// bound is a term of a filter that compares an attribute of its variable with a value that is the same for all rows. Such
// terms are most of what filters say. They are computed block by block, from the Go objects to the rows that pass: there
// is no column of the attribute or of truth values, which for many rows would cost more than the comparison.
type bound struct {
	attr, item, with *Node
	op               ast.Op
}

// boundOf reads a term as a bound; nil if it is none.
func boundOf(term *Node, level int) *bound {
	op := term.Op
	if op < ast.OpEq || op > ast.OpGe || term.users > 1 { // what others use too is computed for them
		return nil
	}
	attr, with := term.Kids[0], term.Kids[1]
	if attr.Op != ast.OpAttr || attr.uses != 1<<level {
		attr, with, op = with, attr, mirrored(op)
	}
	if attr.Op != ast.OpAttr || attr.attr == nil || attr.attr.Fill == nil || attr.Kids[0].Op != ast.OpVar || attr.uses != 1<<level {
		return nil
	}
	if with.uses != 0 || with.Type.Null || with.Type.Kind != attr.Type.Kind || attr.Type.Kind == schema.KindBool {
		return nil
	}
	return &bound{attr, attr.Kids[0], with, op}
}

// mirrored is the operator of b op a, where a op b was.
func mirrored(op ast.Op) ast.Op {
	switch op {
	case ast.OpLt:
		return ast.OpGt
	case ast.OpLe:
		return ast.OpGe
	case ast.OpGt:
		return ast.OpLt
	case ast.OpGe:
		return ast.OpLe
	default:
		return op
	}
}

// within returns the rows of f that are within the bound. If there is nothing to compute block by block (the attribute is there already,
// a row is in error), it returns nil and waits is false.
func (x *run) within(b *bound, term *Node, f *Frame) (sel *Sel, waits bool) {
	if f.memo != nil && f.memo[b.attr.slot] != nil || x.inherit(b.attr, f) != nil {
		return nil, false
	}
	item, with := x.eval(b.item, f), x.eval(b.with, x.root)
	if item == nil || with == nil {
		return nil, true
	}
	if item.Base == nil || item.One || item.Errs != nil || item.Null != nil || with.Errs != nil {
		return nil, false
	}
	if !x.step(term, f.n) || !x.charge("steps", &x.used.Steps, int64(f.n), x.budget.Steps) {
		return nil, true
	}
	sel = &Sel{}
	var kept *Vec // the values of the rows that pass, if others use them
	if b.attr.users > 1 {
		kept = blank(b.attr.Type, 0)
	}
	for start := 0; start < f.n; start += blockRows {
		block := x.scratch.rows(b.attr.Type.Kind, min(f.n-start, blockRows))
		b.attr.attr.Fill(block, item.Base.Refs, item.At, start)
		if start == blockRows { // the rows to come will be as those of the first block
			sel.idx = slices.Grow(sel.idx, len(sel.idx)*(f.n/blockRows)+len(sel.idx)/2+blockRows)
		}
		before := len(sel.idx)
		switch {
		case block.Ints != nil:
			sel.idx = appendWithin(sel.idx, block.Ints, b.op, with.Ints[0], start)
		case block.Floats != nil:
			sel.idx = appendWithin(sel.idx, block.Floats, b.op, with.Floats[0], start)
		default:
			sel.idx = appendWithin(sel.idx, block.Texts, b.op, with.Texts[0], start)
		}
		if kept != nil {
			kept.appendRows(block, sel.idx[before:], start)
		}
	}
	if kept != nil {
		g := f.over(sel)
		if !x.remember(g, b.attr.level) {
			return nil, true
		}
		g.memo[b.attr.slot] = kept
	}
	return sel, false
}

// appendWithin adds the rows whose value is within the bound, without a branch that could be mispredicted.
func appendWithin[T cmp.Ordered](idx []int32, xs []T, op ast.Op, y T, start int) []int32 {
	idx = slices.Grow(idx, len(xs))
	out := idx[len(idx) : len(idx)+len(xs)]
	row, k := int32(start), 0
	switch op {
	case ast.OpLt:
		for i, x := range xs {
			out[k] = row + int32(i)
			k += truth(x < y)
		}
	case ast.OpLe:
		for i, x := range xs {
			out[k] = row + int32(i)
			k += truth(x <= y)
		}
	case ast.OpGt:
		for i, x := range xs {
			out[k] = row + int32(i)
			k += truth(x > y)
		}
	case ast.OpGe:
		for i, x := range xs {
			out[k] = row + int32(i)
			k += truth(x >= y)
		}
	case ast.OpEq:
		for i, x := range xs {
			out[k] = row + int32(i)
			k += truth(x == y)
		}
	default:
		for i, x := range xs {
			out[k] = row + int32(i)
			k += truth(x != y)
		}
	}
	return idx[:len(idx)+k]
}

// scratch is room for a block of scalars.
type scratch struct {
	block  Vec
	ints   []int64
	floats []float64
	texts  []string
}

// rows returns n rows for scalars of a kind, which are good until it is called again.
func (s *scratch) rows(k schema.Kind, n int) *Vec {
	s.block = Vec{N: n}
	switch k {
	case schema.KindFloat:
		s.floats = slices.Grow(s.floats[:0], n)[:n]
		s.block.Floats = s.floats
	case schema.KindString:
		s.texts = slices.Grow(s.texts[:0], n)[:n]
		s.block.Texts = s.texts
	default:
		s.ints = slices.Grow(s.ints[:0], n)[:n]
		s.block.Ints = s.ints
	}
	return &s.block
}

// appendRows adds rows of a block of scalars, which begins with row start.
func (v *Vec) appendRows(block *Vec, rows []int32, start int) {
	v.N += len(rows)
	switch {
	case v.Ints != nil:
		v.Ints = appendPicked(v.Ints, block.Ints, rows, start)
	case v.Floats != nil:
		v.Floats = appendPicked(v.Floats, block.Floats, rows, start)
	default:
		v.Texts = appendPicked(v.Texts, block.Texts, rows, start)
	}
}

func appendPicked[T any](out, block []T, rows []int32, start int) []T {
	for _, row := range rows {
		out = append(out, block[int(row)-start])
	}
	return out
}
