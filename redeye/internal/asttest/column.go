package asttest

import (
	"math"
	"strconv"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Type makes a type of a value that travels.
func Type(pick func(n int) int) schema.Type { return makeType(pick, 0) }

func makeType(pick func(n int) int, depth int) (t schema.Type) {
	n := 11
	if depth > 2 {
		n = 8
	}
	switch k := pick(n); {
	case k < 7:
		t = schema.Of(schema.KindBool + schema.Kind(k))
	case k == 7:
		t = enums[pick(len(enums))]
	case k == 8:
		t = schema.ListOf(makeType(pick, depth+1))
	case k == 9:
		elem := makeType(pick, depth+1)
		t = schema.Type{Kind: schema.KindMap, Key: []schema.Kind{schema.KindString, schema.KindInt}[pick(2)], Elem: &elem}
	default:
		t.Kind = schema.KindObject
		for i := range pick(4) {
			t.Fields = append(t.Fields, schema.Field{Name: "f" + strconv.Itoa(i), Type: makeType(pick, depth+1)})
		}
	}
	t.Null = pick(3) == 2
	return t
}

var enums = []schema.Type{
	{Kind: schema.KindEnum, Name: "Genre", Values: []string{"drama", "comedy", "science fiction"}},
	{Kind: schema.KindEnum, Name: "Mark", Values: []string{`"`, `\`, "None", "18+", "电影", "a, b>"}},
	{Kind: schema.KindEnum, Name: "One", Values: []string{"one"}},
}

// Column makes a column of so many rows.
func Column(pick func(n int) int, t schema.Type, rows int) *column.Column {
	c := &column.Column{Type: t, Len: rows}
	if t.Null {
		c.Null = make([]bool, rows)
		for i := range c.Null {
			c.Null[i] = pick(3) == 2
		}
	}
	each := func(f func()) {
		for range rows {
			f()
		}
	}
	switch t.Kind {
	case schema.KindBool:
		each(func() { c.Bools = append(c.Bools, pick(2) == 1) })
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		ints := []int64{0, 1, -1, 1 << 40, math.MaxInt64, math.MinInt64, 300}
		if t.Kind == schema.KindTime {
			ints = ints[:4]
		}
		each(func() { c.Ints = append(c.Ints, ints[pick(len(ints))]) })
	case schema.KindFloat:
		each(func() {
			c.Floats = append(c.Floats, []float64{0, -2.5, 1e300, math.Inf(1), math.Inf(-1), 5e-324, math.NaN()}[pick(7)])
		})
	case schema.KindString:
		each(func() { c.Texts = append(c.Texts, messages[pick(len(messages))]) })
	case schema.KindEnum:
		each(func() { c.Texts = append(c.Texts, t.Values[pick(len(t.Values))]) })
	case schema.KindBytes:
		each(func() { c.Texts = append(c.Texts, []string{"", "\xff\x00", "abc"}[pick(3)]) })
	case schema.KindList, schema.KindMap:
		total := 0
		each(func() {
			n := pick(4)
			if c.IsNull(len(c.Ends)) {
				n = 0
			}
			total += n
			c.Ends = append(c.Ends, int32(total))
		})
		c.Items = Column(pick, *t.Elem, total)
		if t.Kind == schema.KindMap {
			c.Keys = &column.Column{Type: schema.Of(t.Key), Len: total}
			for i := range total { // distinct within a row
				if t.Key == schema.KindInt {
					c.Keys.Ints = append(c.Keys.Ints, int64(i)-2)
				} else {
					c.Keys.Texts = append(c.Keys.Texts, "k"+strconv.Itoa(i))
				}
			}
		}
	case schema.KindObject:
		for _, f := range t.Fields {
			c.Fields = append(c.Fields, Column(pick, f.Type, rows))
		}
	case schema.KindUnknown, schema.KindEntity:
	}
	return c
}
