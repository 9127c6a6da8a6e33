package tracer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/fuwu-project/fuwu/internal/realdb"
	"github.com/fuwu-project/fuwu/shuai"
	shuaiotel "github.com/fuwu-project/fuwu/shuai/contrib/otel"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// realServer starts a server of realdb for the time of a test.
func realServer(t *testing.T, start func(context.Context, string) (*realdb.Server, error)) *realdb.Server {
	t.Helper()
	s, err := start(t.Context(), t.TempDir())
	if errors.Is(err, realdb.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// health is a gRPC service that asks Redis.
type health struct {
	healthpb.UnimplementedHealthServer
	rdb *redis.Client
}

func (h *health) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if err := h.rdb.Set(ctx, r.Service, "up", 0).Err(); err != nil {
		return nil, err
	}
	if err := h.rdb.HGet(ctx, r.Service, "field").Err(); err == nil {
		return nil, errors.New("a string has a field")
	}
	_, err := h.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Get(ctx, r.Service)
		p.Get(ctx, "absent")
		return nil
	})
	if !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// OpenTelemetry's instrumentation of net/http and gRPC and go-redis's own, unchanged, on top of our tracer, with a client and a span through our
// API between them: one tree, with a real Redis at its end.
func TestInstrumented(t *testing.T) {
	store := realServer(t, realdb.Redis)
	o := newOracle(t)
	tr, err := shuai.New(shuai.Config{Service: "test", Endpoint: o.url, Ratio: 1})
	if err != nil {
		t.Fatal(err)
	}
	provider, propagator := shuaiotel.NewTracerProvider(tr), shuaiotel.Propagator{Tracer: tr}

	rdb := redis.NewClient(&redis.Options{Addr: store.Addr, Protocol: 2, DisableIdentity: true})
	defer rdb.Close()
	if err := rdb.Ping(t.Context()).Err(); err != nil { // dial before anything is traced
		t.Fatal(err)
	}
	connecting := func(cmd redis.Cmder) bool { return cmd.Name() == "hello" } // when it connects is the pool's affair
	if err := redisotel.InstrumentTracing(rdb, redisotel.WithTracerProvider(provider), redisotel.WithDialFilter(true), redisotel.WithCommandFilter(connecting)); err != nil {
		t.Fatal(err)
	}

	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := []otelgrpc.Option{otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagator)}
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(options...)))
	healthpb.RegisterHealthServer(server, &health{rdb: rdb})
	go server.Serve(l)
	defer server.Stop()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(otelgrpc.NewClientHandler(options...)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /status/{service}", func(w http.ResponseWriter, r *http.Request) {
		ctx, span := shuai.StartSpan(r.Context(), "render", shuai.KindInternal)
		defer span.End()
		answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: r.PathValue("service")})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, answer.Status)
	})
	web := httptest.NewServer(otelhttp.NewHandler(mux, "web", otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagator)))
	defer web.Close()

	for _, client := range []*http.Client{
		{Transport: otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagator))},
		{Transport: shuaihttp.NewTransport(nil, shuaihttp.Config{Tracer: tr})},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/status/movie", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "SERVING" {
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	server.GracefulStop()
	web.Close()
	if err := tr.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	const tree = `
  GET /status/{service} server otelhttp
    render internal shuai
      grpc.health.v1.Health/Check client otelgrpc
        grpc.health.v1.Health/Check server otelgrpc
          set client redisotel
          hget client redisotel error
          redis.pipeline get client redisotel
`
	want := "\nHTTP GET client otelhttp" + tree + "GET client shuai" + tree
	if d := cmp.Diff(want, "\n"+o.tree(t)); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

// tree takes what arrived and draws it, a span a line, in the order of their starts: name, kind, scope, and error.
func (o *oracle) tree(t *testing.T) string {
	t.Helper()
	requests, err := o.take()
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		*tracepb.Span
		scope string
	}
	children := map[string][]node{}
	for _, r := range requests {
		for _, rs := range r.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					scope := ss.Scope.Name
					for part := range strings.SplitSeq(ss.Scope.Name, "/") {
						if part == "redisotel" || strings.HasPrefix(part, "otel") || part == "shuai" {
							scope = part
						}
					}
					children[string(s.ParentSpanId)] = append(children[string(s.ParentSpanId)], node{s, scope})
				}
			}
		}
	}
	var b strings.Builder
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		nodes := children[parent]
		delete(children, parent)
		slices.SortFunc(nodes, func(a, b node) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
		for _, n := range nodes {
			kind := strings.ToLower(strings.TrimPrefix(n.Kind.String(), "SPAN_KIND_"))
			fmt.Fprintf(&b, "%s%s %s %s", indent, n.Name, kind, n.scope)
			if n.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
				b.WriteString(" error")
			}
			b.WriteByte('\n')
			draw(string(n.SpanId), indent+"  ")
		}
	}
	draw("", "")
	if len(children) > 0 {
		t.Errorf("%d spans have a parent that did not arrive", len(children))
	}
	return b.String()
}
