package shuai

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

func wrapped[R any](ctx context.Context, skip int) (attrs []Attr, _ R) {
	var none R
	return Caller(ctx, skip), none
}

func TestCaller(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	ctx, page := tr.StartSpan(t.Context(), "page", KindServer)
	attrs, _ := wrapped[int](ctx, 1)
	page.End()
	if len(attrs) != 3 || attrs[0].key != "code.function.name" || attrs[1].key != "code.file.path" || attrs[2].key != "code.line.number" || attrs[2].num == 0 {
		t.Fatalf("%v", attrs)
	}
	text := func(a Attr) string { return unsafe.String(a.ptr, a.num) }
	if f := text(attrs[0]); !strings.HasSuffix(f, "shuai.TestCaller") {
		t.Errorf("the function is %q", f)
	}
	if f := text(attrs[1]); filepath.Base(f) != "caller_test.go" {
		t.Errorf("the file is %q", f)
	}

	for name, ctx := range map[string]context.Context{"no span": t.Context(), "one that has ended": ctx} {
		if got, _ := wrapped[string](ctx, 1); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	never, _ := testTracer(t, Config{Ratio: -1})
	ctx, _ = never.StartSpan(t.Context(), "page", KindServer)
	if n := testing.AllocsPerRun(100, func() { _ = Caller(ctx, 1) }); n != 0 {
		t.Errorf("%v allocations for a trace that is not recorded", n)
	}
}
