package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// BenchCmd measures a real server: a process of its own, started from this program, on this machine.
type BenchCmd struct {
	Ingest BenchIngestCmd `cmd:"" help:"Send generated spans to a new server; print its CPU, memory and disk per span."`
	Query  BenchQueryCmd  `cmd:"" help:"Ask a server over the data of an earlier bench ingest --data; print how long answers take."`
}

// BenchIngestCmd sends spans over OTLP/HTTP.
type BenchIngestCmd struct {
	Spans       int    `default:"3000000" help:"How many spans to send, about. (${default})"`
	Connections int    `default:"4" help:"Send over this many connections at once. (${default})"`
	Gzip        bool   `help:"Compress the requests, as most SDKs do."`
	Seed        uint64 `default:"1" help:"The same seed makes the same spans. (${default})"`
	Fsync       string `default:"interval" enum:"interval,batch" help:"The server's --fsync. (${default})"`
	Data        string `type:"path" help:"Keep the data here, for bench query. (a temporary directory)"`
	Profile     string `type:"path" help:"Write the server's CPU profile here, for go tool pprof."`
}

// Run sends, waits for the server to seal and stop, and reports.
func (cmd *BenchIngestCmd) Run(ctx context.Context, out streams) (err error) {
	dir := cmd.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "shuai-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	flags := []string{"--fsync", cmd.Fsync}
	if cmd.Profile != "" {
		flags = append(flags, "--cpu-profile", cmd.Profile)
	}
	p, err := startProcess(ctx, dir, flags...)
	if err != nil {
		return err
	}
	defer p.kill()

	var sent, requests, refused, wireBytes atomic.Int64
	began := time.Now()
	senders, sctx := errgroup.WithContext(ctx)
	bodies := make(chan benchRequest, 2*cmd.Connections)
	senders.Go(func() error {
		defer close(bodies)
		made := 0
		for b := range workload.Batches(cmd.Seed) {
			_, body := wire.Encode(b)
			r := benchRequest{spans: b.Len(), body: body}
			if cmd.Gzip {
				r.body = gzipped(body)
			}
			select {
			case bodies <- r:
			case <-sctx.Done():
				return nil // a sender has the reason
			}
			if made += b.Len(); made >= cmd.Spans {
				return nil
			}
		}
		return nil
	})
	for range cmd.Connections {
		senders.Go(func() error {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			for r := range bodies {
				n, err := r.send(sctx, client, p.otlpHTTP, cmd.Gzip)
				refused.Add(n)
				if err != nil {
					return err
				}
				sent.Add(int64(r.spans))
				requests.Add(1)
				wireBytes.Add(int64(len(r.body)))
			}
			return nil
		})
	}
	if err := senders.Wait(); err != nil {
		return err
	}
	wall := time.Since(began)
	usage, err := p.stop()
	if err != nil {
		return err
	}
	disk, err := dirSize(dir)
	if err != nil {
		return err
	}
	n := float64(sent.Load())
	fmt.Fprintf(out.out, "sent       %d spans in %d requests, %.0f bytes a span on the wire, %d refused and sent again\n",
		sent.Load(), requests.Load(), float64(wireBytes.Load())/n, refused.Load())
	fmt.Fprintf(out.out, "wall       %.2f s, generator included: %.0f spans/s (%d CPUs)\n", wall.Seconds(), n/wall.Seconds(), runtime.NumCPU())
	fmt.Fprintf(out.out, "CPU        %.2f s of the server, start to sealed: %.0f spans per CPU-second, %.0f ns a span\n",
		usage.cpu.Seconds(), n/usage.cpu.Seconds(), float64(usage.cpu.Nanoseconds())/n)
	fmt.Fprintf(out.out, "memory     %.0f MiB at the peak\n", float64(usage.peakBytes)/(1<<20))
	fmt.Fprintf(out.out, "disk       %.1f bytes a span, sealed\n", float64(disk)/n)
	return nil
}

type benchRequest struct {
	spans int
	body  []byte
}

// send posts until it is acknowledged and says how often it was told to come again.
func (r benchRequest) send(ctx context.Context, client *http.Client, base string, gz bool) (refused int64, err error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/traces", bytes.NewReader(r.body))
		if err != nil {
			return refused, err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		if gz {
			req.Header.Set("Content-Encoding", "gzip")
		}
		resp, err := client.Do(req)
		if err != nil {
			return refused, err
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			return refused, err
		case resp.StatusCode == http.StatusOK && len(answer) == 0: // anything in it would be a partial success
			return refused, nil
		case resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests:
			refused++
			after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			select {
			case <-time.After(max(time.Duration(after)*time.Second, 10*time.Millisecond)):
			case <-ctx.Done():
				return refused, ctx.Err()
			}
		default:
			return refused, fmt.Errorf("the collector answered %s: %q", resp.Status, answer)
		}
	}
}

func gzipped(p []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(p) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// BenchQueryCmd asks for what is stored.
type BenchQueryCmd struct {
	Data    string `required:"" type:"existingdir" help:"The data directory of an earlier bench ingest."`
	Queries int    `default:"300" help:"How many of each kind. (${default})"`
	Seed    uint64 `default:"1" help:"The seed the data was made with. (${default})"`
}

// Run asks over HTTP, one question at a time.
func (cmd *BenchQueryCmd) Run(ctx context.Context, out streams) error {
	began := time.Now()
	p, err := startProcess(ctx, cmd.Data)
	if err != nil {
		return err
	}
	defer p.kill()
	fmt.Fprintf(out.out, "open       %.0f ms until the server said where it listens\n", float64(time.Since(began).Microseconds())/1e3)

	var status struct {
		Spans int64 `json:"spans"`
	}
	if err := p.get(ctx, "/api/shuai/v1/status", &status); err != nil {
		return err
	}
	fmt.Fprintf(out.out, "stored     %d spans\n", status.Spans)

	ids := workload.TraceIDs(cmd.Seed, int(status.Spans), 2*cmd.Queries)
	rng := rand.New(rand.NewPCG(cmd.Seed, 1))
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	service := func(i int) string { return workload.Services[i%len(workload.Services)] }
	for _, q := range []struct {
		name, what string
		path       func(i int) string
		n          int
	}{
		{"trace", "a trace by id, with its tree and tables", func(i int) string { return "/traces/" + ids[i%len(ids)].String() + "/skeleton" }, cmd.Queries},
		{"missing", "a trace that is not there", func(int) string { return fmt.Sprintf("/traces/%016x%016x/skeleton", rng.Uint64(), rng.Uint64()) }, cmd.Queries},
		{"search", "newest 20 of a service over 100 ms", func(i int) string {
			return "/traces?from=0&limit=20&q=" + url.QueryEscape(fmt.Sprintf("{ service.name = %q && duration > 100ms }", service(i)))
		}, cmd.Queries / 10},
		{"slowest", "exact slowest 20 of a service", func(i int) string {
			return "/traces?from=0&limit=20&sort=slowest&q=" + url.QueryEscape(fmt.Sprintf("{ service.name = %q }", service(i)))
		}, cmd.Queries / 10},
		{"endpoints", "all endpoints with quantiles", func(int) string { return "/endpoints?from=0" }, cmd.Queries / 10},
	} {
		var took []time.Duration
		for i := range max(q.n, 1) {
			began := time.Now()
			if err := p.get(ctx, "/api/shuai/v1"+q.path(i), nil); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		first := took[0]
		slices.Sort(took)
		fmt.Fprintf(out.out, "%-10s p50 %8.2f ms   p95 %8.2f ms   first %8.2f ms   (%s, n = %d)\n",
			q.name, ms(took[len(took)/2]), ms(took[len(took)*95/100]), ms(first), q.what, len(took))
	}
	usage, err := p.stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(out.out, "memory     %.0f MiB at the peak\n", float64(usage.peakBytes)/(1<<20))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// process is a shuai serve of its own.
type process struct {
	cmd          *exec.Cmd
	ui, otlpHTTP string
}

type usage struct {
	cpu       time.Duration
	peakBytes int64
}

// startProcess starts this program as a server on free ports and waits until it says where it listens.
func startProcess(ctx context.Context, dir string, flags ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"serve", "--data", dir, "--log-level", "warn", "--retention", "0", // the workload's spans have times of their own
		"--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0",
	}, flags...)
	p := &process{cmd: exec.CommandContext(ctx, exe, args...)}
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	for (p.ui == "" || p.otlpHTTP == "") && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "ui":
			p.ui = strings.TrimSpace(value)
		case "otlp/http":
			p.otlpHTTP = strings.TrimSpace(value)
		}
	}
	if p.otlpHTTP == "" {
		p.kill()
		return nil, errors.New("the server did not start; its reason is above")
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return p, nil
}

// stop ends the server as Ctrl-C does and says what it used.
func (p *process) stop() (usage, error) {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return usage{}, err
	}
	if err := p.cmd.Wait(); err != nil {
		return usage{}, fmt.Errorf("the server ended with %w", err)
	}
	u := usage{cpu: p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()}
	if r, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peakBytes = r.Maxrss << 10 // Linux counts in KiB
	}
	return u, nil
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// get reads an answer, into v if that is not nil. A missing trace is an answer.
func (p *process) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ui+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("GET %s: %s: %.200s", path, resp.Status, body)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}

func dirSize(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
