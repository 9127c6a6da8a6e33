package calls

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

func add(t interface{ Fatal(...any) }, s store.Store, b *span.Batch) {
	if err := s.Append(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func named(name string) span.Resource {
	return span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(name)}}}
}

// TestAll: while there are not too many spans, the graph is what comparing every span with every other gives, in whatever
// parts the range is looked at.
func TestAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := new(span.Batch)
		taken := map[string]bool{}
		most := rapid.SampledFrom([]uint64{6, 40}).Draw(t, "most ids")
		for range rapid.IntRange(1, 20).Draw(t, "spans") {
			s := span.Span{
				TraceID: span.TraceID{Hi: 7, Lo: rapid.Uint64Range(1, 2).Draw(t, "trace")},
				SpanID:  span.ID(rapid.Uint64Range(1, most).Draw(t, "id")),
				Parent:  span.ID(rapid.Uint64Range(0, most).Draw(t, "parent")),
				Kind:    span.Kind(rapid.IntRange(0, 5).Draw(t, "kind")), Status: span.Status(rapid.IntRange(0, 2).Draw(t, "status")),
				Start: 100 + rapid.Int64Range(0, 99).Draw(t, "start"), Duration: rapid.Int64Range(0, 9).Draw(t, "duration"),
				Resource: named(fmt.Sprintf("s%d", rapid.IntRange(0, 3).Draw(t, "service"))),
			}
			if db := rapid.SampledFrom([]string{"", "db.system.name", "db.system"}).Draw(t, "store"); db != "" {
				s.Attrs = []span.Attribute{{Key: db, Value: span.StringValue(rapid.SampledFrom([]string{"memcached", "redis"}).Draw(t, "system"))}}
			}
			// Of more than two halves of a call it is not said which is the caller.
			class := "other"
			if s.Kind == span.KindClient || s.Kind == span.KindServer {
				class = s.Kind.String()
			}
			if id := fmt.Sprint(s.TraceID.Lo, s.SpanID, class); !taken[id] {
				taken[id] = true
				b.Append(&s)
			}
		}
		s := storetest.NewModel()
		add(t, s, b)
		got, err := In(t.Context(), s, store.TimeRange{From: 100, To: 200})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Graph{Edges: slowCalls(b), Looked: b.Len(), Spans: b.Len()}, got); diff != "" {
			t.Fatalf("(-slow +graph)\n%s", diff)
		}
		// In parts, all of each, with the parents looked up; but for the client halves of shared ids, which are looked for near by.
		ids := map[string]bool{}
		for i := range b.Len() {
			ids[fmt.Sprint(b.TraceID[i].Lo, b.SpanID[i])] = true
		}
		if len(ids) < b.Len() {
			return
		}
		got, err = in(t.Context(), s, store.TimeRange{From: 100, To: 200}, bounds{all: 0, sample: b.Len(), parts: 7, orphans: 100, few: 0})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(slowCalls(b), got.Edges); diff != "" {
			t.Fatalf("(-slow +graph in parts)\n%s", diff)
		}
	})
}

// site is 5,000 requests of a shop in an hour, half of them in one second of it: web calls movie twice, and movie a store; every 50th
// fails. Once, a batch job calls movie, and somebody calls the job.
func site(t *testing.T) (s store.Store, within store.TimeRange, spans int) {
	s = storetest.NewModel()
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC).UnixNano()
	within = store.TimeRange{From: start, To: start + int64(time.Hour)}
	b := new(span.Batch)
	put := func(trace uint64, id, parent span.ID, service string, kind span.Kind, at, duration int64, failed bool, attrs ...span.Attribute) {
		one := span.Span{
			TraceID: span.TraceID{Hi: 9, Lo: trace}, SpanID: id, Parent: parent, Kind: kind, Start: at, Duration: duration, Resource: named(service), Attrs: attrs,
		}
		if failed {
			one.Status = span.StatusError
		}
		b.Append(&one)
	}
	const ms = int64(time.Millisecond)
	for i := range uint64(5000) {
		at := start + int64(i)*int64(time.Hour)/5000
		if i%2 == 0 {
			at = start + int64(20*time.Minute) + int64(i)*int64(time.Second)/5000
		}
		put(i+1, 1, 0, "web", span.KindServer, at, 50*ms, false)
		for k := range span.ID(2) {
			call := at + (5+20*int64(k))*ms
			put(i+1, 2+3*k, 1, "web", span.KindClient, call, 20*ms, false)
			put(i+1, 3+3*k, 2+3*k, "movie", span.KindServer, call+1, 18*ms, i%50 == 0)
			put(i+1, 4+3*k, 3+3*k, "movie", span.KindClient, call+2, 10*ms, false, span.Attribute{Key: "db.system.name", Value: span.StringValue("mariadb")})
		}
	}
	at := start + int64(50*time.Minute) + 12345
	put(6000, 1, 0, "cron", span.KindInternal, at, 90*ms, false)
	put(6000, 2, 1, "job", span.KindServer, at+1, 80*ms, true)
	put(6000, 3, 2, "movie", span.KindServer, at+2, 70*ms, false)
	put(6000, 4, 2, "job", span.KindClient, at+3, 5*ms, false, span.Attribute{Key: "db.system", Value: span.StringValue("redis")})
	add(t, s, b)
	return s, within, b.Len()
}

// TestSample: of a tenth of the spans the numbers of calls are about right, the quantiles too, and what is quiet is there.
func TestSample(t *testing.T) {
	s, within, spans := site(t)
	got, err := in(t.Context(), s, within, bounds{
		all: 1000, sample: spans / 10, parts: 64, orphans: 256, few: 100, quietSpans: 400, quietTraces: 40, within: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Spans != spans || got.Looked < spans/10 || got.Looked > spans/8 || got.Skipped != 0 {
		t.Errorf("looked at %d of %d spans", got.Looked, got.Spans)
	}
	type edge struct {
		name          string
		calls, errors float64
		p95           int64
	}
	const ms = int64(time.Millisecond)
	want := []edge{
		{"cron job", 1, 1, 80 * ms}, {"job movie", 1, 0, 70 * ms}, {"job redis", 1, 0, 5 * ms}, {"movie mysql", 10_000, 0, 10 * ms}, {"web movie", 10_000, 200, 18 * ms},
	}
	if len(got.Edges) != len(want) {
		t.Fatalf("%+v", got.Edges)
	}
	for i, w := range want {
		e := &got.Edges[i]
		slack := 0.1 * w.calls * min(w.calls-1, 1) // one is one
		if e.Caller+" "+e.Callee != w.name || math.Abs(e.Calls-w.calls) > slack || math.Abs(e.Errors-w.errors) > 0.6*w.errors*min(w.calls-1, 1) ||
			math.Abs(float64(e.Durations.Quantile(0.95)-w.p95)) > 0.02*float64(w.p95) {
			t.Errorf("%s ▸ %s: %.0f calls, %.0f errors, p95 %d; want %+v", e.Caller, e.Callee, e.Calls, e.Errors, e.Durations.Quantile(0.95), w)
		}
	}

	got, err = in(t.Context(), s, within, bounds{all: 1000, sample: spans / 10, parts: 64, orphans: 256, few: 100, quietSpans: 400, quietTraces: 40})
	if err != nil || got.Skipped != 2 {
		t.Errorf("without time %d services are left out, want the two quiet ones; %v", got.Skipped, err)
	}
}

func TestNothing(t *testing.T) {
	s := storetest.NewModel()
	for _, within := range []store.TimeRange{{}, {From: 5, To: 5}, {From: 1, To: 100}} {
		if got, err := In(t.Context(), s, within); err != nil || len(got.Edges) != 0 || got.Spans != 0 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	s, within, _ := site(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := In(ctx, s, within); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
