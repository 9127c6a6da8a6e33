package storetest

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// Property compares an engine with the model: random batches, retries, queries, and where cfg can,
// seals and reopens, in random order. -rapid.checks says how often, 100 times by default.
func Property(t *testing.T, cfg Config) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPair(rt, cfg.Open(t))
		defer func() { _ = p.got.Close() }()
		g := spanGen{}
		var sent []span.Span
		actions := map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				batch := rapid.SliceOfN(rapid.Custom(g.span), 0, 20).Draw(rt, "batch")
				p.append(batch...)
				sent = append(sent, batch...)
			},
			"retry": func(rt *rapid.T) {
				if len(sent) > 0 {
					i := rapid.IntRange(0, len(sent)-1).Draw(rt, "from")
					p.append(sent[i:min(i+3, len(sent))]...)
				}
			},
			"trace": func(rt *rapid.T) { p.trace(rapid.SampledFrom(traceIDs).Draw(rt, "trace id")) },
			"select": func(rt *rapid.T) {
				p.sel(store.Query{
					Filter: maybeFilter.Draw(rt, "filter"), Range: timeRange.Draw(rt, "range"),
					Order: rapid.SampledFrom([]store.Order{store.Newest, store.Slowest, store.Sampled}).Draw(rt, "order"),
					Limit: rapid.SampledFrom([]int{0, 1, 3, 10, 1000}).Draw(rt, "limit"),
				})
			},
			"aggregate": func(rt *rapid.T) {
				p.aggregate(store.AggregateQuery{
					Filter: maybeFilter.Draw(rt, "filter"), Range: timeRange.Draw(rt, "range"),
					By:   rapid.SliceOfN(Fields(), 0, 3).Draw(rt, "by"),
					Step: rapid.SampledFrom([]time.Duration{0, 1, 7, 10 * time.Millisecond, time.Second}).Draw(rt, "step"),
				})
			},
			"names": func(rt *rapid.T) {
				p.names(store.NamesQuery{
					Of:      rapid.SampledFrom([]store.NamesOf{store.Services, store.Operations, store.Keys, store.Values}).Draw(rt, "of"),
					Field:   Fields().Draw(rt, "field"),
					Service: rapid.SampledFrom([]string{"", "", "web", "db", span.UnknownService}).Draw(rt, "service"),
					Prefix:  rapid.SampledFrom([]string{"", "", "w", "span.", "2", "GET"}).Draw(rt, "prefix"),
					Range:   timeRange.Draw(rt, "range"), Limit: rapid.SampledFrom([]int{0, 1, 2, 10}).Draw(rt, "limit"),
				})
			},
			"stats": func(*rapid.T) { p.stats() },
		}
		if cfg.Seal != nil {
			actions["seal"] = func(*rapid.T) { cfg.Seal(t, p.got) }
		}
		if cfg.Reopen != nil {
			actions["reopen"] = func(*rapid.T) { p.got = cfg.Reopen(t, p.got) }
		}
		rt.Repeat(actions)
	})
}

// The pools are small, so that spans meet in traces, times, names and values.
var (
	traceIDs = []span.TraceID{
		{Hi: 1, Lo: 1},
		{Hi: 2, Lo: 1},
		{Hi: 0, Lo: 1},
		{Hi: 0, Lo: 2},
		{Hi: 1, Lo: 2},
		{Hi: math.MaxUint64, Lo: math.MaxUint64},
		{Hi: 3, Lo: 0},
		{Hi: 0, Lo: math.MaxUint64},
	}
	poolKeys   = []string{"http.status", "s", "n", "flag", "weird key", "", "service.name"}
	poolValues = []span.Value{
		span.StringValue(""), span.StringValue("web"), span.StringValue("GET /a"), span.StringValue("200"), span.StringValue("1.5ms"),
		span.StringValue("true"), span.StringValue("a\x00b\xff"), span.BoolValue(true), span.BoolValue(false),
		span.IntValue(0), span.IntValue(200), span.IntValue(math.MinInt64), span.IntValue(math.MaxInt64), span.IntValue(1 << 53), span.IntValue(1<<53 + 1),
		span.DoubleValue(0.5), span.DoubleValue(200), span.DoubleValue(math.NaN()), span.DoubleValue(math.Inf(1)), span.DoubleValue(math.Inf(-1)),
		span.DoubleValue(math.Copysign(0, -1)), span.DoubleValue(1 << 53),
		span.TextValue(span.Bytes, "\x00\xff"), span.TextValue(span.List, `["web",1]`), span.TextValue(span.Map, `{"a":1}`),
		{},
	}
	poolTimes = []int64{0, 1, 5, 10, 999_999_999, 1e9, 1e9 + 1, 1e9 + 5e6, 2e9, 1_767_225_600_000_000_000}
	timeRange = rapid.Custom(func(t *rapid.T) store.TimeRange {
		if rapid.Bool().Draw(t, "all") {
			return store.TimeRange{}
		}
		return store.TimeRange{From: rapid.SampledFrom(poolTimes).Draw(t, "from"), To: rapid.SampledFrom(poolTimes).Draw(t, "to")}
	})
	maybeFilter = rapid.Custom(func(t *rapid.T) store.Expr {
		if rapid.IntRange(0, 3).Draw(t, "filtered") == 0 {
			return nil
		}
		return Filters().Draw(t, "expr")
	})
)

// spanGen makes spans of distinct identity; two in a row share a span id and differ in kind.
type spanGen struct{ n int }

func (g *spanGen) span(t *rapid.T) span.Span {
	attrs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) span.Attribute {
		return span.Attribute{Key: rapid.SampledFrom(poolKeys).Draw(t, "key"), Value: rapid.SampledFrom(poolValues).Draw(t, "value")}
	}), 0, 4)
	texts := rapid.SampledFrom([]string{"", "web", "GET /a", "GET /b", "two\nlines", "世界"})
	states := rapid.SampledFrom([]string{"", "", "web", "k=v", "ot=th:8", "k=v,ot=rv:1;th:fe", "世界"}) // odds whose sums are exact
	s := span.Span{
		TraceID: rapid.SampledFrom(traceIDs).Draw(t, "trace"), SpanID: span.ID(g.n/2 + 1),
		Parent: span.ID(rapid.IntRange(0, 3).Draw(t, "parent")), Name: texts.Draw(t, "name"), Kind: span.Kind(g.n % 6),
		Start:  rapid.SampledFrom(poolTimes).Draw(t, "start") + rapid.Int64Range(0, 3).Draw(t, "after"),
		Status: span.Status(rapid.IntRange(0, 2).Draw(t, "status")), StatusMessage: texts.Draw(t, "message"), TraceState: states.Draw(t, "state"),
		Duration: rapid.SampledFrom([]int64{0, 1, 999, 1e6, 1e6 + 1, 1e8, 1e12}).Draw(t, "duration"),
		Flags:    rapid.Uint32().Draw(t, "flags"), Attrs: attrs.Draw(t, "attrs"),
		DroppedAttrs: uint32(rapid.IntRange(0, 2).Draw(t, "dropped")),
	}
	g.n++
	if rapid.IntRange(0, 4).Draw(t, "more") == 0 {
		s.Events = []span.Event{{Time: s.Start, Name: texts.Draw(t, "event"), Attrs: attrs.Draw(t, "event attrs")}, {Time: 1, Dropped: 1}}
		s.Links = []span.Link{{TraceID: traceIDs[0], SpanID: 9, TraceState: "k=v", Attrs: attrs.Draw(t, "link attrs"), Dropped: 2, Flags: 3}}
		s.DroppedEvents, s.DroppedLinks = 1, math.MaxUint32
		s.Scope = span.Scope{Name: texts.Draw(t, "scope"), Version: "1", Attrs: attrs.Draw(t, "scope attrs"), Dropped: 1, SchemaURL: "u"}
	}
	switch rapid.IntRange(0, 4).Draw(t, "resource") {
	case 0:
		s.Resource = span.Resource{Attrs: attrs.Draw(t, "resource attrs"), Dropped: 1, SchemaURL: "v"}
	case 1, 2:
		s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue("web")}, {Key: "s", Value: span.StringValue("r")}}
	case 3:
		s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue("db")}}
	}
	return s
}

// Fields draws fields of every scope.
func Fields() *rapid.Generator[store.Field] {
	return rapid.Custom(func(t *rapid.T) store.Field {
		if rapid.Bool().Draw(t, "intrinsic") {
			return rapid.SampledFrom([]store.Field{
				store.Name, store.Duration, store.StatusCode, store.StatusMessage, store.KindOf, store.Root,
				store.TraceDuration, store.RootName, store.RootService, store.ServiceName,
			}).Draw(t, "field")
		}
		return store.Field{
			Scope: rapid.SampledFrom([]store.Scope{store.Anywhere, store.OnSpan, store.OnResource}).Draw(t, "scope"),
			Name:  rapid.SampledFrom(poolKeys).Draw(t, "key"),
		}
	})
}

// Filters draws expressions of every form that [store.ParseFilter] makes.
func Filters() *rapid.Generator[store.Expr] {
	return rapid.Custom(func(t *rapid.T) store.Expr { return drawExpr(t, 3) })
}

func drawExpr(t *rapid.T, depth int) store.Expr {
	form := 0
	if depth > 0 {
		form = rapid.IntRange(0, 5).Draw(t, "form")
	}
	switch form {
	case 3:
		return store.And{X: drawExpr(t, depth-1), Y: drawExpr(t, depth-1)}
	case 4:
		return store.Or{X: drawExpr(t, depth-1), Y: drawExpr(t, depth-1)}
	case 5:
		return store.Not{X: drawExpr(t, depth-1)}
	}
	f := Fields().Draw(t, "field")
	if rapid.IntRange(0, 9).Draw(t, "exists") == 0 {
		return store.Exists{Field: f}
	}
	text := func() store.Expr {
		ops := []store.Op{store.Eq, store.Ne, store.Lt, store.Le, store.Gt, store.Ge, store.Match, store.NotMatch}
		c := store.Compare{Field: f, Op: rapid.SampledFrom(ops).Draw(t, "op")}
		if c.Op == store.Match || c.Op == store.NotMatch {
			re := rapid.SampledFrom([]string{"", ".*", "GET .*", "2..", "web|db", "[0-9.]+", `two.lines`, "(?i)WEB", "a\x00b"}).Draw(t, "re")
			e, err := store.ParseFilter(store.Compare{Field: f, Op: c.Op, Value: store.Literal{Str: re}}.String())
			if err != nil {
				t.Fatalf("%v", err)
			}
			return e
		}
		c.Value.Str = rapid.SampledFrom([]string{"", "web", "GET /a", "200", "true", "a\x00b\xff", "NaN", "1.5ms", `["web",1]`, "AP8=", span.UnknownService}).Draw(t, "text")
		return c
	}
	ordered := rapid.SampledFrom([]store.Op{store.Eq, store.Ne, store.Lt, store.Le, store.Gt, store.Ge})
	equality := rapid.SampledFrom([]store.Op{store.Eq, store.Ne})
	duration := func() store.Expr {
		ns := rapid.SampledFrom([]int64{0, 1, -1, 999, 1e6, 1_500_000, 1e9, 1e12, math.MaxInt64, math.MinInt64}).Draw(t, "ns")
		return store.Compare{Field: f, Op: ordered.Draw(t, "op"), Value: store.Literal{Type: store.DurationLiteral, Int: ns}}
	}
	boolean := func() store.Expr {
		return store.Compare{Field: f, Op: equality.Draw(t, "op"), Value: store.Literal{Type: store.BoolLiteral, Int: rapid.Int64Range(0, 1).Draw(t, "bool")}}
	}
	switch f {
	case store.Name, store.StatusMessage, store.RootName, store.RootService, store.ServiceName:
		return text()
	case store.Duration, store.TraceDuration:
		return duration()
	case store.StatusCode:
		return store.Compare{Field: f, Op: equality.Draw(t, "op"), Value: store.Literal{Type: store.StatusLiteral, Int: rapid.Int64Range(0, 2).Draw(t, "status")}}
	case store.KindOf:
		return store.Compare{Field: f, Op: equality.Draw(t, "op"), Value: store.Literal{Type: store.KindLiteral, Int: rapid.Int64Range(0, 5).Draw(t, "kind")}}
	case store.Root:
		return boolean()
	}
	switch rapid.IntRange(0, 4).Draw(t, "literal") {
	case 0:
		return text()
	case 1:
		return duration()
	case 2:
		return boolean()
	case 3:
		n := rapid.SampledFrom([]int64{0, 1, -1, 200, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64}).Draw(t, "int")
		return store.Compare{Field: f, Op: ordered.Draw(t, "op"), Value: store.Literal{Type: store.NumberLiteral, Num: float64(n), Int: n}}
	}
	n := rapid.SampledFrom([]float64{0.5, -0.5, 200, 1 << 53, 1 << 63, -1 << 63, 1e300, 5e-324}).Draw(t, "float")
	return store.Compare{Field: f, Op: ordered.Draw(t, "op"), Value: store.Literal{Type: store.NumberLiteral, Num: n}}
}
