package shuai

import (
	"context"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"
)

// Tracer starts spans for one service and exports them. A process may have several. Its methods may
// be called concurrently, and on nil, which traces nothing.
type Tracer struct {
	*pipeline
	scope []byte // encoded; the instrumentation whose spans these are
}

// pipeline is what all scopes of a tracer share.
type pipeline struct {
	own         *Tracer // the tracer whose scope is this package
	threshold   uint64
	propagation formats
	ids         *idSource // nil: random
	exporter    *exporter
	started     [16]startedSpans // striped by trace, so that cores do not fight for one word
}

type startedSpans struct {
	all, sampled atomic.Uint64
	_            [48]byte // a cache line of its own
}

var defaultTracer atomic.Pointer[Tracer]

// New returns a tracer that runs until its Stop.
func New(cfg Config) (*Tracer, error) {
	s, err := cfg.resolve(os.Getenv)
	if err != nil {
		return nil, err
	}
	id := processIdentity()
	t := &Tracer{&pipeline{threshold: s.threshold, propagation: s.formats, ids: id.ids}, ownScope}
	t.own = t
	if s.randomIDs {
		t.ids = nil
	}
	t.exporter = newExporter(s, appendResource(nil, resourceOf(s, id)))
	if s.disabled {
		t.exporter.stopped.Store(true)
		close(t.exporter.done)
		return t, nil
	}
	t.exporter.unix.Store(uint32(time.Now().Unix()))
	go t.exporter.run()
	return t, nil
}

// Start makes a tracer the default one of the process. stop exports what has ended, within the
// deadline of its context, and may be called more than once.
func Start(cfg Config) (stop func(context.Context) error, err error) {
	t, err := New(cfg)
	if err != nil {
		return nil, err
	}
	defaultTracer.Store(t)
	return func(ctx context.Context) error {
		defaultTracer.CompareAndSwap(t, nil)
		return t.Stop(ctx)
	}, nil
}

// Stop records no more spans, exports those that have ended and returns when that is done, or soon after ctx
// is, in which case its error says how many spans were lost; a context without a deadline means five
// seconds. Spans that are still open are dropped when they end. Spans started later are not
// recorded but pass the trace on.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.exporter.stop(ctx)
}

// StartSpan starts a child of the span in which ctx runs, by that span's tracer; the child of a span in
// another process and a root by the default tracer. Without a tracer it returns ctx and a span that
// does nothing; it never returns nil. The context returned, in which the work is to be done, is the span.
func StartSpan(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	parent := SpanFromContext(ctx)
	if parent != nil && parent.tracer != nil {
		return parent.tracer.own.start(ctx, parent, name, kind)
	}
	return defaultTracer.Load().start(ctx, parent, name, kind)
}

// StartRoot starts a new trace, whatever span ctx runs in: work that a request causes but does not wait for, or a request from
// a caller whose trace is not to be trusted. AddLink says what caused it.
func StartRoot(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	if s := SpanFromContext(ctx); s != nil && s.tracer != nil {
		return s.tracer.own.StartRoot(ctx, name, kind)
	}
	return Default().StartRoot(ctx, name, kind)
}

// StartRoot starts a new trace. See the function [StartRoot].
func (t *Tracer) StartRoot(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	if s := SpanFromContext(ctx); s != nil && s.flags&flagMuted != 0 {
		return ctx, noSpan
	}
	return t.start(ctx, nil, name, kind)
}

// Default is the tracer of the last [Start], or nil, whose methods may be called.
func Default() *Tracer { return defaultTracer.Load() }

// Unscoped is the tracer that New returned, for one that Scope did.
func (t *Tracer) Unscoped() *Tracer {
	if t == nil {
		return nil
	}
	return t.own
}

// Scope returns a tracer like t whose spans say that another instrumentation made them: OpenTelemetry's instrumentation scope.
// To be called once for each instrumentation: the exporter sends each tracer's spans apart.
func (t *Tracer) Scope(name, version, schemaURL string, attrs ...Attr) *Tracer {
	if t == nil {
		return nil
	}
	return &Tracer{t.pipeline, appendScope(nil, name, version, schemaURL, attrs)}
}

// StartSpan starts a child of the span in which ctx runs, or a root. See the function [StartSpan].
func (t *Tracer) StartSpan(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	return t.start(ctx, SpanFromContext(ctx), name, kind)
}

// noSpan is what StartSpan returns when there is nothing to trace.
var noSpan = new(Span)

func (t *Tracer) start(ctx context.Context, parent *Span, name string, kind Kind) (context.Context, *Span) {
	if ctx == nil {
		ctx = context.Background()
	}
	if t == nil || parent != nil && parent.flags&flagMuted != 0 {
		return ctx, noSpan
	}
	if p, ok := ctx.(*Span); ok {
		ctx = p.base() // the new span answers for spans: keep chains short and parents collectable
	}
	var trace TraceID
	var flags uint8
	if parent.valid() {
		trace, flags = parent.trace, parent.flags&wireFlags
		if parent.flags&flagUndecided != 0 && sampled(trace, t.threshold) {
			flags |= flagSampled
		}
	} else {
		trace = t.newTraceID()
		flags = flagRandom
		switch {
		case parent != nil && parent.flags&flagDecided != 0:
			flags |= parent.flags & flagSampled
		case sampled(trace, t.threshold):
			flags |= flagSampled
		}
		parent = nil
	}
	started := &t.started[trace.Lo>>60]
	started.all.Add(1)

	if flags&flagSampled != 0 && !t.exporter.stopped.Load() {
		started.sampled.Add(1)
		s := t.record(ctx, parent, trace, flags, name, kind)
		return s, s
	}
	s := &Span{ctx: ctx, tracer: t, trace: trace, flags: flags}
	if parent != nil && parent.rec != nil {
		s.rec = stateOnly(parent)
	}
	return s, s
}

// stateOnly is what the child of a span that is not recorded itself inherits.
func stateOnly(parent *Span) *record {
	if !parent.Recording() {
		return parent.rec
	}
	state := parent.state()
	if state == "" {
		return nil
	}
	return &record{more: &moreThanMostNeed{state: state}}
}

func (t *Tracer) record(ctx context.Context, parent *Span, trace TraceID, flags uint8, name string, kind Kind) *Span {
	now := time.Now()
	r := &recordedSpan{
		span: Span{ctx: ctx, tracer: t, trace: trace, flags: flags | flagRecorded},
		rec:  record{start: now.UnixNano(), since: now.Sub(epoch), name: clip(name), kind: kind},
	}
	s := &r.span
	s.rec = &r.rec
	if parent != nil {
		r.rec.parent = parent.SpanID()
		r.rec.remote = parent.flags&flagRemote != 0
		if state := parent.state(); state != "" {
			r.rec.extra().state = state
		}
	} else if t.ids != nil {
		s.trace.Hi = t.ids.traceID(uint32(now.Unix()), 0).Hi // newTraceID's may be a second old
	}
	s.id.Store(uint64(t.newSpanID(now)))
	return s
}

// newTraceID takes the second from a clock that the exporter sets whenever it wakes: reading the
// real one costs more than all the rest of a span that is not recorded.
func (t *Tracer) newTraceID() TraceID {
	random := rand.Uint64()
	if t.ids == nil {
		return TraceID{rand.Uint64() | 1, random} // never zero
	}
	unix := t.exporter.unix.Load()
	if unix == 0 { // stopped
		unix = uint32(time.Now().Unix())
	}
	return t.ids.traceID(unix, random)
}

func (t *Tracer) newSpanID(now time.Time) SpanID {
	if t.ids == nil {
		return randomSpanID()
	}
	return t.ids.spanID(now)
}

// muted returns a context below which nothing is traced: the exporter's own requests.
func muted(ctx context.Context) context.Context { return &Span{ctx: ctx, flags: flagMuted} }

// Stats counts spans since the tracer was made. Sampled is the sum of the spans still open, Exported,
// Buffered and the dropped.
type Stats struct {
	Made          uint64 // started, recorded or not
	Sampled       uint64 // recorded
	Exported      uint64 // accepted by the collector
	Buffered      uint64 // ended, and neither accepted nor dropped yet
	BufferedBytes uint64 // their memory, at most Config.BufferBytes
	Dropped       Dropped
}

// Dropped counts ended spans that did not reach the collector, by reason.
type Dropped struct {
	BufferFull uint64 // Config.BufferBytes were in use: the collector is slow or away
	Rejected   uint64 // the collector refused them for good
	Expired    uint64 // the collector did not take them for two minutes
	Stopped    uint64 // they ended after Stop, or Stop's deadline came first
}

// Total is the number dropped for any reason.
func (d Dropped) Total() uint64 { return d.BufferFull + d.Rejected + d.Expired + d.Stopped }

// Stats returns the counts of now. While spans are being made they are not exact sums.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	s := t.exporter.stats()
	for i := range t.started {
		s.Made += t.started[i].all.Load()
		s.Sampled += t.started[i].sampled.Load()
	}
	return s
}
