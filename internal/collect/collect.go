// Package collect receives spans and metrics: OTLP over HTTP (port 4318 by custom) and over gRPC (4317), and spans as Zipkin's
// clients (9411) and Jaeger's (Thrift over HTTP, 14268) send them. A request's body is read into a pooled buffer, unpacked, decoded to columns and appended to the store, and only then
// acknowledged. Nothing is queued in between, so what a sender has been told is stored, is stored.
//
// Memory is bounded: by request ([wire.Limits]), and over all requests by the bytes of the bodies that
// are in memory ([Config.MaxInFlightBytes]). Beyond the bound, and while the store is full, senders
// are asked to come again; what they send meanwhile waits at their side.
//
// Who sends may have to prove who it is: by a token ([Config.Tokens]), and by a certificate ([TLSFiles]).
package collect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/fuwu-project/fuwu/internal/sampling"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// Config says where spans go and how many may come. Only Store is needed.
type Config struct {
	Store store.Store

	// Metrics takes the metrics that arrive; default nobody.
	Metrics MetricsSink

	// Sampling learns from them how many traces begin, and is asked by tracers how many to keep; default nobody.
	Sampling *sampling.Targets

	// Limits bound one request.
	Limits wire.Limits

	// MaxInFlightBytes bounds the bodies in memory, compressed and not, over all requests; default
	// 256 MiB, and never less than one request needs. The columns made of them come on top, one to
	// five times their size.
	MaxInFlightBytes int64

	// MaxConnections bounds the connections that the listeners of [Collector.Listen] have open together; default 4,096.
	MaxConnections int

	// CORSOrigins are the origins of web pages that may send spans, as "https://shop.example"; "*" is
	// any. Default: none.
	CORSOrigins []string

	// Tokens are the bearer tokens (RFC 6750) of which senders must have one; default: they need none.
	Tokens []string

	// Logger hears of errors of the store, at most one line in ten seconds; default slog.Default.
	Logger *slog.Logger
}

// retryAfter is how long a sender is asked to wait when we cannot take more.
const retryAfter = time.Second

// Collector receives spans. Its methods may be called concurrently.
type Collector struct {
	store    store.Store
	metrics  MetricsSink
	sampling *sampling.Targets
	limits   wire.Limits
	inFlight budget
	conns    budget
	origins  []string
	tokens   [][sha256.Size]byte
	log      rarely
	stats    counters
}

// New makes a collector. It has no goroutines and needs no closing; the servers made of it do.
func New(cfg Config) *Collector {
	if cfg.MaxInFlightBytes <= 0 {
		cfg.MaxInFlightBytes = 256 << 20
	}
	if cfg.MaxConnections <= 0 {
		cfg.MaxConnections = 4096
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c := &Collector{
		store:    cfg.Store,
		metrics:  cfg.Metrics,
		sampling: cfg.Sampling,
		limits:   cfg.Limits,
		inFlight: budget{max: max(cfg.MaxInFlightBytes, 2*int64(cfg.Limits.MaxRequestBytes()+1))},
		conns:    budget{max: int64(cfg.MaxConnections)},
		origins:  cfg.CORSOrigins,
		log:      rarely{logger: cfg.Logger},
	}
	for _, t := range cfg.Tokens {
		c.tokens = append(c.tokens, sha256.Sum256([]byte(t)))
	}
	return c
}

// admit says who may send. It compares sums, which takes as long whatever the first difference is.
func (c *Collector) admit(r *http.Request) *refusal {
	if len(c.tokens) == 0 {
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	if strings.EqualFold(scheme, "Bearer") && slices.Contains(c.tokens, sum) {
		return nil
	}
	return refuse(unauthenticated, "this collector wants a token of its own: Authorization: Bearer TOKEN")
}

// Stats is what a collector has done since it was made.
type Stats struct {
	Requests int64 // accepted, partly accepted ones included
	Spans    int64 // stored
	Bytes    int64 // of accepted bodies, as they came off the wire
	Rejected int64 // spans left out of accepted requests: invalid, or over the limit
	Cut      int64 // attributes, events and links left out, and texts shortened
	Clamped  int64 // spans that ended before they started
	Replaced int64 // texts that were not UTF-8
	InFlight int64 // bytes in memory now
	Metrics  int64 // requests of metrics accepted
	Open     int64 // connections now

	Refused map[string]int64 // whole requests, by reason; reasons that never occurred are absent
}

// Stats reads the counters.
func (c *Collector) Stats() Stats {
	s := Stats{
		Requests: c.stats.requests.Load(),
		Spans:    c.stats.spans.Load(),
		Bytes:    c.stats.bytes.Load(),
		Rejected: c.stats.rejected.Load(),
		Cut:      c.stats.cut.Load(),
		Clamped:  c.stats.clamped.Load(),
		Replaced: c.stats.replaced.Load(),
		InFlight: c.inFlight.used.Load(),
		Metrics:  c.stats.metrics.Load(),
		Open:     c.conns.used.Load(),
		Refused:  map[string]int64{},
	}
	for r := range reasons {
		if n := c.stats.refused[r].Load(); n > 0 {
			s.Refused[r.String()] = n
		}
	}
	return s
}

// Reasons are all the reasons that Stats.Refused may have.
func Reasons() []string {
	all := make([]string, 0, reasons)
	for r := range reasons {
		all = append(all, r.String())
	}
	return all
}

type counters struct {
	requests, spans, bytes, rejected, cut, clamped, replaced, metrics atomic.Int64

	refused [reasons]atomic.Int64
}

// reason is why a whole request was refused.
type reason uint8

const (
	malformed       reason = iota // cannot be decoded
	unsupported                   // a method, media type or compression we do not speak
	unauthenticated               // without a token, or with a wrong one
	tooLarge                      // over the limit of one request
	tooSlow                       // did not arrive in time
	interrupted                   // the sender went away
	overloaded                    // over the bytes in flight
	storeFull                     // the store said so
	storeFailed                   // the store had another error
	crowded                       // a connection over the limit
	noRequest                     // a connection that sent something, and never a whole header
	reasons
)

// reasonTable says what a reason is called, and how it is told over HTTP and gRPC. Clients send again what is answered
// with 503 (not with 408), and DEADLINE_EXCEEDED or UNAVAILABLE.
var reasonTable = [reasons]struct {
	name string
	http int
	grpc codes.Code
}{
	malformed:       {"malformed", http.StatusBadRequest, codes.InvalidArgument},
	unsupported:     {"unsupported", http.StatusBadRequest, codes.InvalidArgument},
	unauthenticated: {"unauthenticated", http.StatusUnauthorized, codes.Unauthenticated},
	tooLarge:        {"too_large", http.StatusRequestEntityTooLarge, codes.ResourceExhausted},
	tooSlow:         {"too_slow", http.StatusServiceUnavailable, codes.DeadlineExceeded},
	interrupted:     {"interrupted", http.StatusServiceUnavailable, codes.Unavailable},
	overloaded:      {"overloaded", http.StatusServiceUnavailable, codes.Unavailable},
	storeFull:       {"store_full", http.StatusServiceUnavailable, codes.Unavailable},
	storeFailed:     {"store_failed", http.StatusServiceUnavailable, codes.Unavailable},
	crowded:         {"too_many_connections", http.StatusServiceUnavailable, codes.Unavailable},
	noRequest:       {"no_request", 0, 0}, // there is nobody to tell
}

func (r reason) String() string { return reasonTable[r].name }

// refusal is a request refused; msg is for the sender.
type refusal struct {
	reason reason
	msg    string
	code   codes.Code // of gRPC, where it is not the reason's; OK: it is
}

func refuse(r reason, format string, args ...any) *refusal {
	return &refusal{reason: r, msg: fmt.Sprintf(format, args...)}
}

// as sets the code.
func (r *refusal) as(c codes.Code) *refusal {
	r.code = c
	return r
}

// status is the refusal as both protocols write it.
func (r *refusal) status() *spb.Status {
	return &spb.Status{Code: int32(cmp.Or(r.code, reasonTable[r.reason].grpc)), Message: strings.ToValidUTF8(r.msg, "\ufffd")}
}

// accepted is what the sender of an accepted request is told.
type accepted struct {
	rejected int
	message  string
}

var batches = sync.Pool{New: func() any { return new(span.Batch) }}

// maxPooled is the number of attributes, events and links beyond which a batch is left to the garbage collector.
const maxPooled = 1 << 20

// takeSpans decodes a body and appends it to the store. The caller may reuse it afterwards.
func (c *Collector) takeSpans(ctx context.Context, in body, _ *load) (accepted, *refusal) {
	b, _ := batches.Get().(*span.Batch)
	defer func() {
		if cap(b.Values)+cap(b.Events)+cap(b.Links) <= maxPooled {
			b.Reset()
			batches.Put(b)
		}
	}()
	rep, err := wire.Decode(in.format, in.raw, c.limits, b)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return accepted{}, refuse(tooLarge, "%v", err)
	case err != nil:
		return accepted{}, refuse(malformed, "the body is not %s: %v", expected(in.format), err)
	case b.Len() == 0 && rep.Rejected > 0 && !partial(in.format):
		return accepted{}, refuse(malformed, "%s", verdict(rep).message)
	}
	if !rep.Limited { // else the log has to keep the spans as they are now, not as they were sent
		b.Wire.Format, b.Wire.Body = byte(in.wireFormat), in.wireBody
	}
	if b.Len() > 0 {
		switch err := c.store.Append(ctx, b); {
		case err == nil:
		case errors.Is(err, store.ErrFull):
			if err != store.ErrFull { //nolint:errorlint // where it is wrapped, the other error is what the disk said
				c.log.error("spans refused, their sender will try again", err)
			}
			return accepted{}, refuse(storeFull, "the store cannot take more now; come again later")
		case ctx.Err() != nil:
			return accepted{}, refuse(interrupted, "the request ended before its spans were stored")
		default:
			c.log.error("spans refused, their sender will try again", err)
			return accepted{}, refuse(storeFailed, "the spans could not be stored; come again later")
		}
	}
	c.stats.requests.Add(1)
	c.stats.spans.Add(int64(b.Len()))
	c.stats.bytes.Add(int64(len(in.wireBody)))
	c.stats.rejected.Add(int64(rep.Rejected))
	c.stats.cut.Add(int64(rep.Cut))
	c.stats.clamped.Add(int64(rep.Clamped))
	c.stats.replaced.Add(int64(rep.Replaced))
	return verdict(rep), nil
}

// verdict words a report for the sender. Limits that cut without rejecting a span are a warning.
func verdict(rep wire.Report) accepted {
	a := accepted{rejected: rep.Rejected}
	switch {
	case rep.Rejected > 0:
		spans := "spans"
		if rep.Rejected == 1 {
			spans = "span"
		}
		a.message = fmt.Sprintf("%d %s rejected; the first: %s", rep.Rejected, spans, rep.Reason)
	case rep.Cut > 0:
		a.message = fmt.Sprintf("%d attributes, events or links were left out or shortened, being over a limit or malformed", rep.Cut)
	}
	return a
}

// budget bounds what is in use of something.
type budget struct {
	used atomic.Int64
	max  int64
}

func (b *budget) acquire(n int64) bool {
	if b.used.Add(n) <= b.max {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) release(n int64) { b.used.Add(-n) }

// rarely logs at most one line in ten seconds and says how many it left out.
type rarely struct {
	logger *slog.Logger

	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (r *rarely) error(msg string, err error) { r.line(slog.LevelError, msg, err.Error()) }

func (r *rarely) line(level slog.Level, msg, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.last.IsZero() && now.Sub(r.last) < 10*time.Second {
		r.skipped++
		return
	}
	r.logger.Log(context.Background(), level, msg, "err", why, "alike", r.skipped)
	r.last, r.skipped = now, 0
}

// buffers holds the memory of bodies. A buffer is used by one request at a time.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the capacity in bytes beyond which a buffer is left to the garbage collector.
const maxBuffer = 4 << 20

// load is the memory that one request holds: buffers, and its share of the bytes in flight.
type load struct {
	c       *Collector
	held    int64
	buffers []*[]byte
}

// buffer returns an empty buffer.
func (l *load) buffer() *[]byte {
	p, _ := buffers.Get().(*[]byte)
	*p = (*p)[:0]
	l.buffers = append(l.buffers, p)
	return p
}

// hold takes n more bytes of the budget.
func (l *load) hold(n int) *refusal {
	if !l.c.inFlight.acquire(int64(n)) {
		return refuse(overloaded, "too many requests are under way; come again later")
	}
	l.held += int64(n)
	return nil
}

// release gives everything back.
func (l *load) release() {
	l.c.inFlight.release(l.held)
	l.held = 0
	for _, p := range l.buffers {
		if cap(*p) <= maxBuffer {
			buffers.Put(p)
		}
	}
	l.buffers = nil
}
