package wire_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

func seeds(f *testing.F) []*collectorpb.ExportTraceServiceRequest {
	full := []span.Span{{
		TraceID: span.TraceID{Hi: 1, Lo: 2}, SpanID: 3, Parent: 4, Name: "GET /", Kind: span.KindServer, Start: 1e18, Duration: 5,
		Status: span.StatusError, StatusMessage: "no", TraceState: "a=b", Flags: 257, DroppedAttrs: 1, DroppedEvents: 2, DroppedLinks: 3,
		Attrs: []span.Attribute{
			{Key: "s", Value: span.StringValue("é")},
			{Key: "b", Value: span.BoolValue(true)},
			{Key: "i", Value: span.IntValue(-1)},
			{Key: "d", Value: span.DoubleValue(1.5)},
			{Key: "y", Value: span.TextValue(span.Bytes, "\xff")},
			{Key: "l", Value: span.TextValue(span.List, `[1,"x",{"doubleValue":"NaN"},[true]]`)},
			{Key: "m", Value: span.TextValue(span.Map, `{"a":{"b":null},"c":[{"kvlistValue":{"bytesValue":"x"}}]}`)},
			{Key: "n"},
		},
		Events:   []span.Event{{Time: 7, Name: "e", Attrs: []span.Attribute{{Key: "k", Value: span.IntValue(1)}}, Dropped: 1}},
		Links:    []span.Link{{TraceID: span.TraceID{Lo: 9}, SpanID: 9, TraceState: "x=y", Flags: 1}},
		Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue("web")}}, SchemaURL: "u"},
		Scope:    span.Scope{Name: "lib", Version: "1"},
	}}
	_ = f
	return []*collectorpb.ExportTraceServiceRequest{toProto(full), realistic(3), {}}
}

// FuzzDecodeProto: what google's types accept we accept, and read the same in it.
func FuzzDecodeProto(f *testing.F) {
	for _, req := range seeds(f) {
		f.Add(marshal(f, req))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b, again span.Batch
		err := wire.Replay(byte(wire.OTLPProto), bytes.Clone(body), &b)
		rep, limitedErr := wire.Decode(wire.OTLPProto, bytes.Clone(body), wire.Limits{Attributes: 2, Events: 1, Links: 1, KeyBytes: 3, ValueBytes: 5, Depth: 2}, &again)
		if limitedErr == nil {
			sameReplayed(t, wire.OTLPProto, body, rep, &again)
		}
		var req collectorpb.ExportTraceServiceRequest
		if proto.Unmarshal(body, &req) != nil {
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "group") || strings.Contains(err.Error(), "in parts within") {
				return // see the package comment, and protoDecoder.merge
			}
			t.Fatalf("google accepts what we refuse: %v", err)
		}
		want, _ := oracleSpans(&req)
		if diff := cmp.Diff(want, rows(&b)); diff != "" {
			t.Fatalf("google (-), we (+):\n%s", diff)
		}
		_, encoded := wire.Encode(&b)
		again.Reset()
		if err := wire.Replay(byte(wire.OTLPProto), encoded, &again); err != nil {
			t.Fatalf("we do not read what we write: %v", err)
		}
		if b.Len() != again.Len() {
			t.Fatalf("%d spans written, %d read", b.Len(), again.Len())
		}
	})
}

// The formats that are read with a decoder of our own alone: see fuzzSpans.

func FuzzDecodeJSON(f *testing.F) {
	for _, req := range seeds(f) {
		f.Add(toJSON(f, req))
	}
	f.Add([]byte(request(`{` + span1 + `,"name":"\ud800\u0000","startTimeUnixNano":1.5e18,"kind":"3","x":[{"y":-0.5E+3}]}`)))
	fuzzSpans(f, wire.OTLPJSON)
}

func FuzzDecodeJaegerThrift(f *testing.F) {
	f.Add(jaegerGolden(f))
	f.Add(jaegerBody(f, jaegerOne()))
	f.Add(jaegerBody(f, realisticJaeger(2)))
	fuzzSpans(f, wire.JaegerThrift)
}

func FuzzDecodeZipkinJSON(f *testing.F) {
	f.Add(zipkinJSON(f, zipkinSeeds()...))
	f.Add([]byte(`[[{"traceId":"1","id":"2","tags":{"a":1.5e3,"b":true,"c":null,"otlp.link.1":"1|2|s|{}|3"},"timestamp":"5","annotations":[{"value":"e|{\"k\":[1]}|2"}]}],[]]`))
	f.Add(zipkinRecorded(f, "zipkin-go.json"))
	fuzzSpans(f, wire.ZipkinJSON)
}

func FuzzDecodeZipkinProto(f *testing.F) {
	f.Add(zipkinProto(zipkinSeeds()...))
	f.Add(zipkinRecorded(f, "zipkin-go.proto"))
	fuzzSpans(f, wire.ZipkinProto)
}

func FuzzDecodeZipkinV1JSON(f *testing.F) {
	body, err := json.Marshal(v1Seeds())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(zipkinRecorded(f, "py_zipkin-v1.json"))
	fuzzSpans(f, wire.ZipkinV1JSON)
}

func FuzzDecodeZipkinThrift(f *testing.F) {
	f.Add(v1Thrift(v1Seeds()...))
	f.Add(zipkinRecorded(f, "py_zipkin-v1.thrift"))
	fuzzSpans(f, wire.ZipkinThrift)
}

func zipkinSeeds() []zipkinSpan {
	return append(realisticZipkin(2), zipkinSpan{
		TraceID: zipkinTrace, ID: zipkinID, ParentID: zipkinID, Kind: "SERVER", Shared: true, LocalEndpoint: &zipkinEndpoint{"é", "10.0.0.1", "2001:db8::1", 65535},
		Annotations: []zipkinAnnotation{{3, "x"}, {2, `e|{"k":{"kvlistValue":{"bytesValue":"x"}}}|1`}},
		Tags:        map[string]string{"error": "no", "otel.status_code": "ERROR", "otel.scope.name": "lib", "w3c.tracestate": "a=b", "otlp.link.0": `1|2|s=t|{"a":1}|0`, "http.status_code": "500"},
	})
}

func v1Seeds() []v1Span {
	web, api := &zipkinEndpoint{"web", "10.0.0.1", "", 80}, &zipkinEndpoint{"api", "", "2001:db8::1", 0}
	return []v1Span{
		{
			TraceID: zipkinTrace, ID: zipkinID, ParentID: "c", Name: "get", Timestamp: 10, Duration: 30, Debug: true,
			Annotations:       []v1Annotation{{10, "cs", web}, {20, "sr", api}, {25, "x", nil}, {30, "ss", api}, {40, "cr", web}},
			BinaryAnnotations: []v1Binary{{"sa", true, api}, {"ca", "1", web}, {"error", "", nil}, {"lc", "", web}},
		},
		{TraceID: "a", ID: "b", Annotations: []v1Annotation{{10, "ms", web}, {20, "wr", web}, {30, "mr", web}}, BinaryAnnotations: []v1Binary{{"ma", true, api}}},
	}
}

// sameReplayed: what no limit shaped is in the log as it came, so a replay has to make the same of it. (What one did is written anew, and
// may hold what cannot be read, in a part that was left out.)
func sameReplayed(t *testing.T, format wire.Format, body []byte, rep wire.Report, b *span.Batch) {
	t.Helper()
	if rep.Limited {
		return
	}
	var again span.Batch
	if err := wire.Replay(byte(format), bytes.Clone(body), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows(b), rows(&again)); diff != "" {
		t.Fatalf("decoded (-), replayed (+):\n%s", diff)
	}
}

// fuzzSpans: an error has a place; a replay makes the batch that decoding made; it has valid spans, within limits; and
// it can be written and read again.
func fuzzSpans(f *testing.F, format wire.Format) {
	f.Fuzz(func(t *testing.T, body []byte) {
		var b, again span.Batch
		rep, err := wire.Decode(format, bytes.Clone(body), wire.Limits{}, &b)
		if err != nil {
			var e *wire.Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(body) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if rep.Rejected < 0 || rep.Rejected > 0 && rep.Reason == "" {
			t.Fatalf("%+v", rep)
		}
		for i := range b.Len() {
			if b.TraceID[i].IsZero() || b.SpanID[i] == 0 || b.Start[i] < 0 || b.Duration[i] < 0 || b.End(i) < 0 {
				t.Fatalf("span %+v", b.Span(i))
			}
		}
		sameReplayed(t, format, body, rep, &b)
		for i, s := range rows(&b) {
			if !utf8.Valid(fmt.Append(nil, s)) && !strings.Contains(string(body), "bytesValue") && format != wire.JaegerThrift { // which have bytes
				t.Fatalf("span %d is not UTF-8: %+v", i, s)
			}
		}
		_, encoded := wire.Encode(&b)
		if err := wire.Replay(byte(wire.OTLPProto), encoded, &again); err != nil {
			t.Fatal(err)
		}
		want, got := rows(&b), rows(&again)
		if len(b.Resources) > 1 || len(b.Scopes) > 1 { // Encode groups, so the order may differ
			want, got = nil, nil
		}
		if diff := cmp.Diff(want, got); diff != "" || b.Len() != again.Len() {
			t.Fatalf("decoded (-), through protobuf (+):\n%s", diff)
		}
		b.Reset()
		lim := wire.Limits{Spans: 3, Elements: 9, Attributes: 2, Events: 1, Links: 1, KeyBytes: 3, ValueBytes: 5, Depth: 2}
		rep, err = wire.Decode(format, bytes.Clone(body), lim, &b)
		if err != nil {
			t.Fatal(err)
		}
		sameReplayed(t, format, body, rep, &b)
		elements := len(b.Values) + len(b.Events) + len(b.Links)
		if b.Len() > lim.Spans || elements > lim.Elements {
			t.Fatalf("%d spans, %d elements", b.Len(), elements)
		}
		for i, s := range rows(&b) {
			if len(s.Attrs) > lim.Attributes || len(s.Events) > lim.Events || len(s.Links) > lim.Links || len(s.Name) > lim.ValueBytes {
				t.Fatalf("span %d: %+v", i, s)
			}
		}
	})
}

// FuzzGunzip: we unpack what the standard library unpacks, and never more than the limit.
func FuzzGunzip(f *testing.F) {
	f.Add(gzipped(f, []byte("hello, hello, hello")), 100)
	f.Add(gzipped(f, make([]byte, 5000)), 4999)
	f.Add([]byte("\x1f\x8b\bA000000\xec\xc01\x01\x00\x00\x00\xc2 \xfb\xa76\xc5>\x18\x00\x00\x00\x00\x900"), 4975)
	f.Fuzz(func(t *testing.T, body []byte, limit int) {
		limit = max(0, min(limit, 1<<20))
		got, err := wire.Gunzip(nil, body, limit)
		if len(got) > limit+1 {
			t.Fatalf("%d bytes of at most %d", len(got), limit)
		}
		r, stdErr := gzip.NewReader(bytes.NewReader(body))
		if stdErr != nil || err != nil && strings.Contains(err.Error(), "invalid header") {
			return // the standard library lets reserved flags pass, which RFC 1952 forbids
		}
		want, stdErr := io.ReadAll(io.LimitReader(r, 8<<20))
		switch {
		case stdErr != nil:
			if err == nil { // which error comes first, broken or too large, is up to the reader
				t.Fatalf("the standard library: %v", stdErr)
			}
		case len(want) > limit:
			if !errors.Is(err, wire.ErrTooLarge) && len(want) < 8<<20 {
				t.Fatalf("over the limit: %v", err)
			}
		case err != nil || !bytes.Equal(got, want):
			t.Fatalf("%v; %q, want %q", err, got, want)
		}
	})
}
