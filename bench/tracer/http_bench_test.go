package tracer

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// An instrumentation of net/http, of both sides.
type instrumentation struct {
	impl    string
	handler func(http.Handler) http.Handler
	client  func(http.RoundTripper) http.RoundTripper
}

// instrumentations calls f with none, with Shuai's and with OpenTelemetry's, which record one of a thousand traces and export it. Shuai's keeps its
// exact statistics. otelhttp has no switch for its metrics: without a meter provider, as here and in a program that sets up traces alone, it
// makes them and nobody takes them.
func instrumentations(b *testing.B, f func(instrumentation)) {
	const ratio = 0.001
	f(instrumentation{"bare", func(h http.Handler) http.Handler { return h }, func(rt http.RoundTripper) http.RoundTripper { return rt }})

	t := newShuai(b, ratio, discardingCollector(b))
	defer t.Stop(context.Background())
	cfg := shuaihttp.Config{Tracer: t}
	f(instrumentation{
		"shuai",
		func(h http.Handler) http.Handler { return shuaihttp.NewHandler(h, cfg) },
		func(rt http.RoundTripper) http.RoundTripper { return shuaihttp.NewTransport(rt, cfg) },
	})

	exp, err := otlptracehttp.New(b.Context(), otlptracehttp.WithEndpointURL(discardingCollector(b)+"/v1/traces"))
	if err != nil {
		b.Fatal(err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))), sdktrace.WithBatcher(exp))
	defer p.Shutdown(context.Background())
	options := []otelhttp.Option{otelhttp.WithTracerProvider(p), otelhttp.WithPropagators(propagation.TraceContext{})}
	f(instrumentation{
		"otelhttp",
		func(h http.Handler) http.Handler { return otelhttp.NewHandler(h, "server", options...) },
		func(rt http.RoundTripper) http.RoundTripper { return otelhttp.NewTransport(rt, options...) },
	})
}

// subject is the site: a mux with one route.
func subject() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(name, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	return mux
}

// trip starts a server and returns a function that makes a request of it over loopback.
func trip(b *testing.B, of instrumentation) func() {
	srv := httptest.NewServer(of.handler(subject()))
	b.Cleanup(srv.Close)
	base := &http.Transport{DialContext: (&net.Dialer{}).DialContext}
	b.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: of.client(base)}
	return func() { get(b, srv.URL, client.Do) }
}

// get asks for the subject with do, and reads the answer.
func get(b *testing.B, base string, do func(*http.Request) (*http.Response, error)) {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, base+"/subject/1292052", nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := do(req)
	if err != nil {
		b.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// BenchmarkHTTP is a request from a client to a server over loopback, one at a time: bare, and with both sides traced at 0.1 %.
// What tracing adds is the difference.
func BenchmarkHTTP(b *testing.B) {
	instrumentations(b, func(of instrumentation) {
		b.Run("impl="+of.impl, func(b *testing.B) {
			call := trip(b, of)
			b.ReportAllocs()
			began, n := cpu(b), 0
			for b.Loop() {
				call()
				n++
			}
			b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(n), "cpu-ns/op")
		})
	})
}

// BenchmarkHTTPInTurn makes the requests of BenchmarkHTTP forty at a time of each in turn, so that a machine whose speed changes treats all
// alike, and reports what they take more than the bare ones of the same turn: the median. An operation is a turn of all; give it a few hundred
// with -benchtime 500x. A header alone is what no instrumentation can do without: a traceparent that is sent and read.
func BenchmarkHTTPInTurn(b *testing.B) {
	const requests = 40
	var calls []func()
	var impls []string
	add := func(of instrumentation) {
		impls, calls = append(impls, of.impl), append(calls, trip(b, of))
	}
	measure := func() {
		wall, all := make([][]float64, len(calls)), make([][]float64, len(calls)) // more than bare, by implementation and turn
		for b.Loop() {
			var bareWall, bareAll float64
			for i, call := range calls {
				began, start := cpu(b), time.Now()
				for range requests {
					call()
				}
				w, a := float64(time.Since(start))/requests, float64(cpu(b)-began)/requests
				if i == 0 {
					bareWall, bareAll = w, a
				}
				wall[i], all[i] = append(wall[i], w-bareWall), append(all[i], a-bareAll)
			}
		}
		for i, impl := range impls[1:] {
			slices.Sort(wall[i+1])
			slices.Sort(all[i+1])
			b.ReportMetric(wall[i+1][len(wall[i+1])/2], impl+"-ns")
			b.ReportMetric(all[i+1][len(all[i+1])/2], impl+"-cpu-ns")
		}
	}
	instrumentations(b, func(of instrumentation) {
		add(of)
		switch of.impl {
		case "bare":
			add(instrumentation{"header", of.handler, func(rt http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					r2 := r.WithContext(r.Context())
					r2.Header = http.Header{"Traceparent": {"00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-00"}}
					return rt.RoundTrip(r2)
				})
			}})
		case "otelhttp":
			measure()
		}
	})
}

// BenchmarkHTTPCalls is what an instrumentation does in a round trip, without the trip: its handler, called as the server does
// it, with a caller that does not record; its transport, over one that answers at once; and both, the transport over the handler, where one
// of a thousand traces is recorded. What tracing adds is the difference to bare. What it makes of the trip itself, a longer request to
// write and read, is in [BenchmarkHTTP] alone.
func BenchmarkHTTPCalls(b *testing.B) {
	instrumentations(b, func(of instrumentation) {
		measure := func(side string, call func()) {
			b.Run("side="+side+"/impl="+of.impl, func(b *testing.B) {
				b.ReportAllocs()
				began, n := cpu(b), 0
				for b.Loop() {
					call()
					n++
				}
				b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(n), "cpu-ns/op")
			})
		}

		// What the server reads off the wire for what the client of BenchmarkHTTP sends.
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET /subject/1292052 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Go-http-client/1.1\r\n" +
			"Traceparent: 00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-00\r\nAccept-Encoding: gzip\r\n\r\n")))
		if err != nil {
			b.Fatal(err)
		}
		r.RemoteAddr = "127.0.0.1:40000"
		accepted, cancel := context.WithCancel(context.WithValue(context.WithValue(b.Context(), http.ServerContextKey, new(http.Server)), http.LocalAddrContextKey, net.Addr(new(net.TCPAddr))))
		defer cancel()
		r = r.WithContext(accepted)
		handler, w := of.handler(subject()), &writer{header: http.Header{}}
		measure("server", func() { handler.ServeHTTP(w, r) })

		send := func(client http.RoundTripper) { get(b, "http://127.0.0.1:8080", client.RoundTrip) }
		answer := new(answer)
		client := of.client(roundTrip(func(*http.Request) (*http.Response, error) { return answer.again(), nil }))
		measure("client", func() { send(client) })

		both := of.client(roundTrip(func(sent *http.Request) (*http.Response, error) {
			r.Header = sent.Header
			handler.ServeHTTP(w, r)
			return answer.again(), nil
		}))
		measure("both", func() { send(both) })
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// writer is a response writer with the abilities of that of net/http's server, which does nothing.
type writer struct{ header http.Header }

func (w *writer) Header() http.Header                          { return w.header }
func (w *writer) WriteHeader(int)                              {}
func (w *writer) Write(p []byte) (int, error)                  { return len(p), nil }
func (w *writer) WriteString(s string) (int, error)            { return len(s), nil }
func (w *writer) Flush()                                       {}
func (w *writer) ReadFrom(r io.Reader) (int64, error)          { return io.Copy(io.Discard, r) }
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrNotSupported }

// answer is a response that is used again, with a body of two bytes.
type answer struct {
	http.Response
	left int
}

func (a *answer) again() *http.Response {
	a.Response = http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: 2, Body: a}
	a.left = 2
	return &a.Response
}

func (a *answer) Read(p []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), a.left)
	a.left -= n
	return n, nil
}

func (a *answer) Close() error { return nil }
