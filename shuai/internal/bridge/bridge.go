// Package bridge lets the tracer and another tracing API see each other's spans in one context, so that an application
// that uses both gets one tree. The tracer must not import the other API; contrib/otel imports both, and installs a Bridge.
package bridge

import (
	"context"
	"sync/atomic"
)

// Bridge says how the other API keeps its spans. Its functions may be called concurrently.
type Bridge struct {
	// Key is the key under which the other API keeps its current span in a context.
	Key any
	// View returns a span of ours, a *shuai.Span, as the other API has it: the value for Key.
	View func(span any) any
	// Span is the reverse: the *shuai.Span that a value for Key stands for, or nil.
	Span func(view any) any
	// Baggage returns what the other API keeps as W3C baggage in ctx, as the header has it.
	Baggage func(ctx context.Context) string
}

// NewSpan returns a *shuai.Span for ids that the other API gives, which are not all zero. The tracer sets it.
var NewSpan func(traceHi, traceLo, span uint64, flags uint8, state string, remote bool) any

// Distinct tells a *shuai.Tracer, before its first span, that each of its spans needs an id of its own, even where nothing is kept of it:
// the other API shows ids, and says that they differ. The tracer sets it.
var Distinct func(tracer any)

// HideBaggage returns a context in which the tracer finds none of the baggage that it extracted, because the other API has it. The tracer
// sets it.
var HideBaggage func(ctx context.Context) context.Context

// Installed is the bridge, or nil.
var Installed atomic.Pointer[Bridge]
