package engine

import (
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// This file computes what is computed of some rows only.

// state returns what a node keeps in a frame between evaluations, made by start the first time.
func state[T any](n *Node, f *Frame, start func() *T) *T {
	if s, ok := f.state[n].(*T); ok {
		return s
	}
	s := start()
	if f.state == nil {
		f.state = map[*Node]any{}
	}
	f.state[n] = s
	return s
}

// where returns the rows that ok accepts.
func where(n int, ok func(i int) bool) *Sel {
	sel := &Sel{make([]int32, 0, n)}
	for i := range n {
		if ok(i) {
			sel.idx = append(sel.idx, int32(i))
		}
	}
	return sel
}

// over returns the frame of the rows sel of f: f itself if that is all of them.
func (f *Frame) over(sel *Sel) *Frame {
	if len(sel.idx) == f.n {
		return f
	}
	return f.sub(sel)
}

// merge makes n rows out of columns that each have some of them; rows of none are of no meaning.
func (x *run) merge(n int, like func(int) *Vec, sels []*Sel, parts []*Vec) *Vec {
	order := make([]int32, n)
	covered, offset := 0, int32(0)
	var vs []*Vec
	for p, sel := range sels {
		if len(sel.idx) == n {
			return parts[p]
		}
		if len(sel.idx) == 0 {
			continue
		}
		for i, row := range sel.idx {
			order[row] = offset + int32(i)
		}
		offset += int32(len(sel.idx))
		covered += len(sel.idx)
		vs = append(vs, parts[p])
	}
	if covered < n { // the others get a row that is blank
		seen := make([]bool, n)
		for _, sel := range sels {
			for _, row := range sel.idx {
				seen[row] = true
			}
		}
		for row, ok := range seen {
			if !ok {
				order[row] = offset
			}
		}
		vs = append(vs, like(1))
	}
	return x.pick(x.concat(vs...), &Sel{order})
}

// withErrs returns v with errors added in rows that have none.
func (x *run) withErrs(v *Vec, add []*Error) *Vec {
	if add == nil {
		return v
	}
	out := *x.spread(v)
	out.Errs = make([]*Error, v.N)
	for i := range out.Errs {
		if out.Errs[i] = v.err(i); out.Errs[i] == nil {
			out.Errs[i] = add[i]
		}
	}
	return &out
}

// runLogic is and, or: the right side is computed of the rows that the left does not decide.
func runLogic(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	decides := n.Op == ast.OpOr
	open := state(n, f, func() *Sel {
		m := a.mask()
		return where(f.n, func(i int) bool { return a.Bools[i&m] != decides && a.err(i) == nil })
	})
	if len(open.idx) == 0 {
		return a
	}
	b := x.eval(n.Kids[1], f.over(open))
	if b == nil {
		return nil
	}
	if len(open.idx) == f.n {
		return b
	}
	out := &Vec{N: f.n, Bools: make([]bool, f.n), Errs: errs(f.n, a)}
	for i := range out.Bools {
		out.Bools[i] = decides
	}
	m := b.mask()
	for i, row := range open.idx {
		out.Bools[row] = b.Bools[i&m]
		if err := b.err(i); err != nil {
			out.setErr(int(row), err)
		}
	}
	return out
}

type branches struct{ yes, no *Sel }

func runIf(x *run, n *Node, f *Frame) *Vec {
	c := x.eval(n.Kids[0], f)
	if c == nil {
		return nil
	}
	s := state(n, f, func() *branches {
		m := c.mask()
		return &branches{
			where(f.n, func(i int) bool { return c.err(i) == nil && c.Bools[i&m] }),
			where(f.n, func(i int) bool { return c.err(i) == nil && !c.Bools[i&m] }),
		}
	})
	yes, no := x.eval(n.Kids[1], f.over(s.yes)), x.eval(n.Kids[2], f.over(s.no))
	if yes == nil || no == nil {
		return nil
	}
	return x.withErrs(x.merge(f.n, n.blank, []*Sel{s.yes, s.no}, []*Vec{yes, no}), errs(f.n, c))
}

func (n *Node) blank(rows int) *Vec { return blank(n.Type, rows) }

func runOrElse(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	return x.replace(n, f, a, func(i int) bool { return a.isNull(i) && a.err(i) == nil })
}

func runOnError(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil || x.err != nil {
		return nil
	}
	return x.replace(n, f, a, func(i int) bool {
		x.excused = x.excused || a.err(i) != nil
		return a.err(i) != nil
	})
}

// replace takes the second operand where bad says so, and computes it there only.
func (x *run) replace(n *Node, f *Frame, a *Vec, bad func(i int) bool) *Vec {
	s := state(n, f, func() *branches {
		return &branches{where(f.n, func(i int) bool { return !bad(i) }), where(f.n, bad)}
	})
	if len(s.no.idx) == 0 {
		return a
	}
	b := x.eval(n.Kids[1], f.over(s.no))
	if b == nil {
		return nil
	}
	return x.merge(f.n, n.blank, []*Sel{s.yes, s.no}, []*Vec{x.pick(a, s.yes), b})
}

type thenState struct {
	branches
	frame *Frame
}

func runThen(x *run, n *Node, f *Frame) *Vec {
	a := x.eval(n.Kids[0], f)
	if a == nil {
		return nil
	}
	s := state(n, f, func() *thenState {
		s := &thenState{branches: branches{
			where(f.n, func(i int) bool { return !a.isNull(i) && a.err(i) == nil }),
			where(f.n, func(i int) bool { return a.isNull(i) || a.err(i) != nil }),
		}}
		item := Ready(a)
		if len(s.yes.idx) < f.n {
			item = item.pick(s.yes)
		}
		s.frame = newScope(f.over(s.yes), n.bound, len(s.yes.idx), nil, item)
		return s
	})
	if len(s.yes.idx) == 0 {
		return x.withErrs(nulls(n.Type, f.n), errs(f.n, a))
	}
	b := x.eval(n.Kids[1], s.frame)
	if b == nil {
		return nil
	}
	return x.withErrs(x.merge(f.n, n.blank, []*Sel{s.yes, s.no}, []*Vec{b, nulls(n.Type, len(s.no.idx))}), errs(f.n, a))
}

func runLet(x *run, n *Node, f *Frame) *Vec {
	g := state(n, f, func() *Frame { return newScope(f, n.bound, f.n, nil, nodeCol{n.Kids[0], f}) })
	return x.eval(n.Kids[1], g)
}

func runSame(x *run, n *Node, f *Frame) *Vec { return x.eval(n.Kids[0], f) }

func runValidate(x *run, n *Node, f *Frame) *Vec {
	g := state(n, f, func() *Frame { return newScope(f, n.bound, f.n, nil, nodeCol{n.Kids[0], f}) })
	cond := x.eval(n.Kids[1], g)
	if cond == nil {
		return nil
	}
	for i, m := 0, cond.mask(); i < f.n; i++ {
		if err := cond.err(i); err != nil {
			x.fail(err)
			return nil
		}
		if !cond.Bools[i&m] {
			x.fail(&Error{Code: "FAILED_PRECONDITION", Reason: "VALIDATION_FAILED", Msg: n.msg, At: n.Src})
			return nil
		}
	}
	return x.eval(n.Kids[0], f)
}

// runTimeout: what is not there in time is in error. Calls that are under way go on for whoever else wants them.
func runTimeout(x *run, n *Node, f *Frame) *Vec {
	end := state(n, f, func() *time.Time {
		end := time.Now().Add(n.value.Duration())
		return &end
	})
	if v := x.eval(n.Kids[0], f); v != nil && x.deep(v, n.Type) {
		return v
	}
	if x.err != nil {
		return nil
	}
	if !time.Now().Before(*end) {
		return failed(n.Type, f.n, &Error{Code: "DEADLINE_EXCEEDED", Reason: "TIMEOUT", Msg: "not there in " + n.value.Duration().String(), At: n.Src})
	}
	if x.wake.IsZero() || end.Before(x.wake) {
		x.wake = *end
	}
	return nil
}
