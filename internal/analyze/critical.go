package analyze

import (
	"cmp"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Segment is a part of a critical path: in [From, To), ns after the tree's Start, the request waited for
// the span at position Row itself and not for one of its children.
type Segment struct {
	Row      int32
	From, To int64
}

// CriticalPath is what the duration of the span at position p was spent on, in order of time: disjoint
// segments inside the span that sum to its duration. Whoever makes a segment shorter makes the span
// shorter, until another chain of calls takes over.
//
// It is found from the end backwards, as Uber's CRISP (Zhang et al., USENIX ATC 2022) does: a span waited
// last for the child that ended last; before that child began, for the one that ended last until then; and
// where there is none, it worked itself. Children are clipped to their parents. A message (a consumer, or
// what a producer caused) that outlasts its parent is left out: nobody waited for it.
func (t *Tree) CriticalPath(p int) []Segment {
	if p >= t.Len() || t.Length[p] == 0 {
		return nil
	}
	// A frame is a span on the path, looked at down from now. Its children are those of waiting up to
	// its top, the one that ends last on top.
	type frame struct {
		row         int32
		bottom, top int
		from, now   int64
	}
	type child struct {
		row      int32
		from, to int64
	}
	var (
		path    []Segment
		stack   []frame
		waiting []child
	)
	push := func(row int32, from, to int64) {
		f := frame{row: row, bottom: len(waiting), from: from, now: to}
		for _, q := range t.Children(int(row)) {
			c := child{q, max(t.Offset[q], from), min(t.Offset[q]+t.Length[q], to)}
			if c.to > c.from && !t.unawaited(q) {
				waiting = append(waiting, c)
			}
		}
		slices.SortFunc(waiting[f.bottom:], func(x, y child) int {
			if c := cmp.Compare(x.to, y.to); c != 0 {
				return c
			}
			return cmp.Or(cmp.Compare(y.from, x.from), cmp.Compare(y.row, x.row))
		})
		f.top = len(waiting)
		stack = append(stack, f)
	}
	push(int32(p), t.Offset[p], t.Offset[p]+t.Length[p])
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		for f.top > f.bottom && waiting[f.top-1].to > f.now {
			f.top--
		}
		until := f.from
		if f.top > f.bottom {
			until = waiting[f.top-1].to
		}
		if until < f.now {
			path = append(path, Segment{f.row, until, f.now})
		}
		waiting = waiting[:f.top]
		if f.top == f.bottom {
			stack = stack[:len(stack)-1]
			continue
		}
		f.top--
		c := waiting[f.top]
		f.now = c.from
		push(c.row, c.from, c.to)
		// The child's own children lie above it; those of f up to its top stay below.
	}
	slices.Reverse(path)
	return path
}

// unawaited says that the span at q is a message that outlasts its parent.
func (t *Tree) unawaited(q int32) bool {
	p := t.Parent[q]
	if t.Offset[q]+t.Length[q] <= t.Offset[p]+t.Length[p] {
		return false
	}
	return t.Batch.Kind[t.Row[q]] == span.KindConsumer || t.Batch.Kind[t.Row[p]] == span.KindProducer
}

// onPath sums a critical path by position: element i is that of position from+i.
func onPath(path []Segment, from, n int) []int64 {
	sums := make([]int64, n)
	for _, s := range path {
		sums[int(s.Row)-from] += s.To - s.From
	}
	return sums
}
