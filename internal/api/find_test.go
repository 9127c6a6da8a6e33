package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

// TestFindIn: the rows found are the spans that the store finds of the trace.
func TestFindIn(t *testing.T) {
	s := fixture(t)
	h := handler(s)
	id, err := parseTraceID("6b49d2000000000000000002")
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range []string{
		`{ span.db.system.name = "memcached" }`, `{ .db.system.name != nil && duration >= 1ms }`, `{ resource.service.name =~ "movie" }`, `{ status = error }`,
		`{ root }`, `{ rootName = "GET /subject/{id}" && kind = server }`, `{ }`, `{ span.nothing = 1 }`, `{ traceDuration > 1h }`,
	} {
		filter, err := store.ParseFilter(q)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Select(t.Context(), store.Query{Filter: filter, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var want, got []span.ID
		for i, trace := range res.Spans.TraceID {
			if trace == id {
				want = append(want, res.Spans.SpanID[i])
			}
		}
		var found struct {
			Revision string
			Matched  int
			RowStep  []int32
		}
		ask(t, h, trace2+"/find?q="+url.QueryEscape(q), &found)
		tree, err := (&server{Config: Config{Store: s}}).tree(t.Context(), &params{}, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range sums(0, found.RowStep) {
			got = append(got, tree.Batch.SpanID[tree.Row[row]])
		}
		if i < 6 && len(want) == 0 {
			t.Errorf("%s finds nothing at all", q)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || found.Matched != len(want) || found.Revision != "12" {
			t.Errorf("%s: found %v, the store %v; %+v", q, got, want, found)
		}
	}
	if w := get(t, h, Prefix+trace2+"/find?q=%7B"); w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(t, h, Prefix+trace2+"/find?q=&revision=7"); w.Code != 409 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestEvents: events of all spans are in order of time, and found by what is in them.
func TestEvents(t *testing.T) {
	s := storetest.NewModel()
	b := new(span.Batch)
	ms := int64(time.Millisecond)
	put := func(id, parent span.ID, host string, start int64, events ...span.Event) {
		b.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: 1}, SpanID: id, Parent: parent, Name: "x", Start: now.UnixNano() + start, Duration: 10 * ms, Events: events,
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "host.name", Value: span.StringValue(host)}}},
		})
	}
	event := func(at int64, name string, attrs ...span.Attribute) span.Event {
		return span.Event{Time: now.UnixNano() + at, Name: name, Attrs: attrs}
	}
	put(1, 0, "a", 0, event(9*ms, "late"), event(1*ms, "early"))
	put(2, 1, "b", -5*ms, event(-3*ms, "elsewhere", span.Attribute{Key: "Who", Value: span.StringValue("Ann " + strings.Repeat("x", 1000))})) // its clock is 5 ms behind
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"": "3 of 3: early@1 elsewhere@2 late@9", "?text=ANN": "1 of 3: elsewhere@2", "?text=who": "1 of 3: elsewhere@2", "?text=l&limit=1": "3 of 3: early@1", "?text=none": "0 of 3:",
	} {
		var answer struct {
			Total, Matched int
			Events         []eventRow
		}
		ask(t, handler(s), "/traces/"+span.TraceID{Hi: 1, Lo: 1}.String()+"/events"+query, &answer)
		var got strings.Builder
		fmt.Fprintf(&got, "%d of %d:", answer.Matched, answer.Total)
		for _, e := range answer.Events {
			fmt.Fprintf(&got, " %s@%d", e.Name, e.Offset/ms)
			if e.Name == "elsewhere" && (e.Row != 1 || len(e.Attributes[0].Value) > 520 || e.Time != number(now.UnixNano()-3*ms)) {
				t.Errorf("%+v", e)
			}
		}
		if got.String() != want {
			t.Errorf("%q: %s, want %s", query, got.String(), want)
		}
	}
}
