package engine

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// This file computes what makes lists of lists. A column of lists is handled as a whole: its items are one column.

// keep makes the lists of the items sel of the lists v, which end at ends. What was computed for an item stays known.
func keep(v *Vec, rows *Frame, sel *Sel, ends []int32) *Vec {
	out := &Vec{N: len(ends), Null: v.Null, Errs: v.Errs, Ends: ends, Items: v.Items.pick(sel)}
	if rows != nil {
		out.rows = rows.sub(sel)
	}
	return out
}

// lists evaluates the list operand, and the frame of its items for the node's function.
func (x *run) lists(n *Node, f *Frame) (v *Vec, g *Frame) {
	v = x.eval(n.Kids[0], f)
	if v == nil {
		return nil, nil
	}
	if v.One {
		v = state(n, f, func() *Vec { return x.spread(v) })
	}
	return v, x.rowsOf(v, f, n.bound)
}

// filtered keeps the items of v for which ok is true.
func (x *run) filtered(v *Vec, g *Frame, ok func(i int) bool) *Vec {
	sel := &Sel{make([]int32, g.n)}
	ends := make([]int32, len(v.Ends))
	k, start := 0, 0
	for row, end := range v.Ends {
		for i := start; i < int(end); i++ {
			sel.idx[k] = int32(i)
			if ok(i) {
				k++
			}
		}
		start = int(end)
		ends[row] = int32(k)
	}
	if k == g.n {
		return v
	}
	sel.idx = sel.idx[:k]
	return keep(v, g, sel, ends)
}

// dropped tells which rows of g or_drop drops; pending is true while that waits.
func (x *run) droppedRows(n *Node, g *Frame) (drop []bool, pending bool) {
	for _, d := range n.drops {
		v := x.eval(d, g)
		if v == nil {
			pending = true
			continue
		}
		for i := range g.n {
			if v.err(i) != nil {
				if drop == nil {
					drop = make([]bool, g.n)
				}
				drop[i], x.excused = true, true
			}
		}
	}
	return drop, pending
}

func runFilter(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	if g == nil || g.n == 0 {
		return v
	}
	if len(n.drops) == 0 {
		out, waits := x.filterByTerms(n, f, v, g)
		if waits || out != nil {
			return out
		}
	}
	p := x.eval(n.Kids[1], g)
	drop, pending := x.droppedRows(n, g)
	if p == nil || pending {
		return nil
	}
	m := p.mask()
	dropped := func(i int) bool { return drop != nil && drop[i] }
	out := x.filtered(v, g, func(i int) bool { return !dropped(i) && p.err(i) == nil && p.Bools[i&m] })
	return x.withErrs(out, x.listErrors(v, g.n, func(i int) *Error {
		if dropped(i) {
			return nil
		}
		return p.err(i)
	}))
}

// filterByTerms asks each term of a conjunction only of the rows that passed those before it. It returns nil if one is in error somewhere.
func (x *run) filterByTerms(n *Node, f *Frame, v *Vec, g *Frame) (out *Vec, waits bool) {
	passed := state(n, f, func() *[]*Sel { return new([]*Sel) }) // of the terms that are done
	h := g
	var at []int32 // rows of g that are left; nil is all
	for i := range n.terms {
		if h.n == 0 {
			break
		}
		if i == len(*passed) {
			sel, waits := x.passing(n, i, h)
			if sel == nil {
				if waits {
					x.ahead(n.early, h)
				}
				return nil, waits
			}
			*passed = append(*passed, sel)
		}
		sel := (*passed)[i]
		switch {
		case len(sel.idx) == h.n:
			continue
		case at == nil:
			at = sel.idx
		default:
			at = gather(at, sel.idx)
		}
		h = h.sub(sel)
	}
	if at == nil {
		return v, false
	}
	ends := make([]int32, len(v.Ends))
	k := 0
	for row, end := range v.Ends {
		if row == len(v.Ends)-1 {
			k = len(at)
		}
		for k < len(at) && at[k] < end {
			k++
		}
		ends[row] = int32(k)
	}
	out = keep(v, nil, &Sel{at}, ends)
	out.rows = h
	return out, false
}

// ahead begins calls of the rows of f, all of which may yet turn out not to need them, if that leaves half of the budget for those that are
// needed for certain.
func (x *run) ahead(early []*Node, f *Frame) {
	for _, e := range early {
		if calls, items := e.most(int64(f.n)); spare(x.used.Calls+calls, x.budget.Calls) && spare(x.used.Items+items, x.budget.Items) {
			x.eval(e, f)
		}
	}
}

func spare(used, limit int64) bool { return limit <= 0 || used <= limit/2 }

// most is how many calls, of how many items, n can need for so many rows.
func (n *Node) most(rows int64) (calls, items int64) {
	for _, k := range n.Kids {
		c, i := k.most(rows)
		calls, items = calls+c, items+i
	}
	if n.Method == nil {
		return calls, items
	}
	batch := rows
	for _, arg := range n.Kids[n.receivers():] {
		if arg.uses != 0 && !n.Method.Pairs { // a batch is of receivers with the same arguments
			batch = 1
		}
	}
	if m := int64(n.Method.MaxBatch); m > 0 {
		batch = min(batch, m)
	}
	return calls + (rows+batch-1)/batch, items + rows
}

// passing returns the rows of f that pass a term of a filter: nil if that waits, or is in error somewhere.
func (x *run) passing(n *Node, term int, f *Frame) (sel *Sel, waits bool) {
	if b := n.bounds[term]; b != nil {
		if sel, waits := x.within(b, n.terms[term], f); sel != nil || waits {
			return sel, waits
		}
	}
	p := x.eval(n.terms[term], f)
	if p == nil || p.Errs != nil {
		return nil, p == nil
	}
	return whereTrue(p), false
}

// whereTrue selects the rows that are true, without a branch that could be mispredicted.
func whereTrue(p *Vec) *Sel {
	if p.One {
		if p.Bools[0] {
			return &Sel{identity(p.N)}
		}
		return &Sel{[]int32{}}
	}
	idx := make([]int32, p.N)
	k := 0
	for i, ok := range p.Bools {
		idx[k] = int32(i)
		one := 0
		if ok {
			one = 1
		}
		k += one
	}
	return &Sel{idx[:k]}
}

// terms lists the terms of a conjunction.
func terms(n *Node) []*Node {
	if n.Op == ast.OpAnd {
		return append(terms(n.Kids[0]), terms(n.Kids[1])...)
	}
	return []*Node{n}
}

func runMap(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	if g == nil {
		return nil
	}
	if len(n.drops) > 0 {
		drop, pending := x.droppedRows(n, g)
		if pending {
			return nil
		}
		if drop != nil {
			v = x.filtered(v, g, func(i int) bool { return !drop[i] })
			g = x.rowsOf(v, f, n.bound)
		}
	}
	return &Vec{N: v.N, Null: v.Null, Errs: v.Errs, Ends: v.Ends, Items: nodeCol{n.Kids[1], g}}
}

func runFlatMap(x *run, n *Node, f *Frame) *Vec {
	mapped := runMap(x, n, f)
	if mapped == nil {
		return nil
	}
	w := mapped.Items.force(x)
	if w == nil {
		return nil
	}
	out := &Vec{N: f.n, Null: mapped.Null, Errs: listsErrs(mapped, w), Ends: make([]int32, f.n)}
	if w.N == 0 || w.Ends == nil {
		out.Items = Ready(blank(*n.Type.Elem, 0))
		return out
	}
	w = x.spread(w)
	for row, end := range mapped.Ends {
		if end > 0 {
			out.Ends[row] = w.Ends[end-1]
		}
	}
	out.Items = w.Items
	return out
}

// listsErrs returns the errors of lists of lists: their own, or the first of the inner lists in them.
func listsErrs(outer, inner *Vec) []*Error {
	if inner.Errs == nil {
		return outer.Errs
	}
	bad := make([]*Error, outer.N)
	copy(bad, outer.Errs)
	i := 0
	for row, end := range outer.Ends {
		for ; i < int(end); i++ {
			if bad[row] == nil {
				bad[row] = inner.err(i)
			}
		}
	}
	return bad
}

// counts evaluates the number of rows of limit and skip.
func (x *run) counts(n *Node, f *Frame) *Vec {
	c := x.eval(n.Kids[1], f)
	if c == nil {
		return nil
	}
	for i, m := 0, c.mask(); i < f.n; i++ {
		if c.err(i) == nil && c.Ints[i&m] < 0 {
			return x.withErrs(c, func() []*Error {
				bad := make([]*Error, f.n)
				for i := range bad {
					if c.Ints[i&m] < 0 {
						bad[i] = outOfRange(n, "%d rows", c.Ints[i&m])
					}
				}
				return bad
			}())
		}
	}
	return c
}

func runLimit(x *run, n *Node, f *Frame) *Vec { return x.part(n, f, true) }
func runSkip(x *run, n *Node, f *Frame) *Vec  { return x.part(n, f, false) }

// part keeps the first so many items of each list, or the others.
func (x *run) part(n *Node, f *Frame, head bool) *Vec {
	v, c := x.eval(n.Kids[0], f), x.counts(n, f)
	if v == nil || c == nil {
		return nil
	}
	v = x.spread(v)
	sel := &Sel{}
	ends := make([]int32, f.n)
	bad := errs(f.n, c)
	m := c.mask()
	for row := range f.n {
		start, end := v.span(row)
		size := int64(end - start)
		switch count := min(c.Ints[row&m], size); {
		case bad != nil && bad[row] != nil:
			end = start
		case head:
			end = start + int(count)
		default:
			start += int(count)
		}
		for i := start; i < end; i++ {
			sel.idx = append(sel.idx, int32(i))
		}
		ends[row] = int32(len(sel.idx))
	}
	if len(sel.idx) == v.items() {
		return x.withErrs(v, bad)
	}
	return x.withErrs(keep(v, v.rows, sel, ends), bad)
}

// search is a filter that stops when it has enough.
type search struct {
	next  []int32 // of each list, the item to look at next
	found [][]int32
	bad   []*Error // of each list, the first error of the predicate, which ends its search
	chunk int      // items of each list in the next round
	sel   *Sel
	end   []int32 // of each list, where the round under way ends
}

// runLimitFilter asks the predicate of so many rows of each list as are needed to find so many that pass: at first of 16 or
// as many as are wanted, then of twice as many each time.
func runLimitFilter(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	c := x.counts(n, f)
	if g == nil || c == nil {
		return nil
	}
	m := c.mask()
	s := state(n, f, func() *search {
		s := &search{next: make([]int32, f.n), found: make([][]int32, f.n), end: make([]int32, f.n), chunk: 16, bad: make([]*Error, f.n)}
		for row := range f.n {
			start, _ := v.span(row)
			s.next[row] = int32(start)
			s.chunk = max(s.chunk, int(min(c.Ints[row&m], 1<<20)))
		}
		return s
	})
	for {
		if s.sel == nil {
			s.sel = &Sel{}
			for row := range f.n {
				s.end[row] = s.next[row]
				if c.err(row) == nil && s.bad[row] == nil && int64(len(s.found[row])) < c.Ints[row&m] {
					s.end[row] = min(v.Ends[row], s.next[row]+int32(s.chunk))
				}
				for i := s.next[row]; i < s.end[row]; i++ {
					s.sel.idx = append(s.sel.idx, i)
				}
			}
		}
		if len(s.sel.idx) == 0 {
			break
		}
		h := g.over(s.sel)
		p := x.eval(n.Kids[2], h)
		drop, pending := x.droppedRows(n, h)
		if p == nil || pending {
			return nil
		}
		k, pm := 0, p.mask()
		for row := range f.n {
			for i := s.next[row]; i < s.end[row]; i++ {
				switch err := p.err(k); {
				case drop != nil && drop[k] || s.bad[row] != nil || int64(len(s.found[row])) >= c.Ints[row&m]:
				case err != nil && x.partial:
					x.dropped++
					x.report(err)
				case err != nil:
					s.bad[row] = err
				case p.Bools[k&pm]:
					s.found[row] = append(s.found[row], i)
				}
				k++
			}
			s.next[row] = s.end[row]
		}
		s.sel = nil
		s.chunk *= 2
	}
	sel, ends := &Sel{}, make([]int32, f.n)
	for row, found := range s.found {
		sel.idx = append(sel.idx, found...)
		ends[row] = int32(len(sel.idx))
	}
	return x.withErrs(x.withErrs(keep(v, g, sel, ends), s.bad), errs(f.n, c))
}

func runSort(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	if g == nil {
		return nil
	}
	less := make([]func(a, b int32) int, len(n.desc))
	var bad []*Error
	pending := false
	for i, key := range n.Kids[1:] {
		k := x.eval(key, g)
		if k == nil {
			pending = true
			continue
		}
		if !x.readSorted(k) {
			return nil
		}
		bad = errs(g.n, k, &Vec{N: g.n, Errs: bad})
		less[i] = order(k, n.desc[i])
	}
	if pending || g.n == 0 {
		if g.n == 0 {
			return v
		}
		return nil
	}
	sel := &Sel{make([]int32, 0, g.n)}
	ends := make([]int32, len(v.Ends))
	for row := range ends {
		start, end := v.span(row)
		from := len(sel.idx)
		for i := start; i < end; i++ {
			if bad == nil || bad[i] == nil {
				sel.idx = append(sel.idx, int32(i))
			}
		}
		slices.SortStableFunc(sel.idx[from:], func(a, b int32) int {
			for _, compare := range less {
				if c := compare(a, b); c != 0 {
					return c
				}
			}
			return 0
		})
		ends[row] = int32(len(sel.idx))
	}
	if !x.charge("steps", &x.used.Steps, int64(g.n*len(less)), x.budget.Steps) {
		return nil
	}
	if bad == nil {
		return keep(v, g, sel, ends)
	}
	return x.withErrs(keep(v, g, sel, ends), x.listErrors(v, g.n, func(i int) *Error { return bad[i] }))
}

// readSorted charges the texts of keys as often as a sort looks at each.
func (x *run) readSorted(k *Vec) bool {
	for range bits.Len(uint(k.N)) {
		if k.Texts != nil && !x.readTexts(k) {
			return false
		}
	}
	return x.err == nil
}

// order returns the comparison of rows by a key: numbers, then NaN, then null, in either direction.
func order(k *Vec, desc bool) func(a, b int32) int {
	sign := 1
	if desc {
		sign = -1
	}
	m := int32(k.mask())
	var of func(a, b int32) int
	switch {
	case k.Ints != nil:
		of = func(a, b int32) int { return sign * cmp.Compare(k.Ints[a&m], k.Ints[b&m]) }
	case k.Floats != nil:
		of = func(a, b int32) int {
			x, y := k.Floats[a&m], k.Floats[b&m]
			if nx, ny := math.IsNaN(x), math.IsNaN(y); nx || ny {
				return truth(nx) - truth(ny)
			}
			return sign * cmp.Compare(x, y)
		}
	case k.Texts != nil:
		of = func(a, b int32) int { return sign * cmp.Compare(k.Texts[a&m], k.Texts[b&m]) }
	case k.Bools != nil:
		of = func(a, b int32) int { return sign * (truth(k.Bools[a&m]) - truth(k.Bools[b&m])) }
	default:
		of = func(a, b int32) int { return 0 }
	}
	if k.Null == nil {
		return of
	}
	return func(a, b int32) int {
		if na, nb := k.Null[a&m], k.Null[b&m]; na || nb {
			return truth(na) - truth(nb)
		}
		return of(a, b)
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// keyed evaluates the key of each item, and numbers the items by it, those whose key is in error left out.
func (x *run) keyed(n *Node, g *Frame, v *Vec) (num *numbering, keys *Vec, bad []*Error) {
	keys = x.eval(n.Kids[1], g)
	if keys == nil || !x.deep(keys, n.Kids[1].Type) {
		return nil, nil, nil
	}
	out := x.number(n.Kids[1].Type, keys, v.Ends, func(i int) bool { return keys.err(i) != nil })
	if x.err != nil {
		return nil, nil, nil
	}
	if keys.Errs != nil {
		bad = x.listErrors(v, g.n, keys.err)
	}
	return &out, keys, bad
}

func runDistinct(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	if g == nil || g.n == 0 {
		return v
	}
	num, _, bad := x.keyed(n, g, v)
	if num == nil {
		return nil
	}
	return x.withErrs(keep(v, g, &Sel{num.first}, num.ends), bad)
}

func runGroup(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	if g == nil {
		return nil
	}
	num, keys := &numbering{ends: make([]int32, f.n)}, blank(n.Kids[1].Type, 0)
	var bad []*Error
	if g.n > 0 {
		if num, keys, bad = x.keyed(n, g, v); num == nil {
			return nil
		}
	}
	// The items, group by group: a counting sort by number.
	ends := make([]int32, len(num.first))
	for _, group := range num.of {
		if group >= 0 {
			ends[group]++
		}
	}
	at := make([]int32, len(ends))
	total := int32(0)
	for i, count := range ends {
		at[i] = total
		total += count
		ends[i] = total
	}
	items := &Sel{make([]int32, total)}
	for i, group := range num.of {
		if group >= 0 {
			items.idx[at[group]] = int32(i)
			at[group]++
		}
	}
	groups := &Vec{N: len(ends), Fields: []Col{
		Ready(x.pick(keys, &Sel{num.first})),
		Ready(&Vec{N: len(ends), Ends: ends, Items: v.Items.pick(items)}),
	}}
	return x.withErrs(&Vec{N: f.n, Null: v.Null, Errs: v.Errs, Ends: num.ends, Items: Ready(groups)}, bad)
}

// runIn is in of a list or a map.
func runIn(x *run, n *Node, f *Frame) *Vec {
	a, b, ok := x.two(n, f)
	if !ok {
		return nil
	}
	t := n.Kids[1].Type
	col := b.Items
	if t.Kind == schema.KindMap {
		col = b.Keys
	}
	var in *Vec
	elem := n.Kids[0].Type
	if b.Ends != nil {
		in = col.force(x)
		elem = in.typed(t)
	}
	if ready := in == nil && b.Ends != nil; ready || !x.deep(a, n.Kids[0].Type) {
		return nil
	}
	if in != nil && !x.deep(in, elem) {
		return nil
	}
	out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a, b)}
	if in == nil {
		return out
	}
	ka, kb := x.keyer(n.Kids[0].Type), x.keyer(elem)
	var set map[string]bool // of the list that all rows share
	var broken *Error       // of an element of it
	var buf []byte
	for i := range out.Bools {
		start, end := b.span(i)
		if !b.One || set == nil {
			if !x.charge("steps", &x.used.Steps, int64(end-start), x.budget.Steps) {
				return nil
			}
			set, broken = make(map[string]bool, end-start), nil
			for j := start; j < end; j++ {
				if err := in.err(j); err != nil {
					broken = cmp.Or(broken, err)
				} else if !kb.nan(in, j) {
					buf = kb.appendKey(buf[:0], in, j)
					if !x.read(len(buf)) || !set[string(buf)] && b.One && !x.hold(len(buf)) {
						return nil
					}
					set[string(buf)] = true
				}
			}
		}
		if broken != nil {
			out.setErr(i, broken)
		}
		if buf = ka.appendKey(buf[:0], a, i); !x.read(len(buf)) {
			return nil
		}
		out.Bools[i] = set[string(buf)]
	}
	return out
}

func (v *Vec) typed(t schema.Type) schema.Type {
	if t.Kind == schema.KindMap {
		return schema.Of(t.Key)
	}
	return *t.Elem
}

type joined2 struct {
	ends        []int32
	left, right *Sel
	none        []bool // of a left join: without a match
}

func runJoin(x *run, n *Node, f *Frame) *Vec {
	l, r := x.eval(n.Kids[0], f), x.eval(n.Kids[1], f)
	if l == nil || r == nil {
		return nil
	}
	l, r = x.spread(l), x.spread(r)
	gl, gr := x.rowsOf(l, f, n.bound), x.rowsOf(r, f, n.bound)
	if gl == nil || gr == nil {
		return nil
	}
	lk, rk := x.eval(n.Kids[2], gl), x.eval(n.Kids[3], gr)
	if lk == nil || rk == nil || !x.deep(lk, n.Kids[2].Type) || !x.deep(rk, n.Kids[3].Type) {
		return nil
	}
	j, ok := x.match(n, f.n, l, r, lk, rk)
	if !ok {
		return nil
	}
	bad := errs(f.n, l, r, &Vec{N: f.n, Errs: x.listErrors(l, gl.n, lk.err)}, &Vec{N: f.n, Errs: x.listErrors(r, gr.n, rk.err)})
	if n.Op == ast.OpSemiJoin || n.Op == ast.OpAntiJoin {
		return x.withErrs(keep(l, gl, j.left, j.ends), bad)
	}
	var right Col
	if n.Op == ast.OpLeftJoin {
		right = &leftCol{right: r.Items, sel: j.right, none: j.none, t: n.Type.Elem.Fields[1].Type}
	} else {
		right = r.Items.pick(j.right)
	}
	pairs := &Vec{N: len(j.left.idx), Fields: []Col{l.Items.pick(j.left), right}}
	return &Vec{N: f.n, Errs: bad, Ends: j.ends, Items: Ready(pairs)}
}

// match finds the pairs of a join, list by list.
func (x *run) match(n *Node, rows int, l, r, lk, rk *Vec) (*joined2, bool) {
	j := &joined2{ends: make([]int32, rows), left: &Sel{}, right: &Sel{}}
	kl, kr := x.keyer(n.Kids[2].Type), x.keyer(n.Kids[3].Type)
	usable := func(k keyer, v *Vec, i int) bool { return v.err(i) == nil && !v.isNull(i) && !k.nan(v, i) }
	var buf []byte
	for row := range rows {
		matches := map[string][]int32{}
		start, end := r.span(row)
		for i := start; i < end; i++ {
			if usable(kr, rk, i) {
				buf = kr.appendKey(buf[:0], rk, i)
				if !x.read(len(buf)) || matches[string(buf)] == nil && !x.hold(len(buf)) {
					return nil, false
				}
				matches[string(buf)] = append(matches[string(buf)], int32(i))
			}
		}
		start, end = l.span(row)
		for i := start; i < end; i++ {
			if lk.err(i) != nil {
				continue
			}
			var with []int32
			if usable(kl, lk, i) {
				if buf = kl.appendKey(buf[:0], lk, i); !x.read(len(buf)) {
					return nil, false
				}
				with = matches[string(buf)]
			}
			if !x.rows(len(j.left.idx) + len(with)) {
				return nil, false
			}
			switch n.Op {
			case ast.OpSemiJoin, ast.OpAntiJoin:
				if (len(with) > 0) == (n.Op == ast.OpSemiJoin) {
					j.left.idx = append(j.left.idx, int32(i))
				}
				continue
			case ast.OpLeftJoin:
				if len(with) == 0 {
					j.left.idx, j.right.idx, j.none = append(j.left.idx, int32(i)), append(j.right.idx, 0), append(j.none, true)
				}
			default:
			}
			for _, k := range with {
				j.left.idx, j.right.idx, j.none = append(j.left.idx, int32(i)), append(j.right.idx, k), append(j.none, false)
			}
		}
		j.ends[row] = int32(len(j.left.idx))
	}
	return j, true
}

// leftCol is the right side of a left join: null where there was no match.
type leftCol struct {
	right Col
	sel   *Sel
	none  []bool
	t     schema.Type
	some  Col
	yes   *Sel
}

func (c *leftCol) force(x *run) *Vec {
	if c.some == nil {
		c.yes = where(len(c.none), func(i int) bool { return !c.none[i] })
		c.some = c.right.pick(&Sel{gather(c.sel.idx, c.yes.idx)})
	}
	n := len(c.none)
	if len(c.yes.idx) == 0 {
		return nulls(c.t, n)
	}
	v := c.some.force(x)
	if v == nil {
		return nil
	}
	no := where(n, func(i int) bool { return c.none[i] })
	return x.merge(n, func(int) *Vec { return nulls(c.t, 1) }, []*Sel{c.yes, no}, []*Vec{v, nulls(c.t, len(no.idx))})
}

func (c *leftCol) pick(sel *Sel) Col {
	return &leftCol{right: c.right, sel: &Sel{gather(c.sel.idx, sel.idx)}, none: gather(c.none, sel.idx), t: c.t}
}
