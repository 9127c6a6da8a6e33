package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store/local"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// TestDiskFault: while the disk fails, clients are told to come again and by when, over HTTP and gRPC; the operator reads
// why; when it works again so does the server, with everything that was acknowledged and nothing that was refused.
func TestDiskFault(t *testing.T) {
	for name, fault := range map[string]error{
		"ENOSPC":      syscall.ENOSPC,
		"EIO":         syscall.EIO,
		"short write": fmt.Errorf("%w: %w", io.ErrShortWrite, syscall.EIO),
	} {
		for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpSync} {
			t.Run(name+" "+op.String(), func(t *testing.T) { diskFault(t, op, fault) })
		}
	}
}

func diskFault(t *testing.T, op vfs.Op, fault error) {
	var failing atomic.Bool
	disk := vfs.NewMem()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	options := local.Options{
		Dir: "/data", FsyncBatch: true, Decode: wire.Replay, Encode: wire.Encode, MaxWait: 10 * time.Millisecond,
		FS: vfs.Inject(disk, func(o vfs.Op, _ string) error {
			if o == op && failing.Load() {
				return fault
			}
			return nil
		}),
	}
	spans, err := local.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	c := collect.New(collect.Config{Store: spans, Logger: logger})
	web := httptest.NewServer(c.HTTPHandler())
	defer web.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	calls := collect.NewHTTPServer(c.GRPCHandler())
	go func() { _ = calls.Serve(listener) }()
	defer calls.Close()
	p := &process{otlpHTTP: web.URL, otlpGRPC: listener.Addr().String()}

	acked, refused := map[uint64]bool{}, map[uint64]bool{}
	id := uint64(0)
	send := func(overGRPC bool) error {
		id++
		var b span.Batch
		b.Append(&span.Span{TraceID: span.TraceID{Lo: id}, SpanID: 1, Name: "x"})
		_, body := wire.Encode(&b)
		to, err := p.dial(overGRPC, false, new(atomic.Int64))
		if err != nil {
			t.Fatal(err)
		}
		defer to.close()
		err = to.send(t.Context(), body)
		(map[bool]map[uint64]bool{true: acked, false: refused})[err == nil][id] = true
		return err
	}
	for _, overGRPC := range []bool{false, true} {
		failing.Store(false)
		if err := send(overGRPC); err != nil {
			t.Fatal(err)
		}
		failing.Store(true)
		for range 3 {
			err := send(overGRPC)
			no, ok := errors.AsType[*refusedError](err)
			if want := map[bool]string{false: "503 Service Unavailable", true: codes.Unavailable.String()}[overGRPC]; !ok || no.what != want || no.after != time.Second {
				t.Fatalf("while the disk fails: %v (%v)", err, status.Code(err))
			}
		}
		failing.Store(false)
		for tries := 0; send(overGRPC) != nil; tries++ {
			if tries == 100 {
				t.Fatal("the disk works again, and the server does not")
			}
		}
	}
	if n := strings.Count(log.String(), "spans refused"); n != 1 || !strings.Contains(log.String(), fault.Error()) {
		t.Errorf("the operator reads %d lines:\n%s", n, &log)
	}
	if got := c.Stats().Refused["store_full"]; got < 6 {
		t.Errorf("%d refusals counted", got)
	}
	check := func(spans *local.Store, exact bool) {
		t.Helper()
		for id := uint64(1); id <= uint64(len(acked)+len(refused)); id++ {
			b, err := spans.Trace(t.Context(), span.TraceID{Lo: id})
			if acked[id] && (err != nil || b.Len() != 1) {
				t.Errorf("span %d was acknowledged: %v", id, err)
			}
			if exact && refused[id] && err == nil {
				t.Errorf("span %d was refused, and is there", id)
			}
		}
	}
	check(spans, true)
	after := disk.AfterCrash() // what a power cut leaves
	if err := spans.Close(); err != nil {
		t.Fatal(err)
	}
	options.FS = after
	if spans, err = local.Open(options); err != nil {
		t.Fatal(err)
	}
	check(spans, false) // a write that was not undone, since the disk failed, may have come through
	if err := spans.Close(); err != nil {
		t.Fatal(err)
	}
}
