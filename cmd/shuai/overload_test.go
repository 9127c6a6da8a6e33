package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestOverload pushes for a moment as hard as 64 connections can, with little room for requests: what is refused
// is told when to come again, what is acknowledged is there, and questions are answered meanwhile.
func TestOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds the real server and keeps it busy")
	}
	// No figure of this machine is a reason to fail.
	out, err := exec.CommandContext(t.Context(), build(t), "bench", "overload", "--seconds", "2", "--connections", "64", "--verify", "100",
		"--max-answer-time", "60", "--max-memory", "4GiB").CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "refused ") || strings.Contains(string(out), "refused    0 ") {
		t.Error("nothing was refused: it was no overload")
	}
}

// TestHugeCalls: messages over gRPC that together are thirty times what may be in flight do not become memory.
func TestHugeCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds the real server")
	}
	const size, inFlight, calls = 30 << 20, 64 << 20, 64
	victim := startVictim(t, build(t), t.TempDir(), "--max-request-bytes", "31MiB", "--max-in-flight-bytes", fmt.Sprint(inFlight))
	before := peakMemory(t, victim)
	message := make([]byte, size)
	p := &process{otlpGRPC: victim.grpc}
	var senders sync.WaitGroup
	var refused, broken atomic.Int64
	for range calls {
		senders.Go(func() {
			to, err := p.dial(true, false, new(atomic.Int64))
			if err != nil {
				t.Error(err)
				return
			}
			defer to.close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = to.send(ctx, message)
			no, isRefused := errors.AsType[*refusedError](err)
			switch {
			case isRefused && no.after == time.Second:
				refused.Add(1)
			case status.Code(errors.Unwrap(err)) == codes.InvalidArgument: // zeros are no spans
				broken.Add(1)
			default:
				t.Errorf("%v", err)
			}
		})
	}
	senders.Wait()
	grown := peakMemory(t, victim) - before
	t.Logf("%d refused, %d read; the peak of memory grew by %d MiB", refused.Load(), broken.Load(), grown>>20)
	if broken.Load() == 0 {
		t.Error("not one message was read")
	}
	if grown > 9*inFlight { // buffers that grow leave garbage; without the bound it would be 30 times
		t.Errorf("%d calls of %d MiB made memory grow by %d MiB, with %d MiB to be in flight", calls, size>>20, grown>>20, inFlight>>20)
	}
}

// peakMemory is the most that a process had in memory, in bytes.
func peakMemory(t *testing.T, p *victim) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("only Linux says what another process takes: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
