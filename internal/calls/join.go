package calls

import (
	"cmp"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// pair names the two ends of an edge.
type pair struct {
	caller, callee string
	isStore        bool
}

// edges are what is known of calls so far.
type edges map[pair]*Edge

// at is the edge of a pair, which is made if there is none.
func (e edges) at(p pair) *Edge {
	edge := e[p]
	if edge == nil {
		edge = &Edge{Caller: p.caller, Callee: p.callee, Store: p.isStore}
		e[p] = edge
	}
	return edge
}

// add adds edges that stand for so many times what they say.
func (e edges) add(other edges, times float64) {
	for p, o := range other {
		edge := e.at(p)
		edge.Calls += o.Calls * times
		edge.Errors += o.Errors * times
		edge.Durations.Merge(&o.Durations)
	}
}

// list are the edges in order of caller, then callee, stores last.
func (e edges) list() []Edge {
	list := make([]Edge, 0, len(e))
	for _, edge := range e {
		list = append(list, *edge)
	}
	last := func(e Edge) int {
		if e.Store {
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(x, y Edge) int {
		return cmp.Or(cmp.Compare(x.Caller, y.Caller), cmp.Compare(last(x), last(y)), cmp.Compare(x.Callee, y.Callee))
	})
	return list
}

// join joins the spans of a batch, which may be of many traces, with their parents, and returns the calls from one service to
// another of which the callee's span is wanted; and the rows that are wanted whose parent is not in the batch. It
// takes linear time whatever the ids are.
func join(b *span.Batch, isWanted func(row int) bool) (found edges, orphans []int) {
	services := servicesOf(b)

	// A peer that knows 64-bit ids alone has the low half of the trace's id, so that is what joins.
	type key struct {
		trace uint64
		id    span.ID
	}
	// holders are spans of one id. Two are right where a call's halves share one, as Zipkin has it; more
	// are a mistake of somebody's, and of these one stands for all.
	type holders struct{ client, server, other int32 } // row + 1
	byID := make(map[key]holders, b.Len())
	for i := range b.Len() {
		k := key{b.TraceID[i].Lo, b.SpanID[i]}
		h := byID[k]
		row := int32(i + 1)
		switch b.Kind[i] {
		case span.KindClient:
			h.client = row
		case span.KindServer:
			h.server = row
		default:
			h.other = row
		}
		byID[k] = h
	}

	found = edges{}
	for i := range b.Len() {
		if !isWanted(i) {
			continue
		}
		trace := b.TraceID[i].Lo
		caller := int32(0)
		if b.Kind[i] == span.KindServer {
			caller = byID[key{trace, b.SpanID[i]}].client
		}
		if caller == 0 && b.Parent[i] != 0 && b.Parent[i] != b.SpanID[i] {
			h, ok := byID[key{trace, b.Parent[i]}]
			if !ok {
				orphans = append(orphans, i)
			}
			for _, row := range [...]int32{h.other, h.client, h.server} { // the last choice is the best but for one
				if row != 0 && (caller == 0 || services[b.Resource[caller-1]] != services[b.Resource[i]]) {
					caller = row // a parent in the same service is the right one
				}
			}
		}
		if caller == 0 {
			continue
		}
		from, to := services[b.Resource[caller-1]], services[b.Resource[i]]
		if from == to {
			continue
		}
		edge := found.at(pair{caller: from, callee: to})
		edge.Calls++
		edge.Durations.Add(b.Duration[i])
		if b.Status[i] == span.StatusError {
			edge.Errors++
		}
	}
	return found, orphans
}

// servicesOf are the names of the services of the resources that the batch's spans have.
func servicesOf(b *span.Batch) []string {
	services := make([]string, len(b.Resources))
	known := make([]bool, len(b.Resources))
	for i, r := range b.Resource {
		if !known[r] {
			known[r] = true
			services[r] = b.Service(i)
		}
	}
	return services
}

// count adds an aggregate of one edge.
func (e *Edge) count(g *store.Group) {
	e.Calls += float64(g.Count)
	e.Errors += float64(g.Errors)
	e.Durations.Merge(&g.Durations)
}
