package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// Config is an engine under test.
type Config struct {
	// Open makes a new, empty store.
	Open func(t *testing.T) store.Store

	// Reopen closes s and opens what it has stored again; nil if the engine keeps nothing.
	Reopen func(t *testing.T, s store.Store) store.Store

	// Seal moves what is in memory to its place on disk now; nil if the engine knows no such step.
	Seal func(t *testing.T, s store.Store)
}

// Run tests everything that a store promises but durability, which is [RunConfig]'s.
func Run(t *testing.T, open func(t *testing.T) store.Store) { RunConfig(t, Config{Open: open}) }

// RunConfig is Run, where each question is asked again after cfg.Seal and after cfg.Reopen.
func RunConfig(t *testing.T, cfg Config) {
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"empty", testEmpty},
		{"visible at once", testVisible},
		{"cancelled", testCancelled},
		{"closed", testClosed},
		{"lossless", testLossless},
		{"attributes are sets", testSets},
		{"trace ids", testTraceIDs},
		{"identity", testIdentity},
		{"retries", testRetries},
		{"time ranges", testRanges},
		{"filters", testFilters},
		{"aggregate", testAggregate},
		{"names", testNames},
		{"order and limit", testOrder},
		{"atomic and concurrent", testConcurrent},
		{"many keys", testManyKeys},
		{"long text", testLongText},
		{"traffic", testTraffic},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&suite{t, cfg}) })
	}
}

type suite struct {
	*testing.T
	cfg Config
}

// open makes a store that is closed when the test ends.
func (s *suite) open() *pair {
	p := newPair(s.T, s.cfg.Open(s.T))
	s.Cleanup(func() { _ = p.got.Close() })
	return p
}

// stages asks the same of what was just appended, of what is sealed and of what was opened again.
func (s *suite) stages(p *pair, check func(p *pair)) {
	s.Helper()
	stage := func(name string) {
		s.Run(name, func(t *testing.T) {
			p.tb = t
			defer func() { p.tb = s.T }()
			check(p)
		})
	}
	stage("fresh")
	if s.cfg.Seal != nil {
		s.cfg.Seal(s.T, p.got)
		stage("sealed")
	}
	if s.cfg.Reopen != nil {
		p.got = s.cfg.Reopen(s.T, p.got)
		stage("reopened")
	}
}

// t0 is a start like any other.
const t0 = 1_767_225_600_000_000_000

// plain is span id of a trace, with nothing remarkable.
func plain(trace uint64, id span.ID) span.Span {
	return span.Span{
		TraceID: span.TraceID{Hi: 7, Lo: trace}, SpanID: id, Name: "op", Kind: span.KindServer,
		Start: t0 + int64(id), Duration: 1000, Resource: resource("web"),
	}
}

func resource(service string, more ...span.Attribute) span.Resource {
	return span.Resource{Attrs: append([]span.Attribute{{Key: "service.name", Value: span.StringValue(service)}}, more...)}
}

func attr(key string, v span.Value) span.Attribute { return span.Attribute{Key: key, Value: v} }

func testEmpty(s *suite) {
	p := s.open()
	p.append() // an empty batch leaves an empty store
	s.stages(p, func(p *pair) {
		p.trace(span.TraceID{Hi: 1, Lo: 2})
		p.trace(span.TraceID{Lo: 2})
		p.sel(store.Query{})
		p.aggregate(store.AggregateQuery{By: []store.Field{store.Name}, Step: time.Second})
		for _, of := range []store.NamesOf{store.Services, store.Operations, store.Keys, store.Values} {
			p.names(store.NamesQuery{Of: of, Field: store.Name})
		}
		p.stats()
	})
}

func testVisible(s *suite) {
	p := s.open()
	for i := range 20 {
		sp := plain(uint64(i/5), span.ID(i+1))
		sp.Name = fmt.Sprintf("op %d", i)
		p.append(sp)
		p.trace(sp.TraceID)
		p.sel(store.Query{Filter: store.Is(store.Name, sp.Name)})
		p.aggregate(store.AggregateQuery{})
		p.names(store.NamesQuery{Of: store.Operations})
		p.stats()
	}
}

// values are values of every type, the odd ones among them.
func values() []span.Value {
	return []span.Value{
		{},
		span.StringValue(""), span.StringValue("text"), span.StringValue("a\x00b"), span.StringValue("\x00"), span.StringValue("不好 🙂 \u202e"),
		span.StringValue("\xff\xfe not UTF-8"), span.StringValue(`"quotes" \ and` + "\n\t\r lines"), span.StringValue("null"), span.StringValue("200"),
		span.BoolValue(true), span.BoolValue(false),
		span.IntValue(0), span.IntValue(-1), span.IntValue(math.MaxInt64), span.IntValue(math.MinInt64), span.IntValue(1<<53 + 1),
		span.DoubleValue(0), span.DoubleValue(math.Copysign(0, -1)), span.DoubleValue(1), span.DoubleValue(math.Inf(1)), span.DoubleValue(math.Inf(-1)),
		span.DoubleValue(math.NaN()), span.DoubleValue(math.Float64frombits(0xfff8_0000_dead_beef)), span.DoubleValue(math.MaxFloat64), span.DoubleValue(5e-324),
		span.TextValue(span.Bytes, ""), span.TextValue(span.Bytes, "\x00\x01\xff"),
		span.TextValue(span.List, `[]`), span.TextValue(span.List, `["a",1,1.0,null,{"bytesValue":"AAE="},[true]]`),
		span.TextValue(span.Map, `{}`), span.TextValue(span.Map, `{"b":{"doubleValue":"NaN"},"a":"x"}`),
	}
}

func testLossless(s *suite) {
	p := s.open()
	var all []span.Attribute
	for i, v := range values() {
		all = append(all, attr(fmt.Sprintf("k%02d", i), v))
		one := plain(1, span.ID(i+1))
		one.Attrs = []span.Attribute{attr("same.key", v)} // a key of all types
		one.Resource = resource("web", attr("same.key", v))
		p.append(one)
	}
	all = append(all, attr("", span.StringValue("of the empty key")), attr("ключ \x00\n\"", span.IntValue(1)), attr(strings.Repeat("k", 3000), span.BoolValue(true)))
	full := span.Span{
		TraceID: span.TraceID{Hi: math.MaxUint64, Lo: math.MaxUint64}, SpanID: math.MaxUint64, Parent: 1 << 63,
		Name: "名 \x00 name", Kind: span.KindConsumer, Start: math.MaxInt64 - 10, Duration: 10,
		Status: span.StatusError, StatusMessage: "message\nof two lines", TraceState: "a=1,b=2", Flags: math.MaxUint32, Attrs: all,
		Events: []span.Event{
			{Time: t0 + 5, Name: "later one first", Attrs: all, Dropped: math.MaxUint32},
			{Time: math.MinInt64, Name: ""},
			{Time: 0, Name: "exception", Attrs: all[:3]},
		},
		Links: []span.Link{
			{TraceID: span.TraceID{Hi: 1}, SpanID: 2, TraceState: "x=y", Attrs: all, Dropped: 3, Flags: math.MaxUint32},
			{},
		},
		DroppedAttrs: math.MaxUint32, DroppedEvents: 1, DroppedLinks: 2,
		Resource: span.Resource{Attrs: append([]span.Attribute{attr("service.name", span.StringValue("full"))}, all...), Dropped: 5, SchemaURL: "https://r"},
		Scope:    span.Scope{Name: "scope", Version: "v1", Attrs: all, Dropped: 7, SchemaURL: "https://s"},
	}
	bare := span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: 1}
	noScope, unknown := full, full
	noScope.SpanID, noScope.Scope = 5, span.Scope{}
	unknown.SpanID, unknown.Kind, unknown.Status = 6, 200, 77 // a newer protocol's
	p.append(full, bare, noScope, unknown)
	for k := range span.Kind(6) {
		for st := range span.Status(3) {
			sp := plain(2, span.ID(10*k)+span.ID(st)+1)
			sp.Kind, sp.Status = k, st
			p.append(sp)
		}
	}
	s.stages(p, func(p *pair) {
		p.traces()
		p.sel(store.Query{Limit: 1000})
		p.sel(store.Query{Limit: 1000, Order: store.Slowest})
		for _, f := range []store.Field{{Name: "same.key"}, {Scope: store.OnResource, Name: "same.key"}, {Name: ""}, store.KindOf, store.StatusCode} {
			p.names(store.NamesQuery{Of: store.Values, Field: f})
			p.sel(store.Query{Filter: store.Exists{Field: f}, Limit: 1000})
			p.aggregate(store.AggregateQuery{By: []store.Field{f}})
		}
		p.names(store.NamesQuery{Of: store.Keys})
	})
}

func testLongText(s *suite) {
	p := s.open()
	long := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	sp := plain(1, 1)
	sp.Name, sp.StatusMessage = long+"n", long+"m"
	sp.Attrs = []span.Attribute{attr("long", span.StringValue(long+"v")), attr("bytes", span.TextValue(span.Bytes, long+"b"))}
	sp.Events = []span.Event{{Name: long + "e", Attrs: []span.Attribute{attr("long", span.StringValue(long+"f"))}}}
	p.append(plain(1, 2), sp, plain(1, 3))
	s.stages(p, func(p *pair) {
		p.traces()
		p.sel(store.Query{Filter: store.Is(store.Name, long+"n")})
		p.sel(store.Query{Filter: store.Is(store.Field{Scope: store.OnSpan, Name: "long"}, long+"v")})
		p.aggregate(store.AggregateQuery{By: []store.Field{store.Name}})
	})
}

func testSets(s *suite) {
	p := s.open()
	sp := plain(1, 1)
	sp.Attrs = []span.Attribute{
		attr("b", span.IntValue(1)), attr("a", span.StringValue("x")), attr("b", span.StringValue("2")), attr("B", span.BoolValue(true)), attr("b", span.IntValue(3)),
	}
	sp.Resource.Attrs = append([]span.Attribute{attr("z", span.IntValue(1)), attr("service.name", span.StringValue("old"))}, sp.Resource.Attrs...)
	sp.Scope.Attrs = sp.Attrs
	sp.Events = []span.Event{{Attrs: sp.Attrs}}
	sp.Links = []span.Link{{Attrs: sp.Attrs}}
	p.append(sp)
	s.stages(p, func(p *pair) {
		p.traces()
		p.filter(`{ b = 3 }`)
		p.filter(`{ b = 1 || b = 2 }`)
		p.filter(`{ service.name = "web" }`)
		p.filter(`{ service.name = "old" }`)
		p.names(store.NamesQuery{Of: store.Values, Field: store.Field{Name: "b"}})
		p.names(store.NamesQuery{Of: store.Services})
	})
}

// filter selects all that match text.
func (p *pair) filter(text string) {
	p.tb.Helper()
	e, err := store.ParseFilter(text)
	if err != nil {
		p.tb.Fatalf("%v", err)
	}
	p.sel(store.Query{Filter: e, Limit: 10_000})
}

func testTraceIDs(s *suite) {
	p := s.open()
	ids := []span.TraceID{{Hi: 1, Lo: 9}, {Hi: 2, Lo: 9}, {Hi: 0, Lo: 9}, {Hi: 9, Lo: 0}, {Hi: 0, Lo: 5}, {Hi: 3, Lo: 6}, {Hi: math.MaxUint64, Lo: math.MaxUint64}}
	for k := range 3 { // a trace arrives in parts
		for i, id := range ids {
			sp := plain(0, span.ID(100*i+k+1))
			sp.TraceID, sp.Start = id, t0+int64((k*7+i*3)%5) // not in order; ties
			p.append(sp)
		}
	}
	s.stages(p, func(p *pair) {
		p.traces()
		for _, id := range []span.TraceID{{Lo: 9}, {Lo: 6}, {Lo: math.MaxUint64}, {}, {Hi: 5}, {Hi: 1, Lo: 5}, {Hi: 4, Lo: 9}, {Lo: 1}} {
			p.trace(id)
		}
	})
}

func testIdentity(s *suite) {
	p := s.open()
	var spans []span.Span
	for i, change := range []func(*span.Span){
		func(*span.Span) {},
		func(sp *span.Span) { sp.Kind = span.KindClient },
		func(sp *span.Span) { sp.Resource = resource("db") },
		func(sp *span.Span) { sp.Resource = resource("web", attr("service.instance.id", span.StringValue("2"))) },
		func(sp *span.Span) { sp.Resource = resource("web", attr("service.instance.id", span.IntValue(2))) },
		func(sp *span.Span) { sp.TraceID.Hi++ },
		func(sp *span.Span) { sp.SpanID++ },
	} {
		sp := plain(1, 1)
		sp.Start, sp.Duration = t0+int64(i), int64(i)
		change(&sp)
		spans = append(spans, sp)
	}
	p.append(spans...)
	p.append(spans[3:]...)
	s.stages(p, func(p *pair) {
		p.traces()
		p.sel(store.Query{})
		p.sel(store.Query{Order: store.Slowest})
	})
}

func testRetries(s *suite) {
	p := s.open()
	var spans []span.Span
	for i := range 50 {
		sp := plain(uint64(i%3), span.ID(i+1))
		sp.Attrs = []span.Attribute{attr("i", span.IntValue(int64(i))), attr("a", span.StringValue("x"))}
		spans = append(spans, sp)
	}
	ask := func(p *pair) {
		p.traces()
		p.sel(store.Query{Limit: 7})
		p.sel(store.Query{Limit: 1000, Order: store.Slowest})
		p.aggregate(store.AggregateQuery{By: []store.Field{{Name: "i"}}})
		p.stats()
	}
	p.append(append(spans, spans[:10]...)...) // within a batch
	ask(p)
	p.append(spans[20:40]...) // in a later one
	ask(p)
	if s.cfg.Seal != nil { // and across segments
		s.cfg.Seal(s.T, p.got)
		p.append(spans...)
		ask(p)
	}
	reversed := spans[0] // the same set of attributes, given in another order
	reversed.Attrs = []span.Attribute{spans[0].Attrs[1], spans[0].Attrs[0]}
	p.append(reversed)
	s.stages(p, ask)
	if s.cfg.Reopen != nil {
		p.append(spans[5:15]...)
		ask(p)
	}
}

func testRanges(s *suite) {
	p := s.open()
	for i := range 10 {
		sp := plain(uint64(i), 1)
		sp.Start, sp.Name = int64(10*i), fmt.Sprint("op", i)
		p.append(sp)
	}
	s.stages(p, func(p *pair) {
		for _, r := range [][2]int64{
			{}, {0, 1}, {1, 10}, {1, 11}, {10, 10}, {10, 11}, {20, 50}, {21, 51}, {90, 0}, {91, 0}, {50, 20}, {0, 90}, {0, math.MaxInt64}, {math.MinInt64, 5}, {math.MaxInt64, 0},
		} {
			r := store.TimeRange{From: r[0], To: r[1]}
			p.sel(store.Query{Range: r})
			p.aggregate(store.AggregateQuery{Range: r})
			p.aggregate(store.AggregateQuery{Range: r, Step: 7})
			p.names(store.NamesQuery{Of: store.Operations, Range: r})
		}
	})
}

func testOrder(s *suite) {
	p := s.open()
	var batch []span.Span
	for i := range 300 {
		sp := plain(uint64(i*31%11), span.ID(i*17%300+1))
		sp.TraceID.Hi = uint64(i % 3)
		sp.Start, sp.Duration = t0+int64(i*13%5), int64(i*29%7) // ties in plenty
		sp.Status = span.Status(i % 3)
		if batch = append(batch, sp); len(batch) == 50 {
			p.append(batch...)
			batch = nil
		}
	}
	s.stages(p, func(p *pair) {
		for _, limit := range []int{-1, 0, 1, 2, 99, 100, 101, 299, 300, 301, math.MaxInt} {
			for _, order := range []store.Order{store.Newest, store.Slowest, store.Sampled} {
				p.selOne(store.Query{Order: order, Limit: limit, OnePerTrace: true})
				p.selOne(store.Query{Order: order, Limit: limit, OnePerTrace: true, Brief: true, Count: true, Filter: store.IsRoot()})
				p.sel(store.Query{Order: order, Limit: limit})
				p.sel(store.Query{Order: order, Limit: limit, Filter: store.HasStatus(span.StatusError)})
				p.sel(store.Query{Order: order, Limit: limit, Filter: store.IsRoot(), Range: store.TimeRange{From: t0 + 1, To: t0 + 3}})
			}
		}
	})
}

func testManyKeys(s *suite) {
	p := s.open()
	for i := range 10 {
		var spans []span.Span
		for k := range 100 {
			n := i*100 + k
			sp := plain(uint64(n/30), span.ID(n+1))
			sp.Attrs = []span.Attribute{
				attr(fmt.Sprintf("key.%03d", n), span.IntValue(int64(n))), attr(fmt.Sprintf("key.%03d", (n+1)%1000), span.StringValue("s")), attr("common", span.BoolValue(true)),
			}
			spans = append(spans, sp)
		}
		p.append(spans...)
	}
	all := plain(1<<40, 1)
	for n := range 1000 {
		all.Attrs = append(all.Attrs, attr(fmt.Sprintf("key.%03d", n), span.IntValue(int64(n))))
	}
	p.append(all)
	s.stages(p, func(p *pair) {
		p.traces()
		for _, n := range []int{0, 1, 500, 999} {
			p.filter(fmt.Sprintf("{ span.key.%03d = %d }", n, n))
			p.filter(fmt.Sprintf("{ .key.%03d != nil && common = true }", n))
			p.aggregate(store.AggregateQuery{By: []store.Field{{Scope: store.OnSpan, Name: fmt.Sprintf("key.%03d", n)}}})
		}
		p.names(store.NamesQuery{Of: store.Keys, Limit: 2000})
		p.names(store.NamesQuery{Of: store.Keys, Prefix: "span.key.9"})
	})
}

func testAggregate(s *suite) {
	p := s.open()
	fixture(p)
	fields := []store.Field{
		store.Name, store.ServiceName, store.StatusCode, store.StatusMessage, store.KindOf, store.Root, store.Duration, store.TraceDuration, store.RootName, store.RootService,
		{Name: "http.status"},
		{Scope: store.OnSpan, Name: "region"},
		{Scope: store.OnResource, Name: "region"},
		{Name: "region"},
		{Name: "nobody has this"},
		{Name: "z"},
		{Name: "n"},
	}
	s.stages(p, func(p *pair) {
		for _, step := range []time.Duration{0, 1, time.Millisecond, 10 * time.Millisecond, time.Hour} {
			p.aggregate(store.AggregateQuery{Step: step})
			for i, f := range fields {
				p.aggregate(store.AggregateQuery{By: []store.Field{f}, Step: step})
				p.aggregate(store.AggregateQuery{By: []store.Field{f, fields[(i+5)%len(fields)], f}, Step: step, Filter: store.AtLeast(5 * time.Millisecond)})
			}
		}
		p.aggregate(store.AggregateQuery{Filter: store.Is(store.RootService, "web"), By: []store.Field{store.Name}})
	})
}

func testNames(s *suite) {
	p := s.open()
	fixture(p)
	s.stages(p, func(p *pair) {
		for _, of := range []store.NamesOf{store.Services, store.Operations, store.Keys, store.Values} {
			for _, field := range []store.Field{
				store.Name, store.ServiceName, store.StatusCode, store.KindOf, store.Root, store.Duration, store.RootName, store.TraceDuration,
				{Name: "http.status"},
				{Scope: store.OnResource, Name: "region"},
				{Name: "region"},
				{Name: "z"},
				{Name: "nobody has this"},
			} {
				for _, prefix := range []string{"", "w", "GET", "span.", "span.http", "2", "no such"} {
					for _, q := range []store.NamesQuery{{}, {Limit: 1}, {Limit: 2}, {Service: "web"}, {Service: "nobody"}, {Range: store.TimeRange{From: t0, To: t0 + 1}}} {
						q.Of, q.Field, q.Prefix = of, field, prefix
						p.names(q)
					}
				}
				if of != store.Values {
					break
				}
			}
		}
	})
}

func testTraffic(s *suite) {
	p := s.open()
	batches := workload.Generate(3, 30)
	for _, b := range batches {
		p.appendBatch(b)
	}
	var filters []store.Expr
	for _, text := range []string{
		`{}`, `{ root }`, `{ service.name = "web" && duration > 20ms }`, `{ status = error }`, `{ db.system.name = "mysql" && db.query.text =~ "SELECT .* WHERE .*" }`,
		`{ http.response.status_code >= 500 || rpc.grpc.status_code != 0 }`, `{ rootServiceName = "api" && kind = client }`, `{ traceDuration > 100ms && !root }`,
		`{ cache.hit = false }`, `{ app.ratio < 0.25 }`, `{ user.id != nil && name !~ "GET.*" }`,
	} {
		e, err := store.ParseFilter(text)
		if err != nil {
			s.Fatal(err)
		}
		filters = append(filters, e)
	}
	s.stages(p, func(p *pair) {
		p.traces()
		for _, e := range filters {
			p.sel(store.Query{Filter: e, Limit: 20})
			p.sel(store.Query{Filter: e, Limit: 20, Order: store.Slowest})
			p.aggregate(store.AggregateQuery{Filter: e, By: []store.Field{store.ServiceName, store.Name}})
			p.aggregate(store.AggregateQuery{Filter: e, By: []store.Field{store.KindOf}, Step: 50 * time.Millisecond})
		}
		p.names(store.NamesQuery{Of: store.Services})
		p.names(store.NamesQuery{Of: store.Operations, Service: "web"})
		p.names(store.NamesQuery{Of: store.Keys})
		p.names(store.NamesQuery{Of: store.Values, Field: store.Field{Name: "user.id"}, Prefix: "u1", Limit: 5})
		p.stats()
	})
}

func testConcurrent(s *suite) {
	p := s.open()
	const writers, batches, size = 4, 25, 8
	ctx := s.Context()
	var appending, asking sync.WaitGroup
	done := make(chan struct{})
	ask := []func() error{
		func() error {
			for w := range uint64(writers) {
				b, err := p.got.Trace(ctx, span.TraceID{Hi: 7, Lo: w})
				if errors.Is(err, store.ErrNotFound) {
					continue
				}
				if err != nil {
					return err
				}
				if b.Len()%size != 0 {
					return fmt.Errorf("Trace sees %d spans, which is a part of a batch", b.Len())
				}
			}
			return nil
		},
		func() error {
			r, err := p.got.Select(ctx, store.Query{Filter: store.Is(store.ServiceName, "web"), Limit: 10, Count: true})
			if err == nil && r.Matched%size != 0 {
				err = fmt.Errorf("Select sees %d spans, which is a part of a batch", r.Matched)
			}
			return err
		},
		func() error {
			groups, err := p.got.Aggregate(ctx, store.AggregateQuery{By: []store.Field{{Name: "writer"}}})
			for _, g := range groups {
				if g.Count%size != 0 {
					return fmt.Errorf("Aggregate sees %d spans, which is a part of a batch", g.Count)
				}
			}
			return err
		},
		func() error {
			_, err := p.got.Names(ctx, store.NamesQuery{Of: store.Operations})
			p.got.Stats()
			return err
		},
	}
	for _, q := range ask {
		asking.Go(func() {
			for {
				if err := q(); err != nil {
					s.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for w := range writers {
		appending.Go(func() {
			for n := range batches {
				b := &span.Batch{}
				for k := range size {
					sp := plain(uint64(w), span.ID(w*10_000+n*size+k+1))
					sp.Name = fmt.Sprintf("op %d", n)
					sp.Attrs = []span.Attribute{attr("writer", span.IntValue(int64(w)))}
					b.Append(&sp)
				}
				_ = p.model.Append(ctx, b)
				_ = p.copies.Append(ctx, b)
				if err := p.got.Append(ctx, b); err != nil {
					s.Error(err)
				}
			}
		})
	}
	appending.Wait()
	close(done)
	asking.Wait()
	s.stages(p, func(p *pair) {
		p.traces()
		p.sel(store.Query{Limit: 10_000})
		p.aggregate(store.AggregateQuery{By: []store.Field{{Name: "writer"}, store.Name}})
		p.stats()
	})
}

// calls are all methods that take a context.
func calls(ctx context.Context, st store.Store, b *span.Batch) map[string]error {
	errs := map[string]error{"Append": st.Append(ctx, b)}
	_, errs["Trace"] = st.Trace(ctx, span.TraceID{Hi: 7, Lo: 1})
	_, errs["Select"] = st.Select(ctx, store.Query{})
	_, errs["Aggregate"] = st.Aggregate(ctx, store.AggregateQuery{})
	_, errs["Names"] = st.Names(ctx, store.NamesQuery{})
	return errs
}

func testCancelled(s *suite) {
	p := s.open()
	p.append(plain(1, 1))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	two := plain(2, 2)
	b := &span.Batch{}
	b.Append(&two)
	for name, err := range calls(ctx, p.got, b) {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	s.stages(p, func(p *pair) {
		p.traces()
		p.sel(store.Query{}) // nothing of the batch is stored
	})
}

func testClosed(s *suite) {
	p := s.open()
	p.append(plain(1, 1))
	if err := p.got.Close(); err != nil {
		s.Fatalf("Close: %v", err)
	}
	sp := plain(1, 2)
	b := &span.Batch{}
	b.Append(&sp)
	for name, err := range calls(s.Context(), p.got, b) {
		if !errors.Is(err, store.ErrClosed) {
			s.Errorf("%s after Close: %v", name, err)
		}
	}
	if err := p.got.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
		s.Errorf("a second Close: %v", err)
	}
	p.got.Stats() // must not panic
}
