package server

import (
	"context"
	"errors"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Two breakers stand in a query's way. That of a method protects what the method asks, from everybody: it opens when too
// many of its invocations fail for reasons of their own. That of a program at a call site protects the server from this
// program: it opens when it exceeds its budgets or its time, or meets a mistake of the server. A failure of a method does not count
// against the program, nor does one of the caller's.

// methodBreakers makes one for each method and source.
func (s *Server) methodBreakers() map[*engine.Method]*breaker.Breaker {
	out := map[*engine.Method]*breaker.Breaker{}
	for _, m := range s.catalog.Sources {
		out[m] = breaker.New(breaker.Config{})
	}
	for _, e := range s.catalog.Entities {
		for _, m := range e.Methods {
			out[m] = breaker.New(breaker.Config{})
		}
	}
	return out
}

// guard lets an invocation through, or not, and makes a span of it.
func (s *Server) guard(ctx context.Context, m *engine.Method, items int) (context.Context, func(engine.Outcome), error) {
	now := time.Now()
	b := s.breakers[m]
	ctx, span := startBatch(ctx, m, items)
	spanBreaker(span, b, now)
	call, _, ok := b.Allow(now)
	if !ok {
		err := &engine.Error{Code: "UNAVAILABLE", Reason: "BREAKER_OPEN", Msg: "the method fails too often, and is left alone for a while"}
		endBatch(span, engine.Outcome{Err: err, Bad: items})
		return ctx, nil, err
	}
	return ctx, func(o engine.Outcome) {
		if o.Unsaid {
			call.Forget()
		} else {
			call.Done(time.Now(), o.Failed)
		}
		endBatch(span, o)
	}, nil
}

// settleSite tells the breaker of a program at a call site how an execution ended.
func settleSite(call breaker.Call, now time.Time, err error) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && e.Code == "CANCELLED":
		call.Forget()
	case ok && e.Method == "" && (e.Reason == "BUDGET_EXCEEDED" || e.Code == "INTERNAL" || e.Code == "DEADLINE_EXCEEDED"):
		call.Done(now, 1)
	default:
		call.Done(now, 0)
	}
}
