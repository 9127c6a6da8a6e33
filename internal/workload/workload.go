// Package workload makes realistic spans, always the same ones for a seed: what benchmarks send and what
// tests that need bulk store.
package workload

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Start is the start of the first trace, Unix ns.
const Start = 1_767_225_600_000_000_000 // 2026-01-01

// Services are the names of the services.
var Services = [...]string{
	"web", "api", "cart", "checkout", "payment", "catalog", "search", "recommend", "review", "user", "session",
	"inventory", "shipping", "pricing", "ads", "email", "image", "ledger", "fraud",
}

// Batches makes the traffic of a shop of 19 services in 100 instances, without end:
//
//   - traces of 5 to 300 spans, 30 on average (lognormal), 330 a second, from Start on; each a
//     tree with one root, children inside their parents, lognormal durations (root median 60 ms);
//   - spans of servers, clients (RPC, HTTP, MySQL, Redis), producers and internal work in some 400 pairs of
//     service and operation, with about 9 attributes of 46 keys: SQL of 200 templates with
//     literals in it, 100,000 users, UUIDs, paths and full URLs with ids, 100 peers, ints, doubles, bools;
//   - 0.6 % errors, two thirds of them with an exception event and its stack trace;
//   - batches as they arrive: at most 512 spans of one instance, in order of end, so that traces are
//     interleaved and spread over many batches.
//
// Times and ids are plausible, the ids random. Each batch has one resource and one scope, and is the
// receiver's to keep.
func Batches(seed uint64) iter.Seq[*span.Batch] {
	return func(yield func(*span.Batch) bool) {
		g := newGenerator(seed, yield)
		for !g.stopped {
			g.trace()
		}
	}
}

// Keys is how many attribute keys the traffic has.
const Keys = 46

// Widen spreads the attributes of batches over about n keys: each key becomes n/[Keys] keys, by a number behind it, and
// every single attribute takes one of them at random. No program is like that; one that puts ids into keys comes near.
func Widen(batches iter.Seq[*span.Batch], seed uint64, n int) iter.Seq[*span.Batch] {
	variants := n / Keys
	if variants <= 1 {
		return batches
	}
	return func(yield func(*span.Batch) bool) {
		rng := rand.New(rand.NewPCG(seed, 0x9e3779b9))
		var key []byte
		for b := range batches {
			for _, r := range b.Attrs {
				for i := r.From; i < r.To; i++ {
					key = append(append(key[:0], b.Bytes(b.Values[i].Key)...), '.')
					b.Values[i].Key = b.PutBytes(strconv.AppendInt(key, int64(rng.IntN(variants)), 10))
				}
			}
			if !yield(b) {
				return
			}
		}
	}
}

// Generate makes all batches of the first traces of that traffic.
func Generate(seed uint64, traces int) []*span.Batch {
	var batches []*span.Batch
	g := newGenerator(seed, func(b *span.Batch) bool {
		batches = append(batches, b)
		return true
	})
	for range traces {
		g.trace()
	}
	g.flush(math.MaxInt64)
	for i := range g.open {
		g.send(i)
	}
	return batches
}

// TraceIDs are n ids from all over the first spans spans of the traffic, at most as many as there are.
func TraceIDs(seed uint64, spans, n int) []span.TraceID {
	var ids []span.TraceID
	every := max(spans/max(n, 1), 1)
	at := 0
	for b := range Batches(seed) {
		for next := (at + every - 1) / every * every; next < min(at+b.Len(), spans); next += every {
			ids = append(ids, b.TraceID[next-at])
		}
		if at += b.Len(); at >= spans {
			break
		}
	}
	return ids[:min(n, len(ids))]
}

func newGenerator(seed uint64, yield func(*span.Batch) bool) *generator {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 0x5bd1e995)), yield: yield, now: Start}
	g.world()
	return g
}

type generator struct {
	rng       *rand.Rand
	services  []service
	instances []instance
	queries   []string
	peers     []string
	agents    []string
	nodes     []node // of the trace in the making
	pending   []node
	open      []*span.Batch // by instance; nil when nothing waits
	now       int64         // start of the trace in the making
	yield     func(*span.Batch) bool
	stopped   bool   // yield wants no more
	text      []byte // scratch
}

type service struct {
	name       string
	operations []string
	first, n   int // instances
}

type instance struct {
	service int
	attrs   []span.Attribute
}

// shape is what a span does; its attributes follow.
type shape uint8

const (
	shapeHTTPServer shape = iota
	shapeRPCServer
	shapeRPCClient
	shapeHTTPClient
	shapeDB
	shapeCache
	shapeInternal
	shapeProducer
)

type node struct {
	trace        span.TraceID
	id, parent   span.ID
	start, dur   int64
	instance     int32
	peer         int32 // service called
	op           int32
	shape        shape
	err, hasRoom bool // hasRoom: may have children
}

var (
	verbs  = [...]string{"Get", "List", "Create", "Update", "Delete", "Find", "Check", "Count", "Refresh"}
	things = [...]string{"Item", "Order", "User", "Price", "Stock", "Review", "Page", "Token", "Offer", "Image", "Address", "Quote"}
	tables = [...]string{"items", "orders", "users", "prices", "stock", "reviews", "pages", "tokens", "offers", "images"}
)

func (g *generator) world() {
	for i, name := range Services {
		s := service{name: name, first: len(g.instances), n: 4 + i%3}
		if i < 2 {
			s.n = 8
		}
		for k := range 16 + (i*7)%12 {
			if i < 2 {
				s.operations = append(s.operations, fmt.Sprintf("/%s/%s/{id}/%d", name, tables[k%len(tables)], k))
				continue
			}
			s.operations = append(s.operations, verbs[k%len(verbs)]+things[(k*5+i)%len(things)])
		}
		for k := range s.n {
			g.instances = append(g.instances, instance{i, []span.Attribute{
				{Key: "service.name", Value: span.StringValue(name)},
				{Key: "service.namespace", Value: span.StringValue("shop")},
				{Key: "service.version", Value: span.StringValue(fmt.Sprintf("1.%d.%d", i, k%2))},
				{Key: "service.instance.id", Value: span.StringValue(fmt.Sprintf("%s-%d", name, k))},
				{Key: "host.name", Value: span.StringValue(fmt.Sprintf("node-%02d", (i*5+k)%40))},
				{Key: "process.pid", Value: span.IntValue(int64(1000 + i*37 + k))},
				{Key: "telemetry.sdk.language", Value: span.StringValue("go")},
				{Key: "telemetry.sdk.name", Value: span.StringValue("opentelemetry")},
			}})
		}
		g.services = append(g.services, s)
	}
	for i := range 200 {
		table := tables[i%len(tables)]
		switch i % 4 {
		case 0:
			g.queries = append(g.queries, fmt.Sprintf("SELECT id, c%d, c%d FROM %s WHERE id = ", i, i+1, table))
		case 1:
			g.queries = append(g.queries, fmt.Sprintf("SELECT c%d FROM %s AS t JOIN users AS u ON u.id = t.user_id WHERE t.kind = %d AND u.id = ", i, table, i))
		case 2:
			g.queries = append(g.queries, fmt.Sprintf("UPDATE %s SET c%d = c%d + 1, updated_at = now() WHERE id = ", table, i, i))
		case 3:
			g.queries = append(g.queries, fmt.Sprintf("INSERT INTO %s (a, b, c%d, user_id) VALUES ('x', 'y', %d, ", table, i, i))
		}
	}
	for i := range 100 {
		g.peers = append(g.peers, fmt.Sprintf("10.1.%d.%d", i/16, 10+i%16))
	}
	for i := range 12 {
		g.agents = append(g.agents, fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0", 120+i, 120+i))
	}
	g.open = make([]*span.Batch, len(g.instances))
}

func (g *generator) lognormal(median, sigma float64) float64 {
	return median * math.Exp(g.rng.NormFloat64()*sigma)
}

// trace makes the spans of one trace, parents before children.
func (g *generator) trace() {
	g.now += int64(g.rng.ExpFloat64() * 3e6)
	start := g.now
	id := span.TraceID{Hi: g.rng.Uint64(), Lo: g.rng.Uint64() | 1}
	size := int(min(max(g.lognormal(24, 0.65), 5), 300))
	front := g.rng.IntN(2)
	root := g.node(node{
		trace: id, start: start, dur: int64(g.lognormal(60e6, 0.9)) + 1000,
		instance: g.instanceOf(front), shape: shapeHTTPServer, op: g.operationOf(front), hasRoom: true,
	})
	g.nodes = append(g.nodes[:0], root)
	for len(g.nodes) < size {
		at := len(g.nodes) - 1 - int(math.Abs(g.rng.NormFloat64())*float64(len(g.nodes))/2) // rather a late one
		for at = max(at, 0); !g.nodes[at].hasRoom; at-- {
		}
		g.child(g.nodes[at], size)
	}
	g.pending = append(g.pending, g.nodes...)
	if len(g.pending) >= 1<<16 {
		g.flush(start) // what ends later may interleave with traces yet to come
	}
}

// child adds a span below parent, or the two sides of a call.
func (g *generator) child(parent node, size int) {
	c := node{trace: parent.trace, parent: parent.id, instance: parent.instance}
	var median float64
	switch p := g.rng.IntN(100); {
	case p < 35 && len(g.nodes)+2 <= size:
		c.shape, median = shapeRPCClient, 9e6
	case p < 42:
		c.shape, c.hasRoom, median = shapeInternal, true, 5e6
	case p < 62:
		c.shape, median = shapeDB, 2e6
	case p < 88:
		c.shape, median = shapeCache, 3e5
	case p < 97:
		c.shape, median = shapeHTTPClient, 2e7
	default:
		c.shape, median = shapeProducer, 4e5
	}
	c.dur = min(int64(g.lognormal(median, 0.8))+1, parent.dur)
	c.start = parent.start + g.rng.Int64N(parent.dur-c.dur+1)
	own := g.instances[parent.instance].service
	c.peer, c.op = int32((own*5+g.rng.IntN(3)*7)%(len(g.services)-2)+2), g.operationOf(own)
	switch c.shape {
	case shapeDB:
		c.op = int32(min(g.rng.IntN(200), g.rng.IntN(200)))
	case shapeRPCClient:
		c.op = int32(own%8 + g.rng.IntN(6))
	case shapeHTTPServer, shapeRPCServer, shapeHTTPClient, shapeCache, shapeInternal, shapeProducer:
	}
	c = g.node(c)
	g.nodes = append(g.nodes, c)
	if c.shape != shapeRPCClient {
		return
	}
	net := c.dur / 20
	g.nodes = append(g.nodes, g.node(node{
		trace: c.trace, parent: c.id, start: c.start + net, dur: c.dur - 2*net,
		instance: g.instanceOf(int(c.peer)), shape: shapeRPCServer, op: c.op, hasRoom: true,
	}))
}

func (g *generator) node(s node) node {
	s.id = span.ID(g.rng.Uint64() | 1)
	s.err = g.rng.IntN(1000) < 6
	return s
}

func (g *generator) instanceOf(service int) int32 {
	return int32(g.services[service].first + g.rng.IntN(g.services[service].n))
}

// operationOf prefers the first operations of a service.
func (g *generator) operationOf(service int) int32 {
	n := len(g.services[service].operations)
	return int32(min(g.rng.IntN(n), g.rng.IntN(n)))
}

// flush puts the spans that end before t into their instances' batches.
func (g *generator) flush(t int64) {
	slices.SortFunc(g.pending, func(a, b node) int {
		if c := a.start + a.dur - b.start - b.dur; c != 0 {
			return int(c >> 63 << 1)
		}
		return int(int64(a.id-b.id)>>63 | 1)
	})
	n := 0
	for ; n < len(g.pending) && g.pending[n].start+g.pending[n].dur < t; n++ {
		s := &g.pending[n]
		b := g.open[s.instance]
		if b == nil {
			b = g.newBatch(s.instance)
		}
		g.put(b, s)
		if b.Len() == 512 {
			g.send(int(s.instance))
		}
	}
	g.pending = append(g.pending[:0], g.pending[n:]...)
}

func (g *generator) send(instance int) {
	if b := g.open[instance]; b != nil && !g.stopped {
		g.open[instance] = nil
		g.stopped = !g.yield(b)
	}
}

func (g *generator) newBatch(instance int32) *span.Batch {
	b := &span.Batch{}
	g.open[instance] = b
	for _, a := range g.instances[instance].attrs {
		b.AddAttr(b.PutText(a.Key), a.Value)
	}
	b.Resources = append(b.Resources, span.ResourceRow{Attrs: span.Range{To: uint32(len(b.Values))}})
	b.Scopes = append(b.Scopes, span.ScopeRow{Name: b.PutText("shop/instrumentation"), Version: b.PutText("0.4.1")})
	return b
}

func (g *generator) put(b *span.Batch, s *node) {
	i := b.Add()
	b.TraceID[i], b.SpanID[i], b.Parent[i], b.Start[i], b.Duration[i] = s.trace, s.id, s.parent, s.start, s.dur
	b.Flags[i] = span.FlagSampled | span.FlagRemoteKnown
	if s.err {
		b.Status[i] = span.StatusError
		b.StatusMessage[i] = b.PutText("upstream failed: deadline exceeded")
	}
	from := uint32(len(b.Values))
	service := g.services[g.instances[s.instance].service]
	g.attributes(b, i, s, service)
	b.Attrs[i] = span.Range{From: from, To: uint32(len(b.Values))}

	at := uint32(len(b.Events))
	if s.err && g.rng.IntN(3) > 0 {
		from := uint32(len(b.Values))
		str(b, "exception.type", "*shop.TimeoutError")
		str(b, "exception.message", "deadline exceeded after 250ms")
		g.text = append(g.text[:0], "goroutine 1 [running]:\n"...)
		for k := range 8 {
			g.text = fmt.Appendf(g.text, "shop/%s.(*Server).handle%d(0xc000%06x)\n\t/src/%s/server.go:%d\n", service.name, k, s.id&0xffffff, service.name, 40+k)
		}
		g.flushText(b, "exception.stacktrace")
		b.Events = append(b.Events, span.EventRow{
			Time: s.start + s.dur, Name: b.PutText("exception"), Attrs: span.Range{From: from, To: uint32(len(b.Values))},
		})
	}
	b.EventsOf[i] = span.Range{From: at, To: uint32(len(b.Events))}
}

func (g *generator) attributes(b *span.Batch, i int, s *node, service service) {
	num(b, "thread.id", int64(s.id>>3&31))
	switch s.shape {
	case shapeHTTPServer:
		route := service.operations[s.op]
		b.Kind[i], b.Name[i] = span.KindServer, b.PutText("GET "+route)
		str(b, "http.request.method", "GET")
		str(b, "http.route", route)
		g.text = fmt.Appendf(g.text[:0], "%s/%d", route[:len(route)/2], g.rng.IntN(1e6))
		g.flushText(b, "url.path")
		str(b, "url.scheme", "https")
		num(b, "http.response.status_code", status(s.err))
		str(b, "user_agent.original", g.agents[g.rng.IntN(len(g.agents))])
		str(b, "client.address", g.peer())
		str(b, "network.protocol.version", "1.1")
		g.text = fmt.Appendf(g.text[:0], "u%d", g.rng.IntN(1e5))
		g.flushText(b, "user.id")
		g.uuid(b, "request.id")
	case shapeHTTPClient:
		b.Kind[i], b.Name[i] = span.KindClient, b.PutText("GET")
		str(b, "http.request.method", "GET")
		g.text = append(g.text[:0], "https://partner.example/v1/"...)
		g.text = append(g.text, tables[s.op%10]...)
		g.text = fmt.Appendf(g.text, "/%d?page=%d", g.rng.IntN(1e6), g.rng.IntN(20))
		g.flushText(b, "url.full")
		num(b, "http.response.status_code", status(s.err))
		str(b, "server.address", "partner.example")
		num(b, "server.port", 443)
		str(b, "network.peer.address", g.peer())
		num(b, "http.request.resend_count", int64(g.rng.IntN(2)))
		num(b, "http.response.body.size", int64(g.lognormal(4000, 1)))
	case shapeRPCClient, shapeRPCServer:
		b.Kind[i] = span.KindServer
		method, callee := "", service
		if s.shape == shapeRPCClient {
			b.Kind[i], callee = span.KindClient, g.services[s.peer]
			str(b, "server.address", callee.name)
			num(b, "network.peer.port", 9000)
		} else {
			g.text = fmt.Appendf(g.text[:0], "u%d", g.rng.IntN(1e5))
			g.flushText(b, "user.id")
			flag(b, "rpc.cached", g.rng.IntN(4) == 0)
		}
		method = callee.operations[s.op]
		g.text = append(append(append(append(g.text[:0], "shop."...), callee.name...), '/'), method...)
		b.Name[i] = b.PutBytes(g.text)
		str(b, "rpc.system", "grpc")
		str(b, "rpc.service", "shop."+callee.name)
		str(b, "rpc.method", method)
		code := int64(0)
		if s.err {
			code = 4
		}
		num(b, "rpc.grpc.status_code", code)
		str(b, "network.peer.address", g.peer())
		num(b, "rpc.request.size", int64(g.lognormal(200, 0.5)))
		num(b, "rpc.response.size", int64(g.lognormal(900, 1)))
	case shapeDB:
		table := tables[s.op%10]
		b.Kind[i], b.Name[i] = span.KindClient, b.PutText("query "+table)
		str(b, "db.system.name", "mysql")
		str(b, "db.namespace", "shop")
		str(b, "db.collection.name", table)
		g.text = append(g.text[:0], g.queries[s.op]...)
		g.text = fmt.Appendf(g.text, "%d", g.rng.IntN(1e6))
		g.flushText(b, "db.query.text")
		str(b, "db.operation.name", [...]string{"SELECT", "SELECT", "UPDATE", "INSERT"}[s.op%4])
		num(b, "db.response.returned_rows", int64(g.rng.IntN(20)))
		str(b, "server.address", "mysql-1.shop")
		num(b, "server.port", 3306)
		str(b, "network.peer.address", g.peer())
	case shapeCache:
		b.Kind[i], b.Name[i] = span.KindClient, b.PutText("GET")
		str(b, "db.system.name", "redis")
		str(b, "db.operation.name", "GET")
		g.text = fmt.Appendf(g.text[:0], "%s:%d", tables[s.op%10], g.rng.IntN(1e5))
		g.flushText(b, "cache.key")
		flag(b, "cache.hit", g.rng.IntN(10) > 0)
		str(b, "server.address", "redis-1.shop")
		num(b, "server.port", 6379)
		str(b, "network.peer.address", g.peer())
		num(b, "db.operation.batch.size", int64(1+g.rng.IntN(4)))
	case shapeInternal:
		b.Kind[i], b.Name[i] = span.KindInternal, b.PutText(service.operations[s.op])
		str(b, "code.function.name", service.operations[s.op])
		str(b, "code.file.path", "/src/"+service.name+"/work.go")
		num(b, "code.line.number", int64(20+s.op))
		num(b, "app.items", int64(g.rng.IntN(100)))
		b.AddAttr(b.PutText("app.ratio"), span.DoubleValue(float64(g.rng.IntN(1000))/1000))
		flag(b, "app.flag", g.rng.IntN(2) == 0)
	case shapeProducer:
		b.Kind[i], b.Name[i] = span.KindProducer, b.PutText("send orders")
		str(b, "messaging.system", "kafka")
		str(b, "messaging.destination.name", "orders")
		num(b, "messaging.destination.partition.id", int64(g.rng.IntN(16)))
		g.uuid(b, "messaging.message.id")
		str(b, "messaging.operation.type", "send")
		num(b, "messaging.message.body.size", int64(g.lognormal(600, 0.6)))
		str(b, "server.address", "kafka-1.shop")
	}
}

func status(err bool) int64 {
	if err {
		return 503
	}
	return 200
}

func (g *generator) peer() string { return g.peers[g.rng.IntN(len(g.peers))] }

func (g *generator) uuid(b *span.Batch, key string) {
	const digits = "0123456789abcdef"
	hi, lo := g.rng.Uint64(), g.rng.Uint64()
	g.text = g.text[:0]
	for k := range 32 {
		if k == 8 || k == 12 || k == 16 || k == 20 {
			g.text = append(g.text, '-')
		}
		g.text = append(g.text, digits[hi&15])
		hi, lo = hi>>4|lo<<60, lo>>4
	}
	g.flushText(b, key)
}

// flushText adds the scratch text as an attribute.
func (g *generator) flushText(b *span.Batch, key string) {
	b.Values = append(b.Values, span.Attr{Key: b.PutText(key), Type: span.String, Num: span.TextNum(b.PutBytes(g.text))})
}

func str(b *span.Batch, key, s string) {
	b.Values = append(b.Values, span.Attr{Key: b.PutText(key), Type: span.String, Num: span.TextNum(b.PutText(s))})
}

func num(b *span.Batch, key string, n int64) {
	b.Values = append(b.Values, span.Attr{Key: b.PutText(key), Type: span.Int, Num: uint64(n)})
}

func flag(b *span.Batch, key string, v bool) { b.AddAttr(b.PutText(key), span.BoolValue(v)) }
