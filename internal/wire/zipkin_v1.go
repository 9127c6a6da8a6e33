package wire

import (
	"bytes"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file makes spans of version 2 out of Zipkin's of version 1, by the rules of its own servers. Version 1 has no kind
// and no endpoint of its own: each annotation names the endpoint that it was made at, and those of well-known values,
// which are the core ones, say what a span is of. When both sides of a call, or of a message, stand in one span, it is
// two of version 2. What says nothing of the kind becomes an event.

// zipkinV1 gathers what a decoder reads of a span, and passes on what it makes of it. Texts are given as for
// zipkinFiller.
type zipkinV1 struct {
	out             *zipkinFiller
	ids             zipkinIDs
	name            span.Text
	start, duration int64 // µs
	annotations     []v1Annotation
	tags            []v1Tag
	dropped         span.Dropped
	core            [coreKinds]v1Core
	parts           []v1Part
}

type v1Annotation struct {
	at    int64 // µs
	value span.Text
	host  zipkinEndpoint
	part  int
	event bool
}

// v1Tag is a binary annotation.
type v1Tag struct {
	key, value span.Text
	host       zipkinEndpoint
	part       int
}

// v1Core is a core annotation. One that was not there but follows from others has no place among them: from is -1.
type v1Core struct {
	ok         bool
	at         int64
	host       zipkinEndpoint
	part, from int
}

// v1Part is a span of version 2 in the making: what one service says.
type v1Part struct {
	kind            span.Kind // unspecified: not known
	local, remote   zipkinEndpoint
	start, duration int64
	says            bool // more than that there is the service
}

// maxParts bounds the services in one span. What further ones say is the first one's.
const maxParts = 8

// The core annotations.
const (
	clientSend = iota
	clientReceive
	serverSend
	serverReceive
	messageSend
	messageReceive
	wireSend
	wireReceive
	coreKinds
)

var v1Cores = [coreKinds]struct {
	value string
	kind  span.Kind
}{
	clientSend:     {"cs", span.KindClient},
	clientReceive:  {"cr", span.KindClient},
	serverSend:     {"ss", span.KindServer},
	serverReceive:  {"sr", span.KindServer},
	messageSend:    {"ms", span.KindProducer},
	messageReceive: {"mr", span.KindConsumer},
	wireSend:       {"ws", span.KindUnspecified},
	wireReceive:    {"wr", span.KindUnspecified},
}

func (e *zipkinEndpoint) said() bool { return e.service.Len > 0 || e.ip.IsValid() || e.port > 0 }

func (v *zipkinV1) begin(out *zipkinFiller) {
	*v = zipkinV1{out: out, annotations: v.annotations[:0], tags: v.tags[:0], parts: v.parts[:0]}
}

func (v *zipkinV1) annotation(at int64, value span.Text, host zipkinEndpoint) {
	if len(v.annotations) >= v.out.lim.Events {
		v.dropped.Events++
		v.out.beyond()
		return
	}
	v.annotations = append(v.annotations, v1Annotation{at: at, value: value, host: host})
}

func (v *zipkinV1) tag(key, value span.Text, host zipkinEndpoint) {
	if len(v.tags) >= v.out.lim.Attributes {
		v.dropped.Attrs++
		v.out.beyond()
		return
	}
	v.tags = append(v.tags, v1Tag{key: key, value: value, host: host})
}

// end makes the spans.
func (v *zipkinV1) end() {
	v.parts = append(v.parts, v1Part{}) // takes what names no endpoint
	for i := range v.annotations {
		v.place(i)
	}
	v.call()
	v.message()
	v.endpoints()
	v.passAll()
}

// passAll passes on the parts that say something, and the first if none does.
func (v *zipkinV1) passAll() {
	for _, a := range v.annotations {
		if a.event {
			v.parts[a.part].says = true
		}
	}
	for _, t := range v.tags {
		v.parts[t.part].says = true
	}
	passed := 0
	for i, p := range v.parts {
		if !p.says {
			continue
		}
		if passed > 0 && v.out.full() || !v.pass(i) {
			return
		}
		passed++
	}
	if passed == 0 {
		v.pass(0)
	}
}

// place finds the part that an annotation is of, and whether it is a core one. Of two with the same value the last
// counts.
func (v *zipkinV1) place(i int) {
	a := &v.annotations[i]
	a.part, a.event = v.part(&a.host, true), true
	value := v.out.b.Bytes(a.value)
	if len(value) != 2 || !a.host.said() {
		return
	}
	for k := range v.core {
		if string(value) != v1Cores[k].value {
			continue
		}
		v.asEvent(k)
		v.core[k] = v1Core{ok: true, at: a.at, host: a.host, part: a.part, from: i}
		a.event = false
		if kind := v1Cores[k].kind; kind != span.KindUnspecified {
			v.parts[a.part].kind = kind
		}
	}
}

// part is the part of the endpoint's service: one that is there, or if more may be, a new one.
func (v *zipkinV1) part(host *zipkinEndpoint, more bool) int {
	if !host.said() {
		return 0
	}
	if !v.parts[0].local.said() {
		v.parts[0].local = *host
		return 0
	}
	for i := range v.parts {
		if v.sameService(&v.parts[i].local, host) {
			return i
		}
	}
	if !more || len(v.parts) == maxParts {
		return 0
	}
	return v.newPart(host)
}

func (v *zipkinV1) newPart(host *zipkinEndpoint) int {
	v.parts = append(v.parts, v1Part{local: *host})
	return len(v.parts) - 1
}

func (v *zipkinV1) sameService(x, y *zipkinEndpoint) bool {
	return bytes.Equal(v.out.b.Bytes(x.service), v.out.b.Bytes(y.service))
}

func (v *zipkinV1) same(x, y *zipkinEndpoint) bool {
	return x.ip == y.ip && x.port == y.port && v.sameService(x, y)
}

// asEvent makes an event of a core annotation after all.
func (v *zipkinV1) asEvent(k int) {
	if c := v.core[k]; c.ok && c.from >= 0 {
		v.annotations[c.from].event = true
	}
}

// asEventWithout makes an event of an annotation of which only one end is there.
func (v *zipkinV1) asEventWithout(k, other int) {
	if !v.core[other].ok {
		v.asEvent(k)
	}
}

// call says what the span knows as one of a call.
func (v *zipkinV1) call() {
	v.infer(clientSend, clientReceive)
	v.infer(serverReceive, serverSend)
	cs, cr, sr, ss := &v.core[clientSend], &v.core[clientReceive], &v.core[serverReceive], &v.core[serverSend]
	switch {
	case cs.ok && sr.ok:
		v.apart(cs, sr)
		v.takes(cs, cr, span.KindClient)
		v.lasts(sr, ss, span.KindServer) // the span's own times are the client's
	case cs.ok && cr.ok:
		v.takes(cs, cr, span.KindClient)
	case sr.ok && ss.ok:
		v.takes(sr, ss, span.KindServer)
	default:
		if cs.ok {
			v.lasts(cs, cr, span.KindClient)
		}
		if sr.ok {
			v.lasts(sr, ss, span.KindServer)
		}
		if p := &v.parts[0]; v.start > 0 {
			p.start, p.duration, p.says = v.start, v.duration, true
		}
	}
	v.asEventWithout(clientReceive, clientSend)
	v.asEventWithout(serverSend, serverReceive)
}

// infer finds the first annotation of two by the second, if it ends what the span says it lasts.
func (v *zipkinV1) infer(first, second int) {
	c := v.core[second]
	if v.core[first].ok || !c.ok || v.start <= 0 || v.duration <= 0 || c.at-v.start != v.duration {
		return
	}
	c.at, c.from = v.start, -1
	v.core[first] = c
}

// apart gives the second side of a call a part of its own where a service calls itself.
func (v *zipkinV1) apart(side, other *v1Core) {
	if side.part == other.part {
		other.part = v.newPart(&other.host)
	}
}

// takes sets the times of the part that begins with an annotation: those of the span if it has any, else those between
// the annotations.
func (v *zipkinV1) takes(begin, end *v1Core, kind span.Kind) {
	v.lasts(begin, end, kind)
	if p := &v.parts[begin.part]; v.start > 0 && v.duration > 0 {
		p.start, p.duration = v.start, v.duration
	}
}

func (v *zipkinV1) lasts(begin, end *v1Core, kind span.Kind) {
	p := &v.parts[begin.part]
	p.kind, p.start, p.duration, p.says = kind, begin.at, 0, true
	if end.ok {
		p.duration = end.at - begin.at
	}
}

// message says what the span knows as one of a message. A message is sent from ms to ws and received from wr to mr.
func (v *zipkinV1) message() {
	ms, mr, ws, wr := &v.core[messageSend], &v.core[messageReceive], &v.core[wireSend], &v.core[wireReceive]
	if ms.ok && mr.ok {
		v.apart(ms, mr)
	}
	from := mr
	if wr.ok {
		from = wr
		from.part = mr.part
	}
	switch {
	case ms.ok && mr.ok:
		v.lasts(ms, ws, span.KindProducer)
		v.lasts(from, mr, span.KindConsumer)
	case ms.ok:
		v.takes(ms, ws, span.KindProducer)
	case mr.ok:
		v.takes(from, mr, span.KindConsumer)
	}
	v.asEventWithout(wireSend, messageSend)
	v.asEventWithout(wireReceive, messageReceive)
}

// endpoints sorts the binary annotations into parts. Three of them are none but the address of the other side: sa of
// the server, ca of the client, ma of the broker. (Their value should be true; some send another.)
func (v *zipkinV1) endpoints() {
	var sa, ca, ma zipkinEndpoint
	kept := v.tags[:0]
	for _, t := range v.tags {
		switch key := string(v.out.b.Bytes(t.key)); {
		case key == "sa" && t.host.said():
			sa = t.host
		case key == "ca" && t.host.said():
			ca = t.host
		case key == "ma" && t.host.said():
			ma = t.host
		default:
			t.part = v.part(&t.host, false)
			if key != "lc" || t.value.Len > 0 { // marks a local span, which every one without a kind is
				kept = append(kept, t)
			}
		}
	}
	v.tags = kept

	client, server := v.either(clientSend, clientReceive), v.either(serverReceive, serverSend)
	switch {
	case client.ok || server.ok:
		if ca.said() && server.ok && v.sameService(&ca, &server.host) && !v.same(&ca, &server.host) {
			ca.service = span.Text{} // of the socket it was accepted from, as finagle says it: not a service that calls itself
		}
		v.remote(client, &sa)
		v.remote(server, &ca)
	case sa.said() && ca.said():
		v.parts[v.part(&ca, false)].remote = sa
	case sa.said():
		v.parts[0].remote = sa
	case ca.said():
		v.parts[0].kind, v.parts[0].remote = span.KindServer, ca
	}
	v.remote(&v.core[messageSend], &ma)
	v.remote(&v.core[messageReceive], &ma)
}

// either is the first of two core annotations that is there.
func (v *zipkinV1) either(k, other int) *v1Core {
	if v.core[k].ok {
		return &v.core[k]
	}
	return &v.core[other]
}

// remote sets the other side of the part that a core annotation is of, unless it is that side itself.
func (v *zipkinV1) remote(of *v1Core, host *zipkinEndpoint) {
	if of.ok && host.said() && !v.same(host, &of.host) {
		v.parts[of.part].remote = *host
	}
}

// pass passes a part on, and says whether there is a use in passing the next: a span of no valid ids is counted once.
func (v *zipkinV1) pass(i int) bool {
	z, p := v.out, &v.parts[i]
	rows := z.b.Len()
	z.begin()
	s := &z.span
	s.ids, s.local, s.remote, s.start, s.duration = v.ids, p.local, p.remote, p.start, p.duration
	s.dropped, v.dropped = v.dropped, span.Dropped{} // the first of them counts it
	z.name(v.name)
	v.name = z.b.Name[s.row] // or each part would repair it in memory of its own
	if p.kind != span.KindUnspecified {
		z.b.Kind[s.row] = p.kind
	}
	for _, t := range v.tags {
		if t.part == i {
			z.tag(t.key, t.value)
		}
	}
	for _, a := range v.annotations {
		if a.part == i && a.event {
			z.annotation(a.at, a.value)
		}
	}
	z.end()
	return z.b.Len() > rows
}
