package shuai

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/fuwu-project/fuwu/shuai/internal/goroutine"
)

// A span that is started without a context of the request is a part of the request at which the goroutine works, and of nothing when that
// has been answered; what arrives is no part of it. The deadline is that of the context all the same.
func TestGoroutine(t *testing.T) {
	var p unsafe.Pointer
	goroutine.Use(&goroutine.Memory{Get: func() unsafe.Pointer { return p }, Set: func(to unsafe.Pointer) { p = to }})
	t.Cleanup(func() { goroutine.Use(nil) })
	for name, cfg := range map[string]Config{
		"sampled": {Ratio: 1}, "not sampled": {Ratio: -1}, "nothing kept": {Ratio: -1, Statistics: "off"},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _ := testTracer(t, cfg)
			ctx, request := tr.StartSpan(t.Context(), "request", KindServer)
			_, other := tr.StartSpan(t.Context(), "other", KindServer)
			work := goroutine.Begin(ctx, nil)
			for _, start := range []func(context.Context, string, Kind) (context.Context, *Span){tr.StartSpan, StartSpan} {
				for kind, part := range map[Kind]bool{KindInternal: true, KindClient: true, KindProducer: true, KindServer: false, KindConsumer: false} {
					late, cancel := context.WithTimeout(t.Context(), time.Hour)
					within, span := start(late, "part", kind)
					if got := span.TraceID() == request.TraceID(); got != part {
						t.Errorf("kind %d: part of the request: %v", kind, got)
					}
					if got := SpanFromContext(within).TraceID() == request.TraceID(); got != part {
						t.Errorf("kind %d: what is called in the context is part of the request: %v", kind, got)
					}
					if deadline, ok := within.Deadline(); !ok || time.Until(deadline) < time.Minute {
						t.Errorf("kind %d: has lost its deadline", kind)
					}
					cancel()
				}
				if _, span := start(nil, "no context at all", KindInternal); span.TraceID() != request.TraceID() {
					t.Error("without a context: not part of the request")
				}
				if _, span := start(other, "another's", KindClient); span.TraceID() != other.TraceID() {
					t.Error("the context does not win over the goroutine")
				}
			}
			if _, span := StartRoot(t.Context(), "root", KindInternal); span.TraceID() == request.TraceID() {
				t.Error("a root is part of the request")
			}
			if _, span := tr.StartSpan(muted(t.Context()), "muted", KindClient); !span.TraceID().IsZero() {
				t.Error("the exporter's own requests are traced")
			}
			work.End()
			if _, span := tr.StartSpan(t.Context(), "later", KindInternal); span.TraceID() == request.TraceID() {
				t.Error("part of a request that has been answered")
			}
		})
	}
}
