package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/fuwu-project/fuwu/internal/sampling"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// Metrics are taken as spans are, at POST /v1/metrics and over gRPC. What they say about how many traces begin goes to
// [Config.Sampling]; all of it goes to [Config.Metrics].

// MetricsSink hears of the metrics that arrive. It is called concurrently and must not keep the request.
type MetricsSink interface {
	TakeMetrics(ctx context.Context, req *metricspb.ExportMetricsServiceRequest) error
}

// metricsCost is how many bytes of memory a byte of metrics may take once it is decoded.
const metricsCost = 16

// maxMetricsBytes bounds a request of metrics, unpacked: a process with 10,000 series sends half of 8 MiB. It is no more than what
// the bytes in flight have room for, or the sender would be asked to come again for ever.
func (c *Collector) maxMetricsBytes() int {
	return int(min(8<<20, c.inFlight.max/(metricsCost+2)-1))
}

// takeMetrics decodes a body and passes it on.
func (c *Collector) takeMetrics(ctx context.Context, in body, l *load) (accepted, *refusal) {
	if no := l.hold(metricsCost * len(in.raw)); no != nil {
		return accepted{}, no
	}
	req, err := wire.DecodeMetrics(in.format, in.raw)
	if err != nil {
		return accepted{}, refuse(malformed, "the body is not an ExportMetricsServiceRequest: %v", err)
	}
	if c.metrics != nil {
		if err := c.metrics.TakeMetrics(ctx, req); err != nil {
			c.log.error("metrics refused, their sender will try again", err)
			return accepted{}, refuse(storeFailed, "the metrics could not be stored; come again later")
		}
	}
	if c.sampling != nil { // once of each request, not each time that it comes
		observe(c.sampling, time.Now(), req)
	}
	c.stats.metrics.Add(1)
	return accepted{}, nil
}

// rootsMetric is how the tracer says how many traces began.
const rootsMetric = "shuai.trace.roots"

// observe tells the targets how many traces began.
func observe(targets *sampling.Targets, now time.Time, req *metricspb.ExportMetricsServiceRequest) {
	for _, rm := range req.GetResourceMetrics() {
		attrs := rm.GetResource().GetAttributes()
		o := sampling.Observation{Service: text(attrs, "service.name"), Process: process(attrs)}
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if m.GetName() != rootsMetric {
					continue
				}
				o.Delta = m.GetSum().GetAggregationTemporality() == pb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
				for _, p := range m.GetSum().GetDataPoints() {
					o.Endpoint = sampling.Endpoint{Kind: text(p.GetAttributes(), "span.kind"), Name: text(p.GetAttributes(), "span.name")}
					if o.Endpoint.Name == "" || p.GetAsInt() < 0 { // the series of all that has no place of its own is no endpoint
						continue
					}
					o.Roots, o.Since = uint64(p.GetAsInt()), time.Unix(0, int64(p.GetStartTimeUnixNano()))
					targets.Observe(now, o)
				}
			}
		}
	}
}

// process is what tells a process from others of its service.
func process(attrs []*commonpb.KeyValue) string {
	return cmp.Or(text(attrs, "service.instance.id"), text(attrs, "host.name")+"/"+text(attrs, "process.pid"))
}

func text(attrs []*commonpb.KeyValue, key string) string {
	for _, a := range attrs {
		if a.GetKey() != key {
			continue
		}
		if v, ok := a.GetValue().GetValue().(*commonpb.AnyValue_IntValue); ok {
			return strconv.FormatInt(v.IntValue, 10)
		}
		return a.GetValue().GetStringValue()
	}
	return ""
}

// ratios answers GET /v1/shuai/sampling?service=: docs/api.md.
func (c *Collector) ratios(w http.ResponseWriter, r *http.Request) {
	served(r)
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		plain(w, http.StatusMethodNotAllowed, "405 method not allowed, supported: [GET]")
		return
	}
	if no := c.admit(r); no != nil {
		c.stats.refused[no.reason].Add(1)
		w.Header().Set("WWW-Authenticate", "Bearer")
		refusePlain(w, 0, no)
		return
	}
	type endpoint struct {
		Kind  string  `json:"kind"`
		Name  string  `json:"name"`
		Ratio float64 `json:"ratio"`
	}
	answer := struct {
		Service         string     `json:"service"`
		TracesPerMinute float64    `json:"tracesPerMinute"`
		Endpoints       []endpoint `json:"endpoints"`
	}{Service: r.URL.Query().Get("service"), Endpoints: []endpoint{}}
	if answer.Service == "" {
		plain(w, http.StatusBadRequest, "400 the parameter service is missing: whose endpoints?")
		return
	}
	if c.sampling != nil {
		answer.TracesPerMinute = c.sampling.PerMinute()
		for _, e := range c.sampling.Ratios(time.Now(), answer.Service) {
			answer.Endpoints = append(answer.Endpoints, endpoint{e.Kind, e.Name, e.Ratio})
		}
	}
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(answer) // a client that is gone needs no answer
}
