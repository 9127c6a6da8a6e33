// Package goroutine knows at which request a goroutine works, also where nobody passes a context on. Go's runtime has no memory of that kind; that of
// a program made by "shuai build" has one, which the goroutines that a goroutine starts inherit.
package goroutine

import (
	"context"
	"sync/atomic"
	"unsafe"
)

// Memory is a pointer of the running goroutine's own.
type Memory struct {
	Get func() unsafe.Pointer
	Set func(unsafe.Pointer)
}

var memory atomic.Pointer[Memory]

// Use says where the memory is: once, when the program begins. Nil is nowhere.
func Use(m *Memory) { memory.Store(m) }

// Known says whether there is such a memory.
func Known() bool { return memory.Load() != nil }

// Work is a request that goroutines work at.
type Work struct {
	now    atomic.Pointer[doing] // nil when the request has been answered: goroutines may outlive it, and are not to keep it alive
	before *Work
}

type doing struct {
	ctx     context.Context
	request any
}

// Begin says that this goroutine, and those that it starts, work at a request in ctx, until End. It returns nil where there is no memory.
func Begin(ctx context.Context, request any) *Work {
	m := memory.Load()
	if m == nil {
		return nil
	}
	w := &Work{before: (*Work)(m.Get())}
	w.now.Store(&doing{ctx, request})
	m.Set(unsafe.Pointer(w))
	return w
}

// End is called by the goroutine that called Begin.
func (w *Work) End() {
	if w == nil {
		return
	}
	w.now.Store(nil)
	memory.Load().Set(unsafe.Pointer(w.before))
	w.before = nil
}

// Current is the request at which this goroutine works, and its context; a nil context if there is none, or no longer.
func Current() (ctx context.Context, request any) {
	m := memory.Load()
	if m == nil {
		return nil, nil
	}
	if w := (*Work)(m.Get()); w != nil {
		if d := w.now.Load(); d != nil {
			return d.ctx, d.request
		}
	}
	return nil, nil
}
