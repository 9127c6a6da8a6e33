// Package shuaisql traces database/sql, whatever the driver: a span for each round trip to the database, with the statement as it was written
// but without its values.
//
//	db, err := shuaisql.Open("mysql", dsn, shuaisql.Config{})
//
// Everything else is as with [sql.Open]: the wrapped driver does whatever the driver itself does and no more.
// Arguments of statements are never recorded, and literals in them become ?: see [Config].
package shuaisql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/shuai"
)

// Config says who traces and what. The zero value works.
//
// Of a statement only what is the same for all values is recorded: literals become ?, as do lists of them, comments are dropped. Where it
// depends on the server's settings, or, if System is not known, on the dialect, whether a part is a literal, the statement is
// cut there.
type Config struct {
	// Tracer makes the spans. Default: the tracer of the span around the call, else the default tracer of the process.
	Tracer *shuai.Tracer
	// System is the db.system.name of OpenTelemetry's semantic conventions, such as "mysql" or "postgresql". Default: by the driver's
	// package, "other_sql" if that is not known.
	System string
	// Namespace is the name of the database, and Server its host:port. Default: as in the data source name of a MySQL or PostgreSQL driver.
	Namespace, Server string
}

// Open opens a database as [sql.Open] does, and traces it.
func Open(driverName, dataSourceName string, cfg Config) (*sql.DB, error) {
	plain, err := sql.Open(driverName, dataSourceName)
	if err != nil {
		return nil, err
	}
	d := plain.Driver()
	if err := plain.Close(); err != nil { // no connection was opened
		return nil, err
	}
	if cfg.System == "" {
		cfg.System = systemOf(d)
	}
	cfg.describe(dataSourceName)
	var c driver.Connector = dsnConnector{d, dataSourceName}
	if dc, ok := d.(driver.DriverContext); ok {
		if c, err = dc.OpenConnector(dataSourceName); err != nil {
			return nil, err
		}
	}
	return sql.OpenDB(NewConnector(c, cfg)), nil
}

// dsnConnector is what database/sql makes of a driver that has no connectors.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.driver }

// NewConnector returns a connector, for [sql.OpenDB], whose connections are c's, and traced.
func NewConnector(c driver.Connector, cfg Config) driver.Connector {
	if cfg.System == "" {
		cfg.System = systemOf(c.Driver())
	}
	return &connector{c, newTracing(cfg)}
}

type connector struct {
	driver.Connector
	*tracing
}

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, span := c.start(ctx, "connect")
	inner, err := c.Connector.Connect(ctx)
	c.end(span, err)
	if err != nil {
		return nil, err
	}
	return newConn(inner, c.tracing), nil
}

// Close implements [io.Closer], which [sql.DB.Close] calls.
func (c *connector) Close() error {
	if inner, ok := c.Connector.(io.Closer); ok {
		return inner.Close()
	}
	return nil
}

// systemOf knows drivers by their package.
func systemOf(d driver.Driver) string {
	t := reflect.TypeOf(d)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return "other_sql"
	}
	path := strings.ToLower(t.PkgPath())
	for _, known := range []struct{ part, system string }{
		{"mysql", "mysql"},
		{"mariadb", "mariadb"},
		{"cockroach", "cockroachdb"},
		{"lib/pq", "postgresql"},
		{"pgx", "postgresql"},
		{"postgres", "postgresql"},
		{"sqlite", "sqlite"},
		{"mssql", "microsoft.sql_server"},
		{"sqlserver", "microsoft.sql_server"},
		{"clickhouse", "clickhouse"},
		{"godror", "oracle.db"},
		{"go-ora", "oracle.db"},
	} {
		if strings.Contains(path, known.part) {
			return known.system
		}
	}
	return "other_sql"
}

// mysqlDSN is [user[:password]@][net[(addr)]]/dbname[?params]; a password may contain anything.
var mysqlDSN = regexp.MustCompile(`(?s)^(?:.*@)?(?:(tcp6?)\(([^()@]*)\))?/([^/?@]*)(?:\?[^@]*)?$`)

// describe takes the server's address and the database's name from the data source name, never a user or a password.
func (c *Config) describe(dsn string) {
	server, namespace := "", ""
	switch c.System {
	case "mysql", "mariadb":
		if m := mysqlDSN.FindStringSubmatch(dsn); m != nil {
			server, namespace = m[2], m[3]
			if m[1] == "" && server == "" && !strings.Contains(dsn, "(") {
				server = "127.0.0.1:3306"
			}
		}
	case "postgresql", "cockroachdb":
		if u, err := url.Parse(dsn); err == nil && u.Host != "" {
			server, namespace = u.Host, strings.TrimPrefix(u.Path, "/")
		}
	}
	if c.Server == "" {
		c.Server = server
	}
	if c.Namespace == "" {
		c.Namespace = namespace
	}
}

// tracing is what all connections of a database have in common.
type tracing struct {
	cfg        Config
	typ        string // what the statistics call it: as the server makes it of db.system.name
	host       string
	port       int64 // 0: not known
	woven      bool  // see Weave
	statements statements
}

func newTracing(cfg Config) *tracing {
	t := &tracing{cfg: cfg, typ: cfg.System, host: cfg.Server, statements: statements{dialects: dialectsOf(cfg.System)}}
	if t.typ == "mariadb" {
		t.typ = "mysql"
	}
	if host, port, err := net.SplitHostPort(cfg.Server); err == nil {
		t.host = host
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			t.port = int64(n)
		}
	}
	return t
}

// start starts a span for something that is no statement.
func (t *tracing) start(ctx context.Context, name string) (context.Context, *shuai.Span) {
	var span *shuai.Span
	if t.cfg.Tracer != nil {
		ctx, span = t.cfg.Tracer.StartSpan(ctx, name, shuai.KindClient)
	} else {
		ctx, span = shuai.StartSpan(ctx, name, shuai.KindClient)
	}
	span.SetType(t.typ)
	if span.Recording() {
		span.SetString("db.system.name", t.cfg.System)
		if t.cfg.Namespace != "" {
			span.SetString("db.namespace", t.cfg.Namespace)
		}
		if t.host != "" {
			span.SetString("server.address", t.host)
		}
		if t.port != 0 {
			span.SetInt("server.port", t.port)
		}
	}
	return ctx, span
}

// statement starts a span for a statement.
func (t *tracing) statement(ctx context.Context, prefix, sql string) (context.Context, *shuai.Span) {
	s := t.statements.get(sql)
	ctx, span := t.start(ctx, prefix+s.summary)
	span.SetString("db.query.text", s.text)
	return ctx, span
}

// end ends a span with what the driver said. A driver that answers with ErrSkip has not called the database: the span is given up.
func (t *tracing) end(span *shuai.Span, err error) {
	if err == driver.ErrSkip { //nolint:errorlint // the contract is that it is returned as it is
		return
	}
	describeError(span, err)
	span.End()
}
