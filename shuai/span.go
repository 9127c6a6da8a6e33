package shuai

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
)

// Kind says which side of a call a span is; the numbers are OTLP's.
type Kind uint8

// The kinds of span.
const (
	KindInternal Kind = 1 + iota // work inside a service
	KindServer                   // a call that the service answers
	KindClient                   // a call that the service makes and waits for
	KindProducer                 // a message sent
	KindConsumer                 // a message handled
)

// Status is the outcome of a span; the numbers are OTLP's.
type Status uint8

// The outcomes of a span.
const (
	StatusUnset Status = iota // nothing went wrong
	StatusOK                  // the application says so, whatever an instrumentation found; final
	StatusError
)

// Flags are those of a W3C traceparent.
type Flags uint8

// The flags that are known. Others are not passed on, as the specification asks.
const (
	FlagSampled Flags = flagSampled // the trace is recorded
	FlagRandom  Flags = flagRandom  // level 2: the low 56 bits of the trace id are random
)

// The bits of [Flags], and ours in the same byte. They never change.
const (
	flagSampled = 1 << 0
	flagRandom  = 1 << 1
	wireFlags   = flagSampled | flagRandom

	flagState     = 1 << 2 // there is a tracestate
	flagUndecided = 1 << 3 // a remote span whose caller left it to us whether the trace is recorded
	flagDecided   = 1 << 4 // a remote span without ids, whose flagSampled says what is to become of a root
	flagRecorded  = 1 << 5 // the span has a record of its own, in which it keeps what it is told
	flagRemote    = 1 << 6 // made by Extract: the span is in another process
	flagMuted     = 1 << 7 // nothing below this span is traced
)

// Bits of Span.meta above the flags.
const (
	metaEnded  = 1 << 8
	metaFailed = 1 << 9  // the status is StatusError
	metaOK     = 1 << 10 // the status is StatusOK
	metaRoot   = 1 << 11 // the span began a trace
	metaLocked = 1 << 12 // somebody is at the record

	metaShift     = 13 // above: the odds of a span that is recorded or remote; of another, the start
	flagsAndState = 1<<metaShift - 1
)

// Span is one timed piece of work, and the context in which it is done. All methods are safe for
// concurrent use and for a nil Span; those that change it do nothing when it has ended, and next to nothing when
// it is not recorded.
//
// It has 64 bytes, and starting it is one allocation. What only a recorded span needs is in a record of its own, which is used
// again once it has been exported: nothing that a span has been told, and no context, is kept alive by what waits for the
// collector. A span is not to be copied, as go vet says as well: the copy would not know that it has ended.
type Span struct {
	_      noCopy
	ctx    context.Context // what is asked for anything but the span; never itself a *Span
	series *series         // under which it is counted, and by which it knows its tracer; nil for a remote and for a no-op span; atomic
	rec    *record         // if it is recorded, until it has ended; or, with flagState, where the tracestate is
	trace  TraceID
	id     uint64 // a span that is not recorded gets its id when it is first asked for; atomic
	meta   uint64 // the flags; what has become of it; its odds or the start, nanoseconds of the monotonic clock modulo 26 days; atomic
}

// noCopy is known to go vet as something that must not be copied.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// record is what only a recorded span has. While the span is open it belongs to who has set metaLocked, and when the span has ended to
// the exporter, and then to another span: a span that has ended does not touch it.
type record struct {
	tracer   *Tracer
	trace    TraceID
	id       SpanID
	parent   SpanID
	odds     odds
	begin    int64 // nanoseconds of the monotonic clock
	start    int64 // the same as Unix nanoseconds
	duration time.Duration
	name     string
	more     *moreThanMostNeed
	size     int32 // bytes, with all that it refers to; once the span has ended
	flags    uint8 // the span's
	kind     Kind
	status   Status
	remote   bool   // the parent is in another process
	count    uint8  // of attributes in first
	lengths  uint64 // of their keys, modulo 64, a bit each: a key of another length is a new one
	first    [inlineAttrs]Attr
}

var records = sync.Pool{New: func() any { return new(record) }}

// recycle gives the record to the next span. One with a tracestate is left to its span, which may still be asked for it.
func (r *record) recycle() {
	if r.flags&flagState != 0 {
		return
	}
	for i := range r.first[:r.count] {
		r.first[i].key, r.first[i].ptr = "", nil // what refers to memory; half the cost of clear
	}
	r.name, r.more, r.status, r.remote, r.parent, r.count, r.lengths = "", nil, StatusUnset, false, 0, 0, 0
	records.Put(r)
}

type moreThanMostNeed struct {
	state   string // tracestate; set before the span is published
	message string // of StatusError
	attrs   []Attr
	events  []event
	links   []link

	droppedAttrs, droppedEvents, droppedLinks uint32
}

// epoch is where the monotonic clock is read from: half the memory of a time.Time.
var epoch = time.Now()

// monotonic reads the clock by which spans are timed, in nanoseconds: half the cost of time.Now, which reads two.
func monotonic() int64 { return int64(time.Since(epoch)) }

type event struct {
	time  int64 // Unix nanoseconds
	name  string
	attrs []Attr
}

type link struct {
	trace TraceID
	span  SpanID
	flags uint8
	state string // tracestate
	attrs []Attr
}

const (
	// inlineAttrs is what an HTTP server's span needs; more go to a slice.
	inlineAttrs = 7
	// What a span may hold, as in OpenTelemetry's SDKs; more is counted and dropped.
	maxAttrs, maxEvents, maxLinks = 128, 128, 128

	spanBytes  = int(unsafe.Sizeof(record{}))
	moreBytes  = int(unsafe.Sizeof(moreThanMostNeed{}))
	attrBytes  = int(unsafe.Sizeof(Attr{}))
	eventBytes = int(unsafe.Sizeof(event{}))
	linkBytes  = int(unsafe.Sizeof(link{}))
)

// spanKey is the key under which a span answers for itself.
type spanKey struct{}

// SpanFromContext returns the span in which ctx runs, which may be one in another process, or nil,
// whose methods may be called.
func SpanFromContext(ctx context.Context) *Span {
	if s, ok := ctx.(*Span); ok { // mostly, and inlined
		return s
	}
	return spanAround(ctx)
}

func spanAround(ctx context.Context) *Span {
	if ctx == nil {
		return nil
	}
	if b := bridge.Installed.Load(); b != nil {
		view := ctx.Value(b.Key) // the nearest of both kinds: ours answer for that key too
		if view == nil {
			return nil
		}
		s, _ := b.Span(view).(*Span)
		return s
	}
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}

// Deadline is that of the context in which the span was started, as are Done, Err and Value.
func (s *Span) Deadline() (time.Time, bool) { return s.base().Deadline() }

// Done is part of [context.Context].
func (s *Span) Done() <-chan struct{} { return s.base().Done() }

// Err is part of [context.Context].
func (s *Span) Err() error { return s.base().Err() }

// Value is part of [context.Context].
func (s *Span) Value(key any) any {
	if _, ok := key.(spanKey); ok {
		return s
	}
	if b := bridge.Installed.Load(); b != nil && key == b.Key {
		return b.View(s)
	}
	return s.base().Value(key)
}

func (s *Span) base() context.Context {
	if s == nil || s.ctx == nil {
		return context.Background()
	}
	return s.ctx
}

// String names the span in logs, as the contexts of package context do.
func (s *Span) String() string {
	if s == nil || s.trace.IsZero() {
		return "shuai.Span(none)"
	}
	return "shuai.Span(" + s.trace.String() + "-" + s.SpanID().String() + ")"
}

// TraceID is the id of the trace; zero for a no-op span.
func (s *Span) TraceID() TraceID {
	if s == nil {
		return TraceID{}
	}
	return s.trace
}

// SpanID is the id of the span; zero for a no-op span.
func (s *Span) SpanID() SpanID {
	if s == nil {
		return 0
	}
	id := atomic.LoadUint64(&s.id)
	if t := s.Tracer(); id == 0 && t != nil {
		atomic.CompareAndSwapUint64(&s.id, 0, uint64(t.ids.spanID(t.unixNano(monotonic()), 0)))
		id = atomic.LoadUint64(&s.id)
	}
	return SpanID(id)
}

// Sampled reports whether the trace is recorded, here and in the services that are called.
func (s *Span) Sampled() bool { return s != nil && s.flags()&flagSampled != 0 }

// Recording reports whether the span keeps what it is told: whether an attribute that is
// expensive to compute is worth it.
func (s *Span) Recording() bool {
	return s != nil && atomic.LoadUint64(&s.meta)&(flagRecorded|metaEnded) == flagRecorded
}

// Ended reports whether the span has ended, after which nothing changes it.
func (s *Span) Ended() bool { return s != nil && atomic.LoadUint64(&s.meta)&metaEnded != 0 }

// Counted reports whether the span's end, name, type and outcome matter to somebody: whether it is recorded or the
// statistics count it.
func (s *Span) Counted() bool { return s.Recording() || s.countable() != nil }

// Decided reports whether it is settled if a child of the span will be recorded. Where it is not, the tracer that starts the child decides, by
// its name as well: of a root, which has no parent, and if a caller in another process leaves it to us.
func (s *Span) Decided() bool {
	return s != nil && (s.flags()&(flagDecided|flagMuted) != 0 || s.valid() && s.flags()&flagUndecided == 0)
}

// Remote reports whether the span is in another process: [Extract] or [Remote] made it.
func (s *Span) Remote() bool { return s != nil && s.flags()&flagRemote != 0 }

// Flags are those of the span's traceparent.
func (s *Span) Flags() Flags {
	if s == nil {
		return 0
	}
	return Flags(s.flags() & wireFlags)
}

// Tracestate is what other tracing systems passed along, as in the W3C header of that name.
func (s *Span) Tracestate() string {
	if s == nil {
		return ""
	}
	return s.state()
}

// Tracer is the one that made the span, whatever its scope; nil for a remote and for a no-op span.
func (s *Span) Tracer() *Tracer {
	if s == nil {
		return nil
	}
	if c := s.counted(); c != nil {
		return c.tracer
	}
	return nil
}

func (s *Span) flags() uint8 { return uint8(atomic.LoadUint64(&s.meta)) }

// counted is the series that the span is counted under.
func (s *Span) counted() *series {
	return (*atomic.Pointer[series])(unsafe.Pointer(&s.series)).Load()
}

// elapsed is the time to now from the start of a span that is not recorded, which is in meta.
func elapsed(meta uint64, now int64) int64 {
	return int64(uint64(now)<<metaShift-meta&^flagsAndState) >> metaShift
}

// odds are those of the span's trace.
func (s *Span) odds() odds {
	meta := atomic.LoadUint64(&s.meta)
	if meta&(flagRecorded|flagRemote) == 0 {
		return 0
	}
	return odds(meta >> metaShift)
}

// valid reports whether the span can be a parent.
func (s *Span) valid() bool { return s != nil && !s.trace.IsZero() }

func (s *Span) state() string {
	if s.flags()&flagState != 0 {
		return s.rec.more.state
	}
	if o := s.odds(); o != 0 {
		return o.String()
	}
	return ""
}

// lock returns the record if it can be changed, locked; else nil.
func (s *Span) lock() *record {
	if s == nil {
		return nil
	}
	for {
		meta := atomic.LoadUint64(&s.meta)
		switch {
		case meta&(flagRecorded|metaEnded) != flagRecorded:
			return nil
		case meta&metaLocked != 0: // for as long as it takes to write an attribute
			runtime.Gosched()
		case atomic.CompareAndSwapUint64(&s.meta, meta, meta|metaLocked):
			return s.rec
		}
	}
}

func (s *Span) unlock() { atomic.AndUint64(&s.meta, ^uint64(metaLocked)) }

// SetString sets an attribute. Setting a key again replaces its value.
func (s *Span) SetString(key, v string) {
	if s.Recording() { // the check is inlined: no call for a span that is not recorded
		s.setString(key, v)
	}
}

// SetInt sets an attribute. Setting a key again replaces its value.
func (s *Span) SetInt(key string, v int64) {
	if s.Recording() {
		s.setInt(key, v)
	}
}

// SetFloat sets an attribute. Setting a key again replaces its value.
func (s *Span) SetFloat(key string, v float64) {
	if s.Recording() {
		s.setFloat(key, v)
	}
}

// SetBool sets an attribute. Setting a key again replaces its value.
func (s *Span) SetBool(key string, v bool) {
	if s.Recording() {
		s.setBool(key, v)
	}
}

//go:noinline
func (s *Span) setString(key, v string) { s.set(String(key, v)) }

//go:noinline
func (s *Span) setInt(key string, v int64) { s.set(Int(key, v)) }

//go:noinline
func (s *Span) setFloat(key string, v float64) { s.set(Float(key, v)) }

//go:noinline
func (s *Span) setBool(key string, v bool) { s.set(Bool(key, v)) }

func (s *Span) set(a Attr) {
	if r := s.lock(); r != nil {
		r.set(&a)
		s.unlock()
	}
}

// Set sets attributes. Setting a key again replaces its value.
func (s *Span) Set(attrs ...Attr) {
	if r := s.lock(); r != nil {
		for i := range attrs {
			r.set(&attrs[i])
		}
		s.unlock()
	}
}

// set is called with the lock held.
func (r *record) set(a *Attr) {
	n, length := r.count, uint64(1)<<(len(a.key)&63)
	if n >= inlineAttrs || r.lengths&length != 0 || a.key == "" {
		r.setAgain(a)
		return
	}
	r.first[n] = *a
	r.count, r.lengths = n+1, r.lengths|length
}

// setAgain is for an attribute that may have been set before, or has no place among the first. One without a key is none.
func (r *record) setAgain(a *Attr) {
	if a.key == "" {
		r.extra().droppedAttrs++
		return
	}
	n := int(r.count)
	for i := range r.first[:n] {
		if r.first[i].key == a.key {
			r.first[i] = *a
			return
		}
	}
	if n < inlineAttrs {
		r.first[n] = *a
		r.count++
		return
	}
	m := r.extra()
	for i := range m.attrs {
		if m.attrs[i].key == a.key {
			m.attrs[i] = *a
			return
		}
	}
	if n+len(m.attrs) >= maxAttrs {
		m.droppedAttrs++
		return
	}
	m.attrs = append(m.attrs, *a)
}

func (r *record) extra() *moreThanMostNeed {
	if r.more == nil {
		r.more = new(moreThanMostNeed)
	}
	return r.more
}

// SetName replaces the name given at the start, for instance when the route is known.
func (s *Span) SetName(name string) {
	if r := s.lock(); r != nil {
		r.name = clip(name)
		s.unlock()
	}
	for c := s.countable(); c != nil && !s.countAs(c, name, c.typ); {
		c = s.countable()
	}
}

// Rename is SetName if the name is still from: for an instrumentation that learns late what the work is called, and is not to replace
// a name that the application has given.
func (s *Span) Rename(from, to string) {
	if r := s.lock(); r != nil {
		mine := r.name == clip(from)
		if mine {
			r.name = clip(to)
		}
		s.unlock()
		if !mine {
			return
		}
	}
	for c := s.countable(); c != nil && c.counts(from) && !s.countAs(c, to, c.typ); {
		c = s.countable()
	}
}

// SetType says which class of calls the span belongs to, where its name does not say that: "mysql", "redis", or the host and
// the route of a request made. The statistics, which see no attributes, tell spans apart by it.
func (s *Span) SetType(typ string) {
	for c := s.countable(); c != nil && !s.countAs(c, c.name, typ); {
		c = s.countable()
	}
}

// countable is what the span would be counted under if it ended now, if it is going to be counted.
func (s *Span) countable() *series {
	if s == nil || atomic.LoadUint64(&s.meta)&metaEnded != 0 {
		return nil
	}
	if c := s.counted(); c != nil && c.tracer.statistics != nil {
		return c
	}
	return nil
}

// countAs moves the span from series c to that of a name and type, unless another goroutine has moved it meanwhile.
func (s *Span) countAs(c *series, name, typ string) (ok bool) {
	if c.name == name && c.typ == typ {
		return true
	}
	return (*atomic.Pointer[series])(unsafe.Pointer(&s.series)).CompareAndSwap(c, c.tracer.statistics.find(c.kind, name, typ))
}

// SetStatus sets the outcome; the message is kept for StatusError alone. StatusOK is final, and
// StatusUnset changes nothing, as OpenTelemetry specifies.
func (s *Span) SetStatus(status Status, message string) {
	if s == nil || s.counted() == nil {
		return
	}
	switch status {
	case StatusOK:
		atomic.OrUint64(&s.meta, metaOK)
	case StatusError:
		atomic.OrUint64(&s.meta, metaFailed)
	case StatusUnset:
	}
	if r := s.lock(); r != nil {
		r.setStatus(status, message)
		s.unlock()
	}
}

func (r *record) setStatus(status Status, message string) {
	if status == StatusUnset || status > StatusError || r.status == StatusOK {
		return
	}
	r.status = status
	if status != StatusError {
		message = ""
	}
	if message != "" || r.more != nil {
		r.extra().message = clip(message)
	}
}

// Error says that the work failed: it sets the status and adds an event "exception" with the
// error's type and text. A nil error changes nothing.
func (s *Span) Error(err error) {
	if err == nil {
		return
	}
	if !s.Recording() {
		s.SetStatus(StatusError, "") // for the statistics
		return
	}
	text := errorText(err)
	s.AddEvent("exception", String("exception.type", fmt.Sprintf("%T", err)), String("exception.message", text))
	s.SetStatus(StatusError, text)
}

// errorText survives an Error method that panics, as those of typed nil pointers do.
func errorText(err error) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("the Error method of a %T panicked", err)
		}
	}()
	return err.Error()
}

// Panic records the value of a recovered panic, as Error does, with the stack of the caller. The
// span is not ended and the panic not raised again; both are the caller's.
func (s *Span) Panic(value any) {
	if value == nil {
		return
	}
	if !s.Recording() {
		s.SetStatus(StatusError, "")
		return
	}
	err, ok := value.(error)
	if !ok {
		err = fmt.Errorf("%v", value)
	}
	text := "panic: " + errorText(err)
	s.AddEvent("exception",
		String("exception.type", fmt.Sprintf("%T", value)), String("exception.message", text),
		String("exception.stacktrace", string(debug.Stack())), Bool("exception.escaped", true))
	s.SetStatus(StatusError, text)
}

// AddEvent notes that something happened now.
func (s *Span) AddEvent(name string, attrs ...Attr) {
	if r := s.lock(); r != nil {
		r.addEvent(r.start+monotonic()-r.begin, name, attrs)
		s.unlock()
	}
}

// AddEventAt notes that something happened at a time that may be long past.
func (s *Span) AddEventAt(t time.Time, name string, attrs ...Attr) {
	if r := s.lock(); r != nil {
		r.addEvent(t.UnixNano(), name, attrs)
		s.unlock()
	}
}

func (r *record) addEvent(unixNano int64, name string, attrs []Attr) {
	m := r.extra()
	if len(m.events) >= maxEvents {
		m.droppedEvents++
		return
	}
	own := append([]Attr(nil), attrs[:min(len(attrs), maxAttrs)]...)
	e := event{unixNano, clip(name), own}
	m.events = append(m.events, e)
}

// AddLink points at a span that is related but not the parent, such as that of a message of the batch that s
// handles, which [Extract] makes from the message's headers. A span without ids changes nothing.
func (s *Span) AddLink(to *Span, attrs ...Attr) {
	id := to.SpanID()
	if !to.valid() || id == 0 {
		return
	}
	r := s.lock()
	if r == nil {
		return
	}
	defer s.unlock()
	m := r.extra()
	if len(m.links) >= maxLinks {
		m.droppedLinks++
		return
	}
	own := append([]Attr(nil), attrs[:min(len(attrs), maxAttrs)]...)
	l := link{to.trace, id, to.flags(), to.state(), own}
	m.links = append(m.links, l)
}

// SetStart says that the work began at t, which need not be when the span was started: of a message that waited, for
// instance, only its consumer makes a span.
func (s *Span) SetStart(t time.Time) {
	if r := s.lock(); r != nil {
		later := t.UnixNano() - r.start
		r.start += later
		r.begin += later
		s.unlock()
		return
	}
	c := s.countable()
	if c == nil {
		return
	}
	for {
		meta := atomic.LoadUint64(&s.meta)
		if meta&metaEnded != 0 {
			return
		}
		now := monotonic()
		later := t.UnixNano() - c.tracer.unixNano(now-elapsed(meta, now))
		if atomic.CompareAndSwapUint64(&s.meta, meta, meta+uint64(later)<<metaShift) {
			return
		}
	}
}

// End stops the clock, counts the span, and hands it to its tracer's exporter if it is recorded. It never blocks.
func (s *Span) End() {
	if s == nil {
		return
	}
	if c := s.counted(); c != nil && (c.tracer.statistics != nil || s.flags()&flagRecorded != 0) {
		s.end(c.tracer, monotonic())
	}
}

// EndAt is End for work that ended at t. A time before the start makes the duration 0.
func (s *Span) EndAt(t time.Time) {
	if s == nil {
		return
	}
	c := s.counted()
	if c == nil {
		return
	}
	if r := s.lock(); r != nil {
		end := r.begin + t.UnixNano() - r.start // the times are those of another clock: what counts is how far they are apart
		s.unlock()
		s.end(c.tracer, end)
		return
	}
	s.end(c.tracer, t.UnixNano()-c.tracer.unixNano(0))
}

// end ends the span at a time of the monotonic clock, if it has not ended.
func (s *Span) end(t *Tracer, now int64) {
	var meta uint64
	for ended := false; !ended; {
		meta = atomic.LoadUint64(&s.meta)
		switch {
		case meta&metaEnded != 0:
			return
		case meta&metaLocked != 0:
			runtime.Gosched()
		default:
			ended = atomic.CompareAndSwapUint64(&s.meta, meta, meta|metaEnded)
		}
	}
	nanos := elapsed(meta, now)
	if meta&flagRecorded != 0 {
		nanos = now - s.rec.begin
	}
	nanos = max(0, nanos)
	page := page(s)
	shard := t.shardOf(page)
	if t.statistics != nil && s.counted().add(shard, nanos, meta&(metaFailed|metaOK) == metaFailed, meta&metaRoot != 0) {
		t.leave(page, shard)
	}
	if meta&flagRecorded == 0 {
		return
	}
	r := s.rec
	r.duration = time.Duration(nanos)
	r.size = int32(r.memory())
	t.exporter.add(r, shard)
}

// memory is how many bytes the record takes, with all that it refers to.
func (r *record) memory() int {
	n := spanBytes + len(r.name)
	for i := range r.first[:r.count] {
		n += r.first[i].size()
	}
	if r.more != nil {
		n += r.more.memory()
	}
	return n
}

func (m *moreThanMostNeed) memory() int {
	n := moreBytes + len(m.state) + len(m.message) + attrsMemory(m.attrs)
	for i := range m.events {
		n += eventBytes + len(m.events[i].name) + attrsMemory(m.events[i].attrs)
	}
	for i := range m.links {
		n += linkBytes + len(m.links[i].state) + attrsMemory(m.links[i].attrs)
	}
	return n
}

func attrsMemory(attrs []Attr) int {
	n := len(attrs) * attrBytes
	for i := range attrs {
		n += attrs[i].size()
	}
	return n
}
