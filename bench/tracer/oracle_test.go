package tracer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/shuai"
)

// oracle is a collector that reads requests with the official types.
type oracle struct {
	url     string
	mu      sync.Mutex
	got     []*collectorpb.ExportTraceServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
	err     error
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	o := &oracle{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var req proto.Message = new(collectorpb.ExportTraceServiceRequest)
		if r.URL.Path == "/v1/metrics" {
			req = new(metricspb.ExportMetricsServiceRequest)
		}
		err := func() error {
			body := io.Reader(r.Body)
			if r.Header.Get("Content-Encoding") == "gzip" {
				z, err := gzip.NewReader(body)
				if err != nil {
					return err
				}
				body = z
			}
			b, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			if err := proto.Unmarshal(b, req); err != nil {
				return err
			}
			if unknown := req.ProtoReflect().GetUnknown(); len(unknown) > 0 {
				return fmt.Errorf("unknown fields %x", unknown)
			}
			// The canonical encoding is as long: nothing is repeated, padded or unknown further down.
			if n := proto.Size(req); n != len(b) {
				return fmt.Errorf("%d bytes where the official encoder needs %d", len(b), n)
			}
			return nil
		}()
		o.mu.Lock()
		defer o.mu.Unlock()
		if err != nil && o.err == nil {
			o.err = err
		}
		switch req := req.(type) {
		case *collectorpb.ExportTraceServiceRequest:
			o.got = append(o.got, req)
		case *metricspb.ExportMetricsServiceRequest:
			o.metrics = append(o.metrics, req)
		}
	}))
	t.Cleanup(srv.Close)
	o.url = srv.URL
	return o
}

// take returns what arrived since the last take.
func (o *oracle) take() ([]*collectorpb.ExportTraceServiceRequest, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	got, err := o.got, o.err
	o.got, o.err = nil, nil
	return got, err
}

var (
	genKey    = rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "http.route", "db.query.text"}), rapid.StringN(1, 20, 40))
	genString = rapid.OneOf(rapid.String(), rapid.Just(""), rapid.Just("broken \xff\xc0 text"), rapid.Just(strings.Repeat("long ", 100)),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
)

func valid(s string) string { return strings.ToValidUTF8(s, "?") }

// genAttr draws an attribute in both forms.
func genAttr(t *rapid.T) (shuai.Attr, *commonpb.KeyValue) { return genValue(t, 2) }

// genValue draws one whose value has at most depth levels of lists and maps.
func genValue(t *rapid.T, depth int) (shuai.Attr, *commonpb.KeyValue) {
	key := genKey.Draw(t, "key")
	kv := &commonpb.KeyValue{Key: valid(key), Value: &commonpb.AnyValue{}}
	types := 4
	if depth > 0 {
		types = 7
	}
	switch rapid.IntRange(0, types).Draw(t, "type") {
	case 0:
		v := genString.Draw(t, "string")
		kv.Value.Value = &commonpb.AnyValue_StringValue{StringValue: valid(v)}
		return shuai.String(key, v), kv
	case 1:
		v := rapid.Int64().Draw(t, "int")
		kv.Value.Value = &commonpb.AnyValue_IntValue{IntValue: v}
		return shuai.Int(key, v), kv
	case 2:
		v := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Inf(1), math.Copysign(0, -1)})).Draw(t, "float")
		kv.Value.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: v}
		return shuai.Float(key, v), kv
	case 3:
		v := rapid.Bool().Draw(t, "bool")
		kv.Value.Value = &commonpb.AnyValue_BoolValue{BoolValue: v}
		return shuai.Bool(key, v), kv
	case 4:
		v := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes")
		kv.Value.Value = &commonpb.AnyValue_BytesValue{BytesValue: v}
		return shuai.Bytes(key, v), kv
	}
	var items []shuai.Attr
	list, entries := &commonpb.ArrayValue{}, &commonpb.KeyValueList{}
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		a, item := genValue(t, depth-1)
		items = append(items, a)
		list.Values = append(list.Values, item.Value)
		entries.Values = append(entries.Values, item)
	}
	if rapid.Bool().Draw(t, "list") {
		kv.Value.Value = &commonpb.AnyValue_ArrayValue{ArrayValue: list}
		return shuai.List(key, items...), kv
	}
	kv.Value.Value = &commonpb.AnyValue_KvlistValue{KvlistValue: entries}
	return shuai.Map(key, items...), kv
}

func genAttrs(t *rapid.T, most int) (attrs []shuai.Attr, kvs []*commonpb.KeyValue) {
	for range rapid.IntRange(0, most).Draw(t, "attributes") {
		a, kv := genAttr(t)
		attrs, kvs = append(attrs, a), append(kvs, kv)
	}
	return attrs, kvs
}

func traceBytes(id shuai.TraceID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, id.Hi), id.Lo)
}

func spanBytes(id shuai.SpanID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// genSpan records a span through the API and returns what a collector must see of it, but for times.
func genSpan(t *rapid.T, tr *shuai.Tracer, ctx context.Context, parent *shuai.Span, state string, remote bool) (context.Context, *tracepb.Span) { //nolint:revive // the test comes first
	name := genString.Draw(t, "name")
	kind := rapid.SampledFrom([]shuai.Kind{shuai.KindInternal, shuai.KindServer, shuai.KindClient, shuai.KindProducer, shuai.KindConsumer}).Draw(t, "kind")
	ctx, s := tr.StartSpan(ctx, name, kind)
	want := &tracepb.Span{
		TraceId: traceBytes(s.TraceID()), SpanId: spanBytes(s.SpanID()), TraceState: state,
		Name: valid(name), Kind: tracepb.Span_SpanKind(kind), Flags: 0x103,
	}
	if parent != nil {
		want.ParentSpanId = spanBytes(parent.SpanID())
	}
	if remote {
		want.Flags |= 0x200
	}
	for range rapid.IntRange(0, 20).Draw(t, "sets") {
		a, kv := genAttr(t)
		s.Set(a)
		// A key that is set again keeps its place. Keys are compared as they were given.
		if i := slices.IndexFunc(want.Attributes, func(old *commonpb.KeyValue) bool { return old.Key == kv.Key }); i >= 0 {
			want.Attributes[i] = kv
		} else {
			want.Attributes = append(want.Attributes, kv)
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "events") {
		name := genString.Draw(t, "event")
		attrs, kvs := genAttrs(t, 4)
		s.AddEvent(name, attrs...)
		want.Events = append(want.Events, &tracepb.Span_Event{Name: valid(name), Attributes: kvs})
	}
	for range rapid.IntRange(0, 3).Draw(t, "links") {
		trace := shuai.TraceID{Hi: rapid.Uint64Min(1).Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
		span := shuai.SpanID(rapid.Uint64Min(1).Draw(t, "span"))
		flags := rapid.SampledFrom([]shuai.Flags{0, shuai.FlagSampled, shuai.FlagSampled | shuai.FlagRandom}).Draw(t, "flags")
		state := rapid.SampledFrom([]string{"", "congo=t61rcWkgMzE"}).Draw(t, "link state")
		attrs, kvs := genAttrs(t, 2)
		s.AddLink(shuai.SpanFromContext(shuai.Remote(ctx, trace, span, flags, state)), attrs...)
		want.Links = append(want.Links, &tracepb.Span_Link{
			TraceId: traceBytes(trace), SpanId: spanBytes(span), TraceState: state, Attributes: kvs, Flags: 0x300 | uint32(flags),
		})
	}
	switch message := genString.Draw(t, "message"); rapid.IntRange(0, 3).Draw(t, "status") {
	case 1:
		s.SetStatus(shuai.StatusOK, message)
		want.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	case 2:
		s.SetStatus(shuai.StatusError, message)
		want.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: valid(message)}
	}
	if rapid.Bool().Draw(t, "rename") {
		want.Name = "renamed"
		s.SetName("renamed")
	}
	s.End()
	return ctx, want
}

// What was recorded is what a collector with the official types reads, whatever was recorded.
func TestOracle(t *testing.T) {
	o := newOracle(t)
	rapid.Check(t, func(t *rapid.T) {
		cfg := shuai.Config{
			Service: "oracle", Endpoint: o.url, Ratio: 1,
			Resource:    map[string]string{"k": genString.Draw(t, "resource")},
			Compression: rapid.SampledFrom([]string{"gzip", "none"}).Draw(t, "compression"),
		}
		tr, err := shuai.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, state, remote := context.Background(), "ot=th:0", rapid.Bool().Draw(t, "remote")
		var parent *shuai.Span
		if remote {
			state = rapid.SampledFrom([]string{"", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "ot=th:ffbe76d"}).Draw(t, "state")
			ctx = shuai.Extract(ctx, shuai.MapCarrier{"traceparent": "00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-03", "tracestate": state})
			parent = shuai.SpanFromContext(ctx)
		}
		before := uint64(time.Now().UnixNano())
		tracers := map[string]*shuai.Tracer{
			"github.com/fuwu-project/fuwu/shuai": tr,
			"redis":                              tr.Scope("redis", "9.1", "https://example.com/1", shuai.Bool("pooled", true)),
			"sql":                                tr.Scope("sql", "", ""),
		}
		want, scopes := map[string]*tracepb.Span{}, map[string]string{}
		for range rapid.IntRange(1, 5).Draw(t, "depth") {
			var span *tracepb.Span
			scope := rapid.SampledFrom(slices.Sorted(maps.Keys(tracers))).Draw(t, "scope")
			ctx, span = genSpan(t, tracers[scope], ctx, parent, state, remote) //nolint:fatcontext // a chain of children is what is tested
			want[string(span.SpanId)] = span
			scopes[string(span.SpanId)] = scope
			parent, remote = shuai.SpanFromContext(ctx), false
		}
		if err := tr.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		after := uint64(time.Now().UnixNano())

		requests, err := o.take()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]*tracepb.Span{}
		for _, r := range requests {
			if len(r.ResourceSpans) != 1 {
				t.Fatalf("%d resources", len(r.ResourceSpans))
			}
			checkResource(t, r.ResourceSpans[0].Resource, cfg)
			seen := map[string]bool{}
			for _, ss := range r.ResourceSpans[0].ScopeSpans {
				if seen[ss.Scope.Name] {
					t.Errorf("scope %s is there twice", ss.Scope.Name)
				}
				seen[ss.Scope.Name] = true
				checkScope(t, ss)
				for _, s := range ss.Spans {
					if scopes[string(s.SpanId)] != ss.Scope.Name {
						t.Errorf("a span of %s is under %s", scopes[string(s.SpanId)], ss.Scope.Name)
					}
					times := []uint64{before, s.StartTimeUnixNano}
					for _, e := range s.Events {
						times = append(times, e.TimeUnixNano)
						e.TimeUnixNano = 0
					}
					if times = append(times, s.EndTimeUnixNano, after); !slices.IsSorted(times) {
						t.Errorf("times are out of order: %v", times)
					}
					s.StartTimeUnixNano, s.EndTimeUnixNano = 0, 0
					got[string(s.SpanId)] = s
				}
			}
		}
		if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
			t.Errorf("recorded (-) is not what arrived (+):\n%s", d)
		}
	})
}

func checkScope(t *rapid.T, ss *tracepb.ScopeSpans) {
	want := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: ss.Scope.Name}, Spans: ss.Spans}
	switch ss.Scope.Name {
	case "redis":
		want.Scope.Version, want.SchemaUrl = "9.1", "https://example.com/1"
		want.Scope.Attributes = []*commonpb.KeyValue{{Key: "pooled", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}}}
	case "github.com/fuwu-project/fuwu/shuai":
		want.Scope.Version = shuai.Version
	}
	if d := cmp.Diff(want, ss, protocmp.Transform()); d != "" {
		t.Errorf("scope: %s", d)
	}
}

func checkResource(t *rapid.T, r *resourcepb.Resource, cfg shuai.Config) {
	attrs := map[string]*commonpb.AnyValue{}
	for _, kv := range r.Attributes {
		attrs[kv.Key] = kv.Value
	}
	for k, want := range map[string]string{
		"service.name": cfg.Service, "telemetry.sdk.name": "shuai", "telemetry.sdk.language": "go", "telemetry.sdk.version": shuai.Version,
		"k": valid(cfg.Resource["k"]),
	} {
		if attrs[k].GetStringValue() != want {
			t.Errorf("resource: %s = %v, want %q", k, attrs[k], want)
		}
	}
	for _, k := range []string{"host.name", "process.pid", "shuai.id.layout", "shuai.id.ip", "shuai.id.pid"} {
		if _, ok := attrs[k]; !ok {
			t.Errorf("resource has no %s: %v", k, slices.Sorted(maps.Keys(attrs)))
		}
	}
}

// Requests of many spans, whose lengths need more bytes, read as well, and none gets lost between them.
func TestOracleLarge(t *testing.T) {
	o := newOracle(t)
	tr, err := shuai.New(shuai.Config{Service: "oracle", Endpoint: o.url, Ratio: 1, BufferBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	for i := range n {
		_, s := tr.StartSpan(t.Context(), "x", shuai.KindServer)
		s.SetInt("i", int64(i))
		s.SetString("text", string(bytes.Repeat([]byte{'v'}, i%1000)))
		s.End()
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests, err := o.take()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]int{}
	for _, r := range requests {
		for _, s := range r.ResourceSpans[0].ScopeSpans[0].Spans {
			seen[s.Attributes[0].Value.GetIntValue()]++
		}
	}
	if len(seen) != n || len(requests) < 2 {
		t.Errorf("%d of %d spans in %d requests", len(seen), n, len(requests))
	}
}
