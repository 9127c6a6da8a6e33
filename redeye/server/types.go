package server

import (
	"fmt"
	"reflect"
	"time"

	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Null is a value that may be missing: the Go type of T?.
type Null[T any] struct {
	Value T
	Valid bool
}

// Some returns a value that is there.
func Some[T any](v T) Null[T] { return Null[T]{v, true} }

// codec is how values of a Go type become columns, and the other way round.
type codec[T any] struct {
	typ    schema.Type
	gather func(vals []T) *engine.Vec     // a column of the values; it may keep vals
	get    func(v *engine.Vec, row int) T // of an argument; nil if the type cannot be one
}

// codecs holds a *codec[T] for each type that is known.
type codecs map[reflect.Type]any

func codecOf[T any](known codecs) (*codec[T], error) {
	if c, ok := known[reflect.TypeFor[T]()].(*codec[T]); ok {
		return c, nil
	}
	return nil, fmt.Errorf("the type %s is none that programs know; register its entity first, or use one of those in the package's documentation", reflect.TypeFor[T]())
}

// add makes a type known, with the types that are made of it.
func add[T any](known codecs, c codec[T]) {
	known[reflect.TypeFor[T]()] = &c
	list := listOf(c)
	known[reflect.TypeFor[[]T]()] = &list
	lists := listOf(list)
	known[reflect.TypeFor[[][]T]()] = &lists
	null := nullOf(c)
	known[reflect.TypeFor[Null[T]]()] = &null
	nulls := listOf(null)
	known[reflect.TypeFor[[]Null[T]]()] = &nulls
	nullList := nullOf(list)
	known[reflect.TypeFor[Null[[]T]]()] = &nullList
	texts := mapOf[string](c, schema.KindString, func(keys []string) *engine.Vec { return &engine.Vec{N: len(keys), Texts: keys} })
	known[reflect.TypeFor[map[string]T]()] = &texts
	ints := mapOf[int64](c, schema.KindInt, func(keys []int64) *engine.Vec { return &engine.Vec{N: len(keys), Ints: keys} })
	known[reflect.TypeFor[map[int64]T]()] = &ints
}

func listOf[T any](c codec[T]) codec[[]T] {
	out := codec[[]T]{typ: schema.ListOf(c.typ)}
	out.gather = func(vals [][]T) *engine.Vec {
		v := &engine.Vec{N: len(vals), Ends: make([]int32, len(vals))}
		total := 0
		for i, list := range vals {
			total += len(list)
			v.Ends[i] = int32(total)
		}
		if len(vals) == 1 {
			v.Items = engine.Ready(c.gather(vals[0]))
			return v
		}
		items := make([]T, 0, total)
		for _, list := range vals {
			items = append(items, list...)
		}
		v.Items = engine.Ready(c.gather(items))
		return v
	}
	if c.get != nil {
		out.get = func(v *engine.Vec, row int) []T {
			items, start, end := v.List(row)
			list := make([]T, 0, end-start)
			for i := start; i < end; i++ {
				list = append(list, c.get(items, i))
			}
			return list
		}
	}
	return out
}

func nullOf[T any](c codec[T]) codec[Null[T]] {
	out := codec[Null[T]]{typ: c.typ.OrNull()}
	out.gather = func(vals []Null[T]) *engine.Vec {
		plain := make([]T, len(vals))
		null := make([]bool, len(vals))
		for i, val := range vals {
			plain[i], null[i] = val.Value, !val.Valid
		}
		v := *c.gather(plain)
		v.Null = null
		for i := range v.Errs {
			if null[i] { // what it would be is not asked
				v.Errs[i] = nil
			}
		}
		return &v
	}
	if c.get != nil {
		out.get = func(v *engine.Vec, row int) Null[T] {
			if v.Null != nil && v.Null[row] {
				return Null[T]{}
			}
			return Some(c.get(v, row))
		}
	}
	return out
}

func mapOf[K int64 | string, T any](c codec[T], key schema.Kind, keysOf func([]K) *engine.Vec) codec[map[K]T] {
	elem := c.typ
	out := codec[map[K]T]{typ: schema.Type{Kind: schema.KindMap, Key: key, Elem: &elem}}
	out.gather = func(vals []map[K]T) *engine.Vec {
		v := &engine.Vec{N: len(vals), Ends: make([]int32, len(vals))}
		var keys []K
		var items []T
		for i, m := range vals {
			for _, k := range sortedKeys(m) {
				keys, items = append(keys, k), append(items, m[k])
			}
			v.Ends[i] = int32(len(keys))
		}
		v.Keys, v.Items = engine.Ready(keysOf(keys)), engine.Ready(c.gather(items))
		return v
	}
	return out
}

// scalars are the types that are known from the start.
func scalars() codecs {
	known := codecs{}
	add(known, codec[bool]{
		schema.Of(schema.KindBool),
		func(vals []bool) *engine.Vec { return &engine.Vec{N: len(vals), Bools: vals} },
		func(v *engine.Vec, row int) bool { return v.Bools[row] },
	})
	addInt[int64](known, schema.KindInt, func(vals []int64) []int64 { return vals })
	addInt[int](known, schema.KindInt, converted[int])
	addInt[int32](known, schema.KindInt, converted[int32])
	addInt[time.Duration](known, schema.KindDuration, converted[time.Duration])
	add(known, codec[time.Time]{
		schema.Of(schema.KindTime),
		func(vals []time.Time) *engine.Vec {
			v := &engine.Vec{N: len(vals), Ints: make([]int64, len(vals))}
			for i, t := range vals {
				v.Ints[i] = nanos(t)
			}
			return v
		},
		func(v *engine.Vec, row int) time.Time { return time.Unix(0, v.Ints[row]).UTC() },
	})
	add(known, codec[float64]{
		schema.Of(schema.KindFloat),
		func(vals []float64) *engine.Vec { return &engine.Vec{N: len(vals), Floats: vals} },
		func(v *engine.Vec, row int) float64 { return v.Floats[row] },
	})
	add(known, codec[string]{
		schema.Of(schema.KindString),
		func(vals []string) *engine.Vec { return &engine.Vec{N: len(vals), Texts: vals} },
		func(v *engine.Vec, row int) string { return v.Texts[row] },
	})
	add(known, codec[[]byte]{
		schema.Of(schema.KindBytes),
		func(vals [][]byte) *engine.Vec {
			v := &engine.Vec{N: len(vals), Texts: make([]string, len(vals))}
			for i, b := range vals {
				v.Texts[i] = string(b)
			}
			return v
		},
		func(v *engine.Vec, row int) []byte { return []byte(v.Texts[row]) },
	})
	return known
}

func addInt[T ~int64 | ~int | ~int32](known codecs, kind schema.Kind, ints func([]T) []int64) {
	add(known, codec[T]{
		schema.Of(kind),
		func(vals []T) *engine.Vec { return &engine.Vec{N: len(vals), Ints: ints(vals)} },
		func(v *engine.Vec, row int) T { return T(v.Ints[row]) },
	})
}

func converted[T ~int64 | ~int | ~int32](vals []T) []int64 {
	out := make([]int64, len(vals))
	for i, v := range vals {
		out[i] = int64(v)
	}
	return out
}
