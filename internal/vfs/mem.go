package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ErrCrashed is the answer of a [Mem] to everything after its crash.
var ErrCrashed = errors.New("the disk has crashed")

// Mem is a disk in memory that knows what would survive a crash. Directories exist from MkdirAll on
// and are durable at once; files and their names are durable as package vfs says.
type Mem struct {
	mu      sync.Mutex
	dirs    map[string]bool
	names   map[string]*inode // as programs see them
	durable map[string]*inode // as SyncDir last made them durable
	locks   map[string]bool
	ops     int // mutating operations so far
	crashAt int // the operation that crashes; < 0: none
	crashed bool
}

type inode struct {
	data     []byte
	synced   []byte
	modified time.Time
}

// NewMem returns an empty disk.
func NewMem() *Mem {
	return &Mem{
		dirs: map[string]bool{}, names: map[string]*inode{}, durable: map[string]*inode{},
		locks: map[string]bool{}, crashAt: -1,
	}
}

// CrashAt makes the k-th operation from now that changes anything (0 is the next), and everything
// after it, fail with ErrCrashed. A write that crashes gets half of its bytes into the file.
func (m *Mem) CrashAt(k int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops, m.crashAt = 0, k
}

// Crashed says whether the crash has happened.
func (m *Mem) Crashed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crashed
}

// AfterCrash is the disk as a power cut now would leave it: only what was synced.
func (m *Mem) AfterCrash() *Mem {
	return m.clone(m.durable, func(n *inode) []byte { return n.synced })
}

// AfterKill is the disk as the death of the process now would leave it: all that was written.
func (m *Mem) AfterKill() *Mem {
	return m.clone(m.names, func(n *inode) []byte { return n.data })
}

// AfterTear is the disk after a power cut that spared some of what was not synced: of each file an
// arbitrary part of its unsynced tail, with arbitrary sectors of it lost; of the names, those synced.
func (m *Mem) AfterTear(rng *rand.Rand) *Mem {
	return m.clone(m.durable, func(n *inode) []byte {
		if len(n.data) <= len(n.synced) {
			return n.synced
		}
		keep := len(n.synced) + rng.IntN(len(n.data)-len(n.synced)+1)
		torn := slices.Clone(n.data[:keep])
		copy(torn, n.synced)
		const sector = 512
		for at := len(n.synced); at < keep; at += sector {
			if rng.IntN(4) == 0 {
				clear(torn[at:min(at+sector, keep)])
			}
		}
		return torn
	})
}

func (m *Mem) clone(names map[string]*inode, contents func(*inode) []byte) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	for d := range m.dirs {
		c.dirs[d] = true
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range names {
			if !yield(name) {
				return
			}
		}
	}) {
		data := slices.Clone(contents(names[name]))
		n := &inode{data: data, synced: slices.Clone(data), modified: names[name].modified}
		c.names[name], c.durable[name] = n, n
	}
	return c
}

// change counts one operation that changes something; the caller holds m.mu.
func (m *Mem) change() error {
	if m.crashed || m.ops == m.crashAt {
		m.crashed = true
		return ErrCrashed
	}
	m.ops++
	return nil
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[filepath.Dir(name)] {
		return nil, notExist("create", name)
	}
	if err := m.change(); err != nil {
		return nil, err
	}
	n := m.names[name]
	if n == nil {
		n = &inode{}
		m.names[name] = n
	}
	n.data, n.modified = nil, time.Now()
	return &memFile{m, n, name, true}, nil
}

func (m *Mem) open(name string, write bool) (File, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crashed {
		return nil, ErrCrashed
	}
	n := m.names[name]
	if n == nil {
		return nil, notExist("open", name)
	}
	return &memFile{m, n, name, write}, nil
}

// Open implements [FS].
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenReadWrite implements [FS].
func (m *Mem) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

// Rename implements [FS].
func (m *Mem) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[from]
	if n == nil {
		return notExist("rename", from)
	}
	if err := m.change(); err != nil {
		return err
	}
	delete(m.names, from)
	m.names[to] = n
	return nil
}

// Remove implements [FS].
func (m *Mem) Remove(name string) error {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return notExist("remove", name)
	}
	if err := m.change(); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

// List implements [FS].
func (m *Mem) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crashed {
		return nil, ErrCrashed
	}
	if !m.dirs[dir] {
		return nil, notExist("list", dir)
	}
	var names []string
	for name := range m.names {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := filepath.Clean(dir); !m.dirs[d]; d = filepath.Dir(d) {
		if err := m.change(); err != nil {
			return err
		}
		m.dirs[d] = true
	}
	return nil
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[dir] {
		return notExist("sync", dir)
	}
	if err := m.change(); err != nil {
		return err
	}
	for name := range m.durable {
		if filepath.Dir(name) == dir {
			delete(m.durable, name)
		}
	}
	for name, n := range m.names {
		if filepath.Dir(name) == dir {
			m.durable[name] = n
		}
	}
	return nil
}

// Lock implements [FS]. The lock itself is not counted as a change.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crashed {
		return nil, ErrCrashed
	}
	if m.locks[name] {
		return nil, ErrLocked
	}
	m.locks[name] = true
	return &memLock{m, name}, nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

type memFile struct {
	m     *Mem
	n     *inode
	name  string
	write bool
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.crashed {
		return 0, ErrCrashed
	}
	if off < 0 {
		return 0, fmt.Errorf("read %s: negative offset", f.name)
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if !f.write || off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrInvalid}
	}
	crashed := f.m.crashed
	err := f.m.change()
	if err != nil {
		if crashed {
			return 0, err
		}
		p = p[:len(p)/2]
	}
	if grow := off + int64(len(p)) - int64(len(f.n.data)); grow > 0 {
		f.n.data = append(f.n.data, make([]byte, grow)...)
	}
	f.n.modified = time.Now()
	return copy(f.n.data[off:], p), err
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if !f.write || size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	if err := f.m.change(); err != nil {
		return err
	}
	if n := int64(len(f.n.data)); size > n {
		f.n.data = append(f.n.data, make([]byte, size-n)...)
	}
	f.n.data, f.n.modified = f.n.data[:size], time.Now()
	return nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.change(); err != nil {
		return err
	}
	f.n.synced = slices.Clone(f.n.data)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.crashed {
		return 0, ErrCrashed
	}
	return int64(len(f.n.data)), nil
}

func (f *memFile) ModTime() (time.Time, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.crashed {
		return time.Time{}, ErrCrashed
	}
	return f.n.modified, nil
}

func (f *memFile) Map() ([]byte, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.crashed {
		return nil, ErrCrashed
	}
	return slices.Clone(f.n.data), nil
}

func (f *memFile) WillNeed(uint64, uint64) {}

func (f *memFile) Close() error { return nil }
