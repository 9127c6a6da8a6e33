package shuai

import (
	"context"
	"runtime"
)

// Caller says where in the code it is called, or with skip > 0 its caller that many functions up, in OpenTelemetry's attributes
// code.function.name, code.file.path and code.line.number. It is for whoever wraps a client: give them to the span of the call, and Shuai names
// the place from which a page makes the same call again and again. Without a recorded span in ctx there is nothing to say, and it returns nil
// at once; otherwise it takes about a microsecond.
func Caller(ctx context.Context, skip int) []Attr {
	if !SpanFromContext(ctx).Recording() {
		return nil
	}
	var pc [1]uintptr
	if runtime.Callers(max(skip, 0)+2, pc[:]) == 0 {
		return nil
	}
	frame, _ := runtime.CallersFrames(pc[:]).Next()
	return []Attr{String("code.function.name", frame.Function), String("code.file.path", frame.File), Int("code.line.number", int64(frame.Line))}
}
