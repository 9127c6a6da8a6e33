// Package column holds values by column, the form in which parameters and answers travel: one array for all values of
// a field, instead of an object for each row.
//
// In protobuf a column is the message redeye.v1.Column; redeye.proto draws it. In JSON it is what people expect of the value.
package column

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Column is Len values of one type. A row that is null has a zero value in the arrays all the same, an empty list or, in each
// field of an object, a null or zero. References to entities do not travel: a column holds their keys, as ints or
// strings.
type Column struct {
	Type schema.Type
	Len  int
	Null []bool // of each row; nil if none is null

	// By Type.Kind, one of:
	Bools  []bool
	Ints   []int64 // int; time as Unix nanoseconds; duration in nanoseconds
	Floats []float64
	Texts  []string  // string, bytes; of an enum its values
	Ends   []int32   // list and map: row i has the Items from Ends[i-1] (or 0) to Ends[i]
	Keys   *Column   // of a map, beside Items
	Items  *Column   // of a list; of a map its values
	Fields []*Column // of an object, in the order of its type
}

// IsNull reports whether row i is null.
func (c *Column) IsNull(i int) bool { return c.Null != nil && c.Null[i] }

// Range returns where the items of row i of a list or map begin and end.
func (c *Column) Range(i int) (start, end int) {
	if i > 0 {
		start = int(c.Ends[i-1])
	}
	return start, int(c.Ends[i])
}

// Field returns the column of an object's field, or nil.
func (c *Column) Field(name string) *Column {
	if i := c.Type.Field(name); i >= 0 {
		return c.Fields[i]
	}
	return nil
}

// check reports whether the arrays agree with each other and with the type.
func (c *Column) check() error {
	bad := func(what string, n int) error {
		return fmt.Errorf("%s column of %d rows has %d %s", c.Type, c.Len, n, what)
	}
	if c.Null != nil && len(c.Null) != c.Len {
		return bad("nulls", len(c.Null))
	}
	if c.Null != nil && !c.Type.Null {
		for i, null := range c.Null {
			if null {
				return fmt.Errorf("row %d of a %s column is null", i, c.Type)
			}
		}
	}
	switch c.Type.Kind {
	case schema.KindBool:
		if len(c.Bools) != c.Len {
			return bad("bools", len(c.Bools))
		}
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		if len(c.Ints) != c.Len {
			return bad("ints", len(c.Ints))
		}
	case schema.KindFloat:
		if len(c.Floats) != c.Len {
			return bad("floats", len(c.Floats))
		}
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		if len(c.Texts) != c.Len {
			return bad("texts", len(c.Texts))
		}
	case schema.KindList, schema.KindMap:
		if len(c.Ends) != c.Len || c.Items == nil {
			return bad("lengths", len(c.Ends))
		}
		total := 0
		if c.Len > 0 {
			total = int(c.Ends[c.Len-1])
		}
		if c.Items.Len != total {
			return fmt.Errorf("%s column has %d items where its lengths add up to %d", c.Type, c.Items.Len, total)
		}
		if c.Type.Kind == schema.KindMap && (c.Keys == nil || c.Keys.Len != total) {
			return fmt.Errorf("%s column has not as many keys as values", c.Type)
		}
	case schema.KindObject:
		if len(c.Fields) != len(c.Type.Fields) {
			return bad("fields", len(c.Fields))
		}
		for _, f := range c.Fields {
			if f.Len != c.Len {
				return bad("rows in a field", f.Len)
			}
		}
	case schema.KindUnknown, schema.KindEntity:
		return fmt.Errorf("a column cannot be of the type %s", c.Type)
	}
	return nil
}

// checkEnums reports whether all enums hold values of theirs, in rows that are not null themselves or by what they are in; null says which
// those are.
func (c *Column) checkEnums(null []bool) error {
	isNull := func(i int) bool { return c.IsNull(i) || null != nil && null[i] }
	switch c.Type.Kind {
	case schema.KindEnum:
		values := make(map[string]bool, len(c.Type.Values))
		for _, v := range c.Type.Values {
			values[v] = true
		}
		for i, text := range c.Texts {
			if !values[text] && !isNull(i) {
				return errors.New(c.Type.NoValue(text))
			}
		}
	case schema.KindList, schema.KindMap:
		return c.Items.checkEnums(nil)
	case schema.KindObject:
		if c.Null != nil && null != nil {
			null = slices.Clone(null)
			for i := range null {
				null[i] = null[i] || c.Null[i]
			}
		} else if null == nil {
			null = c.Null
		}
		for _, f := range c.Fields {
			if err := f.checkEnums(null); err != nil {
				return err
			}
		}
	default:
	}
	return nil
}
