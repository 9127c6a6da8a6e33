package collect_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/internal/collect"
)

// TestErrorLog: strangers who connect cannot fill the log.
func TestErrorLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := collect.ErrorLog(slog.New(slog.NewTextHandler(&out, nil)))
		for range 1000 {
			l.Printf("http: TLS handshake error from %s: EOF", "192.0.2.1:1")
		}
		time.Sleep(11 * time.Second)
		l.Print("http: something else")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "handshake") || !strings.Contains(lines[1], "something else") || !strings.Contains(lines[1], "alike=999") {
			t.Errorf("logged:\n%s", &out)
		}
	})
}
