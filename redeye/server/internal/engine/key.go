package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// keyer compares values of a type, and writes them as keys of maps. Values below the top are computed already.
type keyer struct {
	x *run
	t schema.Type
}

func (x *run) keyer(t schema.Type) keyer { return keyer{x, t} }

// keysOf returns of each row of a column of entities the key. Rows that are null or in error have one without meaning.
func (x *run) keysOf(v *Vec) *Vec {
	if v.Base.keys == nil {
		v.Base.keys = v.Base.Entity.Keys(v.Base.Refs)
	}
	if v.At == nil {
		return v.Base.keys
	}
	return x.pick(v.Base.keys, &Sel{v.At})
}

// appendKey writes row i so that two rows have the same bytes if they are equal. Null equals null and NaN equals NaN.
func (k keyer) appendKey(b []byte, v *Vec, i int) []byte {
	if v.isNull(i) {
		return append(b, 0)
	}
	b = append(b, 1)
	j := i & v.mask()
	switch k.t.Kind {
	case schema.KindBool:
		if v.Bools[j] {
			return append(b, 1)
		}
		return append(b, 0)
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		return binary.BigEndian.AppendUint64(b, uint64(v.Ints[j]))
	case schema.KindFloat:
		f := v.Floats[j]
		if f == 0 {
			f = 0 // of either sign
		}
		if math.IsNaN(f) {
			f = math.NaN()
		}
		return binary.BigEndian.AppendUint64(b, math.Float64bits(f))
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		b = binary.AppendUvarint(b, uint64(len(v.Texts[j])))
		return append(b, v.Texts[j]...)
	case schema.KindEntity:
		if v.Base == nil {
			return b
		}
		keys := k.x.keysOf(&Vec{N: 1, Base: v.Base, At: []int32{v.ref(i)}})
		return keyer{k.x, schema.Of(v.Base.Entity.Key)}.appendKey(b, keys, 0)
	case schema.KindList, schema.KindMap:
		start, end := v.span(i)
		b = binary.AppendUvarint(b, uint64(end-start))
		items, elem := v.Items.force(k.x), keyer{k.x, *k.t.Elem}
		for j := start; j < end; j++ {
			if k.t.Kind == schema.KindMap {
				b = keyer{k.x, schema.Of(k.t.Key)}.appendKey(b, v.Keys.force(k.x), j)
			}
			b = elem.appendKey(b, items, j)
		}
	case schema.KindObject:
		for f, field := range v.Fields {
			b = keyer{k.x, k.t.Fields[f].Type}.appendKey(b, field.force(k.x), j)
		}
	case schema.KindUnknown:
	}
	return b
}

// equal reports whether row i of a and row j of b are equal in the language's sense: null equals null, NaN nothing.
func (k keyer) equal(a *Vec, i int, other keyer, b *Vec, j int) bool {
	if k.nan(a, i) {
		return false
	}
	x := k.x
	x.left, x.right = k.appendKey(x.left[:0], a, i), other.appendKey(x.right[:0], b, j)
	return x.read(len(x.left)+len(x.right)) && string(x.left) == string(x.right)
}

// nan reports whether there is a NaN in row i.
func (k keyer) nan(v *Vec, i int) bool {
	if v.isNull(i) {
		return false
	}
	switch k.t.Kind {
	case schema.KindFloat:
		return math.IsNaN(v.Floats[i&v.mask()])
	case schema.KindList:
		start, end := v.span(i)
		for j := start; j < end; j++ {
			if (keyer{k.x, *k.t.Elem}).nan(v.Items.force(k.x), j) {
				return true
			}
		}
	case schema.KindObject:
		for f, field := range v.Fields {
			if (keyer{k.x, k.t.Fields[f].Type}).nan(field.force(k.x), i&v.mask()) {
				return true
			}
		}
	default:
	}
	return false
}

// describe writes a scalar for an error message.
func describe(v *Vec, i int) string {
	i &= v.mask()
	switch {
	case v.Ints != nil:
		return fmt.Sprint(v.Ints[i])
	case v.Texts != nil:
		return fmt.Sprintf("%.40q", v.Texts[i])
	}
	return "of that key"
}

// numbers gives equal rows equal numbers, from 0 in order of first appearance within each segment; segments are where
// lists end. It also returns the first row of each number. If the run fails meanwhile it is of no use.
type numbering struct {
	of    []int32
	first []int32
	ends  []int32 // of the numbers, by segment
}

func (x *run) number(t schema.Type, keys *Vec, ends []int32, skip func(i int) bool) numbering {
	out := numbering{of: make([]int32, keys.N), ends: make([]int32, len(ends))}
	k := x.keyer(t)
	simple := keys.Ints != nil && keys.Null == nil
	ints, texts := map[int64]int32{}, map[string]int32{}
	var buf []byte
	start := 0
	for s, end := range ends {
		clear(ints)
		clear(texts)
		for i := start; i < int(end); i++ {
			out.of[i] = -1
			if skip != nil && skip(i) {
				continue
			}
			next := int32(len(out.first))
			var n int32
			var seen bool
			if simple {
				key := keys.Ints[i&keys.mask()]
				if n, seen = ints[key]; !seen {
					ints[key] = next
				}
			} else {
				buf = k.appendKey(buf[:0], keys, i)
				if n, seen = texts[string(buf)]; !seen {
					if !x.hold(len(buf)) {
						return out
					}
					texts[string(buf)] = next
				}
				if !x.read(len(buf)) {
					return out
				}
			}
			if !seen {
				n = next
				out.first = append(out.first, int32(i))
			}
			out.of[i] = n
		}
		start = int(end)
		out.ends[s] = int32(len(out.first))
	}
	return out
}
