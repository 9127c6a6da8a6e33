package shuaihttp

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unsafe"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/internal/goroutine"
)

// weave gives the test what "shuai build" gives a program: a tracer, and a memory of the goroutine, of which there is to be one.
func weave(t *testing.T) {
	t.Helper()
	var p unsafe.Pointer
	goroutine.Use(&goroutine.Memory{Get: func() unsafe.Pointer { return p }, Set: func(to unsafe.Pointer) { p = to }})
	stop, err := shuai.Start(shuai.Config{Service: "woven", Endpoint: "http://127.0.0.1:9", Ratio: 1})
	if err != nil {
		t.Fatal(err)
	}
	before := handlers.Swap(false)
	t.Cleanup(func() {
		goroutine.Use(nil)
		handlers.Store(before)
		_ = stop(t.Context()) // nobody takes the spans
	})
}

// serveWoven does what net/http does with the hook.
func serveWoven(next http.Handler, r *http.Request) {
	Serve(next, httptest.NewRecorder(), r, func(r *http.Request, ctx context.Context) { *r = *r.WithContext(ctx) },
		func(w http.ResponseWriter) int { return w.(*httptest.ResponseRecorder).Code })
}

func TestServe(t *testing.T) {
	weave(t)
	var span *shuai.Span
	next := http.NewServeMux()
	next.HandleFunc("GET /a/{id}", func(_ http.ResponseWriter, r *http.Request) { span = shuai.SpanFromContext(r.Context()) })
	serve := func() { serveWoven(next, httptest.NewRequest(http.MethodGet, "/a/1", nil)) }
	if serve(); !span.Sampled() {
		t.Error("a request is not traced")
	}
	// The beginning of a connection is no request.
	span = nil
	everything := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { span = shuai.SpanFromContext(r.Context()) })
	upgrade := httptest.NewRequest(http.MethodGet, "/", nil)
	upgrade.Header.Set("Upgrade", "h2c")
	for _, r := range []*http.Request{upgrade, httptest.NewRequest("PRI", "*", nil)} {
		if serveWoven(everything, r); span != nil {
			t.Errorf("%s is traced", r.Method)
		}
	}
	// A program that has a handler of its own keeps it.
	handler := NewHandler(next, Config{Filter: func(*http.Request) bool { return false }})
	serve()
	if handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/a/1", nil)); span != nil {
		t.Error("a request is traced although the program has a handler that does not")
	}
}

// sentTo is a transport that keeps the header of the last request.
type sentTo struct{ header http.Header }

func (s *sentTo) RoundTrip(r *http.Request) (*http.Response, error) {
	s.header = r.Header
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// A request that somebody has given the headers of a trace is sent as it is, unless they came with the request that is being served.
func TestSend(t *testing.T) {
	const theirs, others = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", "00-0123456789abcdef0123456789abcdef-fedcba9876543210-01"
	for name, c := range map[string]struct {
		served, sent [2]string // a header
		kept         bool
	}{
		"nothing known":             {},
		"of another, in lower case": {sent: [2]string{"traceparent", theirs}, kept: true},
		"of another tracer":         {sent: [2]string{"Traceparent", theirs}, kept: true},
		"of another tracer, in B3":  {sent: [2]string{"B3", "1-1"}, kept: true},
		"of another tracer, in B3s": {sent: [2]string{"X-B3-Traceid", "1"}, kept: true},
		"served":                    {served: [2]string{"Traceparent", theirs}},
		"of a proxy":                {served: [2]string{"Traceparent", theirs}, sent: [2]string{"Traceparent", theirs}},
		"of another tracer within":  {served: [2]string{"Traceparent", theirs}, sent: [2]string{"Traceparent", others}, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			weave(t)
			var to sentTo
			r := httptest.NewRequest(http.MethodGet, "http://there/", nil)
			if c.sent[0] != "" {
				r.Header[c.sent[0]] = []string{c.sent[1]}
			}
			var span *shuai.Span
			send := func() {
				resp, err := Send(&to, r)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Body.Close(); resp.Request != r {
					t.Error("the response is that of another request")
				}
			}
			if c.served[0] == "" {
				send()
			} else {
				in := httptest.NewRequest(http.MethodGet, "/", nil)
				in.Header.Set(c.served[0], c.served[1])
				serveWoven(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					span = shuai.SpanFromContext(r.Context())
					send()
				}), in)
			}
			got := to.header.Get("Traceparent")
			switch {
			case c.kept && (len(to.header) != 1 || to.header[c.sent[0]][0] != c.sent[1]):
				t.Errorf("their header has become %q", to.header)
			case c.kept && c.sent[0] != "Traceparent" && got != "":
				t.Errorf("another trace is named beside theirs: %q", got)
			case !c.kept && (got == "" || got == theirs):
				t.Errorf("sent with %q", got)
			case !c.kept && span != nil && !strings.Contains(got, span.TraceID().String()):
				t.Errorf("sent with %q, in the trace %v", got, span.TraceID())
			}
		})
	}
}
