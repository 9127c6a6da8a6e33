package wire

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads Zipkin's spans of version 1 as zipkincore (zipkin-api, zipkinCore.thrift) has them: a list of structs
// in Thrift's binary protocol.

type zipkinThrift struct {
	filler
	thriftReader
	out zipkinFiller
	v1  zipkinV1
}

var zipkinThrifts = sync.Pool{New: func() any { return new(zipkinThrift) }}

func decodeZipkinThrift(body []byte, lim Limits, b *span.Batch) (Report, error) {
	if len(body) == 0 {
		return Report{}, nil // as in JSON
	}
	d, _ := zipkinThrifts.Get().(*zipkinThrift)
	defer zipkinThrifts.Put(d)
	d.reset(lim, b)
	d.thriftReader = thriftReader{body: body}
	d.out.reset(&d.filler)
	b.SetText(body)
	for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
		d.span()
	}
	d.end()
	rep, err := d.rep, d.err
	d.reset(Limits{}, nil)
	d.thriftReader = thriftReader{}
	return rep, err
}

func (d *zipkinThrift) span() {
	if d.full() {
		d.skip(tStruct)
		return
	}
	v := &d.v1
	v.begin(&d.out)
	v.ids.traceSize, v.ids.size = 16, 8 // of zeros, if they are absent
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tI64:
			v.ids.trace.Lo = uint64(d.i64())
		case 3<<8 | tString:
			v.name = d.place()
		case 4<<8 | tI64:
			v.ids.id = span.ID(d.i64())
		case 5<<8 | tI64:
			v.ids.parent = span.ID(d.i64())
		case 6<<8 | tList:
			for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
				d.annotation()
			}
		case 8<<8 | tList:
			for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
				d.binaryAnnotation()
			}
		case 10<<8 | tI64:
			v.start = d.i64()
		case 11<<8 | tI64:
			v.duration = d.i64()
		case 12<<8 | tI64:
			v.ids.trace.Hi = uint64(d.i64())
		default:
			d.skip(tag)
		}
	}
	if d.err == nil {
		v.end()
	}
}

// place is where the arena has a text.
func (d *zipkinThrift) place() span.Text {
	p, off := d.binary()
	return span.Text{Off: uint32(off), Len: uint32(len(p))}
}

func (d *zipkinThrift) annotation() {
	var (
		at    int64
		value span.Text
		host  zipkinEndpoint
	)
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tI64:
			at = d.i64()
		case 2<<8 | tString:
			value = d.place()
		case 3<<8 | tStruct:
			host = d.endpoint()
		default:
			d.skip(tag)
		}
	}
	d.v1.annotation(at, value, host)
}

func (d *zipkinThrift) binaryAnnotation() {
	var (
		key, value span.Text
		typ        = int32(v1String)
		host       zipkinEndpoint
	)
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tString:
			key = d.place()
		case 2<<8 | tString:
			value = d.place()
		case 3<<8 | tI32:
			typ = d.i32()
		case 4<<8 | tStruct:
			host = d.endpoint()
		default:
			d.skip(tag)
		}
	}
	d.v1.tag(key, d.value(typ, value), host)
}

// The types of a binary annotation.
const (
	v1Bool   = 0
	v1Bytes  = 1
	v1I16    = 2
	v1I32    = 3
	v1I64    = 4
	v1Double = 5
	v1String = 6
)

// value is the text of a binary annotation's value: numbers and truth values in words, bytes as base64. One that has not
// the bytes of its type is taken for bytes.
func (d *zipkinThrift) value(typ int32, t span.Text) span.Text {
	p := d.b.Bytes(t)
	var text [32]byte
	switch {
	case typ == v1String:
		return t
	case typ == v1Bool && len(p) == 1:
		return d.b.PutBytes(strconv.AppendBool(text[:0], p[0] != 0))
	case typ == v1I16 && len(p) == 2:
		return d.b.PutBytes(strconv.AppendInt(text[:0], int64(int16(binary.BigEndian.Uint16(p))), 10))
	case typ == v1I32 && len(p) == 4:
		return d.b.PutBytes(strconv.AppendInt(text[:0], int64(int32(binary.BigEndian.Uint32(p))), 10))
	case typ == v1I64 && len(p) == 8:
		return d.b.PutBytes(strconv.AppendInt(text[:0], int64(binary.BigEndian.Uint64(p)), 10))
	case typ == v1Double && len(p) == 8:
		return d.b.PutBytes(strconv.AppendFloat(text[:0], math.Float64frombits(binary.BigEndian.Uint64(p)), 'g', -1, 64))
	}
	d.scratch = base64.StdEncoding.AppendEncode(d.scratch[:0], p)
	return d.b.PutBytes(d.scratch)
}

func (d *zipkinThrift) endpoint() (e zipkinEndpoint) {
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tI32:
			if v := uint32(d.i32()); v != 0 { // 0: there is none
				e.address(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
			}
		case 2<<8 | tI16:
			e.port = uint16(d.i16())
		case 3<<8 | tString:
			e.service = d.place()
		case 4<<8 | tString:
			p, _ := d.binary()
			ip, _ := netip.AddrFromSlice(p)
			e.address(ip)
		default:
			d.skip(tag)
		}
	}
	return e
}
