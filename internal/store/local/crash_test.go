package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// The batches of the crash tests: batch i has two spans of trace i+1, of which each says so.
func numbered(i int) *span.Batch {
	one := span.Span{
		TraceID: span.TraceID{Hi: uint64(i%3) + 1, Lo: uint64(i) + 1}, SpanID: span.ID(2*i + 1), Name: fmt.Sprint("batch ", i),
		Start: int64(i), Attrs: []span.Attribute{{Key: "batch", Value: span.IntValue(int64(i))}},
	}
	two := one
	two.SpanID++
	return batch(one, two)
}

// whatIsThere returns the batches that s has, each at most once and whole, or fails.
func whatIsThere(t *testing.T, s store.Store) map[int]bool {
	t.Helper()
	res, err := s.Select(t.Context(), store.Query{Count: true, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if res.Matched != res.Spans.Len() {
		t.Fatalf("%d spans, of which %d differ", res.Matched, res.Spans.Len())
	}
	spans := map[int]int{}
	for row := range res.Spans.Len() {
		v, ok := res.Spans.Lookup(res.Spans.Attrs[row], "batch")
		if !ok || res.Spans.String(res.Spans.Name[row]) != fmt.Sprint("batch ", v.Num) {
			t.Fatalf("a span that nobody sent: %+v", res.Spans.Span(row))
		}
		spans[int(v.Num)]++
	}
	whole := map[int]bool{}
	for i, n := range spans {
		if n != 2 {
			t.Fatalf("batch %d has %d spans, want 2", i, n)
		}
		whole[i] = true
		b, err := s.Trace(t.Context(), numbered(i).TraceID[0])
		if err != nil || b.Len() != 2 {
			t.Fatalf("trace of batch %d: %v, %v", i, b, err)
		}
	}
	return whole
}

// live opens a store, sends batches, closes it, and does so again: appends, rotations, seals and two
// openings. It returns the batches that were acknowledged.
func live(o Options) (acked map[int]bool) {
	acked = map[int]bool{}
	for life := range 2 {
		s, err := Open(o)
		if err != nil {
			return acked
		}
		for i := 5 * life; i < 5*life+5; i++ {
			if s.Append(context.Background(), numbered(i)) == nil {
				acked[i] = true
			}
		}
		if s.Close() != nil {
			return acked
		}
	}
	return acked
}

// TestCrash crashes at every operation that changes the disk.
func TestCrash(t *testing.T) {
	for _, fsync := range []bool{true, false} {
		t.Run(fmt.Sprintf("fsync=%v", fsync), func(t *testing.T) {
			for k := 0; ; k++ {
				if !crashAt(t, k, fsync) {
					t.Logf("%d operations", k)
					return
				}
			}
		})
	}
}

func crashAt(t *testing.T, k int, fsync bool) bool {
	disk := vfs.NewMem()
	disk.CrashAt(k)
	o := options(disk, "/data")
	o.FsyncBatch, o.SegmentRows, o.MaxWait, o.sealWait = fsync, 4, 20*time.Millisecond, time.Microsecond
	acked := live(o)
	o.MaxWait = 0
	rng := rand.New(rand.NewPCG(uint64(k), 1))
	left := map[string]*vfs.Mem{"kill": disk.AfterKill()}
	if fsync {
		left["power cut"], left["torn"], left["torn otherwise"] = disk.AfterCrash(), disk.AfterTear(rng), disk.AfterTear(rng)
	}
	for how, after := range left {
		o.FS = after
		s, err := Open(o)
		if err != nil {
			t.Fatalf("%s at operation %d: %v", how, k, err)
		}
		there := whatIsThere(t, s)
		for i := range acked {
			if !there[i] {
				t.Fatalf("%s at operation %d: batch %d was acknowledged and is gone; there are %v", how, k, i, there)
			}
		}
		if err := s.Append(t.Context(), numbered(100)); err != nil {
			t.Fatalf("%s at operation %d: the store takes no more: %v", how, k, err)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("%s at operation %d: %v", how, k, err)
		}
		if s, err = Open(o); err != nil {
			t.Fatalf("%s at operation %d: %v", how, k, err)
		}
		if again := whatIsThere(t, s); len(again) != len(there)+1 {
			t.Fatalf("%s at operation %d: %v became %v", how, k, there, again)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return disk.Crashed()
}

// TestFaults lets operations fail, at every point, for a while: what is refused is not there, what is
// acknowledged is, and when the disk works again so does the store.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault error
		n     int // operations in a row that fail
	}{
		{"ENOSPC", syscall.ENOSPC, 1},
		{"ENOSPC for long", syscall.ENOSPC, 6},
		{"EIO for long", syscall.EIO, 3},
		{"short write that cannot be undone", fmt.Errorf("%w: %w", io.ErrShortWrite, syscall.EIO), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k := 0; ; k++ {
				if !faultAt(t, k, c.n, c.fault) {
					t.Logf("%d operations", k)
					return
				}
			}
		})
	}
}

func faultAt(t *testing.T, k, n int, fault error) (met bool) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	ops := make(chan int, 1) // the count of operations; a lock, too
	ops <- 0
	armed := make(chan struct{})
	o := options(vfs.Inject(disk, func(op vfs.Op, _ string) error {
		select {
		case <-armed:
		default:
			return nil
		}
		switch op {
		case vfs.OpWrite, vfs.OpSync, vfs.OpCreate, vfs.OpRename, vfs.OpTruncate, vfs.OpSyncDir, vfs.OpRemove:
			i := <-ops
			ops <- i + 1
			if i >= k && i < k+n {
				return fault
			}
		case vfs.OpOpen, vfs.OpList, vfs.OpMkdir, vfs.OpLock, vfs.OpRead:
		}
		return nil
	}), "/data")
	o.FsyncBatch, o.SegmentRows, o.MaxWait, o.sealWait = true, 4, 5*time.Millisecond, time.Microsecond
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	close(armed)
	acked, refused := map[int]bool{}, map[int]bool{}
	for i := range 8 {
		err := s.Append(t.Context(), numbered(i))
		if err == nil {
			acked[i] = true
			continue
		}
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("fault at %d: %v is not ErrFull", k, err)
		}
		refused[i] = true
		if _, err := s.Trace(t.Context(), numbered(i).TraceID[0]); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("fault at %d: batch %d was refused and can be seen: %v", k, i, err)
		}
	}
	for i := 8; ; i++ { // until the disk works again
		if err := s.Append(t.Context(), numbered(i)); err == nil {
			acked[i] = true
			break
		} else if i == 40 {
			t.Fatalf("fault at %d: the store has not recovered: %v", k, err)
		}
		refused[i] = true
	}
	check := func(s *Store, exact bool) {
		there := whatIsThere(t, s)
		for i := range acked {
			if !there[i] {
				t.Fatalf("fault at %d: batch %d was acknowledged and is not there", k, i)
			}
		}
		for i := range there {
			if !acked[i] && (exact || !refused[i]) {
				t.Fatalf("fault at %d: batch %d is there and was refused", k, i)
			}
		}
	}
	check(s, true)
	killed := disk.AfterKill()
	i := <-ops
	met = i > k
	ops <- max(i, k+n) // Close finds a disk that works
	if err := s.Close(); err != nil {
		t.Fatalf("fault at %d: Close: %v", k, err)
	}
	for _, fsys := range []*vfs.Mem{killed, disk} {
		o.FS = fsys
		s, err := Open(o)
		if err != nil {
			t.Fatalf("fault at %d: %v", k, err)
		}
		check(s, false)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return met
}

// TestBackPressure fills the heads while nothing can be sealed.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := make(chan struct{})
		o := options(vfs.Inject(vfs.NewMem(), func(op vfs.Op, name string) error {
			select {
			case <-full:
			default:
				if op == vfs.OpCreate && strings.HasSuffix(name, tmpSuffix) {
					return syscall.ENOSPC
				}
			}
			return nil
		}), "/data")
		o.SegmentRows = 4
		s := open(t, o)
		for i := range 4 { // two heads
			if err := s.Append(t.Context(), numbered(i)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := s.Append(t.Context(), numbered(4)); !errors.Is(err, store.ErrFull) || time.Since(began) != s.o.MaxWait {
			t.Fatalf("third head: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.Append(ctx, numbered(5)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("with a deadline: %v", err)
		}
		if there := whatIsThere(t, s); len(there) != 4 {
			t.Fatalf("%v are there", there)
		}
		waiting := make(chan error)
		go func() { waiting <- s.Append(context.Background(), numbered(6)) }()
		synctest.Wait()
		close(full)
		err := <-waiting
		for tries := 0; errors.Is(err, store.ErrFull) && tries < 10; tries++ { // the sealer tries again within 30 s
			err = s.Append(t.Context(), numbered(6))
		}
		if err != nil {
			t.Fatalf("with room again: %v", err)
		}
		if st := s.Stats(); st.Spans != 10 {
			t.Fatalf("%+v", st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCloseWhileFull closes with a disk that never works again: the log has what the segment would.
func TestCloseWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		o := options(vfs.Inject(disk, func(op vfs.Op, name string) error {
			if op == vfs.OpCreate && strings.HasSuffix(name, tmpSuffix) {
				return syscall.ENOSPC
			}
			return nil
		}), "/data")
		o.SegmentRows = 4
		s := open(t, o)
		for i := range 4 {
			if err := s.Append(t.Context(), numbered(i)); err != nil {
				t.Fatal(err)
			}
		}
		blocked := make(chan error)
		go func() { blocked <- s.Append(context.Background(), numbered(4)) }()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-blocked; !errors.Is(err, store.ErrClosed) {
			t.Fatalf("Append during Close: %v", err)
		}
		o.FS = disk.AfterCrash()
		s = open(t, o)
		if st := s.Stats(); st.Spans != 8 {
			t.Fatalf("%+v", st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		s := open(t, options(disk, "/data"))
		time.Sleep(time.Hour)
		if err := s.Append(t.Context(), numbered(0)); err != nil {
			t.Fatal(err)
		}
		survives := func() int {
			o := options(disk.AfterCrash(), "/data")
			after, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = after.Close() }()
			return len(whatIsThere(t, after))
		}
		if n := survives(); n != 0 {
			t.Fatal("durable at once, though nobody asked for it")
		}
		time.Sleep(s.o.SyncEvery)
		synctest.Wait()
		if n := survives(); n != 1 {
			t.Fatal("not durable after SyncEvery")
		}
		time.Sleep(s.o.SealAfter - s.o.SyncEvery - 1)
		synctest.Wait()
		if st := s.Stats(); st.Segments != 0 || st.HeadSpans != 2 {
			t.Fatalf("sealed too early: %+v", st)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if st := s.Stats(); st.Segments != 1 || st.HeadSpans != 0 || st.Spans != 2 {
			t.Fatalf("not sealed after SealAfter: %+v", st)
		}
		time.Sleep(time.Hour) // an empty head is not sealed
		if st := s.Stats(); st.Segments != 1 {
			t.Fatalf("%+v", st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
