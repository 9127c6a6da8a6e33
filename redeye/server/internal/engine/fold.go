package engine

import (
	"cmp"
	"math"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// This file computes one value of each list.

// folded evaluates the function of an aggregate over all items. An item in error puts its list in error.
func (x *run) folded(n *Node, f *Frame) (v, body *Vec, bad []*Error) {
	v, g := x.lists(n, f)
	if g == nil {
		return nil, nil, nil
	}
	if body = x.eval(n.Kids[1], g); body == nil {
		return nil, nil, nil
	}
	bad = errs(f.n, v)
	if body.Errs != nil && n.Op != ast.OpAny && n.Op != ast.OpAll {
		list := &Vec{N: f.n, Errs: bad}
		for row := range f.n {
			start, end := v.span(row)
			for i := start; i < end; i++ {
				if err := body.err(i); err != nil {
					list.setErr(row, err)
					break
				}
			}
		}
		bad = list.Errs
	}
	return v, body, bad
}

func runSum(x *run, n *Node, f *Frame) *Vec {
	v, b, bad := x.folded(n, f)
	if b == nil {
		return nil
	}
	out := blank(n.Type, f.n)
	out.Errs = bad
	m := b.mask()
	for row := range f.n {
		start, end := v.span(row)
		if n.Type.Kind == schema.KindFloat {
			sum := 0.0
			for i := start; i < end; i++ {
				sum += b.Floats[i&m]
			}
			out.Floats[row] = sum
			continue
		}
		sum := int64(0)
		for i := start; i < end; i++ {
			y := b.Ints[i&m]
			z := sum + y
			if (sum^z)&(y^z) < 0 {
				out.setErr(row, outOfRange(n, "a sum is no int"))
				break
			}
			sum = z
		}
		out.Ints[row] = sum
	}
	return out
}

func runAvg(x *run, n *Node, f *Frame) *Vec {
	v, b, bad := x.folded(n, f)
	if b == nil {
		return nil
	}
	out := &Vec{N: f.n, Null: make([]bool, f.n), Floats: make([]float64, f.n), Errs: bad}
	m := b.mask()
	ints := n.Kids[1].Type.Kind == schema.KindInt
	for row := range f.n {
		start, end := v.span(row)
		sum := 0.0
		for i := start; i < end; i++ {
			if ints {
				sum += float64(b.Ints[i&m])
			} else {
				sum += b.Floats[i&m]
			}
		}
		if out.Null[row] = start == end; !out.Null[row] {
			out.Floats[row] = sum / float64(end-start)
		}
	}
	return out
}

// runExtreme is min and max: the first of the smallest, the first of the greatest.
func runExtreme(x *run, n *Node, f *Frame) *Vec {
	v, b, bad := x.folded(n, f)
	if b == nil {
		return nil
	}
	if v.items() == 0 {
		return x.withErrs(nulls(n.Type, f.n), bad)
	}
	if !x.readTexts(b) {
		return nil
	}
	at := &Sel{make([]int32, f.n)}
	null := make([]bool, f.n)
	better := extreme(b, n.Op == ast.OpMax)
	for row := range f.n {
		start, end := v.span(row)
		best := start
		for i := start + 1; i < end; i++ {
			if better(i, best) {
				best = i
			}
		}
		if null[row] = start == end; null[row] {
			best = 0
		}
		at.idx[row] = int32(best)
	}
	out := x.pick(b, at)
	if out.One {
		out = x.spread(out)
	}
	out.Null, out.Errs = null, bad
	return out
}

func extreme(b *Vec, greatest bool) func(i, j int) bool {
	m := b.mask()
	var c func(i, j int) int
	switch {
	case b.Ints != nil:
		c = func(i, j int) int { return cmp.Compare(b.Ints[i&m], b.Ints[j&m]) }
	case b.Floats != nil:
		c = func(i, j int) int {
			x, y := b.Floats[i&m], b.Floats[j&m]
			if nx, ny := math.IsNaN(x), math.IsNaN(y); nx || ny { // NaN is the greatest
				return truth(nx) - truth(ny)
			}
			return cmp.Compare(x, y)
		}
	default:
		c = func(i, j int) int { return cmp.Compare(b.Texts[i&m], b.Texts[j&m]) }
	}
	if greatest {
		return func(i, j int) bool { return c(i, j) > 0 }
	}
	return func(i, j int) bool { return c(i, j) < 0 }
}

// runAnyAll looks at the items of each list until one decides. Where the function calls, it is asked of more only when those
// before have not decided.
func runAnyAll(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	if g == nil {
		return nil
	}
	type progress struct {
		next  []int32
		chunk int32
		out   *Vec
		open  []bool
		sel   *Sel
		end   []int32
	}
	decides := n.Op == ast.OpAny
	s := state(n, f, func() *progress {
		p := &progress{next: make([]int32, f.n), end: make([]int32, f.n), chunk: 16, open: make([]bool, f.n)}
		p.out = &Vec{N: f.n, Bools: make([]bool, f.n)}
		if !n.Kids[1].calls {
			p.chunk = math.MaxInt32 / 2
		}
		for row := range f.n {
			start, _ := v.span(row)
			p.next[row], p.open[row] = int32(start), true
			p.out.Bools[row] = !decides
		}
		return p
	})
	for {
		if s.sel == nil {
			s.sel = &Sel{}
			for row := range f.n {
				s.end[row] = s.next[row]
				if s.open[row] {
					s.end[row] = min(v.Ends[row], s.next[row]+s.chunk)
				}
				for i := s.next[row]; i < s.end[row]; i++ {
					s.sel.idx = append(s.sel.idx, i)
				}
			}
		}
		if len(s.sel.idx) == 0 {
			return x.withErrs(s.out, errs(f.n, v))
		}
		b := x.eval(n.Kids[1], g.over(s.sel))
		if b == nil {
			return nil
		}
		k, m := 0, b.mask()
		for row := range f.n {
			for i := s.next[row]; i < s.end[row]; i++ {
				switch err := b.err(k); {
				case !s.open[row]:
				case err != nil:
					s.out.setErr(row, err)
					s.open[row] = false
				case b.Bools[k&m] == decides:
					s.out.Bools[row] = decides
					s.open[row] = false
				}
				k++
			}
			s.next[row] = s.end[row]
		}
		s.sel = nil
		s.chunk = min(s.chunk, math.MaxInt32/4) * 2
	}
}

// runReduce folds all lists in step: the k-th items of all lists that have so many are one column.
func runReduce(x *run, n *Node, f *Frame) *Vec {
	v, init := x.eval(n.Kids[0], f), x.eval(n.Kids[1], f)
	if v == nil || init == nil {
		return nil
	}
	// A step that waited would begin all over, so items are there before the first if they are needed at all.
	looks := n.Kids[2].uses&(1<<(n.bound+1)) != 0
	if looks && !x.deep(v, n.Kids[0].Type) {
		return nil
	}
	v = x.spread(v)
	// acc has the rows whose lists go on; those whose lists have ended are put aside, so that each step costs what is left.
	acc, rows := init, &Sel{identity(f.n)}
	var ended []*Sel
	var values []*Vec
	for k := 0; ; k++ {
		goesOn := func(i int) bool { start, end := v.span(int(rows.idx[i])); return start+k < end }
		if on := where(len(rows.idx), goesOn); len(on.idx) < len(rows.idx) {
			off := where(len(rows.idx), func(i int) bool { return !goesOn(i) })
			ended, values = append(ended, &Sel{gather(rows.idx, off.idx)}), append(values, x.pick(acc, off))
			rows, acc = &Sel{gather(rows.idx, on.idx)}, x.pick(acc, on)
		}
		if len(rows.idx) == 0 {
			break
		}
		var item Col
		if looks {
			items := &Sel{make([]int32, len(rows.idx))}
			for i, row := range rows.idx {
				start, _ := v.span(int(row))
				items.idx[i] = int32(start + k)
			}
			item = v.Items.pick(items)
		}
		outer := newScope(f.over(rows), n.bound, len(rows.idx), nil, Ready(acc))
		inner := newScope(outer, n.bound+1, len(rows.idx), nil, item)
		if acc = x.eval(n.Kids[2], inner); acc == nil || !x.deep(acc, n.Type) {
			return nil
		}
	}
	acc = x.merge(f.n, n.blank, ended, values)
	return x.withErrs(acc, errs(f.n, v))
}
