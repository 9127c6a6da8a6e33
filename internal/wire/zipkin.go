package wire

import (
	"bytes"
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"unsafe"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file makes rows of spans in Zipkin's model of version 2 (zipkin-api, zipkin.proto), whatever encoding they came
// in. The model is poorer than OpenTelemetry's, whose exporters put what it cannot say into tags and annotations; it is
// taken back from there:
//
//   - The local endpoint is the resource: service.name, network.local.address, network.local.port. The remote one is the
//     span's attributes peer.service, network.peer.address and network.peer.port, unless a tag has the name.
//   - A span without a kind is internal, and every span is sampled: what was not is not sent.
//   - What is a field to OpenTelemetry's exporters (see FieldOf) is one. Without a status code the tag error is the
//     status (its text is the message; "false" is no error), and without that the status of HTTP.
//   - otlp.link.N is a link: trace|span|state|{attributes}|dropped.
//   - An annotation name|{attributes}|dropped is an event with attributes; any other's text is the name of one.
//   - A span without a timestamp starts at its first annotation.
//
// "shared" changes nothing: both halves of a call keep the id that they share and the parent that they say. The store
// tells them apart by kind, and the analysis draws the server's below the client's. "debug" asks not to be sampled away,
// and nothing that arrives is.

// zipkinFiller makes rows of spans. A decoder begins one, tells in any order what it reads of it, and ends it. Texts are
// given as they lie in the arena, neither checked nor shortened.
type zipkinFiller struct {
	*filler
	span      zipkinSpan
	resources rowsByKey
	scopes    scopeRows
	own       ownTexts
	buf       []byte
}

// zipkinSpan is what is known of the span at work beyond the columns of its row.
type zipkinSpan struct {
	before mark
	row    int
	ids    zipkinIDs

	start, duration int64 // µs
	first           int64 // when the earliest annotation was, µs; 0: none says
	local, remote   zipkinEndpoint

	outcome        Outcome
	message        span.Text
	failed         bool // there is a tag error
	reason         span.Text
	scope, version span.Text

	events  []zipkinEvent
	links   []zipkinLink
	dropped span.Dropped
}

// zipkinIDs are a span's ids, and how many bytes each has, as filler.valid wants it.
type zipkinIDs struct {
	trace                       span.TraceID
	id, parent                  span.ID
	traceSize, size, parentSize int
}

type zipkinEvent struct {
	at   int64 // µs
	text span.Text
}

type zipkinLink struct {
	number uint64
	text   span.Text
}

type zipkinEndpoint struct {
	service span.Text
	ip      netip.Addr // not valid: none
	port    uint16     // 0: none
}

// address takes an address of the endpoint. It has at most one of each kind, of which we keep that of version 4.
func (e *zipkinEndpoint) address(ip netip.Addr) {
	if ip = ip.Unmap().WithZone(""); ip.IsValid() && !e.ip.Is4() {
		e.ip = ip
	}
}

// addressText is address for one in text.
func (e *zipkinEndpoint) addressText(p []byte) {
	if ip, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(p), len(p))); err == nil { // keeps nothing of the text
		e.address(ip)
	}
}

func (e *zipkinEndpoint) setPort(v int64) {
	if 0 <= v && v <= math.MaxUint16 {
		e.port = uint16(v)
	}
}

// reset makes ready for a request that f fills.
func (z *zipkinFiller) reset(f *filler) {
	z.filler = f
	z.resources.reset()
	z.scopes.reset()
	clear(z.own[:])
}

func (z *zipkinFiller) begin() {
	s := &z.span
	*s = zipkinSpan{before: z.mark(), row: z.b.Add(), events: s.events[:0], links: s.links[:0]}
	z.b.Kind[s.row], z.b.Flags[s.row] = span.KindInternal, span.FlagSampled
	z.beginAttrs()
}

// at is a text as the batch shall have it: repaired and shortened.
func (z *zipkinFiller) at(t span.Text) span.Text { return z.text(z.b.Bytes(t), int(t.Off)) }

func (z *zipkinFiller) name(t span.Text) { z.b.Name[z.span.row] = z.at(t) }

// kind takes a kind as JSON has it.
func (z *zipkinFiller) kind(name []byte) {
	for k := span.KindServer; k <= span.KindConsumer; k++ {
		if bytes.EqualFold(name, zipkinKinds[k]) {
			z.b.Kind[z.span.row] = k
		}
	}
}

var zipkinKinds = [...][]byte{
	span.KindServer:   []byte("SERVER"),
	span.KindClient:   []byte("CLIENT"),
	span.KindProducer: []byte("PRODUCER"),
	span.KindConsumer: []byte("CONSUMER"),
}

func (z *zipkinFiller) tag(key, value span.Text) {
	s := &z.span
	name := z.b.Bytes(key)
	switch FieldOf(name) {
	case StatusCode:
		if s.outcome.Name(z.b.Bytes(value)) {
			return
		}
	case StatusMessage:
		s.message = value
		return
	case ScopeName:
		s.scope = value
		return
	case ScopeVersion:
		s.version = value
		return
	case TraceState:
		z.b.TraceState[s.row] = z.at(value)
		return
	case NoField:
		if z.zipkinField(name, value) {
			return
		}
	}
	if len(name) > z.lim.KeyBytes {
		z.cut()
		return
	}
	a := span.Attr{Key: z.at(key), Type: span.String, Num: span.TextNum(z.at(value))}
	z.add(z.b.Bytes(a.Key), a)
}

// zipkinField takes a tag that is no attribute in Zipkin alone, and says whether it is one.
func (z *zipkinFiller) zipkinField(name []byte, value span.Text) bool {
	if string(name) == "error" {
		z.span.failed, z.span.reason = true, value
		return true
	}
	if IsHTTPStatus(name) {
		z.span.outcome.HTTPFrom(z.b.Bytes(value))
		return false
	}
	number, ok := bytes.CutPrefix(name, []byte("otlp.link."))
	if ok {
		z.noteLink(number, value)
	}
	return ok
}

// noteLink and annotation note what is made when the span has all its attributes: an owner's lie in one run.
func (z *zipkinFiller) noteLink(number []byte, value span.Text) {
	s := &z.span
	if !z.room(len(s.links), z.lim.Links) {
		s.dropped.Links++
		return
	}
	n, ok := digits(number)
	if !ok {
		n = math.MaxUint64
	}
	s.links = append(s.links, zipkinLink{n, value})
}

// annotation takes one of a time in µs.
func (z *zipkinFiller) annotation(at int64, value span.Text) {
	s := &z.span
	if at > 0 && (s.first == 0 || at < s.first) {
		s.first = at
	}
	if !z.room(len(s.events), z.lim.Events) {
		s.dropped.Events++
		return
	}
	s.events = append(s.events, zipkinEvent{at, value})
}

// end completes the span, or takes it back if it is not valid.
func (z *zipkinFiller) end() {
	s, b := &z.span, z.b
	ids, row := &s.ids, s.row
	b.TraceID[row], b.SpanID[row] = ids.trace, ids.id
	if ids.parent != ids.id { // so some say that there is none
		b.Parent[row] = ids.parent
	}
	if !z.valid(row, ids.traceSize, ids.size, ids.parentSize) {
		z.undo(s.before)
		return
	}
	z.endpoint(&s.remote, peerService)
	z.status()
	b.Attrs[row] = z.attrs()
	s.dropped.Attrs = plus(s.dropped.Attrs, z.dropped)
	b.Resource[row], b.Scope[row] = z.resource(), z.scopes.row(z.filler, s.scope, s.version)
	z.makeEvents()
	z.makeLinks()
	b.Dropped[row] = s.dropped
	z.times()
}

func (z *zipkinFiller) times() {
	s := &z.span
	if s.start <= 0 {
		s.start = s.first
	}
	start := uint64(Micros(s.start))
	if z.b.SetTimes(s.row, start, start+uint64(Micros(s.duration))) || s.duration < 0 {
		z.rep.Clamped++
	}
}

func (z *zipkinFiller) status() {
	s, b := &z.span, z.b
	reason := b.Bytes(s.reason)
	good := string(reason) == "false"
	if s.failed {
		s.outcome.Failed, s.outcome.HTTP = !good, 0
	}
	b.Status[s.row] = s.outcome.Status(b.Kind[s.row])
	switch {
	case s.message.Len > 0:
		b.StatusMessage[s.row] = z.at(s.message)
	case !good && string(reason) != "true":
		b.StatusMessage[s.row] = z.at(s.reason)
	}
}

// endpoint makes attributes of an endpoint: from name on they are service, address and port.
func (z *zipkinFiller) endpoint(e *zipkinEndpoint, name int) {
	if e.service.Len > 0 {
		z.attribute(name, span.String, func() uint64 { return span.TextNum(z.at(e.service)) })
	}
	if e.ip.IsValid() {
		z.attribute(name+1, span.String, func() uint64 {
			z.buf = e.ip.AppendTo(z.buf[:0])
			return span.TextNum(z.b.PutBytes(z.buf))
		})
	}
	if e.port > 0 {
		z.attribute(name+2, span.Int, func() uint64 { return uint64(e.port) })
	}
}

// attribute adds an attribute of a name of ours, unless there is one.
func (z *zipkinFiller) attribute(name int, typ span.ValueType, num func() uint64) {
	key := z.own.at(z.b, name)
	if !z.has(z.b.Bytes(key)) {
		a := span.Attr{Key: key, Type: typ, Num: num()}
		z.add(z.b.Bytes(key), a)
	}
}

// resource is the row of the local endpoint.
func (z *zipkinFiller) resource() uint32 {
	e := &z.span.local
	ip := e.ip.As16()
	key := append(z.buf[:0], byte(e.ip.BitLen()), byte(e.port>>8), byte(e.port))
	key = append(append(key, ip[:]...), z.b.Bytes(e.service)...)
	z.buf = key
	row, ok := z.resources.find(key)
	if !ok {
		row = uint32(len(z.b.Resources))
		z.resources.put(key, row)
		z.beginAttrs()
		z.endpoint(e, serviceName)
		z.b.Resources = append(z.b.Resources, span.ResourceRow{Attrs: z.attrs(), Dropped: z.dropped})
	}
	return row
}

func (z *zipkinFiller) makeEvents() {
	s, b := &z.span, z.b
	from := uint32(len(b.Events))
	for _, e := range s.events {
		z.beginAttrs()
		row := span.EventRow{Time: Micros(e.at), Name: z.at(e.text)}
		if name, attrs, dropped, ok := z.unpack(row.Name); ok {
			row.Name, row.Dropped = name, dropped
			z.addAll(attrs)
		}
		row.Attrs, row.Dropped = z.attrs(), plus(row.Dropped, z.dropped)
		b.Events = append(b.Events, row)
	}
	b.EventsOf[s.row] = span.Range{From: from, To: uint32(len(b.Events))}
}

// makeLinks makes the links in order of their numbers. One that is none is dropped, and counted like one over a limit.
func (z *zipkinFiller) makeLinks() {
	s, b := &z.span, z.b
	from := uint32(len(b.Links))
	slices.SortStableFunc(s.links, func(x, y zipkinLink) int { return cmp.Compare(x.number, y.number) })
	for _, l := range s.links {
		z.beginAttrs()
		row, attrs, ok := z.link(z.at(l.text))
		if !ok {
			z.elements--
			z.rep.Cut++
			s.dropped.Links++
			continue
		}
		z.addAll(attrs)
		row.Attrs, row.Dropped = z.attrs(), plus(row.Dropped, z.dropped)
		b.Links = append(b.Links, row)
	}
	b.LinksOf[s.row] = span.Range{From: from, To: uint32(len(b.Links))}
}

// link reads trace|span|state|{attributes}|dropped.
func (z *zipkinFiller) link(t span.Text) (row span.LinkRow, attrs []span.Attribute, ok bool) {
	head, attrs, dropped, ok := z.unpack(t)
	if !ok {
		return row, nil, false
	}
	traceID, rest, _ := bytes.Cut(z.b.Bytes(head), []byte("|"))
	spanID, state, ok := bytes.Cut(rest, []byte("|"))
	var traceSize, size int
	row.TraceID, traceSize = zipkinTraceID(traceID)
	row.SpanID, size = zipkinID(spanID)
	row.TraceState = span.Text{Off: head.Off + head.Len - uint32(len(state)), Len: uint32(len(state))}
	row.Dropped = dropped
	return row, attrs, ok && traceSize == 16 && size == 8
}

// unpack takes apart what OpenTelemetry's exporters write for an event or a link: head|{attributes}|dropped. The text is as the batch
// has it, so its parts are too. Hardly any text is of that form, so that it is made of objects does not matter.
func (z *zipkinFiller) unpack(t span.Text) (head span.Text, attrs []span.Attribute, dropped uint32, ok bool) {
	p := z.b.Bytes(t)
	from, to := bytes.Index(p, []byte("|{")), bytes.LastIndexByte(p, '|')
	if from < 0 || from >= to {
		return head, nil, 0, false
	}
	n, err := strconv.ParseUint(string(p[to+1:]), 10, 32)
	if err != nil {
		return head, nil, 0, false
	}
	inner := p[from+1 : to]
	if jsonNesting(inner) > z.lim.Depth+1 {
		z.cut()
		return head, nil, 0, false
	}
	attrs, err = span.ParseJSONMap(string(inner))
	for i := range attrs {
		attrs[i].Value = span.NormalJSON(attrs[i].Value)
	}
	return span.Text{Off: t.Off, Len: uint32(from)}, attrs, uint32(n), err == nil
}

// jsonNesting is how deep lists and maps in a JSON text are nested.
func jsonNesting(p []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return most
}

func (z *zipkinFiller) addAll(attrs []span.Attribute) {
	for _, a := range attrs {
		if len(a.Key) > z.lim.KeyBytes {
			z.cut()
			continue
		}
		row := span.Attr{Key: z.b.PutText(a.Key), Type: a.Value.Type, Num: a.Value.Num}
		if a.Value.Type.IsText() {
			row.Num = span.TextNum(z.b.PutText(a.Value.Str))
		}
		z.add(z.b.Bytes(row.Key), row)
	}
}

// zipkinTraceID reads a trace id of up to 32 hex digits, and says how many bytes it has: 16 if it is one, 0 if there is
// none, -1 if something else is among them.
func zipkinTraceID(p []byte) (id span.TraceID, size int) {
	id.Hi, id.Lo, size = zipkinHex(p, 16)
	return id, size
}

// zipkinID is zipkinTraceID for the id of a span, which has up to 16 digits and then 8 bytes.
func zipkinID(p []byte) (id span.ID, size int) {
	_, lo, size := zipkinHex(p, 8)
	return span.ID(lo), size
}

func zipkinHex(p []byte, size int) (hi, lo uint64, n int) {
	if n = (len(p) + 1) / 2; n == 0 || n > size {
		return 0, 0, n
	}
	for _, c := range p {
		v := hexValue(c)
		if v > 15 {
			return 0, 0, -1
		}
		hi, lo = hi<<4|lo>>60, lo<<4|uint64(v)
	}
	return hi, lo, size
}

func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}
