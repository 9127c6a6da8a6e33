package shuai_test

import (
	"context"
	"fmt"

	"github.com/fuwu-project/fuwu/shuai"
)

// frame is a message of an RPC framework of one's own: a method, headers and a body.
type frame struct {
	method  string
	headers []header
	body    string
}

type header struct{ name, value string }

// Get, Set and Keys make a *frame a [shuai.Carrier]: all that Shuai needs to know of the framework.
func (f *frame) Get(name string) string {
	for _, h := range f.headers {
		if h.name == name {
			return h.value
		}
	}
	return ""
}

func (f *frame) Set(name, value string) { f.headers = append(f.headers, header{name, value}) }

func (f *frame) Keys() (names []string) {
	for _, h := range f.headers {
		names = append(names, h.name)
	}
	return names
}

// call is the framework's client: a client span around each call, and its trace in the frame's headers.
func call(ctx context.Context, server func(*frame) (string, error), method, body string) (answer string, err error) {
	ctx, span := shuai.StartSpan(ctx, method, shuai.KindClient)
	defer span.End()
	span.SetString("rpc.system.name", "frame")
	span.SetString("rpc.method", method)
	f := &frame{method: method, body: body}
	shuai.Inject(ctx, f)
	if answer, err = server(f); err != nil {
		span.Error(err)
	}
	return answer, err
}

// serve is the framework's server: the caller's trace from the headers, and a server span in which the method runs.
func serve(methods map[string]func(context.Context, string) (string, error)) func(*frame) (string, error) {
	return func(f *frame) (answer string, err error) {
		ctx := shuai.Extract(context.Background(), f)
		ctx, span := shuai.StartSpan(ctx, f.method, shuai.KindServer)
		defer span.End()
		span.SetString("rpc.system.name", "frame")
		span.SetString("rpc.method", f.method)
		if answer, err = methods[f.method](ctx, f.body); err != nil {
			span.Error(err)
		}
		return answer, err
	}
}

// An RPC framework of one's own is traced by three methods on its message and four lines on each side.
func ExampleCarrier() {
	stop, err := shuai.Start(shuai.Config{Service: "movie", Ratio: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop(canceled()) // nothing listens in this example

	server := serve(map[string]func(context.Context, string) (string, error){
		"movie.Service/GetTitle": func(ctx context.Context, id string) (string, error) {
			span := shuai.SpanFromContext(ctx)
			fmt.Println("server: sampled", span.Sampled(), "user", shuai.Baggage(ctx, "user"))
			return "title of " + id, nil
		},
	})

	ctx, page := shuai.StartSpan(context.Background(), "GET /subject/{id}", shuai.KindServer)
	defer page.End()
	ctx, _ = shuai.WithBaggage(ctx, "user", "42")
	answer, err := call(ctx, server, "movie.Service/GetTitle", "1292052")
	fmt.Println("client:", answer, err)
	// Output:
	// server: sampled true user 42
	// client: title of 1292052 <nil>
}

// A consumer that handles messages in batches links to the spans that sent them: a span has one parent, but many messages.
func ExampleSpan_AddLink() {
	tracer, err := shuai.New(shuai.Config{Service: "mailer", Ratio: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tracer.Stop(canceled()) // nothing listens in this example

	var queue []*frame
	for _, user := range []string{"ada", "grace"} {
		ctx, request := tracer.StartSpan(context.Background(), "POST /signup", shuai.KindServer)
		ctx, send := tracer.StartSpan(ctx, "send welcome", shuai.KindProducer)
		m := &frame{body: user}
		shuai.Inject(ctx, m)
		queue = append(queue, m)
		send.End()
		request.End()
	}

	_, batch := tracer.StartRoot(context.Background(), "process welcome", shuai.KindConsumer)
	batch.SetInt("messaging.batch.message_count", int64(len(queue)))
	for _, m := range queue {
		sender := shuai.SpanFromContext(shuai.Extract(context.Background(), m))
		batch.AddLink(sender, shuai.String("user", m.body))
		fmt.Println("linked to another trace:", sender.TraceID() != batch.TraceID(), sender.Remote())
	}
	batch.End()
	// Output:
	// linked to another trace: true true
	// linked to another trace: true true
}

// Work that a request does not wait for stays in its trace, and goes on when the request has ended.
func ExampleGo() {
	tracer, err := shuai.New(shuai.Config{Service: "movie-web", Ratio: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tracer.Stop(canceled()) // nothing listens in this example

	request, cancel := context.WithCancel(context.Background())
	ctx, page := tracer.StartSpan(request, "POST /review", shuai.KindServer)
	done := make(chan struct{})
	shuai.Go(ctx, func(ctx context.Context) {
		defer close(done)
		<-request.Done()
		_, span := shuai.StartSpan(ctx, "count reviews", shuai.KindInternal)
		defer span.End()
		fmt.Println("same trace:", span.TraceID() == page.TraceID(), ctx.Err())
	})
	page.End()
	cancel() // net/http does so when a handler returns
	<-done
	// Output: same trace: true <nil>
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
