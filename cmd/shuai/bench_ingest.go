package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// BenchIngestCmd sends spans over OTLP.
type BenchIngestCmd struct {
	Spans       int    `default:"3000000" help:"How many spans to send, about. (${default})"`
	Connections int    `default:"4" help:"Send over this many connections at once. (${default})"`
	GRPC        bool   `name:"grpc" help:"Send over gRPC rather than HTTP."`
	Gzip        bool   `help:"Compress the requests, as most SDKs do."`
	Seed        uint64 `default:"1" help:"The same seed makes the same spans. (${default})"`
	Keys        int    `default:"46" help:"Spread the attributes over this many keys; the shop has ${default}."`
	Fsync       string `default:"interval" enum:"interval,batch" help:"The server's --fsync. (${default})"`
	Findings    bool   `help:"Let the server examine the traces meanwhile for what they waste, as it does by itself: that takes a share of the time, not of the spans."`
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
	if !cmd.Findings {
		flags = append(flags, "--no-findings")
	}
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
	group, gctx := errgroup.WithContext(ctx)
	bodies := make(chan benchRequest, 2*cmd.Connections)
	group.Go(func() error {
		defer close(bodies)
		made := 0
		for b := range workload.Widen(workload.Batches(cmd.Seed), cmd.Seed, cmd.Keys) {
			_, body := wire.Encode(b)
			select {
			case bodies <- benchRequest{b.Len(), body}:
			case <-gctx.Done():
				return nil // a sender has the reason
			}
			if made += b.Len(); made >= cmd.Spans {
				return nil
			}
		}
		return nil
	})
	for range cmd.Connections {
		group.Go(func() error {
			to, err := p.dial(cmd.GRPC, cmd.Gzip, &wireBytes)
			if err != nil {
				return err
			}
			defer to.close()
			for r := range bodies {
				n, err := sendUntilStored(gctx, to, r.body)
				refused.Add(n)
				if err != nil {
					return err
				}
				sent.Add(int64(r.spans))
				requests.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
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

func gzipped(p []byte) []byte {
	var b bytes.Buffer
	w, _ := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&b)
	_, _ = w.Write(p) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// exporter sends requests over one connection of its own.
type exporter interface {
	// send returns nil once the request is stored, whole, and a *refusedError if it is to be sent again.
	send(ctx context.Context, body []byte) error
	close()
}

// refusedError is a request that the server did not take now; after is when it wants it again, 0 if it does not say.
type refusedError struct {
	what  string
	after time.Duration
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("refused with %s, to come again after %s", e.what, e.after)
}

// sendUntilStored sends until the request is acknowledged and says how often it was told to come again.
func sendUntilStored(ctx context.Context, to exporter, body []byte) (refused int64, err error) {
	for ; ; refused++ {
		err := to.send(ctx, body)
		no, ok := errors.AsType[*refusedError](err)
		if !ok {
			return refused, err
		}
		select {
		case <-time.After(max(no.after, 10*time.Millisecond)):
		case <-ctx.Done():
			return refused, ctx.Err()
		}
	}
}

// dial returns an exporter; it counts the bytes of bodies as they go over the wire.
func (p *process) dial(overGRPC, gzip bool, wireBytes *atomic.Int64) (exporter, error) {
	if !overGRPC {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
		return httpExporter{client, p.otlpHTTP + "/v1/traces", gzip, wireBytes}, nil
	}
	calls := []grpc.CallOption{grpc.ForceCodecV2(rawCodec{})}
	if gzip {
		calls = append(calls, grpc.UseCompressor(grpcgzip.Name))
	}
	conn, err := grpc.NewClient(p.otlpGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(calls...), grpc.WithStatsHandler(payloads{wireBytes}))
	return grpcExporter{conn}, err
}

type httpExporter struct {
	client    *http.Client
	url       string
	gzip      bool
	wireBytes *atomic.Int64
}

func (e httpExporter) close() { e.client.CloseIdleConnections() }

func (e httpExporter) send(ctx context.Context, body []byte) error {
	if e.gzip {
		body = gzipped(body)
	}
	e.wireBytes.Add(int64(len(body)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if e.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusOK && len(answer) == 0: // anything in it would be a partial success
		return nil
	case resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests:
		after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &refusedError{resp.Status, time.Duration(after) * time.Second}
	}
	return fmt.Errorf("the collector answered %s: %q", resp.Status, answer)
}

type grpcExporter struct{ conn *grpc.ClientConn }

func (e grpcExporter) close() { _ = e.conn.Close() }

func (e grpcExporter) send(ctx context.Context, body []byte) error {
	var answer []byte
	err := e.conn.Invoke(ctx, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", body, &answer)
	st := status.Convert(err)
	switch st.Code() {
	case codes.OK:
		if len(answer) > 0 {
			return fmt.Errorf("the collector took only a part: %q", answer)
		}
		return nil
	case codes.Unavailable, codes.ResourceExhausted:
		no := &refusedError{what: st.Code().String()}
		for _, d := range st.Details() {
			if r, ok := d.(*errdetails.RetryInfo); ok {
				no.after = r.GetRetryDelay().AsDuration()
				return no
			}
		}
		if st.Code() == codes.Unavailable {
			return no
		}
		return fmt.Errorf("the collector answered for good: %w", err)
	default:
		return fmt.Errorf("the collector answered %w", err)
	}
}

// payloads is a stats.Handler that counts what is sent.
type payloads struct{ wireBytes *atomic.Int64 }

func (p payloads) HandleRPC(_ context.Context, s stats.RPCStats) {
	if out, ok := s.(*stats.OutPayload); ok {
		p.wireBytes.Add(int64(out.CompressedLength))
	}
}

func (payloads) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (payloads) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (payloads) HandleConn(context.Context, stats.ConnStats)                       {}

// rawCodec sends []byte and receives into *[]byte.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("a message of type %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(p)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a message of type %T", v)
	}
	*p = data.Materialize()
	return nil
}
