package shuai

import (
	"time"
)

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 30 * time.Second
	// A collector may ask for a pause, but not for one that loses everything.
	maxRetryAfter = 5 * time.Minute
	// A batch that is refused for longer is given up: were it the batch that is at fault, it would
	// hold up all others.
	maxAge = 2 * time.Minute
	// So many failures in a row end an export at Stop before its deadline.
	stopFailures = 3
)

// batch is one request to the collector, encoded.
type batch struct {
	payload []byte
	spans   int
	born    time.Time
}

// queue decides what to send when. It has no clock and starts nothing.
type queue struct {
	batches   []batch // oldest first
	failures  int     // in a row
	notBefore time.Time
}

func (q *queue) push(b batch) { q.batches = append(q.batches, b) }

// next returns the batch to send now, or how long to wait, or false if there is nothing to send.
func (q *queue) next(now time.Time) (b batch, wait time.Duration, ok bool) {
	if len(q.batches) == 0 {
		return b, 0, false
	}
	return q.batches[0], max(0, q.notBefore.Sub(now)), true
}

// pop removes the batch that next returned: it was accepted or is given up.
func (q *queue) pop() {
	q.batches[0] = batch{} // let go of the payload
	if q.batches = q.batches[1:]; len(q.batches) == 0 {
		q.batches = nil
	}
}

// succeeded ends a pause.
func (q *queue) succeeded() { q.failures, q.notBefore = 0, time.Time{} }

// failed begins a pause: what the collector asked for and up to a tenth more, or twice as long as the
// time before, between half of it and all; jitter is from 0 to 1.
func (q *queue) failed(now time.Time, retryAfter time.Duration, jitter float64) {
	pause := maxBackoff
	if q.failures < 7 { // 250 ms << 7 is more than the maximum
		pause = min(pause, firstBackoff<<q.failures)
	}
	pause -= time.Duration(jitter * float64(pause/2))
	if retryAfter > 0 {
		retryAfter = min(retryAfter, maxRetryAfter)
		pause = max(pause, retryAfter+time.Duration(jitter*float64(retryAfter/10)))
	}
	q.failures++
	q.notBefore = now.Add(pause)
}

// expired returns the oldest batch if it is too old, to be popped.
func (q *queue) expired(now time.Time) (batch, bool) {
	if len(q.batches) == 0 || now.Sub(q.batches[0].born) < maxAge {
		return batch{}, false
	}
	return q.batches[0], true
}
