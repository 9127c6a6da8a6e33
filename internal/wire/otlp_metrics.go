package wire

import (
	"fmt"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// DecodeMetrics reads an uncompressed ExportMetricsServiceRequest. Metrics come once in ten seconds from a process and not with every
// request that it serves, so the official types, at ten times the cost of a decoder of our own, are good enough. They can take
// sixteen times the memory of the body and more. In JSON the ids of exemplars, which OTLP writes in hex and protobuf
// in base64, are not to be used.
func DecodeMetrics(f Format, body []byte) (*metricspb.ExportMetricsServiceRequest, error) {
	req := new(metricspb.ExportMetricsServiceRequest)
	switch f {
	case OTLPProto:
		return req, proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, req)
	case OTLPJSON:
		return req, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, req)
	default:
		return nil, fmt.Errorf("unknown format %#x", byte(f))
	}
}
