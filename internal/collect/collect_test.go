package collect_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/wire"
)

func TestMain(m *testing.M) {
	// net/http lets half a second go by before it closes a connection of which it has not read everything.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// rig is a collector behind real sockets, and its store.
type rig struct {
	store   *gate
	c       *collect.Collector
	url     string // of /v1/traces
	grpc    string // host:port
	conn    *grpc.ClientConn
	client  collectorpb.TraceServiceClient
	browser *http.Client
}

// gate is a store whose Append fails while fail holds an error, and that looks at what the log would keep.
type gate struct {
	store.Store
	fail     atomic.Pointer[error]
	appended atomic.Int32
	format   atomic.Int32 // of the last that came with its wire form
	t        *testing.T
	hold     chan struct{} // if set, Append waits until it is closed
}

func (g *gate) Append(ctx context.Context, b *span.Batch) error {
	if g.hold != nil {
		<-g.hold
	}
	if err := g.fail.Load(); err != nil {
		return *err
	}
	if b.Wire.Format != 0 {
		g.format.Store(int32(b.Wire.Format))
		var again span.Batch
		if err := wire.Replay(b.Wire.Format, b.Wire.Body, &again); err != nil {
			g.t.Errorf("the log could not replay the request: %v", err)
		} else if diff := cmp.Diff(rows(b), rows(&again)); diff != "" {
			g.t.Errorf("appended (-) and replayed (+):\n%s", diff)
		}
	}
	g.appended.Add(1)
	return g.Store.Append(ctx, b)
}

func rows(b *span.Batch) (spans []span.Span) {
	for i := range b.Len() {
		spans = append(spans, b.Span(i))
	}
	return spans
}

func start(t *testing.T, cfg collect.Config) *rig {
	t.Helper()
	r := &rig{store: &gate{Store: storetest.NewModel(), t: t}}
	cfg.Store = r.store
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r.c = collect.New(cfg)

	listen := func() net.Listener {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	hl, gl := r.c.Listen(listen()), r.c.Listen(listen())
	hs, gs := collect.NewHTTPServer(r.c.HTTPHandler()), collect.NewHTTPServer(r.c.GRPCHandler())
	done := make(chan struct{}, 2)
	go func() { _ = hs.Serve(hl); done <- struct{}{} }()
	go func() { _ = gs.Serve(gl); done <- struct{}{} }()
	r.url, r.grpc = "http://"+hl.Addr().String()+"/v1/traces", gl.Addr().String()
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	r.conn, r.client = conn, collectorpb.NewTraceServiceClient(conn)
	r.browser = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(func() {
		_ = conn.Close()
		r.browser.CloseIdleConnections()
		_ = gs.Close()
		_ = hs.Close()
		<-done
		<-done
		_ = r.store.Close()
	})
	return r
}

// post sends a body; header is name, value, name, value …
func (r *rig) post(t *testing.T, body io.Reader, header ...string) (int, http.Header, []byte) {
	t.Helper()
	return r.do(t, http.MethodPost, body, header...)
}

func (r *rig) do(t *testing.T, method string, body io.Reader, header ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, p
}

func (r *rig) trace(t *testing.T, id string) []span.Span {
	t.Helper()
	tid, err := span.ParseTraceID(id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.store.Trace(t.Context(), tid)
	if err != nil {
		t.Fatal(err)
	}
	return rows(b)
}

// threeSpans is a trace in OTLP/JSON with every type of attribute. %[1]s is the trace id.
const threeSpans = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},
 "scopeSpans":[{"scope":{"name":"lib","version":"1"},"spans":[
 {"traceId":"%[1]s","spanId":"00000000000000a1","name":"GET /","kind":2,"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":1700000000900000000,
  "attributes":[{"key":"s","value":{"stringValue":"é"}},{"key":"b","value":{"boolValue":true}},{"key":"i","value":{"intValue":"-7"}},
   {"key":"d","value":{"doubleValue":0.5}},{"key":"y","value":{"bytesValue":"AP8="}},
   {"key":"l","value":{"arrayValue":{"values":[{"intValue":1},{"stringValue":"x"}]}}},
   {"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":false}}]}}}],"flags":257,"unheardOf":{"a":[1]}},
 {"traceId":"%[1]s","spanId":"00000000000000A2","parentSpanId":"00000000000000a1","name":"SELECT","kind":3,"status":{"code":2,"message":"no"},
  "startTimeUnixNano":"1700000000100000000","endTimeUnixNano":"1700000000200000000","events":[{"timeUnixNano":"1700000000150000000","name":"exception"}]},
 {"traceId":"%[1]s","spanId":"00000000000000a3","parentSpanId":"00000000000000a1","name":"get","startTimeUnixNano":"1700000000300000000",
  "endTimeUnixNano":"1700000000400000000","links":[{"traceId":"000000000000000000000000000000FF","spanId":"00000000000000ff"}]}]}]}]}`

// asProto is a request of OTLP/JSON in protobuf, by our own decoder and encoder; package wire holds them
// against google's.
func asProto(t *testing.T, body string) []byte {
	t.Helper()
	var b span.Batch
	if _, err := wire.Decode(wire.OTLPJSON, []byte(body), wire.Limits{}, &b); err != nil {
		t.Fatal(err)
	}
	_, p := wire.Encode(&b)
	return p
}

func asMessage(t *testing.T, body string) *collectorpb.ExportTraceServiceRequest {
	t.Helper()
	var req collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(asProto(t, body), &req); err != nil {
		t.Fatal(err)
	}
	return &req
}

func gzipped(t *testing.T, p []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(p)
	_ = w.Close()
	return buf.Bytes()
}

const (
	asJSON = "application/json"
	asPB   = "application/x-protobuf"
)

// TestOneTraceManyWays sends the same trace over every transport and expects the same spans (and upper-case ids,
// numbers and strings, unknown keys, base64 on the way).
func TestOneTraceManyWays(t *testing.T) {
	r := start(t, collect.Config{})
	var want []span.Span
	for i, way := range []struct {
		name string
		send func(body string)
	}{
		{"json", func(body string) { r.ok(t, strings.NewReader(body), "Content-Type", asJSON+"; charset=utf-8") }},
		{"proto", func(body string) { r.ok(t, bytes.NewReader(asProto(t, body)), "Content-Type", asPB) }},
		{"json, chunked", func(body string) { r.ok(t, io.MultiReader(strings.NewReader(body)), "Content-Type", asJSON) }},
		{"json, gzip", func(body string) {
			r.ok(t, bytes.NewReader(gzipped(t, []byte(body))), "Content-Type", asJSON, "Content-Encoding", "gzip")
		}},
		{"proto, gzip", func(body string) {
			r.ok(t, bytes.NewReader(gzipped(t, asProto(t, body))), "Content-Type", asPB, "Content-Encoding", "gzip")
		}},
		{"proto, identity", func(body string) {
			r.ok(t, bytes.NewReader(asProto(t, body)), "Content-Type", asPB, "Content-Encoding", "identity")
		}},
		{"gRPC", func(body string) {
			if res, err := r.client.Export(t.Context(), asMessage(t, body)); err != nil || res.PartialSuccess != nil {
				t.Fatal(res, err)
			}
		}},
		{"gRPC, gzip", func(body string) {
			if res, err := r.client.Export(t.Context(), asMessage(t, body), grpc.UseCompressor(grpcgzip.Name)); err != nil || res.PartialSuccess != nil {
				t.Fatal(res, err)
			}
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			id := fmt.Sprintf("ABCDEF%026d", i+1)
			way.send(fmt.Sprintf(threeSpans, id))
			got := r.trace(t, id)
			for j := range got {
				got[j].TraceID = span.TraceID{}
			}
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" || len(got) != 3 || len(got[0].Attrs) != 7 {
				t.Errorf("%d spans; the first way (-), this way (+):\n%s", len(got), diff)
			}
			if packed := wire.Format(r.store.format.Load())&wire.Gzip != 0; packed != strings.Contains(way.name, "gzip") {
				t.Errorf("the log is given the body packed: %t", packed)
			}
		})
	}
	if s := r.c.Stats(); s.Requests != 8 || s.Spans != 24 || s.InFlight != 0 || len(s.Refused) != 0 {
		t.Errorf("%+v", s)
	}
}

// ok posts and expects an empty success.
func (r *rig) ok(t *testing.T, body io.Reader, header ...string) {
	t.Helper()
	code, h, p := r.post(t, body, header...)
	mediaType, _, _ := strings.Cut(header[1], ";")
	want := map[string]string{asPB: "", asJSON: "{}"}[mediaType]
	if code != 200 || string(p) != want || h.Get("Content-Type") != mediaType {
		t.Fatalf("%d %q %q", code, h.Get("Content-Type"), p)
	}
}

func TestPartialSuccess(t *testing.T) {
	r := start(t, collect.Config{})
	id := fmt.Sprintf("%032x", 5)
	body := fmt.Sprintf(threeSpans, id)
	const bad = `"spanId":"00000000000000A2"`
	body = strings.Replace(body, bad, `"spanId":"A2"`, 1)

	check := func(name string, res *collectorpb.ExportTraceServiceResponse) {
		p := res.GetPartialSuccess()
		if p.GetRejectedSpans() != 1 || !strings.Contains(p.GetErrorMessage(), `"SELECT": its span id is 1 bytes`) {
			t.Errorf("%s: %v", name, res)
		}
	}
	var res collectorpb.ExportTraceServiceResponse
	code, _, p := r.post(t, strings.NewReader(body), "Content-Type", asJSON)
	if err := protojson.Unmarshal(p, &res); err != nil || code != 200 || !strings.Contains(string(p), `"rejectedSpans":"1"`) {
		t.Fatalf("%d %s %v", code, p, err)
	}
	check("json", &res)
	if got := r.trace(t, id); len(got) != 2 {
		t.Errorf("%d of 2 good spans kept", len(got))
	}

	// A message with a span id of one byte, which our encoder cannot write.
	req := asMessage(t, fmt.Sprintf(threeSpans, id))
	req.ResourceSpans[0].ScopeSpans[0].Spans[1].SpanId = []byte{0xa2}
	pb, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Reset()
	if code, _, p = r.post(t, bytes.NewReader(pb), "Content-Type", asPB); code != 200 || proto.Unmarshal(p, &res) != nil {
		t.Fatalf("%d %q", code, p)
	}
	check("proto", &res)
	grpcRes, err := r.client.Export(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	check("gRPC", grpcRes)
	if s := r.c.Stats(); s.Rejected != 3 || s.Spans != 6 {
		t.Errorf("%+v", s)
	}
}

// TestCutIsAWarning: what a limit cuts is said, and the log keeps the spans as cut (gate checks replays).
func TestCutIsAWarning(t *testing.T) {
	r := start(t, collect.Config{Limits: wire.Limits{Attributes: 2}})
	id := fmt.Sprintf("%032x", 6)
	code, _, p := r.post(t, strings.NewReader(fmt.Sprintf(threeSpans, id)), "Content-Type", asJSON)
	var res collectorpb.ExportTraceServiceResponse
	if err := protojson.Unmarshal(p, &res); code != 200 || err != nil || res.PartialSuccess.GetRejectedSpans() != 0 ||
		!strings.HasPrefix(res.PartialSuccess.GetErrorMessage(), "5 attributes") {
		t.Errorf("%d %s", code, p)
	}
	if s := r.trace(t, id)[0]; len(s.Attrs) != 2 || s.DroppedAttrs != 5 {
		t.Errorf("%d attributes, %d dropped", len(s.Attrs), s.DroppedAttrs)
	}
}

func TestRefusals(t *testing.T) {
	r := start(t, collect.Config{})
	good := asProto(t, fmt.Sprintf(threeSpans, fmt.Sprintf("%032x", 7)))
	for _, c := range []struct {
		name    string
		method  string
		body    []byte
		header  []string
		code    int
		inReply string
		rpc     codes.Code // of the Status in the reply; OK: the reply is text
	}{
		{"GET", "GET", nil, nil, 405, "405 method not allowed, supported: [POST]", 0},
		{"preflight without CORS", "OPTIONS", nil, []string{"Origin", "https://a.example", "Access-Control-Request-Method", "POST"}, 405, "405", 0},
		{"text", "POST", good, []string{"Content-Type", "text/plain"}, 415, "415 unsupported media type, supported: [application/json, application/x-protobuf]", 0},
		{"no type", "POST", good, nil, 415, "415 unsupported media type", 0},
		{"truncated protobuf", "POST", good[:len(good)-1], []string{"Content-Type", asPB}, 400, "byte 1: a length of", codes.InvalidArgument},
		{"truncated JSON", "POST", []byte(`{"resourceSpans":[`), []string{"Content-Type", asJSON}, 400, "byte 18:", codes.InvalidArgument},
		{"unknown encoding", "POST", good, []string{"Content-Type", asPB, "Content-Encoding", "br"}, 400, `unsupported content encoding "br"`, codes.InvalidArgument},
		{"no gzip", "POST", good, []string{"Content-Type", asPB, "Content-Encoding", "gzip"}, 400, "not a gzip stream", codes.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, h, p := r.do(t, c.method, bytes.NewReader(c.body), c.header...)
			if code != c.code || !strings.Contains(string(p), c.inReply) {
				t.Fatalf("%d %q", code, p)
			}
			if c.rpc == 0 {
				if h.Get("Content-Type") != "text/plain" {
					t.Errorf("type %q", h.Get("Content-Type"))
				}
				return
			}
			if st := statusOf(t, h, p); h.Get("Content-Type") != c.header[1] || codes.Code(st.Code) != c.rpc {
				t.Errorf("%s %v", h.Get("Content-Type"), st)
			}
		})
	}
	if code, _, _ := r.do(t, "GET", nil); code != 405 {
		t.Errorf("after all that: %d", code)
	}
	for _, empty := range []struct{ body, typ string }{{"", asPB}, {"{}", asJSON}} {
		r.ok(t, strings.NewReader(empty.body), "Content-Type", empty.typ)
	}
	if _, err := r.client.Export(t.Context(), &collectorpb.ExportTraceServiceRequest{}); err != nil {
		t.Error(err)
	}

	// gRPC: bytes that are no message, sent past the client's own encoder.
	err := r.conn.Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export", &spb.Status{Code: 3}, &spb.Status{})
	if err != nil { // field 1 as a varint is unknown to us, and skipped
		t.Error(err)
	}
	err = r.conn.Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export", &healthpb.HealthCheckRequest{Service: "\x07"}, &spb.Status{})
	if st := status.Convert(err); st.Code() != codes.InvalidArgument || !strings.Contains(st.Message(), "byte 2:") || len(st.Details()) != 1 {
		t.Errorf("%v", err)
	}
	if s := r.c.Stats(); r.store.appended.Load() != 0 || s.Refused["malformed"] != 4 || s.Refused["unsupported"] != 6 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

func statusOf(t *testing.T, h http.Header, p []byte) *spb.Status {
	t.Helper()
	var st spb.Status
	var err error
	if h.Get("Content-Type") == asJSON {
		err = json.Unmarshal(p, &st)
	} else {
		err = proto.Unmarshal(p, &st)
	}
	if err != nil || st.Message == "" {
		t.Fatalf("%q is not a Status: %v", p, err)
	}
	return &st
}

// TestBomb: 65 MiB of zeros in a few KiB are refused, for good, and cost no more memory than the limit.
func TestBomb(t *testing.T) {
	r := start(t, collect.Config{Limits: wire.Limits{RequestBytes: 2 << 20}})
	zeros := make([]byte, 3<<20)
	bomb := bytes.Repeat(gzipped(t, zeros[:1<<20]), 65) // a stream may have many members

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	code, h, p := r.post(t, bytes.NewReader(bomb), "Content-Type", asPB, "Content-Encoding", "gzip")
	runtime.ReadMemStats(&after)
	if st := statusOf(t, h, p); code != 413 || codes.Code(st.Code) != codes.ResourceExhausted {
		t.Errorf("%d %v", code, st)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes of memory for a limit of 2 MiB", used)
	}
	// A trailer that says the stream is small changes nothing.
	copy(bomb[len(bomb)-4:], []byte{1, 0, 0, 0})
	if code, _, _ := r.post(t, bytes.NewReader(bomb), "Content-Type", asPB, "Content-Encoding", "gzip"); code != 413 {
		t.Errorf("lying about its size: %d", code)
	}
	if code, _, _ := r.post(t, bytes.NewReader(zeros), "Content-Type", asPB); code != 413 {
		t.Errorf("plain, with a length: %d", code)
	}
	if code, _, _ := r.post(t, io.MultiReader(bytes.NewReader(zeros)), "Content-Type", asPB); code != 413 {
		t.Errorf("plain, chunked: %d", code)
	}
	for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor(grpcgzip.Name)}} {
		err := r.conn.Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
			&healthpb.HealthCheckRequest{Service: string(zeros)}, &spb.Status{}, opts...)
		if st := status.Convert(err); st.Code() != codes.ResourceExhausted || len(st.Details()) != 0 {
			t.Errorf("gRPC: %v", err)
		}
	}
	if s := r.c.Stats(); s.Refused["too_large"] != 6 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// TestFullStore: the sender is told to come again, and by when; what it sends then is stored.
func TestFullStore(t *testing.T) {
	var log bytes.Buffer
	r := start(t, collect.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	id := fmt.Sprintf("%032x", 8)
	body := fmt.Sprintf(threeSpans, id)
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		err    error
		reason string
	}{{store.ErrFull, "store_full"}, {broken, "store_failed"}} {
		r.store.fail.Store(&c.err)
		code, h, p := r.post(t, strings.NewReader(body), "Content-Type", asJSON)
		if st := statusOf(t, h, p); code != 503 || h.Get("Retry-After") != "1" || codes.Code(st.Code) != codes.Unavailable || strings.Contains(st.Message, "fire") {
			t.Errorf("%v: %d %v %v", c.err, code, h, st)
		}
		_, err := r.client.Export(t.Context(), asMessage(t, body))
		st := status.Convert(err)
		if st.Code() != codes.Unavailable || len(st.Details()) != 1 {
			t.Fatalf("%v: %v", c.err, err)
		}
		if info, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() != time.Second {
			t.Errorf("%v: %v", c.err, st.Details())
		}
		if n := r.c.Stats().Refused[c.reason]; n != 2 {
			t.Errorf("%s counted %d times", c.reason, n)
		}
	}
	if n := strings.Count(log.String(), "disk on fire"); n != 1 {
		t.Errorf("two errors of the store within a moment are %d lines:\n%s", n, &log)
	}
	r.store.fail.Store(nil)
	r.ok(t, strings.NewReader(body), "Content-Type", asJSON)
	if got := r.trace(t, id); len(got) != 3 {
		t.Errorf("%d spans after the pause", len(got))
	}
}

// TestNotHere: who sends to another path, or opens the port in a browser, is told where spans go.
func TestNotHere(t *testing.T) {
	r := start(t, collect.Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(r.url, "/v1/traces")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if p, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 404 || !strings.Contains(string(p), "POST /v1/traces") {
		t.Errorf("%d %q %v", res.StatusCode, p, err)
	}
}

// TestAnnouncedOnly: clients that announce large bodies and send nothing keep nobody out.
func TestAnnouncedOnly(t *testing.T) {
	const limit, clients = 16 << 20, 100
	r := start(t, collect.Config{Limits: wire.Limits{RequestBytes: limit}, MaxInFlightBytes: 1}) // raised to two such
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	for range clients {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST /v1/traces HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", u.Host, asPB, limit); err != nil {
			t.Fatal(err)
		}
	}
	for s := r.c.Stats(); s.InFlight < clients<<16 && s.Refused["overloaded"] == 0; s = r.c.Stats() { // until all are being read
		runtime.Gosched()
	}
	r.ok(t, strings.NewReader(fmt.Sprintf(threeSpans, fmt.Sprintf("%032x", 11))), "Content-Type", asJSON)
	// A large body grows into its buffer.
	large := fmt.Sprintf(threeSpans, fmt.Sprintf("%032x", 12))
	large += strings.Repeat(" ", 5<<20-len(large))
	r.ok(t, strings.NewReader(large), "Content-Type", asJSON)
	if n := r.c.Stats().Spans; n != 6 {
		t.Errorf("%d spans", n)
	}
}

// TestInFlight: requests that would exceed the bytes in flight are asked to come again, and the bytes come back.
func TestInFlight(t *testing.T) {
	r := start(t, collect.Config{Limits: wire.Limits{RequestBytes: 1 << 20}, MaxInFlightBytes: 1}) // raised to what one request needs
	r.store.hold = make(chan struct{})
	body := fmt.Sprintf(threeSpans, fmt.Sprintf("%032x", 9))
	body += strings.Repeat(" ", 1<<20-len(body)-1)

	answers := make(chan int)
	for range 3 {
		go func() {
			code, _, _ := r.post(t, strings.NewReader(body), "Content-Type", asJSON)
			answers <- code
		}()
	}
	if code := <-answers; code != 503 { // while the other two wait for the store
		t.Errorf("the third request of 1 MiB in 2 MiB: %d", code)
	}
	_, err := r.client.Export(t.Context(), &collectorpb.ExportTraceServiceRequest{})
	if err != nil && status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC meanwhile: %v", err)
	}
	close(r.store.hold)
	for range 2 {
		if code := <-answers; code != 200 {
			t.Errorf("a request that fits: %d", code)
		}
	}
	if s := r.c.Stats(); s.Refused["overloaded"] < 1 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// TestSDKRetries: the official exporters, refused once, send again after the second that we ask for, and the
// spans are there once.
func TestSDKRetries(t *testing.T) {
	for name, exporter := range map[string]func(r *rig) (*otlptrace.Exporter, error){
		"http": func(r *rig) (*otlptrace.Exporter, error) {
			return otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(r.url),
				otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: time.Minute}))
		},
		"grpc": func(r *rig) (*otlptrace.Exporter, error) {
			return otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(r.grpc), otlptracegrpc.WithInsecure(),
				otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: time.Minute}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, collect.Config{})
			full := store.ErrFull
			r.store.fail.Store(&full)
			exp, err := exporter(r)
			if err != nil {
				t.Fatal(err)
			}
			tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp))
			_, s := tp.Tracer("test").Start(t.Context(), "once")
			s.End()
			flushed := make(chan error)
			go func() { flushed <- tp.ForceFlush(context.Background()) }()
			for r.c.Stats().Refused["store_full"] == 0 {
				runtime.Gosched()
			}
			r.store.fail.Store(nil)
			if err := <-flushed; err != nil {
				t.Fatal(err)
			}
			if got := r.trace(t, s.SpanContext().TraceID().String()); len(got) != 1 || r.store.appended.Load() != 1 {
				t.Errorf("%d spans in %d batches", len(got), r.store.appended.Load())
			}
			if err := tp.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	r := start(t, collect.Config{})
	for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor(grpcgzip.Name)}} {
		res, err := healthpb.NewHealthClient(r.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}, opts...)
		if err != nil || res.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%v %v", res, err)
		}
		// Of a name that is packed, the service is asked for the name.
		_, err = healthpb.NewHealthClient(r.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "nobody"}, opts...)
		if status.Code(err) != codes.NotFound {
			t.Errorf("of a service that is not there: %v", err)
		}
	}
}

func TestCORS(t *testing.T) {
	r := start(t, collect.Config{CORSOrigins: []string{"https://shop.example"}})
	code, h, _ := r.do(t, "OPTIONS", nil, "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-api")
	if code != 204 || h.Get("Access-Control-Allow-Origin") != "https://shop.example" || h.Get("Access-Control-Allow-Headers") != "content-type,x-api" || h.Get("Vary") != "Origin" {
		t.Errorf("allowed preflight: %d %v", code, h)
	}
	code, h, _ = r.do(t, "POST", strings.NewReader("{}"), "Origin", "https://shop.example", "Content-Type", asJSON)
	if code != 200 || h.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("allowed request: %d %v", code, h)
	}
	code, h, _ = r.do(t, "OPTIONS", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	if code != 405 || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %d %v", code, h)
	}
}

// TestH2C: HTTP/2 without TLS, for clients that know beforehand.
func TestH2C(t *testing.T) {
	r := start(t, collect.Config{})
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	r.browser = &http.Client{Transport: tr}
	r.ok(t, strings.NewReader("{}"), "Content-Type", asJSON)
}

// BenchmarkHandler is a request of 400 spans from the socket to a store that throws it away.
func BenchmarkHandler(b *testing.B) {
	c := collect.New(collect.Config{Store: discard{}})
	var batch span.Batch
	for i := range 400 {
		batch.Append(&span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: span.ID(i + 1), Name: "GET /subject/{id}", Attrs: []span.Attribute{
			{Key: "http.request.method", Value: span.StringValue("GET")},
			{Key: "http.response.status_code", Value: span.IntValue(200)},
		}})
	}
	_, body := wire.Encode(&batch)
	h := c.HTTPHandler()
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/traces", bytes.NewReader(body))
		req.Header.Set("Content-Type", asPB)
		h.ServeHTTP(nowhere{}, req)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/400, "ns/span")
}

type discard struct{ store.Store }

func (discard) Append(context.Context, *span.Batch) error { return nil }

type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}
