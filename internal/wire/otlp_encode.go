package wire

import (
	"encoding/binary"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Encode writes the batch as an ExportTraceServiceRequest in protobuf, its spans grouped by resource and
// scope and otherwise in order. Decode and Replay read the same spans back. It does not touch Batch.Wire.
func Encode(b *span.Batch) (format byte, body []byte) {
	order := make([]int, b.Len())
	for i := range order {
		order[i] = i
	}
	group := func(i int) uint64 { return uint64(b.Resource[i])<<32 | uint64(b.Scope[i]) }
	slices.SortStableFunc(order, func(i, j int) int {
		switch x, y := group(i), group(j); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	e := protoEncoder{b: b, out: make([]byte, 0, b.TextLen()+64*b.Len())}
	for i := 0; i < len(order); {
		resource := b.Resource[order[i]]
		outer := e.open(1)
		e.resource(resource)
		for i < len(order) && b.Resource[order[i]] == resource {
			scope := b.Scope[order[i]]
			inner := e.open(2)
			e.scope(scope)
			for ; i < len(order) && b.Resource[order[i]] == resource && b.Scope[order[i]] == scope; i++ {
				e.span(order[i])
			}
			e.text(3, b.Scopes[scope].SchemaURL)
			e.close(inner)
		}
		e.text(3, b.Resources[resource].SchemaURL)
		e.close(outer)
	}
	return byte(OTLPProto), e.out
}

// protoEncoder appends messages to out.
type protoEncoder struct {
	b   *span.Batch
	out []byte
}

// open starts a message in a field and leaves a byte for its length; close fills it in, and moves the message
// if the length needs more.
func (e *protoEncoder) open(num int) (start int) {
	e.tag(num, bytesType)
	e.out = append(e.out, 0)
	return len(e.out)
}

func (e *protoEncoder) close(start int) {
	n := len(e.out) - start
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	e.out = append(e.out, length[:size-1]...) // room to move into
	copy(e.out[start+size-1:], e.out[start:start+n])
	copy(e.out[start-1:], length[:size])
}

func (e *protoEncoder) tag(num, wireType int) {
	e.out = binary.AppendUvarint(e.out, uint64(num<<3|wireType))
}

// varint, fixed64, fixed32, bytes and text write a field unless it has the zero value, which is what an absent
// field means.
func (e *protoEncoder) varint(num int, v uint64) {
	if v != 0 {
		e.tag(num, varintType)
		e.out = binary.AppendUvarint(e.out, v)
	}
}

func (e *protoEncoder) fixed64(num int, v uint64) {
	if v != 0 {
		e.tag(num, fixed64Type)
		e.out = binary.LittleEndian.AppendUint64(e.out, v)
	}
}

func (e *protoEncoder) fixed32(num int, v uint32) {
	if v != 0 {
		e.tag(num, fixed32Type)
		e.out = binary.LittleEndian.AppendUint32(e.out, v)
	}
}

func (e *protoEncoder) bytes(num int, p []byte) {
	if len(p) > 0 {
		e.tag(num, bytesType)
		e.out = append(binary.AppendUvarint(e.out, uint64(len(p))), p...)
	}
}

func (e *protoEncoder) text(num int, t span.Text) { e.bytes(num, e.b.Bytes(t)) }

func (e *protoEncoder) resource(i uint32) {
	r := e.b.Resources[i]
	if r.Attrs.Len() == 0 && r.Dropped == 0 {
		return
	}
	at := e.open(1)
	e.attrs(1, r.Attrs)
	e.varint(2, uint64(r.Dropped))
	e.close(at)
}

func (e *protoEncoder) scope(i uint32) {
	s := e.b.Scopes[i]
	if s.Name.Len == 0 && s.Version.Len == 0 && s.Attrs.Len() == 0 && s.Dropped == 0 {
		return
	}
	at := e.open(1)
	e.text(1, s.Name)
	e.text(2, s.Version)
	e.attrs(3, s.Attrs)
	e.varint(4, uint64(s.Dropped))
	e.close(at)
}

func (e *protoEncoder) span(i int) {
	b := e.b
	at := e.open(2)
	traceID, spanID := b.TraceID[i].Bytes(), b.SpanID[i].Bytes()
	e.bytes(1, traceID[:])
	e.bytes(2, spanID[:])
	e.text(3, b.TraceState[i])
	if b.Parent[i] != 0 {
		parent := b.Parent[i].Bytes()
		e.bytes(4, parent[:])
	}
	e.text(5, b.Name[i])
	e.varint(6, uint64(b.Kind[i]))
	e.fixed64(7, uint64(b.Start[i]))
	e.fixed64(8, uint64(b.End(i)))
	e.attrs(9, b.Attrs[i])
	e.varint(10, uint64(b.Dropped[i].Attrs))
	for _, ev := range b.Events[b.EventsOf[i].From:b.EventsOf[i].To] {
		at := e.open(11)
		e.fixed64(1, uint64(ev.Time))
		e.text(2, ev.Name)
		e.attrs(3, ev.Attrs)
		e.varint(4, uint64(ev.Dropped))
		e.close(at)
	}
	e.varint(12, uint64(b.Dropped[i].Events))
	for _, l := range b.Links[b.LinksOf[i].From:b.LinksOf[i].To] {
		at := e.open(13)
		if !l.TraceID.IsZero() {
			id := l.TraceID.Bytes()
			e.bytes(1, id[:])
		}
		if l.SpanID != 0 {
			id := l.SpanID.Bytes()
			e.bytes(2, id[:])
		}
		e.text(3, l.TraceState)
		e.attrs(4, l.Attrs)
		e.varint(5, uint64(l.Dropped))
		e.fixed32(6, l.Flags)
		e.close(at)
	}
	e.varint(14, uint64(b.Dropped[i].Links))
	if b.Status[i] != span.StatusUnset || b.StatusMessage[i].Len > 0 {
		at := e.open(15)
		e.text(2, b.StatusMessage[i])
		e.varint(3, uint64(b.Status[i]))
		e.close(at)
	}
	e.fixed32(16, b.Flags[i])
	e.close(at)
}

func (e *protoEncoder) attrs(num int, r span.Range) {
	for _, a := range e.b.Values[r.From:r.To] {
		at := e.open(num)
		e.text(1, a.Key)
		e.value(2, e.b.Value(a))
		e.close(at)
	}
}

// value writes an AnyValue. What is zero is written too: which field is there says what type it is.
func (e *protoEncoder) value(num int, v span.Value) {
	at := e.open(num)
	switch v.Type {
	case span.String:
		e.string(1, v.Str)
	case span.Bool:
		e.out = append(e.out, 2<<3|varintType, byte(v.Num&1))
	case span.Int:
		e.out = binary.AppendUvarint(append(e.out, 3<<3|varintType), v.Num)
	case span.Double:
		e.out = binary.LittleEndian.AppendUint64(append(e.out, 4<<3|fixed64Type), v.Num)
	case span.Bytes:
		e.string(7, v.Str)
	case span.List:
		values, err := span.ParseJSONList(v.Str)
		if err != nil { // not made by a codec; its text is what there is to keep
			e.string(1, v.Str)
			break
		}
		list := e.open(5)
		for _, el := range values {
			e.value(1, el)
		}
		e.close(list)
	case span.Map:
		entries, err := span.ParseJSONMap(v.Str)
		if err != nil {
			e.string(1, v.Str)
			break
		}
		kvlist := e.open(6)
		for _, kv := range entries {
			at := e.open(1)
			if kv.Key != "" {
				e.string(1, kv.Key)
			}
			e.value(2, kv.Value)
			e.close(at)
		}
		e.close(kvlist)
	case span.Null:
	}
	e.close(at)
}

func (e *protoEncoder) string(num int, s string) {
	e.tag(num, bytesType)
	e.out = append(binary.AppendUvarint(e.out, uint64(len(s))), s...)
}
