package shuaisql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaisql"
)

// newTracer returns a tracer, and a function that stops it and returns all bytes that it exported.
func newTracer(t *testing.T, ratio float64) (*shuai.Tracer, func() string) {
	t.Helper()
	var mu sync.Mutex
	var got strings.Builder
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		io.Copy(&got, r.Body)
	}))
	t.Cleanup(srv.Close)
	tr, err := shuai.New(shuai.Config{Service: "test", Ratio: ratio, Endpoint: srv.URL, Compression: "none"})
	if err != nil {
		t.Fatal(err)
	}
	return tr, func() string {
		if err := tr.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return got.String()
	}
}

var kinds = []string{"minimal", "legacy", "modern", "checking"}

// A program sees the same, and the driver is called in the same way, with and without tracing; and no value is exported.
func TestTransparent(t *testing.T) {
	for n := range 2 * len(kinds) {
		kind, woven := kinds[n/2], n%2 == 1
		plain, traced := &journal{}, &journal{}
		want := use(t.Context(), sql.OpenDB(testConnector{testDriver{plain, kind}}))

		tr, stop := newTracer(t, 1)
		ctx, root := tr.StartSpan(t.Context(), "root", shuai.KindServer)
		var connector driver.Connector = testConnector{testDriver{traced, kind}}
		if woven {
			connector = shuaisql.Weave(connector, "")
		} else {
			connector = shuaisql.NewConnector(connector, shuaisql.Config{})
		}
		db := sql.OpenDB(connector)
		got := use(ctx, db)
		root.End()
		if !slices.Equal(got, want) {
			t.Errorf("%s: the program sees\n%s, without tracing\n%s", kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if !slices.Equal(traced.calls, plain.calls) {
			t.Errorf("%s: the driver is called\n%s, without tracing\n%s", kind, strings.Join(traced.calls, "\n"), strings.Join(plain.calls, "\n"))
		}
		exported := stop()
		for _, value := range []string{"secret", "argument"} {
			if strings.Contains(exported, value) {
				t.Errorf("%s: a value is exported", kind)
			}
		}
		for _, want := range []string{
			"connect", "SELECT t", "SELECT a FROM t WHERE b = ?", "INSERT t", "INSERT INTO t VALUES (?)", "prepare SELECT t", "DELETE t",
			"BEGIN", "COMMIT", "ROLLBACK", "other_sql", "1062", "23505", "bad connection", "timeout", "canceled", "*errors.errorString",
		} {
			if want == "prepare SELECT t" && kind == "legacy" {
				want = "prepare SELECT" // it prepares nothing else
			}
			if !strings.Contains(exported, want) {
				t.Errorf("%s: %q is not exported", kind, want)
			}
		}
	}
}

// mute is a connector that has no driver to name.
type mute struct{ driver.Connector }

func (mute) Driver() driver.Driver { panic("not to be asked") }

// What is woven in is not seen, and what the program has put there itself is.
func TestWeave(t *testing.T) {
	for _, kind := range kinds {
		plain := testConnector{testDriver{&journal{}, kind}}
		own := shuaisql.NewConnector(plain, shuaisql.Config{})
		if shuaisql.Weave(own, "") != own {
			t.Errorf("%s: a connector of the program's is traced twice", kind)
		}
		conn := func(c driver.Connector) driver.Conn {
			conn, err := c.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		want := fmt.Sprintf("%T", conn(plain))
		if got := fmt.Sprintf("%T", shuaisql.Unweave(conn(shuaisql.Weave(plain, "")))); got != want {
			t.Errorf("%s: the program sees a %s, not a %s", kind, got, want)
		}
		if mine := conn(own); shuaisql.Unweave(mine) != any(mine) {
			t.Errorf("%s: the program does not see the connection that it made", kind)
		}
	}
	if _, err := shuaisql.Weave(mute{testConnector{testDriver{&journal{}, "modern"}}}, "").Connect(t.Context()); err != nil {
		t.Error(err)
	}
	if shuaisql.Unweave(1) != 1 {
		t.Error("what is not a connection has become something else")
	}
}

func init() {
	sql.Register("plain", testDriver{&journal{}, "modern"})
	sql.Register("contextual", contextual{testDriver{&journal{}, "modern"}})
	sql.Register("broken", testDriver{&journal{}, "broken"})
}

func TestOpen(t *testing.T) {
	for _, name := range []string{"plain", "contextual"} {
		tr, stop := newTracer(t, 1)
		db, err := shuaisql.Open(name, "dsn", shuaisql.Config{Tracer: tr, System: "mysql", Namespace: "movie", Server: "db.example:3307"})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := db.Driver().(driver.DriverContext); ok != (name == "contextual") {
			t.Errorf("%s: Driver is a %T", name, db.Driver())
		}
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Raw(func(c any) error {
			if _, ok := c.(interface{ Unwrap() driver.Conn }).Unwrap().(*modern); !ok {
				t.Errorf("%s: the connection is a %T", name, c)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		conn.Close()
		db.Close()
		exported := stop()
		for _, want := range []string{"mysql", "movie", "db.example", "server.port"} {
			if !strings.Contains(exported, want) {
				t.Errorf("%s: %q is not exported", name, want)
			}
		}
	}
	if _, err := shuaisql.Open("no such driver", "", shuaisql.Config{}); err == nil {
		t.Error("a driver that there is not")
	}
	if _, err := shuaisql.Open("contextual", "bad", shuaisql.Config{}); err == nil {
		t.Error("a data source name that the driver refuses")
	}
	db, err := shuaisql.Open("broken", "", shuaisql.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err != errSecret { //nolint:errorlint // the same
		t.Errorf("ping: %v", err)
	}
}

type contextual struct{ testDriver }

func (d contextual) OpenConnector(dsn string) (driver.Connector, error) {
	if dsn == "bad" {
		return nil, errSecret
	}
	return contextualConnector{d}, nil
}

type contextualConnector struct{ d contextual }

func (c contextualConnector) Connect(context.Context) (driver.Conn, error) { return c.d.Open("") }
func (c contextualConnector) Driver() driver.Driver                        { return c.d }

// Without a tracer nothing happens.
func TestUntraced(t *testing.T) {
	plain, untraced := &journal{}, &journal{}
	want := use(t.Context(), sql.OpenDB(testConnector{testDriver{plain, "modern"}}))
	got := use(t.Context(), sql.OpenDB(shuaisql.NewConnector(testConnector{testDriver{untraced, "modern"}}, shuaisql.Config{})))
	if !slices.Equal(got, want) || !slices.Equal(untraced.calls, plain.calls) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The statistics count each round trip, with its type and outcome, when no trace is recorded.
func TestStatistics(t *testing.T) {
	tr, stop := newTracer(t, -1)
	db := sql.OpenDB(shuaisql.NewConnector(testConnector{testDriver{&journal{}, "modern"}}, shuaisql.Config{Tracer: tr, System: "mariadb"}))
	use(t.Context(), db)
	exported := stop()
	for _, want := range []string{"SELECT t", "INSERT t", "COMMIT", "mysql", "STATUS_CODE_ERROR"} {
		if !strings.Contains(exported, want) {
			t.Errorf("%q is not exported", want)
		}
	}
	if strings.Contains(exported, "secret") || strings.Contains(exported, "WHERE") {
		t.Error("more is exported than statistics")
	}
}
