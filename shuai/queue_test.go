package shuai

import (
	"testing"
	"time"
)

func TestQueueBackoff(t *testing.T) {
	now := exampleTime
	var q queue
	if _, _, ok := q.next(now); ok {
		t.Fatal("an empty queue has something to send")
	}
	q.push(batch{payload: []byte("1"), spans: 1, born: now})
	q.push(batch{payload: []byte("2"), spans: 2, born: now})
	wait := func() time.Duration {
		b, wait, ok := q.next(now)
		if !ok || b.spans != 1 {
			t.Fatalf("next is %+v, %v", b, ok)
		}
		return wait
	}
	if wait() != 0 {
		t.Error("the first attempt waits")
	}
	for i, ms := range []int{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000} {
		want := time.Duration(ms) * time.Millisecond
		q.failed(now, 0, 0)
		if got := wait(); got != want {
			t.Errorf("after failure %d it waits %v, want %v", i+1, got, want)
		}
		q.failures--
		q.failed(now, 0, 1)
		if got := wait(); got != want/2 {
			t.Errorf("after failure %d and full jitter it waits %v, want half of %v", i+1, got, want)
		}
	}
	q.succeeded()
	for _, tt := range []struct {
		ask    time.Duration
		jitter float64
		want   time.Duration
	}{
		{10 * time.Second, 0, 10 * time.Second},
		{10 * time.Second, 1, 11 * time.Second},
		{time.Millisecond, 0, 250 * time.Millisecond},
		{24 * time.Hour, 0, maxRetryAfter},
	} {
		q.succeeded()
		q.failed(now, tt.ask, tt.jitter)
		if got := wait(); got != tt.want {
			t.Errorf("asked for %v it waits %v, want %v", tt.ask, got, tt.want)
		}
	}
	now = now.Add(time.Hour)
	if wait() != 0 {
		t.Error("waits for a time that has passed")
	}
	q.pop()
	if b, _, ok := q.next(now); !ok || b.spans != 2 {
		t.Errorf("second batch is %+v", b)
	}
	q.pop()
	if _, _, ok := q.next(now); ok {
		t.Error("still something to send")
	}
}

func TestQueueExpires(t *testing.T) {
	var q queue
	q.push(batch{spans: 1, born: exampleTime})
	q.push(batch{spans: 2, born: exampleTime.Add(time.Second)})
	if _, ok := q.expired(exampleTime.Add(maxAge - 1)); ok {
		t.Error("expired too early")
	}
	now := exampleTime.Add(maxAge)
	if b, ok := q.expired(now); !ok || b.spans != 1 {
		t.Errorf("expired: %+v, %v", b, ok)
	}
	q.pop()
	if _, ok := q.expired(now); ok {
		t.Error("a batch expired with its predecessor")
	}
}
