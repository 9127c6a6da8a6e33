package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server"
	"github.com/fuwu-project/fuwu/redeye/server/internal/redeyepb"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// serve serves a world on a port of its own, over HTTP/1.1 and HTTP/2 without TLS.
func serve(t *testing.T, w *world) (url string, client *http.Client) {
	h, err := w.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2.CloseIdleConnections)
	return srv.URL, &http.Client{Transport: h2}
}

func post(t *testing.T, url, body string) (status int, answer string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// As curl asks it: text and parameters in JSON, rows in JSON.
func TestJSON(t *testing.T) {
	url, _ := serve(t, newWorld())
	const query = "/redeye.v1.Redeye/Query"
	status, body := post(t, url+query, `{"text": "get_movies(ids).map(lambda m: {\"id\": m.id, \"title\": m.title()})", "params": {"ids": [1, 2]}}`)
	var answer struct {
		Value any
		Type  string
		Usage struct{ Calls int }
		Hash  string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || answer.Usage.Calls != 2 || len(answer.Hash) != 64 {
		t.Fatalf("%d %s", status, body)
	}
	if !strings.Contains(body, `"value":[{"id":1,"title":"Movie 1"},{"id":2,"title":"Movie 2"}]`) || answer.Type != "list<{id: int, title: string}>" {
		t.Error(body)
	}
	// By hash it is known now; as a JSON tree it is the same program.
	if status, again := post(t, url+query, `{"hash": "`+answer.Hash+`", "params": {"ids": [1, 2]}}`); status != 200 || !strings.Contains(again, `"title":"Movie 2"`) {
		t.Error(status, again)
	}
	tree := `["map",["source","get_movies",["param","ids"]],[1,["object",{"id":["attr",["var",0],"id"],"title":["call",["var",0],"title"]}]]]`
	if status, again := post(t, url+query, `{"program": `+tree+`, "params": {"ids": [1, 2]}}`); status != 200 || !strings.Contains(again, answer.Hash) {
		t.Error(status, again)
	}
	// An error has its place in the text.
	status, body = post(t, url+query, `{"text": "get_movies(ids).map(lambda m: m.titel())"}`)
	if status != 400 || !strings.Contains(body, `"code":"invalid_argument"`) || !strings.Contains(body, "did you mean title?") || !strings.Contains(body, "1:31") || !strings.Contains(body, `"reason":"TYPE"`) {
		t.Error(status, body)
	}
	for text, want := range map[string]string{
		`{"hash": "00"}`: "64 hexadecimal digits",
		`{"hash": "` + strings.Repeat("0", 64) + `"}`: "does not know this program",
		`{"text": "movies(", "params": {}}`:           "missing at the end",
		`{"program": ["frob"]}`:                       "there is no operation",
		`{`:                                           "invalid_argument",
		`{"text": "1", "params": {"a": 1}}`:           "no parameter a",
		`{"text": "movies(1, 9000)", "budgets": {"rows": 10}}`:      "its budget is 10",
		`{"text": "movies(1, 90)", "budgets": {"wall": "a while"}}`: "budgets.wall",
	} {
		if status, body := post(t, url+query, text); status == 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", text, status, body)
		}
	}
	if status, body := post(t, url+"/redeye.v1.Redeye/GetSchema", `{}`); status != 200 {
		t.Error(status, body)
	} else if s, err := schema.Read([]byte(body)); err != nil || s.Entity("Movie").Method("can_view").Args[0].Name != "user" {
		t.Error(err, body)
	}
	if status, body := post(t, url+"/redeye.v1.Redeye/Explain", `{"text": "movies(1, 9).filter(lambda m: m.can_view(u)).limit(3)"}`); status != 200 || !strings.Contains(body, "limit of a filter, in chunks") || !strings.Contains(body, `"u":"int"`) {
		t.Error(status, body)
	}
}

const talk = `get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`

func talkRequest(t testing.TB) *redeyepb.QueryRequest {
	n, _, err := text.Parse(talk, ast.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var program redeyepb.Program
	if err := proto.Unmarshal(ast.AppendProto(nil, n), &program); err != nil {
		t.Fatal(err)
	}
	return &redeyepb.QueryRequest{
		Source: &redeyepb.QueryRequest_Program{Program: &program},
		Params: []*redeyepb.Param{
			{Name: "ids", Value: &redeyepb.Column{Rows: 1, Lengths: []uint64{3}, Items: &redeyepb.Column{Rows: 3, Ints: []int64{1, 2, 3}}}},
			{Name: "user", Value: &redeyepb.Column{Rows: 1, Ints: []int64{1}}},
		},
		Site: &redeyepb.CallSite{Label: "web/page.go:42", Key: "web.Page"},
	}
}

// Every protocol gives the same answer, with messages that protoc's code reads and writes.
func TestProtocols(t *testing.T) {
	url, h2 := serve(t, newWorld())
	for name, transport := range map[string]connect.Transport{
		"Connect over HTTP/1.1": connecthttp.NewTransport(http.DefaultClient, url),
		"Connect over HTTP/2":   connecthttp.NewTransport(h2, url),
		"gRPC":                  connecthttp.NewTransport(h2, url, connecthttp.WithGRPC()),
		"gRPC-Web":              connecthttp.NewTransport(http.DefaultClient, url, connecthttp.WithGRPCWeb()),
		"Connect, gzip":         connecthttp.NewTransport(h2, url, connecthttp.WithSendGzip()),
	} {
		t.Run(name, func(t *testing.T) {
			client := connect.NewClient(transport)
			var answer redeyepb.Answer
			spec := connect.Spec{Procedure: "/redeye.v1.Redeye/Query", StreamType: connect.StreamTypeUnary}
			if err := client.CallUnary(t.Context(), spec, talkRequest(t), &answer); err != nil {
				t.Fatal(err)
			}
			if got := rowsOf(t, &answer); got != `[{"id":1,"title":"Movie 1","rating":0.5},{"id":3,"title":"Movie 3","rating":1.5}]` {
				t.Error(got)
			}
			if answer.GetUsage().GetCalls() != 4 || len(answer.GetHash()) != 32 || !answer.GetEnd() {
				t.Error(&answer)
			}
			bad := talkRequest(t)
			bad.Params = bad.Params[:1]
			err := client.CallUnary(t.Context(), spec, bad, &answer)
			e, ok := errors.AsType[*connect.Error](err)
			if !ok || e.Code() != connect.CodeInvalidArgument || len(e.Details()) != 1 {
				t.Fatalf("%v", err)
			}
			var detail redeyepb.ErrorDetail
			if err := proto.Unmarshal(e.Details()[0].Value, &detail); err != nil || detail.GetCode() != "PARAMETER" {
				t.Error(&detail, err)
			}
		})
	}
}

// Each refusal that ends by itself, or by an operator's hand, says when to ask again: to our clients, to gRPC's as google.rpc.RetryInfo, and to whoever
// reads HTTP as Retry-After. Other errors do not.
func TestRefusalsSayWhen(t *testing.T) {
	const pages, broken = `movies(1, 5)`, `movies(1, 3).map(lambda m: m.panics())`
	off := server.Setting{Switch: "open"}
	query := func(w *world, text string) error {
		_, err := w.Query(t.Context(), request(text))
		return err
	}
	for _, test := range []struct {
		name, text, reason string
		refuse             func(w *world) // sees to it that the text is refused
		least, most        time.Duration
	}{
		{"type", `movies(1, 5) + 1`, "TYPE", func(*world) {}, 0, 0},
		{"method's error", `movies(1, 3).map(lambda m: m.secret())`, "", func(*world) {}, 0, 0},
		{"site's breaker", `movies(1, 500)`, "BREAKER_OPEN", func(w *world) {
			for range 20 {
				_ = query(w, `movies(1, 500)`)
			}
		}, time.Second, 5500 * time.Millisecond},
		{"method's breaker", broken, "BREAKER_OPEN", func(w *world) {
			for range 20 {
				_ = query(w, broken)
			}
		}, time.Second, 5500 * time.Millisecond},
		{"site off", pages, "SITE_OFF", func(w *world) {
			_ = query(w, pages)
			site := w.CallSites()[0]
			if err := w.SetSite(site.Tenant, site.Key, site.Hash, off); err != nil {
				t.Fatal(err)
			}
		}, time.Minute, time.Minute},
		{"method off", pages, "METHOD_OFF", func(w *world) {
			if err := w.SetMethod("movies", off); err != nil {
				t.Fatal(err)
			}
		}, time.Minute, time.Minute},
		{"busy", `blocks()`, "SITE_BUSY", func(w *world) {
			w.SiteConcurrency = 1
			began, done := make(chan bool), make(chan bool)
			server.Source0(w.Server, "blocks", func(context.Context) (int64, error) {
				began <- true
				<-done
				return 1, nil
			})
			go func() { _ = query(w, `blocks()`) }()
			<-began
			t.Cleanup(func() { close(done) })
		}, 100 * time.Millisecond, 100 * time.Millisecond},
		{"shutdown", pages, "SHUTDOWN", func(w *world) {
			if err := w.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, time.Second, time.Second},
	} {
		w := newWorld()
		w.Budget.Rows = 100
		test.refuse(w)
		url, h2 := serve(t, w)
		message := &redeyepb.QueryRequest{Source: &redeyepb.QueryRequest_Text{Text: test.text}}
		for name, transport := range map[string]connect.Transport{
			"Connect": connecthttp.NewTransport(h2, url),
			"gRPC":    connecthttp.NewTransport(h2, url, connecthttp.WithGRPC()),
		} {
			spec := connect.Spec{Procedure: "/redeye.v1.Redeye/Query", StreamType: connect.StreamTypeUnary}
			err := connect.NewClient(transport).CallUnary(t.Context(), spec, message, new(redeyepb.Answer))
			e, ok := errors.AsType[*connect.Error](err)
			if !ok {
				t.Fatalf("%s: %v", test.name, err)
			}
			var detail redeyepb.ErrorDetail
			if err := proto.Unmarshal(e.Details()[0].Value, &detail); err != nil {
				t.Fatal(err)
			}
			wait := time.Duration(detail.GetRetryAfterNanos())
			if detail.GetCode() != test.reason || wait < test.least || wait > test.most || wait > 0 && e.Code() != connect.CodeUnavailable {
				t.Errorf("%s by %s: %v, %s after %v", test.name, name, e, detail.GetCode(), wait)
			}
			var said time.Duration
			if len(e.Details()) > 1 && e.Details()[1].Type == "google.rpc.RetryInfo" {
				var delay durationpb.Duration
				number, kind, tag := protowire.ConsumeTag(e.Details()[1].Value)
				value, _ := protowire.ConsumeBytes(e.Details()[1].Value[max(tag, 0):])
				if err := proto.Unmarshal(value, &delay); err != nil || number != 1 || kind != protowire.BytesType {
					t.Errorf("%s by %s: %x, %v", test.name, name, e.Details()[1].Value, err)
				}
				said = delay.AsDuration()
			}
			if said != wait {
				t.Errorf("%s by %s: RetryInfo is %v, and the wait %v", test.name, name, said, wait)
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/redeye.v1.Redeye/Query", strings.NewReader(`{"text": `+strconv.Quote(test.text)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		after := resp.Header.Get("Retry-After")
		seconds, err := strconv.ParseFloat(after, 64)
		switch {
		case test.most == 0 && after == "":
		case err != nil, seconds < test.least.Seconds(), seconds >= test.most.Seconds()+1, resp.StatusCode != http.StatusServiceUnavailable, !strings.Contains(string(body), `"retryDelay":"`):
			t.Errorf("%s: %d, Retry-After %q: %s", test.name, resp.StatusCode, after, body)
		}
	}
}

func rowsOf(t *testing.T, answer *redeyepb.Answer) string {
	typ, err := schema.Parse(answer.GetType())
	if err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(answer.GetValue())
	if err != nil {
		t.Fatal(err)
	}
	c, err := column.ReadProto(b, typ, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	return string(column.AppendJSON(nil, c, 0))
}

// A stream brings the rows in parts, in order, and the usage with the last.
func TestStream(t *testing.T) {
	w := newWorld()
	url, h2 := serve(t, w)
	client := connect.NewClient(connecthttp.NewTransport(h2, url, connecthttp.WithGRPC()))
	stream, err := client.CallServerStream(t.Context(), connect.Spec{Procedure: "/redeye.v1.Redeye/Stream", StreamType: connect.StreamTypeServer},
		&redeyepb.QueryRequest{Source: &redeyepb.QueryRequest_Text{Text: "movies(0, 3000).map(lambda m: m.id)"}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	next, parts, ended := 0, 0, false
	for {
		var part redeyepb.Answer
		err := stream.Receive(&part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		parts++
		ended = part.GetEnd()
		if (part.GetUsage() != nil) != ended {
			t.Error("the usage comes with the last part")
		}
		for _, id := range part.GetValue().GetItems().GetInts() {
			if int(id) != next {
				t.Fatalf("row %d is %d", next, id)
			}
			next++
		}
	}
	if next != 3000 || parts != 5 || !ended {
		t.Errorf("%d rows in %d parts", next, parts)
	}
}

// Who asks is found out once, methods see it, and it may be refused a method.
func TestAuthentication(t *testing.T) {
	w := newWorld()
	w.Authenticate = func(_ context.Context, h http.Header) (server.Principal, error) {
		if name, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer "); ok {
			return server.Principal{Name: name}, nil
		}
		return server.Principal{}, errors.New("no token")
	}
	w.Authorize = func(_ context.Context, p server.Principal, method string) error {
		if p.Name != "root" && method == "Movie.rating" {
			return errors.New("not yours")
		}
		return nil
	}
	url, _ := serve(t, w)
	ask := func(token, text string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/redeye.v1.Redeye/Query", strings.NewReader(`{"text": "`+text+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, test := range []struct {
		token, text string
		status      int
		want        string
	}{
		{"", "movies(1, 2)", 401, "who asks is not known"},
		{"eve", "movies(1, 2)", 200, `"value":[1]`},
		{"eve", "movies(1, 2).map(lambda m: m.rating())", 403, "you may not use Movie.rating"},
		{"root", "movies(1, 2).map(lambda m: m.rating())", 200, `"value":[0.5]`},
	} {
		if status, body := ask(test.token, test.text); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s: %s: %d %s", test.token, test.text, status, body)
		}
	}
}
