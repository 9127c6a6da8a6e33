package main

import (
	"bufio"
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// BenchCmd measures a real server, or a traced application: a process of its own, started from this program, on this machine.
type BenchCmd struct {
	Ingest   BenchIngestCmd   `cmd:"" help:"Send generated spans to a new server; print its CPU, memory and disk per span."`
	Overload BenchOverloadCmd `cmd:"" help:"Push as hard as possible; check that nothing acknowledged is lost, memory is bounded, and questions are answered."`
	Visible  BenchVisibleCmd  `cmd:"" help:"Measure how soon after its acknowledgement a span is found, under load."`
	Query    BenchQueryCmd    `cmd:"" help:"Ask a server over the data of an earlier bench ingest --data; print how long answers take."`
	Overhead BenchOverheadCmd `cmd:"" help:"Run requests bare and traced, the collector alive, dead and hanging; print throughput, latency and memory of each."`
	Redeye   BenchRedeyeCmd   `cmd:"" help:"Visit a movie site whose pages come by n × k calls, by a Redeye query, and by an endpoint of their own; print latency, calls, CPU and throughput of each."`
}

// BenchQueryCmd asks for what is stored.
type BenchQueryCmd struct {
	Data    string `required:"" type:"existingdir" help:"The data directory of an earlier bench ingest."`
	Queries int    `default:"300" help:"How many of each kind. (${default})"`
	Seed    uint64 `default:"1" help:"The seed the data was made with. (${default})"`
	Only    string `help:"Ask this kind of question only, by its name in the first column."`
	Profile string `type:"path" help:"Write the server's CPU profile here, for go tool pprof."`
	Cold    bool   `help:"Ask for traces by id only, each of a server that was just started, the data dropped from the page cache."`
}

// Run asks over HTTP, one question at a time.
func (cmd *BenchQueryCmd) Run(ctx context.Context, out streams) error {
	began := time.Now()
	var flags []string
	if cmd.Profile != "" {
		flags = append(flags, "--cpu-profile", cmd.Profile)
	}
	p, err := startProcess(ctx, cmd.Data, flags...)
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
	if cmd.Cold {
		if _, err := p.stop(); err != nil {
			return err
		}
		return cmd.cold(ctx, out, ids)
	}
	var list struct {
		Endpoints []struct{ Service, Name string }
	}
	if err := p.get(ctx, "/api/shuai/v1/endpoints?from=0&limit=100", &list); err != nil {
		return err
	}
	var users struct{ Names []string }
	if err := p.get(ctx, "/api/shuai/v1/names?from=0&of=values&key=span.user.id&limit=5000", &users); err != nil {
		return err
	}
	if len(ids) == 0 || len(list.Endpoints) == 0 || len(users.Names) == 0 {
		return errors.New("the directory has no data of shuai bench ingest")
	}
	search := func(more, filter string) string {
		return "/traces?from=0&limit=20" + more + "&q=" + url.QueryEscape(filter)
	}
	endpoint := func(i int) string {
		e := list.Endpoints[i%len(list.Endpoints)]
		return fmt.Sprintf("service.name = %q && name = %q", e.Service, e.Name)
	}
	for _, q := range []struct {
		name, what string
		path       func(i int) string
		n          int
	}{
		{"trace", "a trace by id, with its tree and tables", func(i int) string { return "/traces/" + ids[i%len(ids)].String() + "/skeleton" }, cmd.Queries},
		{"missing", "a trace that is not there", func(int) string { return fmt.Sprintf("/traces/%016x%016x/skeleton", rng.Uint64(), rng.Uint64()) }, cmd.Queries},
		{"search", "the newest 20 of service, name and more than 100 ms, with what their traces took", func(i int) string {
			return search("", "{ "+endpoint(i)+" && duration > 100ms }")
		}, cmd.Queries},
		{"attribute", "the newest 20 with a user.id, likewise", func(i int) string {
			return search("", fmt.Sprintf("{ span.user.id = %q }", users.Names[i*7%len(users.Names)]))
		}, cmd.Queries},
		{"slowest", "the slowest 20 of an endpoint, of all, likewise", func(i int) string {
			return search("&sort=slowest", "{ root && "+endpoint(i)+" }")
		}, cmd.Queries},
		{"endpoint", "one endpoint: figures, heatmap of all requests, slowest", func(i int) string {
			e := list.Endpoints[i%len(list.Endpoints)]
			return fmt.Sprintf("/endpoint?from=%d", int64(workload.Start)) + "&service=" + url.QueryEscape(e.Service) + "&name=" + url.QueryEscape(e.Name)
		}, cmd.Queries / 3},
		{"endpoints", "all endpoints with quantiles", func(int) string { return "/endpoints?from=0" }, cmd.Queries / 3},
		{"heatmap", "all spans longer than 1 µs by time and duration", func(int) string { return "/heatmap?from=0&q=" + url.QueryEscape("{ duration > 1us }") }, cmd.Queries / 10},
		{"map", "who calls whom, of all spans", func(int) string { return "/map?from=0" }, cmd.Queries / 10},
	} {
		if cmd.Only != "" && cmd.Only != q.name {
			continue
		}
		var took []time.Duration
		for i := range max(q.n, 1) {
			began := time.Now()
			if err := p.get(ctx, "/api/shuai/v1"+q.path(i), nil); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		printAnswers(out.out, q.name, q.what, took)
	}
	usage, err := p.stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(out.out, "memory     %.0f MiB at the peak\n", float64(usage.peakBytes)/(1<<20))
	return nil
}

func printAnswers(out io.Writer, name, what string, took []time.Duration) {
	first := took[0]
	slices.Sort(took)
	fmt.Fprintf(out, "%-10s p50 %8.2f ms   p95 %8.2f ms   first %8.2f ms   (%s, n = %d)\n",
		name, ms(took[len(took)/2]), ms(took[len(took)*95/100]), ms(first), what, len(took))
}

// cold asks one server after the other: each is started with nothing in the page cache, asked for one trace so that its program is
// at work, and, when all that the kernel has read ahead meanwhile is dropped, for another.
func (cmd *BenchQueryCmd) cold(ctx context.Context, out streams, ids []span.TraceID) error {
	var opened, took []time.Duration
	skeleton := func(i int) string { return "/api/shuai/v1/traces/" + ids[i%len(ids)].String() + "/skeleton" }
	for i := range max(cmd.Queries, 1) {
		if err := cmd.forget(); err != nil {
			return err
		}
		if err := cmd.coldOne(ctx, skeleton(0), skeleton(i+1), &opened, &took); err != nil {
			return err
		}
	}
	printAnswers(out.out, "open", "until the server said where it listens, nothing of the data in the page cache", opened)
	printAnswers(out.out, "trace", "a trace by id, with its tree and tables, nothing of its segment in the page cache", took)
	return nil
}

func (cmd *BenchQueryCmd) coldOne(ctx context.Context, before, path string, opened, took *[]time.Duration) error {
	began := time.Now()
	p, err := startProcess(ctx, cmd.Data)
	if err != nil {
		return err
	}
	defer p.kill()
	*opened = append(*opened, time.Since(began))
	if err := p.get(ctx, before, nil); err != nil {
		return err
	}
	if err := cmd.forget(); err != nil {
		return err
	}
	began = time.Now()
	if err := p.get(ctx, path, nil); err != nil {
		return err
	}
	*took = append(*took, time.Since(began))
	_, err = p.stop()
	return err
}

// forget drops the data from the page cache.
func (cmd *BenchQueryCmd) forget() error {
	names, err := filepath.Glob(filepath.Join(cmd.Data, "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := forgetFile(name); err != nil {
			return err
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// process is a shuai serve of its own.
type process struct {
	cmd                    *exec.Cmd
	ui, otlpHTTP, otlpGRPC string
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
		"--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--zipkin", "127.0.0.1:0", "--jaeger", "127.0.0.1:0",
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
	for (p.ui == "" || p.otlpHTTP == "" || p.otlpGRPC == "") && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "ui":
			p.ui = strings.TrimSpace(value)
		case "otlp/http":
			p.otlpHTTP = strings.TrimSpace(value)
		case "otlp/grpc":
			p.otlpGRPC = strings.TrimSpace(value)
		}
	}
	if p.otlpGRPC == "" {
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
