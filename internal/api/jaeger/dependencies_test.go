package jaeger

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

// full is a store in which more matches than anybody may look at.
type full struct {
	store.Store
	matched int
	traces  uint64 // that the spans are of
}

func (s full) Names(_ context.Context, q store.NamesQuery) ([]string, error) {
	return make([]string, q.Limit), nil
}

func (s full) Stats() store.Stats { return store.Stats{OldestStart: 1} }

func (s full) Aggregate(_ context.Context, q store.AggregateQuery) ([]store.Group, error) {
	if len(q.By) == 1 { // by service
		return []store.Group{{Key: []string{"web"}, Time: now.UnixNano(), Count: 300_000}}, nil
	}
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
		{"/api/dependencies", "warnings", 1, "counts are estimates: 131072 of 300000 spans were looked at"},
		{"/api/traces", "errors", 1, "only the newest 65536 matching spans were looked at, and they are of 1 traces"},
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
