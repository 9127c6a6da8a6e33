// Package standin has small servers that keep everything in memory and speak the protocols of MySQL, memcached and beansdb, so that the
// demonstration runs without the real ones and uses the same clients. They hold what the demonstration stores and know the
// statements it makes; they are no databases.
package standin

import (
	"context"
	"io"
	"net"
	"sync"
)

// Server is a server that is running.
type Server struct {
	Addr string // host:port, of the loopback address

	listener net.Listener
	conns    sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// listen serves connections on a free port of the loopback address until Close. serve is called in a goroutine for each, and
// returns when its peer goes.
func listen(ctx context.Context, serve func(io.ReadWriter)) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String(), listener: l, open: map[net.Conn]bool{}}
	s.conns.Go(func() { s.accept(serve) })
	return s, nil
}

func (s *Server) accept(serve func(io.ReadWriter)) {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close() // nobody is told: the server is going
			return
		}
		s.open[c] = true
		s.conns.Go(func() {
			serve(c)
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			_ = c.Close() // all was said
		})
		s.mu.Unlock()
	}
}

// Close ends all connections and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	err := s.listener.Close()
	for c := range s.open {
		_ = c.Close() // its reader finds out
	}
	s.mu.Unlock()
	s.conns.Wait()
	return err
}
