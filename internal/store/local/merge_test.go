package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/workload"
)

func sizesOf(rows ...int) (s []mergeSize) {
	for _, n := range rows {
		s = append(s, mergeSize{n, int64(n)})
	}
	return s
}

func TestMergeable(t *testing.T) {
	full := slices.Repeat([]int{1000}, 20)
	for _, c := range []struct {
		name    string
		rows    []int
		bytes   int64
		from, n int
	}{
		{"nothing", nil, 1 << 30, 0, 0},
		{"full ones", full, 1 << 30, 0, 0},
		{"seven small ones", slices.Repeat([]int{10}, 7), 1 << 30, 0, 0},
		{"eight small ones", slices.Repeat([]int{10}, 8), 1 << 30, 0, 8},
		{"behind a large one", append([]int{1000}, slices.Repeat([]int{100}, 8)...), 1 << 30, 1, 8},
		{"a large one between", []int{10, 10, 10, 10, 1000, 10, 10, 10, 10}, 1 << 30, 0, 0},
		{"of different sizes", []int{10, 10, 10, 10, 100, 10, 10, 10, 10}, 1 << 30, 0, 0},
		{"too many bytes", slices.Repeat([]int{10}, 8), 79, 0, 0},
		{"an eighth of a full one", slices.Repeat([]int{125}, 8), 1 << 30, 0, 8},
		{"a little more", slices.Repeat([]int{126}, 8), 1 << 30, 0, 0},
	} {
		if from, n := mergeable(sizesOf(c.rows...), 1000, c.bytes); from != c.from || n != c.n {
			t.Errorf("%s: %d from %d, want %d from %d", c.name, n, from, c.n, c.from)
		}
	}
}

// TestMergeOften: however segments come, with each merging that of a span is twice as large.
func TestMergeOften(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const full = 1 << 17
		var rows, times []int // of each segment; how often its spans were merged at most
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, full/8-1), 0, 300).Draw(t, "segments") {
			n = max(n>>rapid.IntRange(0, 17).Draw(t, "smaller"), 1)
			rows, times = append(rows, n), append(times, 0)
			for {
				from, n := mergeable(sizesOf(rows...), full, 1<<40)
				if n == 0 {
					break
				}
				sum := 0
				for _, r := range rows[from : from+n] {
					sum += r
				}
				often := slices.Max(times[from:from+n]) + 1
				rows, times = slices.Replace(rows, from, from+n, sum), slices.Replace(times, from, from+n, often)
				if sum > full || often > 17 {
					t.Fatalf("%d rows, merged %d times", sum, often)
				}
			}
		}
	})
}

// segmentRanges are the numbers that the open segments have.
func segmentRanges(s *Store) (ranges []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segments {
		ranges = append(ranges, fmt.Sprintf("%d-%d", seg.first, seg.number))
	}
	return ranges
}

// waitMerged waits until the segments are these.
func waitMerged(t *testing.T, s *Store, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		got := segmentRanges(s)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("segments %v, want %v", got, want)
		}
	}
}

// TestMerge merges segments, while the model goes on to give the same answers.
func TestMerge(t *testing.T) {
	model := storetest.NewModel()
	disk := vfs.NewMem()
	s := open(t, options(disk, "/data"))
	var ids []span.TraceID
	for _, b := range workload.Generate(5, 20) {
		for _, st := range []store.Store{model, s} {
			if err := st.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, b.TraceID...)
		sealNow(t, s)
	}
	sealNow(t, s)
	ids = slices.Compact(ids)
	check := func() {
		t.Helper()
		for _, id := range ids {
			want, err := model.Trace(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Trace(t.Context(), id)
			if err != nil {
				_, again := s.Trace(t.Context(), id)
				t.Fatal(err, again, segmentRanges(s), s.Stats())
			}
			same(t, "trace "+id.String(), want, got)
		}
		for _, text := range []string{`{}`, `{ status = error }`, `{ kind = server && duration >= 10ms }`, `{ http.response.status_code >= 500 }`} {
			e, err := store.ParseFilter(text)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, model, s, e, store.TimeRange{})
		}
	}
	check()
	if s.Stats().MergedSegments < 8 {
		t.Fatalf("segments %v: none was merged", segmentRanges(s))
	}
	before := segmentRanges(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, options(disk, "/data"))
	waitMerged(t, s, before...)
	check()
	for r, err := range Check(t.Context(), options(disk, "/data")) {
		if err != nil || len(r.Damages) > 0 || r.Note != "" {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// TestDropMerged: a part that could not be removed when it was merged goes with the segment that it became part of.
func TestDropMerged(t *testing.T) {
	disk := vfs.NewMem()
	var stuck atomic.Bool
	stuck.Store(true)
	o := options(vfs.Inject(disk, func(op vfs.Op, name string) error {
		if stuck.Load() && op == vfs.OpRemove && filepath.Base(name) == "000003.parquet" {
			return syscall.EIO
		}
		return nil
	}), "/data")
	s := open(t, o)
	for i := range 8 {
		if err := s.Append(t.Context(), startingAt(i, time.Unix(int64(1000+i), 0))); err != nil {
			t.Fatal(err)
		}
		sealNow(t, s)
	}
	waitMerged(t, s, "1-8")
	for last := true; last; { // the parts are removed in order, after the segment has appeared
		var err error
		if last, err = vfs.Exists(disk, "/data/000008.parquet"); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := vfs.Exists(disk, "/data/000003.parquet"); err != nil || !is {
		t.Fatalf("the part was removed: %v", err)
	}
	stuck.Store(false)
	seg := s.segments[0]
	if err := s.drop(expiry{s.tenureOf(seg), "for the test"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	if there := whatIsThere(t, s); len(there) > 0 {
		t.Errorf("dropped spans are there again: %v", there)
	}
}

// merging opens a store and seals batch by batch, so that segments are merged, until the disk crashes. It returns the batches
// that were acknowledged.
func merging(o Options, disk *vfs.Mem, batches int) (acked map[int]bool) {
	acked = map[int]bool{}
	s, err := Open(o)
	if err != nil {
		return acked
	}
	defer func() { _ = s.Close() }()
	for i := range batches {
		if s.Append(context.Background(), numbered(i)) == nil {
			acked[i] = true
		}
		done := make(chan error, 1)
		s.rotate <- done
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-time.After(time.Millisecond): // a disk that has crashed makes no room
				if disk.Crashed() {
					return acked
				}
			}
		}
	}
	return acked
}

// TestMergeCrash crashes at every operation that changes the disk.
func TestMergeCrash(t *testing.T) {
	for k := 0; ; k++ {
		disk := vfs.NewMem()
		disk.CrashAt(k)
		o := options(disk, "/data")
		o.FsyncBatch, o.MaxWait, o.sealWait = true, 20*time.Millisecond, time.Microsecond
		acked := merging(o, disk, 9)
		o.MaxWait = 0
		rng := rand.New(rand.NewPCG(uint64(k), 1))
		for how, after := range map[string]*vfs.Mem{"kill": disk.AfterKill(), "power cut": disk.AfterCrash(), "torn": disk.AfterTear(rng)} {
			o.FS = after
			ro, err := OpenReadOnly(o)
			if err != nil && !errors.Is(err, ErrNoStore) && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s at operation %d: %v", how, k, err)
			}
			if err == nil {
				for i, there := 0, whatIsThere(t, ro); i < 9; i++ {
					if acked[i] && !there[i] {
						t.Fatalf("%s at operation %d, read only: batch %d was acknowledged and is gone", how, k, i)
					}
				}
				if err := ro.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Open(o)
			if err != nil {
				t.Fatalf("%s at operation %d: %v", how, k, err)
			}
			there := whatIsThere(t, s) // each once
			for i := range acked {
				if !there[i] {
					t.Fatalf("%s at operation %d: batch %d was acknowledged and is gone; there are %v", how, k, i, there)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatalf("%s at operation %d: %v", how, k, err)
			}
			for r, err := range Check(t.Context(), o) {
				if errors.Is(err, ErrNoStore) && len(there) == 0 {
					continue
				}
				if err != nil || len(r.Damages) > 0 || r.Note != "" {
					t.Fatalf("%s at operation %d: %+v, %v", how, k, r, err)
				}
			}
		}
		if !disk.Crashed() {
			t.Logf("%d operations", k)
			return
		}
	}
}

// TestMergeNotOpened does not let the merged segment be opened: then it must not be there either, since the next Open would
// count it for its parts, of which some may be dropped by then.
func TestMergeNotOpened(t *testing.T) {
	disk := vfs.NewMem()
	tried := false // the sealer's until Close
	o := options(vfs.Inject(disk, func(op vfs.Op, name string) error {
		if op == vfs.OpOpen && strings.Contains(filepath.Base(name), "-") {
			tried = true
			return syscall.EMFILE
		}
		return nil
	}), "/data")
	s := open(t, o)
	for i := range mergeWay {
		mustAppend(t, s, numbered(i))
		sealNow(t, s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !tried {
		t.Fatal("nothing was merged")
	}
	names, err := disk.List("/data")
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "-") }) {
		t.Errorf("a merged segment of which the store knew nothing: %q", names)
	}
}
