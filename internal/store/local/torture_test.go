package local

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/vfs"
)

// rounds runs f n times, or for as long as SHUAI_TORTURE says (a duration: make torture), with a seed of its own each
// time; SHUAI_SEED is a seed to repeat.
func rounds(t *testing.T, n int, f func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	if text := os.Getenv("SHUAI_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			t.Fatalf("SHUAI_SEED: %v", err)
		}
		f(t, rand.New(rand.NewPCG(seed, 0)))
		return
	}
	end := time.Now()
	if text := os.Getenv("SHUAI_TORTURE"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SHUAI_TORTURE: %v", err)
		}
		end = end.Add(d)
	}
	done, seed := 0, uint64(0)
	defer func() {
		if t.Failed() {
			t.Logf("again with SHUAI_SEED=%#x", seed)
		}
		t.Logf("%d rounds", done)
	}()
	for ; !t.Failed() && (done < n || time.Now().Before(end)); done++ {
		seed = rand.Uint64()
		f(t, rand.New(rand.NewPCG(seed, 0)))
	}
}

// TestRandomCrashes lets senders work side by side on a disk that fails at random and at some moment loses its power, or
// its process: what was acknowledged is there afterwards, whole and once, however often that happens.
func TestRandomCrashes(t *testing.T) {
	rounds(t, 15, func(t *testing.T, rng *rand.Rand) {
		disk := vfs.NewMem()
		acked := map[int]bool{}
		next := 0
		for life := range 1 + rng.IntN(4) {
			powerCut := rng.IntN(2) == 0
			o := options(nil, "/data")
			o.FsyncBatch = powerCut || rng.IntN(2) == 0
			o.SegmentRows, o.MaxWait, o.sealWait = 2+rng.IntN(30), 2*time.Millisecond, time.Microsecond
			disk.CrashAt(rng.IntN(150))
			o.FS = vfs.Inject(disk, faults(rand.New(rand.NewPCG(rng.Uint64(), 1)), rng.IntN(3)))
			work(o, acked, next, 3, 2+rng.IntN(10))
			next += 1000
			switch {
			case !powerCut:
				disk = disk.AfterKill()
			case rng.IntN(2) == 0:
				disk = disk.AfterCrash()
			default:
				disk = disk.AfterTear(rng)
			}
			o.FS, o.MaxWait = disk, 0
			s, err := Open(o)
			if err != nil {
				t.Errorf("life %d: %v", life, err)
				return
			}
			there := whatIsThere(t, s)
			for i := range acked {
				if !there[i] {
					t.Errorf("life %d: batch %d was acknowledged and is gone", life, i)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("life %d: %v", life, err)
			}
		}
	})
}

// faults lets one operation in 16 fail that changes the disk, or none if kind is 0.
func faults(rng *rand.Rand, kind int) func(vfs.Op, string) error {
	var mu sync.Mutex
	return func(op vfs.Op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		switch op {
		case vfs.OpWrite, vfs.OpSync, vfs.OpCreate, vfs.OpRename, vfs.OpTruncate, vfs.OpSyncDir, vfs.OpRemove:
			if kind > 0 && rng.IntN(16) == 0 {
				return [...]error{nil, syscall.ENOSPC, fmt.Errorf("%w: %w", io.ErrShortWrite, syscall.EIO)}[kind]
			}
		case vfs.OpOpen, vfs.OpList, vfs.OpMkdir, vfs.OpLock, vfs.OpRead:
		}
		return nil
	}
}

// work opens a store and lets senders append each a number of batches; it enters those that were acknowledged.
func work(o Options, acked map[int]bool, first, senders, batches int) {
	s, err := Open(o)
	if err != nil {
		return // the disk failed, or its time has come
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	for k := range senders {
		group.Go(func() {
			for i := range batches {
				n := first + 100*k + i
				if s.Append(context.Background(), numbered(n)) == nil {
					mu.Lock()
					acked[n] = true
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	_ = s.Close() // it fails if the disk has
}
