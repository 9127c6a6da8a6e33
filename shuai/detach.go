package shuai

import "context"

// Go runs f in a goroutine of its own that belongs to the request of ctx but may outlive it: f's context has the span, the baggage and the
// other values of ctx, and no end. What f does shows in the trace as a part of the span, however late.
func Go(ctx context.Context, f func(context.Context)) { go f(Detach(ctx)) }

// Detach returns a context with the span, the baggage and the other values of ctx that is not canceled when ctx is, for work that
// is handed to somebody else: a pool, a queue. It is what [context.WithoutCancel] returns, which is as good. Work that is a
// request of its own rather than a part of this one begins with [StartRoot] and a link.
func Detach(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return context.WithoutCancel(ctx)
}
