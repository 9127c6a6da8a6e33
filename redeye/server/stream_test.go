package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// Rows are sent when they are there: the first of them long before all are computed, and while they are taken the next are.
func TestStreamIsIncremental(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Budget.RowsOut = 100_000
		w.delay = 10 * time.Millisecond
		start := time.Now()
		var at []time.Duration
		rows := 0
		answer, err := w.Stream(t.Context(), request(`movies(0, 3000).filter(lambda m: m.can_view(1)).map(lambda m: {"id": m.id, "t": m.title()})`), func(part *column.Column) error {
			rows += part.Items.Len
			at = append(at, time.Since(start))
			time.Sleep(7 * time.Millisecond) // which the client takes over it
			return nil
		})
		if err != nil || rows != 2000 || answer.Value != nil || answer.Usage.RowsOut != 2000 || answer.Usage.Calls != 5 {
			t.Fatal(rows, answer, err)
		}
		// Source, predicate, titles of the first part: 30 ms. Those of the next are asked for while the first is taken.
		if got := fmt.Sprint(at); got != "[30ms 40ms 50ms]" {
			t.Error(got)
		}
	})
}

// What goes wrong after some rows comes after them, and says which row it was.
func TestStreamBreaksOff(t *testing.T) {
	w := newWorld()
	sent := 0
	take := func(part *column.Column) error { sent += part.Items.Len; return nil }
	_, err := w.Stream(t.Context(), request(`movies(0, 2000).map(lambda m: 100 // (m.id - 1500))`), take)
	if e := reason(t, err); e.Code != "OUT_OF_RANGE" || e.Path != "[1500]" || sent != 128+1024 || e.Usage.RowsOut != 1152 {
		t.Errorf("%d rows, then %+v", sent, e)
	}
	sent = 0
	req := request(`movies(0, 2000).map(lambda m: {"n": 100 // (m.id - 1500)})`)
	req.Partial = true
	answer, err := w.Stream(t.Context(), req, take)
	if err != nil || sent != 2000 || answer.Errors[0].Path != "[1500].n" {
		t.Error(sent, answer, err)
	}
	sent = 0
	req = request(`movies(0, 2000).map(lambda m: m.id)`)
	req.Budget.RowsOut = 1000
	_, err = w.Stream(t.Context(), req, take)
	if e := reason(t, err); e.Budget != "rows_out" || sent != 128 {
		t.Errorf("%d rows, then %+v", sent, e)
	}
	// Whoever does not want more says so.
	w.taken()
	gone := errors.New("gone")
	_, err = w.Stream(t.Context(), request(`movies(0, 9000).map(lambda m: m.title())`), func(*column.Column) error { return gone })
	if e := reason(t, err); e.Code != "CANCELLED" || !errors.Is(err, gone) || len(w.taken()) > 3 {
		t.Error(err)
	}
	// What is no list comes whole.
	for _, text := range []string{`movies(0, 3).length()`, `{"ids": movies(0, 3).map(lambda m: m.id)}`, `movies(0, 0)`} {
		want := ask(t, w, text).Value
		parts := 0
		if _, err := w.Stream(t.Context(), request(text), func(part *column.Column) error {
			parts++
			if got, want := string(column.AppendJSON(nil, part, 0)), string(column.AppendJSON(nil, want, 0)); got != want {
				t.Errorf("%s: %s", text, got)
			}
			return nil
		}); err != nil || parts != 1 {
			t.Error(text, parts, err)
		}
	}
}

// In parts, random programs have the value that they have at once.
func TestRandomProgramsAsStreams(t *testing.T) {
	w := newWorld()
	r := rand.New(rand.NewPCG(11, seed()))
	ran := 0
	for range 800 {
		g := &programs{pick: r.IntN, budget: 20}
		movies := &ast.Call{Name: "movies", Args: []ast.Node{g.lit(ast.Int(0)), g.lit(ast.Int(int64(100 + r.IntN(400))))}}
		n := &ast.Map{X: movies, F: g.lambda(tMovie, func() ast.Node { return g.expr(g.typ(0)) })}
		req := server.Request{Program: n, Params: map[string]server.Value{}}
		if strings.Contains(string(ast.AppendJSON(nil, n)), `["param"`) {
			req.Params["n"] = server.JSON([]byte("3"))
		}
		whole, err := w.Query(t.Context(), req)
		if err != nil {
			continue
		}
		var rows []string
		if _, err := w.Stream(t.Context(), req, func(part *column.Column) error {
			for i := range part.Items.Len {
				rows = append(rows, string(column.AppendJSON(nil, part.Items, i)))
			}
			return nil
		}); err != nil {
			t.Fatalf("%s\n%v", ast.Text(n), err)
		}
		if got, want := "["+strings.Join(rows, ",")+"]", string(column.AppendJSON(nil, whole.Value, 0)); got != want {
			t.Fatalf("%s\nis\n%s\nand in parts\n%s", ast.Text(n), want, got)
		}
		ran++
		w.taken()
	}
	if ran < 200 {
		t.Errorf("%d programs show little", ran)
	}
}

// A client that asks for a stream and does not read it keeps nothing: its execution ends.
func TestStreamToWhomDoesNotRead(t *testing.T) {
	w := newWorld()
	w.Budget = server.Budget{Wall: 50 * time.Millisecond, RowsOut: 100_000, Memory: 1 << 30}
	server.Source0(w.Server, "blobs", func(context.Context) ([]string, error) {
		blobs := make([]string, 9000)
		for i := range blobs {
			blobs[i] = strings.Repeat("x", 4000)
		}
		return blobs, nil
	})
	url, _ := serve(t, w)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	message := `{"text": "blobs()"}`
	body := "\x00\x00\x00\x00" + string(rune(len(message))) + message
	_, err = fmt.Fprintf(conn, "POST /redeye.v1.Redeye/Stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+json\r\nConnect-Protocol-Version: 1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	if err := w.Shutdown(t.Context()); err != nil { // which waits for executions
		t.Fatal(err)
	}
	if got := w.CallSites()[0]; got.Running != 0 || got.Errors != 1 {
		t.Errorf("%+v", got)
	}
}

// The client takes rows while the server computes the next ones, in process and over a network, and learns in the end what it took.
func TestClientStreams(t *testing.T) {
	w := newWorld()
	url, _ := serve(t, w)
	h, err := w.Handler()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*redeye.Client{
		"network":    redeye.NewClient(url, redeye.Config{}),
		"in process": redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(h)}}),
	} {
		t.Run(name, func(t *testing.T) {
			type card struct {
				ID    int64
				Title string
			}
			rows := redeye.Stream(t.Context(), c, redeye.Text[[]card](`movies(0, n).map(lambda m: {"id": m.id, "title": m.title()})`, redeye.Args{"n": 3000}))
			next := int64(0)
			for got, err := range rows.All() {
				if err != nil || got.ID != next || got.Title != fmt.Sprint("Movie ", next) {
					t.Fatal(next, got, err)
				}
				next++
			}
			if next != 3000 || rows.Usage.RowsOut != 3000 || rows.Usage.Planned != 3001 || rows.Usage.Calls != 5 {
				t.Errorf("%d rows, %+v", next, rows.Usage)
			}
			w.taken()
			// Leaving the loop ends the execution: it asks for no more.
			for _, err := range redeye.Stream(t.Context(), c, redeye.Text[[]string](`movies(0, 9000).map(lambda m: m.title())`, nil)).All() {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			// What goes wrong has its place.
			rows2 := redeye.Stream(t.Context(), c, redeye.Text[[]int64](`movies(0, 2000).map(lambda m: 100 // (m.id - 1500))`, nil))
			taken := 0
			var last error
			for _, err := range rows2.All() {
				if last = err; err == nil {
					taken++
				}
			}
			e, ok := errors.AsType[*redeye.Error](last)
			if !ok || e.Code != redeye.CodeOutOfRange || taken != 1152 || !strings.Contains(e.Where, "^") || e.Usage.RowsOut != 1152 {
				t.Errorf("%d rows, then %v", taken, last)
			}
		})
	}
}
