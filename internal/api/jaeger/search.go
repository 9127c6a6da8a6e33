package jaeger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

func (q server) search(ctx context.Context, p *params) (envelope, error) {
	asked, err := p.query(q.now)
	if err != nil {
		return envelope{}, err
	}
	if asked.ids != nil {
		return q.traces(ctx, asked.ids, asked.raw, true)
	}
	ids, problems, err := q.find(ctx, asked)
	if err != nil {
		return envelope{}, err
	}
	e, err := q.traces(ctx, ids, asked.raw, false)
	e.Errors = append(e.Errors, problems...)
	return e, err
}

// find looks for traces that have a span that matches, those with the newest matches first.
func (q server) find(ctx context.Context, asked query) (ids []span.TraceID, problems []problem, err error) {
	if asked.within.From >= asked.within.To {
		return nil, nil, nil
	}
	limit := min(asked.limit, maxTraces)
	// The store knows nothing of scopes: where one is asked for, take spans, and when these belong to too few traces, more of them.
	ask := store.Query{Filter: asked.filter, Range: asked.within, Order: store.Newest}
	n := min(4*limit, maxSelected)
	if asked.scope == (scopeIs{}) {
		ask.OnePerTrace, ask.Brief, n = true, true, limit
	}
	for ; ; n = min(8*n, maxSelected) {
		ask.Limit = n
		res, err := q.store.Select(ctx, ask)
		if err != nil {
			return nil, nil, err
		}
		ids = ids[:0]
		seen := make(map[span.TraceID]bool, limit)
		for i, id := range res.Spans.TraceID {
			if len(ids) < limit && !seen[id] && asked.scope.matches(res.Spans, i) {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		switch {
		case len(ids) == limit && asked.limit > limit:
			problems = append(problems, problem{Msg: fmt.Sprintf("at most %d traces are returned at once; for others, ask for an earlier time range", limit)})
		case len(ids) == limit || res.Spans.Len() < n:
		case n == maxSelected:
			problems = append(problems, problem{Msg: fmt.Sprintf("only the newest %d matching spans were looked at, and they are of %d traces; for others, ask for an earlier time range", n, len(ids))})
		default:
			continue
		}
		return wholeIDs(ids), problems, nil
	}
}

// wholeIDs leaves out ids of which there is the low half alone, too: under that the store finds both.
func wholeIDs(ids []span.TraceID) []span.TraceID {
	halves := map[uint64]bool{}
	for _, id := range ids {
		if id.Hi == 0 {
			halves[id.Lo] = true
		}
	}
	return slices.DeleteFunc(ids, func(id span.TraceID) bool { return id.Hi != 0 && halves[id.Lo] })
}

// traces fetches whole traces, as many as fit into an answer. Those that are missing are a problem if they
// were asked for; if they were found, retention has taken them since.
func (q server) traces(ctx context.Context, ids []span.TraceID, raw, asked bool) (envelope, error) {
	var e envelope
	data := []byte{'['}
	for i, id := range ids {
		b, err := q.store.Trace(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			if asked {
				e.Errors = append(e.Errors, problem{Msg: "trace not found", TraceID: formatTraceID(id)})
			}
			continue
		}
		if err != nil {
			return envelope{}, err
		}
		end := len(data)
		if end > 1 {
			data = append(data, ',')
		}
		if data = appendTrace(data, b, id, raw); end > 1 && len(data) > maxBytes {
			data = data[:end]
			for _, left := range ids[i:] {
				e.Errors = append(e.Errors, problem{
					Msg: fmt.Sprintf("left out: the answer would have more than %d MiB; ask for this trace alone", maxBytes>>20), TraceID: formatTraceID(left),
				})
			}
			break
		}
	}
	e.Data = append(data, ']')
	return e, nil
}

// operations answers with the names and kinds of a service's spans.
func (q server) operations(ctx context.Context, p *params) (envelope, error) {
	service := p.text("service")
	if service == "" {
		return envelope{}, badRequest("parameter 'service' is required")
	}
	filter := store.Is(store.ServiceName, service)
	if kind := p.text("spanKind"); kind != "" {
		k, ok := span.ParseKind(kind)
		if !ok {
			return envelope{}, badRequest(fmt.Sprintf("unable to parse param 'spanKind': %.80q; there are internal, server, client, producer, consumer", kind))
		}
		filter = store.And{X: filter, Y: store.Compare{Field: store.KindOf, Op: store.Eq, Value: store.Literal{Type: store.KindLiteral, Int: int64(k)}}}
	}
	groups, err := q.store.Aggregate(ctx, store.AggregateQuery{Filter: filter, By: []store.Field{store.Name, store.KindOf}})
	if err != nil {
		return envelope{}, err
	}
	slices.SortFunc(groups, func(a, b store.Group) int {
		return cmp.Or(cmp.Compare(a.Key[0], b.Key[0]), cmp.Compare(a.Key[1], b.Key[1]))
	})
	var e envelope
	if len(groups) > maxNames {
		groups = groups[:maxNames]
		e.Warnings = []string{fmt.Sprintf("there are more than the first %d operations", maxNames)}
	}
	e.Total = len(groups)
	data := []byte{'['}
	for i, g := range groups {
		if i > 0 {
			data = append(data, ',')
		}
		data = span.AppendJSONString(append(data, `{"name":`...), g.Key[0])
		kind := g.Key[1]
		if kind == span.KindUnspecified.String() {
			kind = "" // as Jaeger has it
		}
		data = append(span.AppendJSONString(append(data, `,"spanKind":`...), kind), '}')
	}
	e.Data = append(data, ']')
	return e, nil
}
