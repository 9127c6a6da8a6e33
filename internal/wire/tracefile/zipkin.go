package tracefile

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// zipkinSpan is a span of Zipkin's v2 JSON. Package wire reads it, and says what stands for what it has no words for.
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
	var outcome wire.Outcome // as it will be read from the tags, unless we say more
	for _, a := range s.Attrs {
		if wire.IsHTTPStatus([]byte(a.Key)) {
			outcome.HTTPFrom([]byte(a.Value.String()))
		}
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
	if s.Status != span.StatusUnset || outcome.Status(s.Kind) != span.StatusUnset {
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
