package weave

// pkg is a package of Go's library that gets hooks.
type pkg struct {
	path  string
	files []source
	hooks string // a file more
	by    string // the tracer's package that hangs on them
	hang  string // how: LIBRARY and TRACER stand for the two packages
}

// library is in the order in which the program's hooks are hung.
var library = []pkg{
	{
		path: "runtime",
		files: []source{
			{"runtime2.go", []edit{{"\tlabels          unsafe.Pointer // profiler labels", "\tlabels, shuai   unsafe.Pointer // profiler labels; shuai build's"}}},
			{"proc.go", []edit{
				{"newg.labels = mp.curg.labels", "newg.labels, newg.shuai = mp.curg.labels, mp.curg.shuai"},
				{"gp.labels = nil", "gp.labels, gp.shuai = nil, nil"},
			}},
		},
		hooks: `package runtime

import (
	"internal/runtime/exithook"
	"unsafe"
)

// ShuaiMemory is a pointer of the goroutine's own, which the goroutines that it starts begin with.
func ShuaiMemory() unsafe.Pointer { return getg().shuai }

// ShuaiSetMemory sets it.
func ShuaiSetMemory(p unsafe.Pointer) { getg().shuai = p }

// ShuaiAtExit has f called when main returns and by os.Exit.
func ShuaiAtExit(f func()) { exithook.Add(exithook.Hook{F: f, RunOnFailure: true}) }
`,
		by:   "woven",
		hang: "TRACER.Start(LIBRARY.ShuaiMemory, LIBRARY.ShuaiSetMemory, LIBRARY.ShuaiAtExit)",
	},
	{
		path: "net/http",
		files: []source{
			{"server.go", []edit{{"\thandler.ServeHTTP(rw, req)\n", "\tif ShuaiServe != nil { ShuaiServe(handler, rw, req) } else { handler.ServeHTTP(rw, req) }\n"}}},
			{"roundtrip.go", []edit{{"\treturn t.roundTrip(req)\n", "\tif ShuaiSend != nil { return ShuaiSend(shuaiTransport{t}, req) }; return t.roundTrip(req)\n"}}},
		},
		hooks: `package http

// ShuaiServe has a handler serve a request.
var ShuaiServe func(Handler, ResponseWriter, *Request)

// ShuaiSend sends a request by a transport.
var ShuaiSend func(RoundTripper, *Request) (*Response, error)

// shuaiTransport is a transport below the hook.
type shuaiTransport struct{ t *Transport }

func (s shuaiTransport) RoundTrip(r *Request) (*Response, error) { return s.t.roundTrip(r) }
`,
		by:   "shuaihttp",
		hang: "LIBRARY.ShuaiServe, LIBRARY.ShuaiSend = TRACER.Serve, TRACER.Send",
	},
	{
		path: "database/sql",
		files: []source{{"sql.go", []edit{
			{"func OpenDB(c driver.Connector) *DB {\n", "func OpenDB(c driver.Connector) *DB { c = shuaiConnector(c, \"\")\n"},
			{"return OpenDB(connector), nil", "return OpenDB(shuaiConnector(connector, dataSourceName)), nil"},
			{
				"return OpenDB(dsnConnector{dsn: dataSourceName, driver: driveri}), nil",
				"return OpenDB(shuaiConnector(dsnConnector{dsn: dataSourceName, driver: driveri}, dataSourceName)), nil",
			},
			{"err = f(dc.ci)", "err = f(shuaiRaw(dc.ci))"},
		}}},
		hooks: `package sql

import (
	"context"
	"database/sql/driver"
	"io"
	"sync"
)

// ShuaiConnector makes a connector of one that has the data source name, if that is known.
var ShuaiConnector func(c driver.Connector, dataSourceName string) driver.Connector

// ShuaiRaw makes a connection for the eyes of the program.
var ShuaiRaw func(any) any

// shuaiLate asks the hook when it first connects: programs open databases while they are being initialised.
type shuaiLate struct {
	driver.Connector
	dataSourceName string
	once           sync.Once
	woven          driver.Connector
}

func shuaiConnector(c driver.Connector, dataSourceName string) driver.Connector {
	if late, ok := c.(*shuaiLate); ok {
		return late
	}
	return &shuaiLate{Connector: c, dataSourceName: dataSourceName}
}

func (c *shuaiLate) Connect(ctx context.Context) (driver.Conn, error) {
	if ShuaiConnector == nil {
		return c.Connector.Connect(ctx)
	}
	c.once.Do(func() { c.woven = ShuaiConnector(c.Connector, c.dataSourceName) })
	return c.woven.Connect(ctx)
}

// Close is for DB.Close.
func (c *shuaiLate) Close() error {
	if closer, ok := c.Connector.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

func shuaiRaw(conn any) any {
	if ShuaiRaw == nil {
		return conn
	}
	return ShuaiRaw(conn)
}
`,
		by:   "shuaisql",
		hang: "LIBRARY.ShuaiConnector, LIBRARY.ShuaiRaw = TRACER.Weave, TRACER.Unweave",
	},
}
