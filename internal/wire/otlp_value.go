package wire

import (
	"math"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads the values of attributes in protobuf. Lists and maps become JSON text, as package
// span has it.

var protoDecoders = sync.Pool{New: func() any { return new(protoDecoder) }}

// protoValues is the memory in which the JSON of one value is made.
type protoValues struct {
	json    []byte
	entries []keyValue // of the maps being read, the innermost last
	short   bool       // the JSON has grown beyond the limit: what follows is left out
}

// keyValue is where the parts of a KeyValue lie. A value that is absent is an empty region, which reads as
// an AnyValue without a value, and that is what it means.
type keyValue struct{ key, value protoRegion }

func (d *protoDecoder) keyValue(r protoRegion) (kv keyValue, err error) {
	kv, values, err := d.pair(r)
	if values > 1 && err == nil {
		kv.value, err = d.merge(r, 2, r.from)
	}
	return kv, err
}

// pair reads a message of a key and a value, whatever these are, and says how many values came, of which it has the last.
func (d *protoDecoder) pair(r protoRegion) (kv keyValue, values int, err error) {
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return kv, values, err
		}
		switch tag {
		case 1<<3 | bytesType:
			kv.key, err = d.region(next, r.to)
			i = kv.key.to
		case 2<<3 | bytesType:
			kv.value, err = d.region(next, r.to)
			values++
			i = kv.value.to
		default:
			i, err = d.skip(tag, i, next, r.to)
		}
		if err != nil {
			return kv, values, err
		}
	}
	return kv, values, nil
}

// anyParts is how many bytes of values in parts may be put together however short the body is.
const anyParts = 64 << 10

// merge joins the fields num of the message r, from byte from of it on. Protobuf demands that a message
// which comes more than once be read as if its parts stood one behind the other. They are put so behind
// the body; no sender does this, so it need only be right and bounded: parts within parts are put there once for each level.
func (d *protoDecoder) merge(r protoRegion, num uint64, from int) (protoRegion, error) {
	var joined []byte
	for i := from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return protoRegion{}, err
		}
		if tag != num<<3|bytesType {
			if i, err = d.skip(tag, i, next, r.to); err != nil {
				return protoRegion{}, err
			}
			continue
		}
		m, err := d.region(next, r.to)
		if err != nil {
			return protoRegion{}, err
		}
		joined = append(joined, d.buf[m.from:m.to]...)
		i = m.to
	}
	if d.spare -= len(joined); d.spare < 0 {
		return protoRegion{}, d.fail(r.from, "values that come in parts within values that come in parts")
	}
	t := d.b.PutBytes(joined)
	d.buf = d.b.Bytes(span.Text{Len: t.Off + t.Len})
	return protoRegion{int(t.Off), int(t.Off + t.Len)}, nil
}

// anyValue is where an AnyValue has its value: num is the field of the oneof, 0 if none is set; a number
// is in bits.
type anyValue struct {
	num  uint64
	bits uint64
	at   protoRegion
}

// oneof reads an AnyValue: the last field wins, but a list or map that comes twice in a row is one.
func (d *protoDecoder) oneof(r protoRegion) (v anyValue, err error) {
	first, parts := 0, 0
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return v, err
		}
		at, was := i, v.num
		switch tag {
		case 1<<3 | bytesType, 5<<3 | bytesType, 6<<3 | bytesType, 7<<3 | bytesType:
			v.num = tag >> 3
			v.at, err = d.region(next, r.to)
			i = v.at.to
		case 2<<3 | varintType, 3<<3 | varintType:
			v.num = tag >> 3
			v.bits, i, err = d.varint(next, r.to)
		case 4<<3 | fixed64Type:
			v.num = 4
			v.bits, i, err = d.fixed64(next, r.to)
		case 8<<3 | varintType: // string_value_strindex, which only profiles may use
			v.num = 0
			_, i, err = d.varint(next, r.to)
		default:
			if i, err = d.skip(tag, i, next, r.to); err != nil {
				return v, err
			}
			continue
		}
		if err != nil {
			return v, err
		}
		if v.num != was || v.num == 0 {
			first, parts = at, 0
		}
		parts++
	}
	if parts > 1 && (v.num == 5 || v.num == 6) {
		v.at, err = d.merge(r, v.num, first)
	}
	return v, err
}

// value reads the AnyValue of an attribute.
func (d *protoDecoder) value(r protoRegion) (span.ValueType, uint64, error) {
	v, err := d.oneof(r)
	if err != nil {
		return span.Null, 0, err
	}
	switch v.num {
	case 1:
		return span.String, span.TextNum(d.text(d.buf[v.at.from:v.at.to], v.at.from)), nil
	case 2:
		if v.bits != 0 {
			return span.Bool, 1, nil
		}
		return span.Bool, 0, nil
	case 3:
		return span.Int, v.bits, nil
	case 4:
		return span.Double, v.bits, nil
	case 5, 6:
		d.values.json, d.values.entries, d.values.short = d.values.json[:0], d.values.entries[:0], false
		if err := d.json(v, 1); err != nil {
			return span.Null, 0, err
		}
		if d.values.short {
			d.cut()
		}
		typ := span.List
		if v.num == 6 {
			typ = span.Map
		}
		return typ, span.TextNum(d.b.PutBytes(d.values.json)), nil
	case 7:
		n := v.at.to - v.at.from
		if n > d.lim.ValueBytes {
			n = d.lim.ValueBytes
			d.cut()
		}
		return span.Bytes, span.TextNum(span.Text{Off: uint32(v.at.from), Len: uint32(n)}), nil
	}
	return span.Null, 0, nil
}

// json appends a value to the JSON being made; depth counts the lists and maps that it is in, with itself.
func (d *protoDecoder) json(v anyValue, depth int) error {
	out := &d.values
	switch v.num {
	case 1:
		out.json = span.AppendJSONString(out.json, d.inner(d.buf[v.at.from:v.at.to], utf8.Valid))
	case 2:
		out.json = span.AppendJSON(out.json, span.BoolValue(v.bits != 0))
	case 3:
		out.json = span.AppendJSON(out.json, span.IntValue(int64(v.bits)))
	case 4:
		out.json = span.AppendJSON(out.json, span.DoubleValue(math.Float64frombits(v.bits)))
	case 5, 6:
		if depth > d.lim.Depth {
			out.short = true
			out.json = append(out.json, "null"...)
			return d.check(v.at)
		}
		if v.num == 5 {
			return d.list(v.at, depth)
		}
		return d.kvlist(v.at, depth)
	case 7:
		out.json = span.AppendJSON(out.json, span.TextValue(span.Bytes, d.inner(d.buf[v.at.from:v.at.to], anyBytes)))
	default:
		out.json = append(out.json, "null"...)
	}
	return nil
}

// inner is a text within a list or map, shortened to the limit, as a string that lives no longer than
// the call it is passed to.
func (d *protoDecoder) inner(p []byte, valid func([]byte) bool) string {
	if !valid(p) {
		d.rep.Replaced++
	}
	if len(p) > d.lim.ValueBytes {
		d.values.short = true
		p = p[:cutAt(p, d.lim.ValueBytes)]
	}
	return unsafe.String(unsafe.SliceData(p), len(p)) // neither kept nor written to while it is used
}

func anyBytes([]byte) bool { return true }

// overlong says that no element is to be added to the JSON being made.
func (d *protoDecoder) overlong() bool {
	if len(d.values.json) <= d.lim.ValueBytes {
		return false
	}
	d.values.short = true
	return true
}

func (d *protoDecoder) list(r protoRegion, depth int) error {
	out := &d.values
	out.json = append(out.json, '[')
	n := 0
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return err
		}
		if tag != 1<<3|bytesType {
			if i, err = d.skip(tag, i, next, r.to); err != nil {
				return err
			}
			continue
		}
		m, err := d.region(next, r.to)
		if err != nil {
			return err
		}
		i = m.to
		v, err := d.oneof(m)
		if err != nil {
			return err
		}
		if d.overlong() {
			continue
		}
		if n++; n > 1 {
			out.json = append(out.json, ',')
		}
		if err := d.json(v, depth+1); err != nil {
			return err
		}
	}
	out.json = append(out.json, ']')
	return nil
}

// kvlist writes a map. Its entries are gathered first, since the last of equal keys wins.
func (d *protoDecoder) kvlist(r protoRegion, depth int) error {
	out := &d.values
	base := len(out.entries)
	var index map[string]int // made for large maps only
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return err
		}
		if tag != 1<<3|bytesType {
			if i, err = d.skip(tag, i, next, r.to); err != nil {
				return err
			}
			continue
		}
		m, err := d.region(next, r.to)
		if err != nil {
			return err
		}
		i = m.to
		kv, err := d.keyValue(m)
		if err != nil {
			return err
		}
		key := d.buf[kv.key.from:kv.key.to]
		same := -1
		if entries := out.entries[base:]; len(entries) < manyKeys {
			for j, e := range entries {
				if string(d.buf[e.key.from:e.key.to]) == string(key) {
					same = j
				}
			}
		} else {
			if index == nil {
				index = map[string]int{}
				for j, e := range entries {
					index[string(d.buf[e.key.from:e.key.to])] = j
				}
			}
			if j, ok := index[string(key)]; ok {
				same = j
			}
		}
		n := len(out.entries) - base
		switch {
		case same >= 0:
			out.entries[base+same] = kv
			continue
		case n > d.lim.ValueBytes/4: // those before it take more than the limit
			out.short = true
			continue
		case index != nil:
			index[string(key)] = n
		}
		out.entries = append(out.entries, kv)
	}
	err := d.writeMap(base, depth)
	out.entries = out.entries[:base]
	return err
}

// writeMap writes the entries from base on, as [span.AppendJSONMap] would.
func (d *protoDecoder) writeMap(base, depth int) error {
	out := &d.values
	entries := len(out.entries) - base
	wrapped := false
	if entries == 1 {
		k := out.entries[base].key
		switch string(d.buf[k.from:k.to]) {
		case "bytesValue", "doubleValue", "kvlistValue": // see span.ValueType
			wrapped = true
		}
	}
	if wrapped {
		out.json = append(out.json, `{"kvlistValue":`...)
	}
	out.json = append(out.json, '{')
	for j := range entries {
		kv := out.entries[base+j]
		v, err := d.oneof(kv.value)
		if err != nil {
			return err
		}
		if d.overlong() {
			continue
		}
		if j > 0 {
			out.json = append(out.json, ',')
		}
		out.json = span.AppendJSONString(out.json, d.inner(d.buf[kv.key.from:kv.key.to], utf8.Valid))
		out.json = append(out.json, ':')
		if err := d.json(v, depth+1); err != nil {
			return err
		}
	}
	out.json = append(out.json, '}')
	if wrapped {
		out.json = append(out.json, '}')
	}
	return nil
}
