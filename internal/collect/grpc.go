package collect

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fuwu-project/fuwu/internal/wire"
)

// This file is gRPC over HTTP/2 as far as a server of unary methods needs it (gRPC's PROTOCOL-HTTP2.md), on net/http.
// gRPC's own server reads a whole message into memory before anybody is asked: 64 MiB for each of the streams of each
// connection. Here the bytes in flight are asked first, as for HTTP/1, and a body that came packed is logged packed.

const (
	tracesMethod  = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	metricsMethod = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	healthMethod  = "/grpc.health.v1.Health/Check"
)

// grpcPrefix is what stands before a message: a byte that is 1 if it is packed, and its length.
const grpcPrefix = 5

// maxHealthBytes bounds the question of a health check.
const maxHealthBytes = 4 << 10

// GRPCHandler serves OTLP's TraceService and MetricsService, and Check of grpc.health.v1.Health, over HTTP/2: see
// [Collector.NewServer]. Of Watch it says that it is not implemented, which clients take for health.
func (c *Collector) GRPCHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(tracesMethod, c.guarded(c.unary(export(c.takeSpans), c.limits.MaxRequestBytes())))
	mux.HandleFunc(metricsMethod, c.guarded(c.unary(export(c.takeMetrics), c.maxMetricsBytes())))
	mux.HandleFunc(healthMethod, c.unary(checkHealth, maxHealthBytes))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		served(r)
		if isGRPC(w, r) {
			c.refuseGRPC(w, refuse(unsupported, "no method %.200q here", r.URL.Path).as(codes.Unimplemented))
		}
	})
	return mux
}

// guarded lets only those in who may send.
func (c *Collector) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if no := c.admit(r); no != nil {
			served(r)
			c.refuseGRPC(w, no)
			return
		}
		next(w, r)
	}
}

// isGRPC says whether it is a call; who asks otherwise is told.
func isGRPC(w http.ResponseWriter, r *http.Request) bool {
	typ, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if r.Method == http.MethodPost && r.ProtoMajor == 2 && (typ == "application/grpc" || typ == "application/grpc+proto") {
		return true
	}
	plain(w, http.StatusUnsupportedMediaType, "415 this address speaks gRPC: OTLP's TraceService and MetricsService, over HTTP/2")
	return false
}

// method answers a message with a message.
type method func(ctx context.Context, b body, l *load) ([]byte, *refusal)

// export is a service's method Export.
func export(take taker) method {
	return func(ctx context.Context, b body, l *load) ([]byte, *refusal) {
		a, no := take(ctx, b, l)
		return appendResponse(nil, a), no
	}
}

// unary handles a method whose messages have at most limit bytes, packed or not.
func (c *Collector) unary(do method, limit int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		served(r)
		if !isGRPC(w, r) {
			c.stats.refused[unsupported].Add(1)
			return
		}
		ctx := r.Context()
		if d, ok := grpcTimeout(r.Header.Get("Grpc-Timeout")); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		l := load{c: c}
		defer l.release()
		b, no := l.message(r, limit)
		answer := make([]byte, grpcPrefix)
		if no == nil {
			var p []byte
			p, no = do(ctx, b, &l)
			answer = append(answer, p...)
		}
		if no != nil {
			c.refuseGRPC(w, no)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Accept-Encoding", "gzip")
		binary.BigEndian.PutUint32(answer[1:], uint32(len(answer)-grpcPrefix))
		_, _ = w.Write(answer) // a client that is gone needs no answer
		h.Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
}

// message reads and unpacks the message of a call, which is its only one.
func (l *load) message(r *http.Request, limit int) (body, *refusal) {
	var prefix [grpcPrefix]byte
	if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return body{}, refuse(malformed, "the call has no message")
		}
		return body{}, unread(err)
	}
	packed, n := prefix[0] == 1, int64(binary.BigEndian.Uint32(prefix[1:]))
	encoding := r.Header.Get("Grpc-Encoding")
	switch {
	case prefix[0] > 1:
		return body{}, refuse(malformed, "the message has the flags %#x", prefix[0])
	case packed && encoding != "gzip":
		return body{}, refuse(unsupported, "unsupported compression %.100q, supported: [gzip, identity]", encoding).as(codes.Unimplemented)
	case n > int64(limit):
		return body{}, refuse(tooLarge, "the message has %d bytes; the limit is %d", n, limit)
	}
	p, no := l.read(io.LimitReader(r.Body, n), n, limit)
	if no != nil {
		return body{}, no
	}
	if int64(len(p)) < n {
		return body{}, refuse(malformed, "the message ends after %d of %d bytes", len(p), n)
	}
	// What follows must be the end. To have met it also spares the client a reset of the stream.
	switch _, err := io.ReadFull(r.Body, prefix[:1]); {
	case err == nil:
		return body{}, refuse(malformed, "the call has more than one message")
	case !errors.Is(err, io.EOF):
		return body{}, unread(err)
	}
	if !packed {
		return body{wire.OTLPProto, p, wire.OTLPProto, p}, nil
	}
	raw, no := l.gunzip(p, limit)
	return body{wire.OTLPProto, raw, wire.OTLPProto | wire.Gzip, p}, no
}

// grpcTimeout reads the header of that name: at most eight digits and a unit. What is longer than we can count is as good as none.
func grpcTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second,
		'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	ok = ok && err == nil && int64(n) <= math.MaxInt64/int64(unit)
	return time.Duration(n) * unit, ok
}

// refuseGRPC counts a refusal and answers with it. Whoever may come again is told when; without that, an exporter
// takes RESOURCE_EXHAUSTED for never.
func (c *Collector) refuseGRPC(w http.ResponseWriter, no *refusal) {
	c.stats.refused[no.reason].Add(1)
	st := no.status()
	var detail proto.Message
	switch codes.Code(st.Code) {
	case codes.Unavailable:
		detail = &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)}
	case codes.InvalidArgument:
		detail = &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Description: st.Message}}}
	default:
	}
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Accept-Encoding", "gzip")
	h.Set("Grpc-Status", strconv.Itoa(int(st.Code)))
	h.Set("Grpc-Message", percentEncode(st.Message))
	if detail == nil {
		return
	}
	if a, err := anypb.New(detail); err == nil { // else without it, rather than not at all
		st.Details = append(st.Details, a)
		p, _ := proto.Marshal(st) // valid UTF-8 always marshals
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(p))
	}
}

// percentEncode writes a message as the header grpc-message has it.
func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// checkHealth answers grpc.health.v1's Check: the server as a whole is well as long as it answers.
func checkHealth(_ context.Context, b body, _ *load) ([]byte, *refusal) {
	var req healthpb.HealthCheckRequest
	if err := proto.Unmarshal(b.raw, &req); err != nil {
		return nil, refuse(malformed, "the message is not a HealthCheckRequest: %v", err)
	}
	if req.GetService() != "" {
		return nil, refuse(unsupported, "no service %.200q is watched here; \"\" is the server", req.GetService()).as(codes.NotFound)
	}
	p, _ := proto.Marshal(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}) // an enum always marshals
	return p, nil
}
