package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads ExportTraceServiceRequest and what is in it (opentelemetry-proto: trace.proto,
// common.proto, resource.proto) by the rules of protobuf's encoding: fields come in any order, the last
// of a scalar wins, a message that comes twice is merged, unknown fields are skipped.
//
// Columns of a batch want runs: the attributes of a span lie together, its spans know their resource.
// So a message is walked twice where one kind of its fields must come before another (a span's
// attributes before its events, which have attributes of their own). The first walk steps over those of
// the other kind by their lengths, and where there are none there is no second.

// A tag is a field's number and wire type, as it stands on the wire.
const (
	varintType  = 0
	fixed64Type = 1
	bytesType   = 2
	fixed32Type = 5
)

type protoDecoder struct {
	filler
	buf    []byte // the body; while merged values are read, the body and they behind it
	flat   bool   // the limits allow what the fast path takes
	spare  int    // bytes of values in parts that may yet be put together
	values protoValues
}

type protoRegion struct{ from, to int }

func decodeProto(body []byte, lim Limits, b *span.Batch) (Report, error) {
	d, _ := protoDecoders.Get().(*protoDecoder)
	defer protoDecoders.Put(d)
	d.begin(body, lim, b)
	err := d.messages(protoRegion{0, len(body)}, 1, d.resourceSpans)
	return d.end(), err
}

// begin makes the decoder ready for a body that becomes the text of b.
func (d *protoDecoder) begin(body []byte, lim Limits, b *span.Batch) {
	d.reset(lim, b)
	d.buf, d.spare = body, len(body)+anyParts
	d.flat = lim.KeyBytes >= 0x7f && lim.ValueBytes >= 0x7f
	b.SetText(body)
}

func (d *protoDecoder) end() Report {
	rep := d.rep
	d.buf = nil
	d.reset(Limits{}, nil)
	return rep
}

func (d *protoDecoder) resourceSpans(r protoRegion) error {
	b := d.b
	before := d.mark()
	row := span.ResourceRow{}
	d.beginAttrs()
	first := r.to // scope_spans
	err := d.fields(r, func(tag uint64, at, next int) (i int, err error) {
		switch tag {
		case 1<<3 | bytesType:
			i, err = d.message(next, r.to, func(m protoRegion) error { return d.attributesOf(m, 1, 2, &row.Dropped) })
		case 2<<3 | bytesType:
			first = min(first, at)
			i, err = d.skip(tag, at, next, r.to)
		case 3<<3 | bytesType:
			row.SchemaURL, i, err = d.string(next, r.to)
		default:
			i, err = d.skip(tag, at, next, r.to)
		}
		return i, err
	})
	if err != nil {
		return err
	}
	row.Attrs, row.Dropped = d.attrs(), plus(row.Dropped, d.dropped)
	b.Resources = append(b.Resources, row)

	if err := d.messages(protoRegion{first, r.to}, 2, d.scopeSpans); err != nil {
		return err
	}
	if b.Len() == before.spans { // nothing uses the resource
		d.undo(before)
		b.Resources = b.Resources[:len(b.Resources)-1]
	}
	return nil
}

func (d *protoDecoder) scopeSpans(r protoRegion) error {
	b := d.b
	before := d.mark()
	row := span.ScopeRow{}
	d.beginAttrs()
	first := r.to // spans
	err := d.fields(r, func(tag uint64, at, next int) (i int, err error) {
		switch tag {
		case 1<<3 | bytesType:
			i, err = d.message(next, r.to, func(m protoRegion) error { return d.scope(m, &row) })
		case 2<<3 | bytesType:
			first = min(first, at)
			i, err = d.skip(tag, at, next, r.to)
		case 3<<3 | bytesType:
			row.SchemaURL, i, err = d.string(next, r.to)
		default:
			i, err = d.skip(tag, at, next, r.to)
		}
		return i, err
	})
	if err != nil {
		return err
	}
	row.Attrs, row.Dropped = d.attrs(), plus(row.Dropped, d.dropped)
	b.Scopes = append(b.Scopes, row)

	if err := d.messages(protoRegion{first, r.to}, 2, d.span); err != nil {
		return err
	}
	if b.Len() == before.spans {
		d.undo(before)
		b.Scopes = b.Scopes[:len(b.Scopes)-1]
	}
	return nil
}

func (d *protoDecoder) scope(r protoRegion, row *span.ScopeRow) error {
	return d.fields(r, func(tag uint64, at, next int) (i int, err error) {
		switch tag {
		case 1<<3 | bytesType:
			row.Name, i, err = d.string(next, r.to)
		case 2<<3 | bytesType:
			row.Version, i, err = d.string(next, r.to)
		case 3<<3 | bytesType:
			i, err = d.attribute(next, r.to)
		case 4<<3 | varintType:
			row.Dropped, i, err = d.uint32(next, r.to)
		default:
			i, err = d.skip(tag, at, next, r.to)
		}
		return i, err
	})
}

// attributesOf reads a message of which we want the attributes in one field and the dropped count in
// another.
func (d *protoDecoder) attributesOf(r protoRegion, attrs, dropped uint64, count *uint32) error {
	return d.fields(r, func(tag uint64, at, next int) (i int, err error) {
		switch tag {
		case attrs<<3 | bytesType:
			i, err = d.attribute(next, r.to)
		case dropped<<3 | varintType:
			*count, i, err = d.uint32(next, r.to)
		default:
			i, err = d.skip(tag, at, next, r.to)
		}
		return i, err
	})
}

func (d *protoDecoder) span(r protoRegion) error {
	if d.full() {
		return d.check(r)
	}
	b, buf := d.b, d.buf
	before := d.mark()
	var (
		traceID, spanID, parent protoRegion
		start, end              uint64
		dropped                 span.Dropped
	)
	row := b.Add()
	d.beginAttrs()
	first := r.to // events and links
	for i := r.from; i < r.to; {
		tag, next, err := uint64(buf[i]), i+1, error(nil)
		if tag >= 0x80 {
			if tag, next, err = d.tag(i, r.to); err != nil {
				return err
			}
		}
		at := i
		switch tag {
		case 1<<3 | bytesType:
			traceID, err = d.region(next, r.to)
			i = traceID.to
		case 2<<3 | bytesType:
			spanID, err = d.region(next, r.to)
			i = spanID.to
		case 3<<3 | bytesType:
			b.TraceState[row], i, err = d.string(next, r.to)
		case 4<<3 | bytesType:
			parent, err = d.region(next, r.to)
			i = parent.to
		case 5<<3 | bytesType:
			b.Name[row], i, err = d.string(next, r.to)
		case 6<<3 | varintType:
			var v uint64
			v, i, err = d.varint(next, r.to)
			b.Kind[row] = kindOf(int32(v))
		case 7<<3 | fixed64Type:
			start, i, err = d.fixed64(next, r.to)
		case 8<<3 | fixed64Type:
			end, i, err = d.fixed64(next, r.to)
		case 9<<3 | bytesType:
			i, err = d.attribute(next, r.to)
		case 10<<3 | varintType:
			dropped.Attrs, i, err = d.uint32(next, r.to)
		case 11<<3 | bytesType, 13<<3 | bytesType:
			first = min(first, at)
			i, err = d.skip(tag, at, next, r.to)
		case 12<<3 | varintType:
			dropped.Events, i, err = d.uint32(next, r.to)
		case 14<<3 | varintType:
			dropped.Links, i, err = d.uint32(next, r.to)
		case 15<<3 | bytesType:
			var m protoRegion
			if m, err = d.region(next, r.to); err == nil {
				i, err = m.to, d.status(m, row)
			}
		case 16<<3 | fixed32Type:
			b.Flags[row], i, err = d.fixed32(next, r.to)
		default:
			if i, err = d.known(tag, at); err == nil {
				i, err = d.skip(tag, at, next, r.to)
			}
		}
		if err != nil {
			return err
		}
	}
	b.Attrs[row] = d.attrs()
	dropped.Attrs = plus(dropped.Attrs, d.dropped)
	events, links := uint32(len(b.Events)), uint32(len(b.Links))
	if first < r.to {
		if err := d.eventsAndLinks(protoRegion{first, r.to}, &dropped); err != nil {
			return err
		}
	}
	b.EventsOf[row] = span.Range{From: events, To: uint32(len(b.Events))}
	b.LinksOf[row] = span.Range{From: links, To: uint32(len(b.Links))}
	b.Dropped[row] = dropped
	b.Resource[row], b.Scope[row] = uint32(len(b.Resources)-1), uint32(len(b.Scopes)-1)

	if !d.ids(row, traceID, spanID, parent) {
		d.undo(before)
		return nil
	}
	if b.SetTimes(row, start, end) {
		d.rep.Clamped++
	}
	return nil
}

// ids sets the ids of a span, or says that they are not valid and counts it.
func (d *protoDecoder) ids(row int, traceID, spanID, parent protoRegion) bool {
	t, s, p := d.buf[traceID.from:traceID.to], d.buf[spanID.from:spanID.to], d.buf[parent.from:parent.to]
	if len(t) == 16 {
		d.b.TraceID[row] = span.TraceID{Hi: binary.BigEndian.Uint64(t), Lo: binary.BigEndian.Uint64(t[8:])}
	}
	if len(s) == 8 {
		d.b.SpanID[row] = span.ID(binary.BigEndian.Uint64(s))
	}
	if len(p) == 8 {
		d.b.Parent[row] = span.ID(binary.BigEndian.Uint64(p))
	}
	return d.valid(row, len(t), len(s), len(p))
}

func (d *protoDecoder) status(r protoRegion, row int) error {
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return err
		}
		switch tag {
		case 2<<3 | bytesType:
			d.b.StatusMessage[row], i, err = d.string(next, r.to)
		case 3<<3 | varintType:
			var v uint64
			v, i, err = d.varint(next, r.to)
			d.b.Status[row] = statusOf(int32(v))
		default:
			i, err = d.skip(tag, i, next, r.to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *protoDecoder) eventsAndLinks(r protoRegion, dropped *span.Dropped) error {
	events, links := 0, 0
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return err
		}
		if tag != 11<<3|bytesType && tag != 13<<3|bytesType {
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
		switch kept := false; {
		case tag == 11<<3|bytesType && d.room(events, d.lim.Events):
			events++
			err = d.event(m)
		case tag == 11<<3|bytesType:
			dropped.Events = plus(dropped.Events, 1)
			err = d.check(m)
		case d.room(links, d.lim.Links):
			if kept, err = d.link(m); kept {
				links++
				break
			}
			dropped.Links = plus(dropped.Links, 1)
		default:
			dropped.Links = plus(dropped.Links, 1)
			err = d.check(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *protoDecoder) event(r protoRegion) error {
	d.beginAttrs()
	var row span.EventRow
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return err
		}
		switch tag {
		case 1<<3 | fixed64Type:
			var t uint64
			t, i, err = d.fixed64(next, r.to)
			row.Time = nanos(t)
		case 2<<3 | bytesType:
			row.Name, i, err = d.string(next, r.to)
		case 3<<3 | bytesType:
			i, err = d.attribute(next, r.to)
		case 4<<3 | varintType:
			row.Dropped, i, err = d.uint32(next, r.to)
		default:
			i, err = d.skip(tag, i, next, r.to)
		}
		if err != nil {
			return err
		}
	}
	row.Attrs, row.Dropped = d.attrs(), plus(row.Dropped, d.dropped)
	d.b.Events = append(d.b.Events, row)
	return nil
}

func (d *protoDecoder) link(r protoRegion) (kept bool, err error) {
	before := d.mark()
	d.beginAttrs()
	var (
		row             span.LinkRow
		traceID, spanID protoRegion
	)
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return false, err
		}
		switch tag {
		case 1<<3 | bytesType:
			traceID, err = d.region(next, r.to)
			i = traceID.to
		case 2<<3 | bytesType:
			spanID, err = d.region(next, r.to)
			i = spanID.to
		case 3<<3 | bytesType:
			row.TraceState, i, err = d.string(next, r.to)
		case 4<<3 | bytesType:
			i, err = d.attribute(next, r.to)
		case 5<<3 | varintType:
			row.Dropped, i, err = d.uint32(next, r.to)
		case 6<<3 | fixed32Type:
			row.Flags, i, err = d.fixed32(next, r.to)
		default:
			i, err = d.skip(tag, i, next, r.to)
		}
		if err != nil {
			return false, err
		}
	}
	t, s := d.buf[traceID.from:traceID.to], d.buf[spanID.from:spanID.to]
	if !d.validLink(len(t), len(s)) {
		d.undo(before)
		d.elements--
		return false, nil
	}
	if len(t) == 16 {
		row.TraceID = span.TraceID{Hi: binary.BigEndian.Uint64(t), Lo: binary.BigEndian.Uint64(t[8:])}
	}
	if len(s) == 8 {
		row.SpanID = span.ID(binary.BigEndian.Uint64(s))
	}
	row.Attrs, row.Dropped = d.attrs(), plus(row.Dropped, d.dropped)
	d.b.Links = append(d.b.Links, row)
	return true, nil
}

// attribute reads the KeyValue whose length is at i. Nearly all are a short key and a short string, a
// number or a boolean, in this order and nothing else; those take the first path.
func (d *protoDecoder) attribute(i, end int) (next int, err error) {
	buf := d.buf[:end]
	if i < len(buf) && d.flat {
		n := int(buf[i])
		p := buf[i+1:]
		if n >= 6 && n < 0x80 && n <= len(p) {
			p = p[:n]
			k := int(p[1])
			if p[0] == 1<<3|bytesType && k <= n-6 && p[k+2] == 2<<3|bytesType && int(p[k+3]) == n-k-4 {
				key, v := p[2:k+2], p[k+4:]
				a := span.Attr{Key: span.Text{Off: uint32(i + 3), Len: uint32(k)}}
				switch v[0] {
				case 1<<3 | bytesType:
					if s := v[2:]; int(v[1]) == len(s) && isUTF8(s) {
						a.Type = span.String
						a.Num = uint64(i+k+7)<<32 | uint64(len(s))
					}
				case 2<<3 | varintType:
					if len(v) == 2 && v[1] < 2 {
						a.Type, a.Num = span.Bool, uint64(v[1])
					}
				case 3<<3 | varintType:
					if x, m := binary.Uvarint(v[1:]); m == len(v)-1 {
						a.Type, a.Num = span.Int, x
					}
				case 4<<3 | fixed64Type:
					if len(v) == 9 {
						a.Type, a.Num = span.Double, binary.LittleEndian.Uint64(v[1:])
					}
				}
				if a.Type != span.Null && isUTF8(key) {
					d.add(key, a)
					return i + 1 + n, nil
				}
			}
		}
	}
	r, err := d.region(i, end)
	if err != nil {
		return 0, err
	}
	return r.to, d.anyAttribute(r)
}

// anyAttribute reads any KeyValue.
func (d *protoDecoder) anyAttribute(r protoRegion) error {
	kv, err := d.keyValue(r)
	if err != nil {
		return err
	}
	raw := d.buf[kv.key.from:kv.key.to]
	if len(raw) > d.lim.KeyBytes {
		d.cut()
		return d.check(kv.value)
	}
	a := span.Attr{Key: d.text(raw, kv.key.from)}
	if a.Type, a.Num, err = d.value(kv.value); err != nil {
		return err
	}
	d.add(d.b.Bytes(a.Key), a)
	return nil
}

// string reads the text whose length is at i.
func (d *protoDecoder) string(i, end int) (t span.Text, next int, err error) {
	r, err := d.region(i, end)
	if err != nil {
		return t, 0, err
	}
	return d.text(d.buf[r.from:r.to], r.from), r.to, nil
}

// region reads a length at i and returns what it spans.
func (d *protoDecoder) region(i, end int) (protoRegion, error) {
	if i < end && d.buf[i] < 0x80 {
		if r := (protoRegion{i + 1, i + 1 + int(d.buf[i])}); r.to <= end {
			return r, nil
		}
	}
	n, next, err := d.varint(i, end)
	if err != nil {
		return protoRegion{}, err
	}
	if n > uint64(end-next) {
		return protoRegion{}, d.fail(i, "a length of %d where %d bytes are left", n, end-next)
	}
	return protoRegion{next, next + int(n)}, nil
}

func (d *protoDecoder) varint(i, end int) (v uint64, next int, err error) {
	v, n := binary.Uvarint(d.buf[i:end])
	switch {
	case n > 0:
		return v, i + n, nil
	case n == 0 && end-i < binary.MaxVarintLen64:
		return 0, 0, d.truncated(end)
	default:
		return 0, 0, d.fail(i, "an integer of more than 64 bits")
	}
}

func (d *protoDecoder) uint32(i, end int) (v uint32, next int, err error) {
	x, next, err := d.varint(i, end)
	return uint32(x), next, err
}

func (d *protoDecoder) fixed64(i, end int) (v uint64, next int, err error) {
	if end-i < 8 {
		return 0, 0, d.truncated(end)
	}
	return binary.LittleEndian.Uint64(d.buf[i:]), i + 8, nil
}

func (d *protoDecoder) fixed32(i, end int) (v uint32, next int, err error) {
	if end-i < 4 {
		return 0, 0, d.truncated(end)
	}
	return binary.LittleEndian.Uint32(d.buf[i:]), i + 4, nil
}

// tag reads the tag at i.
func (d *protoDecoder) tag(i, end int) (tag uint64, next int, err error) {
	if i < end && d.buf[i] < 0x80 {
		tag, next = uint64(d.buf[i]), i+1
	} else if tag, next, err = d.varint(i, end); err != nil {
		return 0, 0, err
	}
	_, err = d.known(tag, i)
	return tag, next, err
}

// known refuses a tag that cannot be: it returns at again.
func (d *protoDecoder) known(tag uint64, at int) (int, error) {
	if n := tag >> 3; n == 0 || n > 1<<29-1 {
		return 0, d.fail(at, "no field has the number %d", n)
	}
	return at, nil
}

// skip steps over the value, at next, of a field that nobody wants.
func (d *protoDecoder) skip(tag uint64, at, next, end int) (int, error) {
	switch tag & 7 {
	case varintType:
		_, next, err := d.varint(next, end)
		return next, err
	case fixed64Type:
		_, next, err := d.fixed64(next, end)
		return next, err
	case bytesType:
		r, err := d.region(next, end)
		return r.to, err
	case fixed32Type:
		_, next, err := d.fixed32(next, end)
		return next, err
	case 3, 4:
		return 0, d.fail(at, "a group, which no format here has")
	}
	return 0, d.fail(at, "wire type %d, which protobuf does not have", tag&7)
}

// fields gives one every field of a message: its tag, where that is, and where what follows it is. It returns where the next field is. What
// comes once or more in every span has a loop of its own: a call for each field takes time.
func (d *protoDecoder) fields(r protoRegion, one func(tag uint64, at, next int) (int, error)) error {
	for i := r.from; i < r.to; {
		tag, next, err := d.tag(i, r.to)
		if err != nil {
			return err
		}
		if i, err = one(tag, i, next); err != nil {
			return err
		}
	}
	return nil
}

// message reads the message whose length is at i.
func (d *protoDecoder) message(i, end int, read func(protoRegion) error) (next int, err error) {
	r, err := d.region(i, end)
	if err != nil {
		return 0, err
	}
	return r.to, read(r)
}

// messages reads the messages in the field num of a message, and steps over its other fields.
func (d *protoDecoder) messages(r protoRegion, num uint64, read func(protoRegion) error) error {
	return d.fields(r, func(tag uint64, at, next int) (int, error) {
		if tag != num<<3|bytesType {
			return d.skip(tag, at, next, r.to)
		}
		return d.message(next, r.to, read)
	})
}

// check steps over all fields of a message that a limit keeps out.
func (d *protoDecoder) check(r protoRegion) error {
	return d.fields(r, func(tag uint64, at, next int) (int, error) { return d.skip(tag, at, next, r.to) })
}

func (d *protoDecoder) truncated(at int) error { return d.fail(at, "the message ends within a field") }

func (d *protoDecoder) fail(at int, format string, args ...any) error {
	return &Error{at, fmt.Sprintf(format, args...)}
}
