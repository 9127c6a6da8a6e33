package engine

import (
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// frozen is a value that can outlive the run: it shares nothing with anything and is never changed.
type frozen struct {
	vec      *Vec  // of one row
	size     int64 // about the bytes that it takes
	negative bool  // it is null, or that there is nothing
}

// freeze copies a row of a column that is computed throughout. A row that is NOT_FOUND as a whole is a value as any; otherwise the error is of the first cell
// that is in error.
func (x *run) freeze(v *Vec, t schema.Type, row int) (frozen, *Error) {
	if err := v.err(row); err != nil && err.Code == "NOT_FOUND" {
		return frozen{failed(t, 1, &Error{Code: err.Code, Reason: err.Reason, Msg: err.Msg, Method: err.Method}), vecBytes + int64(len(err.Msg)), true}, nil
	}
	out, size, err := x.freezeRows(v, t, []int32{int32(row)})
	return frozen{out, size, v.isNull(row)}, err
}

// vecBytes is what a vec takes without what it refers to.
const vecBytes = 320

func (x *run) freezeRows(v *Vec, t schema.Type, rows []int32) (out *Vec, size int64, err *Error) {
	at := rows
	if v.One {
		at = make([]int32, len(rows))
	}
	for _, i := range at {
		if err := v.err(int(i)); err != nil {
			return nil, 0, err
		}
	}
	n := int64(len(at))
	out = &Vec{N: len(at), Null: gather(v.Null, at)}
	size = vecBytes + n*width(t) + int64(len(out.Null))
	below := func(c Col, t schema.Type, rows []int32) Col {
		w, more, bad := x.freezeRows(c.force(x), t, rows)
		size += more
		if err == nil {
			err = bad
		}
		return Ready(w)
	}
	switch {
	case v.Ints != nil:
		out.Ints = gather(v.Ints, at)
	case v.Bools != nil:
		out.Bools = gather(v.Bools, at)
	case v.Floats != nil:
		out.Floats = gather(v.Floats, at)
	case v.Texts != nil:
		out.Texts = gather(v.Texts, at)
		for i, s := range out.Texts {
			out.Texts[i] = strings.Clone(s) // which may be a part of something large
			size += int64(len(s))
		}
	case v.Base != nil:
		refs := make([]int32, len(at))
		for i, j := range at {
			refs[i] = v.ref(int(j))
		}
		e := v.Base.Entity
		out.Base = &Base{Entity: e, Refs: e.Pick(v.Base.Refs, refs), N: len(refs), Unique: v.Base.Unique && (len(refs) < 2 || v.At == nil)}
		size += n * e.Bytes
	case v.Ends != nil:
		out.Ends = make([]int32, len(at))
		var items []int32
		for i, j := range at {
			start, end := v.span(int(j))
			for k := start; k < end; k++ {
				items = append(items, int32(k))
			}
			out.Ends[i] = int32(len(items))
		}
		out.Items = below(v.Items, *t.Elem, items)
		if v.Keys != nil {
			out.Keys = below(v.Keys, schema.Of(t.Key), items)
		}
	case v.Fields != nil:
		out.Fields = make([]Col, len(v.Fields))
		for i, f := range v.Fields {
			out.Fields[i] = below(f, t.Fields[i].Type, at)
		}
	}
	return out, size, err
}

// thaw makes a vec for this run of a frozen one: the arrays are shared, what a run notes in a vec is not.
func (v *Vec) thaw() *Vec {
	out := *v
	if v.Base != nil {
		out.Base = &Base{Entity: v.Base.Entity, Refs: v.Base.Refs, N: v.Base.N, Unique: v.Base.Unique}
	}
	below := func(c Col) Col {
		if c == nil {
			return nil
		}
		return Ready(c.force(nil).thaw())
	}
	out.Items, out.Keys = below(v.Items), below(v.Keys)
	out.Fields = slices.Clone(v.Fields)
	for i, f := range v.Fields {
		out.Fields[i] = below(f)
	}
	return &out
}
