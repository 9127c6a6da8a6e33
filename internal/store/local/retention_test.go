package local

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

func TestExpired(t *testing.T) {
	const now, hour = int64(100 * time.Hour), int64(time.Hour)
	three := []tenure{{1, 100, now - 3*hour, now}, {2, 50, now - 2*hour, now}, {3, 10, now - hour, now}}
	for _, c := range []struct {
		name     string
		segments []tenure
		logs     int64
		age      time.Duration
		maxBytes int64
		want     []uint64
	}{
		{"nothing there", nil, 0, time.Hour, 1, nil},
		{"no bounds", three, 1 << 40, 0, 0, nil},
		{"negative bounds are none", three, 0, -1, -1, nil},
		{"all young", three, 0, 4 * time.Hour, 0, nil},
		{"exactly as old as may be", three, 0, 3 * time.Hour, 0, nil},
		{"a nanosecond older", three, 0, 3*time.Hour - 1, 0, []uint64{1}},
		{"all old", three, 0, time.Minute, 0, []uint64{1, 2, 3}},
		{"exactly as large as may be", three, 0, 0, 160, nil},
		{"a byte larger", three, 0, 0, 159, []uint64{1}},
		{"logs count", three, 1, 0, 160, []uint64{1}},
		{"logs alone are too much", three, 1000, 0, 160, []uint64{1, 2, 3}},
		{"age makes room", three, 0, 3*time.Hour - 1, 60, []uint64{1}},
		{"age, then size", three, 0, 3*time.Hour - 1, 59, []uint64{1, 2}},
		{"by age of the spans, not by number", []tenure{{1, 1, now, now}, {2, 1, now - hour, now}, {3, 1, now - 2*hour, now}}, 0, 0, 1, []uint64{3, 2}},
		{"equal ages by number", []tenure{{9, 1, 5, 9}, {8, 1, 5, 8}, {7, 1, 5, 7}}, 0, 0, 1, []uint64{7, 8}},
		{"a clock ahead counts from sealing", []tenure{{1, 1, 9 * now, now - 3*hour}, {2, 1, 9 * now, now - hour}}, 0, 2 * time.Hour, 0, []uint64{1}},
		{"a clock ahead is not younger than the young", []tenure{{1, 1, 9 * now, now - hour}, {2, 1, now, now}}, 0, 0, 1, []uint64{1}},
		{"a file's time that is wrong is not looked at", []tenure{{1, 1, now, 0}, {2, 1, now - hour, 9 * now}}, 0, time.Hour, 0, nil},
		{"our own clock is behind", []tenure{{1, 1, 9 * now, 9 * now}}, 0, time.Nanosecond, 0, nil},
		{"from before 1970", three, 0, 200 * time.Hour, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.segments)
			var got []uint64
			for _, e := range expired(c.segments, c.logs, now, c.age, c.maxBytes) {
				got = append(got, e.number)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("dropped (-want +got):\n%s", d)
			}
			if !slices.Equal(before, c.segments) {
				t.Error("the argument was changed")
			}
		})
	}
}

// TestExpiredProperty: what is dropped was too old, or the oldest of too much; what stays is neither.
func TestExpiredProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) tenure {
			return tenure{rapid.Uint64Range(1, 50).Draw(t, "number"), rapid.Int64Range(0, 100).Draw(t, "bytes"), rapid.Int64Range(0, 200).Draw(t, "latest"), rapid.Int64Range(0, 200).Draw(t, "sealed")}
		}), 0, 12, func(x tenure) uint64 { return x.number }).Draw(t, "segments")
		logs, now := rapid.Int64Range(0, 100).Draw(t, "logs"), rapid.Int64Range(0, 120).Draw(t, "now")
		age, maxBytes := rapid.Int64Range(0, 100).Draw(t, "age"), rapid.Int64Range(0, 500).Draw(t, "maxBytes")

		left := map[uint64]tenure{}
		total := logs
		for _, s := range segments {
			left[s.number] = s
			total += s.bytes
		}
		from := func(s tenure) int64 {
			if s.latest <= now {
				return s.latest
			}
			return min(s.sealed, now)
		}
		old := func(s tenure) bool { return age > 0 && now-from(s) > age }
		for _, e := range expired(segments, logs, now, time.Duration(age), maxBytes) {
			if left[e.number] != e.tenure {
				t.Fatalf("%+v is dropped twice, or was never there", e)
			}
			for _, other := range left {
				if from(other) < from(e.tenure) {
					t.Fatalf("%+v is dropped before %+v", e, other)
				}
			}
			if !old(e.tenure) && (maxBytes == 0 || total <= maxBytes) {
				t.Fatalf("%+v is dropped, though it is young and all of %d bytes fit", e, total)
			}
			delete(left, e.number)
			total -= e.bytes
		}
		for _, s := range left {
			if old(s) {
				t.Fatalf("%+v stays", s)
			}
		}
		if maxBytes > 0 && total > maxBytes && len(left) > 0 {
			t.Fatalf("%d bytes stay", total)
		}
	})
}

// startingAt is batch i, started at a time.
func startingAt(i int, at time.Time) *span.Batch {
	b := numbered(i)
	for row := range b.Start {
		b.Start[row] = at.UnixNano()
	}
	return b
}

func there(t *testing.T, s store.Store) []int {
	t.Helper()
	return slices.Sorted(maps.Keys(whatIsThere(t, s)))
}

func mustAppend(t *testing.T, s store.Store, batches ...*span.Batch) {
	t.Helper()
	for _, b := range batches {
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func wantThere(t *testing.T, s store.Store, when string, want ...int) {
	t.Helper()
	if d := cmp.Diff(want, there(t, s)); d != "" {
		t.Fatalf("%s: batches (-want +got):\n%s", when, d)
	}
}

// wantSegments compares the numbers of the segments. Tests in a bubble of synctest must not read pages: the
// decompressors are pooled, and their channels belong to the bubble.
func wantSegments(t *testing.T, s *Store, when string, want ...uint64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []uint64
	for _, seg := range s.segments {
		got = append(got, seg.number)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s: segments (-want +got):\n%s", when, d)
	}
}

// TestRetention lets a store grow old.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		o := options(disk, "/data")
		o.Retention, o.SealAfter = 10*time.Hour, 1000*time.Hour
		s := open(t, o)
		began := time.Now()
		mustAppend(t, s, startingAt(0, began.Add(-3*time.Hour)))
		sealNow(t, s)
		mustAppend(t, s, startingAt(1, began))
		sealNow(t, s)
		mustAppend(t, s, startingAt(2, began.Add(365*24*time.Hour)), startingAt(3, began.Add(-5*time.Hour))) // a clock that is ahead
		sealNow(t, s)
		mustAppend(t, s, startingAt(4, began.Add(-9*time.Hour))) // stays in the head
		time.Sleep(7 * time.Hour)
		synctest.Wait()
		wantSegments(t, s, "as old as may be", 1, 2, 3)
		time.Sleep(retainEvery + time.Second)
		synctest.Wait()
		wantSegments(t, s, "seven hours", 2, 3)
		if st := s.Stats(); st.DroppedSegments != 1 || st.DroppedSpans != 2 || st.Spans != 8 || st.HeadSpans != 2 {
			t.Fatalf("%+v", st)
		}
		if ok, err := vfs.Exists(disk, "/data/000001.parquet"); ok || err != nil {
			t.Fatalf("the file is there: %v %v", ok, err)
		}

		// The moment of sealing is known to the next process as well.
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(began.Add(10 * time.Hour)))
		s = open(t, o) // segment 4, of the head, was too old as soon as Close had sealed it
		wantSegments(t, s, "ten hours", 2, 3)
		time.Sleep(retainEvery + time.Second)
		synctest.Wait()
		wantSegments(t, s, "more than ten hours")
		if st := s.Stats(); st.DroppedSegments != 2 || st.DroppedSpans != 6 || st.OldestStart != 0 || st.Spans != 0 {
			t.Fatalf("%+v", st)
		}
		mustAppend(t, s, startingAt(5, began)) // too old on arrival
		if st := s.Stats(); st.Spans != 2 {
			t.Fatalf("on arrival: %+v", st)
		}
		sealNow(t, s)
		synctest.Wait()
		wantSegments(t, s, "sealed")
		mustAppend(t, s, startingAt(6, time.Now()))
		sealNow(t, s)
		synctest.Wait()
		if st := s.Stats(); st.Segments != 1 || st.Spans != 2 {
			t.Fatalf("a young one: %+v", st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMaxBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(vfs.NewMem(), "/data")
		o.SegmentRows = 8 // so that segments of two spans are not merged
		s := open(t, o)
		for i := range 8 {
			mustAppend(t, s, startingAt(i, time.Unix(int64(1000+i), 0)))
			sealNow(t, s)
		}
		o.MaxBytes = s.Stats().Bytes / 2
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, o)
		wantSegments(t, s, "half may stay", 6, 7, 8) // with the log
		for i := 8; i < 20; i++ {
			mustAppend(t, s, startingAt(i, time.Unix(int64(1000+i), 0)))
			sealNow(t, s)
			synctest.Wait()
			if st := s.Stats(); st.Bytes > o.MaxBytes || st.Segments < 2 || st.OldestStart != int64(1001+i-st.Segments)*1e9 {
				t.Fatalf("batch %d, at most %d bytes: %+v", i, o.MaxBytes, st)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRetentionCrash crashes at every operation that changes the disk while old segments are dropped: what
// is young stays, what is old is there whole or not at all, and is gone when the store is opened again.
func TestRetentionCrash(t *testing.T) {
	now := time.Now()
	young := func(i int) bool { return i%2 == 1 }
	for k := 0; ; k++ {
		disk := vfs.NewMem()
		disk.CrashAt(k)
		o := options(disk, "/data")
		o.FsyncBatch, o.SegmentRows, o.MaxWait, o.sealWait = true, 2, 20*time.Millisecond, time.Microsecond
		acked := map[int]bool{}
		for life := range 2 { // first everything is kept
			if life == 1 {
				o.Retention = time.Hour
			}
			s, err := Open(o)
			if err != nil {
				break
			}
			for i := 3 * life; i < 3*life+3; i++ {
				at := now.Add(-2 * time.Hour)
				if young(i) {
					at = now
				}
				acked[i] = s.Append(context.Background(), startingAt(i, at)) == nil
			}
			if s.Close() != nil {
				break
			}
		}
		rng := rand.New(rand.NewPCG(uint64(k), 1))
		for how, after := range map[string]*vfs.Mem{"kill": disk.AfterKill(), "power cut": disk.AfterCrash(), "torn": disk.AfterTear(rng)} {
			for _, retention := range []time.Duration{0, time.Hour} {
				o.FS, o.Retention = after, retention
				s, err := Open(o)
				if err != nil {
					t.Fatalf("%s at operation %d: %v", how, k, err)
				}
				left := whatIsThere(t, s)
				if aside := s.Stats().SetAside; len(aside) > 0 {
					t.Fatalf("%s at operation %d: %q", how, k, aside)
				}
				for i, ok := range acked {
					if ok && young(i) && !left[i] {
						t.Fatalf("%s at operation %d: batch %d is young and gone; there are %v", how, k, i, left)
					}
					if !young(i) && left[i] && retention > 0 {
						t.Fatalf("%s at operation %d: batch %d is old and still there", how, k, i)
					}
				}
				if err := s.Close(); err != nil { // seals what was in the log
					t.Fatal(err)
				}
			}
		}
		if !disk.Crashed() {
			t.Logf("%d operations", k)
			return
		}
	}
}

// TestDropFails: what cannot be deleted stays, can be queried, and is tried again. A log that was left
// behind goes first, or it would bring the spans back.
func TestDropFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails []string
		var mu sync.Mutex
		failing := func(suffixes ...string) {
			mu.Lock()
			defer mu.Unlock()
			fails = suffixes
		}
		disk := vfs.NewMem()
		o := options(vfs.Inject(disk, func(op vfs.Op, name string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == vfs.OpRemove && slices.ContainsFunc(fails, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
				return syscall.EIO
			}
			return nil
		}), "/data")
		o.Retention = time.Hour
		s := open(t, o)
		failing("000001.log")
		mustAppend(t, s, startingAt(0, time.Now()))
		sealNow(t, s)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		wantSegments(t, s, "the log cannot be removed", 1)
		failing("000001.parquet")
		time.Sleep(2 * retainEvery)
		synctest.Wait()
		wantSegments(t, s, "the segment cannot be removed", 1)
		if names, err := disk.List("/data"); err != nil || slices.Contains(names, "000001.log") || !slices.Contains(names, "000001.parquet") {
			t.Fatalf("%v are there: %v", names, err)
		}
		if st := s.Stats(); st.DroppedSegments != 0 {
			t.Fatalf("%+v", st)
		}
		failing()
		time.Sleep(2 * retainEvery)
		synctest.Wait()
		wantSegments(t, s, "with a disk that works")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDropDuringQuery: a query that began before goes on reading the segment, on a real disk as well.
func TestDropDuringQuery(t *testing.T) {
	for name, o := range map[string]Options{"mem": onMem(t), "disk": onDisk(t)} {
		t.Run(name, func(t *testing.T) {
			o.Retention = time.Hour
			s := open(t, o)
			mustAppend(t, s, startingAt(0, time.Now()))
			sealNow(t, s)
			before := 0
			err := s.query(t.Context(), func(v view) error {
				s.retain(time.Now().Add(2 * time.Hour)) // the sealer sleeps
				res, err := v.choose(t.Context(), store.Query{Count: true})
				before = res.Matched
				return err
			})
			if err != nil || before != 2 {
				t.Fatalf("a query that began before finds %d spans, %v", before, err)
			}
			if names, err := o.FS.List(o.Dir); err != nil || slices.Contains(names, "000001.parquet") {
				t.Fatalf("the file is there: %v %v", names, err)
			}
			wantThere(t, s, "a query that begins after")
		})
	}
}

// TestRetentionRace asks while segments come and go: every answer is of whole batches, in a row up to the
// newest.
func TestRetentionRace(t *testing.T) {
	o := onDisk(t)
	o.SegmentRows, o.MaxBytes = 8, 50_000
	s := open(t, o)
	const batches = 100
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for stop := false; !stop; {
				select {
				case <-done:
					stop = true // and once more, at the end
				default:
				}
				res, err := s.Select(context.Background(), store.Query{Count: true, Limit: 2 * batches})
				if err != nil {
					t.Error(err)
					return
				}
				count := map[string]int{}
				for row := range res.Spans.Len() {
					count[res.Spans.String(res.Spans.Name[row])]++
				}
				for name, n := range count {
					if n != 2 {
						t.Errorf("%s has %d spans", name, n)
					}
				}
				if _, err := s.Aggregate(context.Background(), store.AggregateQuery{By: []store.Field{store.Name}}); err != nil {
					t.Error(err)
				}
				if _, err := s.Trace(context.Background(), numbered(batches / 2).TraceID[0]); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	for i := range batches {
		mustAppend(t, s, startingAt(i, time.Now()))
	}
	sealNow(t, s)
	close(done)
	wg.Wait()
	left := there(t, s)
	if st := s.Stats(); st.DroppedSegments == 0 || len(left) == 0 || left[len(left)-1] != batches-1 || left[0] != batches-len(left) {
		t.Fatalf("%v are there: %+v", left, st)
	}
	if st := s.Stats(); st.Spans+st.DroppedSpans != 2*batches {
		t.Fatalf("%+v", st)
	}
}
