package jaeger

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

// slowCallsBetween looks for every span's caller among all spans.
func slowCallsBetween(b *span.Batch) []dependency {
	counts := map[[2]string]int{}
	for i := range b.Len() {
		var callers []int
		find := func(id span.ID, kind func(span.Kind) bool) {
			for j := range b.Len() {
				if b.TraceID[i].Lo == b.TraceID[j].Lo && b.SpanID[j] == id && kind(b.Kind[j]) {
					callers = append(callers, j)
				}
			}
		}
		client := func(k span.Kind) bool { return k == span.KindClient }
		server := func(k span.Kind) bool { return k == span.KindServer }
		if b.Kind[i] == span.KindServer {
			find(b.SpanID[i], client)
		}
		if len(callers) == 0 && b.Parent[i] != 0 && b.Parent[i] != b.SpanID[i] {
			find(b.Parent[i], server)
			find(b.Parent[i], client)
			find(b.Parent[i], func(k span.Kind) bool { return !client(k) && !server(k) })
		}
		own := func(j int) bool { return b.Service(j) == b.Service(i) }
		if len(callers) > 0 && !slices.ContainsFunc(callers, own) {
			counts[[2]string{b.Service(callers[0]), b.Service(i)}]++
		}
	}
	list := make([]dependency, 0, len(counts))
	for pair, n := range counts {
		list = append(list, dependency{pair[0], pair[1], n})
	}
	slices.SortFunc(list, func(x, y dependency) int {
		return strings.Compare(x.parent+"\x00"+x.child, y.parent+"\x00"+y.child)
	})
	return list
}

func TestCallsBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := new(span.Batch)
		taken := map[string]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "spans") {
			s := span.Span{
				TraceID: span.TraceID{Hi: rapid.Uint64Range(0, 1).Draw(t, "hi"), Lo: rapid.Uint64Range(1, 2).Draw(t, "trace")},
				SpanID:  span.ID(rapid.Uint64Range(1, 6).Draw(t, "id")),
				Parent:  span.ID(rapid.Uint64Range(0, 6).Draw(t, "parent")),
				Kind:    span.Kind(rapid.IntRange(0, 5).Draw(t, "kind")),
			}
			name := fmt.Sprintf("s%d", rapid.IntRange(0, 3).Draw(t, "service"))
			s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue(name)}}
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
		if diff := cmp.Diff(slowCallsBetween(b), callsBetween(b), cmp.AllowUnexported(dependency{})); diff != "" {
			t.Fatalf("(-slow +fast)\n%s", diff)
		}
	})
}

// full is a store in which more matches than anybody may look at.
type full struct {
	store.Store
	matched int
	traces  uint64 // that the spans are of
}

func (s full) Names(_ context.Context, q store.NamesQuery) ([]string, error) {
	return make([]string, q.Limit), nil
}

func (s full) Aggregate(context.Context, store.AggregateQuery) ([]store.Group, error) {
	return slices.Repeat([]store.Group{{Key: []string{"", "server"}}}, s.matched), nil
}

func (s full) Trace(_ context.Context, id span.TraceID) (*span.Batch, error) {
	b := new(span.Batch)
	b.Append(&span.Span{TraceID: id, SpanID: 1})
	return b, nil
}

func (s full) Select(_ context.Context, q store.Query) (store.Result, error) {
	b := new(span.Batch)
	for i := range q.Limit {
		b.Append(&span.Span{TraceID: span.TraceID{Lo: 1 + uint64(i)%s.traces}, SpanID: span.ID(i + 1), Start: now.UnixNano() - int64(i)})
	}
	return store.Result{Spans: b, Matched: s.matched}, nil
}

// TestPartial: an answer for which not all was looked at says so.
func TestPartial(t *testing.T) {
	for _, tt := range []struct {
		target, member string
		traces         uint64
		says           string
	}{
		{"/api/dependencies", "warnings", 1, "only the newest 65536 of 100000 spans"},
		{"/api/traces", "errors", 1, "only the newest 65536 of 100000 matching spans were looked at, and they are of 1 traces"},
		{"/api/traces?limit=5000", "errors", 5000, "at most 1000 traces"},
		{"/api/services", "warnings", 1, "more than the first 10000"},
		{"/api/operations?service=x", "warnings", 1, "more than the first 10000"},
	} {
		s := full{storetest.NewModel(), 100_000, tt.traces}
		_, answer := Find(s, now, httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.target, nil))
		body, err := answer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var e map[string]json.RawMessage
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(e[tt.member]), tt.says) {
			t.Errorf("%s: %s: %.200s", tt.target, tt.member, e[tt.member])
		}
		if tt.member == "warnings" && string(e["errors"]) != "null" {
			t.Errorf("%s: Grafana shows nothing else if there are errors: %.200s", tt.target, e["errors"])
		}
	}
	for _, target := range []string{"/api/traces?limit=1000", "/api/traces"} { // all that was asked for
		_, answer := Find(full{storetest.NewModel(), 100_000, 5000}, now, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
		if body, err := answer(t.Context()); err != nil || !strings.Contains(string(body), `"errors":null}`) {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// TestHostileIDs: spans of one id cost no more than others.
func TestHostileIDs(t *testing.T) {
	b := new(span.Batch)
	for i := range 100_000 {
		b.Append(&span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: 1, Parent: 1, Kind: span.Kind(i % 6)})
	}
	if got := callsBetween(b); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// BenchmarkCallsBetween joins as many spans as one answer may.
func BenchmarkCallsBetween(b *testing.B) {
	batch := new(span.Batch)
	for i := range maxJoined {
		batch.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i / 20)}, SpanID: span.ID(i + 1), Parent: span.ID(i + i%2), Kind: span.Kind(2 + i%2),
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(fmt.Sprintf("s%d", i%30))}}},
		})
	}
	for b.Loop() {
		callsBetween(batch)
	}
}
