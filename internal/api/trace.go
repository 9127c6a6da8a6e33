package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
)

// foldFrom is how many siblings of a type make a group.
const foldFrom = 5

// tree is the stored trace, arranged. If the client says which revision its row numbers are of and the
// trace has changed since, the numbers mean other spans now: 409.
func (s *server) tree(ctx context.Context, p *params, id span.TraceID) (*analyze.Tree, error) {
	b, err := s.Store.Trace(ctx, id)
	if err != nil {
		return nil, err
	}
	t := analyze.NewTree(b)
	if want := p.values.Get("revision"); want != "" && want != revision(t) {
		return nil, &requestError{status: http.StatusConflict, msg: "the trace has changed since revision " + clip(want) + "; load its skeleton again"}
	}
	return t, nil
}

// revision names the state of a trace: spans are only ever added, or dropped with others.
func revision(t *analyze.Tree) string { return strconv.Itoa(t.Len()) }

// fullID is the id of the trace: of an id that was asked for by its low half, the whole, if the spans
// know it.
func fullID(b *span.Batch, id span.TraceID) (full span.TraceID, traces int) {
	full = id
	for _, have := range b.TraceID {
		if have.Hi != 0 && have != full {
			traces++
			if full = have; traces > 1 {
				return full, traces
			}
		}
	}
	return full, traces
}

func (s *server) skeleton(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	t, err := s.tree(ctx, p, id)
	if err != nil {
		return nil, err
	}
	stats, err := json.Marshal(drawn(t.Stats(0)))
	if err != nil {
		return nil, fmt.Errorf("encode statistics: %w", err)
	}
	full, traces := fullID(t.Batch, id)
	notes := t.Notes
	if traces > 1 {
		notes = append(notes, "spans of more than one trace share these 64 bits of the id; they are shown together")
		full = id
	}
	causes, err := json.Marshal(s.causesOf(t))
	if err != nil {
		return nil, fmt.Errorf("encode causes: %w", err)
	}
	return encodeSkeleton(t, full, notes, t.Fold(foldFrom), stats, causes), nil
}

// drawn cuts the types as the skeleton has them, so that the two can be matched.
func drawn(s analyze.Stats) analyze.Stats {
	for i := range s.Types {
		s.Types[i].Type = cutName(s.Types[i].Type)
	}
	for i := range s.Direct.Types {
		s.Direct.Types[i].Type = cutName(s.Direct.Types[i].Type)
	}
	return s
}

func (s *server) stats(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	t, row, err := s.treeAndRow(ctx, p, id)
	if err != nil {
		return nil, err
	}
	return json.Marshal(drawn(t.Stats(row)))
}

// treeAndRow is the trace, and the row that the parameter names.
func (s *server) treeAndRow(ctx context.Context, p *params, id span.TraceID) (*analyze.Tree, int, error) {
	row := p.number("row", 0, 0, 1<<31-1)
	if p.err != nil {
		return nil, 0, p.err
	}
	t, err := s.tree(ctx, p, id)
	if err == nil && row >= t.Len() {
		err = badRequest("row=%d: the trace has rows 0 to %d", row, t.Len()-1)
	}
	return t, row, err
}

const (
	maxSpans      = 200      // that one question may ask for
	maxSpansBytes = 32 << 20 // of an answer; spans that do not fit are left out and counted
)

type (
	attribute struct {
		Key   string `json:"key"`
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	event struct {
		Time       string      `json:"time"`
		Name       string      `json:"name"`
		Attributes []attribute `json:"attributes"`
		Dropped    uint32      `json:"dropped,omitempty"`
	}
	link struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		TraceState string      `json:"traceState,omitempty"`
		Flags      uint32      `json:"flags,omitempty"`
		Attributes []attribute `json:"attributes"`
		Dropped    uint32      `json:"dropped,omitempty"`
	}
	scope struct {
		Name       string      `json:"name"`
		Version    string      `json:"version"`
		Attributes []attribute `json:"attributes"`
		SchemaURL  string      `json:"schemaUrl,omitempty"`
		Dropped    uint32      `json:"dropped,omitempty"`
	}
	dropped struct {
		Attributes uint32 `json:"attributes"`
		Events     uint32 `json:"events"`
		Links      uint32 `json:"links"`
	}
	spanDetail struct {
		Row               int         `json:"row"`
		SpanID            string      `json:"spanId"`
		ParentID          string      `json:"parentId"`
		TraceID           string      `json:"traceId"`
		Service           string      `json:"service"`
		Name              string      `json:"name"`
		Type              string      `json:"type"`
		Kind              string      `json:"kind"`
		Start             string      `json:"start"`
		Duration          int64       `json:"duration"`
		Self              int64       `json:"self"`
		Status            string      `json:"status"`
		StatusMessage     string      `json:"statusMessage"`
		TraceState        string      `json:"traceState"`
		Flags             uint32      `json:"flags"`
		Attributes        []attribute `json:"attributes"`
		Events            []event     `json:"events"`
		Links             []link      `json:"links"`
		Resource          []attribute `json:"resource"`
		ResourceSchemaURL string      `json:"resourceSchemaUrl,omitempty"`
		ResourceDropped   uint32      `json:"resourceDropped,omitempty"`
		Scope             scope       `json:"scope"`
		Dropped           dropped     `json:"dropped"`
		DirectChildren    int         `json:"directChildren"`
	}
)

func (s *server) spans(ctx context.Context, p *params, id span.TraceID) ([]byte, error) {
	rows, ids, err := wantedSpans(p)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, p, id)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row >= t.Len() {
			return nil, badRequest("rows: the trace has rows 0 to %d, not %d", t.Len()-1, row)
		}
	}
	if len(ids) > 0 {
		for pos, r := range t.Row { // several spans may have one id
			if ids[t.Batch.SpanID[r]] {
				rows = append(rows, pos)
			}
		}
	}
	omitted := max(0, len(rows)-maxSpans)
	rows = rows[:len(rows)-omitted]
	body := []byte(`{"spans":[`)
	for i, row := range rows {
		one, err := json.Marshal(detail(t, row))
		if err != nil {
			return nil, fmt.Errorf("encode span: %w", err)
		}
		if i > 0 {
			if len(body)+len(one) > maxSpansBytes {
				omitted += len(rows) - i
				break
			}
			body = append(body, ',')
		}
		body = append(body, one...)
	}
	body = append(body, ']')
	if omitted > 0 {
		body = fmt.Appendf(body, `,"omitted":%d`, omitted)
	}
	return append(body, '}'), nil
}

// wantedSpans reads rows or ids.
func wantedSpans(p *params) (rows []int, ids map[span.ID]bool, err error) {
	list := func(name string) []string {
		v := p.values.Get(name)
		if v == "" {
			return nil
		}
		if n := strings.Count(v, ",") + 1; n > maxSpans {
			p.fail("%s names %d spans; at most %d can be asked for at once", name, n, maxSpans)
			return nil
		}
		return strings.Split(v, ",")
	}
	byRow, byID := list("rows"), list("ids")
	if p.err != nil {
		return nil, nil, p.err
	}
	if (byRow == nil) == (byID == nil) {
		return nil, nil, badRequest("say which spans: rows=0,17 or ids=hex,hex")
	}
	for _, v := range byRow {
		row, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return nil, nil, badRequest("rows: %q is not a row number", clip(v))
		}
		rows = append(rows, int(row))
	}
	ids = make(map[span.ID]bool, len(byID))
	for _, v := range byID {
		id, err := span.ParseID(v)
		if err != nil {
			return nil, nil, badRequest("ids: %v", err)
		}
		ids[id] = true
	}
	return rows, ids, nil
}

func detail(t *analyze.Tree, pos int) spanDetail {
	sp := t.Batch.Span(int(t.Row[pos]))
	d := spanDetail{
		Row: pos, SpanID: sp.SpanID.String(), TraceID: sp.TraceID.String(),
		Service: sp.Service(), Name: sp.Name, Type: t.Types[t.Type[pos]], Kind: sp.Kind.String(),
		Start: number(sp.Start), Duration: sp.Duration, Self: t.Self[pos],
		Status: sp.Status.String(), StatusMessage: sp.StatusMessage, TraceState: sp.TraceState, Flags: sp.Flags,
		Attributes: attributes(sp.Attrs), Events: []event{}, Links: []link{},
		Resource: attributes(sp.Resource.Attrs), ResourceSchemaURL: sp.Resource.SchemaURL, ResourceDropped: sp.Resource.Dropped,
		Scope:          scope{sp.Scope.Name, sp.Scope.Version, attributes(sp.Scope.Attrs), sp.Scope.SchemaURL, sp.Scope.Dropped},
		Dropped:        dropped{sp.DroppedAttrs, sp.DroppedEvents, sp.DroppedLinks},
		DirectChildren: int(t.Direct[pos]),
	}
	if sp.Parent != 0 {
		d.ParentID = sp.Parent.String()
	}
	for _, e := range sp.Events {
		d.Events = append(d.Events, event{number(e.Time), e.Name, attributes(e.Attrs), e.Dropped})
	}
	for _, l := range sp.Links {
		d.Links = append(d.Links, link{l.TraceID.String(), l.SpanID.String(), l.TraceState, l.Flags, attributes(l.Attrs), l.Dropped})
	}
	return d
}

func attributes(attrs []span.Attribute) []attribute {
	list := make([]attribute, 0, len(attrs))
	for _, a := range attrs {
		list = append(list, attribute{a.Key, a.Value.Type.String(), a.Value.String()})
	}
	return list
}
