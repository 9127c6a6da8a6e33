package analyze

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
)

// slowCalls looks for every span's caller among all spans.
func slowCalls(b *span.Batch) []Call {
	calls := map[[3]string]*Call{}
	count := func(caller, callee, kind string, i int) {
		c := calls[[3]string{caller, kind, callee}]
		if c == nil {
			c = &Call{Caller: caller, Callee: callee, Store: kind != ""}
			calls[[3]string{caller, kind, callee}] = c
		}
		c.Count++
		c.Durations.Add(b.Duration[i])
		if b.Status[i] == span.StatusError {
			c.Errors++
		}
	}
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
			count(b.Service(callers[0]), b.Service(i), "", i)
		}
		if b.Kind[i] == span.KindClient && b.Attrs[i].Len() > 0 {
			count(b.Service(i), b.Type(i), "store", i)
		}
	}
	list := []Call{}
	for _, k := range slices.SortedFunc(maps.Keys(calls), func(x, y [3]string) int { return slices.Compare(x[:], y[:]) }) {
		list = append(list, *calls[k])
	}
	return list
}

func TestCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := new(span.Batch)
		taken := map[string]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "spans") {
			s := span.Span{
				TraceID: span.TraceID{Hi: rapid.Uint64Range(0, 1).Draw(t, "hi"), Lo: rapid.Uint64Range(1, 2).Draw(t, "trace")},
				SpanID:  span.ID(rapid.Uint64Range(1, 6).Draw(t, "id")),
				Parent:  span.ID(rapid.Uint64Range(0, 6).Draw(t, "parent")),
				Kind:    span.Kind(rapid.IntRange(0, 5).Draw(t, "kind")), Status: span.Status(rapid.IntRange(0, 2).Draw(t, "status")),
				Duration: rapid.Int64Range(0, 9).Draw(t, "duration"),
			}
			if db := rapid.SampledFrom([]string{"", "mysql", "redis"}).Draw(t, "store"); db != "" {
				s.Attrs = []span.Attribute{{Key: "db.system.name", Value: span.StringValue(db)}}
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
		if diff := cmp.Diff(slowCalls(b), Calls(b)); diff != "" {
			t.Fatalf("(-slow +fast)\n%s", diff)
		}
	})
}

// TestCallsOfOneID: spans of one id cost no more than others.
func TestCallsOfOneID(t *testing.T) {
	b := new(span.Batch)
	for i := range 100_000 {
		b.Append(&span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: 1, Parent: 1, Kind: span.Kind(i % 6)})
	}
	if got := Calls(b); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// BenchmarkCalls joins 65,536 spans.
func BenchmarkCalls(b *testing.B) {
	batch := new(span.Batch)
	for i := range 1 << 16 {
		batch.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i / 20)}, SpanID: span.ID(i + 1), Parent: span.ID(i + i%2), Kind: span.Kind(2 + i%2),
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(fmt.Sprintf("s%d", i%30))}}},
		})
	}
	for b.Loop() {
		Calls(batch)
	}
}
