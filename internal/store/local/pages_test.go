package local

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// TestPages asks the model, a head and a segment of several pages the same.
func TestPages(t *testing.T) {
	model := storetest.NewModel()
	s := open(t, options(vfs.NewMem(), "/data"))
	n := 0
	var ids []span.TraceID
	for _, b := range workload.Generate(3, 350) {
		for _, st := range []store.Store{model, s} {
			if err := st.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		n += b.Len()
		ids = append(ids, b.TraceID[0])
	}
	if n <= pageRows {
		t.Fatalf("only %d spans", n)
	}
	middle := func() int64 {
		res, err := model.Select(t.Context(), store.Query{Count: true, Limit: n})
		if err != nil {
			t.Fatal(err)
		}
		return res.Spans.Start[n/2]
	}()
	for _, stage := range []string{"head", "segment"} {
		t.Run(stage, func(t *testing.T) {
			if stage == "segment" {
				sealNow(t, s)
			}
			for _, id := range ids[:50] {
				want, err := model.Trace(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.Trace(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "trace "+id.String(), want, got)
			}
			for _, text := range []string{
				`{}`, `{ duration > 100ms }`, `{ status = error }`, `{ kind = server && duration >= 10ms }`, `{ name =~ ".*List.*" || status = error }`,
				`{ traceDuration > 1s && root }`, `{ !(kind = client) && http.response.status_code >= 500 }`, `{ service.name != "nobody" && duration < 1ms }`,
			} {
				e, err := store.ParseFilter(text)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range []store.TimeRange{{}, {From: middle}} {
					compare(t, model, s, e, r)
				}
			}
		})
	}
}

func compare(t *testing.T, model, s store.Store, e store.Expr, r store.TimeRange) {
	t.Helper()
	for _, order := range []store.Order{store.Newest, store.Slowest} {
		q := store.Query{Count: true, Filter: e, Range: r, Order: order, Limit: 30}
		want, err := model.Select(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Select(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("Select(%v, %v, %d)", e, r, order)
		if got.Matched != want.Matched {
			t.Errorf("%s: %d matched, want %d", what, got.Matched, want.Matched)
		}
		same(t, what, want.Spans, got.Spans)
	}
	q := store.AggregateQuery{Filter: e, Range: r, By: []store.Field{store.ServiceName, store.StatusCode}, Step: time.Minute}
	want, err := model.Aggregate(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Aggregate(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]store.Group{want, got} {
		slices.SortFunc(groups, func(a, b store.Group) int {
			return cmp.Or(slices.Compare(a.Key, b.Key), cmp.Compare(a.Time, b.Time))
		})
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("Aggregate(%v, %v) (-want +got):\n%.2000s", e, r, d)
	}
}

func same(t *testing.T, what string, want, got *span.Batch) {
	t.Helper()
	if want.Len() != got.Len() {
		t.Fatalf("%s: %d spans, want %d", what, got.Len(), want.Len())
	}
	for i := range want.Len() {
		if d := gocmp.Diff(want.Span(i), got.Span(i)); d != "" {
			t.Fatalf("%s, row %d (-want +got):\n%.2000s", what, i, d)
		}
	}
}

// TestWide has more keys than a segment has columns, keys that differ by case, and a key of all types.
func TestWide(t *testing.T) {
	s := open(t, options(vfs.NewMem(), "/data"))
	var want []span.Span
	for i := range 700 {
		sp := span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i + 1)}, SpanID: 1, Start: int64(i),
			Attrs: []span.Attribute{{Key: "Often", Value: span.IntValue(1)}},
		}
		if i%2 == 0 {
			sp.Attrs = append(sp.Attrs, span.Attribute{Key: "often", Value: span.StringValue("x")})
		}
		for _, key := range []string{fmt.Sprintf("rare.%03d", i), fmt.Sprintf("rarer.%03d", i/3)} {
			sp.Attrs = append(sp.Attrs, span.Attribute{Key: key, Value: span.DoubleValue(float64(i))})
		}
		want = append(want, storetest.Canonical(sp))
	}
	if err := s.Append(t.Context(), batch(want...)); err != nil {
		t.Fatal(err)
	}
	sealNow(t, s)
	if n := len(columnsOf(t, s.segments[0]).list); n != maxAttrColumns-1 { // "often" and "Often" are one
		t.Fatalf("%d columns, want %d", n, maxAttrColumns-1)
	}
	for _, w := range want {
		got, err := s.Trace(t.Context(), w.TraceID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, w.TraceID.String(), batch(w), got)
	}
	for text, n := range map[string]int{
		`{ often = "x" }`: 350, `{ Often = 1 }`: 700, `{ rare.699 = 699 }`: 1, `{ span.rarer.232 >= 0 }`: 3, `{ rare.1000 != nil }`: 0,
	} {
		e, err := store.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Select(t.Context(), store.Query{Count: true, Filter: e})
		if err != nil {
			t.Fatal(err)
		}
		if res.Matched != n {
			t.Errorf("%s matches %d, want %d", text, res.Matched, n)
		}
	}
}

func TestColumnName(t *testing.T) {
	for _, c := range []struct {
		attr   attrColumn
		suffix bool
		want   string
	}{
		{attrColumn{"http.route", span.String}, false, "http.route"},
		{attrColumn{"http.route", span.Int}, true, "http.route:int"},
		{attrColumn{"a:int", span.String}, false, "a%3Aint"},
		{attrColumn{"50%", span.Bool}, true, "50%25:bool"},
		{attrColumn{"", span.Bytes}, false, "%"},
		{attrColumn{"ключ\n\xff", span.Double}, true, "ключ%0A%FF:double"},
	} {
		if got := columnName(c.attr, c.suffix); got != c.want {
			t.Errorf("columnName(%q) = %q, want %q", c.attr.key, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := attrColumn{
			string(rapid.SliceOf(rapid.SampledFrom([]byte("a:%3A\x00\xff\xc3\xa9."))).Draw(t, "key")),
			rapid.SampledFrom([]span.ValueType{span.String, span.Bool, span.Int, span.Double, span.Bytes}).Draw(t, "type"),
		}
		name := columnName(a, rapid.Bool().Draw(t, "suffix"))
		got, err := parseColumnName(name, a.typ)
		if err != nil || got != a {
			t.Fatalf("%q became %q, and that %q, %v", a.key, name, got.key, err)
		}
	})
	for _, bad := range []string{"a:string:int", "a:", "%4", "%zz", "a:double"} {
		if got, err := parseColumnName(bad, span.Int); err == nil {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
}

// TestCacheOfAnything: it knows what it has and how much that is, within its bound, and has what came last.
func TestCacheOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCache(100)
		put := map[cacheKey]int{} // the size and value that each had last
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := cacheKey{uint64(rapid.IntRange(0, 2).Draw(t, "segment")), 0, int32(rapid.IntRange(0, 20).Draw(t, "page"))}
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				c.drop(key.segment)
				maps.DeleteFunc(put, func(k cacheKey, _ int) bool { return k.segment == key.segment })
			case 1, 2, 3:
				put[key] = rapid.IntRange(0, 120).Draw(t, "size")
				if c.put(key, put[key], put[key]); c.get(key) != put[key] {
					t.Fatal("what was put is not there")
				}
			default:
				if got := c.get(key); got != nil && got != put[key] {
					t.Fatalf("%v is %v, and was %v", key, got, put[key])
				}
			}
			size := 0
			for i, e := range c.round {
				if size += e.size; e.at != i || c.entries[e.key] != e || put[e.key] != e.size {
					t.Fatalf("in place %d is %+v", i, e)
				}
			}
			if size != c.size || len(c.entries) != len(c.round) || size > c.limit && len(c.round) > 1 {
				t.Fatalf("%d bytes, counted as %d, in %d entries and %d places", size, c.size, len(c.entries), len(c.round))
			}
		}
	})
}

// TestCache stays within its bound.
func TestCache(t *testing.T) {
	c := newCache(100)
	for i := range int32(50) {
		c.put(cacheKey{1, 0, i}, i, 10)
		c.get(cacheKey{1, 0, 0}) // used all the time: it stays
	}
	if c.size > 100 || len(c.entries) != 10 || len(c.round) != 10 {
		t.Errorf("%d bytes in %d entries", c.size, len(c.entries))
	}
	if c.get(cacheKey{1, 0, 0}) == nil || c.get(cacheKey{1, 0, 1}) != nil || c.get(cacheKey{1, 0, 49}) == nil {
		t.Error("not the least recently used were evicted")
	}
	c.put(cacheKey{1, 0, 49}, 1, 30)
	c.drop(1)
	if c.size != 0 || len(c.entries) != 0 {
		t.Errorf("%d bytes in %d entries after drop", c.size, len(c.entries))
	}
}
