package tracefile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// jaegerTrace is a trace as Jaeger's query API has it; our own (package jaeger) writes it.
type jaegerTrace struct {
	TraceID string
	Spans   []struct {
		TraceID, SpanID, ParentSpanID, OperationName, ProcessID string
		Flags                                                   uint32
		References                                              []struct{ RefType, TraceID, SpanID string }
		StartTime, Duration                                     int64
		Tags                                                    []jaegerTag
		Logs                                                    []struct {
			Timestamp int64
			Fields    []jaegerTag
		}
	}
	Processes map[string]struct {
		ServiceName string
		Tags        []jaegerTag
	}
}

type jaegerTag struct {
	Key, Type string
	Value     json.RawMessage
}

// value is the tag's, as typed; what does not fit its type is text.
func (t *jaegerTag) value() span.Value {
	text := string(t.Value)
	if len(t.Value) > 0 && t.Value[0] == '"' {
		var s string
		if json.Unmarshal(t.Value, &s) != nil {
			return span.Value{}
		}
		text = s
	}
	switch t.Type {
	case "bool":
		if v, err := strconv.ParseBool(text); err == nil {
			return span.BoolValue(v)
		}
	case "int64":
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return span.IntValue(v)
		}
	case "float64":
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return span.DoubleValue(v)
		}
	case "binary":
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			return span.TextValue(span.Bytes, string(raw))
		}
	}
	return span.StringValue(text)
}

func jaegerAttrs(tags []jaegerTag) []span.Attribute {
	var attrs []span.Attribute
	for i := range tags {
		attrs = append(attrs, span.Attribute{Key: tags[i].Key, Value: tags[i].value()})
	}
	return attrs
}

// decodeJaeger reads a list of traces.
func decodeJaeger(data []byte, b *span.Batch) (rep wire.Report, err error) {
	var traces []jaegerTrace
	if err := json.Unmarshal(data, &traces); err != nil {
		return rep, jsonError(err)
	}
	for t := range traces {
		resources := map[string]span.Resource{}
		for id, p := range traces[t].Processes {
			r := span.Resource{Attrs: jaegerAttrs(p.Tags)}
			if p.ServiceName != "" {
				r.Attrs = append(r.Attrs, span.Attribute{Key: "service.name", Value: span.StringValue(p.ServiceName)})
			}
			resources[id] = r
		}
		for i := range traces[t].Spans {
			j := &traces[t].Spans[i]
			s := span.Span{
				Name: j.OperationName, Start: micros(j.StartTime), Duration: micros(j.Duration), Flags: j.Flags & span.FlagSampled,
				Resource: resources[j.ProcessID],
			}
			if j.Duration < 0 {
				rep.Clamped++
			}
			if !ids(&s, j.TraceID, j.SpanID, j.ParentSpanID) {
				reject(&rep, i)
				continue
			}
			for _, r := range j.References {
				trace, err1 := span.ParseTraceID(r.TraceID)
				id, err2 := span.ParseID(r.SpanID)
				if err1 != nil || err2 != nil {
					continue
				}
				if r.RefType == "CHILD_OF" && trace == s.TraceID && s.Parent == 0 {
					s.Parent = id
					continue
				}
				l := span.Link{TraceID: trace, SpanID: id}
				if r.RefType == "CHILD_OF" {
					l.Attrs = []span.Attribute{{Key: "opentracing.ref_type", Value: span.StringValue("child_of")}}
				}
				s.Links = append(s.Links, l)
			}
			jaegerTags(&s, j.Tags)
			for _, log := range j.Logs {
				e := span.Event{Time: micros(log.Timestamp)}
				for _, a := range jaegerAttrs(log.Fields) {
					if a.Key == "event" && e.Name == "" && a.Value.Type == span.String {
						e.Name = a.Value.Str
					} else {
						e.Attrs = append(e.Attrs, a)
					}
				}
				s.Events = append(s.Events, e)
			}
			b.Append(&s)
		}
	}
	return rep, nil
}

// jaegerTags makes attributes of tags, but for those that OpenTelemetry has fields for.
func jaegerTags(s *span.Span, tags []jaegerTag) {
	failed := false
	for _, a := range jaegerAttrs(tags) {
		text := a.Value.String()
		kind, isKind := span.ParseKind(text)
		switch {
		case a.Key == "span.kind" && isKind:
			s.Kind = kind
		case a.Key == "error" && a.Value == span.BoolValue(true):
			failed = true
		case a.Value.Type == span.String && statusFrom(s, a.Key, text):
		default:
			failed = failed || a.Key == "error" && text == "true"
			s.Attrs = append(s.Attrs, a)
		}
	}
	if failed {
		s.Status = span.StatusError
	}
}

// ids reads the ids of a span; ok is false when it has none.
func ids(s *span.Span, trace, id, parent string) (ok bool) {
	var err1, err2 error
	s.TraceID, err1 = span.ParseTraceID(trace)
	s.SpanID, err2 = span.ParseID(id)
	if parent != "" {
		s.Parent, _ = span.ParseID(parent) // of zeros: a root
	}
	return err1 == nil && err2 == nil
}

// reject counts a span that is left out.
func reject(rep *wire.Report, i int) {
	if rep.Rejected++; rep.Reason == "" {
		rep.Reason = fmt.Sprintf("span %d has no valid ids", i)
	}
}

// micros is a time of µs in ns, held within what a time can be.
func micros(us int64) int64 {
	return min(max(us, 0), math.MaxInt64/2000) * 1000
}

// statusFrom takes a status apart that OpenTelemetry's exporters put into tags. It says whether the tag was one.
func statusFrom(s *span.Span, key, value string) bool {
	switch key {
	case "otel.status_code":
		switch value {
		case "OK":
			s.Status = span.StatusOK
		case "ERROR":
			s.Status = span.StatusError
		}
	case "otel.status_description":
		s.StatusMessage = value
	case "otel.scope.name", "otel.library.name":
		s.Scope.Name = value
	case "otel.scope.version", "otel.library.version":
		s.Scope.Version = value
	case "w3c.tracestate":
		s.TraceState = value
	default:
		return false
	}
	return true
}
