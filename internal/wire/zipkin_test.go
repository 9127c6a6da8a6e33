package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// zipkinSpan is a span of Zipkin's version 2, as encoding/json writes it: tags in order of their keys.
type zipkinSpan struct {
	TraceID        string             `json:"traceId"`
	ParentID       string             `json:"parentId,omitempty"`
	ID             string             `json:"id"`
	Kind           string             `json:"kind,omitempty"`
	Name           string             `json:"name,omitempty"`
	Timestamp      int64              `json:"timestamp,omitempty"`
	Duration       int64              `json:"duration,omitempty"`
	LocalEndpoint  *zipkinEndpoint    `json:"localEndpoint,omitempty"`
	RemoteEndpoint *zipkinEndpoint    `json:"remoteEndpoint,omitempty"`
	Annotations    []zipkinAnnotation `json:"annotations,omitempty"`
	Tags           map[string]string  `json:"tags,omitempty"`
	Debug          bool               `json:"debug,omitempty"`
	Shared         bool               `json:"shared,omitempty"`
}

type zipkinEndpoint struct {
	ServiceName string `json:"serviceName,omitempty"`
	IPv4        string `json:"ipv4,omitempty"`
	IPv6        string `json:"ipv6,omitempty"`
	Port        int    `json:"port,omitempty"`
}

type zipkinAnnotation struct {
	Timestamp int64  `json:"timestamp,omitempty"`
	Value     string `json:"value"`
}

func zipkinJSON(t interface{ Fatal(...any) }, spans ...zipkinSpan) []byte {
	p, err := json.Marshal(spans)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// zipkinProto is zipkin.proto3.ListOfSpans.
func zipkinProto(spans ...zipkinSpan) (list []byte) {
	id := func(s string) string {
		p, err := hex.DecodeString(s)
		if err != nil {
			panic(err)
		}
		return string(p)
	}
	endpoint := func(e *zipkinEndpoint) (p []byte) {
		address := func(s string) string {
			if s == "" {
				return ""
			}
			return string(netip.MustParseAddr(s).AsSlice())
		}
		return message(textField(1, e.ServiceName), textField(2, address(e.IPv4)), textField(3, address(e.IPv6)), varintField(4, uint64(e.Port)))
	}
	for _, s := range spans {
		kind := slices.Index([]string{"", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"}, s.Kind)
		m := message(textField(1, id(s.TraceID)), textField(2, id(s.ParentID)), textField(3, id(s.ID)), varintField(4, uint64(max(kind, 0))),
			textField(5, s.Name), fixed64Field(6, uint64(s.Timestamp)), varintField(7, uint64(s.Duration)))
		if s.LocalEndpoint != nil {
			m = append(m, textField(8, string(endpoint(s.LocalEndpoint)))...)
		}
		if s.RemoteEndpoint != nil {
			m = append(m, textField(9, string(endpoint(s.RemoteEndpoint)))...)
		}
		for _, a := range s.Annotations {
			m = append(m, textField(10, string(message(fixed64Field(1, uint64(a.Timestamp)), textField(2, a.Value))))...)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
			m = append(m, textField(11, string(message(textField(1, key), textField(2, s.Tags[key]))))...)
		}
		list = append(list, textField(1, string(m))...)
	}
	return list
}

func message(fields ...[]byte) []byte { return slices.Concat(fields...) }

func textField(num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), s)
}

func varintField(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func fixed64Field(num protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), v)
}

// fataler is a test, a fuzz target's or a property's.
type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// bothZipkin decodes the spans from either encoding of version 2.
func bothZipkin(t fataler, lim wire.Limits, spans ...zipkinSpan) (*span.Batch, wire.Report) {
	return both(t, lim, encoded{wire.ZipkinJSON, zipkinJSON(t, spans...)}, encoded{wire.ZipkinProto, zipkinProto(spans...)})
}

type encoded struct {
	format wire.Format
	body   []byte
}

// both decodes the same spans from two encodings, which makes the same of them, and so does a replay of each.
func both(t fataler, lim wire.Limits, x, y encoded) (*span.Batch, wire.Report) {
	decode := func(e encoded) (*span.Batch, wire.Report) {
		var b, again span.Batch
		rep, err := wire.Decode(e.format, slices.Clone(e.body), lim, &b)
		if err != nil {
			t.Fatalf("format %d, %q: %v", e.format, e.body, err)
		}
		if err := wire.Replay(byte(e.format), e.body, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rows(&b), rows(&again)); diff != "" && !rep.Limited {
			t.Fatalf("format %d, decoded (-), replayed (+):\n%s", e.format, diff)
		}
		return &b, rep
	}
	b, rep := decode(x)
	other, otherRep := decode(y)
	if diff := cmp.Diff(rows(b), rows(other)); diff != "" || rep != otherRep {
		t.Fatalf("format %d (-), %+v; %d (+), %+v:\n%s", x.format, rep, y.format, otherRep, diff)
	}
	return b, rep
}

const (
	zipkinTrace = "0000000000000001000000000000000a"
	zipkinID    = "000000000000000b"
)

// TestZipkinRules: what each thing that a Zipkin span can say becomes.
func TestZipkinRules(t *testing.T) {
	type (
		in  = zipkinSpan
		out = span.Span
	)
	text := func(kv ...string) (attrs []span.Attribute) {
		for i := 0; i < len(kv); i += 2 {
			attrs = append(attrs, span.Attribute{Key: kv[i], Value: span.StringValue(kv[i+1])})
		}
		return attrs
	}
	tags := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		in  in
		out out
	}{
		"nothing more":         {in{}, out{}},
		"64-bit trace id":      {in{TraceID: "00000000000000ff"}, out{TraceID: span.TraceID{Lo: 255}}},
		"parent":               {in{ParentID: "00000000000000ff"}, out{Parent: 255}},
		"no parent":            {in{ParentID: "0000000000000000"}, out{}},
		"its own parent":       {in{ParentID: zipkinID}, out{}},
		"client":               {in{Kind: "CLIENT", Name: "get"}, out{Kind: span.KindClient, Name: "get"}},
		"server, shared":       {in{Kind: "SERVER", Shared: true, Debug: true, ParentID: "0000000000000001"}, out{Kind: span.KindServer, Parent: 1}},
		"producer":             {in{Kind: "PRODUCER"}, out{Kind: span.KindProducer}},
		"consumer":             {in{Kind: "CONSUMER"}, out{Kind: span.KindConsumer}},
		"a kind of the future": {in{Kind: "CRONJOB"}, out{}},

		"times":                         {in{Timestamp: 5, Duration: 7}, out{Start: 5000, Duration: 7000}},
		"times before the epoch":        {in{Timestamp: -5}, out{}},
		"times past what ns can say":    {in{Timestamp: math.MaxInt64}, out{Start: math.MaxInt64 / 1000 * 1000}},
		"no timestamp":                  {in{Duration: 3, Annotations: []zipkinAnnotation{{9, "x"}, {8, "y"}, {0, "z"}}}, out{Start: 8000, Duration: 3000, Events: []span.Event{{Time: 9000, Name: "x"}, {Time: 8000, Name: "y"}, {Name: "z"}}}},
		"no timestamp, no annotation":   {in{Duration: 3}, out{Duration: 3000}},
		"a timestamp and an annotation": {in{Timestamp: 9, Annotations: []zipkinAnnotation{{8, "x"}}}, out{Start: 9000, Events: []span.Event{{Time: 8000, Name: "x"}}}},

		"local endpoint": {
			in{LocalEndpoint: &zipkinEndpoint{"web", "10.0.0.1", "2001:db8::1", 80}},
			out{Resource: span.Resource{Attrs: append(text("service.name", "web", "network.local.address", "10.0.0.1"), span.Attribute{Key: "network.local.port", Value: span.IntValue(80)})}},
		},
		"remote endpoint, after the tags": {
			in{RemoteEndpoint: &zipkinEndpoint{"db", "", "2001:db8::1", 65535}, Tags: tags("z", "1")},
			out{Attrs: append(text("z", "1", "peer.service", "db", "network.peer.address", "2001:db8::1"), span.Attribute{Key: "network.peer.port", Value: span.IntValue(65535)})},
		},
		"an address of version 4 in one of version 6": {in{RemoteEndpoint: &zipkinEndpoint{IPv6: "::ffff:10.0.0.1"}}, out{Attrs: text("network.peer.address", "10.0.0.1")}},
		"a port that is none":                         {in{RemoteEndpoint: &zipkinEndpoint{Port: 65536}}, out{}},
		"a tag as an endpoint":                        {in{RemoteEndpoint: &zipkinEndpoint{ServiceName: "db"}, Tags: tags("peer.service", "orders")}, out{Attrs: text("peer.service", "orders")}},

		"tags":                    {in{Tags: tags("", "", "a", "1", "b", "é\n")}, out{Attrs: text("", "", "a", "1", "b", "é\n")}},
		"scope and state":         {in{Tags: tags("otel.scope.name", "lib", "otel.scope.version", "2", "w3c.tracestate", "a=b")}, out{Scope: span.Scope{Name: "lib", Version: "2"}, TraceState: "a=b"}},
		"scope, as it once was":   {in{Tags: tags("otel.library.name", "lib", "otel.library.version", "2")}, out{Scope: span.Scope{Name: "lib", Version: "2"}}},
		"error":                   {in{Tags: tags("error", "")}, out{Status: span.StatusError}},
		"error, true":             {in{Tags: tags("error", "true")}, out{Status: span.StatusError}},
		"error, text":             {in{Tags: tags("error", "refused")}, out{Status: span.StatusError, StatusMessage: "refused"}},
		"error, false":            {in{Kind: "SERVER", Tags: tags("error", "false", "http.status_code", "500")}, out{Kind: span.KindServer, Attrs: text("http.status_code", "500")}},
		"a status":                {in{Tags: tags("otel.status_code", "ERROR", "otel.status_description", "no", "error", "yes")}, out{Status: span.StatusError, StatusMessage: "no"}},
		"a status without text":   {in{Tags: tags("otel.status_code", "ERROR", "error", "yes")}, out{Status: span.StatusError, StatusMessage: "yes"}},
		"a status of good":        {in{Kind: "SERVER", Tags: tags("otel.status_code", "OK", "error", "true", "http.status_code", "500")}, out{Kind: span.KindServer, Status: span.StatusOK, Attrs: text("http.status_code", "500")}},
		"a status of unset":       {in{Kind: "SERVER", Tags: tags("otel.status_code", "UNSET", "error", "", "http.status_code", "500")}, out{Kind: span.KindServer, Attrs: text("http.status_code", "500")}},
		"a status of the future":  {in{Tags: tags("otel.status_code", "MAYBE")}, out{Attrs: text("otel.status_code", "MAYBE")}},
		"500 of a server":         {in{Kind: "SERVER", Tags: tags("http.status_code", "503")}, out{Kind: span.KindServer, Status: span.StatusError, Attrs: text("http.status_code", "503")}},
		"404 of a server":         {in{Kind: "SERVER", Tags: tags("http.status_code", "404")}, out{Kind: span.KindServer, Attrs: text("http.status_code", "404")}},
		"404 of a client":         {in{Kind: "CLIENT", Tags: tags("http.response.status_code", "404")}, out{Kind: span.KindClient, Status: span.StatusError, Attrs: text("http.response.status_code", "404")}},
		"500 of a client":         {in{Kind: "CLIENT", Tags: tags("http.status_code", "500")}, out{Kind: span.KindClient, Status: span.StatusError, Attrs: text("http.status_code", "500")}},
		"500 of neither":          {in{Tags: tags("http.status_code", "500")}, out{Attrs: text("http.status_code", "500")}},
		"what only begins with 5": {in{Kind: "SERVER", Tags: tags("http.status_code", "5xx")}, out{Kind: span.KindServer, Attrs: text("http.status_code", "5xx")}},

		"event": {
			in{Annotations: []zipkinAnnotation{{3, `a|b|{"k":1,"l":[true,"x|{"]}|2`}, {4, "ws"}}},
			out{Start: 3000, Events: []span.Event{{Time: 3000, Name: "a|b", Dropped: 2, Attrs: []span.Attribute{{Key: "k", Value: span.IntValue(1)}, {Key: "l", Value: span.TextValue(span.List, `[true,"x|{"]`)}}}, {Time: 4000, Name: "ws"}}},
		},
		"what only looks like an event": {
			in{Annotations: []zipkinAnnotation{{0, `a|{}|x`}, {0, `a|{|1`}, {0, `a|{"bytesValue":""}|1`}, {0, `|{}`}, {0, `a|{}|-1`}}},
			out{Events: []span.Event{{Name: `a|{}|x`}, {Name: `a|{|1`}, {Name: `a|{"bytesValue":""}|1`}, {Name: `|{}`}, {Name: `a|{}|-1`}}},
		},
		"links in order of their numbers": {
			in{Tags: tags("otlp.link.10", "2|2||{}|0", "otlp.link.9", `000000000000000000000000000000aa|00000000000000bb|a=b|{"k":"|"}|3`)},
			out{Links: []span.Link{
				{TraceID: span.TraceID{Lo: 0xaa}, SpanID: 0xbb, TraceState: "a=b", Dropped: 3, Attrs: text("k", "|")},
				{TraceID: span.TraceID{Lo: 2}, SpanID: 2},
			}},
		},
		"a link that is none": {in{Tags: tags("otlp.link.0", "x|1||{}|0", "otlp.link.1", "1|1|{}|0", "otlp.link.2", "")}, out{DroppedLinks: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			in, want := c.in, c.out
			if in.ID = zipkinID; in.TraceID == "" {
				in.TraceID = zipkinTrace
			}
			if want.SpanID, want.Flags = 11, span.FlagSampled; want.TraceID.IsZero() {
				want.TraceID = span.TraceID{Hi: 1, Lo: 10}
			}
			if want.Kind == span.KindUnspecified {
				want.Kind = span.KindInternal
			}
			b, rep := bothZipkin(t, wire.Limits{}, in)
			if diff := cmp.Diff([]span.Span{want}, rows(b)); diff != "" || rep != (wire.Report{Cut: int(want.DroppedLinks)}) {
				t.Errorf("%+v, want (-), got (+):\n%s", rep, diff)
			}
		})
	}
}

// TestZipkinClamps: a duration below 0 is 0, and an end past what ns can say is that.
func TestZipkinClamps(t *testing.T) {
	for _, c := range []zipkinSpan{
		{TraceID: zipkinTrace, ID: zipkinID, Timestamp: 5, Duration: -1},
		{TraceID: zipkinTrace, ID: zipkinID, Timestamp: 1e15, Duration: math.MaxInt64},
	} {
		b, rep := bothZipkin(t, wire.Limits{}, c)
		if rep != (wire.Report{Clamped: 1}) || b.End(0) < b.Start[0] {
			t.Errorf("%+v: %+v, %+v", c, rep, b.Span(0))
		}
	}
}

// anyZipkinSpans draws spans with everything that Zipkin's model can say, and what we take out of it.
func anyZipkinSpans() *rapid.Generator[[]zipkinSpan] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "get /", "名前", "a\"\\\n\x00|", `e|{"k":[1]}|2`, "1|2|s=t|{}|0", "true", "false", "404", "ERROR", "10.0.0.1"}), rapid.String())
	key := rapid.OneOf(rapid.SampledFrom([]string{
		"error", "otel.status_code", "otel.status_description", "otel.scope.name", "otel.library.version", "w3c.tracestate", "otlp.link.0", "otlp.link.x",
		"http.status_code", "peer.service", "network.peer.address", "lc",
	}), text)
	id := func(digits int, zero bool) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			low := uint64(1)
			if zero {
				low = 0
			}
			s := fmt.Sprintf("%016x%016x", rapid.Uint64().Draw(t, "hi"), rapid.Uint64Min(low).Draw(t, "lo"))
			return s[32-digits:]
		})
	}
	when := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1e15, 2e15), rapid.Int64())
	endpoint := rapid.Ptr(rapid.Custom(func(t *rapid.T) zipkinEndpoint {
		return zipkinEndpoint{
			text.Draw(t, "service"), rapid.SampledFrom([]string{"", "10.0.0.1", "192.0.2.7"}).Draw(t, "ipv4"),
			rapid.SampledFrom([]string{"", "2001:db8::1", "::ffff:10.0.0.1", "::"}).Draw(t, "ipv6"), rapid.IntRange(0, 70000).Draw(t, "port"),
		}
	}), true)
	annotation := rapid.Custom(func(t *rapid.T) zipkinAnnotation { return zipkinAnnotation{when.Draw(t, "at"), text.Draw(t, "value")} })
	one := rapid.Custom(func(t *rapid.T) zipkinSpan {
		return zipkinSpan{
			TraceID: rapid.OneOf(id(16, false), id(32, false)).Draw(t, "trace"), ID: id(16, false).Draw(t, "id"),
			ParentID: rapid.OneOf(rapid.Just(""), id(16, true)).Draw(t, "parent"),
			Kind:     rapid.SampledFrom([]string{"", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"}).Draw(t, "kind"), Name: text.Draw(t, "name"),
			Timestamp: when.Draw(t, "start"), Duration: when.Draw(t, "duration"), LocalEndpoint: endpoint.Draw(t, "local"), RemoteEndpoint: endpoint.Draw(t, "remote"),
			Annotations: rapid.SliceOfN(annotation, 0, 4).Draw(t, "annotations"), Tags: rapid.MapOfN(key, text, 0, 40).Draw(t, "tags"),
			Debug: rapid.Bool().Draw(t, "debug"), Shared: rapid.Bool().Draw(t, "shared"),
		}
	})
	return rapid.SliceOfN(one, 0, 5)
}

// TestZipkinEncodingsAgree: JSON and protobuf of the same spans are the same batch, which can be written and read again.
func TestZipkinEncodingsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := anyZipkinSpans().Draw(t, "spans")
		b, rep := bothZipkin(t, wire.Limits{}, spans...)
		if b.Len() != len(spans) || rep.Rejected != 0 || rep.Limited {
			t.Fatalf("%d spans of %d, %+v", b.Len(), len(spans), rep)
		}
		bothZipkin(t, wire.Limits{Attributes: 3, Events: 1, Links: 1, KeyBytes: 6, ValueBytes: 5, Depth: 1, Elements: 20, Spans: 4}, spans...)
		var again span.Batch
		format, body := wire.Encode(b)
		if err := wire.Replay(format, body, &again); err != nil || again.Len() != b.Len() {
			t.Fatalf("%d spans come back as %d, %v", b.Len(), again.Len(), err)
		}
	})
}

func decodeZipkin(t *testing.T, format wire.Format, body string) (*span.Batch, wire.Report) {
	t.Helper()
	var b span.Batch
	rep, err := wire.Decode(format, []byte(body), wire.Limits{}, &b)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return &b, rep
}

// TestZipkinJSONForms are what JSON may say in several ways.
func TestZipkinJSONForms(t *testing.T) {
	const ids = `"traceId":"1000000000000000a","id":"b"`
	for _, c := range []struct {
		name, body string
		want       func(s *span.Span) any
		is         any
	}{
		{"ids without their zeros", `[{"traceId":"A","id":"B","parentId":"c"}]`, func(s *span.Span) any { return []any{s.TraceID, s.SpanID, s.Parent} }, []any{span.TraceID{Lo: 10}, span.ID(11), span.ID(12)}},
		{"an empty parent", `[{` + ids + `,"parentId":""}]`, func(s *span.Span) any { return []any{s.TraceID, s.Parent} }, []any{span.TraceID{Hi: 1, Lo: 10}, span.ID(0)}},
		{"a list of traces", ` [ [ {` + ids + `,"name":"n"} ] , [] ] `, func(s *span.Span) any { return s.Name }, "n"},
		{"null is absent", `[{` + ids + `,"parentId":null,"kind":null,"name":null,"timestamp":null,"localEndpoint":null,"remoteEndpoint":{"serviceName":null,"ipv4":null,"port":null},"annotations":null,"tags":null}]`, func(s *span.Span) any { return s.Resource }, span.Resource{}},
		{"unknown keys", `[{"x":[{"tags":1}],` + ids + `,"annotations":[{"y":{},"value":"v","timestamp":1}],"localEndpoint":{"z":[],"serviceName":"s"}}]`, func(s *span.Span) any { return s.Service() + s.Events[0].Name }, "sv"},
		{"kind in lower case", `[{` + ids + `,"kind":"client"}]`, func(s *span.Span) any { return s.Kind }, span.KindClient},
		{"times as text, and with exponents", `[{` + ids + `,"timestamp":"5","duration":1e3}]`, func(s *span.Span) any { return []any{s.Start, s.Duration} }, []any{int64(5000), int64(1e6)}},
		{"tags that are no text", `[{` + ids + `,"tags":{"a":1.50,"b":true,"c":null,"d":-2,"error":false}}]`, func(s *span.Span) any { return []any{s.Attrs, s.Status} }, []any{[]span.Attribute{
			{Key: "a", Value: span.StringValue("1.50")}, {Key: "b", Value: span.StringValue("true")}, {Key: "d", Value: span.StringValue("-2")},
		}, span.StatusUnset}},
		{"the last of equal tags", `[{` + ids + `,"tags":{"a":"1","b":"2","a":"3"},"tags":{"b":"\u0034"}}]`, func(s *span.Span) any { return s.Attrs }, []span.Attribute{{Key: "a", Value: span.StringValue("3")}, {Key: "b", Value: span.StringValue("4")}}},
		{"escaped keys", `[{` + ids + `,"\u006eame":"n","tags":{"\u0065rror":"\ud83d\ude00","k\u00e9":"v"}}]`, func(s *span.Span) any { return []any{s.Name, s.StatusMessage, s.Attr("ké")} }, []any{"n", "😀", span.StringValue("v")}},
		{"addresses in other words", `[{` + ids + `,"remoteEndpoint":{"ipv6":"2001:DB8:0:0:0:0:0:1%eth0"}}]`, func(s *span.Span) any { return s.Attrs }, []span.Attribute{{Key: "network.peer.address", Value: span.StringValue("2001:db8::1")}}},
		{"addresses that are none", `[{` + ids + `,"localEndpoint":{"ipv4":"300.1.2.3","port":-1},"remoteEndpoint":{"ipv4":"","ipv6":"localhost"}}]`, func(s *span.Span) any { return []any{s.Attrs, s.Resource} }, []any{[]span.Attribute(nil), span.Resource{}}},
		{"an endpoint twice", `[{` + ids + `,"localEndpoint":{"serviceName":"a","port":1},"localEndpoint":{"serviceName":"b"}}]`, func(s *span.Span) any { return s.Resource.Attrs }, []span.Attribute{{Key: "service.name", Value: span.StringValue("b")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, rep := decodeZipkin(t, wire.ZipkinJSON, c.body)
			if b.Len() != 1 || rep != (wire.Report{}) {
				t.Fatalf("%d spans, %+v", b.Len(), rep)
			}
			s := b.Span(0)
			if diff := cmp.Diff(c.is, c.want(&s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestZipkinProtoForms are what protobuf may say in several ways.
func TestZipkinProtoForms(t *testing.T) {
	ids := message(textField(1, strings.Repeat("\x01", 8)), textField(3, strings.Repeat("\x02", 8)))
	b, rep := decodeZipkin(t, wire.ZipkinProto, string(textField(1, string(message(
		varintField(99, 1), textField(98, "unknown"), ids,
		textField(8, string(message(textField(1, "a"), textField(2, "\x0a\x00\x00\x01")))),
		textField(11, string(message(textField(2, "no more"), textField(2, "late key"), textField(1, "k"), varintField(9, 1)))), textField(11, ""),
		textField(8, string(message(varintField(4, 80), textField(1, "b"), textField(3, "short"), varintField(7, 7)))), // a message in two parts is one
		textField(5, "bad \xff"), textField(11, string(message(textField(1, "bad \xff"), textField(2, "\xfe")))),
		textField(10, string(message(textField(2, "\xfe"), varintField(5, 5)))), textField(10, string(textField(2, "\xfe|{\"\xfd\":\"\xff\"}|0"))), varintField(4, 9),
	)))))
	want := []span.Span{{
		TraceID: span.TraceID{Lo: 0x0101010101010101}, SpanID: 0x0202020202020202, Kind: span.KindInternal, Flags: span.FlagSampled, Name: "bad \ufffd",
		Attrs: []span.Attribute{{Key: "k", Value: span.StringValue("late key")}, {Key: "", Value: span.StringValue("")}, {Key: "bad \ufffd", Value: span.StringValue("\ufffd")}},
		Resource: span.Resource{Attrs: []span.Attribute{
			{Key: "service.name", Value: span.StringValue("b")}, {Key: "network.local.address", Value: span.StringValue("10.0.0.1")}, {Key: "network.local.port", Value: span.IntValue(80)},
		}},
		Events: []span.Event{{Name: "\ufffd"}, {Name: "\ufffd", Attrs: []span.Attribute{{Key: "\ufffd", Value: span.StringValue("\ufffd")}}}},
	}}
	if diff := cmp.Diff(want, rows(b)); diff != "" || rep != (wire.Report{Replaced: 5}) {
		t.Errorf("%+v\n%s", rep, diff)
	}
}

// TestZipkinInvalid: spans without valid ids are left out, alone, and leave nothing behind.
func TestZipkinInvalid(t *testing.T) {
	const more = `,"name":"bad","tags":{"a":"1","otlp.link.0":"1|1||{}|0"},"annotations":[{"value":"v"}],"localEndpoint":{"serviceName":"nobody"}}`
	good := `{"traceId":"1","id":"2","name":"good"}`
	for _, c := range []struct{ ids, reason string }{
		{`"id":"1"`, `its trace id is nothing but zeros, want 16 bytes`},
		{`"traceId":"0000000000000000","id":"1"`, `its trace id is nothing but zeros, want 16 bytes`},
		{`"traceId":"xyz","id":"1"`, `its trace id is no hex, want 16 bytes`},
		{`"traceId":"111111111111111111111111111111111","id":"1"`, `its trace id is 17 bytes, want 16 bytes`},
		{`"traceId":"1"`, `its span id is nothing but zeros, want 8 bytes`},
		{`"traceId":"1","id":"00"`, `its span id is nothing but zeros, want 8 bytes`},
		{`"traceId":"1","id":"11111111111111111"`, `its span id is 9 bytes, want 8 bytes`},
		{`"traceId":"1","id":"-1"`, `its span id is no hex, want 8 bytes`},
		{`"traceId":"1","id":"1","parentId":"é"`, `its parent span id is no hex, want none or 8 bytes`},
	} {
		b, rep := decodeZipkin(t, wire.ZipkinJSON, "["+good+",{"+c.ids+more+","+good+"]")
		if rep != (wire.Report{Rejected: 1, Reason: `span "bad": ` + c.reason}) {
			t.Errorf("%s: %+v", c.ids, rep)
		}
		if b.Len() != 2 || len(b.Values)+len(b.Events)+len(b.Links) != 0 || len(b.Resources) != 1 {
			t.Errorf("%s: %d spans, %d attributes", c.ids, b.Len(), len(b.Values))
		}
	}
	for _, c := range []struct {
		trace, id, parent int
		reason            string
	}{
		{15, 8, 0, "its trace id is 15 bytes, want 16 bytes"},
		{8, 7, 0, "its span id is 7 bytes, want 8 bytes"},
		{16, 8, 1, "its parent span id is 1 bytes, want none or 8 bytes"},
	} {
		x := strings.Repeat("x", 16)
		b, rep := decodeZipkin(t, wire.ZipkinProto, string(textField(1, string(message(textField(1, x[:c.trace]), textField(2, x[:c.parent]), textField(3, x[:c.id]))))))
		if rep != (wire.Report{Rejected: 1, Reason: `span "": ` + c.reason}) || b.Len() != 0 {
			t.Errorf("%+v: %+v", c, rep)
		}
	}
}

// TestZipkinLimits: each limit cuts, says so, and counts it where it cut; both encodings alike.
func TestZipkinLimits(t *testing.T) {
	long := strings.Repeat("é", 100) // 200 bytes
	deep := "e|" + `{"a":` + strings.Repeat("[", 3) + `"]\\\"["` + strings.Repeat("]", 3) + "}|0"
	for _, c := range []struct {
		name string
		lim  wire.Limits
		in   zipkinSpan
		want span.Span
		cut  int
	}{
		{"attributes", wire.Limits{Attributes: 1}, zipkinSpan{Tags: map[string]string{"a": "1", "b": "2"}, RemoteEndpoint: &zipkinEndpoint{ServiceName: "x"}}, span.Span{Attrs: []span.Attribute{{Key: "a", Value: span.StringValue("1")}}, DroppedAttrs: 2}, 2},
		{"long key", wire.Limits{KeyBytes: 1}, zipkinSpan{Tags: map[string]string{"ab": "1", "error": "true"}}, span.Span{Status: span.StatusError, DroppedAttrs: 1}, 1},
		{"long value, between characters", wire.Limits{ValueBytes: 151}, zipkinSpan{Tags: map[string]string{"a": long}}, span.Span{Attrs: []span.Attribute{{Key: "a", Value: span.StringValue(long[:150])}}, DroppedAttrs: 1}, 1},
		{"long name and message", wire.Limits{ValueBytes: 150}, zipkinSpan{Name: long, Tags: map[string]string{"error": long}}, span.Span{Name: long[:150], Status: span.StatusError, StatusMessage: long[:150], DroppedAttrs: 2}, 2},
		{"long service", wire.Limits{ValueBytes: 150}, zipkinSpan{LocalEndpoint: &zipkinEndpoint{ServiceName: long}}, span.Span{Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(long[:150])}}, Dropped: 1}}, 1},
		{"long scope", wire.Limits{ValueBytes: 150}, zipkinSpan{Tags: map[string]string{"otel.scope.name": long}}, span.Span{Scope: span.Scope{Name: long[:150], Dropped: 1}}, 1},
		{"events", wire.Limits{Events: 1}, zipkinSpan{Annotations: []zipkinAnnotation{{1, "a"}, {2, "b"}, {3, "c"}}}, span.Span{Start: 1000, Events: []span.Event{{Time: 1000, Name: "a"}}, DroppedEvents: 2}, 2},
		{"long event", wire.Limits{ValueBytes: 150}, zipkinSpan{Annotations: []zipkinAnnotation{{1, long}}}, span.Span{Start: 1000, Events: []span.Event{{Time: 1000, Name: long[:150], Dropped: 1}}}, 1},
		{"attributes of an event", wire.Limits{Attributes: 1, KeyBytes: 1}, zipkinSpan{Annotations: []zipkinAnnotation{{1, `e|{"ab":1,"c":2,"d":3}|1`}}}, span.Span{Start: 1000, Events: []span.Event{{Time: 1000, Name: "e", Attrs: []span.Attribute{{Key: "c", Value: span.IntValue(2)}}, Dropped: 3}}}, 2},
		{"deep event", wire.Limits{Depth: 2}, zipkinSpan{Annotations: []zipkinAnnotation{{1, deep}}}, span.Span{Start: 1000, Events: []span.Event{{Time: 1000, Name: deep, Dropped: 1}}}, 1},
		{"event that is not too deep", wire.Limits{Depth: 3}, zipkinSpan{Annotations: []zipkinAnnotation{{1, deep}}}, span.Span{Start: 1000, Events: []span.Event{{Time: 1000, Name: "e", Attrs: []span.Attribute{{Key: "a", Value: span.TextValue(span.List, `[[["]\\\"["]]]`)}}}}}, 0},
		{"links", wire.Limits{Links: 1}, zipkinSpan{Tags: map[string]string{"otlp.link.0": "1|1||{}|0", "otlp.link.1": "2|2||{}|0"}}, span.Span{Links: []span.Link{{TraceID: span.TraceID{Lo: 1}, SpanID: 1}}, DroppedLinks: 1}, 1},
		{"long link", wire.Limits{ValueBytes: 15}, zipkinSpan{Tags: map[string]string{"otlp.link.0": `1|1||{"a":"bcd"}|0`}}, span.Span{DroppedLinks: 1}, 2},
		{"elements", wire.Limits{Elements: 2}, zipkinSpan{Tags: map[string]string{"a": "1"}, Annotations: []zipkinAnnotation{{0, "x"}, {0, "y"}}}, span.Span{Events: []span.Event{{Name: "x"}, {Name: "y"}}, DroppedAttrs: 1}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.TraceID, c.in.ID = zipkinTrace, zipkinID
			c.want.TraceID, c.want.SpanID, c.want.Kind, c.want.Flags = span.TraceID{Hi: 1, Lo: 10}, 11, span.KindInternal, span.FlagSampled
			b, rep := bothZipkin(t, c.lim, c.in)
			if diff := cmp.Diff([]span.Span{c.want}, rows(b)); diff != "" || rep != (wire.Report{Cut: c.cut, Limited: c.cut > 0}) {
				t.Errorf("%+v, want (-), got (+):\n%s", rep, diff)
			}
		})
	}
	one := zipkinSpan{TraceID: zipkinTrace, ID: zipkinID}
	none, tagged := one, one
	none.Tags, tagged.Tags = map[string]string{"otlp.link.0": "none"}, map[string]string{"a": "1"}
	if b, rep := bothZipkin(t, wire.Limits{Elements: 1}, none, tagged); b.Attrs[1].Len() != 1 || rep != (wire.Report{Cut: 1}) {
		t.Errorf("a link that is none took the room of an attribute: %+v", rep)
	}
	if b, rep := bothZipkin(t, wire.Limits{Spans: 1}, one, one); b.Len() != 1 || rep != (wire.Report{Rejected: 1, Limited: true, Reason: "more than 1 spans in a request"}) {
		t.Errorf("spans: %d, %+v", b.Len(), rep)
	}
}

// TestZipkinBroken: a prefix of a body is refused at a byte of it, or is a body.
func TestZipkinBroken(t *testing.T) {
	s := zipkinSpan{
		TraceID: zipkinTrace, ID: zipkinID, ParentID: zipkinID, Kind: "CLIENT", Name: "n", Timestamp: 1, Duration: 2, LocalEndpoint: &zipkinEndpoint{"a", "10.0.0.1", "::1", 3},
		RemoteEndpoint: &zipkinEndpoint{ServiceName: "b"}, Annotations: []zipkinAnnotation{{4, "x"}}, Tags: map[string]string{"k": "v"},
	}
	for format, body := range map[wire.Format][]byte{wire.ZipkinJSON: zipkinJSON(t, s), wire.ZipkinProto: zipkinProto(s)} {
		for n := range len(body) {
			var b span.Batch
			_, err := wire.Decode(format, body[:n:n], wire.Limits{}, &b)
			var e *wire.Error
			if n == 0 {
				if err != nil || b.Len() > 0 {
					t.Errorf("format %d, nothing: %v", format, err)
				}
			} else if !errors.As(err, &e) || e.Offset < 0 || e.Offset > n {
				t.Errorf("format %d, %d of %d bytes: %v", format, n, len(body), err)
			}
		}
	}
	for _, c := range []struct {
		format    wire.Format
		body, err string
	}{
		{wire.ZipkinJSON, ` `, "byte 1: the text ends where an array should be"},
		{wire.ZipkinJSON, `{}`, "byte 0: '{' where an array should be"},
		{wire.ZipkinJSON, `[1]`, "byte 1: '1' where an object should be"},
		{wire.ZipkinJSON, `[[[]]]`, "byte 2: '[' where an object should be"},
		{wire.ZipkinJSON, `[] []`, "byte 3: text after the end of the request"},
		{wire.ZipkinJSON, `[{"traceId":1}]`, "byte 12: '1' where a string should be"},
		{wire.ZipkinJSON, `[{"timestamp":"x"}]`, `byte 14: "x" is not an integer that fits here`},
		{wire.ZipkinJSON, `[{"timestamp":1.5}]`, `byte 14: "1.5" is not an integer that fits here`},
		{wire.ZipkinJSON, `[{"tags":{"a":{}}}]`, "byte 14: '{' where a string should be"},
		{wire.ZipkinJSON, `[{"tags":{"a":x}}]`, "byte 14: 'x' where a digit should be"},
		{wire.ZipkinJSON, `[{"tags":[]}]`, "byte 9: '[' where an object should be"},
		{wire.ZipkinJSON, `[{"binaryAnnotations":[]}]`, "byte 22: binaryAnnotations: a span of Zipkin's version 1, which POST /api/v1/spans takes"},
		{wire.ZipkinJSON, `[{"annotations":[{"endpoint":{}}]}]`, "byte 29: the endpoint of an annotation: a span of Zipkin's version 1, which POST /api/v1/spans takes"},
		{wire.ZipkinProto, "\x0a\x03\x42\x05x", "byte 3: a length of 5 where 1 bytes are left"},
		{wire.ZipkinProto, "\x0a\x02\x20\xff", "byte 4: the message ends within a field"},
		{wire.ZipkinProto, "\x0a\x02\x4b\x4c", "byte 2: a group, which no format here has"},
	} {
		var b span.Batch
		if _, err := wire.Decode(c.format, []byte(c.body), wire.Limits{}, &b); err == nil || err.Error() != c.err {
			t.Errorf("%q:\n got %v\nwant %s", c.body, err, c.err)
		}
	}
}

// realisticZipkin is what [realistic] is, in Zipkin's words: ten tags a span.
func realisticZipkin(spans int) (list []zipkinSpan) {
	for i := range spans {
		list = append(list, zipkinSpan{
			TraceID: fmt.Sprintf("69c7f3000a000001%016x", i/20+1), ID: fmt.Sprintf("%016x", i+1), ParentID: fmt.Sprintf("%016x", i/2+spans),
			Name: "get /subject/{id}", Kind: "CLIENT", Timestamp: 1_760_000_000e6 + int64(i), Duration: 5100,
			LocalEndpoint: &zipkinEndpoint{ServiceName: "movie-web", IPv4: "10.3.17.5"}, RemoteEndpoint: &zipkinEndpoint{"movie", "10.3.17.42", "", 8080},
			Tags: map[string]string{
				"http.request.method": "GET", "url.scheme": "http", "url.path": fmt.Sprint("/subject/", 1292052+i), "server.address": "movie.service.consul",
				"http.response.status_code": "200", "user.id": fmt.Sprint(40_000 + i), "cache.hit": fmt.Sprint(i%2 == 0),
				"user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "http.route": "/subject/{id}", "network.protocol.version": "1.1",
			},
		})
	}
	return list
}

// TestZipkinShares: spans that say the same of their resource and scope share it, wherever they stand.
func TestZipkinShares(t *testing.T) {
	var spans []zipkinSpan
	for i := range 12 {
		s := zipkinSpan{TraceID: zipkinTrace, ID: fmt.Sprintf("%016x", i+1), LocalEndpoint: &zipkinEndpoint{ServiceName: []string{"a", "b", "aa"}[i%3], Port: 80 + i%3<<8}}
		if i%2 == 0 {
			s.Tags = map[string]string{"otel.scope.name": "lib"}
		}
		spans = append(spans, s)
	}
	b, _ := bothZipkin(t, wire.Limits{}, spans...)
	spans[0].LocalEndpoint.ServiceName = "b" // but of another port
	if again, _ := bothZipkin(t, wire.Limits{}, spans[:2]...); len(again.Resources) != 2 {
		t.Errorf("%d resources of two ports", len(again.Resources))
	}
	if len(b.Resources) != 3 || len(b.Scopes) != 2 || b.Resource[1] != b.Resource[10] || b.Scope[0] != b.Scope[10] || b.Service(8) != "aa" {
		t.Errorf("%d resources, %d scopes", len(b.Resources), len(b.Scopes))
	}
}

// TestZipkinHostileSizes: bodies that are made to become many times their size in memory are cut.
func TestZipkinHostileSizes(t *testing.T) {
	ids := `"traceId":"1","id":"1"`
	several := func(n int, one string) string { return "[" + strings.Repeat(one+",", n-1) + one + "]" }
	var services []string
	for i := range 20_000 {
		services = append(services, fmt.Sprintf(`{%s,"localEndpoint":{"serviceName":"%d"}}`, ids, i))
	}
	var annotated []string
	for i := range 20 {
		annotated = append(annotated, fmt.Sprintf(`{"endpoint":{"serviceName":"%d"}}`, i))
	}
	empty := message(thriftField(thriftI64, 1, int64(1)), thriftField(thriftI64, 4, int64(1)), thriftField(thriftList, 6, thriftStructs(make([][]byte, 1000)...)))
	for _, c := range []struct {
		name   string
		format wire.Format
		body   string
		most   int // bytes allocated for one of the body
		cut    bool
	}{
		{"empty annotations", wire.ZipkinJSON, several(200, `{`+ids+`,"annotations":`+several(1024, `{}`)+`}`), 64, true},
		{"empty tags", wire.ZipkinProto, string(textField(1, string(message(textField(1, "12345678"), textField(3, "12345678"), []byte(strings.Repeat("\x5a\x00", 1<<20)))))), 8, false},
		{"empty annotations in protobuf", wire.ZipkinProto, strings.Repeat(string(textField(1, string(message(textField(1, "12345678"), textField(3, "12345678"), []byte(strings.Repeat("\x52\x00", 1000)))))), 1000), 32, true},
		{"a service for each span", wire.ZipkinJSON, "[" + strings.Join(services, ",") + "]", 64, false},
		{"a list in each annotation", wire.ZipkinJSON, several(1000, `{`+ids+`,"annotations":`+several(20, `{"value":"|{\"a\":`+strings.Repeat("[", 30)+strings.Repeat("]", 30)+`}|0"}`)+`}`), 64, false},
		{"annotations of several services", wire.ZipkinV1JSON, several(2000, `{`+ids+`,"annotations":[`+strings.Join(annotated, ",")+`]}`), 64, false},
		{"empty annotations in Thrift", wire.ZipkinThrift, string(thriftStructs(slices.Repeat([][]byte{empty}, 2000)...)), 64, true},
		{"a name that is not UTF-8, of eight services", wire.ZipkinThrift, string(v1Thrift(ofServices(8, strings.Repeat("\xff", 20_000)))), 32, false},
		{"nothing but spans", wire.ZipkinProto, strings.Repeat(string(textField(1, string(message(textField(1, "12345678"), textField(3, "12345678"))))), 100_000), 64, false},
	} {
		var (
			b             span.Batch
			before, after runtime.MemStats
		)
		body := []byte(c.body)
		runtime.ReadMemStats(&before)
		rep, err := wire.Decode(c.format, body, wire.Limits{}, &b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(c.most*len(body)) {
			t.Errorf("%s: %d bytes allocated for a body of %d", c.name, used, len(body))
		}
		if err != nil || rep.Limited != c.cut {
			t.Errorf("%s: %+v, %v", c.name, rep, err)
		}
	}
}
