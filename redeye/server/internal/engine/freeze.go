package engine

import (
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// freeze copies a row of a column that is computed throughout into a vec of that row alone, which shares nothing with
// anything and is never changed: what can outlive the run. It returns about how many bytes that takes, and false if a cell of it
// is in error.
func (x *run) freeze(v *Vec, t schema.Type, row int) (out *Vec, size int64, ok bool) {
	return x.freezeRows(v, t, []int32{int32(row)})
}

// vecBytes is what a vec takes without what it refers to.
const vecBytes = 320

func (x *run) freezeRows(v *Vec, t schema.Type, rows []int32) (out *Vec, size int64, ok bool) {
	at := rows
	if v.One {
		at = make([]int32, len(rows))
	}
	for _, i := range at {
		if v.err(int(i)) != nil {
			return nil, 0, false
		}
	}
	n := int64(len(at))
	out = &Vec{N: len(at), Null: gather(v.Null, at)}
	size = vecBytes + n*width(t) + int64(len(out.Null))
	below := func(c Col, t schema.Type, rows []int32) Col {
		w, more, good := x.freezeRows(c.force(x), t, rows)
		size += more
		ok = ok && good
		return Ready(w)
	}
	ok = true
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
	return out, size, ok
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
