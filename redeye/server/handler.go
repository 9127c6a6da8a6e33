package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// Handler serves the service redeye.v1.Redeye over Connect, gRPC and gRPC-Web (gRPC needs HTTP/2), and in JSON:
//
//	curl -H 'Content-Type: application/json' localhost:8080/redeye.v1.Redeye/Query -d '{"text": "get_movies(ids).map(lambda m: m.title())", "params": {"ids": [1, 2]}}'
//
// The error is of the registrations.
func (s *Server) Handler() (http.Handler, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	const service = "/redeye.v1.Redeye/"
	rpc := connect.NewServer()
	rpc.Register(
		s.method(service+"Query", connect.StreamTypeUnary, s.serveQuery),
		s.method(service+"Stream", connect.StreamTypeServer, s.serveStream),
		s.method(service+"Explain", connect.StreamTypeUnary, s.serveExplain),
		s.method(service+"GetSchema", connect.StreamTypeUnary, s.serveSchema),
	)
	mux := http.NewServeMux()
	connecthttp.Mount(mux, rpc, connecthttp.WithCodecs(protoCodec{connectproto.NewBinaryCodec()}, jsonCodec{}),
		connecthttp.WithReadMaxBytes(s.Limits.Or().Bytes+maxParamBytes), connecthttp.WithCompressMinBytes(4096))
	if s.Operator != nil {
		mux.HandleFunc("/redeye/callsites", s.serveCallSites)
		mux.HandleFunc("GET /redeye/metrics", s.serveMetrics)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == service+"Stream" { // a client that does not read must not keep the execution
			control := http.NewResponseController(w)
			_ = control.SetWriteDeadline(time.Now().Add(s.Budget.Wall + time.Second)) // not in process, where nothing blocks for long
			defer func() { _ = control.SetWriteDeadline(time.Time{}) }()              // of the connection, which lives on
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// maxParamBytes bounds a request, without its program.
const maxParamBytes = 4 << 20

// method makes a method of what serves a stream, with who asks in its context and its errors as the client sees them.
func (s *Server) method(procedure string, kind connect.StreamType, serve func(context.Context, connect.ServerStream) error) connect.Method {
	return connect.Method{
		Spec: connect.Spec{Procedure: procedure, StreamType: kind, IdempotencyLevel: connect.IdempotencyNoSideEffects},
		Handler: func(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
			if s.Authenticate != nil {
				header := http.Header{}
				if info, ok := connect.CallInfoForServerContext(ctx); ok {
					for name, values := range info.RequestHeader().All() {
						header[http.CanonicalHeaderKey(name)] = values
					}
				}
				p, err := s.Authenticate(ctx, header)
				if err != nil {
					return connect.NewError(connect.CodeUnauthenticated, "who asks is not known here").WithCause(err)
				}
				ctx = WithPrincipal(ctx, p)
			}
			err := serve(ctx, stream)
			e, ok := errors.AsType[*Error](err)
			if !ok {
				return err
			}
			if info, ok := connect.CallInfoForServerContext(ctx); ok && e.Wait > 0 {
				info.ResponseHeader().Set("Retry-After", strconv.FormatInt(int64((e.Wait+time.Second-1)/time.Second), 10))
			}
			return e.connect()
		},
	}
}

// connect makes the error that is sent.
func (e *Error) connect() error {
	code := connect.CodeUnknown
	if err := code.UnmarshalText([]byte(lower(e.Code))); err != nil {
		code = connect.CodeUnknown
	}
	detail := map[string]any{"reason": e.Reason, "where": e.Where, "budget": e.Budget, "limit": e.Limit, "used": e.Used}
	if e.Usage != (Usage{}) {
		detail["usage"] = e.Usage.json()
	}
	debug, err := json.Marshal(detail)
	if err != nil {
		debug = nil
	}
	msg := e.Msg
	if e.Where != "" {
		msg = e.Where
	}
	if e.Path != "" {
		msg = e.Path + ": " + msg
	}
	out := connect.NewError(code, msg).WithCause(e).WithDetail(&connect.ErrorDetail{Type: "redeye.v1.ErrorDetail", Value: e.appendDetail(nil), Debug: debug})
	if e.Wait > 0 {
		out = out.WithDetail(retryInfo(e.Wait))
	}
	return out
}

// retryInfo is how gRPC says when to ask again: google.rpc.RetryInfo (google/rpc/error_details.proto), whose only field is a google.protobuf.Duration.
func retryInfo(after time.Duration) *connect.ErrorDetail {
	value := pb.AppendMessage(nil, 1, func(b []byte) []byte {
		b = pb.AppendUint(b, 1, uint64(after/time.Second))
		return pb.AppendUint(b, 2, uint64(after%time.Second))
	})
	return &connect.ErrorDetail{Type: "google.rpc.RetryInfo", Value: value, Debug: fmt.Appendf(nil, `{"retryDelay":"%.9fs"}`, after.Seconds())}
}

// lower writes a code as Connect does.
func lower(code string) string {
	if code == "CANCELLED" {
		return "canceled"
	}
	b := []byte(code)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// receive reads a query.
func (s *Server) receive(stream connect.ServerStream) (Request, error) {
	var msg queryMessage
	if err := stream.Receive(&msg); err != nil {
		return Request{}, err
	}
	return msg.request(s.Limits)
}

func (s *Server) serveQuery(ctx context.Context, stream connect.ServerStream) error {
	req, err := s.receive(stream)
	if err != nil {
		return err
	}
	answer, err := s.Query(ctx, req)
	if err != nil {
		return err
	}
	return stream.Send(&answerMessage{Answer: answer, value: answer.Value, end: true, last: true})
}

func (s *Server) serveStream(ctx context.Context, stream connect.ServerStream) error {
	req, err := s.receive(stream)
	if err != nil {
		return err
	}
	answer, err := s.Stream(ctx, req, func(part *column.Column) error { return stream.Send(&answerMessage{value: part}) })
	if err != nil {
		return err
	}
	return stream.Send(&answerMessage{Answer: answer, end: true, last: true})
}

func (s *Server) serveExplain(ctx context.Context, stream connect.ServerStream) error {
	var msg queryMessage
	if err := stream.Receive(&msg); err != nil {
		return err
	}
	req, err := msg.request(s.Limits)
	if err != nil {
		return err
	}
	explain := s.Explain
	if msg.analyze {
		explain = s.Analyze
	}
	out, err := explain(ctx, req)
	if err != nil {
		return err
	}
	return stream.Send(&explainMessage{out})
}

func (s *Server) serveSchema(_ context.Context, stream connect.ServerStream) error {
	if err := stream.Receive(new(emptyMessage)); err != nil {
		return err
	}
	b, err := s.SchemaJSON()
	if err != nil {
		return err
	}
	return stream.Send(&schemaMessage{b, s.catalog.Schema.Version})
}
