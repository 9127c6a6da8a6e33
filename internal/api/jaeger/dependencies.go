package jaeger

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// dependencies counts the calls between services, of the newest spans in the range.
func (q server) dependencies(ctx context.Context, p *params) (envelope, error) {
	const maxMillis = math.MaxInt64/int64(time.Millisecond) - 1
	end := p.integer("endTs", q.now.UnixMilli())
	back := p.integer("lookback", day.Milliseconds())
	for name, v := range map[string]int64{"endTs": end, "lookback": back} {
		if v < 0 {
			p.fail(name, fmt.Errorf("%d is negative; it is a number of milliseconds", v))
		}
	}
	if p.err != nil {
		return envelope{}, p.err
	}
	end = min(end, maxMillis)
	within := store.TimeRange{From: max(end-min(back, end), 0) * int64(time.Millisecond), To: (end + 1) * int64(time.Millisecond)}
	res, err := q.store.Select(ctx, store.Query{Range: within, Order: store.Newest, Limit: maxJoined})
	if err != nil {
		return envelope{}, err
	}
	var e envelope
	if n := res.Spans.Len(); n == maxJoined && res.Matched > n {
		e.Warnings = []string{fmt.Sprintf("only the newest %d of %d spans were counted, those that started at %s or later; a shorter lookback has all of its",
			n, res.Matched, time.Unix(0, res.Spans.Start[n-1]).UTC().Format(time.RFC3339Nano))}
	}
	service := p.text("service")
	data := []byte{'['}
	for _, d := range callsBetween(res.Spans) {
		if service != "" && d.parent != service && d.child != service {
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = span.AppendJSONString(append(data, `{"parent":`...), d.parent)
		data = span.AppendJSONString(append(data, `,"child":`...), d.child)
		data = append(strconv.AppendInt(append(data, `,"callCount":`...), int64(d.calls), 10), '}')
	}
	e.Data = append(data, ']')
	return e, nil
}

// dependency says how often the spans of one service have a parent in another.
type dependency struct {
	parent, child string
	calls         int
}

// callsBetween joins the spans of a batch, which may be of many traces, with their parents, and counts the
// pairs of different services, in order of their names. It takes linear time whatever the ids are.
func callsBetween(b *span.Batch) []dependency {
	var names []string
	number := map[string]int32{}
	ofResource := make([]int32, len(b.Resources))
	for i := range ofResource {
		ofResource[i] = -1
	}
	service := make([]int32, b.Len())
	for i := range b.Len() {
		at := &ofResource[b.Resource[i]]
		if *at < 0 {
			name := b.Service(i)
			n, ok := number[name]
			if !ok {
				n = int32(len(names))
				number[name] = n
				names = append(names, name)
			}
			*at = n
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

	type pair struct{ parent, child int32 }
	calls := map[pair]int{}
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
			calls[pair{service[caller-1], service[i]}]++
		}
	}

	list := make([]dependency, 0, len(calls))
	for p, n := range calls {
		list = append(list, dependency{names[p.parent], names[p.child], n})
	}
	slices.SortFunc(list, func(x, y dependency) int {
		return cmp.Or(cmp.Compare(x.parent, y.parent), cmp.Compare(x.child, y.child))
	})
	return list
}
