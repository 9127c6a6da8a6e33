// Package shuaiotel makes Shuai's tracer the one behind OpenTelemetry's API: whatever is instrumented for OpenTelemetry makes spans of
// Shuai, with its sampling, its statistics and its exporter, at a fraction of the cost of OpenTelemetry's SDK.
//
//	stop, err := shuaiotel.Start(shuai.Config{Service: "movie-web"})
//	…
//	defer stop(ctx)
//
// Both APIs may be used in one trace: a context has one current span, which is the same whichever API asks for it.
//
// # The idea
//
// A [shuai.Span] is a context, and in its role as a context it answers for OpenTelemetry's key, too. What it answers with is itself:
// a [trace.Span] that is nothing but the pointer to it. So a span that is started through OpenTelemetry's API is one
// allocation, as through Shuai's; what else is allocated are the options of the call.
package shuaiotel

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
)

// Start starts the default tracer, as [shuai.Start] does, and makes it the global one of OpenTelemetry, along with a [Propagator].
func Start(cfg shuai.Config) (stop func(context.Context) error, err error) {
	stop, err = shuai.Start(cfg)
	if err != nil {
		return nil, err
	}
	otel.SetTracerProvider(NewTracerProvider(nil))
	otel.SetTextMapPropagator(Propagator{})
	return stop, nil
}

// TracerProvider is a [trace.TracerProvider] whose spans are Shuai's.
type TracerProvider struct {
	embedded.TracerProvider
	tracer *shuai.Tracer // nil: the default one, whenever a span is started

	mu     sync.Mutex
	scopes map[scope]*tracer
}

// scope is what OpenTelemetry tells instrumentations apart by.
type scope struct {
	name, version, schemaURL string
	attrs                    attribute.Distinct
}

// maxScopes bounds the memory of a program that makes up names. Beyond, spans are those of the scope shuaiotel.
const maxScopes = 1000

// latest is the provider of the tracer that was last seen: mostly, of the only one there is.
var latest atomic.Pointer[TracerProvider]

// NewTracerProvider returns a provider whose spans t makes; nil stands for the default tracer at the time of the span.
func NewTracerProvider(t *shuai.Tracer) *TracerProvider {
	p := &TracerProvider{tracer: t.Unscoped(), scopes: map[scope]*tracer{}}
	latest.Store(p)
	return p
}

// providerOf is for spans that are asked for theirs, at every request by some instrumentations.
func providerOf(t *shuai.Tracer) *TracerProvider {
	if t = t.Unscoped(); t == nil {
		t = shuai.Default()
	}
	if p := latest.Load(); p != nil && p.current() == t {
		return p
	}
	return NewTracerProvider(t)
}

func (p *TracerProvider) current() *shuai.Tracer {
	if p.tracer == nil {
		return shuai.Default()
	}
	return p.tracer
}

// Tracer implements [trace.TracerProvider]: the same arguments give the same tracer.
func (p *TracerProvider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	cfg := trace.NewTracerConfig(options...)
	set := cfg.InstrumentationAttributes()
	s := scope{name, cfg.InstrumentationVersion(), cfg.SchemaURL(), set.Equivalent()}
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.scopes[s]
	if !ok {
		if len(p.scopes) >= maxScopes {
			s, set = scope{name: "shuaiotel"}, attribute.Set{}
			if t, ok = p.scopes[s]; ok {
				return t
			}
		}
		t = &tracer{provider: p, scope: s, attrs: attrs(set.ToSlice())}
		p.scopes[s] = t
	}
	return t
}

// Shutdown stops the tracer: see [shuai.Tracer.Stop]. It is here for programs that had OpenTelemetry's SDK.
func (p *TracerProvider) Shutdown(ctx context.Context) error { return p.current().Stop(ctx) }

// tracer is a [trace.Tracer].
type tracer struct {
	embedded.Tracer
	provider *TracerProvider
	scope    scope
	attrs    []shuai.Attr
	scoped   atomic.Pointer[scoped]
}

// scoped is the tracer that makes the spans of a scope.
type scoped struct{ base, tracer *shuai.Tracer }

// core returns nil if there is no tracer.
func (t *tracer) core() *shuai.Tracer {
	base := t.provider.current()
	if s := t.scoped.Load(); s != nil && s.base == base {
		return s.tracer
	}
	s := &scoped{base, base.Scope(t.scope.name, t.scope.version, t.scope.schemaURL, t.attrs...)}
	bridge.Distinct(s.tracer)
	t.scoped.Store(s)
	return s.tracer
}

// Start implements [trace.Tracer]. The context that comes back is the span.
func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	core := t.core()
	if core == nil {
		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx)) // pass the caller's trace on
		return ctx, trace.SpanFromContext(ctx)
	}
	if len(options) == 0 {
		ctx, s := core.StartSpan(ctx, name, shuai.KindInternal)
		return ctx, view(s)
	}
	cfg := trace.NewSpanStartConfig(options...)
	kind := shuai.Kind(trace.ValidateSpanKind(cfg.SpanKind())) // the numbers are the same
	var s *shuai.Span
	if cfg.NewRoot() {
		ctx, s = core.StartRoot(ctx, name, kind)
	} else {
		ctx, s = core.StartSpan(ctx, name, kind)
	}
	if begin := cfg.Timestamp(); !begin.IsZero() {
		s.SetStart(begin)
	}
	if attrs := cfg.Attributes(); len(attrs) > 0 {
		if s.Counted() {
			setType(s, kind, attrs)
		}
		if s.Recording() {
			setAttributes(s, attrs)
		}
	}
	for _, l := range cfg.Links() {
		addLink(s, l)
	}
	return ctx, view(s)
}

// setType tells the statistics, which do not see attributes, what a collector makes of them: the class of calls that the span belongs to.
func setType(s *shuai.Span, kind shuai.Kind, attrs []attribute.KeyValue) {
	var host, verb, service, method string
	var port int64
	for i := range attrs {
		v := attrs[i].Value
		switch attrs[i].Key {
		case "db.system.name", "db.system":
			switch system := v.AsString(); system {
			case "memcached":
				s.SetType("mc")
			case "mariadb":
				s.SetType("mysql")
			default:
				s.SetType(system)
			}
			return
		case "rpc.service":
			service = v.AsString()
		case "rpc.method":
			method = v.AsString()
		case "server.address", "net.peer.name":
			host = v.AsString()
		case "server.port", "net.peer.port":
			port = v.AsInt64()
		case "http.request.method", "http.method":
			if verb == "" {
				verb = v.AsString()
			}
		case "url.template":
			verb = v.AsString()
		}
	}
	switch {
	case strings.Contains(method, "/"):
		s.SetType(strings.ReplaceAll(method, "/", "."))
	case method != "" && service != "":
		s.SetType(service + "." + method)
	case kind == shuai.KindClient && verb != "" && host != "":
		if port != 0 && port != 80 && port != 443 {
			host += ":" + strconv.FormatInt(port, 10)
		}
		s.SetType(host + " " + verb)
	}
}
