package shuaiotel_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/fuwu-project/fuwu/shuai"
	shuaiotel "github.com/fuwu-project/fuwu/shuai/contrib/otel"
)

// Spans of both APIs are one tree, whichever comes first.
func Example() {
	tracer, err := shuai.New(shuai.Config{Service: "shop", Ratio: 1, BufferBytes: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := shuaiotel.NewTracerProvider(tracer) // for otel.SetTracerProvider, or an instrumentation's option

	ctx, order := provider.Tracer("shop").Start(context.Background(), "order", trace.WithAttributes(attribute.Int("items", 3)))
	ctx, price := shuai.StartSpan(ctx, "price", shuai.KindInternal)
	_, discount := provider.Tracer("shop").Start(ctx, "discount")
	fmt.Println(order.SpanContext().TraceID().String() == price.TraceID().String(), price.TraceID().String() == discount.SpanContext().TraceID().String())
	fmt.Println(trace.SpanContextFromContext(ctx).SpanID().String() == price.SpanID().String())
	discount.End()
	price.End()
	order.End()
	// Output:
	// true true
	// true
}
