package goroutine

import (
	"context"
	"testing"
	"unsafe"
)

// fake is the memory of the only goroutine that there is.
func fake(t *testing.T) *unsafe.Pointer {
	var p unsafe.Pointer
	Use(&Memory{func() unsafe.Pointer { return p }, func(to unsafe.Pointer) { p = to }})
	t.Cleanup(func() { Use(nil) })
	return &p
}

func TestNoMemory(t *testing.T) {
	if Known() {
		t.Error("a program of go build has a memory")
	}
	w := Begin(t.Context(), 1)
	if ctx, request := Current(); ctx != nil || request != nil {
		t.Error(ctx, request)
	}
	w.End()
}

func TestWork(t *testing.T) {
	is := func(want any) {
		t.Helper()
		ctx, request := Current()
		if request != want || (ctx != nil) != (want != nil) {
			t.Errorf("at work at %v in %v, want %v", request, ctx, want)
		}
	}
	p := fake(t)
	is(nil)
	outer := Begin(t.Context(), "outer")
	is("outer")
	inner := Begin(context.Background(), "inner")
	is("inner")
	inherited := *p
	inner.End()
	is("outer")
	outer.End()
	is(nil)

	// A goroutine that the inner request started has outlived it: it works at nothing, and keeps nothing alive.
	*p = inherited
	is(nil)
	if w := (*Work)(inherited); w.now.Load() != nil || w.before != nil {
		t.Error("what has ended refers to something")
	}
}
