package shuaisql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// The drivers of these tests differ in the optional interfaces that they have. Each notes every call that database/sql makes.

type journal struct {
	mu    sync.Mutex
	calls []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, fmt.Sprintf(format, args...))
}

var errSecret = errors.New("secret value in an error")

// numbered is like the error of the mysql driver.
type numbered struct {
	Number   uint16
	SQLState [5]byte
}

func (*numbered) Error() string { return "Duplicate entry 'secret'" }

type stated struct{}

func (stated) Error() string    { return "secret" }
func (stated) SQLState() string { return "23505" }

// failure is what a statement asks for.
func failure(query string) error {
	switch {
	case strings.Contains(query, "fail_number"):
		return fmt.Errorf("wrapped: %w", &numbered{Number: 1062})
	case strings.Contains(query, "fail_state"):
		return stated{}
	case strings.Contains(query, "fail_conn"):
		return driver.ErrBadConn
	case strings.Contains(query, "fail_time"):
		return context.DeadlineExceeded
	case strings.Contains(query, "fail_cancel"):
		return fmt.Errorf("wrapped: %w", context.Canceled)
	case strings.Contains(query, "fail"):
		return errSecret
	}
	return nil
}

// minimal has what a connection must have.
type minimal struct{ j *journal }

func (c *minimal) Prepare(query string) (driver.Stmt, error) {
	c.j.note("Prepare %s", query)
	return &minimalStmt{c.j, query}, failure(query)
}

func (c *minimal) Close() error {
	c.j.note("Close")
	return nil
}

func (c *minimal) Begin() (driver.Tx, error) {
	c.j.note("Begin")
	return transaction{c.j}, nil
}

type transaction struct{ j *journal }

func (t transaction) Commit() error {
	t.j.note("Commit")
	return nil
}

func (t transaction) Rollback() error {
	t.j.note("Rollback")
	return nil
}

type minimalStmt struct {
	j     *journal
	query string
}

func (s *minimalStmt) Close() error {
	s.j.note("stmt.Close")
	return nil
}

func (s *minimalStmt) NumInput() int { return strings.Count(s.query, "?") }

func (s *minimalStmt) Exec(args []driver.Value) (driver.Result, error) {
	s.j.note("stmt.Exec %v", args)
	return driver.RowsAffected(1), failure(s.query)
}

func (s *minimalStmt) Query(args []driver.Value) (driver.Rows, error) {
	s.j.note("stmt.Query %v", args)
	return &oneRow{}, failure(s.query)
}

type oneRow struct{ done bool }

func (r *oneRow) Columns() []string { return []string{"a"} }
func (r *oneRow) Close() error      { return nil }

func (r *oneRow) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done = true
	dest[0] = int64(42)
	return nil
}

// legacy has the interfaces from before contexts.
type legacy struct{ minimal }

func (c *legacy) Exec(query string, args []driver.Value) (driver.Result, error) {
	c.j.note("Exec %s %v", query, args)
	return driver.RowsAffected(1), failure(query)
}

func (c *legacy) Query(query string, args []driver.Value) (driver.Rows, error) {
	c.j.note("Query %s %v", query, args)
	return &oneRow{}, failure(query)
}

func (c *legacy) Prepare(query string) (driver.Stmt, error) {
	c.j.note("Prepare %s", query)
	return &converting{minimalStmt{c.j, query}}, failure(query)
}

// converting converts and does not know how many arguments it takes.
type converting struct{ minimalStmt }

func (s *converting) NumInput() int { return -1 }

func (s *converting) ColumnConverter(i int) driver.ValueConverter {
	s.j.note("ColumnConverter %d", i)
	return driver.String
}

// modern has all of today's.
type modern struct{ minimal }

func (c *modern) Ping(context.Context) error {
	c.j.note("Ping")
	return nil
}

func (c *modern) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.j.note("ExecContext %s %v", query, args)
	return driver.RowsAffected(1), failure(query)
}

func (c *modern) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.j.note("QueryContext %s %v", query, args)
	return &oneRow{}, failure(query)
}

func (c *modern) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	c.j.note("PrepareContext %s", query)
	return &modernStmt{minimalStmt{c.j, query}}, failure(query)
}

func (c *modern) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.j.note("BeginTx %v", o)
	return transaction{c.j}, nil
}

func (c *modern) ResetSession(context.Context) error {
	c.j.note("ResetSession")
	return nil
}

func (c *modern) IsValid() bool {
	c.j.note("IsValid")
	return true
}

func (c *modern) CheckNamedValue(v *driver.NamedValue) error {
	c.j.note("CheckNamedValue %v", v.Value)
	if s, ok := v.Value.(string); ok && s == "skip" {
		return driver.ErrSkip
	}
	return nil
}

type modernStmt struct{ minimalStmt }

func (s *modernStmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.j.note("stmt.ExecContext %v", args)
	return driver.RowsAffected(1), failure(s.query)
}

func (s *modernStmt) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.j.note("stmt.QueryContext %v", args)
	return &oneRow{}, failure(s.query)
}

// checking is modern, and its statements check values themselves; it takes no arguments but in prepared statements, as the mysql driver does.
type checking struct{ modern }

func (c *checking) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) > 0 {
		c.j.note("QueryContext skips")
		return nil, driver.ErrSkip
	}
	return c.modern.QueryContext(ctx, query, args)
}

func (c *checking) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	c.j.note("PrepareContext %s", query)
	return &checkingStmt{modernStmt{minimalStmt{c.j, query}}}, failure(query)
}

type checkingStmt struct{ modernStmt }

func (s *checkingStmt) CheckNamedValue(v *driver.NamedValue) error {
	s.j.note("stmt.CheckNamedValue %v", v.Value)
	return nil
}

// testDriver opens connections of one of these types.
type testDriver struct {
	j    *journal
	kind string
}

func (d testDriver) Open(string) (driver.Conn, error) {
	m := minimal{d.j}
	switch d.kind {
	case "legacy":
		return &legacy{m}, nil
	case "modern":
		return &modern{m}, nil
	case "checking":
		return &checking{modern{m}}, nil
	case "broken":
		return nil, errSecret
	}
	return &m, nil
}

// testConnector can be closed.
type testConnector struct{ testDriver }

func (c testConnector) Connect(context.Context) (driver.Conn, error) { return c.Open("") }
func (c testConnector) Driver() driver.Driver                        { return c.testDriver }

func (c testConnector) Close() error {
	c.j.note("connector.Close")
	return nil
}

// use does everything that a program can do with a database, and returns what it saw.
func use(ctx context.Context, db *sql.DB) (seen []string) {
	see := func(what string, v any, err error) { seen = append(seen, fmt.Sprintf("%s: %v %v", what, v, err)) }
	query := func(q interface {
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	}, text string, args ...any,
	) {
		rows, err := q.QueryContext(ctx, text, args...)
		if err != nil {
			see(text, nil, err)
			return
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		see(text, n, rows.Err())
	}
	exec := func(q interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}, text string, args ...any,
	) {
		result, err := q.ExecContext(ctx, text, args...)
		if err != nil {
			see(text, nil, err)
			return
		}
		n, err := result.RowsAffected()
		see(text, n, err)
	}
	see("ping", nil, db.PingContext(ctx))
	query(db, "SELECT a FROM t WHERE b = 'secret'")
	query(db, "SELECT a FROM t WHERE b = ?", "argument")
	query(db, "SELECT a FROM t WHERE b = ?", "skip")
	query(db, "SELECT a FROM t WHERE b = ?", sql.Named("n", "argument"))
	exec(db, "INSERT INTO t VALUES (1, 'secret')")
	exec(db, "INSERT INTO t VALUES (?, ?)", 1, "argument")
	exec(db, "INSERT INTO t VALUES (?, ?)", 1)
	exec(db, "INSERT INTO t VALUES (?)", struct{}{})
	for _, f := range []string{"fail", "fail_number", "fail_state", "fail_conn", "fail_time", "fail_cancel"} {
		query(db, "SELECT "+f+" FROM t")
		exec(db, "UPDATE t SET "+f+" = ?", 1)
	}

	prepared, err := db.PrepareContext(ctx, "SELECT a FROM t WHERE c = ?")
	see("prepare", nil, err)
	if err == nil {
		for _, arg := range []any{"argument", 7, "skip"} {
			rows, err := prepared.QueryContext(ctx, arg)
			see("prepared query", nil, err)
			if err == nil {
				rows.Close()
				see("rows", nil, rows.Err())
			}
			_, err = prepared.ExecContext(ctx, arg)
			see("prepared exec", nil, err)
		}
		prepared.Close()
	}

	for _, o := range []*sql.TxOptions{nil, {Isolation: sql.LevelSerializable}, {ReadOnly: true}} {
		tx, err := db.BeginTx(ctx, o)
		see("begin", nil, err)
		if err != nil {
			continue
		}
		exec(tx, "DELETE FROM t WHERE a = 'secret'")
		query(tx, "SELECT a FROM t")
		see("commit", nil, tx.Commit())
	}
	if tx, err := db.BeginTx(ctx, nil); err == nil {
		see("rollback", nil, tx.Rollback())
	}

	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.ExecContext(canceled, "SELECT 1")
	see("canceled", nil, err)
	see("close", nil, db.Close())
	return seen
}
