package redeye_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

type card struct {
	ID     int64
	Title  string
	Rating *float64
}

func TestText(t *testing.T) {
	s := always(t, "list<{id: int, title: string, rating: float?}>", `[{"id":1,"title":"Metropolis","rating":8.3},{"id":2,"title":"M"}]`)
	const text = `get_movies(ids).map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`
	cards, err := redeye.Text[[]card](text, redeye.Args{"ids": []int64{1, 2}, "user": 7}).Run(t.Context(), s.client())
	if err != nil {
		t.Fatal(err)
	}
	if len(cards) != 2 || cards[0].ID != 1 || cards[0].Title != "Metropolis" || *cards[0].Rating != 8.3 || cards[1].Rating != nil {
		t.Errorf("%+v", cards)
	}
	r := s.taken()[0]
	if r.text != text || r.method != "/redeye.v1.Redeye/Query" || r.partial {
		t.Errorf("%+v", r)
	}
	if ids, user := r.paramJSON(t, "ids", "list<int>"), r.paramJSON(t, "user", "int"); ids != "[1,2]" || user != "7" {
		t.Error(ids, user)
	}
	if !strings.HasPrefix(r.label, "redeye_test/client_test.go:") || !strings.HasPrefix(r.key, "github.com/fuwu-project/fuwu/redeye_test.TestText#") {
		t.Error(r.label, r.key)
	}
}

// Two programs of one function are two sites; a name is one whatever the program is.
func TestSite(t *testing.T) {
	s := always(t, "int", "1")
	c := s.client()
	for _, q := range []redeye.Query[int64]{
		redeye.Text[int64]("1", nil), redeye.Text[int64]("2", nil), redeye.Text[int64]("1", nil),
		redeye.Text[int64]("1", nil).Named("one"), redeye.Text[int64]("2", nil).Named("one"),
	} {
		if _, err := q.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	for _, r := range s.taken() {
		keys = append(keys, r.key)
	}
	if keys[0] == keys[1] || keys[0] != keys[2] || keys[3] != "one" || keys[4] != "one" {
		t.Errorf("%q", keys)
	}
}

// Every kind of error comes with all that the server said.
func TestError(t *testing.T) {
	want := redeye.Error{
		Code: redeye.CodeResourceExhausted, Reason: "BUDGET_EXCEEDED", Msg: "too much", Where: "1:3: too much\n    a.b\n      ^", Method: "Movie.title",
		Budget: "calls", Limit: 200, Used: 201,
	}
	s := &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) { return nil, &want }}
	_, err := redeye.Text[int64]("1", nil).Run(t.Context(), s.client())
	e, ok := errors.AsType[*redeye.Error](err)
	if !ok {
		t.Fatal(err)
	}
	want.Site = e.Site
	if *e != want || e.Site == "" {
		t.Errorf("%+v", e)
	}
	if msg := err.Error(); !strings.Contains(msg, "RESOURCE_EXHAUSTED: Movie.title: 1:3: too much\n") {
		t.Error(msg)
	}
}

// What answers on the way, or is no Redeye server at all, is said to be that.
func TestNotRedeye(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		code   redeye.Code
		reason string
	}{
		{"proxy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no backend", http.StatusBadGateway) }, redeye.CodeUnavailable, "TRANSPORT"},
		{"not found", http.NotFound, redeye.CodeUnimplemented, "TRANSPORT"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, redeye.CodeUnknown, "TRANSPORT"},
		{"nothing of an answer", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/proto") }, redeye.CodeInternal, "DECODE"},
		{"broken", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/proto")
			_, _ = w.Write([]byte("\x0a\xff"))
		}, redeye.CodeInternal, "DECODE"},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/proto")
			_, _ = w.Write(make([]byte, 2000))
		}, redeye.CodeResourceExhausted, "ANSWER_SIZE"},
	} {
		srv := httptest.NewServer(test.answer)
		for _, cfg := range []redeye.Config{{MaxAnswer: 1000}, {MaxAnswer: 1000, HTTP: &http.Client{Transport: redeye.InProcess(test.answer)}}} {
			_, err := redeye.Text[int64]("1", nil).Run(t.Context(), redeye.NewClient(srv.URL, cfg))
			if e, ok := errors.AsType[*redeye.Error](err); !ok || e.Code != test.code || e.Reason != test.reason {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		srv.Close()
	}
	_, err := redeye.Text[int64]("1", nil).Run(t.Context(), redeye.NewClient("127.0.0.1:1", redeye.Config{}))
	if e, ok := errors.AsType[*redeye.Error](err); !ok || e.Code != redeye.CodeUnavailable || e.Reason != "TRANSPORT" {
		t.Errorf("nobody there: %v", err)
	}
}

// The deadline goes with the request, and ends it; so does the caller.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, answer: func(ctx context.Context, _ *request) ([]byte, *redeye.Error) {
			<-ctx.Done()
			return nil, &redeye.Error{Code: redeye.CodeInternal}
		}}
		c := redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(s)}, Timeout: 3 * time.Second})
		start := time.Now()
		_, err := redeye.Text[int64]("1", nil).Run(t.Context(), c)
		if e, ok := errors.AsType[*redeye.Error](err); !ok || e.Code != redeye.CodeDeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Error("the client's timeout was", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = redeye.Text[int64]("1", nil).Run(ctx, c)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 4*time.Second {
			t.Error(err, time.Since(start))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		_, err = redeye.Text[int64]("1", nil).Run(ctx, c)
		if e, ok := errors.AsType[*redeye.Error](err); !ok || e.Code != redeye.CodeCanceled || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for i, want := range []string{"3000", "1000", "3000"} {
			if got := s.requests[i].header.Get("Connect-Timeout-Ms"); got != want {
				t.Errorf("request %d says %s ms", i, got)
			}
		}
	})
}

// Only a server that says when is asked again, once, and all repetitions together are no more than a tenth.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := &redeye.Error{Code: redeye.CodeUnavailable, Msg: "busy"}
		failures := 1
		out := answerOf(t, "int", "7")
		s := &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) {
			if failures > 0 {
				failures--
				return nil, fail
			}
			return out, nil
		}}
		c := s.client()
		ask := func() error {
			_, err := redeye.Text[int64]("1", nil).Run(t.Context(), c)
			return err
		}
		if err := ask(); err == nil || len(s.taken()) != 1 {
			t.Error("asked again without being told to:", err)
		}
		failures, fail.Wait = 1, time.Second
		start := time.Now()
		if err := ask(); err != nil || len(s.taken()) != 2 || time.Since(start) < time.Second || time.Since(start) > 1100*time.Millisecond {
			t.Error("not asked again, too soon or too late:", err, time.Since(start))
		}
		failures = 2
		if err := ask(); err == nil || len(s.taken()) != 2 {
			t.Error("asked more than twice:", err)
		}
		failures, fail.Wait = 1, time.Minute
		start = time.Now()
		if err := ask(); err == nil || len(s.taken()) != 1 || time.Since(start) != 0 {
			t.Error("waited for what comes after the deadline:", err)
		}

		// A server that is down for everybody: 400 queries of 100 sites.
		failures, fail.Wait = 1<<30, 10*time.Millisecond
		for i := range 400 {
			_, _ = redeye.Text[int64]("1", nil).Named(string(rune('A'+i%100))).Run(t.Context(), c)
		}
		if n := len(s.taken()); n > 400+40+10 {
			t.Errorf("%d requests for 400 queries", n)
		}
	})
}

// refusal answers with a status, a header Retry-After and a body.
func refusal(status int, retryAfter, body string) *redeye.Client {
	return redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))}})
}

// When to ask again is said by a Redeye server, by others that speak gRPC's errors, and by proxies: the most exact is taken, and nobody is believed who says
// what makes no sense.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		detail := func(typ string, value []byte) string {
			return `{"type": "` + typ + `", "value": "` + base64.RawStdEncoding.EncodeToString(value) + `"}`
		}
		info := func(seconds, nanos int64) string {
			return detail("google.rpc.RetryInfo", pb.AppendMessage(nil, 1, func(b []byte) []byte {
				return pb.AppendUint(pb.AppendUint(b, 1, uint64(seconds)), 2, uint64(nanos))
			}))
		}
		own := detail("redeye.v1.ErrorDetail", pb.AppendUint(nil, 9, 70_000_000))
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, test := range []struct {
			header, details string
			want            time.Duration
		}{
			{"", "", 0},
			{"3", "", 3 * time.Second},
			{"0", "", 0},
			{in(90 * time.Second), "", 90 * time.Second},
			{in(-time.Minute), "", 0},
			{in(200 * time.Hour), "", time.Hour},
			{"86400", "", time.Hour},
			{"-3", "", 0},
			{"1.5", "", 0},
			{"soon", "", 0},
			{"99999999999999999999", "", 0},
			{"3", info(2, 500_000_000), 2500 * time.Millisecond},
			{"3", own, 70 * time.Millisecond},
			{"3", own + "," + info(2, 0), 70 * time.Millisecond},
			{"3", info(2, 0) + "," + own, 70 * time.Millisecond},
			{"", info(-5, 0), 0},
			{"", info(0, -5), 0},
			{"", info(1<<62, 1<<62), time.Hour},
			{"", detail("google.rpc.RetryInfo", []byte("\x0a\xff")), 0},
			{"", `{"type": "google.rpc.RetryInfo", "value": "?"}`, 0},
			{"", detail("google.rpc.ErrorInfo", []byte{0x0a, 2, 8, 1}), 0},
		} {
			_, err := refusal(http.StatusServiceUnavailable, test.header, `{"code": "resource_exhausted", "details": [`+test.details+`]}`).Schema(t.Context())
			if e, ok := errors.AsType[*redeye.Error](err); !ok || e.Wait != test.want {
				t.Errorf("%q, %s: %v instead of %v", test.header, test.details, e.Wait, test.want)
			}
		}
	})
}

// A proxy that says when is heard, too.
func TestRetryAfterOfAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := answerOf(t, "int", "7")
		requests := 0
		c := redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if requests++; requests == 1 {
				w.Header().Set("Retry-After", "2")
				http.Error(w, "deploying", http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/proto")
			_, _ = w.Write(out)
		}))}})
		start := time.Now()
		if got, err := redeye.Text[int64]("1", nil).Run(t.Context(), c); err != nil || got != 7 || time.Since(start) < 2*time.Second {
			t.Error(got, err, time.Since(start))
		}
	})
}

// Whatever stands in the place of an answer is an error that can be worked with.
func FuzzError(f *testing.F) {
	f.Add(503, "3", `{"code": "unavailable", "message": "m", "details": [{"type": "google.rpc.RetryInfo", "value": "CgIIAQ"}]}`)
	f.Add(200, "Mon, 30 Nov 2026 16:00:00 GMT", `{"code": "x", "details": [{"type": "redeye.v1.ErrorDetail", "value": "CgFh"}]}`)
	f.Add(429, "soon", `<html>`)
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string) {
		if status < 200 || status > 599 || !utf8.ValidString(retryAfter) || strings.ContainsFunc(retryAfter, unicode.IsControl) {
			return
		}
		_, err := refusal(status, retryAfter, body).Schema(t.Context())
		e, ok := errors.AsType[*redeye.Error](err)
		if !ok || e.Code == "" || e.Wait < 0 || e.Wait > time.Hour || err.Error() == "" {
			t.Errorf("%#v", err)
		}
	})
}

// One call site whose queries fail is stopped; the others are not touched. When the time has come a few go through, and
// with them all.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		out := answerOf(t, "int", "7")
		s := &server{t: t, answer: func(_ context.Context, r *request) ([]byte, *redeye.Error) {
			if broken && r.key == "site 13" {
				return nil, &redeye.Error{Code: redeye.CodeResourceExhausted, Reason: "BUDGET_EXCEEDED"}
			}
			return out, nil
		}}
		c := s.client()
		refused := map[string]int{}
		round := func() {
			for i := range 100 {
				name := "site " + string(rune('0'+i/10)) + string(rune('0'+i%10))
				_, err := redeye.Text[int64]("1", nil).Named(name).Run(t.Context(), c)
				if e, ok := errors.AsType[*redeye.Error](err); ok && e.Reason == "BREAKER_OPEN" {
					if e.Code != redeye.CodeUnavailable || e.Wait <= 0 {
						t.Error(err)
					}
					refused[name]++
				} else if name != "site 13" && err != nil {
					t.Error(name, err)
				}
			}
		}
		for range 50 {
			round()
		}
		if refused["site 13"] != 30 || len(refused) != 1 {
			t.Errorf("after 20 failures 30 more queries; refused: %v", refused)
		}
		broken = false
		time.Sleep(6 * time.Second)
		clear(refused)
		for range 5 {
			round()
		}
		if len(refused) != 0 {
			t.Errorf("refused after it was mended: %v", refused)
		}
	})
}

// Errors that are the caller's, or a method's, do not open a breaker.
func TestBreakerBlame(t *testing.T) {
	for _, e := range []redeye.Error{
		{Code: redeye.CodeInvalidArgument, Reason: "TYPE"},
		{Code: redeye.CodeNotFound},
		{Code: redeye.CodePermissionDenied},
		{Code: redeye.CodeUnavailable, Method: "Movie.title"},
		{Code: redeye.CodeFailedPrecondition, Reason: "VALIDATION_FAILED"},
	} {
		s := &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) { return nil, &e }}
		c := s.client()
		for range 100 {
			_, _ = redeye.Text[int64]("1", nil).Named("x").Run(t.Context(), c)
		}
		if n := len(s.taken()); n != 100 {
			t.Errorf("%+v: %d of 100 queries were sent", e, n)
		}
	}
}

// A flood of names costs a bounded amount of memory, and those from before keep their history.
func TestManySites(t *testing.T) {
	s := always(t, "int", "1")
	c := s.client()
	for i := range 10_100 {
		if _, err := redeye.Text[int64]("1", nil).Named(strconv.Itoa(i)).Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	rs := s.taken()
	if rs[9999].key != "9999" || rs[10_000].key != "other" || rs[10_099].key != "other" {
		t.Errorf("%s, %s, %s", rs[9999].key, rs[10_000].key, rs[10_099].key)
	}
	if _, err := redeye.Text[int64]("1", nil).Named("77").Run(t.Context(), c); err != nil || s.taken()[0].key != "77" {
		t.Error("a site from before is lost")
	}
}

func TestPartial(t *testing.T) {
	out := answerOf(t, "list<{id: int, title: string?}?>", `[{"id":1,"title":null},null]`)
	out = append(out, 0x1a, 23)
	out = append(out, "\x0a\x09[0].title\x12\x08NOT_FOUN\x22\x00"...)
	out = append(out, 0x20, 5, 0x28, 3, 0x32, 2, 0x30, 9)
	s := &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) { return out, nil }}
	type row struct {
		ID    int64
		Title string
	}
	a, err := redeye.Text[[]row]("x", nil).Partial().Answer(t.Context(), s.client())
	if err != nil {
		t.Fatal(err)
	}
	if !s.taken()[0].partial || len(a.Value) != 2 || a.Value[0].ID != 1 || a.Value[1].ID != 0 || a.ErrorsTotal != 5 || a.RowsDropped != 3 || a.Usage.Calls != 9 ||
		a.Errors[0].Path != "[0].title" || a.Errors[0].Code != "NOT_FOUN" {
		t.Errorf("%+v", a)
	}
	if _, err := redeye.Text[[]row]("x", nil).Run(t.Context(), s.client()); err == nil || !strings.Contains(err.Error(), "may be null") {
		t.Error("null in a string, not asked to be partial:", err)
	}
}

func TestSchema(t *testing.T) {
	const movies = `{"service":"movies","version":"v1","entities":[{"name":"Movie","key":"int","attrs":null,"methods":null}],"sources":null}`
	out := append([]byte{0x0a, byte(len(movies))}, movies...)
	if len(movies) > 127 {
		out = append([]byte{0x0a, byte(len(movies)) | 0x80, byte(len(movies) >> 7)}, movies...)
	}
	s := &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) { return out, nil }}
	got, err := s.client().Schema(t.Context())
	if err != nil || got.Service != "movies" || got.Entity("Movie") == nil {
		t.Error(got, err)
	}
}

// A program can be asked for its answer as it came, by column.
func TestColumn(t *testing.T) {
	s := always(t, "list<int>", "[1,2,3]")
	c, err := redeye.Text[*column.Column]("x", nil).Run(t.Context(), s.client())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(column.AppendJSON(nil, c, 0)); got != "[1,2,3]" || !json.Valid([]byte(got)) {
		t.Error(got)
	}
}
