// Package shuaihttp traces net/http: a handler that makes a span of each request served, and a
// transport that makes one of each request sent and passes the trace on. Attributes are those of
// OpenTelemetry's semantic conventions for HTTP.
//
//	http.ListenAndServe(addr, shuaihttp.NewHandler(mux, shuaihttp.Config{}))
//	client := &http.Client{Transport: shuaihttp.NewTransport(nil, shuaihttp.Config{})}
package shuaihttp

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fuwu-project/fuwu/shuai"
)

// Config says who traces. The zero value works.
type Config struct {
	// Tracer makes the spans. Default: for a client's span the tracer of the span around it, else the
	// default tracer of the process.
	Tracer *shuai.Tracer
	// Filter, where set, says which requests are traced. A request that is not passes through untouched.
	Filter func(*http.Request) bool
	// Public says that requests to a handler come from outside: the trace of a caller is not continued but linked to, and it is not for
	// the caller to say whether the request is recorded.
	Public bool
	// Route, where set, says which route a request to a handler goes to, as "/subject/{id}", or "" if none. Default: what an
	// [http.ServeMux] says.
	Route func(*http.Request) string
}

func (c Config) start(ctx context.Context, name string, kind shuai.Kind) (context.Context, *shuai.Span) {
	if c.Tracer != nil {
		return c.Tracer.StartSpan(ctx, name, kind)
	}
	return shuai.StartSpan(ctx, name, kind)
}

// begin starts the span of a request that came, in the context of its caller or, if that is not to be trusted, in none.
func (c Config) begin(ctx context.Context, r *http.Request, name string) (context.Context, *shuai.Span) {
	if !c.Public {
		return c.start(ctx, name, shuai.KindServer)
	}
	var span *shuai.Span
	if c.Tracer != nil {
		ctx, span = c.Tracer.StartRoot(ctx, name, shuai.KindServer)
	} else {
		ctx, span = shuai.StartRoot(ctx, name, shuai.KindServer)
	}
	if span.Recording() {
		if caller := shuai.SpanFromContext(c.extract(r)); caller.Remote() {
			span.AddLink(caller)
		}
	}
	return ctx, span
}

func (c Config) extract(r *http.Request) context.Context {
	if c.Tracer != nil {
		return c.Tracer.Extract(r.Context(), Header(r.Header))
	}
	return shuai.Extract(r.Context(), Header(r.Header))
}

func (c Config) skips(r *http.Request) bool { return c.Filter != nil && !c.Filter(r) }

// Header is a [shuai.Carrier] of HTTP headers.
type Header http.Header

// Get returns the values of a header, joined by commas.
func (h Header) Get(key string) string {
	switch v := h[canonical(key)]; len(v) {
	case 0:
		return ""
	case 1:
		return v[0]
	default:
		return strings.Join(v, ",")
	}
}

// Set replaces a header.
func (h Header) Set(key, value string) { h[canonical(key)] = []string{value} }

// canonical spares the names that every request is asked for an allocation.
func canonical(key string) string {
	switch key {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return "Tracestate"
	case "baggage":
		return "Baggage"
	case "shuai-debug":
		return "Shuai-Debug"
	case "b3":
		return "B3"
	case "x-b3-traceid":
		return "X-B3-Traceid"
	case "x-b3-spanid":
		return "X-B3-Spanid"
	case "x-b3-sampled":
		return "X-B3-Sampled"
	case "x-b3-flags":
		return "X-B3-Flags"
	}
	return http.CanonicalHeaderKey(key)
}

// Keys returns the names of all headers.
func (h Header) Keys() []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	return keys
}

// method returns the request's method if it is a standard one (RFC 9110, RFC 5789), so that names stay few.
func method(m string) (attr, name string) {
	switch m {
	case "":
		return http.MethodGet, http.MethodGet // what a client means by it
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return m, m
	}
	return "_OTHER", "HTTP"
}

// pairs are texts of two words, put together once: that saves more than the time, because the statistics know again what is where it was.
type pairs struct {
	texts atomic.Pointer[map[[2]string]string]
}

// maxPairs bounds the texts that are kept: routers that do not have routes but paths make more.
const maxPairs = 1000

// text is first and second with a space between them, or first alone.
func (p *pairs) text(first, second string) string {
	if second == "" {
		return first
	}
	known := p.texts.Load()
	if known != nil {
		if text, ok := (*known)[[2]string{first, second}]; ok {
			return text
		}
	}
	text := first + " " + second
	more := map[[2]string]string{{strings.Clone(first), strings.Clone(second)}: text} // what they are parts of may be large
	if known != nil {
		if len(*known) >= maxPairs {
			return text
		}
		maps.Copy(more, *known)
	}
	p.texts.Store(&more)
	return text
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// setServer sets server.address and, where known, server.port.
func setServer(s *shuai.Span, hostport, scheme string) {
	host, port := splitHostPort(hostport)
	if port == "" {
		port = defaultPorts[scheme]
	}
	if host != "" {
		s.SetString("server.address", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		s.SetInt("server.port", int64(n))
	}
}

func splitHostPort(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	return strings.Trim(s, "[]"), ""
}
