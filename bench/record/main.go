// Command record writes what other systems make of one small request to files, on which internal/wire/tracefile is tested:
//
//	go run ./bench/record -jaeger 127.0.0.1 internal/wire/tracefile/testdata/recorded
//
// OTLP comes from OpenTelemetry's SDK, its requests written as the Collector writes them; Zipkin from zipkin-go's reporter; and
// Jaeger from a real Jaeger at -jaeger (ports 4318 and 16686), which is sent the same as OTLP. Without -jaeger its file is left as it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	zipkin "github.com/openzipkin/zipkin-go"
	zipkinmodel "github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/reporter"
	zipkinrecorder "github.com/openzipkin/zipkin-go/reporter/recorder"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The request: web answers GET /subject/{id} by a call to movie, whose statement fails and is made again, and a message.
var start = time.Date(2026, 11, 25, 8, 0, 0, 123456000, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

const (
	statement = "select title from movies where id = ?"
	deadlock  = `deadlock "found"`
)

func main() {
	log.SetFlags(0)
	jaeger := flag.String("jaeger", "", "the host of a real Jaeger")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("record: say into which directory")
	}
	write := func(name string, text []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(flag.Arg(0), name), append(text, '\n'), 0o644)
		}
		if err != nil {
			log.Fatalf("record: %s: %v", name, err)
		}
	}
	text, err := otlp()
	write("otlp.json", text, err)
	text, err = zipkinJSON()
	write("zipkin.json", text, err)
	if *jaeger != "" {
		text, err = throughJaeger(*jaeger)
		write("jaeger.json", text, err)
	}
}

// otlp is what the SDK sends to a collector.
func otlp() ([]byte, error) {
	var mu sync.Mutex
	all := ptrace.NewTraces()
	var failed error
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := ptraceotlp.NewExportRequest()
		if err == nil {
			err = request.UnmarshalProto(body)
		}
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
		request.Traces().ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	if _, err := send(strings.TrimPrefix(collector.URL, "http://")); err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	return (&ptrace.JSONMarshaler{}).MarshalTraces(all)
}

// send makes the request with the SDK and sends it to a collector.
func send(endpoint string) (trace.TraceID, error) {
	ctx := context.Background()
	provider := func(service string) (*sdktrace.TracerProvider, error) {
		exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure())
		if err != nil {
			return nil, err
		}
		return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service), attribute.String("service.version", "1.4.2"),
			attribute.String("host.name", service+"-1"), attribute.Int("process.pid", 4242)))), nil
	}
	web, err := provider("web")
	if err != nil {
		return trace.TraceID{}, err
	}
	movie, err := provider("movie")
	if err != nil {
		return trace.TraceID{}, err
	}
	begin := func(ctx context.Context, p *sdktrace.TracerProvider, scope, name string, kind trace.SpanKind, at time.Duration, options ...trace.SpanStartOption) (context.Context, trace.Span) {
		options = append(options, trace.WithSpanKind(kind), trace.WithTimestamp(after(at)))
		return p.Tracer(scope, trace.WithInstrumentationVersion("0.3.0")).Start(ctx, name, options...)
	}
	end := func(s trace.Span, at time.Duration) { s.End(trace.WithTimestamp(after(at))) }

	ctx, root := begin(ctx, web, "web/http", "GET /subject/{id}", trace.SpanKindServer, 0, trace.WithAttributes(
		attribute.String("http.request.method", "GET"), attribute.String("url.path", "/subject/1"), attribute.Int("http.response.status_code", 500),
		attribute.Bool("cached", false), attribute.Float64("load", 0.25), attribute.StringSlice("tags", []string{"a", "b"})))
	called, call := begin(ctx, web, "web/rpc", "movie.Get", trace.SpanKindClient, 2*time.Millisecond, trace.WithAttributes(
		attribute.String("peer.service", "movie"), attribute.String("rpc.system", "grpc")))
	served, serve := begin(called, movie, "movie", "movie.Get", trace.SpanKindServer, 3*time.Millisecond)
	_, db := begin(served, movie, "sql", "SELECT movies", trace.SpanKindClient, 4*time.Millisecond, trace.WithAttributes(
		attribute.String("db.system.name", "mysql"), attribute.String("db.query.text", statement)))
	db.RecordError(errors.New(deadlock), trace.WithTimestamp(after(5*time.Millisecond)))
	db.SetStatus(codes.Error, deadlock)
	end(db, 6*time.Millisecond)
	serve.AddEvent("retrying", trace.WithTimestamp(after(6500*time.Microsecond)), trace.WithAttributes(attribute.Int("attempt", 2)))
	end(serve, 8*time.Millisecond)
	end(call, 9*time.Millisecond)
	_, message := begin(ctx, web, "web/queue", "publish seen", trace.SpanKindProducer, 10*time.Millisecond, trace.WithLinks(
		trace.Link{SpanContext: serve.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("why", "batch")}}))
	end(message, 10200*time.Microsecond)
	root.SetStatus(codes.Ok, "")
	end(root, 12*time.Millisecond)

	stop := context.Background()
	return root.SpanContext().TraceID(), errors.Join(web.Shutdown(stop), movie.Shutdown(stop))
}

// zipkinJSON is what zipkin-go sends. The two halves of the call share an id, as is the custom there.
func zipkinJSON() ([]byte, error) {
	spans := zipkinrecorder.NewReporter()
	endpoint := func(name, ip string, port uint16) *zipkinmodel.Endpoint {
		return &zipkinmodel.Endpoint{ServiceName: name, IPv4: net.ParseIP(ip), Port: port}
	}
	webAt, movieAt := endpoint("web", "10.0.0.1", 8080), endpoint("movie", "10.0.0.2", 9000)
	web, errWeb := zipkin.NewTracer(spans, zipkin.WithLocalEndpoint(webAt), zipkin.WithSharedSpans(true), zipkin.WithTraceID128Bit(true))
	movie, errMovie := zipkin.NewTracer(spans, zipkin.WithLocalEndpoint(movieAt), zipkin.WithSharedSpans(true), zipkin.WithTraceID128Bit(true))
	if err := errors.Join(errWeb, errMovie); err != nil {
		return nil, err
	}
	begin := func(t *zipkin.Tracer, name string, kind zipkinmodel.Kind, at time.Duration, remote *zipkinmodel.Endpoint, parent zipkin.Span) zipkin.Span {
		options := []zipkin.SpanOption{zipkin.Kind(kind), zipkin.StartTime(after(at)), zipkin.RemoteEndpoint(remote)}
		if parent != nil {
			options = append(options, zipkin.Parent(parent.Context()))
		}
		return t.StartSpan(name, options...)
	}
	root := begin(web, "get /subject/{id}", zipkinmodel.Server, 0, endpoint("", "192.0.2.7", 51515), nil)
	root.Tag("http.method", "GET")
	root.Tag("http.path", "/subject/1")
	call := begin(web, "movie.get", zipkinmodel.Client, 2*time.Millisecond, movieAt, root)
	serve := begin(movie, "movie.get", zipkinmodel.Server, 3*time.Millisecond, nil, call)
	db := begin(movie, "select", zipkinmodel.Client, 4*time.Millisecond, endpoint("mysql", "10.0.0.3", 3306), serve)
	db.Tag("sql.query", statement)
	zipkin.TagError.Set(db, deadlock)
	db.Annotate(after(5*time.Millisecond), "deadlock")
	db.FinishedWithDuration(2 * time.Millisecond)
	serve.FinishedWithDuration(5 * time.Millisecond)
	call.FinishedWithDuration(7 * time.Millisecond)
	begin(web, "publish seen", zipkinmodel.Producer, 10*time.Millisecond, endpoint("kafka", "10.0.0.4", 9092), root).FinishedWithDuration(200 * time.Microsecond)
	root.FinishedWithDuration(12 * time.Millisecond)

	var list []*zipkinmodel.SpanModel
	for _, s := range spans.Flush() {
		list = append(list, &s)
	}
	return reporter.JSONSerializer{}.Serialize(list)
}

// throughJaeger sends the request to a Jaeger and asks for the trace, until it is whole.
func throughJaeger(host string) ([]byte, error) {
	id, err := send(net.JoinHostPort(host, "4318"))
	if err != nil {
		return nil, err
	}
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		question, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+net.JoinHostPort(host, "16686")+"/api/traces/"+id.String(), nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(question)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			return nil, err
		}
		if strings.Count(string(text), `"operationName"`) == 5 {
			return text, nil
		}
	}
	return nil, fmt.Errorf("trace %s is not at %s", id, host)
}
