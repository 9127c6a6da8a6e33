package shuai

import (
	"encoding/binary"
	"math"
)

// The metrics are written as the messages of opentelemetry-proto (metrics.proto, collector/metrics/v1):
//
//	traces.span.metrics.duration   exponential histogram, seconds: span.name, span.kind, status.code, and shuai.span.type where it is
//	                               not the name. Its count is the number of spans. Names and values are those of OpenTelemetry's
//	                               span metrics connector, which dashboards know. The series overflow has otel.metric.overflow.
//	shuai.trace.roots              sum: how many of these spans began a trace. What sampling is adapted by.
//	shuai.tracer.spans             sum: recorded spans that have left the tracer, by outcome: exported, or why they were dropped.

// A metricsReport is one export of the statistics.
type metricsReport struct {
	start, now  int64  // Unix nanoseconds
	temporality uint64 // an AggregationTemporality: statisticsDelta or statisticsCumulative
	series      []*series
	outcomes    []outcomeCount
}

type outcomeCount struct {
	name string
	n    uint64
}

// appendMetrics writes an ExportMetricsServiceRequest; resource and scope are encoded.
func appendMetrics(b []byte, resource, scope []byte, r metricsReport) []byte {
	b, resourceMetrics := open(b, 1)
	b = append(b, resource...)
	b, scopeMetrics := open(b, 2)
	b = append(b, scope...)
	b = r.appendDurations(b)
	b = r.appendRoots(b)
	b = r.appendOutcomes(b)
	return closeMessage(closeMessage(b, scopeMetrics), resourceMetrics)
}

func (r *metricsReport) appendDurations(b []byte) []byte {
	b, metric := open(b, 2)
	b = appendText(b, 1, "traces.span.metrics.duration")
	b = appendText(b, 3, "s")
	b, data := open(b, 10)
	var counts []uint64
	for _, s := range r.series {
		for failed := range s.totals {
			h := &s.totals[failed]
			if h.count == 0 {
				continue
			}
			var first, at, buckets, packed int
			first, counts = h.buckets(counts)
			b, at = open(b, 1)
			b = s.appendAttributes(b, 1)
			status := "STATUS_CODE_UNSET"
			if failed == 1 {
				status = "STATUS_CODE_ERROR"
			}
			b = appendAttr(b, 1, new(String("status.code", status)))
			b = appendFixed64(b, 2, uint64(r.start))
			b = appendFixed64(b, 3, uint64(r.now))
			b = appendFixed64(b, 4, h.count)
			b = appendFixed64(b, 5, math.Float64bits(h.seconds))
			b = appendVarint(b, 6, zigzag(scale))
			b, buckets = open(b, 8)
			if first != 0 {
				b = appendVarint(b, 1, zigzag(first))
			}
			b, packed = open(b, 2)
			for _, n := range counts {
				b = binary.AppendUvarint(b, n)
			}
			b = closeMessage(closeMessage(closeMessage(b, packed), buckets), at)
		}
	}
	b = appendVarint(b, 2, r.temporality)
	return closeMessage(closeMessage(b, data), metric)
}

func zigzag(v int) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

var kindNames = [...]string{"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"}

func (s *series) appendAttributes(b []byte, field int) []byte {
	if s.overflow {
		b = appendAttr(b, field, new(Bool("otel.metric.overflow", true)))
	} else {
		b = appendAttr(b, field, new(String("span.name", s.name)))
	}
	kind := kindNames[0]
	if int(s.kind) < numKinds {
		kind = kindNames[s.kind]
	}
	b = appendAttr(b, field, new(String("span.kind", kind)))
	if s.typ != "" {
		b = appendAttr(b, field, new(String("shuai.span.type", s.typ)))
	}
	return b
}

func (r *metricsReport) appendRoots(b []byte) []byte {
	return r.appendSum(b, "shuai.trace.roots", "{trace}", func(point func(n uint64, attributes func([]byte) []byte)) {
		for _, s := range r.series {
			if s.roots > 0 {
				point(s.roots, func(b []byte) []byte { return s.appendAttributes(b, 7) })
			}
		}
	})
}

func (r *metricsReport) appendOutcomes(b []byte) []byte {
	return r.appendSum(b, "shuai.tracer.spans", "{span}", func(point func(n uint64, attributes func([]byte) []byte)) {
		for _, o := range r.outcomes {
			if o.n > 0 {
				point(o.n, func(b []byte) []byte { return appendAttr(b, 7, new(String("outcome", o.name))) })
			}
		}
	})
}

// appendSum writes a metric that only grows.
func (r *metricsReport) appendSum(b []byte, name, unit string, each func(point func(uint64, func([]byte) []byte))) []byte {
	b, metric := open(b, 2)
	b = appendText(b, 1, name)
	b = appendText(b, 3, unit)
	b, data := open(b, 7)
	each(func(n uint64, attributes func([]byte) []byte) {
		var at int
		b, at = open(b, 1)
		b = appendFixed64(b, 2, uint64(r.start))
		b = appendFixed64(b, 3, uint64(r.now))
		b = appendFixed64(b, 6, n)
		b = closeMessage(attributes(b), at)
	})
	b = appendVarint(b, 2, r.temporality)
	b = appendVarint(b, 3, 1)
	return closeMessage(closeMessage(b, data), metric)
}
