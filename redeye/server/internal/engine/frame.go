package engine

// Frame is a set of rows for which values are computed. There are three kinds:
//
//	the root        one row, no variable
//	a scope         of a lambda: its variable has a value for each row, and each row belongs to one of the frame above
//	a selection     of a frame's rows, with the same variables
type Frame struct {
	run   *run
	n     int
	level int // of the variable that the scope binds; 0 is the root
	up    *Frame
	idx   []int32 // of each row, the row of up that it belongs to or is; nil if it is that of the same number, or all belong to row 0
	one   bool    // all rows belong to row 0 of up

	scope bool
	home  *Frame // of a scope and its selections: the frame around the lambda
	item  Col    // the variable
	sel   *Sel   // of a selection

	memo  []*Vec          // by Node.slot
	begun []bool          // by Node.slot: it was charged, and may be waiting
	state map[*Node]any   // of nodes that are computed in several steps
	subs  map[*Sel]*Frame // selections of this frame
	lifts map[int]lift
}

// newScope makes the frame of a lambda that binds a variable of the level, around home.
func newScope(home *Frame, level, n int, idx []int32, item Col) *Frame {
	return &Frame{run: home.run, n: n, level: level, up: home, idx: idx, scope: true, home: home, item: item}
}

// frameBytes is about what a frame takes, besides its memo.
const frameBytes = 512

// sub returns the selection of f, always the same for the same sel.
func (f *Frame) sub(sel *Sel) *Frame {
	if s := f.subs[sel]; s != nil {
		return s
	}
	s := &Frame{run: f.run, n: len(sel.idx), level: f.level, up: f, idx: sel.idx, home: f.home, sel: sel}
	// Of lists in lists there may be many frames of a row or two: then it is not their rows that take memory. If there are too many the
	// run has failed, and nobody looks at this one any more.
	if f.run.charge("memory", &f.run.used.Memory, frameBytes, f.run.budget.Memory) && f.item != nil {
		s.item = f.item.pick(sel)
	}
	if f.subs == nil {
		f.subs = map[*Sel]*Frame{}
	}
	f.subs[sel] = s
	return s
}

// lift is how a frame sees a frame around it.
type lift struct {
	frame *Frame // of the outer level, with just the rows that are needed here
	sel   *Sel   // of each row here, its row there; nil for the root, which has one
}

// lift finds the frame around f in which a node of an outer level is computed. Rows of that frame that no row of f
// belongs to are left out, since nobody demands them.
func (f *Frame) lift(level int) lift {
	if l, ok := f.lifts[level]; ok {
		return l
	}
	if level == 0 { // the root, which has one row
		g := f
		for g.up != nil {
			g = g.up
		}
		return lift{frame: g}
	}
	g := f
	var at []int32 // nil is identity
	for g.level > level {
		switch {
		case g.one:
			at = make([]int32, f.n)
		case g.idx == nil:
		case at == nil:
			at = g.idx
		default:
			at = gather(g.idx, at)
		}
		g = g.up
	}
	l := lift{frame: g}
	if at == nil {
		l.sel = &Sel{identity(f.n)}
	} else {
		l.sel = &Sel{at}
		if used := distinctRows(at, g.n); len(used) < g.n {
			place := make([]int32, g.n)
			for i, j := range used {
				place[j] = int32(i)
			}
			l.frame, l.sel = g.sub(&Sel{used}), &Sel{gather(place, at)}
		}
	}
	if f.lifts == nil {
		f.lifts = map[int]lift{}
	}
	f.lifts[level] = l
	return l
}

func identity(n int) []int32 {
	idx := make([]int32, n)
	for i := range idx {
		idx[i] = int32(i)
	}
	return idx
}

// distinctRows returns the numbers below n that are in idx, in order.
func distinctRows(idx []int32, n int) []int32 {
	seen := make([]bool, n)
	count := 0
	for _, j := range idx {
		if !seen[j] {
			seen[j] = true
			count++
		}
	}
	out := make([]int32, 0, count)
	for j, ok := range seen {
		if ok {
			out = append(out, int32(j))
		}
	}
	return out
}

// eval computes a node for the rows of f: nil if it waits for a call, or if the run has failed.
func (x *run) eval(n *Node, f *Frame) *Vec {
	if x.err != nil {
		return nil
	}
	if f.n == 0 {
		return blank(n.Type, 0)
	}
	if n.level < f.level {
		return x.evalOutside(n, f)
	}
	if f.level == 0 && f != x.root { // the one row of the root, perhaps many times
		v := x.eval(n, x.root)
		if v == nil {
			return nil
		}
		return constant(v, f.n)
	}
	if !x.remember(f, n.level) {
		return nil
	}
	if v := f.memo[n.slot]; v != nil {
		return v
	}
	v := x.inherit(n, f)
	if v == nil {
		if f.begun == nil {
			f.begun = make([]bool, x.plan.slots[n.level])
		}
		if !f.begun[n.slot] && !x.step(n, f.n) {
			return nil
		}
		if x.figures != nil && !f.begun[n.slot] {
			at := x.figures.of(n)
			at.frames++
			at.rows += int64(f.n)
		}
		f.begun[n.slot] = true
		v = n.run(x, n, f)
	}

	f.memo[n.slot] = v
	return v
}

// evalOutside computes a node that does not depend on the variable of f in the frame whose variable it depends on.
func (x *run) evalOutside(n *Node, f *Frame) *Vec {
	l := f.lift(n.level)
	v := x.eval(n, l.frame)
	if v == nil {
		return nil
	}
	if l.sel == nil {
		return constant(v, f.n)
	}
	if !x.grow(n.Type, f.n) {
		return nil
	}
	return x.pick(v, l.sel)
}

// constant makes n rows of the one that v has.
func constant(v *Vec, n int) *Vec {
	same := *v
	same.N, same.One, same.rows = n, true, nil
	return &same
}

// inherit takes from the frame that f is a selection of what has been computed there.
func (x *run) inherit(n *Node, f *Frame) *Vec {
	if f.sel == nil {
		return nil
	}
	if f.up.memo != nil {
		if v := f.up.memo[n.slot]; v != nil {
			return x.pick(v, f.sel)
		}
	}
	if v := x.inherit(n, f.up); v != nil {
		if !x.remember(f.up, n.level) {
			return nil
		}
		f.up.memo[n.slot] = v
		return x.pick(v, f.sel)
	}
	return nil
}

// remember sees to it that f has a memo, which is charged.
func (x *run) remember(f *Frame, level int) bool {
	if f.memo != nil {
		return true
	}
	n := x.plan.slots[level]
	if !x.charge("memory", &x.used.Memory, 8*int64(n), x.budget.Memory) {
		return false
	}
	f.memo = make([]*Vec, n)
	return true
}

// rowsOf returns the frame of the items of the lists v, which are a value in the frame home, for a lambda whose variable
// is of the level. An operation that keeps some of a list's rows says so in v.rows, so that what was computed for a row is
// known in the lambda of the next operation too.
func (x *run) rowsOf(v *Vec, home *Frame, level int) *Frame {
	if v.rows != nil && v.rows.home == home && v.rows.level == level {
		return v.rows
	}
	v = x.spread(v)
	n := v.items()
	if !x.rows(n) {
		return nil
	}
	var idx []int32
	if home.n > 1 {
		idx = make([]int32, 0, n)
		for row, end := range v.Ends {
			for len(idx) < int(end) {
				idx = append(idx, int32(row))
			}
		}
	}
	f := newScope(home, level, n, idx, v.Items)
	f.one = home.n == 1
	v.rows = f
	return f
}
