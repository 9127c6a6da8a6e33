package shuai

import (
	"context"
	"testing"
	"time"
)

func TestTimesGiven(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	start := time.Now().Add(-time.Hour)
	_, s := tr.StartSpan(t.Context(), "waited", KindConsumer)
	s.SetStart(start)
	s.AddEventAt(start.Add(time.Second), "dequeued")
	s.EndAt(start.Add(time.Minute))
	s.EndAt(start)
	s.SetStart(start.Add(time.Hour))
	if r := s.rec; r.start != start.UnixNano() || r.duration != time.Minute || r.more.events[0].time != start.Add(time.Second).UnixNano() {
		t.Errorf("start %d, duration %v, events %v", r.start, r.duration, r.more.events)
	}

	_, s = tr.StartSpan(t.Context(), "until now", KindConsumer)
	s.SetStart(start)
	s.AddEvent("now")
	s.End()
	if r := s.rec; r.duration < time.Hour || r.duration > 2*time.Hour || time.Duration(r.more.events[0].time-r.start) < time.Hour {
		t.Errorf("start %v ago, duration %v", time.Since(start), r.duration)
	}

	_, s = tr.StartSpan(t.Context(), "ends before it starts", KindConsumer)
	s.EndAt(start)
	if s.rec.duration != 0 {
		t.Errorf("duration %v", s.rec.duration)
	}
}

func TestStartRoot(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	type key struct{}
	ctx, request := tr.Scope("other", "", "").StartSpan(t.Context(), "request", KindServer)
	_, job := StartRoot(context.WithValue(ctx, key{}, "v"), "job", KindInternal)
	job.AddLink(request)
	if job.TraceID() == request.TraceID() || job.rec.parent != 0 || job.Value(key{}) != "v" {
		t.Errorf("%s is no root, or has lost its context", job)
	}
	if l := job.rec.more.links; len(l) != 1 || l[0].trace != request.TraceID() || l[0].span != request.SpanID() {
		t.Errorf("links %v", l)
	}
	if job.Tracer() != tr {
		t.Error("a span of this package is counted to the scope around it")
	}
	muted := muted(ctx)
	if got, s := StartRoot(muted, "x", KindInternal); got != muted || s != noSpan {
		t.Error("a root below a muted span is traced")
	}
}

// What a remote span without ids, or without a decision, says of the trace: the headers of B3 can be like that.
func TestCallersDecision(t *testing.T) {
	all, _ := testTracer(t, Config{})
	none, _ := testTracer(t, Config{Ratio: -1})
	for _, tt := range []struct {
		name    string
		span    *Span
		by      *Tracer
		want    bool
		child   bool
		decided bool
	}{
		{"undecided, all", remote(t.Context(), exampleTrace, exampleSpan, flagUndecided), all, true, true, false},
		{"undecided, none", remote(t.Context(), exampleTrace, exampleSpan, flagUndecided), none, false, true, false},
		{"decided yes", remote(t.Context(), TraceID{}, 0, flagDecided|flagSampled), none, true, false, true},
		{"decided no", remote(t.Context(), TraceID{}, 0, flagDecided), all, false, false, true},
		{"a parent", remote(t.Context(), exampleTrace, exampleSpan, 0), all, false, true, true},
		{"muted", SpanFromContext(muted(t.Context())), all, false, false, true},
	} {
		if tt.span.Decided() != tt.decided || (*Span)(nil).Decided() {
			t.Errorf("%s: decided %t", tt.name, tt.span.Decided())
		}
		_, s := tt.by.StartSpan(tt.span, "x", KindServer)
		if s.Sampled() != tt.want || (s.TraceID() == exampleTrace) != tt.child {
			t.Errorf("%s: sampled %t, trace %s", tt.name, s.Sampled(), s.TraceID())
		}
	}
}
