package wire_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// v1Span is a span of Zipkin's version 1, as encoding/json writes it.
type v1Span struct {
	TraceID           string         `json:"traceId"`
	ID                string         `json:"id"`
	ParentID          string         `json:"parentId,omitempty"`
	Name              string         `json:"name"`
	Timestamp         int64          `json:"timestamp,omitempty"`
	Duration          int64          `json:"duration,omitempty"`
	Annotations       []v1Annotation `json:"annotations,omitempty"`
	BinaryAnnotations []v1Binary     `json:"binaryAnnotations,omitempty"`
	Debug             bool           `json:"debug,omitempty"`
}

type v1Annotation struct {
	Timestamp int64           `json:"timestamp,omitempty"`
	Value     string          `json:"value"`
	Endpoint  *zipkinEndpoint `json:"endpoint,omitempty"`
}

type v1Binary struct {
	Key      string          `json:"key"`
	Value    any             `json:"value"` // a string or true
	Endpoint *zipkinEndpoint `json:"endpoint,omitempty"`
}

// The types of Thrift's binary protocol that zipkincore uses.
const (
	thriftBool   = 2
	thriftI16    = 6
	thriftI32    = 8
	thriftI64    = 10
	thriftString = 11
	thriftStruct = 12
	thriftList   = 15
)

// thriftField is a field of a struct: its type, its number and its value.
func thriftField(typ byte, num uint16, v any) []byte {
	p := append([]byte{typ}, byte(num>>8), byte(num))
	switch v := v.(type) {
	case bool:
		return append(p, map[bool]byte{true: 1}[v])
	case int16:
		return binary.BigEndian.AppendUint16(p, uint16(v))
	case int32:
		return binary.BigEndian.AppendUint32(p, uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(p, uint64(v))
	case string:
		return append(binary.BigEndian.AppendUint32(p, uint32(len(v))), v...)
	case []byte:
		return append(p, v...)
	}
	panic("no such type")
}

// thriftStructs is a list of structs, whose fields are given without the stop.
func thriftStructs(structs ...[]byte) []byte {
	p := binary.BigEndian.AppendUint32([]byte{thriftStruct}, uint32(len(structs)))
	for _, s := range structs {
		p = append(append(p, s...), 0)
	}
	return p
}

// v1Thrift is list<zipkincore.Span>.
func v1Thrift(spans ...v1Span) []byte {
	id := func(s string) int64 {
		v, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			panic(err)
		}
		return int64(v)
	}
	endpoint := func(num uint16, e *zipkinEndpoint) []byte {
		if e == nil {
			return nil
		}
		p := thriftField(thriftI16, 2, int16(e.Port))
		if e.IPv4 != "" {
			v4 := netip.MustParseAddr(e.IPv4).As4()
			p = append(p, thriftField(thriftI32, 1, int32(binary.BigEndian.Uint32(v4[:])))...)
		}
		p = append(p, thriftField(thriftString, 3, e.ServiceName)...)
		if e.IPv6 != "" {
			v6 := netip.MustParseAddr(e.IPv6).As16()
			p = append(p, thriftField(thriftString, 4, string(v6[:]))...)
		}
		return thriftField(thriftStruct, num, append(p, 0))
	}
	var list [][]byte
	for _, s := range spans {
		trace := strings.Repeat("0", 32-len(s.TraceID)) + s.TraceID
		p := message(thriftField(thriftI64, 1, id(trace[16:])), thriftField(thriftString, 3, s.Name), thriftField(thriftI64, 4, id(s.ID)),
			thriftField(thriftBool, 9, s.Debug), thriftField(thriftI64, 12, id(trace[:16])))
		if s.ParentID != "" {
			p = append(p, thriftField(thriftI64, 5, id(s.ParentID))...)
		}
		if s.Timestamp != 0 {
			p = append(p, thriftField(thriftI64, 10, s.Timestamp)...)
		}
		if s.Duration != 0 {
			p = append(p, thriftField(thriftI64, 11, s.Duration)...)
		}
		var annotations, binaries [][]byte
		for _, a := range s.Annotations {
			annotations = append(annotations, message(thriftField(thriftI64, 1, a.Timestamp), thriftField(thriftString, 2, a.Value), endpoint(3, a.Endpoint)))
		}
		for _, b := range s.BinaryAnnotations {
			typ, value := int32(6), fmt.Sprint(b.Value)
			if b.Value == true {
				typ, value = 0, "\x01"
			}
			binaries = append(binaries, message(thriftField(thriftString, 1, b.Key), thriftField(thriftString, 2, value), thriftField(thriftI32, 3, typ), endpoint(4, b.Endpoint)))
		}
		p = append(p, thriftField(thriftList, 6, thriftStructs(annotations...))...)
		list = append(list, append(p, thriftField(thriftList, 8, thriftStructs(binaries...))...))
	}
	return thriftStructs(list...)
}

// bothV1 decodes the spans from either encoding of version 1.
func bothV1(t fataler, lim wire.Limits, spans ...v1Span) (*span.Batch, wire.Report) {
	body, err := json.Marshal(spans)
	if err != nil {
		t.Fatal(err)
	}
	return both(t, lim, encoded{wire.ZipkinV1JSON, body}, encoded{wire.ZipkinThrift, v1Thrift(spans...)})
}

// TestZipkinV1Rules: what one span of version 1 becomes.
func TestZipkinV1Rules(t *testing.T) {
	web, api := &zipkinEndpoint{ServiceName: "web", IPv4: "10.0.0.1", Port: 80}, &zipkinEndpoint{ServiceName: "api", IPv4: "10.0.0.2", Port: 8080}
	db, socket := &zipkinEndpoint{ServiceName: "db", Port: 3306}, &zipkinEndpoint{ServiceName: "api", IPv4: "10.0.0.1", Port: 51515}
	at := func(e *zipkinEndpoint, more ...any) (list []v1Annotation) {
		for i := 0; i < len(more); i += 2 {
			value, _ := more[i].(string)
			us, _ := more[i+1].(int)
			list = append(list, v1Annotation{int64(us), value, e})
		}
		return list
	}
	type in = v1Span
	for name, c := range map[string]struct {
		in   in
		want []string // of each span its kind, service, remote side, times in µs, tags, events
	}{
		"client, by annotations alone":     {in{Annotations: at(web, "cs", 10, "cr", 40)}, []string{"client web 10+30"}},
		"client, by its own times":         {in{Timestamp: 9, Duration: 50, Annotations: at(web, "cs", 10, "cr", 40)}, []string{"client web 9+50"}},
		"client, with half its own times":  {in{Timestamp: 9, Annotations: at(web, "cs", 10, "cr", 40)}, []string{"client web 10+30"}},
		"client that ends before it began": {in{Annotations: at(web, "cs", 40, "cr", 10)}, []string{"client web 40+0"}},
		"server":                           {in{Annotations: at(api, "sr", 20, "ss", 30)}, []string{"server api 20+10"}},
		"events beside":                    {in{Annotations: slices.Concat(at(web, "cs", 10, "queued", 11, "ws", 12, "cr", 40, "csf", 13))}, []string{"client web 10+30 @11 queued @12 ws @13 csf"}},
		"both sides": {
			in{Timestamp: 10, Duration: 40, Annotations: slices.Concat(at(web, "cs", 10), at(api, "sr", 20, "found", 22, "ss", 30), at(web, "cr", 40, "read", 35))},
			[]string{"client web 10+40 @35 read", "server api 20+10 @22 found"},
		},
		"both sides, the server's first":     {in{Annotations: slices.Concat(at(api, "sr", 20, "ss", 30), at(web, "cs", 10, "cr", 40))}, []string{"server api 20+10", "client web 10+30"}},
		"both sides of one service":          {in{Annotations: slices.Concat(at(web, "cs", 10, "sr", 20, "x", 25, "ss", 30, "cr", 40))}, []string{"client web 10+30 @25 x", "server web 20+10"}},
		"one way":                            {in{Annotations: slices.Concat(at(web, "cs", 10), at(api, "sr", 20))}, []string{"client web 10+0", "server api 20+0"}},
		"a third service":                    {in{Annotations: slices.Concat(at(web, "cs", 10, "cr", 40), at(db, "slow", 30))}, []string{"client web 10+30", "internal db 30+0 @30 slow"}},
		"only cs":                            {in{Annotations: at(web, "cs", 10)}, []string{"client web 10+0"}},
		"only cs, and times":                 {in{Timestamp: 9, Duration: 3, Annotations: at(web, "cs", 10)}, []string{"client web 9+3"}},
		"only cr":                            {in{Annotations: at(web, "cr", 40)}, []string{"client web 40+0 @40 cr"}},
		"only cr, and times that it ends":    {in{Timestamp: 10, Duration: 30, Annotations: at(web, "cr", 40)}, []string{"client web 10+30"}},
		"only ss, and times that it ends":    {in{Timestamp: 10, Duration: 30, Annotations: at(api, "ss", 40)}, []string{"server api 10+30"}},
		"only ss, and times that it is past": {in{Timestamp: 10, Duration: 20, Annotations: at(api, "ss", 40)}, []string{"server api 10+20 @40 ss"}},
		"a call and an end of another":       {in{Annotations: slices.Concat(at(web, "cs", 10, "cr", 40), at(api, "ss", 30))}, []string{"client web 10+30", "server api 30+0 @30 ss"}},
		"cs twice":                           {in{Annotations: at(web, "cs", 10, "cs", 15, "cr", 40)}, []string{"client web 15+25 @10 cs"}},
		"core annotations of nobody":         {in{Annotations: at(nil, "cs", 10, "cr", 40)}, []string{"internal unknown_service 10+0 @10 cs @40 cr"}},
		"core annotations of a nameless one": {in{Annotations: at(&zipkinEndpoint{IPv4: "10.0.0.9"}, "cs", 10, "cr", 40)}, []string{"client unknown_service 10+30"}},

		"producer":                        {in{Annotations: at(web, "ms", 10)}, []string{"producer web 10+0"}},
		"producer, to the wire":           {in{Annotations: at(web, "ms", 10, "ws", 15)}, []string{"producer web 10+5"}},
		"consumer":                        {in{Annotations: at(api, "mr", 30)}, []string{"consumer api 30+0"}},
		"consumer, from the wire":         {in{Annotations: at(api, "wr", 20, "mr", 30)}, []string{"consumer api 20+10"}},
		"both sides of a message":         {in{Annotations: slices.Concat(at(web, "ms", 10, "ws", 15), at(api, "wr", 20, "mr", 30))}, []string{"producer web 10+5", "consumer api 20+10"}},
		"both sides of one's own message": {in{Annotations: at(web, "ms", 10, "ws", 15, "mr", 30)}, []string{"producer web 10+5", "consumer web 30+0"}},
		"one's own message, by the wire":  {in{Annotations: at(web, "ms", 10, "ws", 15, "wr", 20, "mr", 30)}, []string{"producer web 10+5", "consumer web 20+10"}},
		"consumer, from another's wire":   {in{Annotations: slices.Concat(at(db, "wr", 20), at(api, "mr", 30))}, []string{"consumer api 20+10"}},
		"from the wire alone":             {in{Annotations: at(api, "wr", 20)}, []string{"internal api 20+0 @20 wr"}},
		"broker":                          {in{Annotations: at(web, "ms", 10), BinaryAnnotations: []v1Binary{{"ma", true, db}}}, []string{"producer web >db 10+0"}},

		"local span":                       {in{Timestamp: 10, Duration: 5, BinaryAnnotations: []v1Binary{{"lc", "", web}}}, []string{"internal web 10+5"}},
		"local span that says where":       {in{Timestamp: 10, Duration: 5, BinaryAnnotations: []v1Binary{{"lc", "render", web}}}, []string{"internal web 10+5 lc=render"}},
		"nothing":                          {in{}, []string{"internal unknown_service 0+0"}},
		"server's address":                 {in{Annotations: at(web, "cs", 10, "cr", 40), BinaryAnnotations: []v1Binary{{"sa", true, db}, {"k", "v", web}}}, []string{"client web >db 10+30 k=v"}},
		"server's address, by another end": {in{Annotations: at(web, "cr", 40), BinaryAnnotations: []v1Binary{{"sa", "1", db}}}, []string{"client web >db 40+0 @40 cr"}},
		"server's address is its own":      {in{Annotations: at(web, "cs", 10, "cr", 40), BinaryAnnotations: []v1Binary{{"sa", true, web}}}, []string{"client web 10+30"}},
		"client's address":                 {in{Annotations: at(api, "sr", 20, "ss", 30), BinaryAnnotations: []v1Binary{{"ca", true, web}}}, []string{"server api >web 20+10"}},
		"client's address is its own":      {in{Annotations: at(api, "sr", 20, "ss", 30), BinaryAnnotations: []v1Binary{{"ca", true, api}}}, []string{"server api 20+10"}},
		"client's address, as finagle":     {in{Annotations: at(api, "sr", 20, "ss", 30), BinaryAnnotations: []v1Binary{{"ca", true, socket}}}, []string{"server api >10.0.0.1:51515 20+10"}},
		"both addresses of both sides": {
			in{Annotations: slices.Concat(at(web, "cs", 10, "cr", 40), at(api, "sr", 20, "ss", 30)), BinaryAnnotations: []v1Binary{{"sa", true, api}, {"ca", true, web}, {"a", "1", api}, {"b", "2", nil}}},
			[]string{"client web >api 10+30 b=2", "server api >web 20+10 a=1"},
		},
		"addresses alone":                    {in{Timestamp: 5, BinaryAnnotations: []v1Binary{{"sa", true, api}, {"ca", true, web}}}, []string{"internal web >api 5+0"}},
		"server's address alone":             {in{Timestamp: 5, BinaryAnnotations: []v1Binary{{"sa", true, api}, {"k", "v", web}}}, []string{"internal web >api 5+0 k=v"}},
		"client's address alone":             {in{Timestamp: 5, BinaryAnnotations: []v1Binary{{"ca", true, web}}}, []string{"server unknown_service >web 5+0"}},
		"an address of nobody":               {in{BinaryAnnotations: []v1Binary{{"sa", true, nil}}}, []string{"internal unknown_service 0+0 sa=true"}},
		"tags of a service without more":     {in{Annotations: at(web, "cs", 10, "cr", 40), BinaryAnnotations: []v1Binary{{"k", "v", db}}}, []string{"client web 10+30 k=v"}},
		"tags that are no attributes":        {in{Annotations: at(api, "sr", 20, "ss", 30), BinaryAnnotations: []v1Binary{{"error", "refused", api}, {"http.status_code", "200", api}}}, []string{"server api 20+10 error: refused http.status_code=200"}},
		"parent, and a trace id of 64 bits":  {in{TraceID: "b", ParentID: "c"}, []string{"internal unknown_service 0+0 trace 0000000000000000000000000000000b <000000000000000c"}},
		"an annotation that is an event too": {in{Annotations: at(web, "cs", 10, `e|{"k":1}|0`, 20, "cr", 40)}, []string{"client web 10+30 @20 e k=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.ID, c.in.Name = "b", "get"; c.in.TraceID == "" {
				c.in.TraceID = zipkinTrace
			}
			b, rep := bothV1(t, wire.Limits{}, c.in)
			var got []string
			for _, s := range rows(b) {
				got = append(got, brief(t, s))
			}
			if diff := cmp.Diff(c.want, got); diff != "" || rep.Rejected+rep.Cut > 0 || rep.Limited {
				t.Errorf("%+v, want (-), got (+):\n%s", rep, diff)
			}
		})
	}
}

// realisticV1 is what realisticZipkin is, in the words of version 1.
func realisticV1(spans int) (list []v1Span) {
	for _, s := range realisticZipkin(spans) {
		old := v1Span{
			TraceID: s.TraceID, ID: s.ID, ParentID: s.ParentID, Name: s.Name, Timestamp: s.Timestamp, Duration: s.Duration,
			Annotations:       []v1Annotation{{s.Timestamp, "cs", s.LocalEndpoint}, {s.Timestamp + s.Duration, "cr", s.LocalEndpoint}},
			BinaryAnnotations: []v1Binary{{"sa", true, s.RemoteEndpoint}},
		}
		for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
			old.BinaryAnnotations = append(old.BinaryAnnotations, v1Binary{key, s.Tags[key], s.LocalEndpoint})
		}
		list = append(list, old)
	}
	return list
}

// TestZipkinVersionsAgree: the spans that a client of version 2 sends are those that one of version 1 does.
func TestZipkinVersionsAgree(t *testing.T) {
	want, _ := bothZipkin(t, wire.Limits{}, realisticZipkin(5)...)
	got, _ := bothV1(t, wire.Limits{}, realisticV1(5)...)
	if diff := cmp.Diff(rows(want), rows(got)); diff != "" {
		t.Errorf("version 2 (-), version 1 (+):\n%s", diff)
	}
}

// brief says in a line what matters about a span.
func brief(t *testing.T, s span.Span) string {
	t.Helper()
	if s.Name != "get" || s.SpanID != 11 || s.Flags != span.FlagSampled {
		t.Errorf("%+v", s)
	}
	peer := s.Attr("peer.service").Str
	if address := s.Attr("network.peer.address"); peer == "" && address.Str != "" {
		peer = address.Str + ":" + s.Attr("network.peer.port").String()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s", s.Kind, s.Service())
	if peer != "" {
		out.WriteString(" >" + peer)
	}
	fmt.Fprintf(&out, " %d+%d", s.Start/1000, s.Duration/1000)
	if s.Status != span.StatusUnset {
		fmt.Fprintf(&out, " %s: %s", s.Status, s.StatusMessage)
	}
	show := func(attrs []span.Attribute) {
		for _, a := range attrs {
			if !strings.HasPrefix(a.Key, "network.peer.") && a.Key != "peer.service" {
				fmt.Fprintf(&out, " %s=%s", a.Key, a.Value)
			}
		}
	}
	show(s.Attrs)
	for _, e := range s.Events {
		fmt.Fprintf(&out, " @%d %s", e.Time/1000, e.Name)
		show(e.Attrs)
	}
	if s.TraceID != (span.TraceID{Hi: 1, Lo: 10}) {
		fmt.Fprintf(&out, " trace %s", s.TraceID)
	}
	if s.Parent != 0 {
		fmt.Fprintf(&out, " <%s", s.Parent)
	}
	return out.String()
}

// TestZipkinV1Endpoints: the endpoint of a part is its resource, whole.
func TestZipkinV1Endpoints(t *testing.T) {
	b, _ := bothV1(t, wire.Limits{}, v1Span{TraceID: "a", ID: "b", Annotations: []v1Annotation{
		{1, "cs", &zipkinEndpoint{"web", "10.0.0.1", "2001:db8::1", 65535}}, {2, "sr", &zipkinEndpoint{"web", "", "2001:db8::2", 0}},
	}})
	want := [][]span.Attribute{
		{{Key: "service.name", Value: span.StringValue("web")}, {Key: "network.local.address", Value: span.StringValue("10.0.0.1")}, {Key: "network.local.port", Value: span.IntValue(65535)}},
		{{Key: "service.name", Value: span.StringValue("web")}, {Key: "network.local.address", Value: span.StringValue("2001:db8::2")}},
	}
	for i, s := range rows(b) {
		if diff := cmp.Diff(want[i], s.Resource.Attrs); diff != "" {
			t.Error(diff)
		}
	}
}

// TestZipkinThriftValues: binary annotations of every type are text.
func TestZipkinThriftValues(t *testing.T) {
	double := binary.BigEndian.AppendUint64(nil, math.Float64bits(-1.5))
	for _, c := range []struct {
		typ         int32
		value, want string
	}{
		{0, "\x01", "true"},
		{0, "\x00", "false"},
		{1, "\xff\x00", "/wA="},
		{2, "\xff\xfe", "-2"},
		{3, "\x00\x00\x01\x00", "256"},
		{4, "\xff\xff\xff\xff\xff\xff\xff\xff", "-1"},
		{5, string(double), "-1.5"},
		{6, "text \xff", "text \ufffd"},
		{4, "short", "c2hvcnQ="},
		{99, "new", "bmV3"},
	} {
		tag := message(thriftField(thriftString, 1, "k"), thriftField(thriftString, 2, c.value), thriftField(thriftI32, 3, c.typ), thriftField(thriftI32, 77, int32(1)))
		b, _ := decodeZipkin(t, wire.ZipkinThrift, string(thriftStructs(message(
			thriftField(thriftI64, 1, int64(1)), thriftField(thriftString, 99, "unknown"), thriftField(thriftList, 8, thriftStructs(tag)), thriftField(thriftI64, 4, int64(2)),
		))))
		if s := b.Span(0); s.Attr("k") != span.StringValue(c.want) {
			t.Errorf("type %d, %q: %q, want %q", c.typ, c.value, s.Attr("k"), c.want)
		}
	}
}

// TestZipkinV1JSONForms: values of binary annotations that are no text, and what is absent.
func TestZipkinV1JSONForms(t *testing.T) {
	b, rep := decodeZipkin(t, wire.ZipkinV1JSON, `[[{"traceId":"1","id":"2","name":null,"annotations":[{"timestamp":1,"value":"x","endpoint":null,"y":0}],"binaryAnnotations":[
		{"key":"a","value":1.5,"type":"DOUBLE"},{"key":"b","value":false},{"key":"c","value":null,"endpoint":{"serviceName":"","ipv4":"0.0.0.x"}},{"key":"d"}],"debug":true,"z":[]}]]`)
	want := []span.Attribute{{Key: "a", Value: span.StringValue("1.5")}, {Key: "b", Value: span.StringValue("false")}, {Key: "c", Value: span.StringValue("")}, {Key: "d", Value: span.StringValue("")}}
	if diff := cmp.Diff(want, b.Span(0).Attrs); diff != "" || rep != (wire.Report{}) || b.Start[0] != 1000 {
		t.Errorf("%+v, %s", rep, diff)
	}
}

// ofServices is a span that becomes n, each with an event.
func ofServices(n int, name string) v1Span {
	s := v1Span{TraceID: "a", ID: "b", Name: name}
	for i := range n {
		s.Annotations = append(s.Annotations, v1Annotation{int64(i + 1), fmt.Sprint("a", i), &zipkinEndpoint{ServiceName: fmt.Sprint("s", i)}})
	}
	return s
}

// TestZipkinV1Limits: what is cut of a span of version 1 is counted at the first that it becomes.
func TestZipkinV1Limits(t *testing.T) {
	s := v1Span{TraceID: "a", ID: "b", Timestamp: 5}
	for i := range 12 {
		e := &zipkinEndpoint{ServiceName: fmt.Sprint("s", i)}
		s.Annotations = append(s.Annotations, v1Annotation{int64(i + 1), fmt.Sprint("a", i), e})
		s.BinaryAnnotations = append(s.BinaryAnnotations, v1Binary{fmt.Sprint("b", i), "v", e})
	}
	b, rep := bothV1(t, wire.Limits{}, s)
	if b.Len() != 8 || b.EventsOf[0].Len() != 5 || b.EventsOf[7].Len() != 1 || rep != (wire.Report{}) {
		t.Errorf("%d spans, %d and %d events, %+v", b.Len(), b.EventsOf[0].Len(), b.EventsOf[7].Len(), rep)
	}
	b, rep = bothV1(t, wire.Limits{Events: 3, Attributes: 2}, s)
	if b.Len() != 3 || b.Dropped[0] != (span.Dropped{Attrs: 10, Events: 9}) || b.Dropped[1] != (span.Dropped{}) || rep != (wire.Report{Cut: 19, Limited: true}) {
		t.Errorf("%d spans, %+v, %+v", b.Len(), b.Dropped[0], rep)
	}
	b, rep = bothV1(t, wire.Limits{Spans: 3}, s, s)
	if b.Len() != 3 || rep.Rejected != 2 || !rep.Limited {
		t.Errorf("%d spans, %+v", b.Len(), rep)
	}
}

// TestZipkinV1Invalid: a span of no valid ids is counted once, however many it would become.
func TestZipkinV1Invalid(t *testing.T) {
	a := []v1Annotation{{1, "cs", &zipkinEndpoint{ServiceName: "a"}}, {1, "sr", &zipkinEndpoint{ServiceName: "b"}}}
	b, rep := bothV1(t, wire.Limits{}, v1Span{TraceID: "0", ID: "b", Name: "n", Annotations: a}, v1Span{TraceID: "a", ID: "b", Annotations: a}, v1Span{TraceID: "a", ID: "0", Annotations: a})
	if b.Len() != 2 || rep != (wire.Report{Rejected: 2, Reason: `span "n": its trace id is nothing but zeros, want 16 bytes`}) {
		t.Errorf("%d spans, %+v", b.Len(), rep)
	}
}

// TestZipkinV1Broken: a prefix of a body is refused at a byte of it.
func TestZipkinV1Broken(t *testing.T) {
	e := &zipkinEndpoint{"a", "10.0.0.1", "::1", 3}
	s := v1Span{TraceID: "a", ID: "b", ParentID: "c", Name: "n", Timestamp: 1, Duration: 2, Annotations: []v1Annotation{{1, "cs", e}}, BinaryAnnotations: []v1Binary{{"k", "v", e}, {"sa", true, e}}}
	body, err := json.Marshal([]v1Span{s})
	if err != nil {
		t.Fatal(err)
	}
	for format, body := range map[wire.Format][]byte{wire.ZipkinV1JSON: body, wire.ZipkinThrift: v1Thrift(s)} {
		for n := range len(body) {
			var (
				b span.Batch
				e *wire.Error
			)
			_, err := wire.Decode(format, body[:n:n], wire.Limits{}, &b)
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
		{wire.ZipkinV1JSON, `{}`, "byte 0: '{' where an array should be"},
		{wire.ZipkinV1JSON, `[{"annotations":[{"timestamp":true}]}]`, "byte 30: 't' where a digit should be"},
		{wire.ZipkinV1JSON, `[{"localEndpoint":{}}]`, "byte 18: localEndpoint: a span of Zipkin's version 2, which POST /api/v2/spans takes"},
		{wire.ZipkinV1JSON, `[{"id":"1","tags":{}}]`, "byte 18: tags: a span of Zipkin's version 2, which POST /api/v2/spans takes"},
		{wire.ZipkinV1JSON, `[{"kind":"CLIENT"}]`, "byte 9: kind: a span of Zipkin's version 2, which POST /api/v2/spans takes"},
		{wire.ZipkinV1JSON, `[{"shared":true}]`, "byte 11: shared: a span of Zipkin's version 2, which POST /api/v2/spans takes"},
		{wire.ZipkinThrift, "\x0c\x00\x00\x00\x00x", "byte 5: bytes after the end of the request"},
		{wire.ZipkinThrift, "\x08\x00\x00\x00\x01\x00\x00\x00\x00", "byte 0: a list of type 8, want 12"},
		{wire.ZipkinThrift, "\x0c\x7f\xff\xff\xff\x00", "byte 1: a length of 2147483647 where 1 bytes are left"},
	} {
		var b span.Batch
		if _, err := wire.Decode(c.format, []byte(c.body), wire.Limits{}, &b); err == nil || err.Error() != c.err {
			t.Errorf("%q:\n got %v\nwant %s", c.body, err, c.err)
		}
	}
}

// TestZipkinV1EncodingsAgree: JSON and Thrift of the same spans are the same batch, in which nothing of them is lost.
func TestZipkinV1EncodingsAgree(t *testing.T) {
	endpoint := rapid.Ptr(rapid.Custom(func(t *rapid.T) zipkinEndpoint {
		return zipkinEndpoint{
			rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "service"), rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.2"}).Draw(t, "ipv4"),
			rapid.SampledFrom([]string{"", "2001:db8::1"}).Draw(t, "ipv6"), rapid.IntRange(0, 2).Draw(t, "port"),
		}
	}), true)
	when := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64())
	values := []string{"cs", "cr", "ss", "sr", "ms", "mr", "ws", "wr", "event", ""}
	one := rapid.Custom(func(t *rapid.T) v1Span {
		s := v1Span{
			TraceID: rapid.SampledFrom([]string{"a", zipkinTrace}).Draw(t, "trace"), ID: "b", ParentID: rapid.SampledFrom([]string{"", "0", "b", "c"}).Draw(t, "parent"),
			Name: rapid.String().Draw(t, "name"), Timestamp: when.Draw(t, "start"), Duration: when.Draw(t, "duration"), Debug: rapid.Bool().Draw(t, "debug"),
		}
		for range rapid.IntRange(0, 6).Draw(t, "annotations") {
			s.Annotations = append(s.Annotations, v1Annotation{when.Draw(t, "at"), rapid.SampledFrom(values).Draw(t, "value"), endpoint.Draw(t, "endpoint")})
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "tags") {
			key := rapid.SampledFrom([]string{"ca", "sa", "ma", "lc", fmt.Sprint("k", i)}).Draw(t, "key")
			value := rapid.OneOf(rapid.Just[any](true), rapid.Just[any](""), rapid.Just[any]("v")).Draw(t, "value")
			s.BinaryAnnotations = append(s.BinaryAnnotations, v1Binary{key, value, endpoint.Draw(t, "host")})
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		s := one.Draw(t, "span")
		b, rep := bothV1(t, wire.Limits{}, s)
		events, tags := 0, 0
		for i, s := range rows(b) {
			events += len(s.Events)
			for _, a := range s.Attrs {
				if strings.HasPrefix(a.Key, "k") {
					tags++
				}
			}
			if i > 0 && s.Kind == span.KindInternal && len(s.Events)+len(s.Attrs) == 0 {
				t.Fatalf("a span out of nothing: %+v", s)
			}
		}
		want, core := 0, 0
		for _, a := range s.Annotations {
			if slices.Index(values, a.Value) >= 8 || a.Endpoint == nil {
				want++
			} else {
				core++
			}
		}
		for _, a := range s.BinaryAnnotations {
			if a.Key[0] == 'k' {
				tags--
			}
		}
		if events < want || events > want+core || tags != 0 || b.Len() == 0 || rep.Rejected+rep.Cut > 0 {
			t.Fatalf("%d events of %d and %d core ones, %d tags too many, %d spans, %+v", events, want, core, tags, b.Len(), rep)
		}
	})
}

// zipkinRecorded is a body in testdata/zipkin, whose README says who made it.
func zipkinRecorded(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/zipkin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestZipkinRecorded: what real clients send is read, and is the same in each encoding that they have for it.
func TestZipkinRecorded(t *testing.T) {
	for _, c := range []struct {
		files map[string]wire.Format
		want  []string
	}{
		{map[string]wire.Format{"zipkin-go.json": wire.ZipkinJSON, "zipkin-go.proto": wire.ZipkinProto}, []string{
			`movie 2001:db8::c001 "select" client +2ms error "deadlock \"found\"", 4 attributes; deadlock "found"`,
			`movie 2001:db8::c001 "movie.get" server +5ms unset "", 0 attributes`,
			`web 10.0.0.1 "movie.get" client +7ms unset "", 3 attributes`,
			`web 10.0.0.1 "publish seen" producer +200µs unset "", 0 attributes`,
			`movie 2001:db8::c001 "render" internal +1ms unset "", 1 attributes`,
			`web 10.0.0.1 "get /subject/{id}" server +12ms error "", 4 attributes`,
		}},
		{map[string]wire.Format{
			"py_zipkin-v2.json": wire.ZipkinJSON, "py_zipkin-v2.proto": wire.ZipkinProto, "py_zipkin-v1.json": wire.ZipkinV1JSON, "py_zipkin-v1.thrift": wire.ZipkinThrift,
		}, []string{
			`web 10.0.0.1 "GET /subject/{id}" server +187.5ms unset "", 4 attributes; cache miss`,
			`web 10.0.0.1 "movie.get" client +109.375ms error "deadline überschritten", 3 attributes`,
			`api 2001:db8::c001 "movie.get" server +78.125ms unset "", 0 attributes; found; sent`,
			`api 2001:db8::c001 "select" internal +15.625ms unset "", 1 attributes`,
			`api 2001:db8::c001 "query" client +15.625ms unset "", 3 attributes`,
		}},
	} {
		var first []span.Span
		for _, name := range slices.Sorted(maps.Keys(c.files)) {
			b, rep := decodeZipkin(t, c.files[name], string(zipkinRecorded(t, name)))
			var lines []string
			spans := rows(b)
			for _, s := range spans {
				slices.SortFunc(s.Attrs, func(x, y span.Attribute) int { return strings.Compare(x.Key, y.Key) }) // protobuf's maps have no order
				var line strings.Builder
				fmt.Fprintf(&line, "%s %s %q %s +%v %s %q, %d attributes", s.Service(), s.Resource.Attrs[1].Value, s.Name, s.Kind, time.Duration(s.Duration), s.Status, s.StatusMessage, len(s.Attrs))
				for _, e := range s.Events {
					line.WriteString("; " + e.Name)
				}
				lines = append(lines, line.String())
			}
			if diff := cmp.Diff(c.want, lines); diff != "" || rep != (wire.Report{}) {
				t.Errorf("%s: %+v, want (-), got (+):\n%s", name, rep, diff)
			}
			if first == nil {
				first = spans
			}
			if diff := cmp.Diff(first, spans); diff != "" {
				t.Errorf("%s is other than the first (-) of its client:\n%s", name, diff)
			}
		}
	}
}
