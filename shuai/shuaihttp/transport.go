package shuaihttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fuwu-project/fuwu/shuai"
)

// NewTransport returns a transport that makes a client span of each request that base sends
// (nil: http.DefaultTransport) and passes the trace on in the headers of a copy. The span ends when the
// response's body has been read or closed. A status of 400 and above and a transport error make it an
// error. It is named by method, or as [WithRoute] or [WithCall] says.
func NewTransport(base http.RoundTripper, cfg Config) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{base: base, client: client{cfg: cfg}}
}

type transport struct {
	base http.RoundTripper
	client
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.send(t.base, r) }

// client is what transports have apart from what they send by.
type client struct {
	cfg          Config
	names, types pairs
}

type call struct {
	name  string
	route string
	attrs []shuai.Attr
}

type callKey struct{}

// WithRoute says that requests made with the context go to URLs of the given template, as
// "/subject/{id}": its span is named by method and template, and has the attribute url.template.
func WithRoute(ctx context.Context, template string) context.Context {
	return context.WithValue(ctx, callKey{}, call{route: template})
}

// WithCall says that requests made with the context are calls of the given name, as
// "movie.Service/GetMovies", with attributes, as rpc.system.name and rpc.method: for protocols that
// run over HTTP.
func WithCall(ctx context.Context, name string, attrs ...shuai.Attr) context.Context {
	return context.WithValue(ctx, callKey{}, call{name: name, attrs: attrs})
}

func (t *client) send(base http.RoundTripper, r *http.Request) (*http.Response, error) {
	if t.cfg.skips(r) {
		return base.RoundTrip(r)
	}
	attr, verb := method(r.Method)
	c, _ := r.Context().Value(callKey{}).(call)
	name := verb
	switch {
	case c.name != "":
		name = c.name
	case c.route != "":
		name = t.names.text(verb, c.route)
	}
	ctx, span := t.cfg.start(r.Context(), name, shuai.KindClient)
	if span.TraceID().IsZero() && shuai.SpanFromContext(ctx) == nil {
		return base.RoundTrip(r)
	}
	x := &exchange{request: *r.WithContext(ctx), Header: make(Header, len(r.Header)+2)}
	r2 := &x.request
	r2.Header = http.Header(x.Header)
	for k, v := range r.Header {
		r2.Header[k] = slices.Clip(v) // shared, but who appends gets another
	}
	shuai.Inject(ctx, x)
	if !span.Counted() {
		return x.send(base, r)
	}
	if c.name == "" && r.URL != nil { // as the server makes it of the attributes
		host, rest := r.URL.Host, c.route
		if rest == "" {
			rest = verb
		}
		if port := defaultPorts[r.URL.Scheme]; port != "" {
			host = strings.TrimSuffix(host, ":"+port)
		}
		span.SetType(t.types.text(host, rest))
	}
	if span.Recording() {
		span.SetString("http.request.method", attr)
		if r.URL != nil {
			setServer(span, r.URL.Host, r.URL.Scheme)
			span.SetString("url.full", r.URL.Scheme+"://"+r.URL.Host+r.URL.EscapedPath()) // user and query can hold secrets
		}
		if c.route != "" {
			span.SetString("url.template", c.route)
		}
		span.Set(c.attrs...)
	}

	resp, err := x.send(base, r)
	if err != nil {
		span.SetString("error.type", errorType(err))
		span.Error(err)
		span.End()
		return resp, err
	}
	span.SetInt("http.response.status_code", int64(resp.StatusCode))
	if resp.StatusCode >= 400 {
		span.SetString("error.type", strconv.Itoa(resp.StatusCode))
		span.SetStatus(shuai.StatusError, resp.Status)
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		span.End()
		return resp, nil
	}
	x.body.ReadCloser, x.body.span = resp.Body, span
	if w, ok := resp.Body.(io.Writer); ok { // after 101 Switching Protocols
		resp.Body = &duplexBody{&x.body, w}
	} else {
		resp.Body = &x.body
	}
	return resp, nil
}

// exchange is what is made of a request that is sent, and of its response: one allocation instead of three. It is the [shuai.Carrier] of
// the request.
type exchange struct {
	Header
	request http.Request
	body    body
	values  [2]string // of the first headers set: traceparent, and baggage or tracestate
	set     int
}

// send sends the copy that was made of r. The response is said to be r's, as without tracing.
func (x *exchange) send(base http.RoundTripper, r *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(&x.request)
	if resp != nil && resp.Request == &x.request {
		resp.Request = r
	}
	return resp, err
}

// Set replaces a header.
func (x *exchange) Set(key, value string) {
	if x.set == len(x.values) {
		x.Header.Set(key, value)
		return
	}
	v := x.values[x.set : x.set+1 : x.set+1]
	v[0] = value
	x.Header[canonical(key)] = v
	x.set++
}

func errorType(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}

// body ends the span at the first of end, error and Close.
type body struct {
	io.ReadCloser
	span  *shuai.Span
	ended atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end(err)
	return err
}

func (b *body) end(err error) {
	if b.ended.Swap(true) {
		return
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.span.SetString("error.type", errorType(err))
		b.span.Error(err)
	}
	b.span.End()
}

// duplexBody keeps a connection writable that has changed its protocol.
type duplexBody struct {
	*body
	io.Writer
}
