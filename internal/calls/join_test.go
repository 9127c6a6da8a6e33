package calls

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/fuwu-project/fuwu/internal/span"
)

func all(int) bool { return true }

// slowCalls looks for every span's caller among all spans.
func slowCalls(b *span.Batch) []Edge {
	calls := map[[3]string]*Edge{}
	count := func(caller, callee, kind string, i int) {
		c := calls[[3]string{caller, kind, callee}]
		if c == nil {
			c = &Edge{Caller: caller, Callee: callee, Store: kind != ""}
			calls[[3]string{caller, kind, callee}] = c
		}
		c.Calls++
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
	list := []Edge{}
	for _, k := range slices.SortedFunc(maps.Keys(calls), func(x, y [3]string) int { return slices.Compare(x[:], y[:]) }) {
		list = append(list, *calls[k])
	}
	return list
}

// TestJoinOfOneID: spans of one id cost no more than others.
func TestJoinOfOneID(t *testing.T) {
	b := new(span.Batch)
	for i := range 100_000 {
		b.Append(&span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: 1, Parent: 1, Kind: span.Kind(i % 6)})
	}
	if got, orphans := join(b, all); len(got) != 0 || len(orphans) != 0 {
		t.Errorf("%v, %v", got, orphans)
	}
}

// BenchmarkJoin joins 65,536 spans.
func BenchmarkJoin(b *testing.B) {
	batch := new(span.Batch)
	for i := range 1 << 16 {
		batch.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i / 20)}, SpanID: span.ID(i + 1), Parent: span.ID(i + i%2), Kind: span.Kind(2 + i%2),
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(fmt.Sprintf("s%d", i%30))}}},
		})
	}
	for b.Loop() {
		join(batch, all)
	}
}
