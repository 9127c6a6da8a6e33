package workload

import (
	"iter"
	"math/rand/v2"
	"strconv"

	"github.com/fuwu-project/fuwu/internal/span"
)

// SubjectService and SubjectName are the endpoint of [Subject].
const (
	SubjectService = "web"
	SubjectName    = "GET /subject/{id}"
)

// Subject makes requests of one endpoint, every ns apart from start on, in batches of a few hundred spans, with
// two causes of slowness planted in them that whoever looks for the reason has to find:
//
//   - All requests list a catalog (one RPC, one query), look up 3 to 19 users one by one (11 in the middle), and a few things in
//     Redis: 60 to 130 ms.
//   - 5 % have many comments, and look up 90 to 330 users in the same loop, 5 ms each. 80 % of these are
//     of subject.type "series", as are 5 % of the others.
//   - 2 % meet a query of the catalog that takes 300 to 500 ms. They are of app.version 2026.11.3, which runs on 1 % of the
//     others.
//
// The root has 24 attributes, most of which say nothing.
func Subject(seed uint64, requests int, start, every int64) iter.Seq[*span.Batch] {
	return func(yield func(*span.Batch) bool) {
		g := subject{rng: rand.New(rand.NewPCG(seed, 77)), b: new(span.Batch)}
		for i := range requests {
			g.request(start + int64(i)*every)
			if g.b.Len() >= 400 || i == requests-1 {
				if !yield(g.b) {
					return
				}
				g.b = new(span.Batch)
			}
		}
	}
}

type subject struct {
	rng *rand.Rand
	b   *span.Batch
}

const ms = 1_000_000

func (g *subject) request(start int64) {
	r := g.rng
	kind, version := "movie", "2026.11.2"
	users := 3 + r.IntN(17)
	queryTime := int64(20+r.IntN(20)) * ms
	fate := r.IntN(100)
	switch {
	case fate < 5:
		users = 90 + r.IntN(241)
		if r.IntN(100) < 80 {
			kind = "series"
		}
	case r.IntN(100) < 5:
		kind = "series"
	}
	switch {
	case fate >= 5 && fate < 7:
		queryTime = int64(300+r.IntN(200)) * ms
		version = "2026.11.3"
	case r.IntN(100) < 1:
		version = "2026.11.3"
	}

	trace := span.TraceID{Hi: uint64(start/1e9)<<32 | 0x0a010203, Lo: r.Uint64() | 1}
	id := func() span.ID { return span.ID(r.Uint64()>>1 | 1) }
	root := id()
	now := start + 2*ms
	put := func(service string, s span.Span) {
		s.TraceID, s.Flags = trace, span.FlagSampled
		s.Resource = span.Resource{Attrs: []span.Attribute{
			{Key: "host.name", Value: span.StringValue(service + "-1")}, {Key: "service.name", Value: span.StringValue(service)},
		}}
		g.b.Append(&s)
	}
	list := id()
	rpc := []span.Attribute{{Key: "rpc.method", Value: span.StringValue("catalog/List")}, {Key: "rpc.system", Value: span.StringValue("thrift")}}
	took := queryTime + 4*ms
	put(SubjectService, span.Span{SpanID: list, Parent: root, Name: "List", Kind: span.KindClient, Start: now, Duration: took, Attrs: rpc})
	half := id()
	put("catalog", span.Span{SpanID: half, Parent: list, Name: "List", Kind: span.KindServer, Start: now + ms, Duration: took - 2*ms, Attrs: rpc})
	put("catalog", span.Span{SpanID: id(), Parent: half, Name: "query", Kind: span.KindClient, Start: now + 2*ms, Duration: queryTime, Attrs: []span.Attribute{
		{Key: "db.query.text", Value: span.StringValue("SELECT * FROM item WHERE subject = " + strconv.Itoa(r.IntN(1e6)))},
		{Key: "db.system.name", Value: span.StringValue("mysql")},
	}})
	now += took + ms

	for range users {
		took := int64(4_000+r.IntN(2_000)) * 1000
		put(SubjectService, span.Span{SpanID: id(), Parent: root, Name: "Get", Kind: span.KindClient, Start: now, Duration: took, Attrs: []span.Attribute{
			{Key: "rpc.method", Value: span.StringValue("user/Get")}, {Key: "user.id", Value: span.IntValue(int64(r.IntN(1e5)))},
		}})
		now += took + int64(20+r.IntN(50))*1000
	}
	for range 4 {
		took := int64(200+r.IntN(300)) * 1000
		put(SubjectService, span.Span{SpanID: id(), Parent: root, Name: "GET", Kind: span.KindClient, Start: now, Duration: took, Attrs: []span.Attribute{
			{Key: "db.operation.name", Value: span.StringValue("GET")}, {Key: "db.system.name", Value: span.StringValue("redis")},
		}})
		now += took
	}
	now += int64(1+r.IntN(8)) * ms

	s := span.Span{
		SpanID: root, Name: SubjectName, Kind: span.KindServer, Start: start, Duration: now - start,
		Attrs: []span.Attribute{
			{Key: "app.version", Value: span.StringValue(version)},
			{Key: "http.request.method", Value: span.StringValue("GET")},
			{Key: "http.route", Value: span.StringValue("/subject/{id}")},
			{Key: "subject.id", Value: span.IntValue(int64(r.IntN(1e6)))},
			{Key: "subject.type", Value: span.StringValue(kind)},
			{Key: "user.id", Value: span.IntValue(int64(r.IntN(1e5)))},
		},
	}
	for i := range 18 {
		s.Attrs = append(s.Attrs, span.Attribute{Key: "app.noise." + string(rune('a'+i)), Value: span.IntValue(int64(r.IntN(2 + i)))})
	}
	if r.IntN(300) == 0 {
		s.Status = span.StatusError
	}
	put(SubjectService, s)
}
