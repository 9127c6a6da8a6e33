package engine

import (
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Vec is one value for each of N rows, of a type that its user knows. It is not changed once others can see it.
type Vec struct {
	N    int
	One  bool     // all rows have the value of row 0, and the arrays hold that alone
	Null []bool   // of each row; nil if none is null
	Errs []*Error // of each row; nil if none is in error. The value of a row in error means nothing

	// By type, one of:
	Bools  []bool
	Ints   []int64 // int, time, duration
	Floats []float64
	Texts  []string // string, bytes; of an enum its values
	Ends   []int32  // list, map: where a row's items end
	Items  Col      // of a list; of a map its values
	Keys   Col      // of a map
	Fields []Col    // of an object
	Base   *Base    // entity: row i is At[i] of Base, or i if At is nil
	At     []int32

	rows *Frame // whose rows are the items of this list, once there is one
}

// Base is a column of entities as a source or method returned it. Selections of it share it.
type Base struct {
	Entity *Entity
	Refs   any // []E of the entity's Go type
	N      int
	Unique bool    // no key is in it twice
	ords   []int32 // of each row its number in the run's table of entities; nil until asked for
	keys   *Vec    // of each row its key; nil until asked for
}

// Sel is a selection: of each new row the row that it is. Its address is its identity.
type Sel struct{ idx []int32 }

// mask makes an index that is right for one value as well as for many: i & mask.
func (v *Vec) mask() int {
	if v.One {
		return 0
	}
	return -1
}

// size is how many elements the arrays have.
func (v *Vec) size() int {
	if v.One {
		return min(v.N, 1)
	}
	return v.N
}

func (v *Vec) isNull(i int) bool { return v.Null != nil && v.Null[i&v.mask()] }

func (v *Vec) err(i int) *Error {
	if v.Errs == nil {
		return nil
	}
	return v.Errs[i&v.mask()]
}

// span is where the items of row i are.
func (v *Vec) span(i int) (start, end int) {
	i &= v.mask()
	if i > 0 {
		start = int(v.Ends[i-1])
	}
	return start, int(v.Ends[i])
}

// items is how many items the lists have that the arrays hold.
func (v *Vec) items() int {
	if len(v.Ends) == 0 {
		return 0
	}
	return int(v.Ends[len(v.Ends)-1])
}

// ref is the row of Base that row i is.
func (v *Vec) ref(i int) int32 {
	i &= v.mask()
	if v.At == nil {
		return int32(i)
	}
	return v.At[i]
}

func gather[T any](src []T, idx []int32) []T {
	if src == nil {
		return nil
	}
	out := make([]T, len(idx))
	for i, j := range idx {
		out[i] = src[j]
	}
	return out
}

// pick returns the rows of v that sel names. Items of lists and fields of objects are picked when they are asked for.
func (x *run) pick(v *Vec, sel *Sel) *Vec {
	idx := sel.idx
	if idx == nil {
		idx = []int32{} // an At that is nil is all rows, not none
	}
	if v.One {
		same := *v
		same.N, same.rows = len(idx), nil
		return &same
	}
	out := &Vec{N: len(idx), Null: gather(v.Null, idx), Errs: gather(v.Errs, idx)}
	switch {
	case v.Ints != nil:
		out.Ints = gather(v.Ints, idx)
	case v.Bools != nil:
		out.Bools = gather(v.Bools, idx)
	case v.Floats != nil:
		out.Floats = gather(v.Floats, idx)
	case v.Texts != nil:
		out.Texts = gather(v.Texts, idx)
	case v.Base != nil:
		out.Base = v.Base
		if v.At == nil {
			out.At = idx
		} else {
			out.At = gather(v.At, idx)
		}
	case v.Ends != nil:
		out.Ends = make([]int32, len(idx))
		total := 0
		for i, j := range idx {
			start, end := v.span(int(j))
			total += end - start
			out.Ends[i] = int32(total)
		}
		if !x.rows(total) { // a few lists may be picked many times
			clear(out.Ends)
			out.Items, out.Keys = Ready(&Vec{}), Ready(&Vec{})
			return out
		}
		items := &Sel{make([]int32, 0, total)}
		for _, j := range idx {
			start, end := v.span(int(j))
			for k := start; k < end; k++ {
				items.idx = append(items.idx, int32(k))
			}
		}
		out.Items = v.Items.pick(items)
		if v.Keys != nil {
			out.Keys = v.Keys.pick(items)
		}
	case v.Fields != nil:
		out.Fields = make([]Col, len(v.Fields))
		for i, f := range v.Fields {
			out.Fields[i] = f.pick(sel)
		}
	}
	return out
}

// concat puts the rows of vs one after another. They are of one type, and there is at least one.
func (x *run) concat(vs ...*Vec) *Vec {
	if len(vs) == 1 {
		return vs[0]
	}
	out := &Vec{}
	var like *Vec
	anyNull, anyErr := false, false
	for _, v := range vs {
		out.N += v.N
		anyNull = anyNull || v.Null != nil
		anyErr = anyErr || v.Errs != nil
		if like == nil || like.kind() == 0 {
			like = v
		}
	}
	if anyNull {
		out.Null = joined(out.N, vs, func(v *Vec) []bool { return v.Null })
	}
	if anyErr {
		out.Errs = joined(out.N, vs, func(v *Vec) []*Error { return v.Errs })
	}
	switch like.kind() {
	case schema.KindInt:
		out.Ints = joined(out.N, vs, func(v *Vec) []int64 { return v.Ints })
	case schema.KindBool:
		out.Bools = joined(out.N, vs, func(v *Vec) []bool { return v.Bools })
	case schema.KindFloat:
		out.Floats = joined(out.N, vs, func(v *Vec) []float64 { return v.Floats })
	case schema.KindString:
		out.Texts = joined(out.N, vs, func(v *Vec) []string { return v.Texts })
	case schema.KindEntity:
		out.Base, out.At = concatRefs(out.N, vs)
	case schema.KindList:
		x.concatLists(out, vs)
	case schema.KindObject:
		out.Fields = make([]Col, len(like.Fields))
		for i := range out.Fields {
			parts, rows := make([]Col, 0, len(vs)), make([]int, 0, len(vs))
			for _, v := range vs {
				part := Ready(&Vec{N: v.N}) // below nulls of no type
				if v.Fields != nil {
					part = x.spread(v).Fields[i]
				}
				parts, rows = append(parts, part), append(rows, v.N)
			}
			out.Fields[i] = newUnion(parts, rows)
		}
	default: // nulls of no type
	}
	return out
}

// kind tells the arrays apart: the first kind of those that share one; 0 if there are none.
func (v *Vec) kind() schema.Kind {
	switch {
	case v.Ints != nil:
		return schema.KindInt
	case v.Bools != nil:
		return schema.KindBool
	case v.Floats != nil:
		return schema.KindFloat
	case v.Texts != nil:
		return schema.KindString
	case v.Base != nil:
		return schema.KindEntity
	case v.Ends != nil:
		return schema.KindList
	case v.Fields != nil:
		return schema.KindObject
	}
	return schema.KindUnknown
}

// joined concatenates one array of each of vs; where one has none, its rows are zero.
func joined[T any](n int, vs []*Vec, of func(*Vec) []T) []T {
	out := make([]T, 0, n)
	for _, v := range vs {
		part := of(v)
		switch {
		case part == nil:
			out = out[:len(out)+v.N]
		case v.One:
			for range v.N {
				out = append(out, part[0])
			}
		default:
			out = append(out, part[:v.N]...)
		}
	}
	return out
}

// spread gives a vec of one value for many rows an array element for each.
func (x *run) spread(v *Vec) *Vec {
	if !v.One {
		return v
	}
	many := *v
	many.One, many.N = false, v.size()
	return x.pick(&many, &Sel{make([]int32, v.N)})
}

func concatRefs(n int, vs []*Vec) (*Base, []int32) {
	var bases []*Base
	offset := map[*Base]int32{}
	total := int32(0)
	at := make([]int32, 0, n)
	for _, v := range vs {
		if v.Base == nil {
			at = at[:len(at)+v.N] // null or in error
			continue
		}
		if _, seen := offset[v.Base]; !seen {
			offset[v.Base] = total
			total += int32(v.Base.N)
			bases = append(bases, v.Base)
		}
		for i := range v.N {
			at = append(at, offset[v.Base]+v.ref(i))
		}
	}
	if len(bases) == 1 {
		return bases[0], at
	}
	all := &Base{Entity: bases[0].Entity, N: int(total), Refs: bases[0].Refs}
	for _, b := range bases[1:] {
		all.Refs = all.Entity.Append(all.Refs, b.Refs)
	}
	return all, at
}

func (x *run) concatLists(out *Vec, vs []*Vec) {
	out.Ends = make([]int32, 0, out.N)
	total := int32(0)
	var items, keys []Col
	var rows []int
	for _, v := range vs {
		v = x.spread(v)
		if v.Ends == nil { // null or in error
			for range v.N {
				out.Ends = append(out.Ends, total)
			}
			continue
		}
		for _, end := range v.Ends {
			out.Ends = append(out.Ends, total+end)
		}
		n := v.items()
		total += int32(n)
		items, rows = append(items, v.Items), append(rows, n)
		if v.Keys != nil {
			keys = append(keys, v.Keys)
		}
	}
	out.Items = newUnion(items, rows)
	if keys != nil {
		out.Keys = newUnion(keys, rows)
	}
}

// blank returns n rows of a type, all zero: what stands where nothing means anything, below errors and nulls.
func blank(t schema.Type, n int) *Vec {
	v := &Vec{N: n}
	switch t.Kind {
	case schema.KindBool:
		v.Bools = make([]bool, n)
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		v.Ints = make([]int64, n)
	case schema.KindFloat:
		v.Floats = make([]float64, n)
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		v.Texts = make([]string, n)
	case schema.KindList, schema.KindMap:
		v.Ends = make([]int32, n)
		v.Items = Ready(blank(*t.Elem, 0))
		if t.Kind == schema.KindMap {
			v.Keys = Ready(blank(schema.Of(t.Key), 0))
		}
	case schema.KindObject:
		v.Fields = make([]Col, len(t.Fields))
		for i, f := range t.Fields {
			v.Fields[i] = Ready(blank(f.Type, n))
		}
	case schema.KindUnknown, schema.KindEntity:
	}
	return v
}

// nulls returns n rows of null.
func nulls(t schema.Type, n int) *Vec {
	v := blank(t, n)
	v.Null = make([]bool, n)
	for i := range v.Null {
		v.Null[i] = true
	}
	return v
}

// failed returns n rows in error.
func failed(t schema.Type, n int, err *Error) *Vec {
	v := blank(t, n)
	v.Errs = make([]*Error, n)
	for i := range v.Errs {
		v.Errs[i] = err
	}
	return v
}

// List returns the items of row i of a column of lists, and where they begin and end. The items must be there.
func (v *Vec) List(i int) (items *Vec, start, end int) {
	start, end = v.span(i)
	return v.Items.force(nil), start, end
}

// SetErr puts an error in row i of a column that nobody else has seen, in the place of one that may be there.
func (v *Vec) SetErr(i int, err *Error) {
	if v.Errs == nil {
		v.Errs = make([]*Error, v.N)
	}
	v.Errs[i] = err
}

// MarkUnique says of a column of lists of entities that nobody else has seen that no entity is in it twice.
func (v *Vec) MarkUnique() {
	if v.Ends == nil {
		return
	}
	if items := v.Items.force(nil); items != nil && items.Base != nil {
		items.Base.Unique = true
	}
}
