package wire_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/wire/tracefile"
)

// jaegerBody is a batch as Jaeger's clients send it.
func jaegerBody(t rapid.TB, batch *jaeger.Batch) []byte {
	t.Helper()
	buf := thrift.NewTMemoryBuffer()
	if err := batch.Write(context.Background(), thrift.NewTBinaryProtocolConf(buf, nil)); err != nil {
		t.Fatalf("%v", err)
	}
	return buf.Bytes()
}

// decodeJaeger decodes a body, and demands that it be replayed as the same, compressed or not.
func decodeJaeger(t rapid.TB, body []byte, lim wire.Limits) ([]span.Span, wire.Report) {
	t.Helper()
	var b, again, unzipped span.Batch
	rep, err := wire.Decode(wire.JaegerThrift, bytes.Clone(body), lim, &b)
	if err != nil {
		t.Fatalf("%v", err)
	}
	spans := rows(&b)
	if rep.Limited {
		return spans, rep
	}
	if err := wire.Replay(7, body, &again); err != nil {
		t.Fatalf("replay: %v", err)
	}
	if err := wire.Replay(0x87, gzipped(t, body), &unzipped); err != nil {
		t.Fatalf("replay of gzip: %v", err)
	}
	if diff := cmp.Diff(spans, rows(&again)) + cmp.Diff(spans, rows(&unzipped)); diff != "" {
		t.Fatalf("decoded (-), replayed (+):\n%s", diff)
	}
	return spans, rep
}

// viaJSON are the spans of a batch as package tracefile reads them from the JSON of Jaeger's API.
func viaJSON(t rapid.TB, batch *jaeger.Batch) []span.Span {
	t.Helper()
	type object = map[string]any
	tags := func(list []*jaeger.Tag) []object {
		out := []object{}
		for _, tag := range list {
			o := object{"key": tag.Key}
			switch tag.VType {
			case jaeger.TagType_STRING:
				o["type"], o["value"] = "string", tag.GetVStr()
			case jaeger.TagType_DOUBLE:
				o["type"], o["value"] = "float64", strconv.FormatFloat(tag.GetVDouble(), 'g', -1, 64)
			case jaeger.TagType_BOOL:
				o["type"], o["value"] = "bool", tag.GetVBool()
			case jaeger.TagType_LONG:
				o["type"], o["value"] = "int64", strconv.FormatInt(tag.GetVLong(), 10)
			case jaeger.TagType_BINARY:
				o["type"], o["value"] = "binary", base64.StdEncoding.EncodeToString(tag.VBinary)
			}
			out = append(out, o)
		}
		return out
	}
	traceID := func(hi, lo int64) string { return fmt.Sprintf("%x%016x", uint64(hi), uint64(lo)) }
	var spans []object
	for _, s := range batch.Spans {
		refs, logs := []object{}, []object{}
		for _, r := range s.References {
			refs = append(refs, object{"refType": r.RefType.String(), "traceID": traceID(r.TraceIdHigh, r.TraceIdLow), "spanID": fmt.Sprintf("%x", uint64(r.SpanId))})
		}
		for _, l := range s.Logs {
			logs = append(logs, object{"timestamp": l.Timestamp, "fields": tags(l.Fields)})
		}
		spans = append(spans, object{
			"traceID": traceID(s.TraceIdHigh, s.TraceIdLow), "spanID": fmt.Sprintf("%x", uint64(s.SpanId)), "parentSpanID": fmt.Sprintf("%x", uint64(s.ParentSpanId)),
			"operationName": s.OperationName, "flags": uint32(s.Flags), "startTime": s.StartTime, "duration": s.Duration,
			"references": refs, "tags": tags(s.Tags), "logs": logs, "processID": "p1",
		})
	}
	text, err := json.Marshal(object{"data": []object{{
		"spans": spans, "processes": object{"p1": object{"serviceName": batch.Process.ServiceName, "tags": tags(batch.Process.Tags)}},
	}}})
	if err != nil {
		t.Fatalf("%v", err)
	}
	_, b, _, err := tracefile.Decode(text, wire.Limits{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return rows(b)
}

func stringTag(key, v string) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &v}
}

func longTag(key string, v int64) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_LONG, VLong: &v}
}

func boolTag(key string, v bool) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_BOOL, VBool: &v}
}

func doubleTag(key string, v float64) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_DOUBLE, VDouble: &v}
}

func binaryTag(key, v string) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_BINARY, VBinary: []byte(v)}
}

// jaegerOne is a batch of one span, with ids and nothing else.
func jaegerOne() *jaeger.Batch {
	return &jaeger.Batch{Process: &jaeger.Process{}, Spans: []*jaeger.Span{{TraceIdHigh: 1, TraceIdLow: 2, SpanId: 3}}}
}

// TestJaegerRules are the rules by which Jaeger's spans become ours, in Thrift and in the JSON of files.
func TestJaegerRules(t *testing.T) {
	tags := func(list ...*jaeger.Tag) func(*jaeger.Batch) {
		return func(b *jaeger.Batch) { b.Spans[0].Tags = list }
	}
	process := func(name string, list ...*jaeger.Tag) func(*jaeger.Batch) {
		return func(b *jaeger.Batch) { b.Process = &jaeger.Process{ServiceName: name, Tags: list} }
	}
	log := func(fields ...*jaeger.Tag) func(*jaeger.Batch) {
		return func(b *jaeger.Batch) { b.Spans[0].Logs = []*jaeger.Log{{Timestamp: 7, Fields: fields}} }
	}
	ref := func(typ jaeger.SpanRefType, hi, lo, id int64) *jaeger.SpanRef {
		return &jaeger.SpanRef{RefType: typ, TraceIdHigh: hi, TraceIdLow: lo, SpanId: id}
	}
	refs := func(parent int64, list ...*jaeger.SpanRef) func(*jaeger.Batch) {
		return func(b *jaeger.Batch) { b.Spans[0].ParentSpanId, b.Spans[0].References = parent, list }
	}
	link := func(hi, lo uint64, id span.ID, how string) span.Link {
		return span.Link{TraceID: span.TraceID{Hi: hi, Lo: lo}, SpanID: id, Attrs: []span.Attribute{{Key: "opentracing.ref_type", Value: span.StringValue(how)}}}
	}
	attr := func(key string, v span.Value) []span.Attribute { return []span.Attribute{{Key: key, Value: v}} }
	const child, follows = jaeger.SpanRefType_CHILD_OF, jaeger.SpanRefType_FOLLOWS_FROM

	for _, c := range []struct {
		name string
		make func(*jaeger.Batch)
		want func(*span.Span) // what becomes of the span of jaegerOne
	}{
		{"ids", func(b *jaeger.Batch) {
			s := b.Spans[0]
			s.TraceIdHigh, s.TraceIdLow, s.SpanId, s.ParentSpanId = -1, -2, -3, -4
		}, func(s *span.Span) {
			s.TraceID, s.SpanID, s.Parent = span.TraceID{Hi: math.MaxUint64, Lo: math.MaxUint64 - 1}, math.MaxUint64-2, math.MaxUint64-3
		}},
		{"64-bit trace id", func(b *jaeger.Batch) { b.Spans[0].TraceIdHigh = 0 }, func(s *span.Span) { s.TraceID.Hi = 0 }},
		{"name and times", func(b *jaeger.Batch) {
			s := b.Spans[0]
			s.OperationName, s.StartTime, s.Duration = "GET /", 1_700_000_000_123_456, 789
		}, func(s *span.Span) { s.Name, s.Start, s.Duration = "GET /", 1_700_000_000_123_456_000, 789_000 }},
		{"a start beyond what nanoseconds can be", func(b *jaeger.Batch) { b.Spans[0].StartTime = math.MaxInt64 }, func(s *span.Span) { s.Start = math.MaxInt64 / 1000 * 1000 }},
		{"a start before 1970", func(b *jaeger.Batch) { b.Spans[0].StartTime, b.Spans[0].Duration = -5, 5 }, func(s *span.Span) { s.Duration = 5000 }},
		{"sampled", func(b *jaeger.Batch) { b.Spans[0].Flags = 1 }, func(s *span.Span) { s.Flags = span.FlagSampled }},
		{"debug", func(b *jaeger.Batch) { b.Spans[0].Flags = 2 }, func(s *span.Span) { s.Flags = span.FlagSampled }},
		{"another flag", func(b *jaeger.Batch) { b.Spans[0].Flags = 8 }, func(*span.Span) {}},
		{"tags of each type", tags(stringTag("s", "é"), stringTag("", ""), doubleTag("d", -0.5), boolTag("b", true), boolTag("n", false), longTag("l", -1), binaryTag("y", "\xff\x00")), func(s *span.Span) {
			s.Attrs = []span.Attribute{
				{Key: "s", Value: span.StringValue("é")},
				{Key: "", Value: span.StringValue("")},
				{Key: "d", Value: span.DoubleValue(-0.5)},
				{Key: "b", Value: span.BoolValue(true)},
				{Key: "n", Value: span.BoolValue(false)},
				{Key: "l", Value: span.IntValue(-1)},
				{Key: "y", Value: span.TextValue(span.Bytes, "\xff\x00")},
			}
		}},
		{"kind", tags(stringTag("span.kind", "consumer")), func(s *span.Span) { s.Kind = span.KindConsumer }},
		{"no kind", tags(stringTag("span.kind", "SERVER")), func(s *span.Span) { s.Attrs = attr("span.kind", span.StringValue("SERVER")) }},
		{"kind of another type", tags(longTag("span.kind", 2)), func(s *span.Span) { s.Attrs = attr("span.kind", span.IntValue(2)) }},
		{"error", tags(boolTag("error", true)), func(s *span.Span) { s.Status = span.StatusError }},
		{"error as text", tags(stringTag("error", "true")), func(s *span.Span) { s.Status, s.Attrs = span.StatusError, attr("error", span.StringValue("true")) }},
		{"no error", tags(boolTag("error", false)), func(s *span.Span) { s.Attrs = attr("error", span.BoolValue(false)) }},
		{"another error", tags(stringTag("error", "dial")), func(s *span.Span) { s.Attrs = attr("error", span.StringValue("dial")) }},
		{"status", tags(stringTag("otel.status_code", "ERROR"), stringTag("otel.status_description", "gone")), func(s *span.Span) { s.Status, s.StatusMessage = span.StatusError, "gone" }},
		{"a status that is OK outweighs an error", tags(boolTag("error", true), stringTag("otel.status_code", "OK")), func(s *span.Span) { s.Status = span.StatusOK }},
		{"so does one that is unset", tags(boolTag("error", true), stringTag("otel.status_code", "UNSET")), func(*span.Span) {}},
		{"no status", tags(boolTag("error", true), stringTag("otel.status_code", "Ok")), func(s *span.Span) {
			s.Status, s.Attrs = span.StatusError, attr("otel.status_code", span.StringValue("Ok"))
		}},
		{"status of another type", tags(longTag("otel.status_code", 2)), func(s *span.Span) { s.Attrs = attr("otel.status_code", span.IntValue(2)) }},
		{"scope and state", tags(stringTag("otel.scope.name", "lib"), stringTag("otel.scope.version", "1"), stringTag("w3c.tracestate", "a=b")), func(s *span.Span) {
			s.Scope, s.TraceState = span.Scope{Name: "lib", Version: "1"}, "a=b"
		}},
		{"scope as it was called", tags(stringTag("otel.library.name", "lib"), stringTag("otel.library.version", "1")), func(s *span.Span) { s.Scope = span.Scope{Name: "lib", Version: "1"} }},

		{"HTTP: a server that fails", tags(longTag("http.status_code", 500), stringTag("span.kind", "server")), func(s *span.Span) {
			s.Kind, s.Status, s.Attrs = span.KindServer, span.StatusError, attr("http.status_code", span.IntValue(500))
		}},
		{"HTTP: a server that refuses", tags(longTag("http.status_code", 499), stringTag("span.kind", "server")), func(s *span.Span) {
			s.Kind, s.Attrs = span.KindServer, attr("http.status_code", span.IntValue(499))
		}},
		{"HTTP: a client that is refused", tags(longTag("http.status_code", 400), stringTag("span.kind", "client")), func(s *span.Span) {
			s.Kind, s.Status, s.Attrs = span.KindClient, span.StatusError, attr("http.status_code", span.IntValue(400))
		}},
		{"HTTP: as text, by today's name", tags(stringTag("http.response.status_code", "503"), stringTag("span.kind", "client")), func(s *span.Span) {
			s.Kind, s.Status, s.Attrs = span.KindClient, span.StatusError, attr("http.response.status_code", span.StringValue("503"))
		}},
		{"HTTP: a text that is no status", tags(stringTag("http.status_code", "5xx"), stringTag("span.kind", "client")), func(s *span.Span) {
			s.Kind, s.Attrs = span.KindClient, attr("http.status_code", span.StringValue("5xx"))
		}},
		{"HTTP: no such status", tags(longTag("http.status_code", 600), stringTag("span.kind", "client")), func(s *span.Span) {
			s.Kind, s.Attrs = span.KindClient, attr("http.status_code", span.IntValue(600))
		}},
		{"HTTP: a client that is not refused", tags(longTag("http.status_code", 399), stringTag("span.kind", "client")), func(s *span.Span) {
			s.Kind, s.Attrs = span.KindClient, attr("http.status_code", span.IntValue(399))
		}},
		{"HTTP: neither client nor server", tags(longTag("http.status_code", 500)), func(s *span.Span) { s.Attrs = attr("http.status_code", span.IntValue(500)) }},
		{"HTTP: the status itself outweighs it", tags(stringTag("otel.status_code", "OK"), longTag("http.status_code", 500), stringTag("span.kind", "server")), func(s *span.Span) {
			s.Kind, s.Status, s.Attrs = span.KindServer, span.StatusOK, attr("http.status_code", span.IntValue(500))
		}},

		{"process", process("web", stringTag("hostname", "web-1"), longTag("pid", 7)), func(s *span.Span) {
			s.Resource.Attrs = []span.Attribute{{Key: "hostname", Value: span.StringValue("web-1")}, {Key: "pid", Value: span.IntValue(7)}, {Key: "service.name", Value: span.StringValue("web")}}
		}},
		{"process without a name", process("", stringTag("hostname", "web-1")), func(s *span.Span) { s.Resource.Attrs = attr("hostname", span.StringValue("web-1")) }},
		{"a process's tags are no fields", process("", stringTag("span.kind", "server")), func(s *span.Span) { s.Resource.Attrs = attr("span.kind", span.StringValue("server")) }},

		{"log", log(stringTag("a", "1"), stringTag("event", "e"), stringTag("message", "m")), func(s *span.Span) {
			s.Events = []span.Event{{Time: 7000, Name: "e", Attrs: []span.Attribute{{Key: "a", Value: span.StringValue("1")}, {Key: "message", Value: span.StringValue("m")}}}}
		}},
		{"log with a message", log(stringTag("a", "1"), stringTag("message", "m"), longTag("b", 2)), func(s *span.Span) {
			s.Events = []span.Event{{Time: 7000, Name: "m", Attrs: []span.Attribute{{Key: "a", Value: span.StringValue("1")}, {Key: "b", Value: span.IntValue(2)}}}}
		}},
		{"log with nothing else", log(stringTag("message", "m")), func(s *span.Span) { s.Events = []span.Event{{Time: 7000, Name: "m"}} }},
		{"log with a number for a name", log(longTag("event", 1), longTag("message", 2)), func(s *span.Span) {
			s.Events = []span.Event{{Time: 7000, Attrs: []span.Attribute{{Key: "event", Value: span.IntValue(1)}, {Key: "message", Value: span.IntValue(2)}}}}
		}},
		{"empty log", log(), func(s *span.Span) { s.Events = []span.Event{{Time: 7000}} }},

		{"parent", refs(9), func(s *span.Span) { s.Parent = 9 }},
		{"parent by reference", refs(0, ref(child, 1, 2, 9)), func(s *span.Span) { s.Parent = 9 }},
		{"parent in both ways", refs(9, ref(child, 1, 2, 9)), func(s *span.Span) { s.Parent = 9 }},
		{"two parents", refs(0, ref(child, 1, 2, 8), ref(child, 1, 2, 9)), func(s *span.Span) { s.Parent, s.Links = 8, []span.Link{link(1, 2, 9, "child_of")} }},
		{"a second parent by reference", refs(9, ref(child, 1, 2, 8)), func(s *span.Span) { s.Parent, s.Links = 9, []span.Link{link(1, 2, 8, "child_of")} }},
		{"a parent in another trace", refs(0, ref(child, 0, 2, 9)), func(s *span.Span) { s.Links = []span.Link{link(0, 2, 9, "child_of")} }},
		{"an id shared with the client", refs(0, ref(child, 1, 2, 3)), func(*span.Span) {}},
		{"a predecessor", refs(9, ref(follows, 1, 2, 9)), func(s *span.Span) { s.Parent, s.Links = 9, []span.Link{link(1, 2, 9, "follows_from")} }},
		{"a predecessor that is no parent", refs(0, ref(follows, 5, 6, -1)), func(s *span.Span) { s.Links = []span.Link{link(5, 6, math.MaxUint64, "follows_from")} }},
		{"references without ids", refs(0, ref(follows, 0, 0, 1), ref(child, 1, 2, 0)), func(*span.Span) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			batch := jaegerOne()
			c.make(batch)
			want := span.Span{TraceID: span.TraceID{Hi: 1, Lo: 2}, SpanID: 3}
			c.want(&want)
			got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{})
			if c.name == "references without ids" {
				if rep.Cut != 2 || got[0].DroppedLinks != 2 {
					t.Errorf("%+v, %d links dropped", rep, got[0].DroppedLinks)
				}
				rep.Cut, got[0].DroppedLinks = 0, 0
			}
			if diff := cmp.Diff([]span.Span{want}, got); diff != "" || rep != (wire.Report{}) {
				t.Errorf("%+v, want (-), got (+):\n%s", rep, diff)
			}
			if diff := cmp.Diff([]span.Span{want}, viaJSON(t, batch)); diff != "" {
				t.Errorf("want (-), from JSON (+):\n%s", diff)
			}
		})
	}
}

// anyJaeger draws batches whose tags and fields are often those that mean something.
func anyJaeger() *rapid.Generator[*jaeger.Batch] {
	key := rapid.OneOf(rapid.SampledFrom([]string{
		"span.kind", "error", "otel.status_code", "otel.status_description", "otel.scope.name", "otel.scope.version",
		"w3c.tracestate", "http.status_code", "http.response.status_code", "event", "message", "",
	}), rapid.String())
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "true", "server", "client", "OK", "ERROR", "404", "500", "lib"}), rapid.String())
	tags := func(most int) *rapid.Generator[[]*jaeger.Tag] {
		return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) *jaeger.Tag {
			k := key.Draw(t, "key")
			switch jaeger.TagType(rapid.IntRange(0, 4).Draw(t, "type")) {
			case jaeger.TagType_STRING:
				return stringTag(k, text.Draw(t, "text"))
			case jaeger.TagType_DOUBLE:
				return doubleTag(k, rapid.Float64().Draw(t, "double"))
			case jaeger.TagType_BOOL:
				return boolTag(k, rapid.Bool().Draw(t, "bool"))
			case jaeger.TagType_LONG:
				return longTag(k, rapid.OneOf(rapid.SampledFrom([]int64{200, 404, 500}), rapid.Int64()).Draw(t, "long"))
			case jaeger.TagType_BINARY:
			}
			return binaryTag(k, string(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes")))
		}), 0, most, func(tag *jaeger.Tag) string { return tag.Key })
	}
	few := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64()) // so that ids meet
	one := rapid.Custom(func(t *rapid.T) *jaeger.Span {
		s := &jaeger.Span{
			TraceIdLow: few.Draw(t, "low"), TraceIdHigh: few.Draw(t, "high"), SpanId: few.Draw(t, "id"), ParentSpanId: few.Draw(t, "parent"),
			OperationName: text.Draw(t, "name"), Flags: rapid.Int32().Draw(t, "flags"),
			StartTime: rapid.Int64().Draw(t, "start"), Duration: rapid.Int64().Draw(t, "duration"), Tags: tags(8).Draw(t, "tags"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "references") {
			s.References = append(s.References, &jaeger.SpanRef{
				RefType:    jaeger.SpanRefType(rapid.IntRange(0, 1).Draw(t, "ref type")),
				TraceIdLow: few.Draw(t, "ref low"), TraceIdHigh: few.Draw(t, "ref high"), SpanId: few.Draw(t, "ref id"),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "logs") {
			s.Logs = append(s.Logs, &jaeger.Log{Timestamp: rapid.Int64().Draw(t, "time"), Fields: tags(4).Draw(t, "fields")})
		}
		return s
	})
	return rapid.Custom(func(t *rapid.T) *jaeger.Batch {
		b := &jaeger.Batch{Process: &jaeger.Process{ServiceName: text.Draw(t, "service"), Tags: tags(4).Draw(t, "process")}, Spans: rapid.SliceOfN(one, 0, 5).Draw(t, "spans")}
		if rapid.Bool().Draw(t, "more") {
			n := int64(7)
			b.SeqNo, b.Stats = &n, &jaeger.ClientStats{FullQueueDroppedSpans: 1}
		}
		return b
	})
}

// TestJaegerBatches: what the client's own types write we read as the slow reader of Jaeger's JSON does.
func TestJaegerBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batch := anyJaeger().Draw(t, "batch")
		got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{})
		for i := range got {
			got[i].DroppedLinks = 0 // JSON's reader does not count references without ids
		}
		if diff := cmp.Diff(viaJSON(t, batch), got); diff != "" {
			t.Fatalf("from JSON (-), from Thrift (+):\n%s", diff)
		}
		if rep.Rejected != len(batch.Spans)-len(got) {
			t.Fatalf("%+v of %d spans, %d kept", rep, len(batch.Spans), len(got))
		}
	})
}

// jaegerGolden is what the transport NewHTTPTransport of jaeger-client-go 2.30 posted: one trace of spans that say something
// in each of the ways that OpenTracing has, and the root of another.
func jaegerGolden(t testing.TB) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/jaeger/client-go.thrift")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestJaegerGolden(t *testing.T) {
	body := jaegerGolden(t)
	got, rep := decodeJaeger(t, body, wire.Limits{})
	if rep != (wire.Report{}) || len(got) != 6 {
		t.Fatalf("%d spans, %+v", len(got), rep)
	}
	buf := thrift.NewTMemoryBuffer()
	buf.Write(body)
	batch := jaeger.NewBatch()
	if err := batch.Read(t.Context(), thrift.NewTBinaryProtocolConf(buf, nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(viaJSON(t, batch), got); diff != "" {
		t.Errorf("by the client's own types (-), by us (+):\n%s", diff)
	}
	var lines []string
	for _, s := range got {
		var line strings.Builder
		fmt.Fprintf(&line, "%s %q %s %s +%d, %d attributes", s.Service(), s.Name, s.Kind, s.Status, s.Duration, len(s.Attrs))
		for _, e := range s.Events {
			fmt.Fprintf(&line, "; %s (%d)", e.Name, len(e.Attrs))
		}
		for _, l := range s.Links {
			line.WriteString("; " + l.Attrs[0].Value.Str)
		}
		lines = append(lines, line.String())
	}
	want := []string{
		`movie-web "SELECT subject" client unset +3000000, 3 attributes; sent (1)`,
		`movie-web "cache.get" unspecified error +1000000, 0 attributes; error (2); giving up (2)`,
		`movie-web "index" consumer unset +2000000, 0 attributes; follows_from`,
		`movie-web "later" producer unset +1000000, 1 attributes; follows_from`,
		`movie-web "GET /subject/{id}" server error +12000000, 10 attributes`,
		`movie-web "other trace" unspecified unset +13000000, 2 attributes`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// TestJaegerTruncated: a body that ends too early is refused wherever it ends.
func TestJaegerTruncated(t *testing.T) {
	body := jaegerGolden(t)
	var b span.Batch
	for n := range body {
		b.Reset()
		_, err := wire.Decode(wire.JaegerThrift, bytes.Clone(body[:n]), wire.Limits{}, &b)
		var e *wire.Error
		if !errors.As(err, &e) || e.Offset < 0 || e.Offset > n {
			t.Fatalf("the first %d of %d bytes: %v", n, len(body), err)
		}
	}
}

func TestJaegerRefused(t *testing.T) {
	good := string(jaegerBody(t, jaegerOne()))
	process := "\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x01w\x00"
	for _, c := range []struct{ name, body, err string }{
		{"nothing", "", "byte 0: the body ends within a value"},
		{"JSON", `[{"traceId"`, "byte 3: a value of type 91"},
		{"a message", "\x80\x01\x00\x01\x00\x00\x00\x0asubmitBatches", "byte 3: a value of type 128"},
		{"more behind it", good + "\x00", fmt.Sprintf("byte %d: bytes after the end of the request", len(good))},
		{"a list of numbers for spans", process + "\x0f\x00\x02\x08\x00\x00\x00\x01\x00\x00\x00\x01\x00", "byte 15: a list of type 8, want 12"},
		{"a list of numbers for logs", process + "\x0f\x00\x02\x0c\x00\x00\x00\x01\x0a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x0a\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x0f\x00\x0b\x08\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00", "byte 45: a list of type 8, want 12"},
		{"a list of numbers for tags", process + "\x0f\x00\x02\x0c\x00\x00\x00\x01\x0f\x00\x0a\x08\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00", "byte 23: a list of type 8, want 12"},
		{"more spans than bytes", process + "\x0f\x00\x02\x0c\x00\x10\x00\x00\x00", "byte 16: a length of 1048576 where 1 bytes are left"},
	} {
		var b span.Batch
		_, err := wire.Decode(wire.JaegerThrift, []byte(c.body), wire.Limits{}, &b)
		var e *wire.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
	var b span.Batch
	if _, err := wire.Decode(wire.JaegerThrift, []byte(good), wire.Limits{RequestBytes: 10}, &b); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// TestJaegerInvalid: a span without ids is left out by itself, and of a batch of such ones nothing stays.
func TestJaegerInvalid(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(*jaeger.Span)
		reason string
	}{
		{"trace id", func(s *jaeger.Span) { s.TraceIdHigh, s.TraceIdLow = 0, 0 }, `span "bad": its trace id is nothing but zeros, want 16 bytes`},
		{"span id", func(s *jaeger.Span) { s.SpanId = 0 }, `span "bad": its span id is nothing but zeros, want 8 bytes`},
	} {
		batch := jaegerOne()
		bad := jaegerOne().Spans[0]
		bad.OperationName, bad.Tags, bad.Logs = "bad", []*jaeger.Tag{stringTag("otel.scope.name", "x"), stringTag("k", "v")}, []*jaeger.Log{{}}
		c.make(bad)
		batch.Spans = append(batch.Spans, bad, jaegerOne().Spans[0])
		got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{})
		if len(got) != 2 || rep != (wire.Report{Rejected: 1, Reason: c.reason}) {
			t.Errorf("%s: %d spans, %+v", c.name, len(got), rep)
		}
		batch.Spans, batch.Process.ServiceName = []*jaeger.Span{bad}, "web"
		var b span.Batch
		if _, err := wire.Decode(wire.JaegerThrift, jaegerBody(t, batch), wire.Limits{}, &b); err != nil || len(b.Values)+len(b.Resources)+len(b.Scopes)+len(b.Events) > 0 {
			t.Errorf("%s: of a batch of nothing else stays %+v, %v", c.name, b, err)
		}
	}
	batch := jaegerOne()
	batch.Spans[0].StartTime, batch.Spans[0].Duration = 1, math.MaxInt64
	if got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{}); got[0].End() != math.MaxInt64 || rep != (wire.Report{Clamped: 1}) {
		t.Errorf("an end beyond what nanoseconds can be: %d, %+v", got[0].End(), rep)
	}
	batch = jaegerOne()
	batch.Spans[0].Duration = -1
	if got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{}); got[0].Duration != 0 || rep != (wire.Report{Clamped: 1}) {
		t.Errorf("a duration below 0: %d, %+v", got[0].Duration, rep)
	}
	batch = jaegerOne()
	batch.Spans[0].Tags = []*jaeger.Tag{{Key: "k", VType: 9}, stringTag("a\xff", "b\xfe"), stringTag("twice", "1"), stringTag("x", ""), stringTag("twice", "2")}
	got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{})
	want := []span.Attribute{{Key: "k"}, {Key: "a\ufffd", Value: span.StringValue("b\ufffd")}, {Key: "twice", Value: span.StringValue("2")}, {Key: "x", Value: span.StringValue("")}}
	if diff := cmp.Diff(want, got[0].Attrs); diff != "" || rep != (wire.Report{Replaced: 2}) {
		t.Errorf("%+v\n%s", rep, diff)
	}
}

func TestJaegerLimits(t *testing.T) {
	many := func(n int) (tags []*jaeger.Tag) {
		for i := range n {
			tags = append(tags, longTag(fmt.Sprint("k", i), int64(i)))
		}
		return tags
	}
	long := strings.Repeat("é", 100) // 200 bytes
	for _, c := range []struct {
		name string
		lim  wire.Limits
		make func(*jaeger.Batch, *jaeger.Span)
		got  func(s *span.Span) string
		want string
		cut  int
	}{
		{"tags", wire.Limits{Attributes: 3}, func(_ *jaeger.Batch, s *jaeger.Span) { s.Tags = many(5) }, func(s *span.Span) string { return fmt.Sprint(len(s.Attrs), s.DroppedAttrs) }, "3 2", 2},
		{"tags that are fields do not count", wire.Limits{Attributes: 3}, func(_ *jaeger.Batch, s *jaeger.Span) {
			s.Tags = append(many(3), stringTag("span.kind", "server"), boolTag("error", true))
		}, func(s *span.Span) string { return fmt.Sprint(len(s.Attrs), s.Kind, s.Status) }, "3 server error", 0},
		{"a long key", wire.Limits{KeyBytes: 10}, func(_ *jaeger.Batch, s *jaeger.Span) { s.Tags = append(many(1), longTag("12345678901", 1)) }, func(s *span.Span) string { return fmt.Sprint(len(s.Attrs), s.DroppedAttrs) }, "1 1", 1},
		{"long values", wire.Limits{ValueBytes: 151}, func(_ *jaeger.Batch, s *jaeger.Span) {
			s.OperationName, s.Tags = long, []*jaeger.Tag{stringTag("s", long), binaryTag("b", long)}
		}, func(s *span.Span) string {
			return fmt.Sprint(len(s.Name), len(s.Attr("s").Str), len(s.Attr("b").Str), s.DroppedAttrs)
		}, "150 150 151 3", 3},
		{"logs", wire.Limits{Events: 1}, func(_ *jaeger.Batch, s *jaeger.Span) { s.Logs = []*jaeger.Log{{}, {Fields: many(1)}, {}} }, func(s *span.Span) string { return fmt.Sprint(len(s.Events), s.DroppedEvents) }, "1 2", 2},
		{"fields of a log", wire.Limits{Attributes: 1}, func(_ *jaeger.Batch, s *jaeger.Span) { s.Logs = []*jaeger.Log{{Fields: many(3)}} }, func(s *span.Span) string { return fmt.Sprint(len(s.Events[0].Attrs), s.Events[0].Dropped) }, "1 2", 2},
		{"references", wire.Limits{Links: 1}, func(_ *jaeger.Batch, s *jaeger.Span) {
			for i := range 3 {
				s.References = append(s.References, &jaeger.SpanRef{RefType: 1, TraceIdLow: 5, SpanId: int64(i + 1)})
			}
		}, func(s *span.Span) string { return fmt.Sprint(len(s.Links), s.DroppedLinks) }, "1 2", 2},
		{"tags of a process", wire.Limits{Attributes: 1}, func(b *jaeger.Batch, _ *jaeger.Span) { b.Process.Tags = many(2) }, func(s *span.Span) string { return fmt.Sprint(len(s.Resource.Attrs), s.Resource.Dropped) }, "1 1", 1},
		{"elements", wire.Limits{Elements: 4}, func(_ *jaeger.Batch, s *jaeger.Span) {
			s.Tags, s.Logs = many(3), []*jaeger.Log{{Fields: many(1)}, {}}
		}, func(s *span.Span) string {
			return fmt.Sprint(len(s.Attrs), len(s.Events), s.Events[0].Dropped, s.DroppedEvents)
		}, "3 1 1 1", 2},
	} {
		batch := jaegerOne()
		c.make(batch, batch.Spans[0])
		got, rep := decodeJaeger(t, jaegerBody(t, batch), c.lim)
		if is := c.got(&got[0]); is != c.want || rep.Cut != c.cut || rep.Limited != (c.cut > 0) {
			t.Errorf("%s: %s, want %s; %+v", c.name, is, c.want, rep)
		}
	}
	batch := jaegerOne()
	batch.Spans = append(batch.Spans, batch.Spans[0], batch.Spans[0])
	if got, rep := decodeJaeger(t, jaegerBody(t, batch), wire.Limits{Spans: 1}); len(got) != 1 || rep != (wire.Report{Rejected: 2, Reason: "more than 1 spans in a request", Limited: true}) {
		t.Errorf("spans: %d, %+v", len(got), rep)
	}
}

// TestJaegerOrder: the fields of a struct come in any order, and unknown ones between them.
func TestJaegerOrder(t *testing.T) {
	i64 := func(id byte, v byte) string {
		return "\x0a\x00" + string(id) + "\x00\x00\x00\x00\x00\x00\x00" + string(v)
	}
	text := func(id byte, s string) string {
		return "\x0b\x00" + string(id) + "\x00\x00\x00" + string(rune(len(s))) + s
	}
	tag := func(key, value string) string {
		return text(3, value) + "\x08\x00\x02\x00\x00\x00\x00" + text(1, key) + "\x00"
	}
	list := func(id byte, one string) string { return "\x0f\x00" + string(id) + "\x0c\x00\x00\x00\x01" + one }
	unknown := "\x0d\x00\x63\x0b\x0c\x00\x00\x00\x01\x00\x00\x00\x01k" + text(7, "x") + "\x00"
	logs := list(11, list(2, unknown+tag("event", "e"))+i64(1, 7)+"\x00")
	refs := list(6, i64(4, 9)+unknown+i64(2, 2)+i64(3, 1)+"\x08\x00\x01\x00\x00\x00\x00\x00")
	spanStruct := logs + unknown + refs + list(10, tag("k", "v")) + i64(3, 3) + i64(2, 1) + i64(1, 2) + text(5, "n") + "\x00"
	body := list(2, spanStruct) + unknown + "\x0c\x00\x01" + list(2, tag("host", "h")) + text(1, "web") + "\x00" + "\x00"

	got, rep := decodeJaeger(t, []byte(body), wire.Limits{})
	want := []span.Span{{
		TraceID: span.TraceID{Hi: 1, Lo: 2}, SpanID: 3, Parent: 9, Name: "n",
		Attrs:    []span.Attribute{{Key: "k", Value: span.StringValue("v")}},
		Events:   []span.Event{{Time: 7000, Name: "e"}},
		Resource: span.Resource{Attrs: []span.Attribute{{Key: "host", Value: span.StringValue("h")}, {Key: "service.name", Value: span.StringValue("web")}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" || rep != (wire.Report{}) {
		t.Errorf("%+v, want (-), got (+):\n%s", rep, diff)
	}
}

// TestJaegerShares: one resource for all spans, one scope for all of the same name and version.
func TestJaegerShares(t *testing.T) {
	batch := jaegerOne()
	batch.Process.ServiceName = "web"
	for i := range 200 {
		s := jaegerOne().Spans[0]
		s.Tags = []*jaeger.Tag{stringTag("otel.scope.name", fmt.Sprint("lib", i%20)), stringTag("otel.scope.version", "1")}
		batch.Spans = append(batch.Spans, s)
	}
	var b span.Batch
	if _, err := wire.Decode(wire.JaegerThrift, jaegerBody(t, batch), wire.Limits{}, &b); err != nil || len(b.Resources) != 1 || len(b.Scopes) != 21 {
		t.Fatalf("%d resources, %d scopes, %v", len(b.Resources), len(b.Scopes), err)
	}
	for i := range 200 {
		if s := b.Span(i + 1); s.Scope.Name != fmt.Sprint("lib", i%20) || s.Service() != "web" {
			t.Fatalf("span %d: %+v", i, s)
		}
	}
}
