package shuai

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
	"github.com/fuwu-project/fuwu/shuai/internal/goroutine"
)

// Tracer starts spans for one service and exports them. A process may have several. Its methods may
// be called concurrently, and on nil, which traces nothing.
type Tracer struct {
	*pipeline
	scope    []byte // encoded; the instrumentation whose spans these are
	distinct bool   // no span stands for another one: see bridge.Distinct
}

// pipeline is what all scopes of a tracer share.
type pipeline struct {
	own         *Tracer // the tracer whose scope is this package
	propagation formats
	statistics  *statistics // nil: off
	bare        *series     // of all spans, where statistics are off
	*shards                 // of statistics and exporter
	limiter     limiter     // of traces that begin here
	ids         *idSource   // nil: random
	exporter    *exporter
}

// defaultTracer makes the spans of those who name no tracer; lastTracer is the same, or was until it was stopped: at the end of a program
// people ask what became of the spans.
var defaultTracer, lastTracer atomic.Pointer[Tracer]

// New returns a tracer that runs until its Stop.
func New(cfg Config) (*Tracer, error) {
	s, err := cfg.resolve(os.Getenv)
	if err != nil {
		return nil, err
	}
	id := processIdentity()
	t := &Tracer{pipeline: &pipeline{propagation: s.formats, ids: id.ids, shards: newShards()}, scope: ownScope}
	t.own = t
	t.limiter.init(s.maxTraces)
	t.bare = newSeries(t, s.threshold, 0)
	if s.statistics != statisticsOff {
		t.statistics = newStatistics(t, s.maxSeries, s.threshold)
	}
	if s.randomIDs {
		t.ids = nil
	} else if s.idKey != nil {
		t.ids = id.ids.under(s.idKey)
	}
	t.exporter = newExporter(s, t.shards, appendResource(nil, resourceOf(s, id)))
	t.exporter.statistics = t.statistics
	if s.disabled {
		t.exporter.stopped.Store(true)
		close(t.exporter.done)
		return t, nil
	}
	t.exporter.ids = t.ids
	t.exporter.setClock(time.Now())
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
	lastTracer.Store(t)
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
	if parent == nil && goroutine.Known() {
		ctx, parent = ofGoroutine(ctx, kind)
	}
	t := parent.Tracer()
	if t == nil {
		t = defaultTracer.Load()
	}
	return t.start(ctx, parent, name, kind)
}

// StartRoot starts a new trace, whatever span ctx runs in: work that a request causes but does not wait for, or a request from
// a caller whose trace is not to be trusted. AddLink says what caused it.
func StartRoot(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	if t := SpanFromContext(ctx).Tracer(); t != nil {
		return t.StartRoot(ctx, name, kind)
	}
	return defaultTracer.Load().StartRoot(ctx, name, kind)
}

// StartRoot starts a new trace. See the function [StartRoot].
func (t *Tracer) StartRoot(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	if s := SpanFromContext(ctx); s != nil && s.flags()&flagMuted != 0 {
		return ctx, noSpan
	}
	return t.start(ctx, nil, name, kind)
}

// Default is the tracer of the last [Start], after its stop too, for its [Tracer.Stats]; or nil, whose methods may be called.
func Default() *Tracer { return lastTracer.Load() }

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
	return &Tracer{pipeline: t.pipeline, scope: appendScope(nil, name, version, schemaURL, attrs)}
}

// StartSpan starts a child of the span in which ctx runs, or a root. See the function [StartSpan].
func (t *Tracer) StartSpan(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	parent := SpanFromContext(ctx)
	if parent == nil && goroutine.Known() {
		ctx, parent = ofGoroutine(ctx, kind)
	}
	return t.start(ctx, parent, name, kind)
}

// ofGoroutine finds the span of the request at which the goroutine works for one that is started without a context of it. What arrives at
// the process is no part of another request, whoever started the goroutine that waits for it.
func ofGoroutine(ctx context.Context, kind Kind) (context.Context, *Span) {
	if kind == KindServer || kind == KindConsumer {
		return ctx, nil
	}
	of, _ := goroutine.Current()
	parent := SpanFromContext(of)
	if parent == nil {
		return ctx, nil
	}
	if ctx == nil {
		ctx = context.Background()
	}
	return within{ctx, parent}, parent
}

// within is a context that has a span which it does not come from.
type within struct {
	context.Context
	span *Span
}

func (c within) Value(key any) any {
	if _, ok := key.(spanKey); ok {
		return c.span
	}
	if b := bridge.Installed.Load(); b != nil && key == b.Key {
		return b.View(c.span)
	}
	return c.Context.Value(key)
}

// noSpan is what StartSpan returns when there is nothing to trace.
var noSpan = new(Span)

func (t *Tracer) start(ctx context.Context, parent *Span, name string, kind Kind) (context.Context, *Span) {
	if ctx == nil {
		ctx = context.Background()
	}
	var above uint8
	if parent != nil {
		above = parent.flags()
	}
	if t == nil || above&flagMuted != 0 {
		return ctx, noSpan
	}
	c, now := t.bare, int64(0)
	if t.statistics != nil {
		c, now = t.statistics.find(kind, name, ""), monotonic()
	} else if above&(flagSampled|flagUndecided) == 0 && parent.valid() && parent.counted() != nil && !t.distinct {
		return ctx, parent // nothing is kept of the span, so it need not be another one
	}
	if p, ok := ctx.(*Span); ok {
		ctx = p.base() // the new span answers for spans: keep chains short and parents collectable
	}
	s := &Span{ctx: ctx, series: c} // first, so that what follows has its place there and not on the stack
	var meta uint64
	var odds odds
	if parent.valid() {
		s.trace = parent.trace
		meta = uint64(above & (wireFlags | flagState))
		if above&flagUndecided == 0 {
			odds = parent.odds()
		} else if threshold := c.threshold.Load(); sampled(s.trace, threshold) {
			meta |= flagSampled
			odds = oddsOf(threshold)
		}
	} else {
		parent = nil
		s.trace = TraceID{t.exporter.born.Load(), rand.Uint64()}
		if s.trace.Hi == 0 {
			s.trace.Hi = t.born(s.trace.Lo)
		}
		meta = metaRoot | flagRandom
		if above&flagDecided != 0 {
			meta |= uint64(above & flagSampled)
		} else if threshold := c.threshold.Load(); sampled(s.trace, threshold) && t.limiter.allow() {
			meta |= flagSampled
			odds = oddsOf(threshold)
		}
	}
	s.meta = meta | uint64(now)<<metaShift
	if meta&flagSampled != 0 && !t.exporter.stopped.Load() {
		t.record(s, parent, odds, now, name, kind)
	} else if meta&flagState != 0 {
		s.rec = stateOnly(parent)
	}
	return s, s
}

// stateOnly is what the child of a span that is not recorded itself inherits.
func stateOnly(parent *Span) *record {
	if parent.flags()&flagRecorded == 0 {
		return parent.rec
	}
	return &record{more: &moreThanMostNeed{state: parent.state()}}
}

// record gives a span that nobody else knows yet a record.
func (t *Tracer) record(s, parent *Span, odds odds, now int64, name string, kind Kind) {
	if t.statistics == nil {
		now = monotonic()
	}
	s.meta = s.meta&flagsAndState | flagRecorded | uint64(odds)<<metaShift
	r, _ := records.Get().(*record)
	s.rec = r
	r.begin, r.start, r.odds = now, t.unixNano(now), odds
	random := uint64(0)
	if parent != nil {
		r.parent = parent.SpanID()
		r.remote = parent.flags()&flagRemote != 0
		if s.meta&flagState != 0 {
			r.extra().state = parent.state()
		}
	} else {
		random = s.trace.Lo // no other span of the trace has it
		if t.ids != nil {
			s.trace = t.ids.traceID(uint32(r.start/int64(time.Second)), random) // born's may be a second old
		}
	}
	r.id = t.ids.spanID(r.start, random)
	s.id = uint64(r.id)
	r.tracer, r.trace, r.name, r.kind, r.flags = t, s.trace, clip(name), kind, uint8(s.meta)
}

// unixNano is what the real clock shows, or showed, at a time of the monotonic one. The exporter looks every second how far
// they are apart: so a span reads one clock, and a real clock that is set shows in the spans a second later and
// never in a duration.
func (t *Tracer) unixNano(monotonic int64) int64 { return monotonic + t.exporter.offset.Load() }

// born is the first half of the id of a trace that begins now, given the second half, where the exporter's is not for all traces. As there, the
// second is that of a clock that the exporter sets whenever it wakes, so that a span that is neither recorded nor counted reads none.
func (t *Tracer) born(random uint64) uint64 {
	if t.ids == nil {
		return rand.Uint64() | 1 // never zero
	}
	unix := t.exporter.unix.Load()
	if unix == 0 {
		unix = uint32(time.Now().Unix())
	}
	return t.ids.traceID(unix, random).Hi
}

// muted returns a context below which nothing is traced: the exporter's own requests.
func muted(ctx context.Context) context.Context { return &Span{ctx: ctx, meta: flagMuted} }

// shards says into how many parts the counters and buffers are split that all spans share, and which part a span meets.
//
// Go's allocator gives a page of memory to one processor at a time, so spans are told apart by the page that they lie in: spans of one page end,
// mostly, on one processor. Which pages are in use at the same time nobody knows; so a page is given a part by chance, and another one when a span
// of it meets somebody else there.
type shards struct {
	log2 uint8
	of   [64]atomic.Uint32 // by a hash of the page; a hint
}

func newShards() *shards {
	s := &shards{log2: uint8(min(bits.Len(uint(runtime.GOMAXPROCS(0)-1)), 4))}
	for i := range s.of {
		s.of[i].Store(uint32(i & (s.number() - 1)))
	}
	return s
}

func (s *shards) number() int { return 1 << s.log2 }

// page is a hash of the page in which a span lies.
func page(span *Span) uint8 {
	return uint8(uint64(uintptr(unsafe.Pointer(span))>>13) * 0x9e3779b97f4a7c15 >> (64 - 6))
}

func (s *shards) shardOf(page uint8) int { return int(s.of[page&63].Load()) }

// leave gives a page another shard than the one that it has.
func (s *shards) leave(page uint8, shard int) {
	s.of[page&63].Store(uint32((shard + 1) & (s.number() - 1)))
}

// Stats counts recorded spans that have ended, since the tracer was made. How many there are in all, the statistics say.
type Stats struct {
	Sampled       uint64 // all: the sum of Exported, Buffered and the dropped
	Exported      uint64 // accepted by the collector
	Buffered      uint64 // ended, and neither accepted nor dropped yet
	BufferedBytes uint64 // their memory, at most Config.BufferBytes
	Dropped       Dropped
	Capped        uint64 // not among all: traces that were not recorded because of Config.MaxTraces
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
	s.Sampled = s.Exported + s.Buffered + s.Dropped.Total()
	s.Capped = t.limiter.refused.Load()
	return s
}
