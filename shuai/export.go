package shuai

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxRequest bounds a request before compression, give or take a span.
	maxRequest = 512 << 10
	// sendTimeout bounds one request from dialling to the last byte of the answer.
	sendTimeout = 10 * time.Second
	// stopTimeout bounds a Stop whose context has no deadline.
	stopTimeout = 5 * time.Second
	// logEvery is how often the same problem is logged.
	logEvery = 30 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10
)

// exporter takes ended spans from any goroutine and brings them to the collector.
//
//	add → shards → run: encode → queue → send
//
// run is the only goroutine that encodes and decides; it starts one goroutine for each request, one at a
// time, so that it goes on emptying the shards while the collector makes it wait: an ended span
// holds on to its context, its encoded form to nothing.
type exporter struct {
	settings
	resource []byte

	shards []shard
	used   atomic.Int64  // bytes of spans in shards and of encoded batches; at most limit
	wake   chan struct{} // a shard is filling

	unix    atomic.Uint32 // seconds; set whenever run wakes, at least once a second; 0 when it has ended
	stopped atomic.Bool   // record no more
	stopCtx context.Context
	stops   sync.Once
	halt    chan struct{} // closed by stop, after stopCtx is set
	done    chan struct{} // closed when run has ended
	err     error         // what stop returns, or why; set before done is closed

	waiting                                          atomic.Int64 // spans in the queue
	exported, bufferFull, rejected, expired, tooLate atomic.Uint64
}

type shard struct {
	mu     sync.Mutex
	spans  []*Span
	size   int64 // bytes
	closed bool
	_      [64]byte // a cache line of its own
}

func newExporter(s settings, resource []byte) *exporter {
	shards := 1
	for shards < runtime.GOMAXPROCS(0) && shards < 32 {
		shards *= 2
	}
	return &exporter{
		settings: s,
		resource: resource,
		shards:   make([]shard, shards),
		wake:     make(chan struct{}, 1),
		halt:     make(chan struct{}),
		done:     make(chan struct{}),
	}
}

// wakeBytes is how much waits in a shard before run is woken ahead of its time.
func (e *exporter) wakeBytes() int64 { return e.limit / int64(8*len(e.shards)) }

// add takes an ended span, or drops it. It never waits for the collector.
func (e *exporter) add(s *Span) {
	size := int64(s.rec.size)
	if !e.reserve(size) {
		e.bufferFull.Add(1)
		return
	}
	sh := &e.shards[s.id.Load()&uint64(len(e.shards)-1)] // the tick's low bits: evenly spread
	sh.mu.Lock()
	if sh.closed {
		sh.mu.Unlock()
		e.used.Add(-size)
		e.tooLate.Add(1)
		return
	}
	sh.spans = append(sh.spans, s)
	sh.size += size
	wake := sh.size >= e.wakeBytes() && sh.size-size < e.wakeBytes()
	sh.mu.Unlock()
	if wake {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// reserve changes used by n bytes unless that would exceed the limit.
func (e *exporter) reserve(n int64) bool {
	for {
		used := e.used.Load()
		if n > 0 && used+n > e.limit {
			return false
		}
		if e.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// outcome is what became of a request.
type outcome struct {
	err        error         // nil: accepted, but for rejected
	permanent  bool          // err will not go away
	retryAfter time.Duration // 0: the collector does not say
	rejected   uint64        // spans that the collector did not take
	message    string        // the collector's reason for it
}

// runState belongs to run.
type runState struct {
	e       *exporter
	enc     encoder
	zip     *gzip.Writer
	zipped  bytes.Buffer
	size    int64   // bytes reserved for the spans in enc
	spare   []*Span // swapped with a shard's
	queue   queue
	dropped uint64 // by a full buffer, as last logged
	logged  map[string]time.Time
}

func (e *exporter) run() {
	r := &runState{e: e, enc: encoder{resource: e.resource}, logged: map[string]time.Time{}}
	defer close(e.done)
	defer func() {
		e.stopped.Store(true)
		e.unix.Store(0)
		if p := recover(); p != nil { // a fault of ours is no reason for the application to die
			e.err = fmt.Errorf("panic: %v", p)
			e.logPanic()
		}
		r.abandon()
	}()

	// A client of its own: nothing that the application does to http.DefaultTransport, such as tracing it, matters.
	client := &http.Client{
		Transport:     e.transport,
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if client.Transport == nil {
		t := &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: sendTimeout,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   1,
			DisableCompression:    true,
			ForceAttemptHTTP2:     true,
		}
		defer t.CloseIdleConnections()
		client.Transport = t
	}

	ctx, cancel := context.WithCancel(muted(context.Background()))
	defer cancel()
	ticks := (e.flushEvery + time.Second - 1) / time.Second // to a flush: the clock is set every second
	tick := time.NewTicker(max(1, e.flushEvery/ticks))
	defer tick.Stop()
	elapsed := time.Duration(0)
	retry := time.NewTimer(0)
	retry.Stop()
	halt := e.halt
	var late <-chan struct{} // Stop's deadline
	results := make(chan outcome, 1)
	sending, stopping := false, false

	for {
		now := time.Now()
		e.unix.Store(uint32(now.Unix()))
		if !sending {
			r.expire(now)
			b, wait, ok := r.queue.next(now)
			switch {
			case ok && wait > 0:
				retry.Reset(wait)
			case ok:
				sending = true
				go func() { results <- e.send(ctx, client, b.payload) }()
			case stopping:
				return
			}
		}
		select {
		case <-tick.C:
			if elapsed++; elapsed >= ticks {
				elapsed = 0
				r.drain(time.Now(), stopping)
				r.logDrops()
			}
		case <-e.wake:
			r.drain(time.Now(), stopping)
		case <-retry.C:
		case o := <-results:
			sending = false
			r.finish(time.Now(), o)
			if stopping && r.queue.failures >= stopFailures {
				e.err = o.err
				return
			}
		case <-halt:
			halt, stopping = nil, true
			late = e.stopCtx.Done()
			r.drain(time.Now(), true)
			r.queue.succeeded() // try at once, whatever the pause
		case <-late:
			e.err = e.stopCtx.Err()
			cancel()
			if sending {
				r.finish(time.Now(), <-results)
			}
			return
		}
	}
}

// logPanic survives a logger that panics: it may be the cause.
func (e *exporter) logPanic() {
	defer func() { _ = recover() }()
	e.log.Error("tracer: stopped by a fault", "error", e.err)
}

// drain encodes all that has ended; last also refuses what ends later.
func (r *runState) drain(now time.Time, last bool) {
	for i := range r.e.shards {
		spans := r.e.shards[i].take(r.spare, last)
		for j, s := range spans {
			spans[j] = nil
			r.enc.add(s)
			r.size += int64(s.rec.size)
			if r.enc.size >= maxRequest {
				r.pack(now)
			}
		}
		r.spare = spans[:0]
	}
	if r.enc.spans > 0 {
		r.pack(now)
	}
}

// take empties the shard, and leaves it spare to fill.
func (sh *shard) take(spare []*Span, last bool) (spans []*Span) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.closed = sh.closed || last
	spans, sh.spans, sh.size = sh.spans, spare, 0
	return spans
}

// pack puts what is encoded into the queue, in memory of exactly its size, which takes the place of the spans'.
func (r *runState) pack(now time.Time) {
	request, spans := r.enc.finish()
	if r.e.gzip {
		r.zipped.Reset()
		if r.zip == nil {
			r.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		}
		r.zip.Reset(&r.zipped)
		for _, part := range request {
			r.zip.Write(part) //nolint:errcheck // a bytes.Buffer takes everything
		}
		r.zip.Close()
		request = [][]byte{r.zipped.Bytes()}
	}
	payload := slices.Concat(request...)
	// Only a request of few spans under a long resource is larger than the spans were.
	size := r.size
	r.size = 0
	if !r.e.reserve(int64(len(payload)) - size) {
		r.e.used.Add(-size)
		r.e.bufferFull.Add(uint64(spans))
		return
	}
	r.e.waiting.Add(int64(spans))
	r.queue.push(batch{payload, spans, now})
}

// finish books what became of the batch that was sent.
func (r *runState) finish(now time.Time, o outcome) {
	b := r.queue.batches[0]
	switch {
	case o.err == nil:
		r.queue.succeeded()
		rejected := min(o.rejected, uint64(b.spans))
		r.e.exported.Add(uint64(b.spans) - rejected)
		r.e.rejected.Add(rejected)
		r.remove()
		if o.rejected > 0 || o.message != "" {
			r.log("partial", "collector did not take all spans", "url", r.e.url, "spans", rejected, "reason", o.message)
		}
	case o.permanent:
		r.queue.succeeded() // it answers: the next batch need not wait
		r.e.rejected.Add(uint64(b.spans))
		r.remove()
		r.log("rejected", "collector refused spans", "url", r.e.url, "spans", b.spans, "error", o.err)
	default:
		r.queue.failed(now, o.retryAfter, rand.Float64())
		r.log("failed", "collector cannot be reached; will retry", "url", r.e.url, "error", o.err)
	}
}

func (r *runState) remove() {
	b := r.queue.batches[0]
	r.e.used.Add(-int64(len(b.payload)))
	r.e.waiting.Add(-int64(b.spans))
	r.queue.pop()
}

func (r *runState) expire(now time.Time) {
	for b, ok := r.queue.expired(now); ok; b, ok = r.queue.expired(now) {
		r.e.expired.Add(uint64(b.spans))
		r.remove()
		r.log("expired", "spans dropped: the collector did not take them in time", "url", r.e.url, "spans", b.spans)
	}
}

// abandon drops all that is left.
func (r *runState) abandon() {
	lost := uint64(0)
	for len(r.queue.batches) > 0 {
		lost += uint64(r.queue.batches[0].spans)
		r.remove()
	}
	for i := range r.e.shards { // all are empty, but after a panic
		for _, s := range r.e.shards[i].take(nil, true) {
			r.e.used.Add(-int64(s.rec.size))
			lost++
		}
	}
	r.e.tooLate.Add(lost)
	if lost > 0 {
		r.e.err = fmt.Errorf("stop tracer: %d spans were not exported to %s: %w", lost, r.e.url, r.e.err)
	} else {
		r.e.err = nil
	}
}

func (r *runState) logDrops() {
	if n := r.e.bufferFull.Load(); n > r.dropped {
		if r.log("full", "spans dropped: the buffer is full", "spans", n-r.dropped, "bytes", r.e.limit) {
			r.dropped = n
		}
	}
}

// log reports a problem, unless it did so a short time ago.
func (r *runState) log(problem, message string, args ...any) bool {
	now := time.Now()
	if last, ok := r.logged[problem]; ok && now.Sub(last) < logEvery {
		return false
	}
	r.logged[problem] = now
	r.e.log.Warn("tracer: "+message, args...)
	return true
}

// send makes one request. Which answers are worth another attempt is specified by OTLP/HTTP
// ("Failures").
func (e *exporter) send(ctx context.Context, client *http.Client, payload []byte) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = outcome{err: fmt.Errorf("panic: %v", p), permanent: true}
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(payload))
	if err != nil {
		return outcome{err: err, permanent: true}
	}
	for k, v := range e.headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "shuai-go/"+Version)
	if e.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := client.Do(req)
	if err != nil {
		return outcome{err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code/100 == 2:
		// The status says that the spans were taken; an answer that is cut off or no protobuf does not change that.
		if err == nil {
			if o.rejected, o.message, err = parseResponse(answer); err != nil {
				return outcome{}
			}
		}
		return o
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway,
		code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return outcome{err: statusError(resp, answer), retryAfter: retryAfter(resp.Header, time.Now())}
	}
	return outcome{err: statusError(resp, answer), permanent: true}
}

// statusError quotes the answer, which is text or a google.rpc.Status whose message is field 2.
func statusError(resp *http.Response, answer []byte) error {
	text := answer
	if resp.Header.Get("Content-Type") == "application/x-protobuf" {
		text = nil
		_ = eachField(answer, func(field, _ uint64, b []byte) error { // an error leaves text empty
			if field == 2 {
				text = b
			}
			return nil
		})
	}
	if len(text) == 0 {
		return errors.New(resp.Status)
	}
	return fmt.Errorf("%s: %.200q", resp.Status, text)
}

// retryAfter reads the header's two forms, seconds and a date (RFC 9110, section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// stop asks run to end and waits for it. Only the first call's context counts.
func (e *exporter) stop(ctx context.Context) error {
	e.stops.Do(func() {
		e.stopped.Store(true)
		if ctx == nil {
			ctx = context.Background()
		}
		if e.stopCtx = ctx; !hasDeadline(ctx) {
			limited, cancel := context.WithTimeout(ctx, stopTimeout)
			defer cancel()
			e.stopCtx = limited
		}
		close(e.halt)
		<-e.done
	})
	<-e.done
	return e.err
}

func hasDeadline(ctx context.Context) bool {
	_, ok := ctx.Deadline()
	return ok
}

func (e *exporter) stats() Stats {
	buffered := e.waiting.Load()
	for i := range e.shards {
		sh := &e.shards[i]
		sh.mu.Lock()
		buffered += int64(len(sh.spans))
		sh.mu.Unlock()
	}
	return Stats{
		Exported:      e.exported.Load(),
		Buffered:      uint64(buffered),
		BufferedBytes: uint64(max(0, e.used.Load())),
		Dropped: Dropped{
			BufferFull: e.bufferFull.Load(),
			Rejected:   e.rejected.Load(),
			Expired:    e.expired.Load(),
			Stopped:    e.tooLate.Load(),
		},
	}
}
