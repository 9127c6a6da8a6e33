package standin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/fuwu-project/fuwu/internal/realdb"
)

// converse plays a script against a server: a block is followed by commands whose answers are known,
// so that the end of the answers is known too.
func converse(t *testing.T, addr, script string) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	casLine := regexp.MustCompile(`(?m)^(VALUE k \d+ \d+) (\d+)$`)
	ask := func(text string) string {
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "set the-end 0 0 7\r\nthe end\r\nget the-end\r\ndelete the-end noreply\r\n"); err != nil {
			t.Fatal(err)
		}
		const last = "STORED\r\nVALUE the-end 0 7\r\nthe end\r\nEND\r\n"
		var got bytes.Buffer
		for !strings.HasSuffix(got.String(), last) {
			var p [512]byte
			n, err := conn.Read(p[:])
			got.Write(p[:n])
			if err != nil {
				t.Fatalf("%v, after %q", err, got.String())
			}
		}
		return strings.ReplaceAll(strings.TrimSuffix(got.String(), last), "\r\n", "\n")
	}
	datadriven.RunTest(t, script, func(_ *testing.T, d *datadriven.TestData) string {
		text := d.Input
		head, rest, hasCas := strings.Cut(text, "cas k 0 0 1 CAS")
		if !hasCas {
			return ask(text)
		}
		answer := ask(strings.TrimSuffix(head, "\n"))
		m := casLine.FindStringSubmatch(answer)
		if m == nil {
			t.Fatalf("no cas number in %q", answer)
		}
		if _, err := strconv.ParseUint(m[2], 10, 64); err != nil {
			t.Fatal(err)
		}
		answer = strings.Replace(answer, m[0], m[1]+" CAS", 1)
		return answer + ask(strings.ReplaceAll("cas k 0 0 1 CAS"+rest, "CAS", m[2]))
	})
}

func TestConversations(t *testing.T) {
	for name, start := range map[string]func(context.Context) (*Server, error){"memcached": Memcached, "beansdb": Beansdb} {
		t.Run(name, func(t *testing.T) {
			s, err := start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			converse(t, s.Addr, "testdata/"+name)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The script is right: memcached itself passes it.
func TestRealMemcached(t *testing.T) {
	s, err := realdb.Memcached(t.Context(), t.TempDir())
	if errors.Is(err, realdb.ErrMissing) {
		t.Skipf("%v; the script was played against our server only", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	converse(t, s.Addr, "testdata/memcached")
}

// pipe is a connection that says what it was given and keeps what it is told.
type pipe struct {
	io.Reader
	bytes.Buffer
}

func (p *pipe) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// Whatever a client sends, the server answers in whole lines and comes to an end.
func FuzzMemcached(f *testing.F) {
	f.Add("set a 5 0 3\r\nfoo\r\nget a\r\nquit\r\n", false)
	f.Add("incr n 5\r\nget ?n @ ??n\r\ncas a 0 0 1 1\r\nx\r\n", true)
	f.Add("set a 0 0 99999999999\r\n", false)
	f.Add("set a 0 0 -1\r\nset a 0 0 2147483647 noreply\r\nget "+strings.Repeat("k", 300)+"\r\n", false)
	f.Fuzz(func(t *testing.T, text string, beans bool) {
		s := newKV(memcached)
		if beans {
			s = newKV(beansdb)
		}
		p := &pipe{Reader: strings.NewReader(text)}
		s.serve(p)
		if out := p.String(); out != "" && !strings.HasSuffix(out, "\r\n") {
			t.Fatalf("%q was answered by %q", text, out)
		}
	})
}

func TestLimits(t *testing.T) {
	s := newKV(memcached)
	for text, want := range map[string]string{
		strings.Repeat("x", maxLineBytes+1): "CLIENT_ERROR line too long\r\n",
		fmt.Sprintf("set a 0 0 %d\r\n%s\r\nget a\r\n", memcached.maxValueBytes()+1, make([]byte, memcached.maxValueBytes()+1)): "SERVER_ERROR object too large for cache\r\nEND\r\n",
		"set a 0 0 1\r\nxyz\r\n":                         "CLIENT_ERROR bad data chunk\r\n",
		"set " + strings.Repeat("k", 251) + " 0 0 1\r\n": "CLIENT_ERROR bad command line format\r\n",
	} {
		p := &pipe{Reader: strings.NewReader(text)}
		s.serve(p)
		if p.String() != want {
			t.Errorf("%.40q: %q, want %q", text, p.String(), want)
		}
	}
}
