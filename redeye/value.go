package redeye

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// How Go's types and Redeye's stand for each other, in parameters and in answers:
//
//	bool; int, int8 … uint64; float32, float64; string; []byte     bool, int, float, string, bytes
//	time.Time, time.Duration                                       time, duration
//	a string, of whatever name                                     an enum
//	[]T, map[string]T, map[int64]T                                 list<T>, map<string, T>, map<int, T>
//	a struct                                                       an object; see fieldName
//	*T                                                             T?

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
)

// typeOf returns the type that values of a Go type have as parameters.
func typeOf(t reflect.Type) (schema.Type, error) {
	switch t {
	case timeType:
		return schema.Of(schema.KindTime), nil
	case durationType:
		return schema.Of(schema.KindDuration), nil
	}
	if kind := scalarKind(t); kind != schema.KindUnknown {
		return schema.Of(kind), nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		elem, err := typeOf(t.Elem())
		if elem.Null {
			return schema.Type{}, fmt.Errorf("%s is a pointer to what may be null already", t)
		}
		return elem.OrNull(), err
	case reflect.Slice:
		elem, err := typeOf(t.Elem())
		return schema.ListOf(elem), err
	case reflect.Map:
		key := scalarKind(t.Key())
		if key != schema.KindString && key != schema.KindInt {
			return schema.Type{}, fmt.Errorf("a map's key is a string or an int, not a %s", t.Key())
		}
		elem, err := typeOf(t.Elem())
		return schema.Type{Kind: schema.KindMap, Key: key, Elem: &elem}, err
	case reflect.Struct:
		out := schema.Type{Kind: schema.KindObject}
		for f := range t.Fields() {
			if !f.IsExported() {
				continue
			}
			typ, err := typeOf(f.Type)
			if err != nil {
				return schema.Type{}, fmt.Errorf("%s.%s: %w", t, f.Name, err)
			}
			out.Fields = append(out.Fields, schema.Field{Name: fieldName(f), Type: typ})
		}
		return out, nil
	default:
		return schema.Type{}, fmt.Errorf("a %s has no counterpart in a program", t)
	}
}

// scalarKind returns what a Go type without parts stands for, KindUnknown if it does for nothing.
func scalarKind(t reflect.Type) schema.Kind {
	switch t.Kind() {
	case reflect.Bool:
		return schema.KindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema.KindInt
	case reflect.Float32, reflect.Float64:
		return schema.KindFloat
	case reflect.String:
		return schema.KindString
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return schema.KindBytes
		}
	default:
	}
	return schema.KindUnknown
}

// fieldName is the name of a struct's field in programs: its tag `redeye:"name"`, or its Go name in lower_case (PosterURL is poster_url).
func fieldName(f reflect.StructField) string {
	if tag := f.Tag.Get("redeye"); tag != "" {
		return tag
	}
	var b strings.Builder
	name := f.Name
	upper := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		if upper(i) && i > 0 && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
			b.WriteByte('_')
		}
		b.WriteByte(name[i])
	}
	return strings.ToLower(b.String())
}

// columnOf makes the column of one row that a parameter travels as.
func columnOf(v any) (*column.Column, error) {
	switch v := v.(type) { // the usual ones, without reflection
	case int64:
		return &column.Column{Type: schema.Of(schema.KindInt), Len: 1, Ints: []int64{v}}, nil
	case int:
		return &column.Column{Type: schema.Of(schema.KindInt), Len: 1, Ints: []int64{int64(v)}}, nil
	case string:
		return &column.Column{Type: schema.Of(schema.KindString), Len: 1, Texts: []string{v}}, nil
	case []int64:
		items := &column.Column{Type: schema.Of(schema.KindInt), Len: len(v), Ints: v}
		return &column.Column{Type: schema.ListOf(items.Type), Len: 1, Ends: []int32{int32(len(v))}, Items: items}, nil
	case []string:
		items := &column.Column{Type: schema.Of(schema.KindString), Len: len(v), Texts: v}
		return &column.Column{Type: schema.ListOf(items.Type), Len: 1, Ends: []int32{int32(len(v))}, Items: items}, nil
	case *column.Column: // of one row, already in the form that travels
		return v, nil
	case nil:
		return nil, fmt.Errorf("nil has no type; give a nil pointer of one")
	}
	rv := reflect.ValueOf(v)
	t, err := typeOf(rv.Type())
	if err != nil {
		return nil, err
	}
	c := column.New(t)
	return c, appendValue(c, rv)
}

// appendValue appends a Go value as a row.
func appendValue(c *column.Column, v reflect.Value) error {
	if c.Type.Null {
		if v.IsNil() {
			if c.Null == nil {
				c.Null = make([]bool, c.Len)
			}
			c.AppendZero()
			c.Null[c.Len-1] = true
			return nil
		}
		v = v.Elem()
	}
	switch c.Type.Kind {
	case schema.KindBool:
		c.Bools = append(c.Bools, v.Bool())
	case schema.KindInt, schema.KindDuration:
		if v.CanUint() {
			if v.Uint() > 1<<63-1 {
				return fmt.Errorf("%d is too large for an int", v.Uint())
			}
			c.Ints = append(c.Ints, int64(v.Uint()))
		} else {
			c.Ints = append(c.Ints, v.Int())
		}
	case schema.KindTime:
		t, _ := reflect.TypeAssert[time.Time](v)
		if y := t.Year(); y < 1678 || y > 2261 {
			return fmt.Errorf("the time %s is not between 1678 and 2261", t)
		}
		c.Ints = append(c.Ints, t.UnixNano())
	case schema.KindFloat:
		c.Floats = append(c.Floats, v.Float())
	case schema.KindString:
		c.Texts = append(c.Texts, v.String())
	case schema.KindBytes:
		c.Texts = append(c.Texts, string(v.Bytes()))
	case schema.KindList:
		for i := range v.Len() {
			if err := appendValue(c.Items, v.Index(i)); err != nil {
				return err
			}
		}
		c.Ends = append(c.Ends, int32(c.Items.Len))
	case schema.KindMap:
		keys := v.MapKeys()
		slices.SortFunc(keys, compareKeys) // so that equal maps are equal bytes
		for _, k := range keys {
			if err := appendValue(c.Keys, k); err != nil {
				return err
			}
			if err := appendValue(c.Items, v.MapIndex(k)); err != nil {
				return err
			}
		}
		c.Ends = append(c.Ends, int32(c.Items.Len))
	case schema.KindObject:
		i := 0
		for f, field := range v.Fields() {
			if !f.IsExported() {
				continue
			}
			if err := appendValue(c.Fields[i], field); err != nil {
				return err
			}
			i++
		}
	case schema.KindUnknown, schema.KindEntity, schema.KindEnum: // a Go type says nothing of values; its strings are read as such by the server
		return fmt.Errorf("a value cannot be of the type %s", c.Type)
	}
	if c.Null != nil {
		c.Null = append(c.Null, false)
	}
	c.Len++
	return nil
}

func compareKeys(a, b reflect.Value) int {
	switch {
	case a.Kind() == reflect.String:
		return strings.Compare(a.String(), b.String())
	case a.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	}
	return cmp.Compare(a.Int(), b.Int())
}

// Args are the values of a text's parameters, by their names.
type Args map[string]any

func (a Args) bindings() []binding {
	out := make([]binding, 0, len(a))
	for _, name := range slices.Sorted(maps.Keys(a)) {
		out = append(out, binding{name, a[name]})
	}
	return out
}

// binding is the value of a parameter.
type binding struct {
	name  string
	value any
}
