package shuaisql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// conn has the optional interfaces of a driver's connection. Where the driver's own lacks one, it does what database/sql would do without it,
// so that nothing changes but the spans.
type conn struct {
	driver.Conn
	*tracing
}

// directConn runs statements without preparing them. It is apart because database/sql converts the arguments for it first.
type directConn struct{ *conn }

func newConn(inner driver.Conn, t *tracing) driver.Conn {
	c := &conn{inner, t}
	switch inner.(type) {
	case driver.ExecerContext, driver.QueryerContext,
		driver.Execer, driver.Queryer: //nolint:staticcheck // drivers may have no other
		return directConn{c}
	}
	return c
}

var (
	_ driver.Pinger             = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.ExecerContext      = directConn{}
	_ driver.QueryerContext     = directConn{}
)

// Unwrap returns the driver's connection, for [sql.Conn.Raw].
func (c *conn) Unwrap() driver.Conn { return c.Conn }

func (c *conn) Ping(ctx context.Context) error {
	inner, ok := c.Conn.(driver.Pinger)
	if !ok {
		return nil
	}
	ctx, span := c.start(ctx, "ping")
	err := inner.Ping(ctx)
	c.end(span, err)
	return err
}

func (c directConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	inner, ok := c.Conn.(driver.ExecerContext)
	old, hasOld := c.Conn.(driver.Execer) //nolint:staticcheck // drivers may have no other
	if !ok && !hasOld {
		return nil, driver.ErrSkip
	}
	ctx, span := c.statement(ctx, "", query)
	result, err := func() (driver.Result, error) {
		if ok {
			return inner.ExecContext(ctx, query, args)
		}
		values, err := unnamed(ctx, args)
		if err != nil {
			return nil, err
		}
		return old.Exec(query, values)
	}()
	c.end(span, err)
	return result, err
}

func (c directConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	inner, ok := c.Conn.(driver.QueryerContext)
	old, hasOld := c.Conn.(driver.Queryer) //nolint:staticcheck // drivers may have no other
	if !ok && !hasOld {
		return nil, driver.ErrSkip
	}
	ctx, span := c.statement(ctx, "", query)
	rows, err := func() (driver.Rows, error) {
		if ok {
			return inner.QueryContext(ctx, query, args)
		}
		values, err := unnamed(ctx, args)
		if err != nil {
			return nil, err
		}
		return old.Query(query, values)
	}()
	c.end(span, err)
	return rows, err
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	ctx, span := c.statement(ctx, "prepare ", query)
	prepared, err := c.prepare(ctx, query)
	c.end(span, err)
	if err != nil {
		return nil, err
	}
	s := &stmt{Stmt: prepared, conn: c, query: query}
	if cc, ok := prepared.(driver.ColumnConverter); ok { //nolint:staticcheck // drivers may have it
		return &convertingStmt{s, cc}, nil
	}
	return s, nil
}

func (c *conn) prepare(ctx context.Context, query string) (driver.Stmt, error) {
	if inner, ok := c.Conn.(driver.ConnPrepareContext); ok {
		return inner.PrepareContext(ctx, query)
	}
	s, err := c.Conn.Prepare(query)
	if err == nil && ctx.Err() != nil {
		s.Close()
		return nil, ctx.Err()
	}
	return s, err
}

// Prepare is not called by database/sql, which prefers PrepareContext.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	around := ctx
	ctx, span := c.start(ctx, "BEGIN")
	inner, err := c.begin(ctx, options)
	c.end(span, err)
	if err != nil {
		return nil, err
	}
	return &tx{inner, c.tracing, around}, nil
}

func (c *conn) begin(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if inner, ok := c.Conn.(driver.ConnBeginTx); ok {
		return inner.BeginTx(ctx, options)
	}
	if sql.IsolationLevel(options.Isolation) != sql.LevelDefault {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if options.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	inner, err := c.Conn.Begin() //nolint:staticcheck // drivers may have no other
	if err == nil && ctx.Err() != nil {
		_ = inner.Rollback() // as database/sql does
		return nil, ctx.Err()
	}
	return inner, err
}

func (c *conn) ResetSession(ctx context.Context) error {
	if inner, ok := c.Conn.(driver.SessionResetter); ok {
		return inner.ResetSession(ctx)
	}
	return nil
}

func (c *conn) IsValid() bool {
	if inner, ok := c.Conn.(driver.Validator); ok {
		return inner.IsValid()
	}
	return true
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := c.Conn.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return driver.ErrSkip // database/sql goes on as if there was no checker
}

// tx ends in the context in which it began: Commit and Rollback have none.
type tx struct {
	driver.Tx
	*tracing
	ctx context.Context
}

func (t *tx) Commit() error { return t.finish("COMMIT", t.Tx.Commit) }

func (t *tx) Rollback() error { return t.finish("ROLLBACK", t.Tx.Rollback) }

func (t *tx) finish(name string, f func() error) error {
	_, span := t.start(t.ctx, name)
	err := f()
	t.end(span, err)
	return err
}

// stmt is a prepared statement. As with conn, it has the optional interfaces that change nothing.
type stmt struct {
	driver.Stmt
	conn  *conn
	query string
}

var (
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

// convertingStmt is apart because to have a ColumnConverter, even one that converts nothing, is to be called in another way.
type convertingStmt struct {
	*stmt
	converter driver.ColumnConverter //nolint:staticcheck // drivers may have it
}

func (s *convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	return s.converter.ColumnConverter(i)
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	ctx, span := s.conn.statement(ctx, "", s.query)
	result, err := func() (driver.Result, error) {
		if inner, ok := s.Stmt.(driver.StmtExecContext); ok {
			return inner.ExecContext(ctx, args)
		}
		values, err := unnamed(ctx, args)
		if err != nil {
			return nil, err
		}
		return s.Stmt.Exec(values) //nolint:staticcheck // drivers may have no other
	}()
	s.conn.end(span, err)
	return result, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	ctx, span := s.conn.statement(ctx, "", s.query)
	rows, err := func() (driver.Rows, error) {
		if inner, ok := s.Stmt.(driver.StmtQueryContext); ok {
			return inner.QueryContext(ctx, args)
		}
		values, err := unnamed(ctx, args)
		if err != nil {
			return nil, err
		}
		return s.Stmt.Query(values) //nolint:staticcheck // drivers may have no other
	}()
	s.conn.end(span, err)
	return rows, err
}

// CheckNamedValue asks the connection's checker where the statement has none, as database/sql does.
func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

// unnamed is for a driver without contexts and named arguments.
func unnamed(ctx context.Context, args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		values[i] = a.Value
	}
	return values, ctx.Err()
}
