package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/opentracing/opentracing-go/log"
	"github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"github.com/openzipkin/zipkin-go/reporter"
	zipkinhttp "github.com/openzipkin/zipkin-go/reporter/http"
	"github.com/uber/jaeger-client-go"
	jaegerhttp "github.com/uber/jaeger-client-go/transport"
	jaegerzipkin "github.com/uber/jaeger-client-go/transport/zipkin"

	"github.com/fuwu-project/fuwu/internal/span"
)

// TestClients starts the real server, lets clients of Jaeger and Zipkin send it a trace over each of their protocols, and
// compares what the API answers with what the client recorded. Each protocol has a port of its own, and all are
// spoken at that of OTLP/HTTP.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds and runs the real server")
	}
	s := serveReal(t)
	for place, at := range map[string]struct{ zipkin, jaeger string }{"own port": {s.zipkin, s.jaeger}, "OTLP's port": {s.otlpHTTP, s.otlpHTTP}} {
		t.Run(place, func(t *testing.T) {
			t.Run("jaeger", func(t *testing.T) {
				testJaegerClient(t, s, jaegerhttp.NewHTTPTransport(at.jaeger+"/api/traces?format=jaeger.thrift"), jaegerSpan)
			})
			t.Run("jaeger, as zipkin v1", func(t *testing.T) {
				transport, err := jaegerzipkin.NewHTTPTransport(at.zipkin + "/api/v1/spans")
				if err != nil {
					t.Fatal(err)
				}
				testJaegerClient(t, s, transport, jaegerSpanAsZipkin)
			})
			t.Run("zipkin, json", func(t *testing.T) {
				testZipkinClient(t, s, zipkinhttp.NewReporter(at.zipkin+"/api/v2/spans"))
			})
			t.Run("zipkin, proto", func(t *testing.T) {
				testZipkinClient(t, s, zipkinhttp.NewReporter(at.zipkin+"/api/v2/spans", zipkinhttp.Serializer(zipkin_proto3.SpanSerializer{})))
			})
		})
	}
}

// jaegerRecorder keeps what Jaeger's client finishes, before the transport gets it, which may change it.
type jaegerRecorder struct {
	t     *testing.T
	as    func(*jaeger.Span) sentSpan
	spans []sentSpan
}

func (r *jaegerRecorder) Report(s *jaeger.Span)    { r.spans = append(r.spans, r.as(s)) }
func (r *jaegerRecorder) Close()                   {}
func (r *jaegerRecorder) Error(msg string)         { r.t.Error("the client complains: " + msg) }
func (r *jaegerRecorder) Infof(_ string, _ ...any) {}

// testJaegerClient sends a trace of Jaeger's client; as says what should become of a span.
func testJaegerClient(t *testing.T, s *realServer, transport jaeger.Transport, as func(*jaeger.Span) sentSpan) {
	t.Helper()
	recorder := &jaegerRecorder{t: t, as: as}
	remote := jaeger.NewRemoteReporter(transport, jaeger.ReporterOptions.Logger(recorder))
	tracer, closer := jaeger.NewTracer("movie-jaeger", jaeger.NewConstSampler(true), jaeger.NewCompositeReporter(recorder, remote),
		jaeger.TracerOptions.Gen128Bit(true), jaeger.TracerOptions.Tag("ip", "10.0.0.7"))

	root := tracer.StartSpan("GET /subject/{id}", ext.SpanKindRPCServer)
	root.SetTag("text", "naïve \"quoted\" 電影\n").SetTag("empty", "").SetTag("yes", true).SetTag("no", false)
	root.SetTag("smallest", int64(-1<<63)).SetTag("double", 0.1).SetTag("raw", []byte{0, 0xff})
	ext.HTTPStatusCode.Set(root, 503)

	sql := tracer.StartSpan("SELECT subject", opentracing.ChildOf(root.Context()), ext.SpanKindRPCClient)
	ext.PeerService.Set(sql, "mysql")
	sql.LogFields(log.Event("sent"))
	sql.LogFields(log.Event("retry"), log.Int("tries", 2), log.Bool("last", true))
	sql.Finish()

	failed := tracer.StartSpan("render", opentracing.ChildOf(root.Context()))
	ext.Error.Set(failed, true)
	failed.LogFields(log.Message("no template"))
	failed.Finish()

	elsewhere := jaeger.NewSpanContext(jaeger.TraceID{High: 1, Low: 2}, 3, 0, true, nil)
	tracer.StartSpan("send", opentracing.ChildOf(root.Context()), opentracing.FollowsFrom(elsewhere), ext.SpanKindProducer).Finish()
	tracer.StartSpan("process", opentracing.FollowsFrom(root.Context()), ext.SpanKindConsumer).Finish()
	root.Finish()
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	compareSpans(t, s, recorder.spans)
}

// jaegerSpan is a span as it should come by Jaeger's own way.
func jaegerSpan(sp *jaeger.Span) sentSpan {
	w := opentracingSpan(sp)
	tags := sp.Tags()
	if kind, ok := tags["span.kind"]; ok {
		w.Kind = fmt.Sprint(kind)
	}
	delete(tags, "span.kind")
	if tags["error"] == true {
		delete(tags, "error")
	}
	for k, v := range tags {
		w.Attributes[k] = taggedText(v)
	}
	for _, l := range sp.Logs() {
		e := sentEvent{Time: microsOf(l.Timestamp), Attributes: map[string]string{}}
		for _, f := range l.Fields {
			if k := f.Key(); k == "event" || k == "message" { // no log has both
				e.Name = fmt.Sprint(f.Value())
			} else {
				e.Attributes[k] = taggedText(f.Value())
			}
		}
		w.Events = append(w.Events, e)
	}
	for _, r := range sp.References() {
		ctx, ok := r.ReferencedContext.(jaeger.SpanContext)
		switch {
		case !ok:
			panic("a reference to a span of another client")
		case r.Type == opentracing.FollowsFromRef:
			id := ctx.TraceID()
			w.Links = append(w.Links, sentLink{span.TraceID{Hi: id.High, Lo: id.Low}.String(), span.ID(ctx.SpanID()).String(), map[string]string{"opentracing.ref_type": "string:follows_from"}})
		}
	}
	process := jaeger.BuildJaegerProcessThrift(sp)
	w.Resource["service.name"] = "string:" + process.ServiceName
	for _, tag := range process.Tags {
		w.Resource[tag.Key] = "string:" + tag.GetVStr()
	}
	return w
}

// jaegerSpanAsZipkin is a span as it should come by way of Zipkin's version 1, into which the client turns it: that has
// text alone, no links, kinds only of calls, a local component for the others, and the tags of the process with the first
// span in it.
func jaegerSpanAsZipkin(sp *jaeger.Span) sentSpan {
	w := opentracingSpan(sp)
	w.Kind = "internal"
	tags := sp.Tags()
	switch kind := fmt.Sprint(tags["span.kind"]); kind {
	case "client", "server":
		w.Kind = kind
	default:
		w.Attributes["lc"] = "string:movie-jaeger"
	}
	if w.ParentID == "" {
		for _, tag := range jaeger.BuildJaegerProcessThrift(sp).Tags {
			if tag.Key != "ip" && tag.Key != "client-uuid" {
				tags[tag.Key] = tag.GetVStr()
			}
		}
	}
	delete(tags, "span.kind")
	delete(tags, "error")
	for k, v := range tags {
		if raw, ok := v.([]byte); ok {
			v = base64.StdEncoding.EncodeToString(raw)
		}
		w.Attributes[k] = fmt.Sprint("string:", v)
	}
	for _, l := range sp.Logs() {
		fields := map[string]string{}
		for _, f := range l.Fields {
			fields[f.Key()] = fmt.Sprint(f.Value())
		}
		e := sentEvent{Time: microsOf(l.Timestamp), Name: fields["event"], Attributes: map[string]string{}}
		if len(fields) > 1 || e.Name == "" {
			text, err := json.Marshal(fields)
			if err != nil {
				panic(err)
			}
			e.Name = string(text)
		}
		w.Events = append(w.Events, e)
	}
	w.Resource["service.name"], w.Resource["network.local.address"] = "string:movie-jaeger", "string:10.0.0.7"
	return w
}

// opentracingSpan is what both ways have in common.
func opentracingSpan(sp *jaeger.Span) sentSpan {
	ctx := sp.SpanContext()
	id := ctx.TraceID()
	w := sentSpan{
		TraceID: span.TraceID{Hi: id.High, Lo: id.Low}.String(), SpanID: span.ID(ctx.SpanID()).String(), Name: sp.OperationName(), Kind: "unspecified",
		Start: microsOf(sp.StartTime()), End: strconv.FormatInt(sp.StartTime().UnixMicro()*1000+sp.Duration().Microseconds()*1000, 10),
		Status: "unset", Attributes: map[string]string{}, Resource: map[string]string{}, Scope: "@", Events: []sentEvent{}, Links: []sentLink{},
	}
	if p := ctx.ParentID(); p != 0 {
		w.ParentID = span.ID(p).String()
	}
	if tags := sp.Tags(); tags["error"] == true || tags["http.status_code"] != nil {
		w.Status = "error"
	}
	return w
}

// microsOf is a time, to the µs that these clients send, as the API writes it.
func microsOf(t time.Time) string { return strconv.FormatInt(t.UnixMicro()*1000, 10) }

// taggedText is a tag's value as the API writes it.
func taggedText(v any) string {
	var value span.Value
	switch v := v.(type) {
	case string:
		value = span.StringValue(v)
	case bool:
		value = span.BoolValue(v)
	case int:
		value = span.IntValue(int64(v))
	case int64:
		value = span.IntValue(v)
	case uint16:
		value = span.IntValue(int64(v))
	case float64:
		value = span.DoubleValue(v)
	case []byte:
		value = span.TextValue(span.Bytes, string(v))
	default:
		panic(fmt.Sprintf("a tag of a type that this test does not send: %T", v))
	}
	return value.Type.String() + ":" + value.String()
}

// zipkinRecorder keeps what Zipkin's client finishes, and passes it on.
type zipkinRecorder struct {
	reporter.Reporter
	spans []model.SpanModel
}

func (r *zipkinRecorder) Send(s model.SpanModel) {
	r.spans = append(r.spans, s)
	r.Reporter.Send(s)
}

func testZipkinClient(t *testing.T, s *realServer, to reporter.Reporter) {
	t.Helper()
	recorder := &zipkinRecorder{Reporter: to}
	local, err := zipkin.NewEndpoint("movie-zipkin", "10.0.0.8:8080")
	if err != nil {
		t.Fatal(err)
	}
	remote, err := zipkin.NewEndpoint("mysql", "[2001:db8::3]:3306")
	if err != nil {
		t.Fatal(err)
	}
	tracer, err := zipkin.NewTracer(recorder, zipkin.WithLocalEndpoint(local), zipkin.WithTraceID128Bit(true))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Truncate(time.Microsecond)
	start := func(name string, opts ...zipkin.SpanOption) zipkin.Span {
		return tracer.StartSpan(name, append(opts, zipkin.StartTime(at))...)
	}
	root := start("get /subject/{id}", zipkin.Kind(model.Server))
	root.Tag("text", "naïve \"quoted\" 電影\n")
	root.Tag("http.status_code", "503")
	parent := zipkin.Parent(root.Context())
	sql := start("select subject", parent, zipkin.Kind(model.Client), zipkin.RemoteEndpoint(remote))
	sql.Annotate(at.Add(time.Millisecond), "sent")
	sql.Annotate(at.Add(2*time.Millisecond), "received")
	failed := start("render", parent)
	zipkin.TagError.Set(failed, "no template")
	for i, sp := range []zipkin.Span{sql, failed, start("send", parent, zipkin.Kind(model.Producer)), start("process", parent, zipkin.Kind(model.Consumer)), root} {
		sp.FinishedWithDuration(time.Duration(i+1) * time.Millisecond)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}

	var want []sentSpan
	for _, m := range recorder.spans {
		want = append(want, zipkinSpan(m))
	}
	compareSpans(t, s, want)
}

// zipkinSpan is a span of Zipkin's client as it should come.
func zipkinSpan(m model.SpanModel) sentSpan {
	w := sentSpan{
		TraceID: m.TraceID.String(), SpanID: m.ID.String(), Name: m.Name, Kind: "internal", Status: "unset",
		Start: microsOf(m.Timestamp), End: microsOf(m.Timestamp.Add(m.Duration)),
		Attributes: map[string]string{}, Resource: map[string]string{}, Scope: "@", Events: []sentEvent{}, Links: []sentLink{},
	}
	if m.ParentID != nil {
		w.ParentID = m.ParentID.String()
	}
	if kinds := []model.Kind{model.Server, model.Client, model.Producer, model.Consumer}; m.Kind != model.Undetermined {
		w.Kind = []string{"server", "client", "producer", "consumer"}[slices.Index(kinds, m.Kind)]
	}
	for k, v := range m.Tags {
		switch k {
		case "error":
			w.Status, w.StatusMessage = "error", v
			continue
		case "http.status_code":
			w.Status = "error"
		}
		w.Attributes[k] = "string:" + v
	}
	if e := m.RemoteEndpoint; e != nil {
		w.Attributes["peer.service"], w.Attributes["network.peer.address"] = "string:"+e.ServiceName, "string:"+e.IPv6.String()
		w.Attributes["network.peer.port"] = fmt.Sprint("int:", e.Port)
	}
	local := m.LocalEndpoint
	w.Resource["service.name"], w.Resource["network.local.address"] = "string:"+local.ServiceName, "string:"+local.IPv4.String()
	w.Resource["network.local.port"] = fmt.Sprint("int:", local.Port)
	for _, a := range m.Annotations {
		w.Events = append(w.Events, sentEvent{microsOf(a.Timestamp), a.Value, map[string]string{}})
	}
	return w
}
