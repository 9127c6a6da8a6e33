package tracer

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestGoldenRequests decodes the requests that the tracer's own tests hold its encoder to with the official types. Those
// tests only say that the bytes stay the same; this one, that they mean what they are to mean.
func TestGoldenRequests(t *testing.T) {
	// shape is what one span of a file is to have, apart from what all of them have.
	type shape struct {
		attrs, droppedAttrs, events, droppedEvents, links, droppedLinks int
		status                                                          tracepb.Status_StatusCode
	}
	const ok, failed = tracepb.Status_STATUS_CODE_OK, tracepb.Status_STATUS_CODE_ERROR
	full := shape{attrs: 8, events: 1, links: 1, status: failed}
	want := map[string][]shape{
		"minimal":    {{}},
		"kept":       {{}},
		"full":       {full},
		"three":      {{}, full, {}},
		"limits":     {{attrs: 128, droppedAttrs: 2, events: 128, droppedEvents: 3, links: 128, droppedLinks: 4, status: ok}},
		"composites": {{attrs: 5}},
		"scopes":     {{}, {}, {}},
	}
	files, err := filepath.Glob("../../shuai/testdata/*.hex")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d golden files, want %d (%v)", len(files), len(want), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hex")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			var req collectorpb.ExportTraceServiceRequest
			if err := proto.Unmarshal(b, &req); err != nil {
				t.Fatal(err)
			}
			noUnknown(t, req.ProtoReflect())
			var got []shape
			for _, rs := range req.GetResourceSpans() {
				if text := attrOf(rs.GetResource().GetAttributes(), "service.name").GetStringValue(); text != "movie-web" {
					t.Errorf("service.name is %q", text)
				}
				for _, ss := range rs.GetScopeSpans() {
					for _, s := range ss.GetSpans() {
						got = append(got, shape{
							len(s.GetAttributes()), int(s.GetDroppedAttributesCount()), len(s.GetEvents()), int(s.GetDroppedEventsCount()),
							len(s.GetLinks()), int(s.GetDroppedLinksCount()), s.GetStatus().GetCode(),
						})
						if id := hex.EncodeToString(s.GetTraceId()) + hex.EncodeToString(s.GetSpanId()); id != "6b0349c00a112a079f3b6c1de85a70421503bc5349c04000" {
							t.Errorf("ids are %s", id)
						}
						if s.GetKind() != tracepb.Span_SPAN_KIND_SERVER {
							t.Errorf("kind is %v", s.GetKind())
						}
						if d := time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()); d != 1500*time.Microsecond {
							t.Errorf("it took %v", d)
						}
						if name != "limits" && s.GetName() != "GET /subject/{id}" {
							t.Errorf("name is %q", s.GetName())
						}
					}
				}
			}
			if diff := cmp.Diff(want[name], got, cmp.AllowUnexported(shape{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// attrOf is the value of the attribute called key, or nil.
func attrOf(attrs []*commonpb.KeyValue, key string) *commonpb.AnyValue {
	for _, kv := range attrs {
		if kv.GetKey() == key {
			return kv.GetValue()
		}
	}
	return nil
}

// noUnknown reports fields of m, or of a message in it, that the official types do not know.
func noUnknown(t *testing.T, m protoreflect.Message) {
	t.Helper()
	if b := m.GetUnknown(); len(b) > 0 {
		t.Errorf("%s has unknown fields %x", m.Descriptor().FullName(), b)
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range v.List().Len() {
				noUnknown(t, v.List().Get(i).Message())
			}
		default:
			noUnknown(t, v.Message())
		}
		return true
	})
}
