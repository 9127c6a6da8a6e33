package api

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// findIn has the rows of one trace whose spans match a filter: what a skeleton does not have can be asked for, too.
func (s *server) findIn(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	filter := p.filter()
	if p.err != nil {
		return nil, p.err
	}
	t, err := s.tree(ctx, p, id)
	if err != nil {
		return nil, err
	}
	b := t.Batch
	all := make([]int, b.Len())
	for row := range all {
		all[row] = row
	}
	whole := store.TraceOf(b, all)
	found := []int32{}
	for pos, row := range t.Row {
		if store.Matches(filter, b, int(row), whole) {
			found = append(found, int32(pos))
		}
	}
	w := skeletonWriter(`{"revision":`)
	w = span.AppendJSONString(w, revision(t))
	w.num("matched", int64(len(found)))
	w.key("rowStep")
	w.column(steps(0, found))
	return append(w, '}'), nil
}

// eventRow is an event of a span, as a list of them shows it. Offset is ns after the trace's start.
type eventRow struct {
	Row        int         `json:"row"`
	Offset     int64       `json:"offset"`
	Time       string      `json:"time"`
	Name       string      `json:"name"`
	Attributes []attribute `json:"attributes"`
}

// events are the events of all spans of a trace in order of time, or those with a text in their name or attributes.
func (s *server) events(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	text := strings.ToLower(p.text("text"))
	limit := p.number("limit", maxRows, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	t, err := s.tree(ctx, p, id)
	if err != nil {
		return nil, err
	}
	has := func(part string) bool { return strings.Contains(strings.ToLower(part), text) }
	type place struct {
		pos, event int
		offset     int64
	}
	var found []place
	total := 0
	for pos, row := range t.Row {
		if t.Batch.EventsOf[row].Len() == 0 {
			continue
		}
		sp := t.Batch.Span(int(row))
		total += len(sp.Events)
		for i, e := range sp.Events {
			isIt := text == "" || has(e.Name) ||
				slices.ContainsFunc(e.Attrs, func(a span.Attribute) bool { return has(a.Key) || has(a.Value.String()) })
			if isIt { // events move along with a span whose clock was corrected
				found = append(found, place{pos, i, e.Time - sp.Start + t.Offset[pos]})
			}
		}
	}
	slices.SortStableFunc(found, func(x, y place) int { return cmp.Compare(x.offset, y.offset) })
	rows := []eventRow{}
	for _, at := range found[:min(limit, len(found))] {
		e := t.Batch.Span(int(t.Row[at.pos])).Events[at.event]
		attrs := attributes(e.Attrs)
		for i := range attrs {
			attrs[i].Value = cutName(attrs[i].Value)
		}
		rows = append(rows, eventRow{at.pos, at.offset, number(e.Time), cutName(e.Name), attrs})
	}
	return json.Marshal(struct {
		Revision string     `json:"revision"`
		Total    int        `json:"total"`
		Matched  int        `json:"matched"`
		Events   []eventRow `json:"events"`
	}{revision(t), total, len(found), rows})
}
