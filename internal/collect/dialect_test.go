package collect_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// The span of TestDialects in each encoding. %s is its trace id.
const (
	zipkinJSON = `[{"traceId":"%s","id":"00000000000000a1","name":"get /","kind":"SERVER","timestamp":1700000000000000,"duration":5,
 "localEndpoint":{"serviceName":"web"},"tags":{"k":"v"}}]`
	zipkinV1JSON = `[{"traceId":"%s","id":"00000000000000a1","name":"get /","timestamp":1700000000000000,"duration":5,
 "annotations":[{"timestamp":1700000000000000,"value":"sr","endpoint":{"serviceName":"web"}},
  {"timestamp":1700000000000005,"value":"ss","endpoint":{"serviceName":"web"}}],
 "binaryAnnotations":[{"key":"k","value":"v","endpoint":{"serviceName":"web"}}]}]`
)

func zipkinProto(id string) []byte {
	field := func(p []byte, n protowire.Number, v string) []byte {
		return protowire.AppendString(protowire.AppendTag(p, n, protowire.BytesType), v)
	}
	trace, _ := span.ParseTraceID(id)
	b := trace.Bytes()
	p := field(nil, 1, string(b[:]))
	p = field(p, 3, "\x00\x00\x00\x00\x00\x00\x00\xa1")
	p = protowire.AppendVarint(protowire.AppendTag(p, 4, protowire.VarintType), 2)
	p = field(p, 5, "get /")
	p = protowire.AppendFixed64(protowire.AppendTag(p, 6, protowire.Fixed64Type), 1700000000000000)
	p = protowire.AppendVarint(protowire.AppendTag(p, 7, protowire.VarintType), 5)
	p = field(p, 8, string(field(nil, 1, "web")))
	p = field(p, 11, string(field(field(nil, 1, "k"), 2, "v")))
	return field(nil, 1, string(p))
}

// thrift writes Thrift's binary protocol.
type thrift []byte

const (
	thriftI32    = 8
	thriftI64    = 10
	thriftString = 11
	thriftStruct = 12
	thriftList   = 15
)

func (p thrift) field(typ byte, id uint16) thrift {
	return binary.BigEndian.AppendUint16(append(p, typ), id)
}

func (p thrift) i64(id uint16, v uint64) thrift {
	return binary.BigEndian.AppendUint64(p.field(thriftI64, id), v)
}

func (p thrift) i32(id uint16, v uint32) thrift {
	return binary.BigEndian.AppendUint32(p.field(thriftI32, id), v)
}

func (p thrift) text(id uint16, v string) thrift {
	return append(binary.BigEndian.AppendUint32(p.field(thriftString, id), uint32(len(v))), v...)
}

func (p thrift) object(id uint16, v thrift) thrift {
	return append(append(p.field(thriftStruct, id), v...), 0)
}

func (p thrift) list(id uint16, items ...thrift) thrift {
	return append(p.field(thriftList, id), structs(items...)...)
}

func structs(items ...thrift) thrift {
	p := binary.BigEndian.AppendUint32(thrift{thriftStruct}, uint32(len(items)))
	for _, v := range items {
		p = append(append(p, v...), 0)
	}
	return p
}

func zipkinThrift(id string) []byte {
	trace, _ := span.ParseTraceID(id)
	web := thrift{}.text(3, "web")
	at := func(t uint64, what string) thrift { return thrift{}.i64(1, t).text(2, what).object(3, web) }
	return structs(thrift{}.i64(1, trace.Lo).text(3, "get /").i64(4, 0xa1).
		list(6, at(1700000000000000, "sr"), at(1700000000000005, "ss")).
		list(8, thrift{}.text(1, "k").text(2, "v").i32(3, 6).object(4, web)).
		i64(10, 1700000000000000).i64(11, 5).i64(12, trace.Hi))
}

func jaegerThrift(id string) []byte {
	trace, _ := span.ParseTraceID(id)
	text := func(k, v string) thrift { return thrift{}.text(1, k).i32(2, 0).text(3, v) }
	return append(thrift{}.object(1, thrift{}.text(1, "web")).list(2, thrift{}.i64(1, trace.Lo).i64(2, trace.Hi).i64(3, 0xa1).i64(4, 0).text(5, "get /").
		i32(7, 1).i64(8, 1700000000000000).i64(9, 5).list(10, text("k", "v"), text("span.kind", "server"))), 0)
}

// TestDialects sends the same span in the encodings of Zipkin and Jaeger, plain and gzipped, and expects the same span, and the body as
// it came in the log.
func TestDialects(t *testing.T) {
	r := start(t, collect.Config{})
	base := strings.TrimSuffix(r.url, "/v1/traces")
	text := func(format string) func(string) []byte {
		return func(id string) []byte { return fmt.Appendf(nil, format, id) }
	}
	n := 0
	for _, c := range []struct {
		path, typ string
		body      func(id string) []byte
		format    wire.Format
	}{
		{"/api/v2/spans", "application/json; charset=utf-8", text(zipkinJSON), wire.ZipkinJSON},
		{"/api/v2/spans", "", text(zipkinJSON), wire.ZipkinJSON},
		{"/api/v2/spans", "text/plain", text(zipkinJSON), wire.ZipkinJSON},
		{"/api/v2/spans", "application/x-protobuf", zipkinProto, wire.ZipkinProto},
		{"/api/v1/spans", "application/json", text(zipkinV1JSON), wire.ZipkinV1JSON},
		{"/api/v1/spans", "application/x-thrift", zipkinThrift, wire.ZipkinThrift},
		{"/api/traces?format=jaeger.thrift", "application/x-thrift", jaegerThrift, wire.JaegerThrift},
		{"/api/traces", "application/vnd.apache.thrift.binary; charset=utf-8", jaegerThrift, wire.JaegerThrift},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s, gzipped %t", c.path, c.typ, packed), func(t *testing.T) {
				n++
				id := fmt.Sprintf("%032x", 1<<40+n)
				body, format, header := c.body(id), c.format, []string{"Content-Type", c.typ}
				if packed {
					body, format, header = gzipped(t, body), format|wire.Gzip, append(header, "Content-Encoding", "gzip")
				}
				r.url = base + c.path
				if code, _, p := r.post(t, bytes.NewReader(body), header...); code != http.StatusAccepted || len(p) > 0 {
					t.Fatalf("%d %q", code, p)
				}
				trace, _ := span.ParseTraceID(id)
				want := []span.Span{{
					TraceID: trace, SpanID: 0xa1, Name: "get /", Kind: span.KindServer, Start: 1700000000000000000, Duration: 5000, Flags: span.FlagSampled,
					Attrs:    []span.Attribute{{Key: "k", Value: span.StringValue("v")}},
					Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue("web")}}},
				}}
				if diff := cmp.Diff(want, r.trace(t, id)); diff != "" {
					t.Errorf("want (-), got (+):\n%s", diff)
				}
				if got := wire.Format(r.store.format.Load()); got != format {
					t.Errorf("logged as %#x, want %#x", got, format)
				}
			})
		}
	}
	if s := r.c.Stats(); s.Spans != int64(n) || s.Requests != int64(n) || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// TestDialectRefusals: what is wrong is said in words, since these protocols have no other answer.
func TestDialectRefusals(t *testing.T) {
	r := start(t, collect.Config{CORSOrigins: []string{"https://shop.example"}})
	base := strings.TrimSuffix(r.url, "/v1/traces")
	good, zero := fmt.Sprintf(zipkinJSON, fmt.Sprintf("%032x", 1)), fmt.Sprintf(zipkinJSON, strings.Repeat("0", 32))
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		code               int
		says               string
	}{
		"GET":                        {"GET", "/api/v2/spans", "", nil, 405, "supported: [POST]"},
		"not JSON":                   {"POST", "/api/v2/spans", "[{", nil, 400, "byte 2"},
		"not what it should be":      {"POST", "/api/v2/spans", `{"resourceSpans":[]}`, nil, 400, "Zipkin's spans of version 2"},
		"not Thrift":                 {"POST", "/api/traces", "[]", []string{"Content-Type", "application/x-thrift"}, 400, "jaeger.thrift"},
		"JSON of Jaeger":             {"POST", "/api/traces", "{}", []string{"Content-Type", "application/json"}, 415, "[application/x-thrift, application/vnd.apache.thrift.binary]"},
		"version 1 as 2":             {"POST", "/api/v2/spans", fmt.Sprintf(zipkinV1JSON, fmt.Sprintf("%032x", 1)), nil, 400, "/api/v1/spans"},
		"version 2 as 1":             {"POST", "/api/v1/spans", good, nil, 400, "/api/v2/spans"},
		"no valid span":              {"POST", "/api/v2/spans", zero, nil, 400, "trace id is nothing but zeros"},
		"one valid span of two":      {"POST", "/api/v2/spans", good[:len(good)-1] + "," + zero[1:], nil, 202, "1 span rejected"},
		"nothing":                    {"POST", "/api/v2/spans", "", nil, 202, ""},
		"nothing, of version 1":      {"POST", "/api/v1/spans", "", nil, 202, ""},
		"an empty list":              {"POST", "/api/v2/spans", "[]", nil, 202, ""},
		"a page of another origin":   {"POST", "/api/v2/spans", good, []string{"Origin", "https://evil.example", "Content-Type", "text/plain"}, 403, "web pages"},
		"a page that may":            {"POST", "/api/v2/spans", good, []string{"Origin", "https://shop.example", "Content-Type", "text/plain"}, 202, ""},
		"a page of another, Thrift":  {"POST", "/api/v1/spans", "", []string{"Origin", "https://evil.example", "Content-Type", "application/x-thrift"}, 403, "web pages"},
		"a page of another, Jaeger":  {"POST", "/api/traces", "", []string{"Origin", "http://evil.example:14268", "Content-Type", "application/x-thrift"}, 403, "web pages"},
		"a page of another, OTLP":    {"POST", "/v1/traces", "{}", []string{"Origin", "http://evil.example:4318", "Content-Type", "application/json"}, 403, "web pages"},
		"a page of another, figures": {"POST", "/v1/metrics", "{}", []string{"Origin", "null", "Content-Type", "application/json"}, 403, "web pages"},
	} {
		t.Run(name, func(t *testing.T) {
			r.url = base + c.path
			code, h, p := r.do(t, c.method, strings.NewReader(c.body), c.header...)
			if code != c.code || !strings.Contains(string(p), c.says) || c.says == "" && len(p) > 0 || h.Get("Content-Type") != "text/plain" {
				t.Errorf("%d %v %q", code, h, p)
			}
		})
	}
	full := store.ErrFull
	r.store.fail.Store(&full)
	r.url = base + "/api/v2/spans"
	if code, h, p := r.post(t, strings.NewReader(good)); code != 503 || h.Get("Retry-After") != "1" || !strings.Contains(string(p), "come again") {
		t.Errorf("a full store: %d %v %q", code, h, p)
	}
	if s := r.c.Stats(); s.Refused["malformed"] != 6 || s.Refused["unsupported"] != 7 || s.Requests != 5 || s.Rejected != 1 || s.Refused["store_full"] != 1 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}
