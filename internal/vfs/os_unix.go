//go:build unix

package vfs

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func syncDir(d *os.File) error { return d.Sync() }

func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// mapping is memory that shows a file.
type mapping struct {
	once sync.Once
	data []byte
	err  error

	resident bool
}

// Map implements [File] with mmap.
func (f *osFile) Map() ([]byte, error) {
	m := &f.mapped
	m.once.Do(func() {
		var size int64
		if size, m.err = f.Size(); m.err != nil || size == 0 {
			return
		}
		m.data, m.err = syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
		if m.err != nil {
			m.err = &os.PathError{Op: "mmap", Path: f.Name(), Err: m.err}
			return
		}
		m.resident = isResident(m.data)
	})
	return m.data, m.err
}

// WillNeed implements [File] with madvise, whose refusal costs time only. A file that was in memory when it was mapped is as good as
// sure to be there.
func (f *osFile) WillNeed(from, to uint64) {
	from = from / pageSize * pageSize
	if data := f.mapped.data; !f.mapped.resident && from < to && to <= uint64(len(data)) {
		_ = unix.Madvise(data[from:to], unix.MADV_WILLNEED)
	}
}

var pageSize = uint64(os.Getpagesize())

// unmap gives the memory back.
func (m *mapping) unmap() error {
	m.once.Do(func() {}) // no Map comes behind it
	data := m.data
	if m.data = nil; data == nil {
		return nil
	}
	return syscall.Munmap(data)
}
