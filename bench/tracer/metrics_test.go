package tracer

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/testing/protocmp"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/fuwu-project/fuwu/shuai"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

// The statistics of a few spans, as the official types read them.
func TestStatisticsGolden(t *testing.T) {
	for _, temporality := range []string{"cumulative", "delta"} {
		t.Run(temporality, func(t *testing.T) {
			o := newOracle(t)
			tr, err := shuai.New(shuai.Config{Service: "oracle", Endpoint: o.url, Ratio: 1, Statistics: temporality, MaxSeries: 3})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			end := func(s *shuai.Span, d time.Duration) {
				s.SetStart(begin)
				s.EndAt(begin.Add(d))
			}
			ctx, root := tr.StartSpan(t.Context(), "GET", shuai.KindServer)
			for i := range 5 {
				_, call := tr.StartSpan(ctx, "SELECT movie", shuai.KindClient)
				call.SetType("mysql")
				if i == 4 {
					call.SetStatus(shuai.StatusError, "deadlock")
				}
				end(call, time.Duration(1+i)*time.Millisecond)
			}
			root.SetName("GET /subject/{id}")
			end(root, 20*time.Millisecond)
			_, made := tr.StartSpan(t.Context(), "one name too many", shuai.KindInternal)
			end(made, time.Second)
			if err := tr.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}

			o.mu.Lock()
			defer o.mu.Unlock()
			if o.err != nil {
				t.Fatal(o.err)
			}
			if len(o.metrics) != 1 {
				t.Fatalf("%d requests of metrics", len(o.metrics))
			}
			scopes := o.metrics[0].ResourceMetrics[0].ScopeMetrics
			if got := o.metrics[0].ResourceMetrics[0].Resource.Attributes[0].Value.GetStringValue(); got != "oracle" {
				t.Errorf("the resource is %q", got)
			}
			for _, m := range scopes[0].Metrics { // what differs from run to run
				for _, p := range m.GetExponentialHistogram().GetDataPoints() {
					if p.StartTimeUnixNano == 0 || p.TimeUnixNano <= p.StartTimeUnixNano {
						t.Errorf("%s: from %d to %d", m.Name, p.StartTimeUnixNano, p.TimeUnixNano)
					}
					p.StartTimeUnixNano, p.TimeUnixNano = 1, 2
				}
				for _, p := range m.GetSum().GetDataPoints() {
					p.StartTimeUnixNano, p.TimeUnixNano = 1, 2
				}
			}
			got := &metricspb.ExportMetricsServiceRequest{ResourceMetrics: []*pb.ResourceMetrics{{ScopeMetrics: scopes}}}
			file := "testdata/statistics_" + temporality + ".txtpb"
			if *rewrite {
				text, err := prototext.MarshalOptions{Multiline: true}.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				text = bytes.ReplaceAll(text, []byte(":  "), []byte(": ")) // prototext varies it
				if err := os.WriteFile(file, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := new(metricspb.ExportMetricsServiceRequest)
			if err := prototext.Unmarshal(text, want); err != nil {
				t.Fatal(err)
			}
			// Sums are of floating-point numbers, in an order that depends on where the spans were counted.
			if d := cmp.Diff(want, got, protocmp.Transform(), cmpopts.EquateApprox(1e-12, 0)); d != "" {
				t.Errorf("%s (-) and what was sent (+):\n%s", file, d)
			}
		})
	}
}
