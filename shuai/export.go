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
	maxAnswer = 1 << 20
)

// exporter brings the records of ended spans, and the statistics, to the collector.
//
//	End → buffer → run: encode → queue → send
//
// run is the only goroutine that encodes and decides; it starts one goroutine for each request, one at a
// time, so that it goes on emptying the buffer while the collector makes it wait.
type exporter struct {
	settings
	buffer
	resource   []byte
	statistics *statistics // nil: off

	ids     *idSource     // nil: random
	offset  atomic.Int64  // from the monotonic clock to the real one, nanoseconds; set whenever run wakes, at least once a second
	born    atomic.Uint64 // the first half of the ids of traces that begin now, set likewise; 0: ids are random or have a key, or run has ended
	unix    atomic.Uint32 // for ids that have a key, the second that is in it, set likewise; 0: they have none, or run has ended
	stopped atomic.Bool   // record no more
	stopCtx context.Context
	stops   sync.Once
	halt    chan struct{} // closed by stop, after stopCtx is set
	done    chan struct{} // closed when run has ended
	err     error         // what stop returns, or why; set before done is closed

	waiting                                          atomic.Int64 // spans in the queue
	exported, bufferFull, rejected, expired, tooLate atomic.Uint64
}

func newExporter(s settings, parts *shards, resource []byte) *exporter {
	return &exporter{
		settings: s,
		buffer:   newBuffer(s.limit, parts.number()),
		resource: resource,
		halt:     make(chan struct{}),
		done:     make(chan struct{}),
	}
}

func (e *exporter) setClock(now time.Time) {
	e.offset.Store(now.UnixNano() - int64(now.Sub(epoch)))
	switch unix := uint32(now.Unix()); {
	case e.ids == nil:
	case e.ids.key == nil:
		e.born.Store(e.ids.traceID(unix, 0).Hi)
	default:
		e.unix.Store(unix)
	}
}

// outcome is what became of a request.
type outcome struct {
	err        error         // nil: accepted, but for rejected
	permanent  bool          // err will not go away
	retryAfter time.Duration // 0: the collector does not say
	answer     []byte
}

// job is one request to the collector.
type job struct {
	kind    jobKind
	payload []byte
}

type jobKind uint8

const (
	sendSpans  jobKind = iota // the first batch of the queue
	sendReport                // statistics
	askRatios
)

// runState belongs to run.
type runState struct {
	e       *exporter
	enc     encoder
	zip     *gzip.Writer
	zipped  bytes.Buffer
	size    int64     // bytes reserved for the spans in enc
	spare   []*record // swapped with a part's
	queue   queue
	report  *reporter // nil: statistics are off
	dropped uint64    // by a full buffer, as last logged
	logged  map[string]time.Time
}

func (e *exporter) run() {
	r := &runState{e: e, enc: encoder{resource: e.resource}, logged: map[string]time.Time{}}
	if e.statistics != nil {
		r.report = newReporter(e, time.Now())
	}
	defer close(e.done)
	defer func() {
		e.stopped.Store(true)
		e.born.Store(0)
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
			TLSClientConfig:       e.tls,
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
	var running job
	sending, stopping := false, false

	for {
		now := time.Now()
		e.setClock(now)
		if !sending {
			r.expire(now)
			next, wait, ok := r.next(now, stopping)
			switch {
			case ok && wait > 0:
				retry.Reset(wait)
			case ok:
				sending, running = true, next
				go func() { results <- e.send(ctx, client, next) }()
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
			r.finish(time.Now(), running, o)
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
				r.finish(time.Now(), running, <-results)
			}
			return
		}
	}
}

// next is the request to make now, or how long to wait, or false if there is nothing to do. Statistics go first, because they
// are small and all there is to see while the collector takes no spans; at the end, last.
func (r *runState) next(now time.Time, stopping bool) (j job, wait time.Duration, ok bool) {
	if r.report != nil && !stopping {
		j, ok = r.report.next(now)
	}
	if !ok {
		var b batch
		b, wait, ok = r.queue.next(now)
		j = job{sendSpans, b.payload}
	}
	if !ok && stopping && r.report != nil {
		j, ok = r.report.last(now)
	}
	if ok && j.kind == sendReport {
		j.payload = r.compress(appendMetrics(nil, r.e.resource, ownScope, r.report.pending))
	}
	return j, wait, ok
}

// logPanic survives a logger that panics: it may be the cause.
func (e *exporter) logPanic() {
	defer func() { _ = recover() }()
	e.log.Error("tracer: stopped by a fault", "error", e.err)
}

// drain encodes all that has ended; last also refuses what ends later.
func (r *runState) drain(now time.Time, last bool) {
	for i := range r.e.parts {
		records, granted := r.e.take(i, r.spare, last)
		for j, rec := range records {
			records[j] = nil
			r.enc.add(rec)
			r.size += int64(rec.size)
			granted -= int64(rec.size)
			rec.recycle()
			if r.enc.size >= maxRequest {
				r.pack(now)
			}
		}
		r.e.used.Add(-granted)
		r.spare = records[:0]
	}
	if r.enc.spans > 0 {
		r.pack(now)
	}
}

// pack puts what is encoded into the queue, in memory of exactly its size, which takes the place of the spans'.
func (r *runState) pack(now time.Time) {
	request, spans := r.enc.finish()
	payload := r.compress(request...)
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

// compress puts the parts of a request into memory of exactly their size.
func (r *runState) compress(parts ...[]byte) []byte {
	if !r.e.gzip {
		return slices.Concat(parts...)
	}
	r.zipped.Reset()
	if r.zip == nil {
		r.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	r.zip.Reset(&r.zipped)
	for _, part := range parts {
		r.zip.Write(part) //nolint:errcheck // a bytes.Buffer takes everything
	}
	r.zip.Close()
	return bytes.Clone(r.zipped.Bytes())
}

// finish books what became of a request.
func (r *runState) finish(now time.Time, j job, o outcome) {
	if j.kind != sendSpans {
		r.report.finish(now, r, j, o)
		return
	}
	b := r.queue.batches[0]
	switch {
	case o.err == nil:
		r.queue.succeeded()
		// The status says that the spans were taken; an answer that is no protobuf does not change that.
		rejected, reason, err := parseResponse(o.answer)
		if err != nil {
			rejected, reason = 0, ""
		}
		rejected = min(rejected, uint64(b.spans))
		r.e.exported.Add(uint64(b.spans) - rejected)
		r.e.rejected.Add(rejected)
		r.remove()
		if rejected > 0 || reason != "" {
			r.log("partial", "collector did not take all spans", "url", r.e.url, "spans", rejected, "reason", reason)
		}
	case o.permanent:
		r.queue.succeeded() // it answers: the next batch need not wait
		r.e.rejected.Add(uint64(b.spans))
		r.remove()
		r.log("rejected", "collector refused spans", "url", r.e.url, "spans", b.spans, "error", o.err)
	default:
		r.queue.failed(now, o.retryAfter, rand.Float64())
		r.log("failed", "collector did not take spans; will retry", "url", r.e.url, "error", o.err)
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
	for i := range r.e.parts { // all are empty, but after a panic
		records, granted := r.e.take(i, nil, true)
		r.e.used.Add(-granted)
		lost += uint64(len(records))
	}
	r.e.tooLate.Add(lost)
	if lost > 0 {
		r.e.err = fmt.Errorf("stop tracer: %d spans were not exported to %s: %w", lost, r.e.url, r.e.err)
	} else {
		r.e.err = nil
	}
}

func (r *runState) logDrops() {
	if n := r.e.stats().Dropped.BufferFull; n > r.dropped {
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
func (e *exporter) send(ctx context.Context, client *http.Client, j job) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = outcome{err: fmt.Errorf("panic: %v", p), permanent: true}
		}
	}()
	var req *http.Request
	var err error
	switch j.kind {
	case askRatios:
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, e.ratiosURL, nil)
	case sendReport:
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, e.metricsURL, bytes.NewReader(j.payload))
	case sendSpans:
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(j.payload))
	}
	if err != nil {
		return outcome{err: err, permanent: true}
	}
	for k, v := range e.headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("User-Agent", "shuai-go/"+Version)
	if j.kind != askRatios {
		req.Header.Set("Content-Type", "application/x-protobuf")
		if e.gzip {
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return outcome{err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code/100 == 2:
		if err != nil {
			return outcome{} // accepted, whatever the answer would have said
		}
		return outcome{answer: answer}
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
	ended, full, late := e.counts()
	return Stats{
		Exported:      e.exported.Load(),
		Buffered:      uint64(max(0, e.waiting.Load())) + ended,
		BufferedBytes: uint64(max(0, e.used.Load())),
		Dropped: Dropped{
			BufferFull: e.bufferFull.Load() + full,
			Rejected:   e.rejected.Load(),
			Expired:    e.expired.Load(),
			Stopped:    e.tooLate.Load() + late,
		},
	}
}
