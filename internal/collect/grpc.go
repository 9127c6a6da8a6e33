package collect

import (
	"context"
	"io"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // OTLP demands that gzip is understood
	_ "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fuwu-project/fuwu/internal/wire"
)

// GRPCServer returns a server of OTLP's TraceService and MetricsService and of grpc.health.v1.Health; opts are added to those it needs.
// The caller serves and stops it. gzip is undone here and not by gRPC, which knows no budget: so memory stays bounded
// whatever unpacks to how much, and the store's log keeps a body as it came.
func (c *Collector) GRPCServer(opts ...grpc.ServerOption) *grpc.Server {
	limit := c.limits.MaxRequestBytes()
	own := []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{c, encoding.GetCodecV2("proto")}),
		grpc.RPCDecompressor(leaveGzip{}), //nolint:staticcheck // its successor is global to the process
		grpc.MaxRecvMsgSize(limit),
		grpc.MaxConcurrentStreams(256),
		// Exporters behind load balancers ping more often than gRPC's default allows.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		// A connection whose other end has vanished is found out.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.InTapHandle(c.admit),
	}
	s := grpc.NewServer(append(own, opts...)...)
	s.RegisterService(&traceService, c)
	s.RegisterService(&metricsService, c)
	healthpb.RegisterHealthServer(s, health.NewServer())
	return s
}

// admit refuses streams while no budget is left, before gRPC reads their message into memory of its own.
func (c *Collector) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	if (info.FullMethodName == tracesMethod || info.FullMethodName == metricsMethod) && c.inFlight.used.Load() >= c.inFlight.max {
		return nil, c.refused(refuse(overloaded, "too many requests are under way; come again later"))
	}
	return ctx, nil
}

const tracesMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

var traceService = grpc.ServiceDesc{
	ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: export(tracesMethod, (*Collector).takeSpans)}},
	Metadata:    "opentelemetry/proto/collector/trace/v1/trace_service.proto",
}

// exportRequest is the message as it came; exportResponse as it goes.
type (
	exportRequest struct {
		load load
		body body
		no   *refusal
	}
	exportResponse []byte
)

// export is the handler of a service's only method.
func export(method string, take func(*Collector, context.Context, body, *load) (accepted, *refusal)) grpc.MethodHandler {
	//nolint:revive // the order of arguments is grpc.MethodDesc's
	return func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		c, ok := srv.(*Collector)
		if !ok {
			return nil, status.Error(codes.Internal, "not a collector")
		}
		req := &exportRequest{load: load{c: c}}
		defer req.load.release()
		if err := dec(req); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, _ any) (any, error) {
			if req.no != nil {
				return nil, c.refused(req.no)
			}
			verdict, no := take(c, ctx, req.body, &req.load)
			if no != nil {
				return nil, c.refused(no)
			}
			return exportResponse(appendResponse(nil, verdict)), nil
		}
		if interceptor == nil {
			return handle(ctx, req)
		}
		return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: method}, handle)
	}
}

// refused counts a refusal and returns it as a status. Whoever may come again is told when; without that,
// RESOURCE_EXHAUSTED means never.
func (c *Collector) refused(no *refusal) error {
	c.stats.refused[no.reason].Add(1)
	var detail protoadapt.MessageV1
	switch no.grpcCode() {
	case codes.Unavailable:
		detail = &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)}
	case codes.InvalidArgument:
		detail = &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Description: no.msg}}}
	default:
		return status.Error(no.grpcCode(), no.msg)
	}
	st, err := status.New(no.grpcCode(), no.msg).WithDetails(detail)
	if err != nil {
		return status.Error(no.grpcCode(), no.msg) // without the detail, rather than not at all
	}
	return st.Err()
}

// leaveGzip is a grpc.Decompressor that leaves gzip to the codec.
type leaveGzip struct{}

func (leaveGzip) Type() string { return "gzip" }

func (leaveGzip) Do(r io.Reader) ([]byte, error) { return io.ReadAll(r) }

// isGzip says whether a message is still packed. No message of protobuf begins like that: 0x1f is a tag of wire type
// 7, which there is not.
func isGzip(p []byte) bool { return len(p) >= 2 && p[0] == 0x1f && p[1] == 0x8b }

// codec hands Export's messages through as bytes, unpacked, and leaves all others, which are the health service's,
// to gRPC's own codec.
type codec struct {
	c *Collector
	encoding.CodecV2
}

func (k codec) Marshal(v any) (mem.BufferSlice, error) {
	if p, ok := v.(exportResponse); ok {
		return mem.BufferSlice{mem.SliceBuffer(p)}, nil
	}
	return k.CodecV2.Marshal(v)
}

// maxOther bounds a packed message of another service than ours, in bytes.
const maxOther = 64 << 10

func (k codec) Unmarshal(data mem.BufferSlice, v any) error {
	req, ok := v.(*exportRequest)
	if !ok {
		if p := data.Materialize(); isGzip(p) {
			raw, err := wire.Gunzip(nil, p, maxOther)
			if err != nil {
				return err
			}
			data = mem.BufferSlice{mem.SliceBuffer(raw)}
		}
		return k.CodecV2.Unmarshal(data, v)
	}
	n := data.Len()
	if req.no = req.load.hold(n); req.no != nil {
		return nil // export answers; an error here would become INTERNAL, which no client sends again
	}
	buf := req.load.buffer()
	*buf = slices.Grow(*buf, n)[:n]
	data.CopyTo(*buf)
	req.body = body{wire.OTLPProto, *buf, wire.OTLPProto, *buf}
	if isGzip(*buf) {
		req.body.wireFormat |= wire.Gzip
		req.body.raw, req.no = req.load.gunzip(*buf, k.c.limits.MaxRequestBytes())
	}
	return nil
}
