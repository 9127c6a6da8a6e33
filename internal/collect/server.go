package collect

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// readTimeout is how long a request may take to arrive.
const readTimeout = time.Minute

// ErrorLog is for what net/http says of connections, such as that a handshake failed: whoever can connect makes such lines, so there is at most
// one in ten seconds.
func ErrorLog(logger *slog.Logger) *log.Logger {
	return log.New(&connectionLog{rarely{logger: logger}}, "", 0)
}

type connectionLog struct{ rarely }

func (l *connectionLog) Write(p []byte) (int, error) {
	l.line(slog.LevelWarn, "connection", strings.TrimSpace(string(p)))
	return len(p), nil
}

// NewHTTPServer returns a server for h that holds its own against slow and hostile clients: HTTP/1.1 and HTTP/2, the
// latter without TLS for clients that know beforehand (h2c). A header must arrive within 10 s and a request
// within a minute; idle connections are kept for 3 minutes, and of HTTP/2 closed earlier if the other end is gone.
// A connection of HTTP/2 has at most 128 requests at once, and 512 KiB of bodies that nobody has read yet. The
// caller serves and shuts it down.
func NewHTTPServer(h http.Handler) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       readTimeout,
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          128,
			MaxReceiveBufferPerConnection: 512 << 10,
			MaxReceiveBufferPerStream:     256 << 10,
			SendPingTimeout:               time.Minute,
			PingTimeout:                   20 * time.Second,
			WriteByteTimeout:              time.Minute,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			if d, ok := c.(*door); ok {
				return context.WithValue(ctx, doorKey{}, d)
			}
			return ctx
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// Listen bounds the connections of a listener, together with those of others made by the same collector
// ([Config.MaxConnections]). Those beyond are answered with 503, and closed.
func (c *Collector) Listen(l net.Listener) net.Listener {
	return &listener{Listener: l, c: c, farewells: make(chan struct{}, 32)}
}

type listener struct {
	net.Listener
	c         *Collector
	farewells chan struct{} // as many connections are told why they are closed at a time
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.c.conns.acquire(1) {
			return &door{Conn: conn, c: l.c}, nil
		}
		l.c.stats.refused[crowded].Add(1)
		select {
		case l.farewells <- struct{}{}:
			go func() {
				turnAway(conn)
				<-l.farewells
			}()
		default:
			_ = conn.Close() // it is refused either way
		}
	}
}

// turnAway answers the beginning of a request of HTTP/1; a client of HTTP/2, or one that would begin with TLS, understands a connection that closes. What
// else comes is read for a second, since closing a connection that has unread bytes destroys the answer on its way.
func turnAway(conn net.Conn) {
	const text = "503 too many connections; come again later"
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // what fails from here on fails for a client that is told to go
	begin := make([]byte, 512)
	const handshake = 22 // the first byte of TLS (RFC 8446, section 5.1)
	if n, err := conn.Read(begin); n > 0 && err == nil && begin[0] != handshake {
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: "+strconv.Itoa(len(text))+
			"\r\nRetry-After: "+strconv.Itoa(int(retryAfter/time.Second))+"\r\nConnection: close\r\n\r\n"+text)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
			_, _ = io.CopyN(io.Discard, conn, 256<<10)
		}
	}
	_ = conn.Close()
}

// door is an open connection.
type door struct {
	net.Conn
	c      *Collector
	heard  atomic.Bool // something came
	served atomic.Bool // a request came
	closed atomic.Bool
}

type doorKey struct{}

// served notes that a connection has sent a request.
func served(r *http.Request) {
	if d, ok := r.Context().Value(doorKey{}).(*door); ok {
		d.served.Store(true)
	}
}

func (d *door) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if n > 0 && !d.heard.Load() {
		d.heard.Store(true)
	}
	return n, err
}

func (d *door) Close() error {
	if !d.closed.Swap(true) {
		d.c.conns.release(1)
		if d.heard.Load() && !d.served.Load() {
			d.c.stats.refused[noRequest].Add(1)
		}
	}
	return d.Conn.Close()
}
