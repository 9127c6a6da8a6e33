package redeye

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// A store puts n values of a column, from row from on, at dst, dst+stride, dst+2·stride, … What is at dst is of the Go type that the
// store was made for, and is zero. So an answer is decoded as it came, field by field, each a loop without a decision in it, and reflection
// is only for what there is one of.
type store func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error

func at(dst unsafe.Pointer, i int, stride uintptr) unsafe.Pointer {
	return unsafe.Add(dst, uintptr(i)*stride)
}

// stores are what planned; a type is planned once.
var stores struct {
	sync.RWMutex
	m map[storeKey]store
}

type storeKey struct {
	goType  reflect.Type
	typ     string
	partial bool
}

const maxStores = 10_000 // types come from servers, so there may be any number of them

// decode puts the one row of a column into v, which points to a Go value that is zero.
func decode(c *column.Column, typ []byte, v any, partial bool) error {
	if out, ok := v.(**column.Column); ok {
		*out = c
		return nil
	}
	ptr := reflect.ValueOf(v)
	goType := ptr.Type().Elem()
	stores.RLock()
	f := stores.m[storeKey{goType, string(typ), partial}]
	stores.RUnlock()
	if f == nil {
		p := planner{partial: partial}
		var err error
		if f, err = p.plan(goType, c.Type); err != nil {
			return err
		}
		stores.Lock()
		if stores.m == nil || len(stores.m) >= maxStores {
			stores.m = map[storeKey]store{}
		}
		stores.m[storeKey{goType, string(typ), partial}] = f
		stores.Unlock()
	}
	return f(c, 0, 1, ptr.UnsafePointer(), goType.Size())
}

type planner struct{ partial bool }

// plan makes the store of values of type t into the Go type.
func (p planner) plan(goType reflect.Type, t schema.Type) (store, error) {
	if goType.Kind() == reflect.Pointer {
		return p.pointers(goType.Elem(), t)
	}
	if t.Null && !p.partial {
		return nil, fmt.Errorf("it is %s, which may be null, and a %s cannot be; make it a *%s, or write .or_else(…)", t.Short(), goType, goType)
	}
	bad := fmt.Errorf("it is %s, which does not fit into a %s", t.NotNull().Short(), goType)
	switch t.Kind {
	case schema.KindTime:
		if goType != timeType {
			return nil, bad
		}
		return storeTimes, nil
	case schema.KindDuration:
		if goType != durationType {
			return nil, bad
		}
		return storeInt64s, nil
	case schema.KindList:
		if goType.Kind() != reflect.Slice {
			return nil, bad
		}
		return p.lists(goType, *t.Elem)
	case schema.KindMap:
		if goType.Kind() != reflect.Map {
			return nil, bad
		}
		return p.maps(goType, t)
	case schema.KindObject:
		if goType.Kind() != reflect.Struct || goType == timeType {
			return nil, bad
		}
		return p.structs(goType, t)
	case schema.KindBool, schema.KindInt, schema.KindFloat, schema.KindString, schema.KindBytes:
		if scalarKind(goType) != t.Kind || goType == durationType {
			return nil, bad
		}
		return scalars(goType, t.Kind), nil
	case schema.KindEnum:
		if goType.Kind() != reflect.String {
			return nil, bad
		}
		return scalars(goType, schema.KindString), nil
	case schema.KindUnknown, schema.KindEntity:
	}
	return nil, bad
}

// scalars returns the store of a scalar whose kind fits.
func scalars(goType reflect.Type, kind schema.Kind) store {
	switch {
	case kind == schema.KindBool:
		return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
			for i, v := range c.Bools[from : from+n] {
				*(*bool)(at(dst, i, stride)) = v
			}
			return nil
		}
	case kind == schema.KindInt && (goType.Kind() == reflect.Int64 || goType.Kind() == reflect.Int && goType.Size() == 8):
		return storeInt64s
	case kind == schema.KindInt:
		return storeInts(goType)
	case kind == schema.KindFloat && goType.Kind() == reflect.Float64:
		return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
			for i, v := range c.Floats[from : from+n] {
				*(*float64)(at(dst, i, stride)) = v
			}
			return nil
		}
	case kind == schema.KindFloat:
		return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
			for i, v := range c.Floats[from : from+n] {
				*(*float32)(at(dst, i, stride)) = float32(v)
			}
			return nil
		}
	case kind == schema.KindString:
		return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
			for i, v := range c.Texts[from : from+n] {
				*(*string)(at(dst, i, stride)) = v
			}
			return nil
		}
	}
	return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		for i, v := range c.Texts[from : from+n] {
			if !c.IsNull(from + i) {
				*(*[]byte)(at(dst, i, stride)) = []byte(v)
			}
		}
		return nil
	}
}

func storeInt64s(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	for i, v := range c.Ints[from : from+n] {
		*(*int64)(at(dst, i, stride)) = v
	}
	return nil
}

// storeInts is for the smaller types, which an int may be too large for.
func storeInts(goType reflect.Type) store {
	return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		for i, v := range c.Ints[from : from+n] {
			out := reflect.NewAt(goType, at(dst, i, stride)).Elem()
			if out.CanUint() {
				if v < 0 || out.OverflowUint(uint64(v)) {
					return fmt.Errorf("%d does not fit into a %s", v, goType)
				}
				out.SetUint(uint64(v))
				continue
			}
			if out.OverflowInt(v) {
				return fmt.Errorf("%d does not fit into a %s", v, goType)
			}
			out.SetInt(v)
		}
		return nil
	}
}

func storeTimes(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	for i, v := range c.Ints[from : from+n] {
		if !c.IsNull(from + i) {
			*(*time.Time)(at(dst, i, stride)) = time.Unix(0, v).UTC()
		}
	}
	return nil
}

// pointers stores what may be null. The values that are pointed to are one allocation.
func (p planner) pointers(elem reflect.Type, t schema.Type) (store, error) {
	inner, err := p.plan(elem, t.NotNull())
	if err != nil {
		return nil, err
	}
	slice, size := reflect.SliceOf(elem), elem.Size()
	return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		values := reflect.MakeSlice(slice, n, n).UnsafePointer()
		if err := inner(c, from, n, values, size); err != nil {
			return err
		}
		for i := range n {
			if !c.IsNull(from + i) {
				*(*unsafe.Pointer)(at(dst, i, stride)) = at(values, i, size)
			}
		}
		return nil
	}, nil
}

// sliceHeader is what a slice is in memory (as the deprecated reflect.SliceHeader, but with a pointer that the garbage collector knows).
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// lists stores lists. The elements of all of them are one allocation, and a list is a part of it that cannot grow into the next.
func (p planner) lists(goType reflect.Type, elem schema.Type) (store, error) {
	inner, err := p.plan(goType.Elem(), elem)
	if err != nil {
		return nil, inside("its elements", err)
	}
	size := goType.Elem().Size()
	return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		if n == 0 {
			return nil
		}
		start, _ := c.Range(from)
		_, end := c.Range(from + n - 1)
		items := reflect.MakeSlice(goType, end-start, end-start).UnsafePointer()
		if err := inner(c.Items, start, end-start, items, size); err != nil {
			return err
		}
		for i := range n {
			if c.IsNull(from + i) {
				continue
			}
			first, last := c.Range(from + i)
			header := sliceHeader{items, last - first, last - first}
			if last > first { // a pointer past the end would keep something else alive
				header.data = at(items, first-start, size)
			}
			*(*sliceHeader)(at(dst, i, stride)) = header
		}
		return nil
	}, nil
}

func (p planner) maps(goType reflect.Type, t schema.Type) (store, error) {
	key, err := p.plan(goType.Key(), schema.Of(t.Key))
	if err != nil {
		return nil, inside("its keys", err)
	}
	elem, err := p.plan(goType.Elem(), *t.Elem)
	if err != nil {
		return nil, inside("its values", err)
	}
	keySlice, elemSlice := reflect.SliceOf(goType.Key()), reflect.SliceOf(goType.Elem())
	return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		for i := range n {
			if c.IsNull(from + i) {
				continue
			}
			start, end := c.Range(from + i)
			size := end - start
			keys, values := reflect.MakeSlice(keySlice, size, size), reflect.MakeSlice(elemSlice, size, size)
			if err := key(c.Keys, start, size, keys.UnsafePointer(), goType.Key().Size()); err != nil {
				return err
			}
			if err := elem(c.Items, start, size, values.UnsafePointer(), goType.Elem().Size()); err != nil {
				return err
			}
			m := reflect.MakeMapWithSize(goType, size)
			for j := range size {
				m.SetMapIndex(keys.Index(j), values.Index(j))
			}
			reflect.NewAt(goType, at(dst, i, stride)).Elem().Set(m)
		}
		return nil
	}, nil
}

// structs stores objects. Each of their fields must have one of the struct; the struct may have more.
func (p planner) structs(goType reflect.Type, t schema.Type) (store, error) {
	fields := make([]store, len(t.Fields))
	offsets := make([]uintptr, len(t.Fields))
	for i, f := range t.Fields {
		sf, err := fieldOf(goType, f.Name)
		if err == nil {
			fields[i], err = p.plan(sf.Type, f.Type)
			offsets[i] = sf.Offset
		}
		if err != nil {
			return nil, inside("."+f.Name, err)
		}
	}
	return func(c *column.Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		for i, f := range fields {
			if err := f(c.Fields[i], from, n, unsafe.Add(dst, offsets[i]), stride); err != nil {
				return inside("."+t.Fields[i].Name, err)
			}
		}
		return nil
	}, nil
}

// fieldOf finds the field of a struct that is named so in programs, or named so but for capitals and underscores.
func fieldOf(t reflect.Type, name string) (reflect.StructField, error) {
	var near []reflect.StructField
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		if fieldName(f) == name {
			return f, nil
		}
		if f.Tag.Get("redeye") == "" && strings.EqualFold(f.Name, strings.ReplaceAll(name, "_", "")) {
			near = append(near, f)
		}
	}
	switch len(near) {
	case 0:
		return reflect.StructField{}, fmt.Errorf("%s has no field for it; add %s, or one with the tag `redeye:%q`", t, goName(name), name)
	case 1:
		return near[0], nil
	}
	return reflect.StructField{}, fmt.Errorf("%s has two fields for it, %s and %s; tag one with `redeye:%q`", t, near[0].Name, near[1].Name, name)
}

// goName writes poster_url as PosterUrl.
func goName(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// placeError says where in an answer something does not fit.
type placeError struct {
	place string
	err   error
}

func (e *placeError) Error() string { return e.place + ": " + e.err.Error() }
func (e *placeError) Unwrap() error { return e.err }

func inside(place string, err error) error {
	if inner, ok := errors.AsType[*placeError](err); ok {
		if strings.HasPrefix(place, ".") && strings.HasPrefix(inner.place, ".") {
			return &placeError{place + inner.place, inner.err}
		}
		return &placeError{inner.place + " of " + place, inner.err}
	}
	return &placeError{place, err}
}

// maxCells bounds the values of an answer by its bytes: each is a bit or more, but for nulls of nothing.
func maxCells(bytes int) int { return int(min(int64(bytes)*8+1024, math.MaxInt32)) }
