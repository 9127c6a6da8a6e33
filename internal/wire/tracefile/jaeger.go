package tracefile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
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
				Name: j.OperationName, Start: wire.Micros(j.StartTime), Duration: wire.Micros(j.Duration), Flags: wire.JaegerFlags(j.Flags),
				Resource: resources[j.ProcessID],
			}
			if most := math.MaxInt64 - s.Start; j.Duration < 0 || s.Duration > most {
				s.Duration = min(s.Duration, most)
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
				how := wire.FollowsFrom
				if r.RefType == "CHILD_OF" {
					how = wire.ChildOf
				}
				if how == wire.ChildOf && trace == s.TraceID && wire.TakeParent(&s.Parent, s.SpanID, id) {
					continue
				}
				s.Links = append(s.Links, span.Link{TraceID: trace, SpanID: id, Attrs: []span.Attribute{{Key: wire.RefType, Value: span.StringValue(how)}}})
			}
			jaegerTags(&s, j.Tags)
			for _, log := range j.Logs {
				s.Events = append(s.Events, jaegerEvent(log.Timestamp, log.Fields))
			}
			b.Append(&s)
		}
	}
	return rep, nil
}

// jaegerEvent makes an event of a log. The field event is its name, or else the field message.
func jaegerEvent(us int64, fields []jaegerTag) span.Event {
	e := span.Event{Time: wire.Micros(us)}
	for _, a := range jaegerAttrs(fields) {
		if a.Key == "event" && e.Name == "" && a.Value.Type == span.String {
			e.Name = a.Value.Str
		} else {
			e.Attrs = append(e.Attrs, a)
		}
	}
	if e.Name == "" {
		message := func(a span.Attribute) bool { return a.Key == "message" && a.Value.Type == span.String }
		if i := slices.IndexFunc(e.Attrs, message); i >= 0 {
			e.Name = e.Attrs[i].Value.Str
			e.Attrs = slices.Delete(e.Attrs, i, i+1)
		}
	}
	return e
}

// jaegerTags makes attributes of tags, but for those that OpenTelemetry has fields for.
func jaegerTags(s *span.Span, tags []jaegerTag) {
	var o wire.Outcome
	for _, a := range jaegerAttrs(tags) {
		text := a.Value.Str
		kind, isKind := span.ParseKind(text)
		switch {
		case a.Key == "span.kind" && a.Value.Type == span.String && isKind:
			s.Kind = kind
			continue
		case a.Value.Type == span.String && fieldFrom(s, &o, a.Key, text):
			continue
		case a.Key == "error" && a.Value == span.BoolValue(true):
			o.Failed = true
			continue
		case a.Key == "error":
			o.Failed = o.Failed || text == "true" && a.Value.Type == span.String
		case wire.IsHTTPStatus([]byte(a.Key)) && a.Value.Type == span.Int:
			o.HTTP = a.Value.Int()
		case wire.IsHTTPStatus([]byte(a.Key)) && a.Value.Type == span.String:
			o.HTTPFrom([]byte(text))
		}
		s.Attrs = append(s.Attrs, a)
	}
	s.Status = o.Status(s.Kind)
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

// fieldFrom takes a tag that stands for what OpenTelemetry has a field for. It says whether the tag was one.
func fieldFrom(s *span.Span, o *wire.Outcome, key, value string) bool {
	switch wire.FieldOf([]byte(key)) {
	case wire.StatusCode:
		return o.Name([]byte(value))
	case wire.StatusMessage:
		s.StatusMessage = value
	case wire.ScopeName:
		s.Scope.Name = value
	case wire.ScopeVersion:
		s.Scope.Version = value
	case wire.TraceState:
		s.TraceState = value
	case wire.NoField:
		return false
	}
	return true
}
