package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestKill kills the real server in the middle of its work, again and again on one directory: every span
// that was acknowledged is there afterwards, once.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds and kills the real server")
	}
	bin := build(t)
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	end := time.Now().Add(torture(t))
	rng := rand.New(rand.NewPCG(seed, 0))
	data := filepath.Join(t.TempDir(), "data")
	acked := &ledger{traces: map[string][]string{}}
	round := 0
	for ; round < 6 || time.Now().Before(end); round++ {
		p := startVictim(t, bin, data)
		acked.check(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		for range 4 {
			own := rand.New(rand.NewPCG(rng.Uint64(), 1))
			senders.Go(func() { acked.send(ctx, p, own) })
		}
		killAt := acked.len() + 20 + rng.IntN(300) // batches, so that a slow machine does as much
		for acked.len() < killAt && alive(p) {
			time.Sleep(time.Duration(rng.IntN(5000)) * time.Microsecond) // a moment of no meaning
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatalf("round %d: the server died by itself: %v\n%s", round, err, p.stderr())
		}
		p.wait()
		cancel()
		senders.Wait()
	}
	p := startVictim(t, bin, data)
	acked.check(t, p)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Fatalf("stopped by SIGTERM: %v\n%s", err, p.stderr())
	}
	t.Logf("%d batches acknowledged in %d lives", acked.len(), round)
}

// torture is for how long tests that kill are to go on: SHUAI_TORTURE, see make torture.
func torture(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SHUAI_TORTURE")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SHUAI_TORTURE: %v", err)
	}
	return d
}

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "shuai")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// victim is a running server.
type victim struct {
	cmd            *exec.Cmd
	ui, otlp, grpc string
	log            string
	done           chan struct{}
	err            error // after done
}

func (p *victim) wait() error {
	<-p.done
	return p.err
}

func (p *victim) stderr() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func alive(p *victim) bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func startVictim(t *testing.T, bin, data string, flags ...string) *victim {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p := &victim{log: log.Name(), done: make(chan struct{})}
	p.cmd = exec.Command(bin, append([]string{
		"serve", "--data", data, "--segment-rows", "700",
		"--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--zipkin", "127.0.0.1:0", "--jaeger", "127.0.0.1:0",
	}, flags...)...)
	p.cmd.Stderr = log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	ready := make(chan struct{})
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			word, addr, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
			switch addr = strings.TrimSpace(addr); word {
			case "ui":
				p.ui = addr
			case "otlp/http":
				p.otlp = addr
			case "otlp/grpc": // the last that the test waits for
				p.grpc = addr
				close(ready)
			}
		}
		p.err = p.cmd.Wait()
	}()
	select {
	case <-ready:
	case <-p.done:
		t.Fatalf("the server does not start: %v\n%s", p.err, p.stderr())
	case <-time.After(30 * time.Second):
		t.Fatalf("the server says nothing for 30 s\n%s", p.stderr())
	}
	return p
}

// ledger holds what was acknowledged: span ids by trace id.
type ledger struct {
	mu     sync.Mutex
	traces map[string][]string
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.traces)
}

// send sends batches, one new trace each, until the server is gone.
func (l *ledger) send(ctx context.Context, p *victim, rng *rand.Rand) {
	for {
		trace := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()|1)
		var ids []string
		var spans []map[string]any
		start := time.Now().UnixNano()
		for i := range 1 + rng.IntN(30) {
			id := fmt.Sprintf("%016x", rng.Uint64()|1)
			ids = append(ids, id)
			spans = append(spans, map[string]any{
				"traceId": trace, "spanId": id, "name": fmt.Sprint("op ", i), "kind": 2,
				"startTimeUnixNano": fmt.Sprint(start), "endTimeUnixNano": fmt.Sprint(start + int64(i)),
				"attributes": []any{map[string]any{"key": "i", "value": map[string]any{"intValue": fmt.Sprint(i)}}},
			})
		}
		body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
			"resource":   map[string]any{"attributes": []any{map[string]any{"key": "service.name", "value": map[string]any{"stringValue": "victim"}}}},
			"scopeSpans": []any{map[string]any{"spans": spans}},
		}}})
		if err != nil {
			panic(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.otlp+"/v1/traces", strings.NewReader(string(body)))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return // the server is dead: not acknowledged
		}
		_, err = io.Copy(io.Discard, res.Body)
		if cerr := res.Body.Close(); err != nil || cerr != nil {
			return
		}
		if res.StatusCode == http.StatusOK {
			l.mu.Lock()
			l.traces[trace] = ids
			l.mu.Unlock()
		}
	}
}

// check asks the server for all that was acknowledged.
func (l *ledger) check(t *testing.T, p *victim) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for trace, ids := range l.traces {
		got, err := spanIDs(t.Context(), fmt.Sprintf("%s/api/shuai/v1/traces/%s/spans?ids=%s", p.ui, trace, strings.Join(ids, ",")))
		if err != nil {
			t.Fatalf("trace %s, of which %d spans were acknowledged: %v\n%s", trace, len(ids), err, p.stderr())
		}
		count := map[string]int{}
		for _, id := range got {
			count[id]++
		}
		for _, id := range ids {
			if count[id] != 1 {
				t.Fatalf("span %s of trace %s was acknowledged and is there %d times\n%s", id, trace, count[id], p.stderr())
			}
		}
		if len(got) != len(ids) {
			t.Fatalf("trace %s has %d spans, want %d", trace, len(got), len(ids))
		}
	}
}

func spanIDs(ctx context.Context, url string) (ids []string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", res.Status, body)
	}
	var answer struct{ Spans []struct{ SpanID string } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	for _, s := range answer.Spans {
		ids = append(ids, s.SpanID)
	}
	return ids, nil
}
