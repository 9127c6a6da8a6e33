package local

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// TestFirstNames compares with sorting all names, and looks at how many are kept.
func TestFirstNames(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching("[ab]{0,3}"), 0, 60).Draw(rt, "names")
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		prefix := rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "prefix")
		first := firstNames{limit: limit, room: limit + 3, prefix: prefix, names: map[string]bool{}}
		var want []string
		for _, name := range names {
			first.add(name)
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
			if len(first.names) > limit+3 {
				rt.Fatalf("%d names are kept, of which %d are wanted", len(first.names), limit)
			}
		}
		slices.Sort(want)
		want = slices.Compact(want)
		want = want[:min(limit, len(want))]
		if got := first.sorted(); !slices.Equal(got, want) {
			rt.Fatalf("%q, want %q", got, want)
		}
	})
}

// Names that anybody can make up do not take memory without end, in the head, in operations, or by time; what asks for fewer of
// them is answered.
func TestTooManyGroups(t *testing.T) {
	const most, part = 10_000, 1000
	o := options(vfs.NewMem(), "/d")
	o.SegmentRows, o.MaxGroups = most/2+10, most
	s := open(t, o)
	for from := 0; from < most+part; from += part {
		if err := s.Append(t.Context(), longNamed(from, part, strconv.Itoa)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, q := range []store.AggregateQuery{
			{By: []store.Field{store.Name}},
			{Step: 1},
			{By: []store.Field{store.ServiceName, store.Name}, Filter: store.AtLeast(1)},
		} {
			if groups, err := s.Aggregate(t.Context(), q); !errors.Is(err, store.ErrTooMany) {
				t.Errorf("%+v: %d groups, %v", q, len(groups), err)
			}
			q.Range.To = most
			if groups, err := s.Aggregate(t.Context(), q); len(groups) != most || err != nil {
				t.Errorf("%+v: %d groups, %v; want %d", q, len(groups), err, most)
			}
		}
		sealNow(t, s)
	}
	_, err := s.Aggregate(t.Context(), store.AggregateQuery{By: []store.Field{store.Name}, Step: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "name with time by 1h0m0s has more than 10000 different values") {
		t.Error(err)
	}
}

// Only what matches is numbered: a question for little is not to hold the names of all that it passes.
func TestNumbersOfMatching(t *testing.T) {
	h, b := newHead(1), &span.Batch{}
	for i := range 1000 {
		text := "v" + strconv.Itoa(i)
		b.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i + 1)}, SpanID: span.ID(i + 1), Name: text, Start: int64(i), Duration: int64(i),
			Attrs: []span.Attribute{
				{Key: "text", Value: span.StringValue(text)},
				{Key: "number", Value: span.IntValue(int64(i))},
				{Key: "list", Value: span.TextValue(span.List, `["`+text+`"]`)},
			},
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "host", Value: span.StringValue(text)}}},
		})
	}
	h.append(b)
	for field, want := range map[store.Field]string{
		store.Name: "v7", store.Duration: "7", store.RootName: "v7", {Name: "text"}: "v7", {Name: "number"}: "7", {Name: "list"}: `["v7"]`, {Name: "host"}: "v7",
	} {
		filters, err := view{newCursor(h.snapshot(), &vectors{})}.filters(t.Context(), nil, store.TimeRange{From: 7, To: 8}, field)
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(filters[0], field, newNames())
		codes := make([]uint32, 1000)
		err = each(t.Context(), filters, func(_ int, _ *filter, p int, rows *bitmap) error { return r.read(p, rows, codes) })
		if known := r.names.texts[emptyText+1:]; err != nil || len(known) != 1 || known[0] != want || r.names.texts[codes[7]] != want {
			t.Errorf("%v: %.10q, %v", field, known, err)
		}
	}
}
