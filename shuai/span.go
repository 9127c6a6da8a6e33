package shuai

import (
	"context"
	"fmt"
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

// The bits of [Flags], and ours in the same byte.
const (
	flagSampled = 1 << 0
	flagRandom  = 1 << 1
	wireFlags   = flagSampled | flagRandom

	flagUndecided = 1 << 3 // a remote span whose caller left it to us whether the trace is recorded
	flagDecided   = 1 << 4 // a remote span without ids, whose flagSampled says what is to become of a root
	flagRecorded  = 1 << 5 // the span has a record of its own, in which it keeps what it is told
	flagRemote    = 1 << 6 // made by Extract: the span is in another process
	flagMuted     = 1 << 7 // nothing below this span is traced
)

// Span is one timed piece of work, and the context in which it is done. All methods are safe for
// concurrent use and for a nil Span; those that change it do nothing when it is not recorded or has
// ended.
type Span struct {
	ctx    context.Context // what is asked for anything but the span; never itself a *Span
	tracer *Tracer         // nil for a remote and for a no-op span
	rec    *record         // nil unless the span is recorded or has a tracestate; then more.state is all there is
	trace  TraceID
	id     atomic.Uint64 // a span that is not recorded gets its id when it is first asked for
	flags  uint8
}

// record is what only a recorded span has. It lies in the same allocation as its Span.
type record struct {
	start  int64         // Unix nanoseconds
	since  time.Duration // the start by the monotonic clock, from epoch
	parent SpanID
	kind   Kind
	remote bool // the parent is in another process

	ended    bool
	status   Status
	count    uint8      // of attributes in first
	size     int32      // bytes that attributes, events and links refer to; once ended, of the whole span
	mu       sync.Mutex // guards all from ended on, until ended is set; after that nothing changes
	duration time.Duration
	name     string
	more     *moreThanMostNeed
	first    [inlineAttrs]Attr // attributes
}

type recordedSpan struct {
	span Span
	rec  record
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

	spanBytes  = int(unsafe.Sizeof(recordedSpan{}))
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
	if s, ok := ctx.(*Span); ok {
		return s
	}
	if ctx == nil {
		return nil
	}
	if b := bridge.Installed.Load(); b != nil {
		s, _ := b.Span(ctx.Value(b.Key)).(*Span) // the nearest of both kinds: ours answer for that key too
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
	id := s.id.Load()
	if id == 0 && s.tracer != nil {
		s.id.CompareAndSwap(0, uint64(s.tracer.newSpanID(time.Now())))
		id = s.id.Load()
	}
	return SpanID(id)
}

// Sampled reports whether the trace is recorded, here and in the services that are called.
func (s *Span) Sampled() bool { return s != nil && s.flags&flagSampled != 0 }

// Recording reports whether the span keeps what it is told: whether an attribute that is
// expensive to compute is worth it.
func (s *Span) Recording() bool { return s != nil && s.flags&flagRecorded != 0 }

// Ended reports whether the span has ended, after which nothing changes it.
func (s *Span) Ended() bool {
	if !s.Recording() {
		return false
	}
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	return s.rec.ended
}

// Remote reports whether the span is in another process: [Extract] or [Remote] made it.
func (s *Span) Remote() bool { return s != nil && s.flags&flagRemote != 0 }

// Flags are those of the span's traceparent.
func (s *Span) Flags() Flags {
	if s == nil {
		return 0
	}
	return Flags(s.flags & wireFlags)
}

// Tracestate is what other tracing systems passed along, as in the W3C header of that name.
func (s *Span) Tracestate() string {
	if s == nil {
		return ""
	}
	return s.state()
}

// Tracer is the one that made the span; nil for a remote and for a no-op span.
func (s *Span) Tracer() *Tracer {
	if s == nil {
		return nil
	}
	return s.tracer
}

// valid reports whether the span can be a parent.
func (s *Span) valid() bool { return s != nil && !s.trace.IsZero() }

func (s *Span) state() string {
	if s.rec == nil || s.rec.more == nil {
		return ""
	}
	return s.rec.more.state
}

// lock returns the record if it can be changed, locked; else nil.
func (s *Span) lock() *record {
	if !s.Recording() {
		return nil
	}
	s.rec.mu.Lock()
	if s.rec.ended {
		s.rec.mu.Unlock()
		return nil
	}
	return s.rec
}

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
		r.set(a)
		r.mu.Unlock()
	}
}

// Set sets attributes. Setting a key again replaces its value.
func (s *Span) Set(attrs ...Attr) {
	if r := s.lock(); r != nil {
		for _, a := range attrs {
			r.set(a)
		}
		r.mu.Unlock()
	}
}

// set is called with the lock held. An attribute without a key is none.
func (r *record) set(a Attr) {
	if a.key == "" {
		r.extra().droppedAttrs++
		return
	}
	n := int(r.count)
	for i := range r.first[:n] {
		if r.first[i].key == a.key {
			r.replace(&r.first[i], a)
			return
		}
	}
	if n < inlineAttrs {
		r.first[n] = a
		r.count++
		r.size += int32(a.size())
		return
	}
	m := r.extra()
	for i := range m.attrs {
		if m.attrs[i].key == a.key {
			r.replace(&m.attrs[i], a)
			return
		}
	}
	if n+len(m.attrs) >= maxAttrs {
		m.droppedAttrs++
		return
	}
	m.attrs = append(m.attrs, a)
	r.size += int32(attrBytes + a.size())
}

func (r *record) replace(old *Attr, a Attr) {
	r.size += int32(a.size() - old.size())
	*old = a
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
		r.mu.Unlock()
	}
}

// SetStatus sets the outcome; the message is kept for StatusError alone. StatusOK is final, and
// StatusUnset changes nothing, as OpenTelemetry specifies.
func (s *Span) SetStatus(status Status, message string) {
	if r := s.lock(); r != nil {
		r.setStatus(status, message)
		r.mu.Unlock()
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
	if err == nil || !s.Recording() {
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
	if value == nil || !s.Recording() {
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
		r.addEvent(r.start+int64(time.Since(epoch)-r.since), name, attrs)
		r.mu.Unlock()
	}
}

// AddEventAt notes that something happened at a time that may be long past.
func (s *Span) AddEventAt(t time.Time, name string, attrs ...Attr) {
	if r := s.lock(); r != nil {
		r.addEvent(t.UnixNano(), name, attrs)
		r.mu.Unlock()
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
	r.size += int32(eventBytes + len(e.name) + attrsSize(own))
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
	defer r.mu.Unlock()
	m := r.extra()
	if len(m.links) >= maxLinks {
		m.droppedLinks++
		return
	}
	own := append([]Attr(nil), attrs[:min(len(attrs), maxAttrs)]...)
	l := link{to.trace, id, to.flags, to.state(), own}
	m.links = append(m.links, l)
	r.size += int32(linkBytes + len(l.state) + attrsSize(own))
}

func attrsSize(attrs []Attr) int {
	n := len(attrs) * attrBytes
	for i := range attrs {
		n += attrs[i].size()
	}
	return n
}

// SetStart says that the work began at t, which need not be when the span was started: of a message that waited, for
// instance, only its consumer makes a span.
func (s *Span) SetStart(t time.Time) {
	if r := s.lock(); r != nil {
		r.since += time.Duration(t.UnixNano() - r.start)
		r.start = t.UnixNano()
		r.mu.Unlock()
	}
}

// End stops the clock and hands the span to its tracer's exporter. It never blocks.
func (s *Span) End() {
	if r := s.lock(); r != nil {
		s.end(r, time.Since(epoch)-r.since)
	}
}

// EndAt is End for work that ended at t. A time before the start makes the duration 0.
func (s *Span) EndAt(t time.Time) {
	if r := s.lock(); r != nil {
		s.end(r, time.Duration(t.UnixNano()-r.start))
	}
}

// end is called with the lock held, and releases it.
func (s *Span) end(r *record, duration time.Duration) {
	r.duration = max(0, duration)
	r.ended = true
	r.size += int32(spanBytes + len(r.name))
	if r.more != nil {
		r.size += int32(moreBytes + len(r.more.state) + len(r.more.message))
	}
	r.mu.Unlock()
	s.tracer.exporter.add(s)
}
