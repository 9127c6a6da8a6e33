package tracefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// zipkinSpan is a span of Zipkin's v2 JSON.
type zipkinSpan struct {
	TraceID        string             `json:"traceId"`
	ParentID       string             `json:"parentId,omitempty"`
	ID             string             `json:"id"`
	Kind           string             `json:"kind,omitempty"`
	Name           string             `json:"name,omitempty"`
	Timestamp      int64              `json:"timestamp,omitempty"` // µs
	Duration       int64              `json:"duration,omitempty"`  // µs
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
	Timestamp int64  `json:"timestamp"` // µs
	Value     string `json:"value"`
}

// decodeZipkin reads a list of spans, or a list of such lists.
func decodeZipkin(body []byte, b *span.Batch) (rep wire.Report, err error) {
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return rep, jsonError(err)
	}
	var spans []zipkinSpan
	for _, raw := range list {
		var some []zipkinSpan
		if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) > 0 && raw[0] != '[' {
			raw = append(append([]byte("["), raw...), ']')
		}
		if err := json.Unmarshal(raw, &some); err != nil {
			return rep, jsonError(err)
		}
		spans = append(spans, some...)
	}
	for i := range spans {
		z := &spans[i]
		s := span.Span{Name: z.Name, Start: micros(z.Timestamp), Duration: micros(z.Duration), Kind: span.KindInternal, Flags: span.FlagSampled}
		if !ids(&s, z.TraceID, z.ID, z.ParentID) {
			reject(&rep, "span", i)
			continue
		}
		if k, ok := span.ParseKind(strings.ToLower(z.Kind)); ok && z.Kind != "" {
			s.Kind = k
		}
		if e := z.LocalEndpoint; e != nil {
			s.Resource.Attrs = e.attrs(s.Resource.Attrs, "service.name", "network.local")
		}
		if e := z.RemoteEndpoint; e != nil {
			s.Attrs = e.attrs(s.Attrs, "peer.service", "network.peer")
		}
		z.tags(&s)
		for _, a := range z.Annotations {
			s.Events = append(s.Events, eventFrom(micros(a.Timestamp), a.Value))
		}
		b.Append(&s)
	}
	return rep, nil
}

func (e *zipkinEndpoint) attrs(attrs []span.Attribute, service, network string) []span.Attribute {
	put := func(key string, v span.Value) { attrs = append(attrs, span.Attribute{Key: key, Value: v}) }
	if e.ServiceName != "" {
		put(service, span.StringValue(e.ServiceName))
	}
	if e.IPv4 != "" {
		put(network+".address", span.StringValue(e.IPv4))
	} else if e.IPv6 != "" {
		put(network+".address", span.StringValue(e.IPv6))
	}
	if e.Port != 0 {
		put(network+".port", span.IntValue(int64(e.Port)))
	}
	return attrs
}

// tags makes attributes of them, in order of the keys, but for those that OpenTelemetry has fields for.
func (z *zipkinSpan) tags(s *span.Span) {
	for _, key := range slices.Sorted(maps.Keys(z.Tags)) {
		value := z.Tags[key]
		switch {
		case statusFrom(s, key, value):
		case strings.HasPrefix(key, "otlp.link."):
			if l, ok := linkFrom(value); ok {
				s.Links = append(s.Links, l)
			}
		case key == "error":
			if value != "false" && s.Status == span.StatusUnset {
				s.Status = span.StatusError
				if value != "" && value != "true" && s.StatusMessage == "" {
					s.StatusMessage = value
				}
			}
		default:
			s.Attrs = append(s.Attrs, span.Attribute{Key: key, Value: span.StringValue(value)})
		}
	}
}

// eventFrom takes an annotation apart that OpenTelemetry made of an event: name|{attributes}|dropped.
func eventFrom(at int64, value string) span.Event {
	e := span.Event{Time: at, Name: value}
	parts := strings.Split(value, "|")
	if len(parts) < 3 {
		return e
	}
	last := len(parts) - 1
	dropped, err := strconv.ParseUint(parts[last], 10, 32)
	attrs, err2 := span.ParseJSONMap(strings.Join(parts[1:last], "|"))
	if err != nil || err2 != nil {
		return e
	}
	return span.Event{Time: at, Name: parts[0], Attrs: attrs, Dropped: uint32(dropped)}
}

// linkFrom reads trace|span|state|{attributes}|dropped.
func linkFrom(value string) (l span.Link, ok bool) {
	parts := strings.Split(value, "|")
	if len(parts) < 5 {
		return l, false
	}
	last := len(parts) - 1
	var err [4]error
	l.TraceID, err[0] = span.ParseTraceID(parts[0])
	l.SpanID, err[1] = span.ParseID(parts[1])
	l.TraceState = parts[2]
	l.Attrs, err[2] = span.ParseJSONMap(strings.Join(parts[3:last], "|"))
	dropped, e := strconv.ParseUint(parts[last], 10, 32)
	l.Dropped, err[3] = uint32(dropped), e
	return l, err == [4]error{}
}

// EncodeZipkin writes a batch as a list of Zipkin's v2 spans.
func EncodeZipkin(b *span.Batch) ([]byte, error) {
	clients := map[span.ID]bool{}
	for i := range b.Len() {
		if b.Kind[i] == span.KindClient {
			clients[b.SpanID[i]] = true
		}
	}
	list := make([]zipkinSpan, 0, b.Len())
	for i := range b.Len() {
		s := b.Span(i)
		z := zipkinSpan{
			TraceID: s.TraceID.String(), ID: s.SpanID.String(), Name: s.Name, Timestamp: s.Start / 1000, Duration: (s.Duration + 500) / 1000,
			Tags: map[string]string{}, Shared: s.Kind == span.KindServer && clients[s.SpanID],
		}
		if s.TraceID.Hi == 0 {
			z.TraceID = span.ID(s.TraceID.Lo).String()
		}
		if s.Parent != 0 {
			z.ParentID = s.Parent.String()
		}
		if s.Duration > 0 {
			z.Duration = max(z.Duration, 1) // Zipkin takes 0 for "not known"
		}
		switch s.Kind {
		case span.KindClient, span.KindServer, span.KindProducer, span.KindConsumer:
			z.Kind = strings.ToUpper(s.Kind.String())
		case span.KindUnspecified, span.KindInternal:
		}
		z.put(&s)
		list = append(list, z)
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode as Zipkin: %w", err)
	}
	return body, nil
}

// put writes what Zipkin has tags, endpoints and annotations for.
func (z *zipkinSpan) put(s *span.Span) {
	local, remote := &zipkinEndpoint{ServiceName: s.Service()}, &zipkinEndpoint{}
	for _, a := range s.Resource.Attrs {
		switch {
		case a.Key == "service.name" && a.Value.Type == span.String:
		case local.take(a, "network.local"):
		default:
			z.Tags[a.Key] = a.Value.String()
		}
	}
	for _, a := range s.Attrs {
		switch {
		case (a.Key == "service.peer.name" || a.Key == "peer.service") && a.Value.Type == span.String:
			remote.ServiceName = a.Value.Str
		case remote.take(a, "network.peer"):
		default:
			z.Tags[a.Key] = a.Value.String()
		}
	}
	z.LocalEndpoint = local
	if *remote != (zipkinEndpoint{}) {
		z.RemoteEndpoint = remote
	}
	some := func(key, value string) {
		if value != "" {
			z.Tags[key] = value
		}
	}
	some("otel.scope.name", s.Scope.Name)
	some("otel.scope.version", s.Scope.Version)
	some("w3c.tracestate", s.TraceState)
	some("otel.status_description", s.StatusMessage)
	if s.Status != span.StatusUnset {
		z.Tags["otel.status_code"] = strings.ToUpper(s.Status.String())
	}
	if s.Status == span.StatusError {
		if z.Tags["error"] = s.StatusMessage; s.StatusMessage == "" {
			z.Tags["error"] = "true"
		}
	}
	for _, e := range s.Events {
		a := zipkinAnnotation{e.Time / 1000, e.Name}
		if len(e.Attrs) > 0 || e.Dropped > 0 || strings.Contains(e.Name, "|") {
			a.Value = fmt.Sprintf("%s|%s|%d", e.Name, span.AppendJSONMap(nil, e.Attrs), e.Dropped)
		}
		z.Annotations = append(z.Annotations, a)
	}
	for i, l := range s.Links {
		z.Tags[fmt.Sprintf("otlp.link.%d", i)] = fmt.Sprintf("%s|%s|%s|%s|%d", l.TraceID, l.SpanID, l.TraceState, span.AppendJSONMap(nil, l.Attrs), l.Dropped)
	}
}

// take takes an address or a port of the prefix, and says whether it did.
func (e *zipkinEndpoint) take(a span.Attribute, prefix string) bool {
	switch {
	case a.Key == prefix+".address" && a.Value.Type == span.String:
		ip, err := netip.ParseAddr(a.Value.Str)
		if err != nil {
			return false
		}
		if ip.Is4() {
			e.IPv4 = ip.String()
		} else {
			e.IPv6 = ip.String()
		}
	case a.Key == prefix+".port" && a.Value.Type == span.Int && a.Value.Int() > 0 && a.Value.Int() < 1<<16:
		e.Port = int(a.Value.Int())
	default:
		return false
	}
	return true
}
