package analyze

import (
	"cmp"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// Call is how often one service called another, or a store, and how that went. An error is a call of which the
// callee's span failed; durations are the callee's, of a store the caller's.
type Call struct {
	Caller, Callee string
	Store          bool // Callee is a store, by its span type: mysql, redis
	Count          int
	Errors         int
	Durations      store.Sketch
}

// Calls joins the spans of a batch, which may be of many traces, with their parents, and counts the calls from
// one service to another, in order of the names. Spans of clients of stores count as calls of the store. It
// takes linear time whatever the ids are.
func Calls(b *span.Batch) []Call {
	var names []string
	numbers := map[string]int32{}
	ofResource := make([]int32, len(b.Resources))
	for i := range ofResource {
		ofResource[i] = -1
	}
	service := make([]int32, b.Len())
	for i := range b.Len() {
		at := &ofResource[b.Resource[i]]
		if *at < 0 {
			*at = number(numbers, &names, b.Service(i))
		}
		service[i] = *at
	}

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

	type pair struct {
		caller, callee int32
		store          bool
	}
	calls := map[pair]*Call{}
	count := func(p pair, callee string, i int) {
		c := calls[p]
		if c == nil {
			c = &Call{Caller: names[p.caller], Callee: callee, Store: p.store}
			calls[p] = c
		}
		c.Count++
		c.Durations.Add(b.Duration[i])
		if b.Status[i] == span.StatusError {
			c.Errors++
		}
	}
	var stores []string
	storeNumbers := map[string]int32{}
	for i := range b.Len() {
		trace := b.TraceID[i].Lo
		caller := int32(0)
		if b.Kind[i] == span.KindServer {
			caller = byID[key{trace, b.SpanID[i]}].client
		}
		if caller == 0 && b.Parent[i] != 0 && b.Parent[i] != b.SpanID[i] {
			h := byID[key{trace, b.Parent[i]}]
			for _, row := range [...]int32{h.other, h.client, h.server} { // the last choice is the best but for one
				if row != 0 && (caller == 0 || service[caller-1] != service[i]) {
					caller = row // a parent in the same service is the right one
				}
			}
		}
		if caller != 0 && service[caller-1] != service[i] {
			count(pair{service[caller-1], service[i], false}, names[service[i]], i)
		}
		if r := b.Attrs[i]; b.Kind[i] == span.KindClient && (hasText(b, r, "db.system.name") || hasText(b, r, "db.system")) {
			n := number(storeNumbers, &stores, b.Type(i))
			count(pair{service[i], n, true}, stores[n], i)
		}
	}

	list := make([]Call, 0, len(calls))
	for _, c := range calls {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(x, y Call) int {
		fromStore := func(c Call) int {
			if c.Store {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(x.Caller, y.Caller), cmp.Compare(fromStore(x), fromStore(y)), cmp.Compare(x.Callee, y.Callee))
	})
	return list
}
