package tracer

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/realdb"
	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaisql"
)

// go-sql-driver/mysql through shuaisql, against a real MariaDB: what arrives at a collector for each thing that a program does.
func TestMySQL(t *testing.T) {
	store := realServer(t, realdb.MariaDB)
	o := newOracle(t)
	tr, err := shuai.New(shuai.Config{Service: "test", Endpoint: o.url, Ratio: 1, Compression: "none"})
	if err != nil {
		t.Fatal(err)
	}
	db, err := shuaisql.Open("mysql", "root:@tcp("+store.Addr+")/mysql?parseTime=true", shuaisql.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)

	ctx, root := tr.StartSpan(t.Context(), "request", shuai.KindServer)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(query string, args ...any) error {
		_, err := db.ExecContext(ctx, query, args...)
		return err
	}
	check(db.PingContext(ctx))
	check(exec("CREATE DATABASE movie /* made for this test */"))
	check(exec("USE movie"))
	check(exec("CREATE TABLE movies (id BIGINT PRIMARY KEY, title VARCHAR(200) UNIQUE, rating DOUBLE)"))
	check(exec("INSERT INTO movies VALUES (1, 'secret title', 9.7), (2, \"secret too\", 9.5)"))
	check(exec("INSERT INTO movies VALUES (?, ?, ?)", 3, "secret argument", nil))

	duplicate := exec("INSERT INTO movies (id, title) VALUES (4, 'secret title')")
	if e, ok := errors.AsType[*mysql.MySQLError](duplicate); !ok || e.Number != 1062 {
		t.Errorf("a duplicate is %v", duplicate)
	}
	var titles []string
	rows, err := db.QueryContext(ctx, "SELECT title FROM movies WHERE id IN (1, 2) AND title LIKE 'secret%' ORDER BY id # secret")
	check(err)
	for rows.Next() {
		var title string
		check(rows.Scan(&title))
		titles = append(titles, title)
	}
	check(rows.Err())
	check(rows.Close())
	if !slices.Equal(titles, []string{"secret title", "secret too"}) {
		t.Errorf("titles %v", titles)
	}
	var title string
	check(db.QueryRowContext(ctx, "SELECT title FROM movies WHERE id = ?", 3).Scan(&title))

	statement, err := db.PrepareContext(ctx, "SELECT rating FROM movies WHERE id = ?")
	check(err)
	for id := range 2 {
		var rating float64
		check(statement.QueryRowContext(ctx, id+1).Scan(&rating))
	}
	check(statement.Close())

	for _, finish := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		check(err)
		_, err = tx.ExecContext(ctx, "UPDATE movies SET rating = rating + 0.1")
		check(err)
		check(finish(tx))
	}
	if err := exec("SELECT nothing FROM nowhere"); err == nil {
		t.Error("a table from nowhere")
	}
	canceled, cancel := context.WithCancel(ctx)
	rows, err = db.QueryContext(canceled, "SELECT 1")
	check(err)
	cancel()
	rows.Close()
	root.End()
	check(db.Close())
	check(tr.Stop(context.Background()))

	requests, err := o.take()
	check(err)
	texts := map[string]bool{}
	for _, r := range requests {
		if strings.Contains(r.String(), "secret") {
			t.Error("a value is exported")
		}
		for _, s := range r.ResourceSpans[0].ScopeSpans[0].Spans {
			attrs := map[string]string{}
			for _, kv := range s.Attributes {
				attrs[kv.Key] = kv.Value.GetStringValue()
			}
			if s.Name == "request" {
				continue
			}
			if attrs["db.system.name"] != "mysql" || attrs["db.namespace"] != "mysql" || attrs["server.address"] != "127.0.0.1" {
				t.Errorf("%s: %v", s.Name, attrs)
			}
			texts[attrs["db.query.text"]] = true
			if code := attrs["db.response.status_code"]; code != "" {
				texts[s.Name+" fails with "+code] = true
			}
		}
	}
	for _, want := range []string{
		"CREATE DATABASE movie", "INSERT INTO movies VALUES (?)", "INSERT INTO movies (id, title) VALUES (?)",
		"SELECT title FROM movies WHERE id IN (?) AND title LIKE ? ORDER BY id", "SELECT title FROM movies WHERE id = ?",
		"UPDATE movies SET rating = rating + ?", "INSERT movies fails with 1062", "SELECT nowhere fails with 1146",
	} {
		if !texts[want] {
			t.Errorf("%q did not arrive, but %q", want, slices.Sorted(maps.Keys(texts)))
		}
	}

	o.got = requests
	want := `request server shuai
  connect client shuai
  ping client shuai
  CREATE client shuai
  USE client shuai
  CREATE movies client shuai
  INSERT movies client shuai
  prepare INSERT movies client shuai
  INSERT movies client shuai
  INSERT movies client shuai error
  SELECT movies client shuai
  prepare SELECT movies client shuai
  SELECT movies client shuai
  prepare SELECT movies client shuai
  SELECT movies client shuai
  SELECT movies client shuai
  BEGIN client shuai
  UPDATE movies client shuai
  COMMIT client shuai
  BEGIN client shuai
  UPDATE movies client shuai
  ROLLBACK client shuai
  SELECT nowhere client shuai error
  SELECT client shuai
`
	if d := cmp.Diff(want, o.tree(t)); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}
