package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"

	"github.com/fuwu-project/fuwu/internal/collect"
)

// off is the address of an optional door that is not wanted.
const off = "off"

// door is an address at which the server listens: it is opened before anything is behind it, so that a taken one is found out early.
type door struct {
	flag, addr string
	optional   bool
	listener   net.Listener // nil: off
}

// openDoors opens them all, or none; the error names each that cannot be.
func openDoors(ctx context.Context, doors ...*door) error {
	var errs []error
	for _, d := range doors {
		if d.optional && d.addr == off {
			continue
		}
		var err error
		if d.addr == "" { // to net, any port of all interfaces
			err = errors.New("no address")
		} else {
			d.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", d.addr)
		}
		if err != nil {
			errs = append(errs, listenError(d.flag, d.addr, err))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	for _, d := range doors {
		_ = d.close() // the errors are told
	}
	return errors.Join(errs...)
}

// close closes the door if its server has not.
func (d *door) close() error {
	if d.listener == nil {
		return nil
	}
	if err := d.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// bound makes the door one of the collector's.
func (d *door) bound(c *collect.Collector) {
	if d.listener != nil {
		d.listener = c.Listen(d.listener)
	}
}

// local says whether only programs of this machine can come, if anybody.
func (d *door) local() bool {
	if d.listener == nil {
		return true
	}
	a, ok := d.listener.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// url is the door's address for a scheme, or off.
func (d *door) url(scheme string) string {
	if d.listener == nil {
		return off
	}
	return scheme + "://" + d.listener.Addr().String()
}

// serve answers at the door, with TLS unless secure is nil, until the server is shut down. failed hears of a listener that broke,
// logger of connections that did.
func (d *door) serve(h http.Handler, secure *tls.Config, failed chan<- error, logger *slog.Logger) *http.Server {
	s := collect.NewHTTPServer(h)
	s.TLSConfig = secure.Clone() // net/http changes it
	s.ErrorLog = collect.ErrorLog(logger)
	if d.listener == nil {
		return s
	}
	go func() {
		var err error
		if secure != nil {
			err = s.ServeTLS(d.listener, "", "")
		} else {
			err = s.Serve(d.listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("%s listener: %w", d.flag, err)
		}
	}()
	return s
}

func listenError(flag, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %s is taken by another program (another shuai?); stop that one or choose another address with %s; port 0 picks a free one", flag, addr, flag)
	}
	if _, _, split := net.SplitHostPort(addr); split != nil {
		return fmt.Errorf("%s %q is no address: want HOST:PORT, such as 127.0.0.1:7700 or 0.0.0.0:7700", flag, addr)
	}
	return fmt.Errorf("%s %s: %w", flag, addr, err)
}
