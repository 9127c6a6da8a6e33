package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Fields of the message redeye.v1.Column.
const (
	fieldRows    = 1
	fieldNulls   = 2
	fieldBools   = 3
	fieldInts    = 4
	fieldFloats  = 5
	fieldLengths = 6
	fieldText    = 7
	fieldKeys    = 8
	fieldItems   = 9
	fieldFields  = 10
)

// AppendProto appends the fields of the message redeye.v1.Column. The column's arrays must agree, as those of a column that was read do.
func AppendProto(b []byte, c *Column) []byte {
	b = pb.AppendUint(b, fieldRows, uint64(c.Len))
	if c.anyNull() {
		b = appendBits(b, fieldNulls, c.Null)
	}
	switch c.Type.Kind {
	case schema.KindBool:
		b = appendBits(b, fieldBools, c.Bools)
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		b = pb.AppendInts(b, fieldInts, c.Ints)
	case schema.KindFloat:
		b = pb.AppendDoubles(b, fieldFloats, c.Floats)
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		b = appendTexts(b, c.Texts)
	case schema.KindMap:
		b = pb.AppendMessage(b, fieldKeys, func(b []byte) []byte { return AppendProto(b, c.Keys) })
		fallthrough
	case schema.KindList:
		b = appendLengths(b, c.Ends)
		b = pb.AppendMessage(b, fieldItems, func(b []byte) []byte { return AppendProto(b, c.Items) })
	case schema.KindObject:
		for _, f := range c.Fields {
			b = pb.AppendMessage(b, fieldFields, func(b []byte) []byte { return AppendProto(b, f) })
		}
	case schema.KindUnknown, schema.KindEntity:
	}
	return b
}

func (c *Column) anyNull() bool {
	for _, null := range c.Null {
		if null {
			return true
		}
	}
	return false
}

func appendBits(b []byte, field int, bits []bool) []byte {
	if len(bits) == 0 {
		return b
	}
	b = pb.AppendHeader(b, field, (len(bits)+7)/8)
	var octet byte
	for i, bit := range bits {
		if bit {
			octet |= 1 << (i & 7)
		}
		if i&7 == 7 || i == len(bits)-1 {
			b = append(b, octet)
			octet = 0
		}
	}
	return b
}

func appendTexts(b []byte, texts []string) []byte {
	if len(texts) == 0 {
		return b
	}
	total := 0
	b = pb.AppendMessage(b, fieldLengths, func(b []byte) []byte {
		for _, s := range texts {
			b = binary.AppendUvarint(b, uint64(len(s)))
			total += len(s)
		}
		return b
	})
	b = pb.AppendHeader(b, fieldText, total)
	for _, s := range texts {
		b = append(b, s...)
	}
	return b
}

func appendLengths(b []byte, ends []int32) []byte {
	if len(ends) == 0 {
		return b
	}
	return pb.AppendMessage(b, fieldLengths, func(b []byte) []byte {
		start := int32(0)
		for _, end := range ends {
			b = binary.AppendUvarint(b, uint64(end-start))
			start = end
		}
		return b
	})
}

// LimitError says that a column holds more cells than were allowed: values of scalars, and rows of lists, maps and objects.
type LimitError struct{ Cells int }

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than the %d values that are allowed", e.Cells)
}

// ReadProto reads a column of type t, of at most so many cells. Memory is charged to the limit before it is taken.
func ReadProto(b []byte, t schema.Type, cells int) (*Column, error) {
	r := reader{cells: cells, limit: cells}
	c, err := r.column(b, t)
	if err == nil {
		err = c.checkEnums(nil)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

type reader struct{ cells, limit int }

func (r *reader) column(b []byte, t schema.Type) (*Column, error) {
	c := &Column{Type: t}
	var nulls, bools, text, items, keys []byte
	var lengths []int64
	hasItems, hasKeys := false, false
	var fields [][]byte
	m := pb.NewReader(b)
	fail := func(err error) {
		if err != nil {
			m.Fail(err.Error())
		}
	}
	for m.Next() {
		var err error
		switch m.Field {
		case fieldRows:
			if rows := m.Uint(); rows > uint64(r.cells) {
				return nil, &LimitError{r.limit}
			} else {
				c.Len = int(rows)
			}
		case fieldNulls:
			nulls = m.Bytes()
		case fieldBools:
			bools = m.Bytes()
		case fieldInts:
			c.Ints, err = pb.Ints(m.Bytes(), r.cells)
		case fieldFloats:
			c.Floats, err = pb.Doubles(m.Bytes(), r.cells)
		case fieldLengths:
			lengths, err = pb.Uints(m.Bytes(), r.cells)
		case fieldText:
			text = m.Bytes()
		case fieldKeys:
			keys, hasKeys = m.Bytes(), true
		case fieldItems:
			items, hasItems = m.Bytes(), true
		case fieldFields:
			if len(fields) >= len(t.Fields) {
				return nil, fmt.Errorf("%s column has more fields than its type", t)
			}
			fields = append(fields, m.Bytes())
		default:
			m.Skip()
		}
		fail(err)
	}
	if m.Err() != nil {
		return nil, fmt.Errorf("column of %s: %w", t, m.Err())
	}
	if r.cells -= c.Len; r.cells < 0 {
		return nil, &LimitError{r.limit}
	}
	var err error
	if nulls != nil {
		if c.Null, err = readBits(nulls, c.Len); err != nil {
			return nil, err
		}
	}
	switch t.Kind {
	case schema.KindBool:
		c.Bools, err = readBits(bools, c.Len)
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		c.Texts, err = readTexts(text, lengths, t.Kind != schema.KindBytes)
	case schema.KindList, schema.KindMap:
		if c.Ends, err = ends(lengths, r.cells); err != nil {
			return nil, err
		}
		if !hasItems && len(c.Ends) > 0 || hasKeys && t.Kind == schema.KindList {
			return nil, fmt.Errorf("column of %s: its items are missing", t)
		}
		if c.Items, err = r.column(items, *t.Elem); err == nil && t.Kind == schema.KindMap {
			c.Keys, err = r.column(keys, schema.Of(t.Key))
		}
	case schema.KindObject:
		for i, f := range fields {
			var field *Column
			if field, err = r.column(f, t.Fields[i].Type); err != nil {
				break
			}
			c.Fields = append(c.Fields, field)
		}
	case schema.KindInt, schema.KindFloat, schema.KindTime, schema.KindDuration, schema.KindUnknown, schema.KindEntity:
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func readBits(b []byte, n int) ([]bool, error) {
	if len(b) != (n+7)/8 {
		return nil, fmt.Errorf("%d bytes of bits for %d rows", len(b), n)
	}
	bits := make([]bool, n)
	for i := range bits {
		bits[i] = b[i>>3]>>(i&7)&1 == 1
	}
	return bits, nil
}

// readTexts cuts one string, so that a column of texts is two allocations. Texts are UTF-8 if all of them together are, and none is cut within a
// character: that is one pass over the bytes, which is quick, instead of one call for each text.
func readTexts(b []byte, lengths []int64, wantUTF8 bool) ([]string, error) {
	all := string(b)
	whole := !wantUTF8 || utf8.ValidString(all)
	texts := make([]string, len(lengths))
	for i, n := range lengths {
		if n < 0 || n > int64(len(all)) {
			return nil, errors.New("a text is longer than what is left")
		}
		texts[i], all = all[:n], all[n:]
		if !whole && !utf8.ValidString(texts[i]) || wantUTF8 && all != "" && !utf8.RuneStart(all[0]) {
			return nil, fmt.Errorf("the string of row %d is not UTF-8", i)
		}
	}
	if all != "" {
		return nil, errors.New("text is left over")
	}
	return texts, nil
}

func ends(lengths []int64, cells int) ([]int32, error) {
	out := make([]int32, len(lengths))
	total := int64(0)
	for i, n := range lengths {
		if n < 0 || n > int64(cells) || total+n > int64(cells) {
			return nil, &LimitError{cells}
		}
		total += n
		out[i] = int32(total)
	}
	return out, nil
}
