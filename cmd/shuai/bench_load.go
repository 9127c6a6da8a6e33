package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// BenchOverloadCmd pushes as hard as it can and checks what the server promises of itself then.
type BenchOverloadCmd struct {
	Seconds       int       `default:"60" help:"Push for so long. (${default})"`
	Connections   int       `default:"64" help:"Over so many connections, every second one gRPC. (${default})"`
	Seed          uint64    `default:"1" help:"The same seed makes the same spans. (${default})"`
	InFlight      byteCount `default:"4MiB" help:"The server's --max-in-flight-bytes; its --max-request-bytes is a quarter. Small, so that it has to refuse. (${default})"`
	MaxMemory     byteCount `default:"1GiB" help:"Fail if the server takes more memory of its own than this; what it keeps of each segment grows with what is stored. (${default})"`
	MaxAnswerTime float64   `default:"1" help:"Fail if a question takes longer than so many seconds. (${default})"`
	Verify        int       `default:"2000" help:"Look up a trace of so many of the acknowledged requests afterwards. (${default})"`
}

// Run pushes, asks meanwhile, and verifies.
func (cmd *BenchOverloadCmd) Run(ctx context.Context, out streams) (err error) {
	dir, err := os.MkdirTemp("", "shuai-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := startProcess(ctx, dir, "--max-in-flight-bytes", strconv.FormatInt(int64(cmd.InFlight), 10),
		"--max-request-bytes", strconv.FormatInt(int64(cmd.InFlight/4), 10))
	if err != nil {
		return err
	}
	defer p.kill()

	began := time.Now()
	push := startPush(ctx, p, cmd.Connections, cmd.Seed)
	var asked answers
	own := int64(0) // memory at its peak, without the pages of files that the kernel takes back when it wants
	for pause := time.NewTicker(100 * time.Millisecond); time.Since(began) < time.Duration(cmd.Seconds)*time.Second; <-pause.C {
		if err := asked.one(ctx, p, push); err != nil {
			push.stop()
			return errors.Join(err, push.err)
		}
		own = max(own, p.ownMemory())
	}
	push.stop()
	wall := time.Since(began)
	if push.err != nil {
		return push.err
	}

	acked, spans := push.acked()
	fmt.Fprintf(out.out, "pushed     %d connections, %.0f s: %d requests with %d spans acknowledged, %.0f spans/s (generator included, %d CPUs)\n",
		cmd.Connections, wall.Seconds(), len(acked), spans, float64(spans)/wall.Seconds(), runtime.NumCPU())
	fmt.Fprintf(out.out, "refused    %d requests, %d of them without saying when to come again\n", push.refused.Load(), push.unhinted.Load())
	worst := asked.print(out.out)
	missing, looked, err := cmd.verify(ctx, p, push, acked)
	if err != nil {
		return err
	}
	var status struct {
		Spans int64 `json:"spans"`
	}
	if err := p.get(ctx, "/api/shuai/v1/status", &status); err != nil {
		return err
	}
	usage, err := p.stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(out.out, "verified   %d spans stored; %d requests looked up by a trace of theirs, %d not found whole\n", status.Spans, looked, missing)
	fmt.Fprintf(out.out, "memory     %.0f MiB of its own at the peak; %.0f MiB with the pages of mapped segments\n",
		float64(own)/(1<<20), float64(usage.peakBytes)/(1<<20))
	if own == 0 { // not Linux
		own = usage.peakBytes
	}
	fmt.Fprintf(out.out, "CPU        %.2f s of the server: %.0f spans per CPU-second\n", usage.cpu.Seconds(), float64(spans)/usage.cpu.Seconds())
	for _, broken := range []struct {
		is   bool
		what string
	}{
		{len(acked) == 0, "nothing was acknowledged"},
		{push.unhinted.Load() > 0, "requests were refused without saying when to come again"},
		{missing > 0, "acknowledged spans are missing"},
		{status.Spans != spans, fmt.Sprintf("%d spans were acknowledged and %d are stored", spans, status.Spans)},
		{own > int64(cmd.MaxMemory), "the server took too much memory"},
		{worst.Seconds() > cmd.MaxAnswerTime, "a question took too long"},
	} {
		if broken.is {
			err = errors.Join(err, errors.New(broken.what))
		}
	}
	return err
}

// verify looks up one trace of each of some requests.
func (cmd *BenchOverloadCmd) verify(ctx context.Context, p *process, push *push, acked []pushed) (missing, looked int, err error) {
	rng := rand.New(rand.NewPCG(cmd.Seed, 2))
	rng.Shuffle(len(acked), func(i, j int) { acked[i], acked[j] = acked[j], acked[i] })
	for _, a := range acked[:min(cmd.Verify, len(acked))] {
		t := push.templates[a.template]
		n, err := p.spansOf(ctx, t.traceOf(a.number))
		if err != nil {
			return 0, 0, err
		}
		looked++
		if n != t.probeSpans {
			missing++
		}
	}
	return missing, looked, nil
}

// BenchVisibleCmd measures how soon a span is found.
type BenchVisibleCmd struct {
	Probes      int     `default:"300" help:"So many spans, one after the other. (${default})"`
	Connections int     `default:"4" help:"Push over so many connections meanwhile. (${default})"`
	Seed        uint64  `default:"1" help:"The same seed makes the same spans. (${default})"`
	MaxP99      float64 `default:"0.1" name:"max-p99" help:"Fail if one of a hundred takes longer than so many seconds. (${default})"`
}

// Run sends one span after the other and asks for each from its acknowledgement until it is found, by id and by search.
func (cmd *BenchVisibleCmd) Run(ctx context.Context, out streams) (err error) {
	dir, err := os.MkdirTemp("", "shuai-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := startProcess(ctx, dir)
	if err != nil {
		return err
	}
	defer p.kill()
	push := startPush(ctx, p, cmd.Connections, cmd.Seed)
	defer push.stop()
	to, err := p.dial(false, false, new(atomic.Int64))
	if err != nil {
		return err
	}
	defer to.close()

	var byID, bySearch []time.Duration
	rng := rand.New(rand.NewPCG(cmd.Seed, 3))
	for i := range cmd.Probes {
		s := span.Span{
			TraceID: span.TraceID{Hi: rng.Uint64() | 1, Lo: rng.Uint64()}, SpanID: span.ID(i + 1), Name: "probe", Start: workload.Start, Duration: 1000,
			Attrs:    []span.Attribute{{Key: "probe.id", Value: span.StringValue(fmt.Sprint("p", i))}},
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue("probe")}}},
		}
		var b span.Batch
		b.Append(&s)
		_, body := wire.Encode(&b)
		if _, err := sendUntilStored(ctx, to, body); err != nil {
			return err
		}
		acked := time.Now()
		for n := 0; n == 0; {
			if n, err = p.spansOf(ctx, s.TraceID); err != nil {
				return err
			}
		}
		byID = append(byID, time.Since(acked))
		acked = time.Now()
		for found := false; !found; {
			var answer struct {
				Traces []struct {
					TraceID string `json:"traceId"`
				} `json:"traces"`
			}
			q := url.QueryEscape(fmt.Sprintf(`{ service.name = "probe" && span.probe.id = "p%d" }`, i))
			if err := p.get(ctx, "/api/shuai/v1/traces?from=0&limit=1&q="+q, &answer); err != nil {
				return err
			}
			found = len(answer.Traces) == 1 && answer.Traces[0].TraceID == s.TraceID.String()
		}
		bySearch = append(bySearch, time.Since(acked))
	}
	push.stop()
	if push.err != nil {
		return push.err
	}
	_, spans := push.acked()
	fmt.Fprintf(out.out, "load       %d connections, %d spans stored meanwhile\n", cmd.Connections, spans)
	for _, f := range []struct {
		what string
		took []time.Duration
	}{{"by id", byID}, {"by search", bySearch}} {
		p99 := printQuantiles(out.out, f.what, "from the acknowledgement to the answer that has the span", f.took)
		if p99.Seconds() > cmd.MaxP99 {
			err = errors.Join(err, fmt.Errorf("%s: one of a hundred takes longer than %.0f ms", f.what, cmd.MaxP99*1000))
		}
	}
	_, stopErr := p.stop()
	return errors.Join(err, stopErr)
}

// printQuantiles prints a line and returns the 99th percentile.
func printQuantiles(out io.Writer, name, what string, took []time.Duration) time.Duration {
	slices.Sort(took)
	at := func(q int) time.Duration { return took[min(len(took)*q/100, len(took)-1)] }
	fmt.Fprintf(out, "%-10s p50 %8.2f ms   p95 %8.2f ms   p99 %8.2f ms   max %8.2f ms   (%s, n = %d)\n",
		name, ms(at(50)), ms(at(95)), ms(at(99)), ms(at(100)), what, len(took))
	return at(99)
}

// spansOf is how many spans a trace has, 0 if it is not there.
func (p *process) spansOf(ctx context.Context, id span.TraceID) (int, error) {
	var answer struct {
		Rows struct {
			Depth []int `json:"depth"`
		} `json:"rows"`
	}
	err := p.get(ctx, "/api/shuai/v1/traces/"+id.String()+"/skeleton", &answer)
	return len(answer.Rows.Depth), err
}

// ownMemory is what the process has in memory that is not a page of a file, in bytes; 0 where that is not known.
func (p *process) ownMemory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// push sends requests over many connections, each as fast as it is answered, until it is stopped.
type push struct {
	templates []template
	number    atomic.Uint64
	refused   atomic.Int64
	unhinted  atomic.Int64
	err       error // after stop

	mu     sync.Mutex
	stored []pushed
	cancel context.CancelFunc
	done   chan struct{}
}

// pushed is an acknowledged request.
type pushed struct {
	template int
	number   uint64
}

// template is a request whose trace ids are made new each time it is sent: that costs nothing, so that the server gets
// the machine.
type template struct {
	body       []byte
	spans      int
	at         []int // where trace ids are
	probe      span.TraceID
	probeSpans int
}

const templates = 128

func startPush(ctx context.Context, p *process, connections int, seed uint64) *push {
	ctx, cancel := context.WithCancel(ctx)
	s := &push{cancel: cancel, done: make(chan struct{})}
	for b := range workload.Batches(seed) {
		s.templates = append(s.templates, newTemplate(b))
		if len(s.templates) == templates {
			break
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		group.Go(func() error { return s.run(ctx, p, i) })
	}
	go func() {
		s.err = group.Wait()
		close(s.done)
	}()
	return s
}

// stop waits for the requests that are under way.
func (s *push) stop() {
	s.cancel()
	<-s.done
}

func (s *push) run(ctx context.Context, p *process, i int) error {
	to, err := p.dial(i%2 == 1, false, new(atomic.Int64))
	if err != nil {
		return err
	}
	defer to.close()
	var body []byte
	for ctx.Err() == nil {
		number := s.number.Add(1)
		next := pushed{int(number % templates), number}
		body = s.templates[next.template].appendTo(body[:0], number)
		for sent := false; !sent && ctx.Err() == nil; {
			// What is under way when the time is over is finished: it may be stored already.
			err := to.send(context.WithoutCancel(ctx), body)
			no, ok := errors.AsType[*refusedError](err)
			switch {
			case err == nil:
				sent = true
				s.mu.Lock()
				s.stored = append(s.stored, next)
				s.mu.Unlock()
			case ok:
				s.refused.Add(1)
				if no.after == 0 {
					s.unhinted.Add(1)
				}
				select {
				case <-time.After(max(no.after, 10*time.Millisecond)):
				case <-ctx.Done():
				}
			default:
				return fmt.Errorf("connection %d: %w", i, err)
			}
		}
	}
	return nil
}

// acked returns the acknowledged requests and how many spans they have.
func (s *push) acked() (requests []pushed, spans int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.stored {
		spans += int64(s.templates[a.template].spans)
	}
	return slices.Clone(s.stored), spans
}

// some is one of the acknowledged requests, if there is one.
func (s *push) some(rng *rand.Rand) (pushed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stored) == 0 {
		return pushed{}, false
	}
	return s.stored[rng.IntN(len(s.stored))], true
}

func newTemplate(b *span.Batch) template {
	_, body := wire.Encode(b)
	t := template{body: body, spans: b.Len(), probe: b.TraceID[0]}
	from := 0
	for _, id := range b.TraceID {
		if id == t.probe {
			t.probeSpans++
		}
		key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, id.Hi), id.Lo)
		at := from + bytes.Index(body[from:], key) // spans are in the order of the batch
		t.at, from = append(t.at, at), at+len(key)
	}
	return t
}

func (t *template) appendTo(dst []byte, number uint64) []byte {
	dst = append(dst, t.body...)
	for _, at := range t.at {
		hi := dst[at : at+8]
		binary.BigEndian.PutUint64(hi, binary.BigEndian.Uint64(hi)+number)
	}
	return dst
}

// traceOf is the probe's id in the request of that number.
func (t *template) traceOf(number uint64) span.TraceID {
	return span.TraceID{Hi: t.probe.Hi + number, Lo: t.probe.Lo}
}

// answers times questions.
type answers struct {
	rng      *rand.Rand
	took     map[string][]time.Duration
	notFound int
}

// one asks one of each kind.
func (a *answers) one(ctx context.Context, p *process, push *push) error {
	if a.took == nil {
		a.rng, a.took = rand.New(rand.NewPCG(1, 4)), map[string][]time.Duration{}
	}
	if some, ok := push.some(a.rng); ok {
		t := push.templates[some.template]
		began := time.Now()
		n, err := p.spansOf(ctx, t.traceOf(some.number))
		if err != nil {
			return err
		}
		a.took["trace"] = append(a.took["trace"], time.Since(began))
		if n != t.probeSpans {
			a.notFound++
		}
	}
	service := workload.Services[a.rng.IntN(len(workload.Services))]
	began := time.Now()
	q := url.QueryEscape(fmt.Sprintf("{ service.name = %q && duration > 100ms }", service))
	if err := p.get(ctx, "/api/shuai/v1/traces?from=0&limit=20&q="+q, nil); err != nil {
		return err
	}
	a.took["search"] = append(a.took["search"], time.Since(began))
	return nil
}

// print prints what was asked and returns the longest time.
func (a *answers) print(out io.Writer) (worst time.Duration) {
	for kind, what := range map[string]string{
		"trace":  fmt.Sprintf("an acknowledged trace by id, meanwhile; %d not found whole", a.notFound),
		"search": "newest 20 of a service over 100 ms, meanwhile",
	} {
		if took := a.took[kind]; len(took) > 0 {
			printQuantiles(out, kind, what, took)
			worst = max(worst, took[len(took)-1])
		}
	}
	return worst
}
