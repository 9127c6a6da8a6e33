package shuaihttp

import (
	"net/http"
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

// Serve has next serve a request that a server got, as a handler of [NewHandler] with the zero Config does. It is what "shuai build" puts
// between every server and its handler. In a program that calls NewHandler itself it leaves all requests to that.
func Serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if handlers.Load() {
		next.ServeHTTP(w, r)
		return
	}
	woven.serve(next, w, r)
}

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
	for _, key := range [...]string{"Traceparent", "B3", "X-B3-Traceid"} {
		v := r.Header[key]
		if len(v) == 0 {
			continue
		}
		_, request := goroutine.Current()
		served, ok := request.(*http.Request)
		return !ok || len(served.Header[key]) == 0 || served.Header[key][0] != v[0]
	}
	return false
}
