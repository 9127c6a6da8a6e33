package wire

import (
	"fmt"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads Zipkin's JSON (zipkin-api, zipkin2-api.yaml and zipkin-api.yaml): a list of spans, or a list of traces,
// which are lists of spans. Unknown keys are ignored, null is as if the key were absent; the last of equal keys counts,
// but a list or map that comes twice is one.

type zipkinJSON struct {
	jsonDecoder
	out zipkinFiller
	v1  zipkinV1
}

var zipkinJSONs = sync.Pool{New: func() any { return new(zipkinJSON) }}

// decodeZipkinJSON reads spans of the version that one reads.
func decodeZipkinJSON(body []byte, lim Limits, b *span.Batch, one func(*zipkinJSON)) (Report, error) {
	if len(body) == 0 {
		return Report{}, nil // no spans, as Zipkin's own server has it
	}
	d, _ := zipkinJSONs.Get().(*zipkinJSON)
	defer zipkinJSONs.Put(d)
	d.begin(body, lim, b)
	d.out.reset(&d.filler)
	d.array(func() {
		if d.peek() == '[' {
			d.array(func() { one(d) })
		} else {
			one(d)
		}
	})
	return d.end()
}

func (d *zipkinJSON) span() {
	if d.full() {
		d.skip()
		return
	}
	z := &d.out
	z.begin()
	s := &z.span
	d.object(func(key []byte) {
		switch string(key) {
		case "traceId":
			s.ids.trace, s.ids.traceSize = zipkinTraceID(d.hexText())
		case "id":
			s.ids.id, s.ids.size = zipkinID(d.hexText())
		case "parentId":
			s.ids.parent, s.ids.parentSize = zipkinID(d.hexText())
		case "name":
			z.name(d.place())
		case "kind":
			if !d.null() {
				z.kind(d.quoted().text)
			}
		case "timestamp":
			s.start = int64(d.integer(-64))
		case "duration":
			s.duration = int64(d.integer(-64))
		case "localEndpoint":
			s.local = d.endpoint()
		case "remoteEndpoint":
			s.remote = d.endpoint()
		case "annotations":
			d.array(d.annotation)
		case "tags":
			d.object(d.tag)
		case "binaryAnnotations":
			d.otherVersion("binaryAnnotations", 1)
		default:
			d.skip()
		}
	})
	if d.err == nil {
		z.end()
	}
}

// hexText is the text of an id, good until the next string is read.
func (d *zipkinJSON) hexText() []byte {
	if d.null() {
		return nil
	}
	return d.quoted().text
}

// place reads a string and says where the batch has it; null is "".
func (d *zipkinJSON) place() span.Text {
	if d.null() {
		return span.Text{}
	}
	return d.put(d.quoted())
}

func (d *zipkinJSON) annotation() {
	var (
		at    int64
		value span.Text
	)
	d.object(func(key []byte) {
		switch string(key) {
		case "timestamp":
			at = int64(d.integer(-64))
		case "value":
			value = d.place()
		case "endpoint":
			d.otherVersion("the endpoint of an annotation", 1)
		default:
			d.skip()
		}
	})
	d.out.annotation(at, value)
}

func (d *zipkinJSON) tag([]byte) {
	key := d.put(d.key)
	if value, ok := d.scalar(); ok {
		d.out.tag(key, value)
	}
}

// scalar is where the batch has a string, or the text of a number or truth value in its place. null is none.
func (d *zipkinJSON) scalar() (t span.Text, ok bool) {
	from := d.at
	switch d.peek() {
	case 'n':
		d.skip()
		return t, false
	case '{', '[', '"':
		return d.put(d.quoted()), true
	default:
		d.skip()
		return span.Text{Off: uint32(from), Len: uint32(d.at - from)}, true
	}
}

func (d *zipkinJSON) endpoint() (e zipkinEndpoint) {
	d.object(func(key []byte) {
		switch string(key) {
		case "serviceName":
			e.service = d.place()
		case "ipv4", "ipv6":
			if !d.null() {
				e.addressText(d.quoted().text)
			}
		case "port":
			e.setPort(int64(d.integer(-64)))
		default:
			d.skip()
		}
	})
	return e
}

// spanV1 reads a span of version 1.
func (d *zipkinJSON) spanV1() {
	if d.full() {
		d.skip()
		return
	}
	v := &d.v1
	v.begin(&d.out)
	d.object(func(key []byte) {
		switch string(key) {
		case "traceId":
			v.ids.trace, v.ids.traceSize = zipkinTraceID(d.hexText())
		case "id":
			v.ids.id, v.ids.size = zipkinID(d.hexText())
		case "parentId":
			v.ids.parent, v.ids.parentSize = zipkinID(d.hexText())
		case "name":
			v.name = d.place()
		case "timestamp":
			v.start = int64(d.integer(-64))
		case "duration":
			v.duration = int64(d.integer(-64))
		case "annotations":
			d.array(d.annotationV1)
		case "binaryAnnotations":
			d.array(d.binaryAnnotation)
		case "localEndpoint", "remoteEndpoint", "kind", "shared", "tags":
			d.otherVersion(string(key), 2)
		default:
			d.skip()
		}
	})
	if d.err == nil {
		v.end()
	}
}

func (d *zipkinJSON) annotationV1() {
	var (
		at    int64
		value span.Text
		host  zipkinEndpoint
	)
	d.object(func(key []byte) {
		switch string(key) {
		case "timestamp":
			at = int64(d.integer(-64))
		case "value":
			value = d.place()
		case "endpoint":
			host = d.endpoint()
		default:
			d.skip()
		}
	})
	d.v1.annotation(at, value, host)
}

func (d *zipkinJSON) binaryAnnotation() {
	var (
		name, value span.Text
		host        zipkinEndpoint
	)
	d.object(func(key []byte) {
		switch string(key) {
		case "key":
			name = d.place()
		case "value":
			value, _ = d.scalar()
		case "endpoint":
			host = d.endpoint()
		default:
			d.skip()
		}
	})
	d.v1.tag(name, value, host)
}

// otherVersion refuses what belongs to a span of the other version.
func (d *zipkinJSON) otherVersion(what string, version int) {
	d.fail(d.at, fmt.Sprintf("%s: a span of Zipkin's version %d, which POST /api/v%d/spans takes", what, version, version))
}
