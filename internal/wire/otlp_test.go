package wire_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// anySpans draws spans with everything that the model can say.
func anySpans() *rapid.Generator[[]span.Span] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "GET /", "名前", "a\"\\\n\x00", "service.name", "bytesValue", "kvlistValue"}), rapid.String())
	var value func(depth int) *rapid.Generator[span.Value]
	attrs := func(depth, most int) *rapid.Generator[[]span.Attribute] {
		return rapid.Custom(func(t *rapid.T) []span.Attribute {
			var out []span.Attribute
			for _, k := range rapid.SliceOfNDistinct(text, 0, most, rapid.ID).Draw(t, "keys") {
				out = append(out, span.Attribute{Key: k, Value: value(depth).Draw(t, "value")})
			}
			return out
		})
	}
	value = func(depth int) *rapid.Generator[span.Value] {
		return rapid.Custom(func(t *rapid.T) span.Value {
			typ := span.ValueType(rapid.IntRange(int(span.Null), int(span.Map)).Draw(t, "type"))
			switch typ {
			case span.String:
				return span.StringValue(text.Draw(t, "string"))
			case span.Bool:
				return span.BoolValue(rapid.Bool().Draw(t, "bool"))
			case span.Int:
				return span.IntValue(rapid.Int64().Draw(t, "int"))
			case span.Double:
				special := rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, math.Inf(1), math.Inf(-1), math.NaN()})
				return span.DoubleValue(rapid.OneOf(special, rapid.Float64()).Draw(t, "double"))
			case span.Bytes:
				return span.TextValue(typ, string(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes")))
			case span.List:
				if depth == 0 {
					return span.TextValue(typ, "[]")
				}
				return span.TextValue(typ, string(span.AppendJSONList(nil, rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "list"))))
			case span.Map:
				if depth == 0 {
					return span.TextValue(typ, "{}")
				}
				return span.TextValue(typ, string(span.AppendJSONMap(nil, attrs(depth-1, 3).Draw(t, "map"))))
			case span.Null:
			}
			return span.Value{}
		})
	}
	count := rapid.OneOf(rapid.Just(uint32(0)), rapid.Uint32())
	traceID := rapid.Custom(func(t *rapid.T) span.TraceID {
		return span.TraceID{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64Min(1).Draw(t, "lo")}
	})
	one := rapid.Custom(func(t *rapid.T) span.Span {
		start := rapid.Int64Min(0).Draw(t, "start")
		s := span.Span{
			TraceID: traceID.Draw(t, "trace"), SpanID: span.ID(rapid.Uint64Min(1).Draw(t, "id")), Parent: span.ID(rapid.Uint64().Draw(t, "parent")),
			Name: text.Draw(t, "name"), Kind: span.Kind(rapid.IntRange(0, 5).Draw(t, "kind")),
			Start: start, Duration: rapid.Int64Range(0, math.MaxInt64-start).Draw(t, "duration"),
			Status: span.Status(rapid.IntRange(0, 2).Draw(t, "status")), StatusMessage: text.Draw(t, "message"), TraceState: text.Draw(t, "state"),
			Flags: rapid.Uint32().Draw(t, "flags"), Attrs: attrs(2, 12).Draw(t, "attrs"),
			DroppedAttrs: count.Draw(t, "da"), DroppedEvents: count.Draw(t, "de"), DroppedLinks: count.Draw(t, "dl"),
			Resource: span.Resource{Attrs: attrs(1, 3).Draw(t, "resource"), Dropped: count.Draw(t, "dr"), SchemaURL: text.Draw(t, "url")},
			Scope: span.Scope{
				Name: text.Draw(t, "scope"), Version: text.Draw(t, "version"), Attrs: attrs(1, 2).Draw(t, "scope attrs"),
				Dropped: count.Draw(t, "ds"), SchemaURL: text.Draw(t, "scope url"),
			},
		}
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			s.Events = append(s.Events, span.Event{
				Time: rapid.Int64Min(0).Draw(t, "time"), Name: text.Draw(t, "event"), Attrs: attrs(1, 3).Draw(t, "event attrs"), Dropped: count.Draw(t, "dev"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "links") {
			s.Links = append(s.Links, span.Link{
				TraceID: traceID.Draw(t, "link trace"), SpanID: span.ID(rapid.Uint64().Draw(t, "link span")), TraceState: text.Draw(t, "link state"),
				Attrs: attrs(1, 2).Draw(t, "link attrs"), Dropped: count.Draw(t, "dli"), Flags: rapid.Uint32().Draw(t, "link flags"),
			})
		}
		return s
	})
	return rapid.SliceOfN(one, 1, 4)
}

// TestRoundTrips holds both decoders and the encoder against google's types.
func TestRoundTrips(t *testing.T) {
	var b span.Batch
	rapid.Check(t, func(t *rapid.T) {
		want := anySpans().Draw(t, "spans")
		req := toProto(want)
		for format, body := range map[wire.Format][]byte{wire.OTLPProto: marshal(t, req), wire.OTLPJSON: toJSON(t, req)} {
			b.Reset()
			rep, err := wire.Decode(format, body, wire.Limits{}, &b)
			if err != nil || rep != (wire.Report{}) {
				t.Fatalf("format %d: %+v, %v", format, rep, err)
			}
			if diff := cmp.Diff(want, rows(&b)); diff != "" {
				t.Fatalf("format %d, sent (-) and decoded (+):\n%s", format, diff)
			}
		}

		b.Reset()
		for i := range want {
			b.Append(&want[i])
		}
		format, body := wire.Encode(&b)
		var back collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &back); err != nil {
			t.Fatal(err)
		}
		encoded, _ := oracleSpans(&back)
		if diff := cmp.Diff(want, encoded); diff != "" {
			t.Fatalf("given (-) and encoded, by google's types (+):\n%s", diff)
		}
		b.Reset()
		if err := wire.Replay(format, body, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rows(&b)); diff != "" {
			t.Fatalf("given (-) and replayed (+):\n%s", diff)
		}
	})
}

// TestFieldOrder shuffles and splits the fields of every message; protobuf's rules say that this changes nothing
// but the order of repeated ones, which we keep by shuffling stably.
func TestFieldOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := marshal(t, toProto(anySpans().Draw(t, "spans")))
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		body = shuffled(rnd, body, (&collectorpb.ExportTraceServiceRequest{}).ProtoReflect().Descriptor())
		var req collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			t.Fatal(err)
		}
		want, _ := oracleSpans(&req)
		var b span.Batch
		if err := wire.Replay(byte(wire.OTLPProto), body, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rows(&b)); diff != "" {
			t.Fatalf("google (-) and we (+):\n%s", diff)
		}
	})
}

// span1 is a valid span in JSON, with room for more fields.
const span1 = `"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"`

func request(spans ...string) string {
	return `{"resourceSpans":[{"scopeSpans":[{"spans":[` + strings.Join(spans, ",") + `]}]}]}`
}

func decodeJSON(t *testing.T, body string, lim wire.Limits) (*span.Batch, wire.Report) {
	t.Helper()
	var b span.Batch
	rep, err := wire.Decode(wire.OTLPJSON, []byte(body), lim, &b)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return &b, rep
}

// TestJSONForms are the places where OTLP/JSON allows several forms, or is not protobuf's JSON.
func TestJSONForms(t *testing.T) {
	attr := func(v string) string { return `{` + span1 + `,"attributes":[{"key":"k","value":` + v + `}]}` }
	for _, c := range []struct {
		name, span string
		want       func(s *span.Span) any
		is         any
	}{
		{"hex in either case", `{"traceId":"ABCDEFabcdef00000000000000000001","spanId":"ABCDEF0000000001"}`, func(s *span.Span) any { return s.TraceID.String() + s.SpanID.String() }, "abcdefabcdef00000000000000000001abcdef0000000001"},
		{"no parent is zeros", `{` + span1 + `,"parentSpanId":"0000000000000000"}`, func(s *span.Span) any { return s.Parent }, span.ID(0)},
		{"time as string", `{` + span1 + `,"startTimeUnixNano":"1700000000000000001"}`, func(s *span.Span) any { return s.Start }, int64(1700000000000000001)},
		{"time as number", `{` + span1 + `,"startTimeUnixNano":1700000000000000001}`, func(s *span.Span) any { return s.Start }, int64(1700000000000000001)},
		{"integer with exponent", `{` + span1 + `,"startTimeUnixNano":1.7e18}`, func(s *span.Span) any { return s.Start }, int64(17e17)},
		{"unknown keys", `{"zz":{"a":[1,{"b":null}],"c":"\u00e9"},` + span1 + `,"kind":3,"Kind":2}`, func(s *span.Span) any { return s.Kind }, span.KindClient},
		{"null is absent", `{` + span1 + `,"name":null,"attributes":null,"status":null,"events":null,"kind":null}`, func(s *span.Span) any { return s.Name }, ""},
		{"last of equal keys", `{` + span1 + `,"name":"a","name":"b"}`, func(s *span.Span) any { return s.Name }, "b"},
		{"escapes", `{` + span1 + `,"name":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, func(s *span.Span) any { return s.Name }, "\"\\/\b\f\n\r\té😀"},
		{"lone surrogate", `{` + span1 + `,"name":"a\ud800b"}`, func(s *span.Span) any { return s.Name }, "a\ufffdb"},
		{"bad UTF-8", `{` + span1 + `,"name":"a` + "\xff\xfe" + `b"}`, func(s *span.Span) any { return s.Name }, "a\ufffd\ufffdb"},
		{"unknown enum number", `{` + span1 + `,"kind":77,"status":{"code":-1}}`, func(s *span.Span) any { return s.Kind }, span.KindUnspecified},
		{"greatest int", attr(`{"intValue":"9223372036854775807"}`), func(s *span.Span) any { return s.Attr("k") }, span.IntValue(math.MaxInt64)},
		{"int as string", attr(`{"intValue":"-9223372036854775808"}`), func(s *span.Span) any { return s.Attr("k") }, span.IntValue(math.MinInt64)},
		{"int as number", attr(`{"intValue":-5}`), func(s *span.Span) any { return s.Attr("k") }, span.IntValue(-5)},
		{"double as word", attr(`{"doubleValue":"-Infinity"}`), func(s *span.Span) any { return s.Attr("k") }, span.DoubleValue(math.Inf(-1))},
		{"double without point", attr(`{"doubleValue":3}`), func(s *span.Span) any { return s.Attr("k") }, span.DoubleValue(3)},
		{"base64", attr(`{"bytesValue":"/+8="}`), func(s *span.Span) any { return s.Attr("k") }, span.TextValue(span.Bytes, "\xff\xef")},
		{"base64 of URLs", attr(`{"bytesValue":"_-8"}`), func(s *span.Span) any { return s.Attr("k") }, span.TextValue(span.Bytes, "\xff\xef")},
		{"value before key", `{` + span1 + `,"attributes":[{"value":{"boolValue":true},"key":"k"}]}`, func(s *span.Span) any { return s.Attr("k") }, span.BoolValue(true)},
		{"empty value", attr(`{}`), func(s *span.Span) any { return s.Attrs }, []span.Attribute{{Key: "k"}}},
		{"list and map", attr(`{"arrayValue":{"values":[{"intValue":1},{"doubleValue":1},{"kvlistValue":{"values":[{"key":"x","value":{"bytesValue":"AA=="}}]}},{}]}}`), func(s *span.Span) any { return s.Attr("k") }, span.TextValue(span.List, `[1,1.0,{"x":{"bytesValue":"AA=="}},null]`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, rep := decodeJSON(t, request(c.span), wire.Limits{})
			if b.Len() != 1 {
				t.Fatalf("%d spans, %+v", b.Len(), rep)
			}
			s := b.Span(0)
			if diff := cmp.Diff(c.is, c.want(&s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestResourceLast: the resource and the scope may stand behind the spans that they are of.
func TestResourceLast(t *testing.T) {
	b, _ := decodeJSON(t, `{"resourceSpans":[{"scopeSpans":[{"spans":[{`+span1+`}],"scope":{"name":"lib"},"schemaUrl":"u"}],
		"schemaUrl":"v","resource":{"attributes":[{"key":"service.name","value":{"stringValue":"movie"}}]}}]}`, wire.Limits{})
	s := b.Span(0)
	if s.Service() != "movie" || s.Scope.Name != "lib" || s.Scope.SchemaURL != "u" || s.Resource.SchemaURL != "v" {
		t.Errorf("got %+v %+v", s.Resource, s.Scope)
	}
}

func TestInvalidSpans(t *testing.T) {
	good := &tracepb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8), Name: "good"}
	for _, c := range []struct {
		name   string
		change func(s *tracepb.Span)
		reason string
	}{
		{"short trace id", func(s *tracepb.Span) { s.TraceId = s.TraceId[1:] }, `span "bad": its trace id is 15 bytes, want 16 bytes`},
		{"64-bit trace id", func(s *tracepb.Span) { s.TraceId = s.TraceId[8:] }, `span "bad": its trace id is 8 bytes, want 16 bytes`},
		{"no trace id", func(s *tracepb.Span) { s.TraceId = nil }, `span "bad": its trace id is nothing but zeros, want 16 bytes`},
		{"zero trace id", func(s *tracepb.Span) { s.TraceId = make([]byte, 16) }, `span "bad": its trace id is nothing but zeros, want 16 bytes`},
		{"long span id", func(s *tracepb.Span) { s.SpanId = append(s.SpanId, 1) }, `span "bad": its span id is 9 bytes, want 8 bytes`},
		{"zero span id", func(s *tracepb.Span) { s.SpanId = make([]byte, 8) }, `span "bad": its span id is nothing but zeros, want 8 bytes`},
		{"short parent", func(s *tracepb.Span) { s.ParentSpanId = []byte{1} }, `span "bad": its parent span id is 1 bytes, want none or 8 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad, ok := proto.Clone(good).(*tracepb.Span)
			if !ok {
				t.Fatal("not a span")
			}
			bad.Name = "bad"
			bad.Attributes = toKeyValues([]span.Attribute{{Key: "a", Value: span.IntValue(1)}})
			bad.Events = []*tracepb.Span_Event{{Name: "e"}}
			c.change(bad)
			req := &collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{good, bad, good}}}}}}
			want, _ := oracleSpans(req)
			for format, body := range map[wire.Format][]byte{wire.OTLPProto: marshal(t, req), wire.OTLPJSON: toJSON(t, req)} {
				var b span.Batch
				rep, err := wire.Decode(format, body, wire.Limits{}, &b)
				if err != nil || rep.Rejected != 1 || rep.Reason != c.reason || rep.Limited {
					t.Errorf("format %d: %+v, %v", format, rep, err)
				}
				if diff := cmp.Diff(want, rows(&b)); diff != "" || b.Len() != 2 || len(b.Events) != 0 {
					t.Errorf("format %d: %s", format, diff)
				}
			}
		})
	}
	_, rep := decodeJSON(t, request(`{"traceId":"zz02030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}`), wire.Limits{})
	if rep.Rejected != 1 || !strings.Contains(rep.Reason, "no hex") {
		t.Errorf("an id that is no hex: %+v", rep)
	}
}

// TestLimits: each limit cuts, says so, and counts it on the span; both formats alike.
func TestLimits(t *testing.T) {
	long := strings.Repeat("é", 100) // 200 bytes
	many := func(n int) (attrs []span.Attribute) {
		for i := range n {
			attrs = append(attrs, span.Attribute{Key: fmt.Sprint("k", i), Value: span.IntValue(int64(i))})
		}
		return attrs
	}
	deep := "1"
	for range 40 {
		deep = "[" + deep + "]"
	}
	with := func(change func(s *span.Span)) []span.Span {
		s := span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: 1, Name: "n"}
		change(&s)
		return []span.Span{s}
	}
	for _, c := range []struct {
		name string
		lim  wire.Limits
		in   []span.Span
		want func(s *span.Span) // changes in to what is kept
		cut  int
	}{
		{"attributes", wire.Limits{Attributes: 3}, with(func(s *span.Span) { s.Attrs = many(5) }), func(s *span.Span) { s.Attrs, s.DroppedAttrs = s.Attrs[:3], 2 }, 2},
		{"attributes, equal keys do not count", wire.Limits{Attributes: 40}, with(func(s *span.Span) { s.Attrs = append(many(40), many(40)...) }), func(s *span.Span) { s.Attrs = s.Attrs[:40] }, 0},
		{"long key", wire.Limits{KeyBytes: 10}, with(func(s *span.Span) {
			s.Attrs = append(many(1), span.Attribute{Key: "12345678901", Value: span.IntValue(1)})
		}), func(s *span.Span) { s.Attrs, s.DroppedAttrs = s.Attrs[:1], 1 }, 1},
		{"long value, between characters", wire.Limits{ValueBytes: 151}, with(func(s *span.Span) { s.Attrs = []span.Attribute{{Key: "k", Value: span.StringValue(long)}} }), func(s *span.Span) { s.Attrs[0].Value.Str, s.DroppedAttrs = long[:150], 1 }, 1},
		{"long bytes", wire.Limits{ValueBytes: 151}, with(func(s *span.Span) { s.Attrs = []span.Attribute{{Key: "k", Value: span.TextValue(span.Bytes, long)}} }), func(s *span.Span) { s.Attrs[0].Value.Str, s.DroppedAttrs = long[:151], 1 }, 1},
		{"long name and message", wire.Limits{ValueBytes: 150}, with(func(s *span.Span) { s.Name, s.StatusMessage = long, long }), func(s *span.Span) { s.Name, s.StatusMessage, s.DroppedAttrs = long[:150], long[:150], 2 }, 2},
		{"long list", wire.Limits{ValueBytes: 4}, with(func(s *span.Span) {
			s.Attrs = []span.Attribute{{Key: "k", Value: span.TextValue(span.List, `["abcd","efgh"]`)}}
		}), func(s *span.Span) { s.Attrs[0].Value.Str, s.DroppedAttrs = `["abcd"]`, 1 }, 1},
		{"deep list", wire.Limits{}, with(func(s *span.Span) { s.Attrs = []span.Attribute{{Key: "k", Value: span.TextValue(span.List, deep)}} }), func(s *span.Span) {
			s.Attrs[0].Value.Str, s.DroppedAttrs = strings.Repeat("[", 32)+"null"+strings.Repeat("]", 32), 1
		}, 1},
		{"events", wire.Limits{Events: 1}, with(func(s *span.Span) { s.Events = []span.Event{{Name: "a"}, {Name: "b"}, {Name: "c"}} }), func(s *span.Span) { s.Events, s.DroppedEvents = s.Events[:1], 2 }, 2},
		{"attributes of an event", wire.Limits{Attributes: 1}, with(func(s *span.Span) { s.Events = []span.Event{{Attrs: many(3)}} }), func(s *span.Span) { s.Events[0].Attrs, s.Events[0].Dropped = many(1), 2 }, 2},
		{"links", wire.Limits{Links: 1}, with(func(s *span.Span) { s.Links = []span.Link{{SpanID: 1, TraceID: span.TraceID{Lo: 1}}, {SpanID: 2}} }), func(s *span.Span) { s.Links, s.DroppedLinks = s.Links[:1], 1 }, 1},
		{"attributes of a resource", wire.Limits{Attributes: 1}, with(func(s *span.Span) { s.Resource.Attrs = many(2) }), func(s *span.Span) { s.Resource.Attrs, s.Resource.Dropped = many(1), 1 }, 1},
		{"elements", wire.Limits{Elements: 4}, with(func(s *span.Span) { s.Attrs, s.Events = many(3), []span.Event{{Attrs: many(1)}, {}} }), func(s *span.Span) {
			s.Events, s.DroppedEvents = []span.Event{{Dropped: 1}}, 1
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := toProto(c.in)
			want := c.in[0]
			c.want(&want)
			for format, body := range map[wire.Format][]byte{wire.OTLPProto: marshal(t, req), wire.OTLPJSON: toJSON(t, req)} {
				var b span.Batch
				rep, err := wire.Decode(format, body, c.lim, &b)
				if err != nil || rep != (wire.Report{Cut: c.cut, Limited: c.cut > 0}) {
					t.Errorf("format %d: %+v, %v", format, rep, err)
				}
				if diff := cmp.Diff([]span.Span{want}, rows(&b)); diff != "" {
					t.Errorf("format %d, want (-), got (+):\n%s", format, diff)
				}
			}
		})
	}

	var b span.Batch
	two := append(with(func(*span.Span) {}), with(func(*span.Span) {})...)
	rep, err := wire.Decode(wire.OTLPProto, marshal(t, toProto(two)), wire.Limits{Spans: 1}, &b)
	if err != nil || b.Len() != 1 || rep.Rejected != 1 || !rep.Limited || rep.Reason != "more than 1 spans in a request" {
		t.Errorf("spans: %d, %+v, %v", b.Len(), rep, err)
	}
	if _, err := wire.Decode(wire.OTLPProto, make([]byte, 11), wire.Limits{RequestBytes: 10}, &b); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("bytes: %v", err)
	}
}

// TestRepairs: what is not UTF-8 is repaired and counted, wherever it stands.
func TestRepairs(t *testing.T) {
	good := marshal(t, toProto([]span.Span{{
		TraceID: span.TraceID{Lo: 1}, SpanID: 1, Name: "bad", Attrs: []span.Attribute{
			{Key: "bad", Value: span.IntValue(1)},
			{Key: "s", Value: span.StringValue("bad")},
			{Key: "l", Value: span.TextValue(span.List, `["bad"]`)},
		},
	}}))
	var b span.Batch
	rep, err := wire.Decode(wire.OTLPProto, bytes.ReplaceAll(good, []byte("bad"), []byte("\xff\xc3d")), wire.Limits{}, &b)
	if err != nil || rep != (wire.Report{Replaced: 4}) {
		t.Fatalf("%+v, %v", rep, err)
	}
	const fixed = "\ufffd\ufffdd"
	s := b.Span(0)
	want := []span.Attribute{{Key: fixed, Value: span.IntValue(1)}, {Key: "s", Value: span.StringValue(fixed)}, {Key: "l", Value: span.TextValue(span.List, `["`+fixed+`"]`)}}
	if diff := cmp.Diff(want, s.Attrs); diff != "" || s.Name != fixed {
		t.Errorf("name %q, attributes %s", s.Name, diff)
	}
}

// TestBroken: every prefix of a message is either refused with an offset inside it, or is a message.
func TestBroken(t *testing.T) {
	req := toProto([]span.Span{{
		TraceID: span.TraceID{Lo: 1}, SpanID: 1, Parent: 2, Name: "name", Flags: 1, Start: 5, Attrs: []span.Attribute{{Key: "k", Value: span.TextValue(span.List, `[1,2.5,"x"]`)}},
		Events: []span.Event{{Time: 1, Name: "e"}}, Links: []span.Link{{TraceID: span.TraceID{Lo: 3}, SpanID: 3}},
	}})
	for format, body := range map[wire.Format][]byte{wire.OTLPProto: marshal(t, req), wire.OTLPJSON: toJSON(t, req)} {
		for n := range len(body) {
			var b span.Batch
			_, err := wire.Decode(format, body[:n:n], wire.Limits{}, &b)
			var e *wire.Error
			if format == wire.OTLPProto && n == 0 {
				if err != nil {
					t.Errorf("the empty message: %v", err)
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
		{wire.OTLPProto, "\x0a\x05\x12", "byte 1: a length of 5 where 1 bytes are left"},
		{wire.OTLPProto, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "byte 1: an integer of more than 64 bits"},
		{wire.OTLPProto, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "byte 1: a length of 18446744073709551615 where 0 bytes are left"},
		{wire.OTLPProto, "\x0b\x0c", "byte 0: a group, which no format here has"},
		{wire.OTLPProto, "\x0f", "byte 0: wire type 7, which protobuf does not have"},
		{wire.OTLPProto, "\x02\x00", "byte 0: no field has the number 0"},
		{wire.OTLPJSON, ``, "byte 0: the text ends where an object should be"},
		{wire.OTLPJSON, `[]`, "byte 0: '[' where an object should be"},
		{wire.OTLPJSON, `{} {`, "byte 3: text after the end of the request"},
		{wire.OTLPJSON, `{"resourceSpans":[{]}`, "byte 19: ']' where a string should be"},
		{wire.OTLPJSON, request(`{"attributes":[{"key":"k","value":{"intValue":"9223372036854775808"}}]}`), `byte 89: "9223372036854775808" is not an integer that fits here`},
		{wire.OTLPJSON, request(`{"kind":"SPAN_KIND_CLIENT"}`), `byte 51: "SPAN_KIND_CLIENT" is not an integer that fits here (enums are numbers, not names)`},
		{wire.OTLPJSON, request(`{"attributes":[{"value":{"bytesValue":"*"}}]}`), "byte 81: bytesValue is not base64"},
		{wire.OTLPJSON, `{"x":` + strings.Repeat("[", 5000), "byte 1004: nested deeper than 1000"},
		{8, "", "byte 0: unknown format 0x8"},
	} {
		var b span.Batch
		if _, err := wire.Decode(c.format, []byte(c.body), wire.Limits{}, &b); err == nil || err.Error() != c.err {
			t.Errorf("%.80q:\n got %v\nwant %s", c.body, err, c.err)
		}
	}
}

// TestMerge: a message that comes in parts is read as one, within attribute values too.
func TestMerge(t *testing.T) {
	part := func(values ...int64) []byte {
		list := &commonpb.ArrayValue{}
		for _, v := range values {
			list.Values = append(list.Values, toAnyValue(span.IntValue(v)))
		}
		return marshal(t, &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}})
	}
	message := func(num protowire.Number, parts ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(parts, nil))
	}
	attribute := func(values ...[]byte) []byte {
		kv := [][]byte{message(1, []byte("k"))}
		for _, v := range values {
			kv = append(kv, message(2, v))
		}
		return message(9, kv...)
	}
	ids := append(message(1, bytes.Repeat([]byte{1}, 16)), message(2, bytes.Repeat([]byte{2}, 8))...)
	str := marshal(t, toAnyValue(span.StringValue("s")))
	for name, attrs := range map[string][]byte{
		"value twice":          attribute(part(1), part(2, 3)),
		"list twice":           attribute(append(part(1), part(2)...)),
		"list, string, list":   attribute(append(append(part(1), str...), part(2)...)),
		"list, then string":    attribute(part(1), str),
		"both":                 attribute(append(part(1), part(2)...), part(3)),
		"attribute twice":      append(attribute(str), attribute(part(4))...),
		"in parts, twice over": append(attribute(part(1), part(2)), attribute(part(3), part(4))...),
	} {
		body := message(1, message(2, message(2, ids, attrs)))
		var req collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			t.Fatal(err)
		}
		want, _ := oracleSpans(&req)
		var b span.Batch
		if _, err := wire.Decode(wire.OTLPProto, body, wire.Limits{}, &b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, rows(&b)); diff != "" || len(want) != 1 {
			t.Errorf("%s: google (-), we (+):\n%s", name, diff)
		}
	}
}

func gzipped(t rapid.TB, p []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestGunzip(t *testing.T) {
	text := []byte(strings.Repeat("a request becomes a picture ", 1000))
	body := gzipped(t, text)
	for _, limit := range []int{len(text), len(text) + 1, 1 << 30} {
		if got, err := wire.Gunzip([]byte("x"), body, limit); err != nil || string(got) != "x"+string(text) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
	if _, err := wire.Gunzip(nil, body, len(text)-1); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if got, err := wire.Gunzip(nil, slices.Concat(body, body), 1<<30); err != nil || len(got) != 2*len(text) {
		t.Errorf("two members: %d bytes, %v", len(got), err)
	}
	for n := range len(body) {
		var e *wire.Error
		if _, err := wire.Gunzip(nil, body[:n], 1<<30); !errors.As(err, &e) || e.Offset > n {
			t.Fatalf("%d of %d bytes: %v", n, len(body), err)
		}
	}
}

// TestBomb: what does not fit is refused without being unpacked to its end.
func TestBomb(t *testing.T) {
	bomb := bytes.Repeat(gzipped(t, make([]byte, 1<<20)), 256) // a stream may have many members
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := wire.Gunzip(nil, bomb, 1<<20)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes allocated on the way to a limit of 1 MiB", used)
	}
}

// TestHostileSizes: bodies that are made to become many times their size in memory are cut or refused.
func TestHostileSizes(t *testing.T) {
	message := func(num protowire.Number, parts ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(parts, nil))
	}
	ids := append(message(1, bytes.Repeat([]byte{1}, 16)), message(2, bytes.Repeat([]byte{2}, 8))...)
	spans := func(n int, more ...[]byte) []byte {
		s := message(2, append([][]byte{ids}, more...)...)
		return message(1, message(2, bytes.Repeat(s, n)))
	}
	attribute := func(key string, value []byte) []byte { return message(9, message(1, []byte(key)), message(2, value)) }
	list := message(1, bytes.Repeat([]byte("x"), 1<<20))
	for range 30 {
		list = append(message(5), message(5, message(1, list))...) // in two parts, the first of which is empty
	}
	var keys, small []byte
	for i := range 1000 {
		small = append(small, attribute(strconv.Itoa(i), nil)...)
	}
	for i := range 1 << 20 {
		keys = append(keys, message(1, message(1, []byte{byte(i), byte(i >> 8), byte(i >> 16)}))...)
	}
	for _, c := range []struct {
		name string
		body []byte
		most int // bytes allocated for one of the body; a column that grows by quarters has had five times its size
		cut  bool
		err  string
	}{
		{"empty links", spans(2000, bytes.Repeat(message(13), 1024)), 48, true, ""},
		{"empty events", spans(2000, bytes.Repeat(message(11), 1024)), 32, true, ""},
		{"a map of a million keys", spans(1, attribute("k", message(6, keys))), 8, true, ""},
		{"lists in parts within lists in parts", spans(1, attribute("k", list)), 8, false, "in parts within values that come in parts"},
		{"100,000 small attributes", spans(100, small), 32, false, ""},
	} {
		var (
			b             span.Batch
			before, after runtime.MemStats
		)
		runtime.ReadMemStats(&before)
		rep, err := wire.Decode(wire.OTLPProto, slices.Clip(c.body), wire.Limits{}, &b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(c.most*len(c.body)) {
			t.Errorf("%s: %d bytes allocated for a body of %d", c.name, used, len(c.body))
		}
		if rep.Limited != c.cut || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", c.name, rep, err)
		}
	}
	lie := append(gzipped(t, nil)[:16], 0xff, 0xff, 0xff, 0x03)
	if n := wire.GunzipHint(lie, 64<<20); n > 1032*len(lie) {
		t.Errorf("a stream of %d bytes may take %d", len(lie), n)
	}
}

// TestEmptyMessages: half a million messages that hold no valid span leave nothing behind.
func TestEmptyMessages(t *testing.T) {
	const n = 1 << 18
	var spans []byte
	for range n {
		spans = append(spans, 0x12, 0x02, 0x5a, 0x00) // a span of nothing but an empty event
	}
	group := protowire.AppendBytes([]byte{0x12}, spans)
	body := protowire.AppendBytes([]byte{0x0a}, group)
	body = append(body, bytes.Repeat([]byte{0x0a, 0x02, 0x12, 0x00}, n)...) // resources with an empty scope
	var b span.Batch
	rep, err := wire.Decode(wire.OTLPProto, body, wire.Limits{}, &b)
	if err != nil || rep.Rejected != n || b.Len()+len(b.Resources)+len(b.Scopes)+len(b.Events)+len(b.Values) != 0 {
		t.Errorf("%+v, %v; %d resources, %d scopes, %d events", rep, err, len(b.Resources), len(b.Scopes), len(b.Events))
	}
}

func TestReplayGzip(t *testing.T) {
	want := []span.Span{{TraceID: span.TraceID{Lo: 1}, SpanID: 1, Name: "n"}}
	for format, body := range map[wire.Format][]byte{wire.OTLPProto: marshal(t, toProto(want)), wire.OTLPJSON: toJSON(t, toProto(want))} {
		var b span.Batch
		if err := wire.Replay(byte(format|wire.Gzip), gzipped(t, body), &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rows(&b)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestNoAllocations: decoding into a reused batch allocates nothing; what Zipkin's and Jaeger's decoders write goes behind the
// body, which has the room. The least of several runs is taken, as a pool may be empty and the decoder new: the race detector
// makes pools lose things.
func TestNoAllocations(t *testing.T) {
	spans, old := realisticZipkin(200), realisticV1(200)
	asJSON, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	for format, body := range map[wire.Format][]byte{
		wire.OTLPProto: marshal(t, realistic(200)), wire.OTLPJSON: toJSON(t, realistic(200)),
		wire.ZipkinJSON: zipkinJSON(t, spans...), wire.ZipkinProto: zipkinProto(spans...), wire.ZipkinV1JSON: asJSON, wire.ZipkinThrift: v1Thrift(old...),
		wire.JaegerThrift: jaegerBody(t, realisticJaeger(200)),
	} {
		body = slices.Grow(body, 32<<10)
		var b span.Batch
		least := math.Inf(1)
		for i := 0; least > 0 && i < 20; i++ {
			least = min(least, testing.AllocsPerRun(1, func() {
				b.Reset()
				if _, err := wire.Decode(format, body, wire.Limits{}, &b); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if least > 0 {
			t.Errorf("format %d: %v allocations a request of 200 spans", format, least)
		}
	}
}
