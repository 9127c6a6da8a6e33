package column

import "github.com/fuwu-project/fuwu/redeye/schema"

// Slice returns the rows from start to end, which is not among them. The arrays are those of c.
func (c *Column) Slice(start, end int) *Column {
	out := &Column{Type: c.Type, Len: end - start}
	if c.Null != nil {
		out.Null = c.Null[start:end]
	}
	switch c.Type.Kind {
	case schema.KindBool:
		out.Bools = c.Bools[start:end]
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		out.Ints = c.Ints[start:end]
	case schema.KindFloat:
		out.Floats = c.Floats[start:end]
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		out.Texts = c.Texts[start:end]
	case schema.KindList, schema.KindMap:
		first, last := int32(0), int32(0)
		if start > 0 {
			first = c.Ends[start-1]
		}
		if last = first; end > start {
			last = c.Ends[end-1]
		}
		out.Ends = make([]int32, end-start)
		for i, e := range c.Ends[start:end] {
			out.Ends[i] = e - first
		}
		out.Items = c.Items.Slice(int(first), int(last))
		if c.Keys != nil {
			out.Keys = c.Keys.Slice(int(first), int(last))
		}
	case schema.KindObject:
		for _, f := range c.Fields {
			out.Fields = append(out.Fields, f.Slice(start, end))
		}
	case schema.KindUnknown, schema.KindEntity:
	}
	return out
}

// Bytes is about how many bytes the column takes as protobuf, without being written.
func (c *Column) Bytes() int64 {
	n := int64(len(c.Null)/8 + len(c.Bools)/8 + 5*len(c.Ints) + 8*len(c.Floats) + 2*len(c.Ends) + 16)
	for _, s := range c.Texts {
		n += int64(len(s)) + 1
	}
	if c.Keys != nil {
		n += c.Keys.Bytes()
	}
	if c.Items != nil {
		n += c.Items.Bytes()
	}
	for _, f := range c.Fields {
		n += f.Bytes()
	}
	return n
}
