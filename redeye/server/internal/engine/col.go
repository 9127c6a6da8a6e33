package engine

// Col is a column that is computed when it is asked for: the items of a list, a field of an object.
type Col interface {
	// force returns the rows, or nil if they wait for a call (or the run has failed).
	force(x *run) *Vec
	// pick returns the rows that sel names, without computing any.
	pick(sel *Sel) Col
}

// readyCol is a column that is there.
type readyCol struct{ vec *Vec }

// Ready makes a column of what is there already.
func Ready(v *Vec) Col { return readyCol{v} }

func (c readyCol) force(*run) *Vec { return c.vec }

func (c readyCol) pick(sel *Sel) Col { return &pickedCol{from: c.vec, sel: sel} }

// pickedCol is a selection of a vec.
type pickedCol struct {
	from *Vec
	sel  *Sel
	vec  *Vec
}

func (c *pickedCol) force(x *run) *Vec {
	if c.vec == nil {
		c.vec = x.pick(c.from, c.sel)
	}
	return c.vec
}

func (c *pickedCol) pick(sel *Sel) Col {
	if c.vec != nil {
		return &pickedCol{from: c.vec, sel: sel}
	}
	return &pickedCol{from: c.from, sel: &Sel{gather(c.sel.idx, sel.idx)}}
}

// nodeCol is a node in a frame.
type nodeCol struct {
	node  *Node
	frame *Frame
}

func (c nodeCol) force(x *run) *Vec { return x.eval(c.node, c.frame) }

func (c nodeCol) pick(sel *Sel) Col { return nodeCol{c.node, c.frame.sub(sel)} }

// unionCol is columns one after another.
type unionCol struct {
	parts []Col
	rows  []int // of each part
	order *Sel  // of the rows of all parts; nil as they stand
	vec   *Vec
}

func newUnion(parts []Col, rows []int) Col {
	if len(parts) == 1 {
		return parts[0]
	}
	return &unionCol{parts: parts, rows: rows}
}

func (c *unionCol) force(x *run) *Vec {
	if c.vec != nil {
		return c.vec
	}
	vecs := make([]*Vec, len(c.parts))
	pending := false
	for i, p := range c.parts {
		vecs[i] = p.force(x)
		pending = pending || vecs[i] == nil
	}
	if pending {
		return nil
	}
	if len(vecs) == 0 {
		return &Vec{}
	}
	total := 0
	for _, v := range vecs {
		total += v.N
	}
	if !x.rows(total) || !x.charge("memory", &x.used.Memory, int64(total)*8, x.budget.Memory) { // parts may be one column many times
		return nil
	}
	c.vec = x.concat(vecs...)
	if c.order != nil {
		c.vec = x.pick(c.vec, c.order)
	}
	return c.vec
}

// pick asks of each part only the rows that are picked of it.
func (c *unionCol) pick(sel *Sel) Col {
	if c.vec != nil {
		return &pickedCol{from: c.vec, sel: sel}
	}
	if c.order != nil {
		sel = &Sel{gather(c.order.idx, sel.idx)}
	}
	total := 0
	for _, n := range c.rows {
		total += n
	}
	place := make([]int32, total) // of each row that is used, 1 + where it will stand
	for _, j := range sel.idx {
		place[j] = 1
	}
	out := &unionCol{order: &Sel{make([]int32, len(sel.idx))}}
	start, placed := 0, int32(0)
	for p, n := range c.rows {
		var used []int32
		for j := range n {
			if place[start+j] != 0 {
				used = append(used, int32(j))
				placed++
				place[start+j] = placed
			}
		}
		start += n
		if len(used) > 0 {
			out.parts = append(out.parts, c.parts[p].pick(&Sel{used}))
			out.rows = append(out.rows, len(used))
		}
	}
	for i, j := range sel.idx {
		out.order.idx[i] = place[j] - 1
	}
	return out
}
