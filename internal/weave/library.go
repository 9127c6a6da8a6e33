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
			{"server.go", []edit{{"\thandler.ServeHTTP(rw, req)\n", "\tif serve := shuaiServe.Load(); serve != nil { (*serve)(handler, rw, req, shuaiWithin, shuaiStatus) } else { handler.ServeHTTP(rw, req) }\n"}}},
			{"h2_bundle.go", []edit{{"type http2responseWriter struct {\n", "func (w *http2responseWriter) shuaiStatus() int { return w.rws.status }; type http2responseWriter struct {\n"}}},
			{"roundtrip.go", []edit{{"\treturn t.roundTrip(req)\n", "\tif send := shuaiSend.Load(); send != nil { return (*send)(shuaiTransport{t}, req) }; return t.roundTrip(req)\n"}}},
		},
		hooks: `package http

import (
	"context"
	"sync/atomic"
)

type (
	shuaiServeFunc = func(next Handler, w ResponseWriter, r *Request, within func(*Request, context.Context), status func(ResponseWriter) int)
	shuaiSendFunc  = func(RoundTripper, *Request) (*Response, error)
)

var (
	shuaiServe atomic.Pointer[shuaiServeFunc]
	shuaiSend  atomic.Pointer[shuaiSendFunc]
)

// ShuaiHang hangs up what serves requests and what sends them.
func ShuaiHang(serve shuaiServeFunc, send shuaiSendFunc) {
	shuaiServe.Store(&serve)
	shuaiSend.Store(&send)
}

func shuaiWithin(r *Request, ctx context.Context) { r.ctx = ctx }

// shuaiStatus is what a handler has written to a writer of the server, 0 if nothing.
func shuaiStatus(w ResponseWriter) int {
	if w, ok := w.(interface{ shuaiStatus() int }); ok {
		return w.shuaiStatus()
	}
	return 0
}

func (w *response) shuaiStatus() int {
	if w.status == 0 && w.conn.hijacked() {
		return StatusSwitchingProtocols
	}
	return w.status
}

// shuaiTransport is a transport below the hook.
type shuaiTransport struct{ t *Transport }

func (s shuaiTransport) RoundTrip(r *Request) (*Response, error) { return s.t.roundTrip(r) }
`,
		by:   "shuaihttp",
		hang: "LIBRARY.ShuaiHang(TRACER.Serve, TRACER.Send)",
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
	"sync/atomic"
)

type shuaiHooks struct {
	weave   func(c driver.Connector, dataSourceName string) driver.Connector
	unweave func(any) any
}

var shuai atomic.Pointer[shuaiHooks]

// ShuaiHang hangs up what makes a connector of one that has the data source name, if that is known, and what makes a connection for the eyes
// of the program.
func ShuaiHang(weave func(c driver.Connector, dataSourceName string) driver.Connector, unweave func(any) any) {
	shuai.Store(&shuaiHooks{weave, unweave})
}

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
	hooks := shuai.Load()
	if hooks == nil {
		return c.Connector.Connect(ctx)
	}
	c.once.Do(func() { c.woven = hooks.weave(c.Connector, c.dataSourceName) })
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
	if hooks := shuai.Load(); hooks != nil {
		return hooks.unweave(conn)
	}
	return conn
}
`,
		by:   "shuaisql",
		hang: "LIBRARY.ShuaiHang(TRACER.Weave, TRACER.Unweave)",
	},
}
