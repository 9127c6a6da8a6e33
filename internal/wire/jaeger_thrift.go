package wire

import (
	"math"
	"slices"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file reads Jaeger's Batch (jaeger-idl, thrift/jaeger.thrift). It has no events, links, scopes or status, but logs,
// references and tags; opentracing.go has the rules by which the former are made of the latter.
//
// A span's tags become its attributes as they come. Its references and logs, which have attributes of their own, are stepped
// over and read once the span's, which have to lie together, are complete.

type jaegerDecoder struct {
	filler
	thriftReader
	scopes scopeRows
	own    ownTexts
}

var jaegerDecoders = sync.Pool{New: func() any { return new(jaegerDecoder) }}

func decodeJaegerThrift(body []byte, lim Limits, b *span.Batch) (Report, error) {
	d, _ := jaegerDecoders.Get().(*jaegerDecoder)
	defer jaegerDecoders.Put(d)
	d.reset(lim, b)
	d.scopes.reset()
	clear(d.own[:])
	d.thriftReader = thriftReader{body: body}
	b.SetText(body)
	d.batch()
	d.end()
	rep, err := d.rep, d.err
	d.b, d.rep, d.thriftReader = nil, Report{}, thriftReader{}
	return rep, err
}

func (d *jaegerDecoder) batch() {
	b := d.b
	before := d.mark()
	b.Resources = append(b.Resources, span.ResourceRow{}) // of all spans, whether they come before the process or after it
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tStruct:
			b.Resources[0] = d.process()
		case 2<<8 | tList:
			for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
				d.span()
			}
		default:
			d.skip(tag)
		}
	}
	if b.Len() == 0 { // nothing uses the resource
		d.undo(before)
		b.Resources = b.Resources[:0]
	}
}

func (d *jaegerDecoder) process() span.ResourceRow {
	var service span.Text
	d.beginAttrs()
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tString:
			service = d.text(d.binary())
		case 2<<8 | tList:
			for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
				if key, a, ok := d.tag(); ok {
					d.add(key, a)
				}
			}
		default:
			d.skip(tag)
		}
	}
	if service.Len > 0 {
		key := d.own.at(d.b, serviceName)
		d.add(d.b.Bytes(key), span.Attr{Key: key, Type: span.String, Num: span.TextNum(service)})
	}
	return span.ResourceRow{Attrs: d.attrs(), Dropped: d.dropped}
}

// jaegerSpan is what a span's fields say and no column holds as it is.
type jaegerSpan struct {
	duration         int64 // µs
	outcome          Outcome
	scope, version   span.Text
	references, logs int // where the lists are; 0 if there are none
}

func (d *jaegerDecoder) span() {
	if d.full() {
		d.skip(tStruct)
		return
	}
	b, before := d.b, d.mark()
	row := b.Add()
	var s jaegerSpan
	d.beginAttrs()
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tI64:
			b.TraceID[row].Lo = uint64(d.i64())
		case 2<<8 | tI64:
			b.TraceID[row].Hi = uint64(d.i64())
		case 3<<8 | tI64:
			b.SpanID[row] = span.ID(d.i64())
		case 4<<8 | tI64:
			b.Parent[row] = span.ID(d.i64())
		case 5<<8 | tString:
			b.Name[row] = d.text(d.binary())
		case 6<<8 | tList:
			s.references = d.at
			d.skip(tag)
		case 7<<8 | tI32:
			b.Flags[row] = JaegerFlags(uint32(d.i32()))
		case 8<<8 | tI64:
			b.Start[row] = Micros(d.i64())
		case 9<<8 | tI64:
			s.duration = d.i64()
		case 10<<8 | tList:
			for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
				d.spanTag(row, &s)
			}
		case 11<<8 | tList:
			s.logs = d.at
			d.skip(tag)
		default:
			d.skip(tag)
		}
	}
	b.Attrs[row], b.Dropped[row].Attrs = d.attrs(), d.dropped
	if !d.valid(row, 16, 8, 8) {
		d.undo(before)
		return
	}
	d.eventsAndLinks(row, &s)
	b.Scope[row] = d.scopes.row(&d.filler, s.scope, s.version)
	b.Status[row] = s.outcome.Status(b.Kind[row])
	start := uint64(b.Start[row])
	if b.SetTimes(row, start, start+uint64(Micros(s.duration))) || s.duration < 0 {
		d.rep.Clamped++
	}
}

// eventsAndLinks reads what was stepped over, and goes on where the span ends.
func (d *jaegerDecoder) eventsAndLinks(row int, s *jaegerSpan) {
	b, end := d.b, d.at
	events, links := uint32(len(b.Events)), uint32(len(b.Links))
	if s.references > 0 {
		d.seek(s.references)
		for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
			d.reference(row, int(links))
		}
	}
	if s.logs > 0 {
		d.seek(s.logs)
		for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
			d.log(row, int(events))
		}
	}
	d.seek(end)
	b.EventsOf[row] = span.Range{From: events, To: uint32(len(b.Events))}
	b.LinksOf[row] = span.Range{From: links, To: uint32(len(b.Links))}
}

// spanTag makes an attribute of a tag, unless the tag says what there is a field for.
func (d *jaegerDecoder) spanTag(row int, s *jaegerSpan) {
	key, a, ok := d.tag()
	if !ok {
		return
	}
	switch {
	case a.Type == span.String && d.textTag(row, s, key, a.Text()):
	case a.Type == span.Bool && a.Num != 0 && string(key) == "error":
		s.outcome.Failed = true
	case a.Type == span.Int && IsHTTPStatus(key):
		s.outcome.HTTP = int64(a.Num)
		fallthrough
	default:
		d.add(key, a)
	}
}

// textTag looks at a tag that is a string, and says whether it is done with.
func (d *jaegerDecoder) textTag(row int, s *jaegerSpan, key []byte, text span.Text) (done bool) {
	b := d.b
	switch FieldOf(key) {
	case StatusCode:
		return s.outcome.Name(b.Bytes(text))
	case StatusMessage:
		b.StatusMessage[row] = text
	case ScopeName:
		s.scope = text
	case ScopeVersion:
		s.version = text
	case TraceState:
		b.TraceState[row] = text
	case NoField:
		switch {
		case string(key) == "span.kind":
			kind, ok := span.ParseKind(string(b.Bytes(text)))
			if ok {
				b.Kind[row] = kind
			}
			return ok
		case string(key) == "error":
			s.outcome.Failed = s.outcome.Failed || string(b.Bytes(text)) == "true"
		case IsHTTPStatus(key):
			s.outcome.HTTPFrom(b.Bytes(text))
		}
		return false
	}
	return true
}

// reference reads a SpanRef, which is the parent or a link; the span's links are those from row first on.
func (d *jaegerDecoder) reference(row, first int) {
	var (
		l   span.LinkRow
		typ int32
		b   = d.b
	)
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tI32:
			typ = d.i32()
		case 2<<8 | tI64:
			l.TraceID.Lo = uint64(d.i64())
		case 3<<8 | tI64:
			l.TraceID.Hi = uint64(d.i64())
		case 4<<8 | tI64:
			l.SpanID = span.ID(d.i64())
		default:
			d.skip(tag)
		}
	}
	if l.TraceID.IsZero() || l.SpanID == 0 {
		d.rep.Cut++
		b.Dropped[row].Links++
		return
	}
	if typ == 0 && l.TraceID == b.TraceID[row] && TakeParent(&b.Parent[row], b.SpanID[row], l.SpanID) {
		return
	}
	if !d.room(len(b.Links)-first, d.lim.Links) {
		b.Dropped[row].Links++
		return
	}
	how := childOf
	if typ != 0 {
		how = followsFrom
	}
	d.beginAttrs()
	key := d.own.at(b, refType)
	d.add(b.Bytes(key), span.Attr{Key: key, Type: span.String, Num: span.TextNum(d.own.at(b, how))})
	l.Attrs, l.Dropped = d.attrs(), d.dropped
	b.Links = append(b.Links, l)
}

// log reads a Log as an event of a span whose events are those from row first on.
func (d *jaegerDecoder) log(row, first int) {
	b := d.b
	if !d.room(len(b.Events)-first, d.lim.Events) {
		b.Dropped[row].Events++
		d.skip(tStruct)
		return
	}
	var e span.EventRow
	d.beginAttrs()
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tI64:
			e.Time = Micros(d.i64())
		case 2<<8 | tList:
			for n := d.list(tStruct); n > 0 && d.err == nil; n-- {
				key, a, ok := d.tag()
				switch {
				case !ok:
				case e.Name.Len == 0 && a.Type == span.String && string(key) == "event":
					e.Name = a.Text()
				default:
					d.add(key, a)
				}
			}
		default:
			d.skip(tag)
		}
	}
	if e.Name.Len == 0 {
		e.Name = d.message()
	}
	e.Attrs, e.Dropped = d.attrs(), d.dropped
	b.Events = append(b.Events, e)
}

var messageKey = []byte("message")

// message takes the attribute of that key away, which names an event without a name.
func (d *jaegerDecoder) message() span.Text {
	b := d.b
	i := d.find(messageKey)
	if i < 0 || b.Values[i].Type != span.String {
		return span.Text{}
	}
	text := b.Values[i].Text()
	b.Values = slices.Delete(b.Values, i, i+1)
	d.elements--
	return text
}

// The types of tags.
const (
	jaegerString = 0
	jaegerDouble = 1
	jaegerBool   = 2
	jaegerLong   = 3
	jaegerBinary = 4
)

// jaegerValues are the fields of a tag, of which its type says which one counts.
type jaegerValues struct {
	typ            int32
	text, raw      []byte
	textAt, rawAt  int
	double, number uint64
	truth          bool
}

// tag reads a Tag; key is the text of a.Key. One whose key is over the limit is cut.
func (d *jaegerDecoder) tag() (key []byte, a span.Attr, ok bool) {
	var v jaegerValues
	at := 0
	for tag := d.field(); tag != tStop; tag = d.field() {
		switch tag {
		case 1<<8 | tString:
			key, at = d.binary()
		case 2<<8 | tI32:
			v.typ = d.i32()
		case 3<<8 | tString:
			v.text, v.textAt = d.binary()
		case 4<<8 | tDouble:
			v.double = math.Float64bits(d.double())
		case 5<<8 | tBool:
			v.truth = d.bool()
		case 6<<8 | tI64:
			v.number = uint64(d.i64())
		case 7<<8 | tString:
			v.raw, v.rawAt = d.binary()
		default:
			d.skip(tag)
		}
	}
	if len(key) > d.lim.KeyBytes {
		d.cut()
		return nil, a, false
	}
	a.Key = d.text(key, at)
	a.Type, a.Num = d.value(&v)
	return d.b.Bytes(a.Key), a, true
}

// value is that of a tag; one of a type that Jaeger does not have is null.
func (d *jaegerDecoder) value(v *jaegerValues) (typ span.ValueType, num uint64) {
	switch v.typ {
	case jaegerString:
		return span.String, span.TextNum(d.text(v.text, v.textAt))
	case jaegerDouble:
		return span.Double, v.double
	case jaegerBool:
		if v.truth {
			num = 1
		}
		return span.Bool, num
	case jaegerLong:
		return span.Int, v.number
	case jaegerBinary:
		n := len(v.raw)
		if n > d.lim.ValueBytes {
			n = d.lim.ValueBytes
			d.cut()
		}
		return span.Bytes, span.TextNum(span.Text{Off: uint32(v.rawAt), Len: uint32(n)})
	}
	return span.Null, 0
}
