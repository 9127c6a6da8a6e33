package server

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Two breakers stand in a query's way. That of a method protects what the method asks, from everybody: it opens when too
// many of its invocations fail for reasons of their own, or take longer than they should. That of a program at a call site protects the server from this
// program: it opens when it exceeds the server's budgets or its time, or meets a mistake of the server. A failure of a method does not count
// against the program, nor does one of the caller's; and what a caller makes fail with a budget or a deadline of its own, that is tighter
// than the server's, counts against nobody.
//
// A method has a bound, too, of invocations at once from all queries. Beyond it they wait, in the order in which they came; since a
// query has but a few under way at once, none is before all others.

// gate is what guards a method.
type gate struct {
	breaker   *breaker.Breaker
	slowAfter time.Duration // what takes longer counts as failed; 0 is never

	mu      sync.Mutex
	limit   int
	running int
	waiting list.List // of chan struct{}, closed when it is their turn
	calls   int64
	failed  int64
	slow    int64
	refused int64
	times   histogram
}

// gates makes one for each method and source.
func (s *Server) gates() map[*engine.Method]*gate {
	out := map[*engine.Method]*gate{}
	add := func(m *engine.Method) {
		out[m] = &gate{breaker: breaker.New(breaker.Config{}), slowAfter: cmp.Or(m.SlowAfter, max(s.SlowCall, 0)), limit: s.concurrency(m)}
	}
	for _, m := range s.catalog.Sources {
		add(m)
	}
	for _, e := range s.catalog.Entities {
		for _, m := range e.Methods {
			add(m)
		}
	}
	return out
}

// concurrency is how many invocations of a method run at once, unless an operator says otherwise.
func (s *Server) concurrency(m *engine.Method) int { return cmp.Or(m.Concurrency, s.MethodConcurrency) }

// enter waits for its turn, and reports whether it had to.
func (g *gate) enter(ctx context.Context) (waited bool, err error) {
	g.mu.Lock()
	if g.running < g.limit && g.waiting.Len() == 0 {
		g.running++
		g.mu.Unlock()
		return false, nil
	}
	turn := make(chan struct{})
	place := g.waiting.PushBack(turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return true, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // it came at the same time
		g.running--
		g.next()
	default:
		g.waiting.Remove(place)
	}
	return true, ctx.Err()
}

// isSlow reports whether an invocation that took so long should not have.
func (g *gate) isSlow(took time.Duration) bool { return g.slowAfter > 0 && took > g.slowAfter }

// leave ends an invocation that took so long.
func (g *gate) leave(took time.Duration, failed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	g.times[bucketOf(took)]++
	if failed {
		g.failed++
	}
	if g.isSlow(took) {
		g.slow++
	}
	g.running--
	g.next()
}

// refuse ends an invocation that was not let through.
func (g *gate) refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused++
	g.running--
	g.next()
}

// bound sets how many invocations run at once.
func (g *gate) bound(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	g.next()
}

// next lets those in whose turn it is.
func (g *gate) next() {
	for g.running < g.limit && g.waiting.Len() > 0 {
		if turn, ok := g.waiting.Remove(g.waiting.Front()).(chan struct{}); ok {
			close(turn)
			g.running++
		}
	}
}

// guard lets an invocation through, or not, and makes a span of it.
func (s *Server) guard(ctx context.Context, m *engine.Method, items int) (context.Context, func(engine.Outcome), error) {
	g := s.methods[m]
	came := time.Now()
	waited, waitErr := g.enter(ctx)
	start := time.Now()
	ctx, span := startBatch(ctx, m, items)
	if waited {
		span.SetInt("redeye.waited", int64(start.Sub(came)))
	}
	refuse := func(e *engine.Error) (context.Context, func(engine.Outcome), error) {
		endBatch(span, engine.Outcome{Err: e, Bad: items})
		return ctx, nil, e
	}
	if waitErr != nil {
		e := &engine.Error{Code: "CANCELLED", Msg: "the query was over before it was this call's turn", Cause: waitErr}
		if errors.Is(waitErr, context.DeadlineExceeded) {
			e.Code = "DEADLINE_EXCEEDED"
		}
		return refuse(e)
	}
	spanBreaker(span, g.breaker, start)
	call, wait, ok := g.breaker.Allow(start)
	if !ok {
		g.refuse()
		e := &engine.Error{Code: "UNAVAILABLE", Reason: "BREAKER_OPEN", Msg: "the method fails too often, and is left alone for a while", Wait: wait}
		if g.breaker.Forced() == breaker.ForcedOpen {
			e.Reason, e.Msg = "METHOD_OFF", "the operator has switched the method off"
		}
		return refuse(e)
	}
	return ctx, func(o engine.Outcome) {
		now := time.Now()
		took := now.Sub(start)
		saysNothing := o.Unsaid || o.Late && took < s.Budget.Wall/2 // a caller with little time must not make it look as if the method were slow,
		if saysNothing {
			o.Failed = 0
		}
		switch {
		case g.isSlow(took): // nor hide that it is
			span.SetBool("redeye.slow", true)
			call.Done(now, 1)
		case saysNothing:
			call.Forget()
		default:
			call.Done(now, o.Failed)
		}
		g.leave(took, o.Failed > 0)
		endBatch(span, o)
	}, nil
}

// settleSite tells the breaker of a program at a call site how an execution ended that took so long, where most is the most that its budget could be.
func settleSite(call breaker.Call, now time.Time, took time.Duration, most Budget, err error) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && e.Code == "CANCELLED",
		ok && e.Reason == "BUDGET_EXCEEDED" && e.Limit < most.named(e.Budget),
		ok && e.Code == "DEADLINE_EXCEEDED" && took < most.Wall/2:
		call.Forget()
	case ok && e.Method == "" && (e.Reason == "BUDGET_EXCEEDED" || e.Code == "INTERNAL" || e.Code == "DEADLINE_EXCEEDED"):
		call.Done(now, 1)
	default:
		call.Done(now, 0)
	}
}
