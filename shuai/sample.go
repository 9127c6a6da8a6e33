package shuai

import (
	"math"
	"sync/atomic"
	"time"
)

// randomBits are the bits of a trace id by which traces are sampled: the 56 that are random in every
// trace whose W3C random flag is set.
const randomBits = 1<<56 - 1

// threshold is what the random bits of a trace id must reach for the trace to be recorded, as
// OpenTelemetry's consistent probability sampling has it: a trace that one process records at
// a ratio is recorded by every process with that ratio or a larger one.
func threshold(ratio float64) uint64 {
	switch {
	case ratio >= 1:
		return 0
	case !(ratio > 0): // NaN too
		return randomBits + 1
	}
	return randomBits + 1 - max(1, uint64(math.Round(ratio*(randomBits+1))))
}

func sampled(trace TraceID, threshold uint64) bool { return trace.Lo&randomBits >= threshold }

// limiter bounds the traces that begin and are recorded: so many a second, and after a pause as many at once. It is the generic cell
// rate algorithm (ITU-T I.371): all there is to know is when the next one is due.
type limiter struct {
	perSecond float64 // 0: no bound
	due       atomic.Int64
	refused   atomic.Uint64
}

func (l *limiter) init(perSecond float64) {
	l.perSecond = perSecond
	l.due.Store(math.MinInt64)
}

func (l *limiter) allow() bool {
	if l.perSecond == 0 {
		return true
	}
	return l.allowAt(monotonic())
}

func (l *limiter) allowAt(now int64) bool {
	step := int64(float64(time.Second) / l.perSecond)
	for {
		due := l.due.Load()
		next := max(due, now-int64(time.Second)) + step
		if next > now {
			l.refused.Add(1)
			return false
		}
		if l.due.CompareAndSwap(due, next) {
			return true
		}
	}
}
