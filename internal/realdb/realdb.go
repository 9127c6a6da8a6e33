// Package realdb starts the real servers of stores, for tests and for the demonstration: MariaDB, Redis and memcached as Debian packages
// them (tools/install-deps installs them), each on a free port of the loopback address, with its data in a directory of the caller's.
package realdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrMissing says that the server's program is not installed.
var ErrMissing = errors.New("not installed")

// startTimeout bounds the wait until a server answers; MariaDB needs two seconds on an idle machine.
const startTimeout = time.Minute

// Server is a running server.
type Server struct {
	Addr string // host:port

	cmd  *exec.Cmd
	out  lockedBuffer  // what it printed
	done chan struct{} // it has ended
}

// kind is how to start one sort of server.
type kind struct {
	program string
	prepare func(ctx context.Context, dir string) error
	args    func(dir, port string) []string
	ask     string                   // to be sent; the answer shows that it is ready
	ready   func(answer []byte) bool // of at least one byte
}

// MariaDB starts MariaDB with an empty data directory below dir. Its user root has no password.
func MariaDB(ctx context.Context, dir string) (*Server, error) {
	return start(ctx, dir, kind{
		program: "mariadbd",
		prepare: func(ctx context.Context, dir string) error {
			install, err := find("mariadb-install-db")
			if err != nil {
				return err
			}
			out, err := exec.CommandContext(ctx, install, "--no-defaults", "--datadir="+filepath.Join(dir, "mariadb"),
				"--auth-root-authentication-method=normal", "--skip-test-db", user()).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", install, err, out)
			}
			return nil
		},
		args: func(dir, port string) []string {
			data := filepath.Join(dir, "mariadb")
			// A socket's path has to be short, and nobody needs one: it is in the data directory, by a relative name.
			return []string{
				"--no-defaults", user(), "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port, "--socket=sock",
				"--pid-file=pid", "--innodb-buffer-pool-size=64M", "--skip-log-bin",
			}
		},
		ready: func(answer []byte) bool { return len(answer) > 4 && answer[4] == 10 }, // the protocol's version in the greeting
	})
}

// user is for a server that refuses to run as root unless it is told to.
func user() string {
	if os.Getuid() == 0 {
		return "--user=root"
	}
	return "--user=" + strconv.Itoa(os.Getuid())
}

// Redis starts Redis, which keeps nothing on disk.
func Redis(ctx context.Context, dir string) (*Server, error) {
	return start(ctx, dir, kind{
		program: "redis-server",
		args: func(dir, port string) []string {
			return []string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", dir}
		},
		ask:   "PING\r\n",
		ready: func(answer []byte) bool { return bytes.HasPrefix(answer, []byte("+PONG")) },
	})
}

// Memcached starts memcached.
func Memcached(ctx context.Context, dir string) (*Server, error) {
	return start(ctx, dir, kind{
		program: "memcached",
		args: func(_, port string) []string {
			args := []string{"-l", "127.0.0.1", "-p", port, "-U", "0", "-m", "64"}
			if os.Getuid() == 0 {
				args = append(args, "-u", "nobody")
			}
			return args
		},
		ask:   "version\r\n",
		ready: func(answer []byte) bool { return bytes.HasPrefix(answer, []byte("VERSION")) },
	})
}

// find looks where Debian puts servers, too, which is not on everybody's path.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	if err != nil {
		return "", fmt.Errorf("%s is %w; make deps installs it", program, ErrMissing)
	}
	return path, nil
}

func start(ctx context.Context, dir string, k kind) (*Server, error) {
	path, err := find(k.program)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if k.prepare != nil {
		if err := k.prepare(ctx, dir); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", k.program, err)
		}
	}
	// The port is free when it is chosen, but somebody may be faster.
	for range 3 {
		var s *Server
		if s, err = run(ctx, path, dir, k); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("start %s: %w", k.program, err)
}

func run(ctx context.Context, path, dir string, k kind) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String(), done: make(chan struct{})}
	l.Close()
	_, port, _ := net.SplitHostPort(s.Addr)          // it is an address
	s.cmd = exec.Command(path, k.args(dir, port)...) //nolint:noctx // it outlives ctx, until Stop
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, &s.out, &s.out
	s.cmd.SysProcAttr = diesWithParent()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended shows in its output
	}()
	for {
		if s.answers(ctx, k) {
			return s, nil
		}
		select {
		case <-s.done:
			return nil, fmt.Errorf("it ended: %s", s.out.String())
		case <-ctx.Done():
			s.Stop()
			return nil, fmt.Errorf("it does not answer: %w: %s", ctx.Err(), s.out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) answers(ctx context.Context, k kind) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	if _, err := io.WriteString(conn, k.ask); err != nil {
		return false
	}
	answer := make([]byte, 64)
	n, _ := conn.Read(answer) // nothing is an answer, too
	return k.ready(answer[:n])
}

// Stop ends the server at once, and returns when it has ended. What it stored is of no value.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill() // an error: it has ended already
	<-s.done
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() < 1<<20 {
		b.b.Write(p)
	}
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
