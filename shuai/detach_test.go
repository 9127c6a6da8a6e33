package shuai

import (
	"context"
	"testing"
	"time"
)

func TestDetach(t *testing.T) {
	type key struct{}
	tr, _ := testTracer(t, Config{})
	base, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Hour)
	ctx, s := tr.StartSpan(base, "request", KindServer)
	ctx, err := WithBaggage(ctx, "user", "42")
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	seen := make(chan context.Context)
	Go(ctx, func(ctx context.Context) { seen <- ctx })
	for name, detached := range map[string]context.Context{"Detach": Detach(ctx), "Go": <-seen, "WithoutCancel": context.WithoutCancel(ctx)} {
		cancel()
		if ctx.Err() == nil || detached.Err() != nil || detached.Done() != nil {
			t.Errorf("%s: canceled with the request", name)
		}
		if _, ok := detached.Deadline(); ok {
			t.Errorf("%s: has a deadline", name)
		}
		if SpanFromContext(detached) != s || Baggage(detached, "user") != "42" || detached.Value(key{}) != "v" {
			t.Errorf("%s: has lost something", name)
		}
		late, child := StartSpan(detached, "late", KindInternal)
		if child.TraceID() != s.TraceID() || child.rec.parent != s.SpanID() || late.Err() != nil {
			t.Errorf("%s: %s is no child of %s", name, child, s)
		}
		// A context below the span can be canceled again.
		again, stop := context.WithCancel(late)
		stop()
		if again.Err() == nil || late.Err() != nil {
			t.Errorf("%s: cancelation goes the wrong way", name)
		}
	}
	if Detach(nil) == nil { //nolint:staticcheck // a nil context is the misuse
		t.Error("nil")
	}
}

// A span passes on its context's cancelation, cause and all, to what is derived from it.
func TestCancelBelowSpan(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	base, cancel := context.WithCancelCause(t.Context())
	ctx, _ := tr.StartSpan(base, "request", KindServer)
	below, stop := context.WithCancel(ctx)
	defer stop()
	called := make(chan struct{})
	context.AfterFunc(below, func() { close(called) })
	cancel(context.DeadlineExceeded)
	<-called
	if context.Cause(below) != context.DeadlineExceeded || context.Cause(ctx) != context.DeadlineExceeded { //nolint:errorlint // the same
		t.Errorf("causes %v, %v", context.Cause(below), context.Cause(ctx))
	}
}
