package wire_test

import (
	"fmt"
	"testing"

	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// realisticSpans are HTTP calls with ten attributes each.
func realisticSpans(spans int) (out []span.Span) {
	for i := range spans {
		out = append(out, span.Span{
			TraceID: span.TraceID{Hi: 0x69c7f3000a000001, Lo: uint64(i/20 + 1)}, SpanID: span.ID(i + 1), Parent: span.ID(i / 2),
			Name: "GET /subject/{id}", Kind: span.KindClient, Start: 1_760_000_000e9 + int64(i)*1000, Duration: 5_100_000, Flags: 257,
			Attrs: []span.Attribute{
				{Key: "http.request.method", Value: span.StringValue("GET")},
				{Key: "url.scheme", Value: span.StringValue("http")},
				{Key: "url.path", Value: span.StringValue(fmt.Sprint("/subject/", 1292052+i))},
				{Key: "server.address", Value: span.StringValue("movie.service.consul")},
				{Key: "server.port", Value: span.IntValue(8080)},
				{Key: "http.response.status_code", Value: span.IntValue(200)},
				{Key: "network.peer.address", Value: span.StringValue("10.3.17.42")},
				{Key: "user.id", Value: span.IntValue(int64(40_000 + i))},
				{Key: "cache.hit", Value: span.BoolValue(i%2 == 0)},
				{Key: "user_agent.original", Value: span.StringValue("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101")},
			},
		})
	}
	return out
}

// realistic is a request as the SDKs send it, of one resource and scope.
func realistic(spans int) *collectorpb.ExportTraceServiceRequest {
	req := toProto(realisticSpans(spans))
	for _, rs := range req.ResourceSpans[1:] {
		req.ResourceSpans[0].ScopeSpans[0].Spans = append(req.ResourceSpans[0].ScopeSpans[0].Spans, rs.ScopeSpans[0].Spans...)
	}
	req.ResourceSpans = req.ResourceSpans[:1]
	req.ResourceSpans[0].Resource.Attributes = toKeyValues([]span.Attribute{{Key: "service.name", Value: span.StringValue("movie-web")}})
	return req
}

// realisticJaeger is the same as Jaeger's clients send it.
func realisticJaeger(spans int) *jaeger.Batch {
	batch := &jaeger.Batch{Process: &jaeger.Process{ServiceName: "movie-web"}}
	for _, s := range realisticSpans(spans) {
		tags := []*jaeger.Tag{stringTag("span.kind", s.Kind.String())}
		for _, a := range s.Attrs {
			switch a.Value.Type {
			case span.Bool:
				tags = append(tags, boolTag(a.Key, a.Value.Bool()))
			case span.Int:
				tags = append(tags, longTag(a.Key, a.Value.Int()))
			default:
				tags = append(tags, stringTag(a.Key, a.Value.Str))
			}
		}
		batch.Spans = append(batch.Spans, &jaeger.Span{
			TraceIdHigh: int64(s.TraceID.Hi), TraceIdLow: int64(s.TraceID.Lo), SpanId: int64(s.SpanID), ParentSpanId: int64(s.Parent),
			OperationName: s.Name, Flags: 1, StartTime: s.Start / 1000, Duration: s.Duration / 1000, Tags: tags,
		})
	}
	return batch
}

const benchSpans = 400

func BenchmarkDecode(b *testing.B) {
	req := realistic(benchSpans)
	var batch span.Batch
	run := func(name string, body []byte, decode func(body []byte) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := decode(body); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
		})
	}
	ours := func(f wire.Format) func([]byte) error {
		return func(body []byte) error {
			batch.Reset()
			_, err := wire.Decode(f, body, wire.Limits{}, &batch)
			return err
		}
	}
	body := marshal(b, req)
	run("proto", body, ours(wire.OTLPProto))
	run("json", toJSON(b, req), ours(wire.OTLPJSON))
	thrift := jaegerBody(b, realisticJaeger(benchSpans))
	run("jaeger", append(make([]byte, 0, len(thrift)+100), thrift...), ours(wire.JaegerThrift))
	run("proto-generated-types", body, func(body []byte) error {
		var req collectorpb.ExportTraceServiceRequest
		return proto.Unmarshal(body, &req)
	})
	run("zipkin-proto", zipkinProto(realisticZipkin(benchSpans)...), ours(wire.ZipkinProto))
	run("zipkin-json", zipkinJSON(b, realisticZipkin(benchSpans)...), ours(wire.ZipkinJSON))
	run("zipkin-thrift", v1Thrift(realisticV1(benchSpans)...), ours(wire.ZipkinThrift))
	run("gunzip", gzipped(b, body), func(body []byte) (err error) {
		text, err = wire.Gunzip(text[:0], body, 64<<20)
		return err
	})
}

var text []byte

func BenchmarkEncode(b *testing.B) {
	var batch span.Batch
	if _, err := wire.Decode(wire.OTLPProto, marshal(b, realistic(benchSpans)), wire.Limits{}, &batch); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		wire.Encode(&batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
}
