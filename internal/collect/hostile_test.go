package collect_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/wire"
)

const export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// frame is a message as gRPC has it on the wire, of which n bytes are announced.
func frame(flags byte, n int, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(n)), message...)
}

// h2 is a client of HTTP/2 that speaks gRPC no better than it is told.
func h2(dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	t := &http.Transport{Protocols: new(http.Protocols), DialContext: dial}
	t.Protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: t}
}

// call makes a call with any body; header is name, value, name, value …
func call(ctx context.Context, c *http.Client, host, method string, body io.Reader, header ...string) (*status.Status, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+method, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	h := res.Header
	if h.Get("Grpc-Status") == "" {
		h = res.Trailer
	}
	code, err := strconv.Atoi(h.Get("Grpc-Status"))
	if err != nil {
		return nil, fmt.Errorf("%s, not a status of gRPC: %w", res.Status, err)
	}
	if code == 0 {
		return status.New(codes.OK, ""), nil
	}
	message, err := url.PathUnescape(h.Get("Grpc-Message"))
	if err != nil {
		return nil, err
	}
	st := &spb.Status{Code: int32(code), Message: message}
	if details := h.Get("Grpc-Status-Details-Bin"); details != "" {
		p, err := base64.RawStdEncoding.DecodeString(details)
		if err == nil {
			err = proto.Unmarshal(p, st)
		}
		if err != nil {
			return nil, err
		}
	}
	if st.GetCode() != int32(code) || st.GetMessage() != message {
		return nil, fmt.Errorf("the details say %v, the status %d %q", st, code, message)
	}
	return status.FromProto(st), nil
}

// TestHostileCalls: whatever comes instead of a call is answered as gRPC answers, and nothing of it is kept.
func TestHostileCalls(t *testing.T) {
	r := start(t, collect.Config{Limits: wire.Limits{RequestBytes: 1 << 20}})
	client := h2(nil)
	defer client.CloseIdleConnections()
	good := asProto(t, fmt.Sprintf(threeSpans, fmt.Sprintf("%032x", 21)))
	for _, c := range []struct {
		name, method string
		body         []byte
		header       []string
		want         codes.Code
		says, reason string
	}{
		{"good", export, frame(0, len(good), good), nil, codes.OK, "", ""},
		{"good, in good time", export, frame(0, len(good), good), []string{"Grpc-Timeout", "1H"}, codes.OK, "", ""},
		{"empty message", export, frame(0, 0, nil), nil, codes.OK, "", ""},
		{"nothing", export, nil, nil, codes.InvalidArgument, "no message", "malformed"},
		{"a part of the prefix", export, []byte{0, 0}, nil, codes.Unavailable, "to its end", "interrupted"},
		{"unknown flags", export, frame(2, len(good), good), nil, codes.InvalidArgument, "flags 0x2", "malformed"},
		{"shorter than it says", export, frame(0, len(good)+1, good), nil, codes.InvalidArgument, "ends after", "malformed"},
		{"longer than it says", export, frame(0, len(good)-1, good), nil, codes.InvalidArgument, "more than one message", "malformed"},
		{"two messages", export, append(frame(0, len(good), good), frame(0, len(good), good)...), nil, codes.InvalidArgument, "more than one message", "malformed"},
		{"4 GiB, it says", export, frame(0, 1<<32-1, good), nil, codes.ResourceExhausted, "4294967295 bytes; the limit", "too_large"},
		{"no spans", export, frame(0, 5, []byte("spans")), nil, codes.InvalidArgument, "byte 0: ", "malformed"},
		{"packed, it does not say how", export, frame(1, len(good), good), nil, codes.Unimplemented, "unsupported compression", "unsupported"},
		{"packed, unknown", export, frame(1, len(good), good), []string{"Grpc-Encoding", "br"}, codes.Unimplemented, `"br"`, "unsupported"},
		{"packed, not at all", export, frame(1, len(good), good), []string{"Grpc-Encoding", "gzip"}, codes.InvalidArgument, "gzip", "malformed"},
		{"packed, not this one", export, frame(0, len(good), good), []string{"Grpc-Encoding", "gzip"}, codes.OK, "", ""},
		{"unknown method", "/a.b/%C3%BC", frame(0, 0, nil), nil, codes.Unimplemented, `"/a.b/ü"`, "unsupported"},
		{"in more time than there is", export, frame(0, len(good), good), []string{"Grpc-Timeout", "99999999H"}, codes.OK, "", ""},
		{"no answer in time", export, frame(0, len(good), good), []string{"Grpc-Timeout", "0n"}, codes.Unavailable, "before its spans were stored", "interrupted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := r.c.Stats().Refused[c.reason]
			st, err := call(t.Context(), client, r.grpc, c.method, bytes.NewReader(c.body), c.header...)
			if err != nil {
				t.Fatal(err)
			}
			if st.Code() != c.want || !strings.Contains(st.Message(), c.says) {
				t.Errorf("%v", st)
			}
			if c.reason != "" && r.c.Stats().Refused[c.reason] != before+1 {
				t.Errorf("not counted as %s: %v", c.reason, r.c.Stats().Refused)
			}
		})
	}
	if s := r.c.Stats(); s.Spans != 12 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
	for _, typ := range []string{"application/grpc", "text/plain"} { // HTTP/1.1, and no gRPC at all
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.grpc+export, bytes.NewReader(frame(0, 0, nil)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", typ)
		res, err := r.browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 415 || !strings.Contains(string(p), "gRPC") {
			t.Errorf("%s over HTTP/1.1: %d %q %v", typ, res.StatusCode, p, err)
		}
		_ = res.Body.Close()
	}
}

// TestCallsInFlight: the memory that messages take is asked for before they are read, on all streams of all connections
// together. 200 messages of 1 MiB, all but their last byte, come to a budget of 8 MiB.
func TestCallsInFlight(t *testing.T) {
	const size, budget = 1 << 20, 8 << 20
	r := start(t, collect.Config{Limits: wire.Limits{RequestBytes: size}, MaxInFlightBytes: budget})
	message := frame(0, size, make([]byte, size-1))
	finish := make(chan struct{})
	answers := make(chan *status.Status)
	const connections, streams = 4, 50
	for range connections {
		client := h2(nil)
		defer client.CloseIdleConnections()
		for range streams {
			go func() {
				st, err := call(t.Context(), client, r.grpc, export, io.MultiReader(bytes.NewReader(message), waitFor(finish)))
				if err != nil {
					t.Error(err)
				}
				answers <- st
			}()
		}
	}
	most := int64(0)
	refused := 0
	for refused < connections*streams-budget/size { // the others hold what there is
		st := <-answers
		if info, ok := st.Details()[0].(*errdetails.RetryInfo); st.Code() != codes.Unavailable || !ok || info.GetRetryDelay().AsDuration() != time.Second {
			t.Errorf("over the budget: %v", st)
		}
		most = max(most, r.c.Stats().InFlight)
		refused++
	}
	close(finish)
	for range connections*streams - refused {
		if st := <-answers; st.Code() != codes.InvalidArgument && st.Code() != codes.Unavailable { // zeros are no message
			t.Errorf("within the budget: %v", st)
		}
	}
	if most > budget || r.c.Stats().InFlight != 0 {
		t.Errorf("%d bytes in flight at once, %d at the end", most, r.c.Stats().InFlight)
	}
}

// waitFor is a reader whose only byte comes when the channel is closed.
func waitFor(c <-chan struct{}) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		<-c
		p[0] = 0
		return 1, io.EOF
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestTooManyConnections: those beyond the limit are told so, and there is room again when one has gone.
func TestTooManyConnections(t *testing.T) {
	r := start(t, collect.Config{MaxConnections: 2})
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first, second := dial(), dial()
	defer second.Close()
	for r.c.Stats().Open < 2 {
		runtime.Gosched()
	}
	code, h, p := r.post(t, strings.NewReader("{}"), "Content-Type", asJSON)
	if code != 503 || h.Get("Retry-After") != "1" || !strings.Contains(string(p), "too many connections") {
		t.Errorf("%d %v %q", code, h, p)
	}
	if n := r.c.Stats().Refused["too_many_connections"]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	_ = first.Close() // it has said nothing: a load balancer's check, and no refusal
	for r.c.Stats().Open == 2 {
		runtime.Gosched()
	}
	r.ok(t, strings.NewReader("{}"), "Content-Type", asJSON)
	if n := r.c.Stats().Refused["no_request"]; n != 0 {
		t.Errorf("%d refusals of silence", n)
	}
}

// TestRequestsOfOthers: who asks for what is not spans has made a request all the same.
func TestRequestsOfOthers(t *testing.T) {
	r := start(t, collect.Config{})
	r.url = strings.Replace(r.url, "/v1/traces", "/v1/shuai/sampling?service=x", 1)
	if code, _, p := r.do(t, http.MethodGet, nil); code != 200 {
		t.Errorf("%d %q", code, p)
	}
	client := h2(nil)
	if st, err := call(t.Context(), client, r.grpc, "/a.b/C", bytes.NewReader(frame(0, 0, nil))); err != nil || st.Code() != codes.Unimplemented {
		t.Errorf("%v %v", st, err)
	}
	for r.c.Stats().Open > 0 {
		r.browser.CloseIdleConnections()
		client.CloseIdleConnections() // which is idle when it has noticed that the call has ended
		runtime.Gosched()
	}
	if n := r.c.Stats().Refused["no_request"]; n != 0 {
		t.Errorf("%d connections without a request", n)
	}
}

// pipes is a listener in memory, for a bubble of synctest.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// slow runs f beside the servers of a collector, in its own time.
func slow(t *testing.T, f func(t *testing.T, c *collect.Collector, http, grpc *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		model := storetest.NewModel()
		c := collect.New(collect.Config{Store: model, Logger: slog.New(slog.DiscardHandler)})
		var servers sync.WaitGroup
		defer servers.Wait()
		doors := [2]*pipes{newPipes(), newPipes()}
		for i, h := range []http.Handler{c.HTTPHandler(), c.GRPCHandler()} {
			s := collect.NewHTTPServer(h)
			servers.Go(func() { _ = s.Serve(c.Listen(doors[i])) })
			defer s.Close()
		}
		f(t, c, doors[0], doors[1])
		synctest.Wait()
		if s := c.Stats(); s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowHeader: a client that does not finish its header has ten seconds, however busy it looks.
func TestSlowHeader(t *testing.T) {
	slow(t, func(t *testing.T, c *collect.Collector, http, grpc *pipes) {
		for _, door := range []*pipes{http, grpc} {
			conn, _ := door.dial(t.Context(), "", "")
			began := time.Now()
			var err error
			for p := []byte("POST /v1/traces HTTP/1.1\r\nX: "); err == nil; p = []byte("x") {
				_, err = conn.Write(p)
				time.Sleep(time.Second)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("cut off after %s", took)
			}
			_ = conn.Close()
		}
		synctest.Wait()
		if n := c.Stats().Refused["no_request"]; n != 2 {
			t.Errorf("counted %d times", n)
		}
	})
}

// TestSlowBody: a request has a minute to arrive.
func TestSlowBody(t *testing.T) {
	slow(t, func(t *testing.T, c *collect.Collector, web, grpc *pipes) {
		// By hand: net/http's client may give the error of a write to the connection that the server has closed instead of its answer.
		conn, _ := web.dial(t.Context(), "", "")
		began := time.Now()
		go func() {
			_, err := fmt.Fprintf(conn, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n", asPB)
			for ; err == nil; time.Sleep(time.Second) {
				_, err = conn.Write([]byte{0})
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		// Exporters do not send again what is answered with 408.
		if st := statusOf(t, res.Header, p); res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || codes.Code(st.GetCode()) != codes.DeadlineExceeded || time.Since(began) > 62*time.Second {
			t.Errorf("%d %v after %s", res.StatusCode, st, time.Since(began))
		}
		_ = conn.Close()

		trickle := readerFunc(func(p []byte) (int, error) {
			time.Sleep(time.Second)
			p[0] = 0
			return 1, nil
		})
		client := h2(grpc.dial)
		began = time.Now()
		st, err := call(t.Context(), client, "x", export, io.MultiReader(bytes.NewReader(frame(0, 1000, nil)), trickle))
		if err != nil || st.Code() != codes.DeadlineExceeded || time.Since(began) > 62*time.Second {
			t.Errorf("gRPC: %v %v after %s", st, err, time.Since(began))
		}
		time.Sleep(2 * time.Second) // until the clients have noticed
		client.CloseIdleConnections()
		if n := c.Stats().Refused["too_slow"]; n != 2 {
			t.Errorf("counted %d times", n)
		}
	})
}

// TestCutOff: a client that goes away in the middle of its request leaves nothing behind.
func TestCutOff(t *testing.T) {
	slow(t, func(t *testing.T, c *collect.Collector, web, grpc *pipes) {
		conn, _ := web.dial(t.Context(), "", "")
		if _, err := fmt.Fprintf(conn, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\nspans", asPB); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c.Stats().InFlight == 0 {
			t.Error("it is not being read")
		}
		_ = conn.Close()

		ctx, cancel := context.WithCancel(t.Context())
		client := h2(grpc.dial)
		time.AfterFunc(time.Second, cancel)
		_, err := call(ctx, client, "x", export, io.MultiReader(bytes.NewReader(frame(0, 1000, nil)), waitFor(ctx.Done())))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		client.CloseIdleConnections()
		if n := c.Stats().Refused["interrupted"]; n != 2 {
			t.Errorf("counted %d times", n)
		}
	})
}

// TestHostileBodies: what is well-formed and too much is cut, and counted; what is not well-formed is refused with the
// byte at which it went wrong. Nothing of it takes more than a moment or its share of memory.
func TestHostileBodies(t *testing.T) {
	field := func(number protowire.Number, p []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), p)
	}
	// spans is a request of one span with more fields.
	spans := func(more ...[]byte) []byte {
		s := append(field(1, bytes.Repeat([]byte{7}, 16)), field(2, bytes.Repeat([]byte{9}, 8))...)
		for _, m := range more {
			s = append(s, m...)
		}
		return field(1, field(2, field(2, s)))
	}
	attr := func(key string, value []byte) []byte {
		return field(9, append(field(1, []byte(key)), field(2, value)...))
	}
	deep := field(1, []byte("x"))
	for range 10_000 {
		deep = field(5, field(1, deep)) // an array of an array of …
	}
	var many []byte
	for i := range 5000 {
		many = append(many, attr(fmt.Sprint("k", i), field(1, []byte("v")))...)
	}
	manySpans := bytes.Repeat(field(2, append(field(1, bytes.Repeat([]byte{7}, 16)), field(2, bytes.Repeat([]byte{9}, 8))...)), 1100)
	json := func(value string) []byte {
		return []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"07070707070707070707070707070707","spanId":"0909090909090909","attributes":[{"key":"k","value":` + value + `}]}]}]}]}`)
	}
	for _, c := range []struct {
		name, typ string
		body      []byte
		code      int
		says      string
		cut       bool
		rejected  int64
	}{
		{"a value of 3 MiB", asPB, spans(attr("k", field(1, bytes.Repeat([]byte("v"), 3<<20)))), 200, "left out or shortened", true, 0},
		{"a key of 3 MiB", asPB, spans(attr(strings.Repeat("k", 3<<20), field(1, nil))), 200, "left out or shortened", true, 0},
		{"5,000 attributes", asPB, spans(many), 200, "3976 attributes", true, 0},
		{"1,100 spans where 1,000 may be", asPB, field(1, field(2, manySpans)), 200, "100 spans rejected", false, 100},
		{"10,000 levels", asPB, spans(attr("k", deep)), 200, "", true, 0},
		{"10,000 levels of JSON", asJSON, json(strings.Repeat(`{"arrayValue":{"values":[`, 10_000)), 400, "nested deeper", false, 0},
		{"a trace id of 4 bytes", asPB, field(1, field(2, field(2, append(field(1, []byte("1234")), field(2, []byte("12345678"))...)))), 200, "1 span rejected", false, 1},
		{"a name that is a number", asPB, spans(protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.VarintType), 7)), 200, "", false, 0},
		{"a string that is a number, in JSON", asJSON, json(`{"stringValue":7}`), 400, "byte ", false, 0},
		{"a length beyond its message", asPB, field(1, field(2, []byte{0x12, 0xff, 0xff, 0x03, 0x01})), 400, "a length of", false, 0},
		{"a length of 2^64", asPB, append([]byte{0x0a}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), 400, "byte 1: ", false, 0},
		{"a group", asPB, spans([]byte{0x0b, 0x0c}), 400, "group", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, collect.Config{Limits: wire.Limits{Spans: 1000}})
			code, _, p := r.post(t, bytes.NewReader(c.body), "Content-Type", c.typ)
			s := r.c.Stats()
			if code != c.code || !strings.Contains(string(p), c.says) {
				t.Errorf("%d %.300q", code, p)
			}
			if s.Cut > 0 != c.cut || s.Rejected != c.rejected || s.Refused["malformed"] != map[int]int64{400: 1}[code] || s.InFlight != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
