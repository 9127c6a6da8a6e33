package shuaihttp

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/fuwu-project/fuwu/shuai/internal/goroutine"
)

// What a program made by "shuai build" has in place of a handler and a transport of its own.
var (
	handlers atomic.Bool // there are handlers
	woven    struct {
		server
		client
	}
)

// Serve has next serve a request that a server got, traced as by a handler of [NewHandler] with the zero Config. It is what "shuai build" puts
// between every server and its handler, where neither the request needs to be another one nor the writer: within gives the request a
// context, and status says what was written, 0 if nothing was. In a program that calls NewHandler itself it leaves all requests to that.
func Serve(next http.Handler, w http.ResponseWriter, r *http.Request, within func(*http.Request, context.Context), status func(http.ResponseWriter) int) {
	if handlers.Load() || becomesHTTP2(r) {
		next.ServeHTTP(w, r)
		return
	}
	ctx, a := woven.arrive(next, r)
	within(r, ctx)
	defer goroutine.Begin(ctx, r).End()
	if a.span.Counted() {
		defer func() {
			p := recover()
			woven.answered(a, r.Pattern, status(w), p)
			if p != nil {
				panic(p)
			}
		}()
	}
	next.ServeHTTP(w, r)
}

// becomesHTTP2 says that the request is not one, but the beginning of a connection of HTTP/2 without TLS, which golang.org/x/net/http2/h2c makes a
// handler serve: all that comes by it would be part of one request.
func becomesHTTP2(r *http.Request) bool { return r.Method == "PRI" || r.Header.Get("Upgrade") == "h2c" }

// Send sends a request by base, as a transport of [NewTransport] with the zero Config does. It is what "shuai build" puts into every
// [http.Transport]. A request that somebody else has given the headers of a trace is sent as it is.
func Send(base http.RoundTripper, r *http.Request) (*http.Response, error) {
	if traced(r) {
		return base.RoundTrip(r)
	}
	return woven.send(base, r)
}

// traced says that the request has the headers of a trace, and not just those of the request that is being served, which a proxy passes on.
func traced(r *http.Request) bool {
	for key, v := range r.Header { // which need not be canonical
		if len(v) == 0 || !strings.EqualFold(key, "traceparent") && !strings.EqualFold(key, "b3") && !strings.EqualFold(key, "x-b3-traceid") {
			continue
		}
		_, request := goroutine.Current()
		served, ok := request.(*http.Request)
		return !ok || served.Header.Get(key) != v[0]
	}
	return false
}
