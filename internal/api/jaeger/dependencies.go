package jaeger

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fuwu-project/fuwu/internal/calls"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// dependencies counts the calls between services.
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
	graph, err := calls.In(ctx, q.store, within)
	if err != nil {
		return envelope{}, err
	}
	var e envelope
	if graph.Looked < graph.Spans {
		e.Warnings = append(e.Warnings, fmt.Sprintf("counts are estimates: %d of %d spans were looked at", graph.Looked, graph.Spans))
	}
	if graph.Skipped > 0 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("%d services with few spans were left out for want of time", graph.Skipped))
	}
	service := p.text("service")
	data := []byte{'['}
	for _, c := range graph.Edges {
		if c.Store || service != "" && c.Caller != service && c.Callee != service {
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = span.AppendJSONString(append(data, `{"parent":`...), c.Caller)
		data = span.AppendJSONString(append(data, `,"child":`...), c.Callee)
		data = append(strconv.AppendInt(append(data, `,"callCount":`...), int64(math.Round(c.Calls)), 10), '}')
	}
	e.Data = append(data, ']')
	return e, nil
}
