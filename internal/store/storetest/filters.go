package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// fixture appends six spans, whose ids are 1 to 6, in three traces: a request of web (1, 2, 3), one whose
// service has no name (4, 5), and one whose root never came (6). The cases below name them.
func fixture(p *pair) {
	request, nameless, orphan := span.TraceID{Hi: 1, Lo: 0xa}, span.TraceID{Hi: 1, Lo: 0xb}, span.TraceID{Hi: 1, Lo: 0xc}
	text, num, dbl := span.StringValue, span.IntValue, span.DoubleValue
	const ms = 1e6
	web, db := resource("web", attr("region", text("eu"))), resource("db", attr("region", text("eu")))
	spans := []span.Span{
		{
			TraceID: request, SpanID: 1, Name: "GET /a", Kind: span.KindServer, Start: t0, Duration: 100 * ms, Resource: web, TraceState: "ot=th:c",
			Attrs: []span.Attribute{attr("http.status", num(200)), attr("s", text("x")), attr("weird key", text("w"))},
		},
		{
			TraceID: request, SpanID: 2, Parent: 1, Name: "call", Kind: span.KindClient, Start: t0 + 10*ms, Duration: 50 * ms, Resource: web,
			Status: span.StatusError, StatusMessage: "boom\nline two", TraceState: "a=1,ot=th:c",
			Attrs: []span.Attribute{attr("http.status", text("200")), attr("ratio", dbl(0.5)), attr("ok", span.BoolValue(true)), attr("region", text("us"))},
		},
		{
			TraceID: request, SpanID: 3, Parent: 2, Name: "query", Kind: span.KindInternal, Start: t0 + 20*ms, Duration: 10 * ms, Resource: db, Status: span.StatusOK,
			Attrs: []span.Attribute{
				attr("n", dbl(math.NaN())), attr("big", num(1<<53+1)), attr("bytes", span.TextValue(span.Bytes, "\x00\xff")),
				attr("list", span.TextValue(span.List, `["a",1]`)), attr("ok", span.BoolValue(false)),
			},
		},
		{
			TraceID: nameless, SpanID: 4, Name: "", Kind: span.KindProducer, Start: t0 + 30*ms, Resource: span.Resource{Attrs: []span.Attribute{attr("x", num(1))}},
			Attrs: []span.Attribute{attr("ok", text("true")), attr("took", text("1.5ms")), attr("ns", num(1_500_000)), attr("n", text("-1e3"))},
		},
		{
			TraceID: nameless, SpanID: 5, Parent: 4, Name: "recv", Kind: span.KindConsumer, Start: t0 + 40*ms, Duration: 1 * ms, Resource: resource(""),
			Attrs: []span.Attribute{attr("z", span.Value{}), attr("http.status", dbl(200)), attr("ratio", text("0.75")), attr("took", text("slow"))},
		},
		{
			TraceID: orphan, SpanID: 6, Parent: 99, Name: "late", Start: t0 + 50*ms, Duration: 5 * ms, Resource: web,
			Attrs: []span.Attribute{attr("http.status", text("abc")), attr("service.name", text("mine")), attr("n", num(-1000)), attr("ratio", dbl(math.Inf(1)))},
		},
	}
	for _, s := range spans { // two traces interleaved, each span a batch of its own but the last two
		if s.SpanID < 5 {
			p.append(s)
		}
	}
	p.append(spans[4:]...)
}

// filterCases are filters with the spans of the fixture that they match.
var filterCases = []struct{ filter, want string }{
	{`{}`, "123456"},
	{``, "123456"},
	{`{ true }`, "123456"},
	// Intrinsics.
	{`{ name = "call" }`, "2"},
	{`{ name != "call" }`, "13456"},
	{`{ name = "" }`, "4"},
	{`{ name != nil }`, "123456"},
	{`{ name =~ "GET .*" }`, "1"},
	{`{ name =~ "GET" }`, ""}, // the whole value
	{`{ name !~ "(call|query)" }`, "1456"},
	{`{ name < "call" }`, "14"},
	{`{ name >= "query" }`, "35"},
	{`{ duration > 10ms }`, "12"},
	{`{ duration >= 10ms }`, "123"},
	{`{ duration = 0ns }`, "4"},
	{`{ duration = 5000us }`, "6"},
	{`{ duration != 5ms }`, "12345"},
	{`{ duration < 1ms500us }`, "45"},
	{`{ duration <= -1s }`, ""},
	{`{ status = error }`, "2"},
	{`{ status != error }`, "13456"},
	{`{ status = unset }`, "1456"},
	{`{ status = ok }`, "3"},
	{`{ statusMessage = "" }`, "13456"},
	{`{ statusMessage =~ "boom.*two" }`, "2"}, // . is a line end too
	{`{ kind = server }`, "1"},
	{`{ kind = unspecified }`, "6"},
	{`{ kind != internal && kind != client }`, "1456"},
	{`{ kind = producer || kind = consumer }`, "45"},
	{`{ root }`, "14"},
	{`{ !root }`, "2356"},
	{`{ root = false }`, "2356"},
	{`{ nestedSetParent < 0 }`, "14"},
	// Of the trace.
	{`{ traceDuration >= 100ms }`, "123"},
	{`{ trace:duration = 11ms }`, "45"},
	{`{ traceDuration < 10ms }`, "6"},
	{`{ rootName = "GET /a" }`, "123"},
	{`{ rootName != "GET /a" }`, "45"},
	{`{ rootName = nil }`, "6"},
	{`{ rootName != nil && duration > 20ms }`, "12"},
	{`{ rootServiceName = "web" && !root }`, "23"},
	{`{ rootServiceName = "unknown_service" }`, "45"},
	{`{ !(rootServiceName = "web") }`, "456"},
	// The service.
	{`{ service.name = "web" }`, "126"},
	{`{ resource.service.name = "db" }`, "3"},
	{`{ service.name = "unknown_service" }`, "45"},
	{`{ service.name = nil }`, ""},
	{`{ span.service.name = "mine" }`, "6"},
	{`{ .service.name = "web" }`, "12"}, // 6 has its own
	{`{ service.name =~ "w.*|db" }`, "1236"},
	// Where an attribute is.
	{`{ region = "eu" }`, "136"},
	{`{ region = "us" }`, "2"},
	{`{ resource.region = "eu" }`, "1236"},
	{`{ span.region = "eu" }`, ""},
	{`{ span.region != nil }`, "2"},
	{`{ .region = nil }`, "45"},
	{`{ span."weird key" = "w" }`, "1"},
	{`{ resource.x = 1 }`, "4"},
	{`{ x = 1 && .x = 1 }`, "4"},
	// Text compares with the value as it reads.
	{`{ http.status = "200" }`, "125"},
	{`{ http.status != "200" }`, "6"},
	{`{ http.status =~ "2.." }`, "125"},
	{`{ http.status !~ "2.." }`, "6"},
	{`{ s = "x" }`, "1"},
	{`{ s != "x" }`, ""},
	{`{ !(s = "x") }`, "23456"},
	{`{ ok = "true" }`, "24"},
	{`{ list =~ ".*\"a\".*" }`, "3"},
	{`{ bytes = "AP8=" }`, "3"},
	{`{ n = "NaN" }`, "3"},
	{`{ ratio > "0.6" }`, "5"}, // +Inf sorts before digits
	// Numbers, also in strings.
	{`{ http.status = 200 }`, "125"},
	{`{ http.status = 200.0 }`, "125"},
	{`{ http.status != 200 }`, ""},
	{`{ http.status >= 200 && http.status < 300 }`, "125"},
	{`{ http.status > 199.5 }`, "125"},
	{`{ ratio = 0.5 }`, "2"},
	{`{ ratio > 0.5 }`, "56"},
	{`{ n = -1000 }`, "46"},
	{`{ n < 0 }`, "46"},
	{`{ n != 0 }`, "346"}, // NaN is unequal
	{`{ n >= 0 }`, ""},
	{`{ big = 9007199254740993 }`, "3"},
	{`{ big = 9007199254740992 }`, ""},
	{`{ big > 9007199254740992.0 }`, "3"},
	{`{ ok = 1 }`, ""},
	{`{ bytes != 1 }`, ""},
	// Durations.
	{`{ ns = 1.5ms }`, "4"},
	{`{ took = 1500us }`, "4"},
	{`{ took != 1ms }`, "4"},
	{`{ ns > 1ms }`, "4"},
	// Booleans.
	{`{ ok = true }`, "24"},
	{`{ ok != true }`, "3"},
	{`{ ok = false }`, "3"},
	{`{ http.status = true }`, ""},
	// Null and absent.
	{`{ z != nil }`, "5"},
	{`{ z = nil }`, "12346"},
	{`{ z != "a" }`, ""},
	{`{ z = "" }`, ""},
	{`{ nobody = nil }`, "123456"},
	{`{ nobody != nil }`, ""},
	{`{ nobody != "x" }`, ""},
	{`{ !(nobody != "x") }`, "123456"},
	// And, or, not.
	{`service.name = "web" && status = error`, "2"},
	{`{ status = error || root }`, "124"},
	{`{ root || status = error && duration < 60ms }`, "24"}, // from the left, as TraceQL
	{`{ root || (status = error && duration < 60ms) }`, "124"},
	{`{ !(root || status = error) }`, "356"},
	{`{ !(!(root)) && !(duration = 0s) }`, "1"},
}

func testFilters(s *suite) {
	p := s.open()
	fixture(p)
	s.stages(p, func(p *pair) {
		for _, c := range filterCases {
			p.filter(c.filter) // against the model
			e, _ := store.ParseFilter(c.filter)
			got, err := p.got.Select(context.Background(), store.Query{Filter: e})
			if err != nil {
				p.tb.Fatalf("%v", err)
			}
			var ids []string
			for _, id := range got.Spans.SpanID {
				ids = append(ids, fmt.Sprint(uint64(id)))
			}
			slices.Sort(ids)
			if found := strings.Join(ids, ""); found != c.want {
				p.tb.Fatalf("%s matches %q, want %q", c.filter, found, c.want)
			}
			p.aggregate(store.AggregateQuery{Filter: e, By: []store.Field{store.ServiceName}})
		}
	})
}
