package engine

import (
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// hopeless fails the run before it has called anything if it is certain that it will make more calls than its budget has: a source that is called
// for each of so many different values, and whose answer is demanded whatever becomes of the rest. It knows no more than that: what it says is a lower
// bound, and most programs have one of a few calls.
func (x *run) hopeless() bool {
	if x.budget.Calls <= 0 {
		return false
	}
	l := lower{x: x, calls: map[*Method]int64{}}
	l.demand(x.plan.Root, nil)
	total := int64(0)
	for _, n := range l.calls {
		total += n
	}
	if total <= x.budget.Calls {
		return false
	}
	x.charge("calls", &total, 0, x.budget.Calls)
	x.err.At = l.worst.Src
	return true
}

type lower struct {
	x     *run
	calls map[*Method]int64 // of each source at the place that calls it most: others may have the same values
	worst *Node             // that has most
	most  int64
}

// demand counts the calls that n needs when it is computed throughout, whatever it is. around has for each level the list over which its
// variable certainly goes, or nil.
func (l *lower) demand(n *Node, around []*Node) {
	below := func(kids ...*Node) {
		for _, k := range kids {
			l.demand(k, around)
		}
	}
	switch n.Op {
	case ast.OpSource:
		l.count(n, around)
		below(n.Kids...)
	case ast.OpMap:
		list := n.Kids[0]
		below(list)
		if l.values(list) > 0 && len(n.drops) == 0 && n.bound == len(around)+1 {
			l.demand(n.Kids[1], append(slices.Clip(around), list))
		}
	case ast.OpObject, ast.OpList, ast.OpAdd, ast.OpSub, ast.OpMul, ast.OpDiv, ast.OpFloorDiv, ast.OpMod, ast.OpEq, ast.OpNe, ast.OpLt, ast.OpLe,
		ast.OpGt, ast.OpGe, ast.OpStr, ast.OpInt, ast.OpFloat, ast.OpLower, ast.OpUpper, ast.OpNot, ast.OpNeg:
		below(n.Kids...)
	case ast.OpAnd, ast.OpOr, ast.OpIf, ast.OpOrElse, ast.OpOnError:
		below(n.Kids[0])
	default: // which may do without anything below, as far as is known here
	}
}

// count counts a call that is made once for each different value of a variable.
func (l *lower) count(n *Node, around []*Node) {
	if n.Method.TTL > 0 { // whose answers may be there
		return
	}
	calls := int64(1)
	for _, arg := range n.Kids {
		v, sure := single(arg)
		if !sure { // it may be in error, and then there is no call
			return
		}
		if v != nil && v.level <= len(around) {
			calls = max(calls, l.values(around[v.level-1]))
		}
	}
	l.calls[n.Method] = max(l.calls[n.Method], calls)
	if calls > l.most {
		l.most, l.worst = calls, n
	}
}

// single returns the variable that an argument holds, if it does, and whether it is certainly a value: different ones for different values of
// the variable.
func single(n *Node) (v *Node, sure bool) {
	switch n.Op {
	case ast.OpLit, ast.OpParam:
		return nil, true
	case ast.OpVar:
		return n, true
	case ast.OpList:
		for _, k := range n.Kids {
			w, sure := single(k)
			if !sure {
				return nil, false
			}
			if w != nil {
				v = w
			}
		}
		return v, true
	default:
		return nil, false
	}
}

// values is how many different values a list has at least that is a parameter or written down; 0 of any other. Those of a list that is too short to
// matter are not looked at.
func (l *lower) values(n *Node) int64 {
	switch {
	case n.Op == ast.OpParam && n.Type.Kind == schema.KindList && !n.Type.Null:
		items := l.x.params[n.field].Items.force(l.x)
		if int64(items.N) <= l.x.budget.Calls {
			return int64(min(items.N, 1))
		}
		k := l.x.keyer(*n.Type.Elem)
		seen := map[string]bool{}
		var buf []byte
		for i := range items.N {
			buf = k.appendKey(buf[:0], items, i)
			seen[string(buf)] = true
		}
		return int64(len(seen))
	case n.Op == ast.OpList:
		seen := map[ast.Value]bool{}
		for _, k := range n.Kids {
			if k.Op != ast.OpLit {
				return 0
			}
			seen[k.value] = true
		}
		return int64(len(seen))
	}
	return 0
}
