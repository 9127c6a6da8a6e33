package jaeger

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
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
	res, err := q.store.Select(ctx, store.Query{Range: within, Order: store.Newest, Limit: maxJoined, Count: true})
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
	for _, c := range analyze.Calls(res.Spans) {
		if c.Store || service != "" && c.Caller != service && c.Callee != service {
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = span.AppendJSONString(append(data, `{"parent":`...), c.Caller)
		data = span.AppendJSONString(append(data, `,"child":`...), c.Callee)
		data = append(strconv.AppendInt(append(data, `,"callCount":`...), int64(c.Count), 10), '}')
	}
	e.Data = append(data, ']')
	return e, nil
}
