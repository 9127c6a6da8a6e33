package wire

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads zipkin.proto3.ListOfSpans (zipkin-api, zipkin.proto) by the rules that otlp_proto.go names.

type zipkinProto struct {
	protoDecoder
	out zipkinFiller
}

var zipkinProtos = sync.Pool{New: func() any { return new(zipkinProto) }}

func decodeZipkinProto(body []byte, lim Limits, b *span.Batch) (Report, error) {
	d, _ := zipkinProtos.Get().(*zipkinProto)
	defer zipkinProtos.Put(d)
	d.begin(body, lim, b)
	d.out.reset(&d.filler)
	err := d.messages(protoRegion{0, len(body)}, 1, d.span)
	return d.end(), err
}

func (d *zipkinProto) span(r protoRegion) error {
	if d.full() {
		return d.check(r)
	}
	z := &d.out
	z.begin()
	s := &z.span
	for i := r.from; i < r.to; {
		tag, next, err := uint64(d.buf[i]), i+1, error(nil)
		if tag < 1<<3 || tag >= 0x80 {
			if tag, next, err = d.tag(i, r.to); err != nil {
				return err
			}
		}
		var m protoRegion
		if tag&7 == bytesType {
			if m, err = d.region(next, r.to); err != nil {
				return err
			}
		}
		at := i
		i = m.to
		switch tag {
		case 1<<3 | bytesType:
			s.ids.trace, s.ids.traceSize = d.traceID(m)
		case 2<<3 | bytesType:
			s.ids.parent, s.ids.parentSize = d.id(m)
		case 3<<3 | bytesType:
			s.ids.id, s.ids.size = d.id(m)
		case 4<<3 | varintType:
			var v uint64
			v, i, err = d.varint(next, r.to)
			z.b.Kind[s.row] = zipkinProtoKind(int32(v))
		case 5<<3 | bytesType:
			z.name(m.text())
		case 6<<3 | fixed64Type:
			var v uint64
			v, i, err = d.fixed64(next, r.to)
			s.start = int64(v)
		case 7<<3 | varintType:
			var v uint64
			v, i, err = d.varint(next, r.to)
			s.duration = int64(v)
		case 8<<3 | bytesType:
			err = d.endpoint(m, &s.local)
		case 9<<3 | bytesType:
			err = d.endpoint(m, &s.remote)
		case 10<<3 | bytesType:
			err = d.annotation(m)
		case 11<<3 | bytesType:
			err = d.mapEntry(m)
		default:
			i, err = d.skip(tag, at, next, r.to)
		}
		if err != nil {
			return err
		}
	}
	z.end()
	return nil
}

// zipkinProtoKind is a Span.Kind.
func zipkinProtoKind(v int32) span.Kind {
	switch v {
	case 1:
		return span.KindClient
	case 2:
		return span.KindServer
	case 3:
		return span.KindProducer
	case 4:
		return span.KindConsumer
	}
	return span.KindInternal
}

// text is where the arena has the bytes of a region.
func (r protoRegion) text() span.Text {
	return span.Text{Off: uint32(r.from), Len: uint32(r.to - r.from)}
}

// traceID reads an id of 16 bytes or 8, and says how many it has as zipkinTraceID does.
func (d *zipkinProto) traceID(r protoRegion) (id span.TraceID, size int) {
	p := d.buf[r.from:r.to]
	switch len(p) {
	case 16:
		return span.TraceID{Hi: binary.BigEndian.Uint64(p), Lo: binary.BigEndian.Uint64(p[8:])}, 16
	case 8:
		return span.TraceID{Lo: binary.BigEndian.Uint64(p)}, 16
	}
	return id, len(p)
}

func (d *zipkinProto) id(r protoRegion) (id span.ID, size int) {
	p := d.buf[r.from:r.to]
	if len(p) == 8 {
		id = span.ID(binary.BigEndian.Uint64(p))
	}
	return id, len(p)
}

// endpoint reads an Endpoint, or a further part of it.
func (d *zipkinProto) endpoint(r protoRegion, e *zipkinEndpoint) error {
	return d.fields(r, func(tag uint64, at, next int) (i int, err error) {
		var m protoRegion
		switch tag {
		case 1<<3 | bytesType:
			m, err = d.region(next, r.to)
			e.service, i = m.text(), m.to
		case 2<<3 | bytesType, 3<<3 | bytesType:
			m, err = d.region(next, r.to)
			ip, _ := netip.AddrFromSlice(d.buf[m.from:m.to])
			e.address(ip)
			i = m.to
		case 4<<3 | varintType:
			var v uint64
			v, i, err = d.varint(next, r.to)
			e.setPort(int64(int32(v)))
		default:
			i, err = d.skip(tag, at, next, r.to)
		}
		return i, err
	})
}

func (d *zipkinProto) annotation(r protoRegion) error {
	var (
		at    uint64
		value protoRegion
	)
	err := d.fields(r, func(tag uint64, from, next int) (i int, err error) {
		switch tag {
		case 1<<3 | fixed64Type:
			at, i, err = d.fixed64(next, r.to)
		case 2<<3 | bytesType:
			value, err = d.region(next, r.to)
			i = value.to
		default:
			i, err = d.skip(tag, from, next, r.to)
		}
		return i, err
	})
	if err == nil {
		d.out.annotation(int64(at), value.text())
	}
	return err
}

// mapEntry reads a tag, which protobuf sends as a message of a key and a value. Nearly all are short, in this order and
// nothing else; those take the first path.
func (d *zipkinProto) mapEntry(r protoRegion) error {
	p := d.buf[r.from:r.to]
	if len(p) >= 4 && p[0] == 1<<3|bytesType && int(p[1]) <= len(p)-4 {
		k := int(p[1])
		if v := int(p[k+3]); k < 0x80 && v < 0x80 && p[k+2] == 2<<3|bytesType && v == len(p)-k-4 {
			d.out.tag(protoRegion{r.from + 2, r.from + 2 + k}.text(), protoRegion{r.to - v, r.to}.text())
			return nil
		}
	}
	kv, _, err := d.pair(r)
	if err == nil {
		d.out.tag(kv.key.text(), kv.value.text())
	}
	return err
}
