package shuai

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func endSpans(tr *Tracer, n int) {
	for range n {
		_, s := tr.StartSpan(context.Background(), "x", KindServer)
		s.End()
	}
}

func TestFlushEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, c := testTracer(t, Config{FlushEvery: 3 * time.Second})
		start := time.Now()
		endSpans(tr, 5)
		time.Sleep(2999 * time.Millisecond)
		if _, n := c.spans(t); n != 0 {
			t.Errorf("%d requests before it is time", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if names, n := c.spans(t); len(names) != 5 || n != 1 || c.at[0].Sub(start) != 3*time.Second {
			t.Errorf("%d spans in %d requests", len(names), n)
		}
		time.Sleep(time.Minute)
		if _, n := c.spans(t); n != 1 {
			t.Errorf("an idle tracer made %d more requests", n-1)
		}
	})
}

// Ids of unrecorded roots, which do not read the clock, still tell the second.
func TestUnsampledTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := mustIDKey(t, exampleKey)
		plain, _ := testTracer(t, Config{Ratio: -1, FlushEvery: time.Hour})
		keyed, _ := testTracer(t, Config{Ratio: -1, FlushEvery: time.Hour, IDKey: exampleKey})
		for range 5 {
			time.Sleep(100 * time.Second)
			synctest.Wait()
			_, s := plain.StartSpan(t.Context(), "x", KindServer)
			_, k := keyed.StartSpan(t.Context(), "x", KindServer)
			for _, id := range []TraceID{s.TraceID(), key.plainTrace(k.TraceID())} {
				if d := time.Since(id.Time()); d < 0 || d > 2*time.Second {
					t.Errorf("%s was born %v ago", id, d)
				}
			}
		}
	})
}

// A buffer that fills is flushed before its time, in requests of a bounded size.
func TestFlushEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, c := testTracer(t, Config{FlushEvery: time.Hour, BufferBytes: 8 << 20, Compression: "none"})
		for range 1000 {
			_, s := tr.StartSpan(t.Context(), "x", KindServer)
			s.SetString("k", strings.Repeat("v", 5000))
			s.End()
		}
		synctest.Wait()
		names, n := c.spans(t)
		if len(names) < 500 || n < 5 {
			t.Errorf("%d of 1,000 spans in %d requests", len(names), n)
		}
		for _, r := range c.requests {
			if len(r) > maxRequest+maxText {
				t.Errorf("a request of %d bytes", len(r))
			}
		}
	})
}

func TestRetries(t *testing.T) {
	const down = "no route"
	for _, tt := range []struct {
		name    string
		answers []*http.Response // nil: cannot be reached; then 200
		atLeast []int            // ms between one attempt and the next
		atMost  []int
		want    Stats
	}{
		{"accepted", nil, nil, nil, Stats{Exported: 2}},
		{"unreachable twice", []*http.Response{nil, nil}, []int{125, 250}, []int{250, 500}, Stats{Exported: 2}},
		{"503", []*http.Response{reply(503, "busy")}, []int{125}, []int{250}, Stats{Exported: 2}},
		{"429 with Retry-After", []*http.Response{reply(429, "", "Retry-After", "7")}, []int{7000}, []int{7700}, Stats{Exported: 2}},
		{"503 with a date", []*http.Response{reply(503, "", "Retry-After", "Sat, 01 Jan 2000 00:00:31 GMT")}, []int{30000}, []int{33000}, Stats{Exported: 2}},
		{"502 and 504 with garbage for Retry-After", []*http.Response{reply(502, "", "Retry-After", "soon"), reply(504, "", "Retry-After", "-5")}, []int{125, 250}, []int{250, 500}, Stats{Exported: 2}},
		{"400", []*http.Response{reply(400, "bad span")}, nil, nil, Stats{Dropped: Dropped{Rejected: 2}}},
		{"404", []*http.Response{reply(404, "")}, nil, nil, Stats{Dropped: Dropped{Rejected: 2}}},
		{"500", []*http.Response{reply(500, "\x08\x01\x12\x02no", "Content-Type", "application/x-protobuf")}, nil, nil, Stats{Dropped: Dropped{Rejected: 2}}},
		{"redirect", []*http.Response{reply(307, "", "Location", "http://elsewhere.example/")}, nil, nil, Stats{Dropped: Dropped{Rejected: 2}}},
		{"partial success", []*http.Response{reply(200, "\x0a\x06\x08\x01\x12\x02no")}, nil, nil, Stats{Exported: 1, Dropped: Dropped{Rejected: 1}}},
		{"more rejected than sent", []*http.Response{reply(200, "\x0a\x02\x08\x7f")}, nil, nil, Stats{Dropped: Dropped{Rejected: 2}}},
		{"garbage with 200", []*http.Response{reply(200, "<html>")}, nil, nil, Stats{Exported: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{}
				n := 0
				c.answer = func(*http.Request) (*http.Response, error) {
					if n++; n > len(tt.answers) {
						return reply(200, ""), nil
					}
					if r := tt.answers[n-1]; r != nil {
						return r, nil
					}
					return nil, errors.New(down)
				}
				tr, _ := testTracer(t, Config{Transport: c})
				endSpans(tr, 2)
				time.Sleep(90 * time.Second)
				synctest.Wait()
				got := tr.Stats()
				tt.want.Sampled = 2
				if got != tt.want {
					t.Errorf("stats %+v, want %+v", got, tt.want)
				}
				if len(c.at) != max(1, len(tt.atLeast)+1) {
					t.Fatalf("%d attempts", len(c.at))
				}
				for i := range tt.atLeast {
					gap := int(c.at[i+1].Sub(c.at[i]).Milliseconds())
					if gap < tt.atLeast[i] || gap > tt.atMost[i] {
						t.Errorf("attempt %d came after %d ms, want %d to %d", i+2, gap, tt.atLeast[i], tt.atMost[i])
					}
				}
			})
		})
	}
}

// While the collector is away memory is bounded, every span is accounted for, and the log is quiet.
func TestCollectorAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var away atomic.Bool
		away.Store(true)
		c := &collector{answer: func(*http.Request) (*http.Response, error) {
			if away.Load() {
				return nil, errors.New("connection refused")
			}
			return reply(200, ""), nil
		}}
		const limit = 256 << 10
		tr, _ := testTracer(t, Config{Transport: c, BufferBytes: limit, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range 60 {
			endSpans(tr, 200)
			if s := tr.Stats(); s.BufferedBytes > limit {
				t.Fatalf("%d bytes are buffered", s.BufferedBytes)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		s := tr.Stats()
		if s.Exported != 0 || s.Dropped.BufferFull == 0 || s.Buffered+s.Dropped.Total() != 12_000 {
			t.Errorf("after a minute: %+v", s)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if s = tr.Stats(); s.Buffered != 0 || s.BufferedBytes != 0 || s.Dropped.Expired == 0 || s.Dropped.Total() != 12_000 {
			t.Errorf("after three more minutes: %+v", s)
		}
		away.Store(false)
		endSpans(tr, 100)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s = tr.Stats(); s.Exported != 100 {
			t.Errorf("the collector is back: %+v", s)
		}
		if n := bytes.Count(log.Bytes(), []byte("\n")); n == 0 || n > 40 {
			t.Errorf("%d lines were logged:\n%s", n, log.Bytes())
		}
	})
}

func TestStop(t *testing.T) {
	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for _, tt := range []struct {
		name     string
		answer   func(*http.Request) (*http.Response, error)
		deadline time.Duration // 0: none
		took     time.Duration // at most
		exported uint64
		fails    bool
	}{
		{"takes all", nil, time.Second, 0, 10, false},
		{"hangs", hang, 2 * time.Second, 2 * time.Second, 0, true},
		{"hangs, no deadline", hang, 0, stopTimeout, 0, true},
		{"deadline has passed", hang, -1, 0, 0, true},
		{"away", func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, time.Minute, time.Second, 0, true},
		{"refuses", func(*http.Request) (*http.Response, error) { return reply(400, ""), nil }, time.Minute, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, _ := testTracer(t, Config{Transport: &collector{answer: tt.answer}})
				endSpans(tr, 10)
				ctx, open := tr.StartSpan(t.Context(), "open", KindServer)
				stopCtx := context.Background()
				if tt.deadline != 0 {
					var cancel context.CancelFunc
					stopCtx, cancel = context.WithTimeout(stopCtx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				err := tr.Stop(stopCtx)
				if took := time.Since(start); took > tt.took {
					t.Errorf("took %v, want at most %v", took, tt.took)
				}
				if (err != nil) != tt.fails {
					t.Errorf("Stop: %v", err)
				}
				if tt.fails && !strings.Contains(err.Error(), "10 spans") {
					t.Errorf("the error does not say what was lost: %v", err)
				}
				open.End()
				_, child := StartSpan(ctx, "after", KindInternal)
				if child.End(); child.Recording() || !child.Sampled() {
					t.Error("a span after Stop is recorded, or does not pass its trace on")
				}
				s := tr.Stats()
				if s.Exported != tt.exported || s.Exported+s.Dropped.Total() != 11 || s.Buffered != 0 || s.BufferedBytes != 0 {
					t.Errorf("%+v", s)
				}
				if again := tr.Stop(t.Context()); !errors.Is(again, err) {
					t.Errorf("second Stop: %v, first: %v", again, err)
				}
			})
		})
	}
}

// Stop does not sit out a pause that the collector asked for: the process is ending.
func TestStopDuringPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := &collector{answer: func(*http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return reply(503, "", "Retry-After", "60"), nil
			}
			return reply(200, ""), nil
		}}
		tr, _ := testTracer(t, Config{Transport: c})
		endSpans(tr, 3)
		time.Sleep(2 * time.Second)
		start := time.Now()
		if err := tr.Stop(t.Context()); err != nil || time.Since(start) > 0 {
			t.Errorf("took %v: %v", time.Since(start), err)
		}
		if s := tr.Stats(); s.Exported != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// An ended span holds on to its context, and all that is in it, no longer than until the next flush,
// even while the collector is away.
func TestContextsAreReleased(t *testing.T) {
	tr, _ := testTracer(t, Config{
		FlushEvery: time.Millisecond,
		Transport:  &collector{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }},
	})
	type key struct{}
	freed := make(chan struct{})
	func() {
		big := new([1 << 16]byte)
		runtime.AddCleanup(big, func(struct{}) { close(freed) }, struct{}{})
		_, s := tr.StartSpan(context.WithValue(t.Context(), key{}, big), "x", KindServer)
		s.End()
	}()
	deadline := time.After(5 * time.Second)
	for {
		runtime.GC()
		select {
		case <-freed:
			if s := tr.Stats(); s.Buffered != 1 {
				t.Errorf("%+v", s)
			}
			return
		case <-deadline:
			t.Fatal("a span waiting for the collector keeps its context alive")
		default:
		}
	}
}

// A fault of the exporter's own, or of a logger, ends the tracer and not the application.
func TestPanicInside(t *testing.T) {
	tr, _ := testTracer(t, Config{
		Transport: &collector{answer: func(*http.Request) (*http.Response, error) { return reply(400, ""), nil }},
		Logger:    slog.New(panicHandler{slog.DiscardHandler}), FlushEvery: time.Millisecond,
	})
	endSpans(tr, 10)
	<-tr.exporter.done
	endSpans(tr, 10)
	if s := tr.Stats(); s.Sampled != 10 || s.Dropped.Total() != 10 {
		t.Errorf("%+v", s)
	}
}

type panicHandler struct{ slog.Handler }

func (panicHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panicHandler) Handle(context.Context, slog.Record) error { panic("a logger's fault") }

func TestHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	path := make(chan string, 1)
	tr, _ := testTracer(t, Config{
		Headers: map[string]string{"authorization": "Bearer x"}, Compression: "gzip", Endpoint: "https://collector.example/base/",
		Transport: &collector{answer: func(r *http.Request) (*http.Response, error) {
			got <- r.Header
			path <- r.URL.String()
			return reply(200, ""), nil
		}},
	})
	endSpans(tr, 1)
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := <-got
	for k, want := range map[string]string{
		"Authorization": "Bearer x", "Content-Type": "application/x-protobuf", "Content-Encoding": "gzip", "User-Agent": "shuai-go/" + Version,
	} {
		if h.Get(k) != want {
			t.Errorf("%s: %q, want %q", k, h.Get(k), want)
		}
	}
	if p := <-path; p != "https://collector.example/base/v1/traces" {
		t.Errorf("sent to %s", p)
	}
}

// TestPrivateAuthority: a collector whose certificate no public authority has signed is trusted by its file, or by Config.TLS, and else not.
func TestPrivateAuthority(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tls  *tls.Config
		file string
		want uint64
	}{
		"nothing":    {nil, "", 0},
		"a file":     {nil, file, 1},
		"Config.TLS": {&tls.Config{RootCAs: pool}, "nowhere", 1}, // in the place of the environment
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", tt.file)
			tr, err := New(Config{Endpoint: srv.URL, Ratio: 1, Statistics: "off", TLS: tt.tls})
			if err != nil {
				t.Fatal(err)
			}
			_, span := tr.StartSpan(t.Context(), "work", KindInternal)
			span.End()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_ = tr.Stop(ctx) // Stats says what became of it
			if s := tr.Stats(); s.Exported != tt.want {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Over real sockets: whatever the collector does, the application does not wait, memory is bounded, every
// span is accounted for, and nothing is left running.
func TestHostileCollector(t *testing.T) {
	hung := make(chan struct{})
	handler := func(f http.HandlerFunc) func(t *testing.T) string {
		return func(t *testing.T) string {
			srv := httptest.NewServer(f)
			t.Cleanup(srv.Close)
			return srv.URL
		}
	}
	raw := func(f func(net.Conn)) func(t *testing.T) string {
		return func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() { defer c.Close(); f(c) })
				}
			})
			t.Cleanup(func() { l.Close(); wg.Wait() })
			return "http://" + l.Addr().String()
		}
	}
	for _, tt := range []struct {
		name  string
		start func(*testing.T) string
		all   bool // arrives
	}{
		{"well", handler(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }), true},
		{"hangs", handler(func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
			select {
			case <-r.Context().Done():
			case <-hung:
			}
		}), false},
		{"500", handler(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }), false},
		{"503", handler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }), false},
		{"endless answer", handler(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}), true},
		{"dead port", func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			return "http://" + l.Addr().String()
		}, false},
		{"no such name", func(*testing.T) string { return "http://collector.invalid:4318" }, false},
		{"resets", raw(func(c net.Conn) {
			c.Read(make([]byte, 1))
			c.(*net.TCPConn).SetLinger(0)
		}), false},
		{"accepts and says nothing", raw(func(c net.Conn) { io.Copy(io.Discard, c) }), false},
		{"garbage", raw(func(c net.Conn) {
			c.Read(make([]byte, 1)) // before the request, net/http would log it
			c.Write(bytes.Repeat([]byte{0xff, '\n', 0}, 1000))
		}), false},
		{"drips its answer", raw(func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for _, b := range []byte("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				select {
				case <-hung:
				case <-time.After(time.Millisecond):
				}
			}
		}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			endpoint := tt.start(t)
			before := runtime.NumGoroutine()
			const limit, n = 512 << 10, 4000
			tr, err := New(Config{Service: "test", Ratio: 1, Endpoint: endpoint, BufferBytes: limit, FlushEvery: 5 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			var slowest atomic.Int64
			for range 4 {
				wg.Go(func() {
					for i := range n / 4 {
						start := time.Now()
						_, s := tr.StartSpan(t.Context(), "x", KindServer)
						s.SetString("k", "value")
						s.End()
						for d := int64(time.Since(start)); ; {
							old := slowest.Load()
							if d <= old || slowest.CompareAndSwap(old, d) {
								break
							}
						}
						if i%100 == 0 {
							if s := tr.Stats(); s.BufferedBytes > limit {
								t.Errorf("%d bytes are buffered", s.BufferedBytes)
							}
							if tt.all {
								for tr.Stats().BufferedBytes > limit/2 {
									runtime.Gosched()
								}
							}
						}
					}
				})
			}
			wg.Wait()
			if d := time.Duration(slowest.Load()); d > 2*time.Second { // hanging collectors take ten
				t.Errorf("the application waited %v", d)
			}
			deadline := 300 * time.Millisecond
			if tt.all {
				deadline = 10 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			start := time.Now()
			err = tr.Stop(ctx)
			if d := time.Since(start); d > deadline+5*time.Second { // a busy machine
				t.Errorf("Stop took %v", d)
			}
			s := tr.Stats()
			if s.Sampled != n || s.Exported+s.Dropped.Total() != n || s.Buffered != 0 || s.BufferedBytes != 0 {
				t.Errorf("not every span is accounted for: %+v", s)
			}
			if tt.all && (s.Exported != n || err != nil) || !tt.all && s.Exported != 0 {
				t.Errorf("exported %d of %d: %v, %+v", s.Exported, n, err, s)
			}
			settled(t, before)
		})
	}
	close(hung)
}

// settled waits for goroutines that are about to end, such as those of closed connections.
func settled(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		// The server's goroutines are not ours to count.
		if !strings.Contains(stacks, "shuai.(*exporter)") && !strings.Contains(stacks, "net/http.(*persistConn)") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after Stop:\n%s", before, runtime.NumGoroutine(), stacks)
		}
		runtime.Gosched()
	}
}
