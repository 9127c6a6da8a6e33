package realdb

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestServers(t *testing.T) {
	for name, start := range map[string]func(context.Context, string) (*Server, error){
		"mariadb": MariaDB, "redis": Redis, "memcached": Memcached,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := start(t.Context(), t.TempDir())
			if errors.Is(err, ErrMissing) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Stop()
			s.Stop()
			if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", s.Addr); err == nil {
				conn.Close()
				t.Error("it still listens")
			}
		})
	}
}

func TestMissing(t *testing.T) {
	if _, err := start(t.Context(), t.TempDir(), kind{program: "no-such-server"}); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if _, err := start(t.Context(), t.TempDir(), kind{program: "false", args: func(string, string) []string { return nil }}); err == nil {
		t.Error("a program that ends at once is a server")
	}
}
