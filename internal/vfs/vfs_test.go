package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestFS is what every file system does.
func TestFS(t *testing.T) {
	for name, fsys := range map[string]FS{
		"os": OS(), "mem": NewMem(), "inject": Inject(NewMem(), func(Op, string) error { return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			for range 2 { // making it again is fine
				if err := fsys.MkdirAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
			if _, err := fsys.Open(one); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("open of a missing file: %v", err)
			}
			if _, err := fsys.OpenReadWrite(one); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("open for writing of a missing file: %v", err)
			}
			if err := WriteFile(fsys, one, []byte("hello world")); err != nil {
				t.Fatal(err)
			}
			f, err := fsys.OpenReadWrite(one)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 5)
			if n, err := f.ReadAt(p, 6); n != 5 || err != nil && !errors.Is(err, io.EOF) || string(p) != "world" {
				t.Fatalf("ReadAt = %d, %v, %q", n, err, p)
			}
			if n, err := f.ReadAt(p, 9); n != 2 || !errors.Is(err, io.EOF) {
				t.Fatalf("ReadAt past the end = %d, %v", n, err)
			}
			if err := f.Truncate(5); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("!"), 7); err != nil {
				t.Fatal(err)
			}
			if size, err := f.Size(); size != 8 || err != nil {
				t.Fatalf("Size = %d, %v", size, err)
			}
			if at, err := f.ModTime(); err != nil || time.Since(at).Abs() > time.Minute {
				t.Fatalf("ModTime = %v, %v", at, err)
			}
			if err := errors.Join(f.Sync(), f.Close(), fsys.Rename(one, two), fsys.SyncDir(dir)); err != nil {
				t.Fatal(err)
			}
			if names, err := fsys.List(dir); err != nil || !slices.Equal(names, []string{"two"}) {
				t.Fatalf("List = %q, %v", names, err)
			}
			if data, err := ReadFile(fsys, two); err != nil || string(data) != "hello\x00\x00!" {
				t.Fatalf("ReadFile = %q, %v", data, err)
			}
			if f, err := fsys.Create(two); err != nil {
				t.Fatal(err)
			} else if size, err := f.Size(); size != 0 || err != nil || f.Close() != nil {
				t.Fatalf("Create of an existing file leaves %d bytes, %v", size, err)
			}
			if ok, err := Exists(fsys, two); !ok || err != nil {
				t.Fatalf("Exists = %v, %v", ok, err)
			}
			if err := fsys.Remove(two); err != nil {
				t.Fatal(err)
			}
			if ok, err := Exists(fsys, two); ok || err != nil {
				t.Fatalf("Exists after Remove = %v, %v", ok, err)
			}
			lock, err := fsys.Lock(filepath.Join(dir, "LOCK"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.Lock(filepath.Join(dir, "LOCK")); !errors.Is(err, ErrLocked) {
				t.Fatalf("second Lock: %v", err)
			}
			if err := lock.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := fsys.Lock(filepath.Join(dir, "LOCK"))
			if err != nil {
				t.Fatalf("Lock after it was given back: %v", err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestMemCrash walks a file through its life and looks at each stage at what a crash would leave.
func TestMemCrash(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("/d"))
	f, err := m.Create("/d/x")
	must(t, err)
	left := func(want string) {
		t.Helper()
		data, err := ReadFile(m.AfterCrash(), "/d/x")
		if got := string(data); got != want && (want != "gone" || !errors.Is(err, fs.ErrNotExist)) {
			t.Fatalf("a power cut leaves %q (%v), want %q", got, err, want)
		}
	}
	_, err = f.WriteAt([]byte("one"), 0)
	must(t, err, f.Sync())
	left("gone") // its name was not synced
	must(t, m.SyncDir("/d"))
	left("one")
	_, err = f.WriteAt([]byte("two"), 3)
	must(t, err)
	left("one")
	must(t, f.Sync())
	left("onetwo")
	must(t, f.Truncate(1))
	left("onetwo")
	must(t, m.Rename("/d/x", "/d/y"))
	left("onetwo")
	if data, err := ReadFile(m.AfterKill(), "/d/y"); err != nil || string(data) != "o" {
		t.Fatalf("a kill leaves %q, %v", data, err)
	}
	must(t, m.SyncDir("/d"))
	left("gone")
	must(t, m.Remove("/d/y"))
	if ok, err := Exists(m.AfterCrash(), "/d/y"); !ok || err != nil {
		t.Fatalf("a removal that was not synced survives: %v %v", ok, err)
	}
}

func TestMemCrashAt(t *testing.T) {
	for k := 0; ; k++ {
		m := NewMem()
		must(t, m.MkdirAll("/d"))
		m.CrashAt(k)
		f, err := m.Create("/d/x")
		if err == nil {
			_, err = f.WriteAt([]byte("0123"), 0)
		}
		if err == nil {
			err = f.Sync()
		}
		if !m.Crashed() {
			if err != nil || k != 3 {
				t.Fatalf("no crash at %d, %v", k, err)
			}
			return
		}
		if !errors.Is(err, ErrCrashed) {
			t.Fatalf("crash at %d: %v", k, err)
		}
		if _, err := m.Open("/d/x"); !errors.Is(err, ErrCrashed) {
			t.Fatalf("after the crash at %d: %v", k, err)
		}
		data, _ := ReadFile(m.AfterKill(), "/d/x")
		if want := []string{"", "01", "0123"}[k]; string(data) != want {
			t.Fatalf("crash at %d leaves %q, want %q", k, data, want)
		}
	}
}

func TestMemTear(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("/d"))
	f, err := m.Create("/d/x")
	must(t, err)
	_, err = f.WriteAt([]byte("safe"), 0)
	must(t, err, f.Sync(), m.SyncDir("/d"))
	_, err = f.WriteAt(slices.Repeat([]byte{'x'}, 4000), 4)
	must(t, err)
	sizes := map[int]bool{}
	holes := false
	for seed := range uint64(50) {
		data, err := ReadFile(m.AfterTear(rand.New(rand.NewPCG(seed, 0))), "/d/x")
		if err != nil || len(data) < 4 || string(data[:4]) != "safe" {
			t.Fatalf("seed %d: %q, %v", seed, data, err)
		}
		sizes[len(data)] = true
		holes = holes || slices.Contains(data, 0)
	}
	if len(sizes) < 10 || !holes {
		t.Fatalf("%d different tears, holes: %v", len(sizes), holes)
	}
}

func TestInject(t *testing.T) {
	var fail error
	var at Op
	m := NewMem()
	fsys := Inject(m, func(op Op, _ string) error {
		if op == at {
			return fail
		}
		return nil
	})
	must(t, fsys.MkdirAll("/d"))
	f, err := fsys.Create("/d/x")
	must(t, err)
	for _, c := range []struct {
		op Op
		do func() error
	}{
		{OpCreate, func() error { _, err := fsys.Create("/d/y"); return err }},
		{OpOpen, func() error { _, err := fsys.Open("/d/x"); return err }},
		{OpOpen, func() error { _, err := fsys.OpenReadWrite("/d/x"); return err }},
		{OpRename, func() error { return fsys.Rename("/d/x", "/d/y") }},
		{OpRemove, func() error { return fsys.Remove("/d/x") }},
		{OpList, func() error { _, err := fsys.List("/d"); return err }},
		{OpMkdir, func() error { return fsys.MkdirAll("/e") }},
		{OpSyncDir, func() error { return fsys.SyncDir("/d") }},
		{OpLock, func() error { _, err := fsys.Lock("/d/LOCK"); return err }},
		{OpRead, func() error { _, err := f.ReadAt(nil, 0); return err }},
		{OpWrite, func() error { _, err := f.WriteAt([]byte("abcd"), 0); return err }},
		{OpTruncate, func() error { return f.Truncate(9) }},
		{OpSync, f.Sync},
	} {
		at, fail = c.op, syscall.ENOSPC
		if err := c.do(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", c.op, err)
		}
	}
	fail = nil
	if names, err := fsys.List("/d"); err != nil || !slices.Equal(names, []string{"x"}) {
		t.Fatalf("failed operations had an effect: %q, %v", names, err)
	}
	at, fail = OpWrite, io.ErrShortWrite
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, io.ErrShortWrite) {
		t.Fatalf("short write = %d, %v", n, err)
	}
	if data, err := ReadFile(m, "/d/x"); err != nil || string(data) != "ab" {
		t.Fatalf("a short write leaves %q, %v", data, err)
	}
}

// TestMap maps a file on each disk, and on the real one cuts it off meanwhile.
func TestMap(t *testing.T) {
	for name, fsys := range map[string]FS{"os": OS(), "mem": NewMem(), "inject": Inject(OS(), func(Op, string) error { return nil })} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := fsys.MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "file")
			want := bytes.Repeat([]byte("x"), 64<<10)
			if err := WriteFile(fsys, path, want); err != nil {
				t.Fatal(err)
			}
			f, err := fsys.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			f.WillNeed(0, 1) // of what is not mapped yet: nothing
			got, err := f.Map()
			for _, r := range [...][2]uint64{{0, 1}, {5000, 60_000}, {4096, 4096}, {9000, 100}, {0, 64<<10 + 1}, {1 << 40, 1 << 41}, {0, 64 << 10}} {
				f.WillNeed(r[0], r[1])
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if name == "os" {
				if err := os.Truncate(path, 0); err != nil {
					t.Fatal(err)
				}
				if fault := touch(got); fault == nil {
					t.Error("reading what is gone faulted not")
				}
				f.WillNeed(0, 64<<10)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// touch reads p, and returns the fault that it met.
func touch(p []byte) (fault any) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() }()
	for _, c := range p {
		touched += c
	}
	return nil
}

var touched byte
