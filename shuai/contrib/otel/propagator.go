package shuaiotel

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/fuwu-project/fuwu/shuai"
)

// Propagator is a [propagation.TextMapPropagator] of the formats that a tracer accepts and sends: see [shuai.Config]. Baggage is
// OpenTelemetry's, which Shuai's functions see as well.
type Propagator struct {
	Tracer *shuai.Tracer // nil: the default one
}

func (p Propagator) tracer() *shuai.Tracer {
	if p.Tracer == nil {
		return shuai.Default()
	}
	return p.Tracer
}

// Inject implements [propagation.TextMapPropagator], as do the others.
func (p Propagator) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	p.tracer().Inject(ctx, c)
}

// Extract returns a context in which the span is the caller's.
func (p Propagator) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	in := &incoming{TextMapCarrier: c}
	ctx = p.tracer().Extract(ctx, in)
	if in.baggage {
		ctx = propagation.Baggage{}.Extract(ctx, c)
	}
	return ctx
}

// Fields are the headers that Inject may write.
func (p Propagator) Fields() []string { return p.tracer().Fields() }

// incoming is a carrier that joins what was sent in several headers, and that leaves baggage to OpenTelemetry: in one place,
// so that what a program changes or removes there is what travels on.
type incoming struct {
	propagation.TextMapCarrier
	baggage bool // was asked for
}

func (c *incoming) Get(key string) string {
	if key == "baggage" {
		c.baggage = true
		return ""
	}
	if many, ok := c.TextMapCarrier.(propagation.ValuesGetter); ok {
		return strings.Join(many.Values(key), ",")
	}
	return c.TextMapCarrier.Get(key)
}
