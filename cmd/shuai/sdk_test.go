package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/fuwu-project/fuwu/internal/span"
)

// TestSDKs starts the real server, lets the official SDKs of OpenTelemetry send it a trace over each of their
// protocols with default settings, and compares what the API answers with what the SDK recorded.
func TestSDKs(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds and runs the real server")
	}
	s := serveReal(t)
	t.Run("go", func(t *testing.T) {
		t.Run("http", func(t *testing.T) {
			exp, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(s.otlpHTTP+"/v1/traces"))
			testGoSDK(t, s, exp, err)
		})
		t.Run("http, gzip", func(t *testing.T) {
			exp, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(s.otlpHTTP+"/v1/traces"), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
			testGoSDK(t, s, exp, err)
		})
		t.Run("grpc", func(t *testing.T) {
			exp, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(s.otlpGRPC), otlptracegrpc.WithInsecure())
			testGoSDK(t, s, exp, err)
		})
		t.Run("grpc, gzip", func(t *testing.T) {
			exp, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(s.otlpGRPC), otlptracegrpc.WithInsecure(), otlptracegrpc.WithCompressor("gzip"))
			testGoSDK(t, s, exp, err)
		})
	})
	t.Run("javascript", func(t *testing.T) {
		dir := installJS(t)
		for protocol, endpoint := range map[string]string{
			"proto": s.otlpHTTP + "/v1/traces", "json": s.otlpHTTP + "/v1/traces", "grpc": "http://" + s.otlpGRPC,
		} {
			t.Run(protocol, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), "node", "emit.mjs", protocol, endpoint)
				cmd.Dir = dir
				var complaints strings.Builder
				cmd.Stderr = &complaints
				out, err := cmd.Output()
				if err != nil || complaints.Len() > 0 {
					t.Fatalf("node: %v\n%s", err, &complaints)
				}
				var want []sentSpan
				if err := json.Unmarshal(out, &want); err != nil {
					t.Fatalf("%v in %s", err, out)
				}
				compareSpans(t, s, want)
			})
		}
	})
}

// sentSpan is a span in the form in which the sender's and the server's idea of it are compared. An attribute's
// value is type:value, as the API writes both; an event's or link's attributes are in no order.
type sentSpan struct {
	TraceID       string            `json:"traceId"`
	SpanID        string            `json:"spanId"`
	ParentID      string            `json:"parentId"`
	Name          string            `json:"name"`
	Kind          string            `json:"kind"`
	Start         string            `json:"start"`
	End           string            `json:"end"`
	Status        string            `json:"status"`
	StatusMessage string            `json:"statusMessage"`
	Attributes    map[string]string `json:"attributes"`
	Events        []sentEvent       `json:"events"`
	Links         []sentLink        `json:"links"`
	Resource      map[string]string `json:"resource"`
	Scope         string            `json:"scope"`
}

type sentEvent struct {
	Time       string            `json:"time"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
}

type sentLink struct {
	TraceID    string            `json:"traceId"`
	SpanID     string            `json:"spanId"`
	Attributes map[string]string `json:"attributes"`
}

// compareSpans asks the server for the spans of one trace and compares.
func compareSpans(t *testing.T, s *realServer, want []sentSpan) {
	t.Helper()
	if len(want) != 5 {
		t.Fatalf("the SDK recorded %d spans, want 5", len(want))
	}
	var ids []string
	for _, w := range want {
		ids = append(ids, w.SpanID)
	}
	got := s.spans(t, want[0].TraceID, ids)
	byID := func(a, b sentSpan) int { return strings.Compare(a.SpanID, b.SpanID) }
	slices.SortFunc(want, byID)
	slices.SortFunc(got, byID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded by the SDK (-), stored by the server (+):\n%s", diff)
	}
}

// spans reads spans back through the API.
func (s *realServer) spans(t *testing.T, trace string, ids []string) []sentSpan {
	t.Helper()
	type attr struct{ Key, Type, Value string }
	var answer struct {
		Spans []struct {
			sentSpan
			Duration   int64  `json:"duration"`
			Attributes []attr `json:"attributes"`
			Resource   []attr `json:"resource"`
			Events     []struct {
				sentEvent
				Attributes []attr `json:"attributes"`
			} `json:"events"`
			Links []struct {
				sentLink
				Attributes []attr `json:"attributes"`
			} `json:"links"`
			Scope   struct{ Name, Version string } `json:"scope"`
			Dropped struct{ Attributes, Events, Links int }
		} `json:"spans"`
	}
	url := fmt.Sprintf("%s/api/shuai/v1/traces/%s/spans?ids=%s", s.ui, trace, strings.Join(ids, ","))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, res.Status, err, body)
	}
	attrs := func(list []attr) map[string]string {
		m := map[string]string{}
		for _, a := range list {
			m[a.Key] = a.Type + ":" + a.Value
		}
		return m
	}
	var out []sentSpan
	for _, a := range answer.Spans {
		if a.Dropped != (struct{ Attributes, Events, Links int }{}) {
			t.Errorf("span %s: dropped %+v", a.Name, a.Dropped)
		}
		sp := a.sentSpan
		start, err := strconv.ParseInt(sp.Start, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sp.End = strconv.FormatInt(start+a.Duration, 10)
		sp.Attributes, sp.Resource, sp.Scope = attrs(a.Attributes), attrs(a.Resource), a.Scope.Name+"@"+a.Scope.Version
		sp.Events, sp.Links = []sentEvent{}, []sentLink{}
		for _, e := range a.Events {
			sp.Events = append(sp.Events, sentEvent{e.Time, e.Name, attrs(e.Attributes)})
		}
		for _, l := range a.Links {
			sp.Links = append(sp.Links, sentLink{l.TraceID, l.SpanID, attrs(l.Attributes)})
		}
		out = append(out, sp)
	}
	return out
}

func testGoSDK(t *testing.T, s *realServer, exporter *otlptrace.Exporter, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	recorder := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithSpanProcessor(recorder),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "movie-go"), attribute.Int("process.pid", os.Getpid()))),
	)
	tracer := tp.Tracer("gosdk", oteltrace.WithInstrumentationVersion("1.2.3"))
	elsewhere := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{1, 2}, SpanID: oteltrace.SpanID{3}, TraceFlags: oteltrace.FlagsSampled})

	ctx, root := tracer.Start(t.Context(), "GET /subject/{id}", oteltrace.WithSpanKind(oteltrace.SpanKindServer),
		oteltrace.WithLinks(oteltrace.Link{SpanContext: elsewhere, Attributes: []attribute.KeyValue{attribute.String("why", "batch")}}))
	root.SetAttributes(
		attribute.String("text", "naïve \"quoted\" 電影\n"), attribute.String("empty", ""),
		attribute.Bool("yes", true), attribute.Bool("no", false),
		attribute.Int64("int", 42), attribute.Int64("smallest", -1<<63), attribute.Int64("largest", 1<<63-1),
		attribute.Float64("double", 0.1), attribute.Float64("whole", 3), attribute.Float64("tiny", 5e-324),
		attribute.StringSlice("texts", []string{"a", "é", ""}), attribute.Int64Slice("ints", []int64{1, -2}),
		attribute.Float64Slice("doubles", []float64{0.5, 2}), attribute.BoolSlice("bools", []bool{true, false}),
	)
	for name, kind := range map[string]oteltrace.SpanKind{
		"render": oteltrace.SpanKindInternal, "SELECT subject": oteltrace.SpanKindClient, "send": oteltrace.SpanKindProducer, "process": oteltrace.SpanKindConsumer,
	} {
		_, child := tracer.Start(ctx, name, oteltrace.WithSpanKind(kind))
		child.AddEvent("cache.miss", oteltrace.WithAttributes(attribute.String("key", "subject:1292052"), attribute.Int("tries", 2)))
		if kind == oteltrace.SpanKindClient {
			child.RecordError(context.DeadlineExceeded)
			child.SetStatus(otelcodes.Error, "gone away")
		}
		child.End()
	}
	root.SetStatus(otelcodes.Ok, "")
	root.End()
	if err := tp.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}

	var want []sentSpan
	for _, r := range recorder.Ended() {
		w := sentSpan{
			TraceID: r.SpanContext().TraceID().String(), SpanID: r.SpanContext().SpanID().String(), Name: r.Name(),
			Kind: strings.ToLower(r.SpanKind().String()), Status: strings.ToLower(r.Status().Code.String()), StatusMessage: r.Status().Description,
			Start: strconv.FormatInt(r.StartTime().UnixNano(), 10), End: strconv.FormatInt(r.EndTime().UnixNano(), 10),
			Attributes: goAttributes(r.Attributes()), Resource: goAttributes(r.Resource().Attributes()),
			Scope:  r.InstrumentationScope().Name + "@" + r.InstrumentationScope().Version,
			Events: []sentEvent{}, Links: []sentLink{},
		}
		if r.Parent().IsValid() {
			w.ParentID = r.Parent().SpanID().String()
		}
		for _, e := range r.Events() {
			w.Events = append(w.Events, sentEvent{strconv.FormatInt(e.Time.UnixNano(), 10), e.Name, goAttributes(e.Attributes)})
		}
		for _, l := range r.Links() {
			w.Links = append(w.Links, sentLink{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String(), goAttributes(l.Attributes)})
		}
		want = append(want, w)
	}
	compareSpans(t, s, want)
}

func goAttributes(kvs []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		v := goValue(kv.Value)
		m[string(kv.Key)] = v.Type.String() + ":" + v.String()
	}
	return m
}

func goValue(v attribute.Value) span.Value {
	list := func(values []span.Value) span.Value {
		return span.TextValue(span.List, string(span.AppendJSONList(nil, values)))
	}
	var values []span.Value
	switch v.Type() {
	case attribute.BOOL:
		return span.BoolValue(v.AsBool())
	case attribute.INT64:
		return span.IntValue(v.AsInt64())
	case attribute.FLOAT64:
		return span.DoubleValue(v.AsFloat64())
	case attribute.STRING:
		return span.StringValue(v.AsString())
	case attribute.BOOLSLICE:
		for _, x := range v.AsBoolSlice() {
			values = append(values, span.BoolValue(x))
		}
		return list(values)
	case attribute.INT64SLICE:
		for _, x := range v.AsInt64Slice() {
			values = append(values, span.IntValue(x))
		}
		return list(values)
	case attribute.FLOAT64SLICE:
		for _, x := range v.AsFloat64Slice() {
			values = append(values, span.DoubleValue(x))
		}
		return list(values)
	case attribute.STRINGSLICE:
		for _, x := range v.AsStringSlice() {
			values = append(values, span.StringValue(x))
		}
		return list(values)
	default:
		panic("an attribute of a type that this test does not send: " + v.Type().String())
	}
}

// installJS installs the JavaScript SDK, at the versions that package-lock.json has, and says where.
func installJS(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the JavaScript SDK is not tested", tool)
		}
	}
	dir := filepath.Join(t.TempDir(), "jssdk")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "jssdk"))); err != nil {
		t.Fatal(err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Skipf("npm ci does not work here (no network?): the JavaScript SDK is not tested: %v\n%s", err, out)
	}
	return dir
}

// realServer is the program as built, running.
type realServer struct{ ui, otlpHTTP, otlpGRPC, zipkin, jaeger string }

// serveReal builds and starts it with a store of its own; it must stop in good order when the test ends.
func serveReal(t *testing.T) *realServer {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "shuai")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin, "serve", "--data", filepath.Join(dir, "data"),
		"--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--zipkin", "127.0.0.1:0", "--jaeger", "127.0.0.1:0")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, read := make(chan *realServer, 1), make(chan struct{})
	go func() {
		defer close(read)
		s := &realServer{}
		places := map[string]*string{"ui": &s.ui, "otlp/http": &s.otlpHTTP, "otlp/grpc": &s.otlpGRPC, "zipkin": &s.zipkin, "jaeger": &s.jaeger}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if word := strings.Fields(lines.Text()); len(word) >= 2 && places[word[0]] != nil {
				*places[word[0]] = word[1]
				if delete(places, word[0]); len(places) == 0 {
					ready <- s
				}
			}
		}
	}()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("the server died: %v", err)
		}
		<-read // to the end, before Wait closes the pipe
		if err := cmd.Wait(); err != nil {
			t.Errorf("stopped by SIGTERM: %v\n%s", err, log.String())
		}
	})
	select {
	case s := <-ready:
		return s
	case <-read:
		t.Fatal("the server ended without saying where it listens; its log follows")
		return nil
	}
}
