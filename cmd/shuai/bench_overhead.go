package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/bits"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/fuwu-project/fuwu/shuai"
)

// BenchOverheadCmd measures what the tracer does to an application: the same requests, bare and traced, whatever the collector does.
type BenchOverheadCmd struct {
	For    time.Duration `default:"10s" help:"How long each variant runs in each round: half at full speed, half at --rate. (${default})"`
	Rounds int           `default:"3" help:"Rounds of all variants; the medians are printed. (${default})"`
	Spans  int           `default:"10" help:"Spans of a request, the root included; each has four attributes. (${default})"`
	Work   time.Duration `default:"1us" help:"CPU time that the work of one span takes, about. (${default})"`
	Rate   int           `default:"1000000" help:"Spans a second in the second half, in which latency is measured. (${default})"`

	As       string `hidden:"" help:"Be the application, in this variant."`
	Endpoint string `hidden:"" help:"Of the application's collector."`
}

// Help is the long text of bench overhead --help.
func (*BenchOverheadCmd) Help() string {
	return `The application is a process of its own, with a heap of 64 MiB and a worker for each CPU. A request computes hashes and allocates 512 bytes for each
span's part of it; where it is traced it has a root span and children with attributes. The collector is alive (in this process, discarding), dead (nobody listens), or hangs (accepts and says nothing).

Requests a second and CPU are those at full speed; p50 and p99 are of a request's own time at --rate. What tracing may cost is its CPU: at full
speed requests a second fall to the share that the CPU of a request alone would make it ("by CPU"), whatever the collector does, and at a rate
that leaves room p99 is the same. Bytes buffered stay within 8 MiB, and goroutines are as many as a connection needs.`
}

// overheadVariant is how the application runs.
type overheadVariant struct {
	name      string
	ratio     float64 // 0: bare
	collector string
}

var overheadVariants = []overheadVariant{
	{"bare", 0, ""},
	{"0.1 %, collector alive", 0.001, "alive"},
	{"0.1 %, collector dead", 0.001, "dead"},
	{"0.1 %, collector hangs", 0.001, "hangs"},
	{"all, collector alive", 1, "alive"},
	{"all, collector dead", 1, "dead"},
	{"all, collector hangs", 1, "hangs"},
}

// overheadResult is what one run of the application says.
type overheadResult struct {
	Requests   float64       // a second, at full speed
	CPU        time.Duration // of a request, at full speed
	P50, P99   time.Duration // at the rate
	SpansPerS  float64       // at the rate
	PeakBytes  int64         // resident memory
	Goroutines int           // more at the end of the load than before it
	Buffered   uint64        // most bytes that waited for the collector
	Exported   uint64
	Dropped    shuai.Dropped
	Stop       time.Duration // how long stopping took
}

// Run runs all variants, each round.
func (cmd *BenchOverheadCmd) Run(ctx context.Context, out streams) error {
	if cmd.As != "" {
		return cmd.application(ctx, out)
	}
	if cmd.Rounds < 1 || cmd.Spans < 1 || cmd.Rate < 1 || cmd.For <= 0 || cmd.Work < 0 {
		return errors.New("--rounds, --spans, --rate and --for must be more than 0, and --work not less")
	}
	endpoints, closeAll, err := overheadCollectors(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	results := make([][]overheadResult, len(overheadVariants))
	for range cmd.Rounds {
		for i, v := range overheadVariants {
			child := exec.CommandContext(ctx, exe, "bench", "overhead", "--as", v.name, "--endpoint", endpoints[v.collector], "--for", cmd.For.String(),
				"--spans", fmt.Sprint(cmd.Spans), "--work", cmd.Work.String(), "--rate", fmt.Sprint(cmd.Rate))
			child.Stderr = out.err
			text, err := child.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			var r overheadResult
			if err := json.Unmarshal(text, &r); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	return cmd.print(out.out, results)
}

// overheadCollectors starts the collectors that an application may meet.
func overheadCollectors(ctx context.Context) (map[string]string, func(), error) {
	listen := func() (net.Listener, error) { return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0") }
	alive, err := listen()
	if err != nil {
		return nil, nil, err
	}
	hangs, err := listen()
	if err != nil {
		return nil, nil, errors.Join(err, alive.Close())
	}
	dead, err := listen()
	if err == nil {
		err = dead.Close() // nobody listens there now
	}
	if err != nil {
		return nil, nil, errors.Join(err, alive.Close(), hangs.Close())
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // a client that goes away is no concern of ours
			w.WriteHeader(http.StatusOK)
		}),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(alive) })
	var mu sync.Mutex
	var held []net.Conn
	wg.Go(func() {
		for {
			c, err := hangs.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
		}
	})
	url := func(l net.Listener) string { return "http://" + l.Addr().String() }
	return map[string]string{"": "", "alive": url(alive), "dead": url(dead), "hangs": url(hangs)}, func() {
		_ = srv.Close()
		_ = hangs.Close()
		wg.Wait()
		for _, c := range held {
			_ = c.Close()
		}
	}, nil
}

func (cmd *BenchOverheadCmd) print(out io.Writer, results [][]overheadResult) error {
	fmt.Fprintf(out, "%d spans a request, %s of work a span, %d CPUs; medians of %d rounds\n\n", cmd.Spans, cmd.Work, runtime.GOMAXPROCS(0), cmd.Rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "requests/s\tof bare\tby CPU\tCPU/request\ttracer/span\tspans/s\tp50\tp99\tp99 - bare\tmemory\tbuffered\tgoroutines\texported\tdropped\tstop\t ")
	var bare overheadResult
	for i, v := range overheadVariants {
		r := medians(results[i])
		if i == 0 {
			bare = r
		}
		fmt.Fprintf(w, "%.0f\t%.3f\t%.3f\t%v\t%.0f ns\t%.0f\t%v\t%v\t%v\t%.0f MiB\t%.1f MiB\t+%d\t%d\t%d\t%v\t  %s\n",
			r.Requests, r.Requests/bare.Requests, float64(bare.CPU)/float64(r.CPU), r.CPU, float64((r.CPU-bare.CPU).Nanoseconds())/float64(cmd.Spans), r.SpansPerS,
			r.P50, r.P99, r.P99-bare.P99, float64(r.PeakBytes)/(1<<20), float64(r.Buffered)/(1<<20), r.Goroutines,
			r.Exported, r.Dropped.Total(), r.Stop.Round(time.Millisecond), v.name)
	}
	return w.Flush()
}

// medians takes each figure's; of drops, which are exact, the last.
func medians(runs []overheadResult) overheadResult {
	m := runs[len(runs)-1]
	m.Requests = medianOf(runs, func(r overheadResult) float64 { return r.Requests })
	m.SpansPerS = medianOf(runs, func(r overheadResult) float64 { return r.SpansPerS })
	m.CPU = medianOf(runs, func(r overheadResult) time.Duration { return r.CPU })
	m.P50 = medianOf(runs, func(r overheadResult) time.Duration { return r.P50 })
	m.P99 = medianOf(runs, func(r overheadResult) time.Duration { return r.P99 })
	m.PeakBytes = medianOf(runs, func(r overheadResult) int64 { return r.PeakBytes })
	return m
}

func medianOf[T int64 | float64 | time.Duration](runs []overheadResult, of func(overheadResult) T) T {
	values := make([]T, 0, len(runs))
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// application is the process that is measured. It prints an overheadResult.
func (cmd *BenchOverheadCmd) application(ctx context.Context, out streams) error {
	i := slices.IndexFunc(overheadVariants, func(v overheadVariant) bool { return v.name == cmd.As })
	if i < 0 {
		return fmt.Errorf("--as %q is no variant", cmd.As)
	}
	app := &overheadApp{heap: make([]byte, heapBytes), spans: cmd.Spans, blocks: blocksFor(cmd.Work), workers: runtime.GOMAXPROCS(0)}
	goroutines := runtime.NumGoroutine()
	if v := overheadVariants[i]; v.ratio > 0 {
		t, err := shuai.New(shuai.Config{Service: "overhead", Endpoint: cmd.Endpoint, Ratio: v.ratio})
		if err != nil {
			return err
		}
		app.tracer = t
	}
	var r overheadResult
	cpu, began := cpuTime(), time.Now()
	full := app.run(ctx, cmd.For/2, 0)
	r.Requests = float64(full.total()) / time.Since(began).Seconds()
	r.CPU = (cpuTime() - cpu) / time.Duration(max(1, full.total()))

	began = time.Now()
	paced := app.run(ctx, cmd.For/2, float64(cmd.Rate)/float64(cmd.Spans))
	r.SpansPerS = float64(paced.total()) * float64(cmd.Spans) / time.Since(began).Seconds()
	r.P50, r.P99 = paced.quantile(0.5), paced.quantile(0.99)
	r.Goroutines, r.Buffered = runtime.NumGoroutine()-goroutines, app.buffered

	began = time.Now()
	stopCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = app.tracer.Stop(stopCtx) // what is lost is in the counts
	r.Stop = time.Since(began)
	s := app.tracer.Stats()
	r.Exported, r.Dropped, r.PeakBytes = s.Exported, s.Dropped, residentPeak()
	return json.NewEncoder(out.out).Encode(r)
}

// overheadApp does the work of requests.
type overheadApp struct {
	heap    []byte        // as an application has; without it garbage would be collected a hundred times a second
	tracer  *shuai.Tracer // nil: bare
	spans   int           // of a request
	blocks  int           // of work for a span
	workers int

	buffered uint64 // most bytes that waited
}

// run works for some time, at a rate of requests a second or, with 0, as fast as it can.
func (a *overheadApp) run(ctx context.Context, d time.Duration, rate float64) *latencies {
	all := make([]latencies, a.workers)
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range all {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				now := time.Since(begin)
				if now >= d {
					return
				}
				if rate > 0 {
					if due := time.Duration(float64(n*a.workers) / rate * float64(time.Second)); due > now+time.Millisecond {
						time.Sleep(due - now)
					}
				}
				start := time.Now()
				a.request(ctx)
				all[w].add(time.Since(start))
			}
		})
	}
	watch := time.NewTicker(10 * time.Millisecond)
	defer watch.Stop()
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		select {
		case <-watch.C:
			a.buffered = max(a.buffered, a.tracer.Stats().BufferedBytes)
			continue
		case <-done:
		}
		break
	}
	for w := range all[1:] {
		all[0].merge(&all[w+1])
	}
	return &all[0]
}

// request is the same work, bare or traced.
func (a *overheadApp) request(ctx context.Context) {
	answers := make([][]byte, 0, a.spans)
	if a.tracer == nil {
		for range a.spans {
			answers = append(answers, work(a.blocks))
		}
		a.answer(answers)
		return
	}
	ctx, root := a.tracer.StartSpan(ctx, "GET /subject/{id}", shuai.KindServer)
	describe(root)
	answers = append(answers, work(a.blocks))
	for range a.spans - 1 {
		_, s := shuai.StartSpan(ctx, "movie.GetMovie", shuai.KindClient)
		describe(s)
		answers = append(answers, work(a.blocks))
		s.End()
	}
	a.answer(answers)
	root.End()
}

// answer makes the heap the application's own.
func (a *overheadApp) answer(answers [][]byte) {
	if len(answers) > a.spans {
		a.heap[0] = answers[0][0]
	}
}

func describe(s *shuai.Span) {
	s.SetString("http.request.method", "GET")
	s.SetString("http.route", "/subject/{id}")
	s.SetInt("http.response.status_code", 200)
	s.SetBool("cache.hit", true)
}

var hashed [1024]byte // never written

// What the application keeps, and what each span's work allocates.
const heapBytes, garbageBytes = 64 << 20, 512

// work computes for some time and returns something.
func work(blocks int) []byte {
	answer := make([]byte, garbageBytes)
	for range blocks {
		h := sha256.Sum256(hashed[:])
		copy(answer, h[:])
	}
	return answer
}

// blocksFor measures how many blocks take so long.
func blocksFor(d time.Duration) int {
	const n = 20_000
	best := time.Duration(1 << 62)
	for range 5 {
		began := time.Now()
		work(n)
		best = min(best, time.Since(began))
	}
	return max(1, int(d*n/best))
}

// latencies are counts of durations, to a 128th.
type latencies [64 << 7]uint32

func (l *latencies) add(d time.Duration) { l[bucket(uint64(max(1, d)))]++ }

func bucket(v uint64) int {
	octave := bits.Len64(v) - 1
	return octave<<7 | int(v<<(63-octave)>>56&127)
}

func (l *latencies) merge(other *latencies) {
	for i, n := range other {
		l[i] += n
	}
}

func (l *latencies) total() (n int) {
	for _, c := range l {
		n += int(c)
	}
	return n
}

func (l *latencies) quantile(q float64) time.Duration {
	rank := int(q * float64(l.total()))
	for i, c := range l {
		if rank -= int(c); rank < 0 {
			octave, rest := i>>7, uint64(i&127)
			return time.Duration((128 + rest) << octave >> 7)
		}
	}
	return 0
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentPeak is the most resident memory that the process has had, 0 where the system does not tell it in /proc.
func residentPeak() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
