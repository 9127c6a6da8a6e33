package engine

import (
	"errors"
	"fmt"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Rows of the first part of a stream, which is soon there, and of the others.
const (
	firstRows = 128
	partRows  = 1024
)

// stream computes the items of a list part by part, and hands each to emit when it is there; the calls of the next part are under way meanwhile.
// What the list is, and which rows it has, is known before the first part: a filter and a sort look at all rows, but what is made
// of the rows that are left is made as they are sent.
func (x *run) stream(v *Vec, emit func(part *column.Column) error) {
	t := Outside(x.plan.Root.Type, x.plan.Catalog, x.partial)
	elem := *x.plan.Root.Type.Elem
	v = x.spread(v)
	if v.err(0) != nil || v.isNull(0) {
		if out := x.export(v, t, func(int) string { return "" }); x.err == nil {
			x.emit(emit, out)
		}
		return
	}
	total, sent := v.items(), int64(0)
	part := func(start, size int) Col {
		idx := make([]int32, min(size, total-start))
		for i := range idx {
			idx[i] = int32(start + i)
		}
		return v.Items.pick(&Sel{idx})
	}
	size := firstRows
	next := part(0, size)
	for start := 0; ; {
		items := next
		var w *Vec
		if !x.until(func() bool {
			w = items.force(x)
			return w != nil && x.deep(w, elem)
		}) {
			return
		}
		out := &column.Column{Type: t, Len: 1, Ends: []int32{int32(w.N)}}
		from := start
		out.Items = x.export(w, *t.Elem, func(i int) string { return fmt.Sprintf("[%d]", from+i) })
		if x.err != nil || !x.charge("rows_out", &sent, int64(w.N), x.budget.RowsOut) {
			return
		}
		start += w.N
		if size = partRows; start < total {
			next = part(start, size)
			if w := next.force(x); w != nil { // so that its calls go out
				x.deep(w, elem)
			}
		}
		if !x.emit(emit, out) || start >= total {
			return
		}
	}
}

func (x *run) emit(emit func(part *column.Column) error, part *column.Column) bool {
	if err := emit(part); err != nil {
		if own, ok := errors.AsType[*Error](err); ok {
			x.fail(own)
			return false
		}
		x.fail(&Error{Code: "CANCELLED", Msg: "nobody takes the rows", Cause: err})
		return false
	}
	return true
}

// streams reports whether an answer can be sent in parts.
func (p *Plan) streams() bool { return p.Root.Type.Kind == schema.KindList }
