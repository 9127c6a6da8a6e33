package local

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// contents are the files of a directory.
func contents(t *testing.T, fsys vfs.FS, dir string) map[string]string {
	t.Helper()
	names, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		data, err := vfs.ReadFile(fsys, filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}

func openReadOnly(t *testing.T, o Options) *Store {
	t.Helper()
	o.Encode = nil
	s, err := OpenReadOnly(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

// readingOnly fails the test when anything is written.
func readingOnly(t *testing.T, fsys vfs.FS) vfs.FS {
	return vfs.Inject(fsys, func(op vfs.Op, name string) error {
		switch op {
		case vfs.OpOpen, vfs.OpList, vfs.OpRead:
			return nil
		default:
			t.Errorf("%s of %s", op, name)
			return syscall.EROFS
		}
	})
}

// TestReadOnly looks at a store beside its server: the answers are the server's, and nothing is written.
func TestReadOnly(t *testing.T) {
	o := onDisk(t)
	s := open(t, o)
	for i := range 4 {
		mustAppend(t, s, numbered(i))
		if i%2 == 1 {
			sealNow(t, s)
		}
	}
	if err := s.Close(); err != nil { // the sealer may still be at work
		t.Fatal(err)
	}
	s = open(t, o)
	mustAppend(t, s, numbered(4), numbered(5))
	before := contents(t, o.FS, o.Dir)
	ro := o
	ro.FS = readingOnly(t, o.FS)
	r := openReadOnly(t, ro)

	wantThere(t, r, "beside the server", 0, 1, 2, 3, 4, 5)
	if d := cmp.Diff(s.Stats(), r.Stats()); d != "" {
		t.Errorf("Stats (-server +tool):\n%s", d)
	}
	names := func(s store.Store) []string {
		list, err := s.Names(t.Context(), store.NamesQuery{Of: store.Operations})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if d := cmp.Diff(names(s), names(r)); d != "" {
		t.Errorf("Names (-server +tool):\n%s", d)
	}
	if err := r.Append(t.Context(), numbered(7)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Append: %v", err)
	}
	mustAppend(t, s, numbered(7)) // the server goes on
	wantThere(t, r, "later", 0, 1, 2, 3, 4, 5)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := r.Trace(t.Context(), numbered(0).TraceID[0]); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Trace after Close: %v", err)
	}
	after := contents(t, o.FS, o.Dir)
	log := "000003.log"
	if !strings.HasPrefix(after[log], before[log]) {
		t.Error("the log is another")
	}
	delete(before, log)
	delete(after, log)
	if !maps.Equal(before, after) {
		t.Errorf("files were %v, are %v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
}

// TestReadOnlyDamage opens what TestDamage opens: what can be read is there, and everything stays as it is.
func TestReadOnlyDamage(t *testing.T) {
	good, ends := logOf(0, 1, 2)
	later, _ := logOf(3, 4)
	middle := bytes.Clone(good)
	middle[ends[0]+20] ^= 1
	segment := segmentOf(t, good)
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  []int
		aside []string // beginnings
	}{
		{"only the lock", map[string][]byte{lockName: nil}, nil, nil},
		{"an empty log", map[string][]byte{"000001.log": nil}, nil, nil},
		{"a log and its segment", map[string][]byte{"000001.log": good, "000001.parquet": segment}, []int{0, 1, 2}, nil},
		{"a segment half written", map[string][]byte{"000001.log": good, "000001.parquet.tmp": segment[:99]}, []int{0, 1, 2}, nil},
		{"a torn tail", map[string][]byte{"000001.log": good[:len(good)-1]}, []int{0, 1}, nil},
		{"a torn tail in an older log", map[string][]byte{"000001.log": good[:len(good)-1], "000002.log": later}, []int{0, 1, 3, 4}, []string{"000001.log: bytes"}},
		{"a frame in the middle", map[string][]byte{"000001.log": middle}, []int{0, 2}, []string{"000001.log: bytes"}},
		{"no log", map[string][]byte{"000001.log": []byte("something else"), "000002.log": later}, []int{3, 4}, []string{"000001.log: not a log"}},
		{"half a segment", map[string][]byte{"000001.parquet": segment[:len(segment)/2], "000002.log": later}, []int{3, 4}, []string{"000001.parquet: "}},
		{"half a segment with its log", map[string][]byte{"000001.parquet": segment[:len(segment)/2], "000001.log": good}, []int{0, 1, 2}, []string{"000001.parquet: "}},
		{"set aside before", map[string][]byte{"000004.parquet.bad": segment, "000005.log": later}, []int{3, 4}, []string{"000004.parquet.bad: set aside earlier"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := diskWith(t, c.files)
			before := contents(t, disk, "/data")
			s := openReadOnly(t, options(readingOnly(t, disk), "/data"))
			wantThere(t, s, "read only", c.want...)
			aside := s.Stats().SetAside
			if !slices.EqualFunc(aside, c.aside, strings.HasPrefix) {
				t.Errorf("set aside: %q, want %q", aside, c.aside)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if after := contents(t, disk, "/data"); !maps.Equal(before, after) {
				t.Error("the directory has changed")
			}
		})
	}
}

// segmentOf is the segment that a log becomes.
func segmentOf(t *testing.T, log []byte) []byte {
	t.Helper()
	disk := diskWith(t, map[string][]byte{"000001.log": log})
	s := open(t, options(disk, "/data"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := vfs.ReadFile(disk, "/data/000001.parquet")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestReadOnlyCorruptPage meets damage when it answers: the segment is left out of the answers and stays.
func TestReadOnlyCorruptPage(t *testing.T) {
	good, _ := logOf(0, 1, 2)
	segment := segmentOf(t, good)
	segment[whereSpanIDsAre(t, segment)] ^= 1
	later, _ := logOf(3)
	disk := diskWith(t, map[string][]byte{"000001.parquet": segment, "000002.log": later})
	before := contents(t, disk, "/data")
	s := openReadOnly(t, options(readingOnly(t, disk), "/data"))
	wantThere(t, s, "a corrupt page", 3)
	if aside := s.Stats().SetAside; len(aside) != 1 || !strings.HasPrefix(aside[0], "000001.parquet: ") {
		t.Errorf("set aside: %q", aside)
	}
	if after := contents(t, disk, "/data"); !maps.Equal(before, after) {
		t.Error("the directory has changed")
	}
}

func TestReadOnlyErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(options(vfs.OS(), filepath.Join(dir, "missing"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(options(vfs.OS(), dir)); !errors.Is(err, ErrNoStore) || !strings.Contains(err.Error(), dir) {
		t.Errorf("not a store: %v", err)
	}
	if _, err := OpenReadOnly(Options{Dir: dir}); err == nil {
		t.Error("without Decode")
	}
	log, _ := logOf(0)
	good := diskWith(t, map[string][]byte{"000001.log": log, "000002.parquet": segmentOf(t, log)})
	for _, op := range []vfs.Op{vfs.OpList, vfs.OpOpen, vfs.OpRead} {
		for _, of := range []string{"data", ".log", ".parquet"} {
			failed := false
			_, err := OpenReadOnly(options(vfs.Inject(good, func(o vfs.Op, name string) error {
				if o == op && strings.HasSuffix(name, of) {
					failed = true
					return syscall.EIO
				}
				return nil
			}), "/data"))
			if failed && !errors.Is(err, syscall.EIO) {
				t.Errorf("%s of %s fails: %v", op, of, err)
			}
		}
	}
	var n atomic.Uint64 // a directory in which a file is gone whenever one looks
	_, err := OpenReadOnly(options(vfs.Inject(good, func(op vfs.Op, name string) error {
		if op == vfs.OpOpen {
			n.Add(1)
			return &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		}
		return nil
	}), "/data"))
	if !errors.Is(err, errChanged) || n.Load() != maxLooks {
		t.Errorf("a directory that keeps changing: %v after %d looks", err, n.Load())
	}
}

// blinking is a disk whose first list lacks a number, as a list may that is read while a server seals it:
// behind the place of the segment when that appears, and before that of the log when that goes.
type blinking struct {
	vfs.FS
	hides string
	lists int
}

func (b *blinking) List(dir string) ([]string, error) {
	names, err := b.FS.List(dir)
	if b.lists++; b.lists == 1 {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, b.hides) })
	}
	return names, err
}

func TestReadOnlyListTwice(t *testing.T) {
	one, _ := logOf(0)
	two, _ := logOf(1)
	disk := &blinking{FS: diskWith(t, map[string][]byte{"000001.parquet": segmentOf(t, one), "000002.parquet": segmentOf(t, two)}), hides: "000002"}
	wantThere(t, openReadOnly(t, options(disk, "/data")), "a list with a gap", 0, 1)
}

// TestReadOnlyRace looks again and again while a server appends, seals and drops: each look shows all that
// was acknowledged before it and is not too old, whole.
func TestReadOnlyRace(t *testing.T) {
	o := onDisk(t)
	o.SegmentRows, o.MaxBytes = 16, 100_000
	s := open(t, o)
	const batches = 300
	var acked atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range batches {
			if err := s.Append(context.Background(), startingAt(i, time.Now())); err != nil {
				t.Error(err)
				return
			}
			acked.Store(int64(i) + 1)
		}
	}()
	for looks := 0; ; looks++ {
		stop := false
		select {
		case <-done:
			stop = true
		default:
		}
		least := int(acked.Load())
		r, err := OpenReadOnly(o)
		if errors.Is(err, errChanged) && !stop { // this server seals every few milliseconds
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		left := there(t, r)
		for i, batch := range left {
			if batch != left[0]+i {
				t.Fatalf("batch %d is missing: %v", left[0]+i, left)
			}
		}
		if least > 0 && (len(left) == 0 || left[len(left)-1] < least-1) {
			t.Fatalf("%d were acknowledged, there are %v", least, left)
		}
		if aside := r.Stats().SetAside; len(aside) > 0 {
			t.Fatalf("set aside: %q", aside)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if stop {
			t.Logf("%d looks", looks+1)
			return
		}
	}
}
