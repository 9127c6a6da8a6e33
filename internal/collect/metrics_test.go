package collect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/sampling"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// metricsSink keeps the names of metrics.
type metricsSink struct {
	mu    sync.Mutex
	names []string
	err   error
}

func (s *metricsSink) TakeMetrics(_ context.Context, req *metricspb.ExportMetricsServiceRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rm := range req.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				s.names = append(s.names, m.GetName())
			}
		}
	}
	return s.err
}

// someMetrics says that 6,000 traces of one endpoint began in the last ten seconds.
func someMetrics(name string) string {
	now := time.Now()
	return fmt.Sprintf(`{"resourceMetrics": [{"resource": {"attributes": [
		{"key": "service.name", "value": {"stringValue": "web"}}, {"key": "process.pid", "value": {"intValue": "7"}}]},
		"scopeMetrics": [{"metrics": [
			{"name": "other", "unknown": 1, "gauge": {"dataPoints": [{"asDouble": 1.5, "exemplars": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}]}]}},
			{"name": "shuai.trace.roots", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
				{"asInt": "6000", "startTimeUnixNano": "%d", "timeUnixNano": "%d", "attributes": [
					{"key": "span.kind", "value": {"stringValue": "SPAN_KIND_SERVER"}}, {"key": "span.name", "value": {"stringValue": %q}}]},
				{"asInt": "-1", "attributes": [{"key": "span.name", "value": {"stringValue": "negative"}}]},
				{"asInt": "5", "attributes": [{"key": "otel.metric.overflow", "value": {"boolValue": true}}]}]}}]}]}]}`,
		now.Add(-10*time.Second).UnixNano(), now.UnixNano(), name)
}

func metricsProto(t *testing.T, body string) []byte {
	t.Helper()
	req := new(metricspb.ExportMetricsServiceRequest)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(body), req); err != nil {
		t.Fatal(err)
	}
	p, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Metrics come by every way that spans come by, and what they say about the load comes back as ratios.
func TestMetrics(t *testing.T) {
	sink := &metricsSink{}
	r := start(t, collect.Config{Metrics: sink, Sampling: sampling.New(60)})
	r.url = strings.Replace(r.url, "/v1/traces", "/v1/metrics", 1)

	for _, tt := range []struct {
		name   string
		body   []byte
		header []string
		answer string
	}{
		{"proto", metricsProto(t, someMetrics("proto")), []string{"Content-Type", "application/x-protobuf"}, ""},
		{"proto gzip", gzipped(t, metricsProto(t, someMetrics("proto gzip"))), []string{"Content-Type", "application/x-protobuf", "Content-Encoding", "gzip"}, ""},
		{"json", []byte(someMetrics("json")), []string{"Content-Type", "application/json"}, "{}"},
		{"empty", nil, []string{"Content-Type", "application/x-protobuf"}, ""},
	} {
		code, h, p := r.post(t, bytes.NewReader(tt.body), tt.header...)
		if code != http.StatusOK || string(p) != tt.answer || h.Get("Content-Type") != tt.header[1] {
			t.Errorf("%s: %d %v %q", tt.name, code, h, p)
		}
	}
	client := metricspb.NewMetricsServiceClient(r.conn)
	for name, opts := range map[string][]grpc.CallOption{"grpc": nil, "grpc gzip": {grpc.UseCompressor(grpcgzip.Name)}} {
		req := new(metricspb.ExportMetricsServiceRequest)
		if err := proto.Unmarshal(metricsProto(t, someMetrics(name)), req); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Export(t.Context(), req, opts...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := 5; len(sink.names) != 2*want || r.c.Stats().Metrics != int64(want+1) {
		t.Errorf("the sink got %q; %+v", sink.names, r.c.Stats())
	}

	r.url = strings.Replace(r.url, "/v1/metrics", "/v1/shuai/sampling?service=web", 1)
	code, _, p := r.do(t, http.MethodGet, nil)
	var answer struct {
		Service         string
		TracesPerMinute float64
		Endpoints       []struct {
			Kind, Name string
			Ratio      float64
		}
	}
	if err := json.Unmarshal(p, &answer); code != http.StatusOK || err != nil {
		t.Fatalf("%d %q: %v", code, p, err)
	}
	if answer.Service != "web" || answer.TracesPerMinute != 60 || len(answer.Endpoints) != 5 {
		t.Errorf("%s", p)
	}
	for i, name := range []string{"grpc", "grpc gzip", "json", "proto", "proto gzip"} {
		if e := answer.Endpoints[i]; e.Name != name || e.Kind != "SPAN_KIND_SERVER" || e.Ratio < 0.0016 || e.Ratio > 0.0017 {
			t.Errorf("endpoint %d: %+v", i, e)
		}
	}
}

// TestMetricsAgain: metrics that could not be stored come again, and count once.
func TestMetricsAgain(t *testing.T) {
	sink := &metricsSink{err: errors.New("full")}
	r := start(t, collect.Config{Metrics: sink, Sampling: sampling.New(60)})
	r.url = strings.Replace(r.url, "/v1/traces", "/v1/metrics", 1)
	body := metricsProto(t, someMetrics("again"))
	for _, want := range []int{503, 200} {
		if code, _, p := r.post(t, bytes.NewReader(body), "Content-Type", asPB); code != want {
			t.Errorf("%d %q", code, p)
		}
		sink.err = nil
	}
	r.url = strings.Replace(r.url, "/v1/metrics", "/v1/shuai/sampling?service=web", 1)
	if code, _, p := r.do(t, http.MethodGet, nil); code != 200 || !strings.Contains(string(p), `"ratio":0.00166`) {
		t.Errorf("%d %s", code, p)
	}
}

// TestMetricsTooMany: what can never be taken is refused for good, not until later.
func TestMetricsTooMany(t *testing.T) {
	r := start(t, collect.Config{Limits: wire.Limits{RequestBytes: 1 << 20}, MaxInFlightBytes: 4 << 20})
	r.url = strings.Replace(r.url, "/v1/traces", "/v1/metrics", 1)
	for size, want := range map[int]int{200 << 10: 200, 300 << 10: 413} {
		body := append([]byte("{}"), bytes.Repeat([]byte(" "), size-2)...)
		for _, b := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} { // of known length, and not
			if code, _, p := r.post(t, b, "Content-Type", asJSON); code != want {
				t.Errorf("%d bytes: %d %q", size, code, p)
			}
		}
		if code, _, p := r.post(t, bytes.NewReader(gzipped(t, body)), "Content-Type", asJSON, "Content-Encoding", "gzip"); code != want {
			t.Errorf("%d bytes, packed: %d %q", size, code, p)
		}
	}
	if s := r.c.Stats(); s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMetricsRefused(t *testing.T) {
	sink := &metricsSink{}
	r := start(t, collect.Config{Metrics: sink})
	traces := r.url
	metrics := strings.Replace(traces, "/v1/traces", "/v1/metrics", 1)
	sampling := strings.Replace(traces, "/v1/traces", "/v1/shuai/sampling", 1)
	large := append(metricsProto(t, someMetrics("x")), bytes.Repeat([]byte{0x12, 0}, 5<<20)...) // unknown fields
	protobuf := []string{"Content-Type", "application/x-protobuf"}
	for _, tt := range []struct {
		name, method, url string
		body              []byte
		header            []string
		code              int
	}{
		{"truncated", http.MethodPost, metrics, metricsProto(t, someMetrics("x"))[:100], protobuf, 400},
		{"no JSON", http.MethodPost, metrics, []byte("{"), []string{"Content-Type", "application/json"}, 400},
		{"text", http.MethodPost, metrics, nil, []string{"Content-Type", "text/plain"}, 415},
		{"GET", http.MethodGet, metrics, nil, nil, 405},
		{"large", http.MethodPost, metrics, large, protobuf, 413},
		{"large when unpacked", http.MethodPost, metrics, gzipped(t, large), append(protobuf, "Content-Encoding", "gzip"), 413},
		{"sampling of whom", http.MethodGet, sampling, nil, nil, 400},
		{"sampling by POST", http.MethodPost, sampling, nil, nil, 405},
		{"sampling of anybody, not configured", http.MethodGet, sampling + "?service=x", nil, nil, 200},
	} {
		r.url = tt.url
		if code, _, p := r.do(t, tt.method, io.Reader(bytes.NewReader(tt.body)), tt.header...); code != tt.code {
			t.Errorf("%s: %d %q, want %d", tt.name, code, p, tt.code)
		}
	}
	r.url = metrics
	sink.err = errors.New("disk full")
	if code, h, p := r.post(t, bytes.NewReader(metricsProto(t, someMetrics("x"))), protobuf...); code != 503 || h.Get("Retry-After") == "" {
		t.Errorf("a sink that fails: %d %v %q", code, h, p)
	}
	client := metricspb.NewMetricsServiceClient(r.conn)
	if _, err := client.Export(t.Context(), &metricspb.ExportMetricsServiceRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a sink that fails, over gRPC: %v", err)
	}
}
