// Package vfs is the disk as the store sees it: the dozen operations whose order and failure decide
// what survives. [OS] is the real disk, [Mem] one in memory that can lose power at any operation, and
// [Inject] any of them with errors on chosen operations.
//
// The contract is POSIX's, at its weakest: what was written survives the death of the process, but
// survives a power cut only once [File.Sync] has returned; a file's name (made by Create, Rename or
// Remove) survives one only once [FS.SyncDir] of its directory has returned.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

// FS is a file system. Names are paths with the separator of the system. All methods may be called
// concurrently. A missing file is an error that wraps [fs.ErrNotExist].
type FS interface {
	// Create makes an empty file for reading and writing, in place of any of that name.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens a file that exists for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Rename gives a file another name in the same directory, in place of any of that name. It is
	// atomic: at any time there is one file of the new name, the old or the new one.
	Rename(from, to string) error
	// Remove deletes a file. Those who have it open may go on reading it.
	Remove(name string) error
	// List returns the names, without the directory, of what is in a directory, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents, and makes their names durable.
	MkdirAll(dir string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes the exclusive lock that the file name stands for, creating the file, until the
	// Closer is closed or the process ends. ErrLocked says that another has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Its methods may be called concurrently; overlapping writes are the caller's
// concern.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the contents durable.
	Sync() error
	// Truncate cuts or extends the file to size bytes.
	Truncate(size int64) error
	// Size is the present size in bytes.
	Size() (int64, error)
	// ModTime is when the contents last changed.
	ModTime() (time.Time, error)
	// Map is the contents, to be read only, until Close; nobody may change the file meanwhile. What the
	// disk cannot read is a fault at the place of reading, which runtime/debug.SetPanicOnFault makes a panic, as
	// is a place beyond the end of a file that was cut short.
	Map() ([]byte, error)
	// WillNeed says that bytes from to to of what Map returned will be read soon: where that helps, all of them are fetched at
	// once, without waiting, and nothing around them.
	WillNeed(from, to uint64)
}

// ErrLocked says that a lock is held by another process, or by another owner in this one.
var ErrLocked = errors.New("locked by another process")

// ReadFile returns a file's contents.
func ReadFile(fsys FS, name string) (data []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data = make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data[:n], err
}

// WriteFile makes a file of data, durable when it returns but for its name.
func WriteFile(fsys FS, name string, data []byte) (err error) {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Sync()
}

// ReplaceFile puts a file of data in the place of any of that name, durably: whatever happens, there is the old one or
// the new one, whole. It writes name.tmp first.
func ReplaceFile(fsys FS, name string, data []byte) error {
	if err := WriteFile(fsys, name+".tmp", data); err != nil {
		return err
	}
	if err := fsys.Rename(name+".tmp", name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// Exists says whether there is a file of that name.
func Exists(fsys FS, name string) (bool, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}
