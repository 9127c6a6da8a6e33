package shuaiotel

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
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
		// In one place, so that what a program changes or removes there is what travels on.
		ctx = propagation.Baggage{}.Extract(bridge.HideBaggage(ctx), c)
	}
	return ctx
}

// Fields are the headers that Inject may write.
func (p Propagator) Fields() []string { return p.tracer().Fields() }

// incoming is a carrier that joins what was sent in several headers.
type incoming struct {
	propagation.TextMapCarrier
	baggage bool // there is some, and the tracer wants it
}

func (c *incoming) Get(key string) (value string) {
	if many, ok := c.TextMapCarrier.(propagation.ValuesGetter); ok {
		value = strings.Join(many.Values(key), ",")
	} else {
		value = c.TextMapCarrier.Get(key)
	}
	c.baggage = c.baggage || key == "baggage" && value != ""
	return value
}
