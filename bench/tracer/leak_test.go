package tracer

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fuwu-project/fuwu/shuai"
)

// While it runs a tracer has a handful of goroutines, however many spans there are and whatever the collector does, and once it
// has stopped it has none.
func TestNoGoroutineStays(t *testing.T) {
	ignore := goleak.IgnoreCurrent() // of other tests, and of this one's collectors
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // accepts in the kernel and says nothing
	alive := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer alive.Close()
	for name, endpoint := range map[string]string{
		"alive": alive.URL, "hangs": "http://" + listener.Addr().String(), "dead": "http://127.0.0.1:1", "unknown": "http://collector.invalid:4318",
	} {
		running := goleak.IgnoreCurrent()
		tr, err := shuai.New(shuai.Config{Service: "leak", Endpoint: endpoint, Ratio: 1, FlushEvery: time.Millisecond, BufferBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for range 20 {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 250 {
						_, s := tr.StartSpan(t.Context(), "x", shuai.KindServer)
						s.SetString("k", "v")
						s.End()
					}
				})
			}
			wg.Wait()
			most = max(most, len(stacksOf("fuwu/shuai.")))
		}
		if most > 3 { // it, the request under way, and the one that Stop waits in
			t.Errorf("%s: %d goroutines", name, most)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_ = tr.Stop(ctx) // whether it could send everything is another test's
		cancel()
		if name != "alive" { // the server there keeps connections
			if err := goleak.Find(running); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	alive.CloseClientConnections()
	alive.Close()
	goleak.VerifyNone(t, ignore)
}

// stacksOf are the goroutines in whose stacks a text stands.
func stacksOf(text string) (stacks []string) {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, text) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
