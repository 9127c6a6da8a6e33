package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/span"
)

// The oracle: what google's generated types read, turned into spans by the rules of the package comment, slowly
// and plainly.

const oracleDepth = 60

// oracleSpans are the valid spans of a request, and the number of the others.
func oracleSpans(req *collectorpb.ExportTraceServiceRequest) (spans []span.Span, rejected int) {
	for _, rs := range req.ResourceSpans {
		resource := span.Resource{
			Attrs:     oracleAttrs(rs.Resource.GetAttributes()),
			Dropped:   rs.Resource.GetDroppedAttributesCount(),
			SchemaURL: rs.SchemaUrl,
		}
		for _, ss := range rs.ScopeSpans {
			scope := span.Scope{
				Name: ss.Scope.GetName(), Version: ss.Scope.GetVersion(),
				Attrs:   oracleAttrs(ss.Scope.GetAttributes()),
				Dropped: ss.Scope.GetDroppedAttributesCount(), SchemaURL: ss.SchemaUrl,
			}
			for _, s := range ss.Spans {
				if sp, ok := oracleSpan(s); ok {
					sp.Resource, sp.Scope = resource, scope
					spans = append(spans, sp)
				} else {
					rejected++
				}
			}
		}
	}
	return spans, rejected
}

func oracleSpan(s *tracepb.Span) (span.Span, bool) {
	trace, ok1 := oracleTraceID(s.TraceId)
	id, ok2 := oracleID(s.SpanId)
	parent, ok3 := oracleID(s.ParentSpanId)
	if !ok1 || !ok2 || trace.IsZero() || id == 0 || !ok3 && len(s.ParentSpanId) != 0 {
		return span.Span{}, false
	}
	start, end := min(s.StartTimeUnixNano, math.MaxInt64), min(s.EndTimeUnixNano, math.MaxInt64)
	out := span.Span{
		TraceID: trace, SpanID: id, Parent: parent, Name: s.Name, Start: int64(start), Duration: int64(max(start, end) - start),
		StatusMessage: s.Status.GetMessage(), TraceState: s.TraceState, Flags: s.Flags, Attrs: oracleAttrs(s.Attributes),
		DroppedAttrs: s.DroppedAttributesCount, DroppedEvents: s.DroppedEventsCount, DroppedLinks: s.DroppedLinksCount,
	}
	if k := s.Kind; k >= 0 && k <= tracepb.Span_SPAN_KIND_CONSUMER {
		out.Kind = span.Kind(k)
	}
	if c := s.Status.GetCode(); c >= 0 && c <= tracepb.Status_STATUS_CODE_ERROR {
		out.Status = span.Status(c)
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, span.Event{
			Time: int64(min(e.TimeUnixNano, math.MaxInt64)), Name: e.Name, Attrs: oracleAttrs(e.Attributes), Dropped: e.DroppedAttributesCount,
		})
	}
	for _, l := range s.Links {
		trace, ok1 := oracleTraceID(l.TraceId)
		id, ok2 := oracleID(l.SpanId)
		if !ok1 && len(l.TraceId) > 0 || !ok2 && len(l.SpanId) > 0 {
			out.DroppedLinks = uint32(min(uint64(out.DroppedLinks)+1, math.MaxUint32))
			continue
		}
		out.Links = append(out.Links, span.Link{
			TraceID: trace, SpanID: id, TraceState: l.TraceState, Attrs: oracleAttrs(l.Attributes), Dropped: l.DroppedAttributesCount, Flags: l.Flags,
		})
	}
	return out, true
}

func oracleTraceID(p []byte) (span.TraceID, bool) {
	if len(p) != 16 {
		return span.TraceID{}, false
	}
	id, _ := span.TraceIDFromBytes(p)
	return id, true
}

func oracleID(p []byte) (span.ID, bool) {
	if len(p) != 8 {
		return 0, false
	}
	var id span.ID
	for _, c := range p {
		id = id<<8 | span.ID(c)
	}
	return id, true
}

func oracleAttrs(kvs []*commonpb.KeyValue) []span.Attribute { return oracleMap(kvs, 0) }

func oracleMap(kvs []*commonpb.KeyValue, depth int) []span.Attribute {
	var attrs []span.Attribute
	at := map[string]int{}
	for _, kv := range kvs {
		v := oracleValue(kv.Value, depth+1)
		if i, ok := at[kv.Key]; ok {
			attrs[i].Value = v
			continue
		}
		at[kv.Key] = len(attrs)
		attrs = append(attrs, span.Attribute{Key: kv.Key, Value: v})
	}
	return attrs
}

func oracleValue(v *commonpb.AnyValue, depth int) span.Value {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return span.StringValue(v.StringValue)
	case *commonpb.AnyValue_BoolValue:
		return span.BoolValue(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return span.IntValue(v.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return span.DoubleValue(v.DoubleValue)
	case *commonpb.AnyValue_BytesValue:
		return span.TextValue(span.Bytes, string(v.BytesValue))
	case *commonpb.AnyValue_ArrayValue:
		if depth > oracleDepth {
			break
		}
		var values []span.Value
		for _, el := range v.ArrayValue.GetValues() {
			values = append(values, oracleValue(el, depth+1))
		}
		return span.TextValue(span.List, string(span.AppendJSONList(nil, values)))
	case *commonpb.AnyValue_KvlistValue:
		if depth > oracleDepth {
			break
		}
		return span.TextValue(span.Map, string(span.AppendJSONMap(nil, oracleMap(v.KvlistValue.GetValues(), depth))))
	}
	return span.Value{}
}

// toProto makes the message that a sender of these spans would send, one ResourceSpans a span.
func toProto(spans []span.Span) *collectorpb.ExportTraceServiceRequest {
	req := &collectorpb.ExportTraceServiceRequest{}
	for i := range spans {
		s := &spans[i]
		trace, id, parent := s.TraceID.Bytes(), s.SpanID.Bytes(), s.Parent.Bytes()
		out := &tracepb.Span{
			TraceId: trace[:], SpanId: id[:], Name: s.Name, TraceState: s.TraceState, Kind: tracepb.Span_SpanKind(s.Kind),
			StartTimeUnixNano: uint64(s.Start), EndTimeUnixNano: uint64(s.End()), Flags: s.Flags, Attributes: toKeyValues(s.Attrs),
			DroppedAttributesCount: s.DroppedAttrs, DroppedEventsCount: s.DroppedEvents, DroppedLinksCount: s.DroppedLinks,
			Status: &tracepb.Status{Message: s.StatusMessage, Code: tracepb.Status_StatusCode(s.Status)},
		}
		if s.Parent != 0 {
			out.ParentSpanId = parent[:]
		}
		for _, e := range s.Events {
			out.Events = append(out.Events, &tracepb.Span_Event{
				TimeUnixNano: uint64(e.Time), Name: e.Name, Attributes: toKeyValues(e.Attrs), DroppedAttributesCount: e.Dropped,
			})
		}
		for _, l := range s.Links {
			trace, id := l.TraceID.Bytes(), l.SpanID.Bytes()
			out.Links = append(out.Links, &tracepb.Span_Link{
				TraceId: trace[:], SpanId: id[:], TraceState: l.TraceState, Attributes: toKeyValues(l.Attrs), DroppedAttributesCount: l.Dropped, Flags: l.Flags,
			})
		}
		rs := &tracepb.ResourceSpans{SchemaUrl: s.Resource.SchemaURL}
		rs.Resource = &resourcepb.Resource{Attributes: toKeyValues(s.Resource.Attrs), DroppedAttributesCount: s.Resource.Dropped}
		rs.ScopeSpans = []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{
				Name: s.Scope.Name, Version: s.Scope.Version, Attributes: toKeyValues(s.Scope.Attrs), DroppedAttributesCount: s.Scope.Dropped,
			},
			SchemaUrl: s.Scope.SchemaURL,
			Spans:     []*tracepb.Span{out},
		}}
		req.ResourceSpans = append(req.ResourceSpans, rs)
	}
	return req
}

func toKeyValues(attrs []span.Attribute) []*commonpb.KeyValue {
	var kvs []*commonpb.KeyValue
	for _, a := range attrs {
		kvs = append(kvs, &commonpb.KeyValue{Key: a.Key, Value: toAnyValue(a.Value)})
	}
	return kvs
}

func toAnyValue(v span.Value) *commonpb.AnyValue {
	switch v.Type {
	case span.String:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v.Str}}
	case span.Bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v.Bool()}}
	case span.Int:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v.Int()}}
	case span.Double:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v.Double()}}
	case span.Bytes:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte(v.Str)}}
	case span.List:
		values, err := span.ParseJSONList(v.Str)
		if err != nil {
			panic(err)
		}
		list := &commonpb.ArrayValue{}
		for _, el := range values {
			list.Values = append(list.Values, toAnyValue(el))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	case span.Map:
		attrs, err := span.ParseJSONMap(v.Str)
		if err != nil {
			panic(err)
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: toKeyValues(attrs)}}}
	case span.Null:
	}
	return &commonpb.AnyValue{}
}

func marshal(t interface{ Fatal(...any) }, m proto.Message) []byte {
	p, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// toJSON is the message as OTLP/JSON: protobuf's JSON with ids as hex and enums as numbers.
func toJSON(t interface{ Fatal(...any) }, m proto.Message) []byte {
	p, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(p))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	hexIDs(doc)
	if p, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	return p
}

// hexIDs turns the ids in a document from base64 to hex.
func hexIDs(v any) {
	switch v := v.(type) {
	case []any:
		for _, el := range v {
			hexIDs(el)
		}
	case map[string]any:
		for key, el := range v {
			switch s, ok := el.(string); {
			case ok && (key == "traceId" || key == "spanId" || key == "parentSpanId"):
				raw, err := base64.StdEncoding.DecodeString(s)
				if err != nil {
					panic(err)
				}
				v[key] = hex.EncodeToString(raw)
			default:
				hexIDs(el)
			}
		}
	}
}

// rows are the spans of a batch.
func rows(b *span.Batch) []span.Span {
	var spans []span.Span
	for i := range b.Len() {
		spans = append(spans, b.Span(i))
	}
	return spans
}
