package vfs

import (
	"errors"
	"io"
)

// Op names an operation to [Inject]'s fault.
type Op uint8

// The operations.
const (
	OpCreate Op = iota
	OpOpen
	OpRename
	OpRemove
	OpList
	OpMkdir
	OpSyncDir
	OpLock
	OpRead
	OpWrite
	OpTruncate
	OpSync
)

var opNames = [...]string{"create", "open", "rename", "remove", "list", "mkdir", "syncdir", "lock", "read", "write", "truncate", "sync"}

// String is the operation's name.
func (o Op) String() string { return opNames[o] }

// Inject is fsys in which an operation for which fault returns an error fails with that error and has
// no effect; a write whose error wraps [io.ErrShortWrite] writes its first half. Fault is called
// before each operation, concurrently where operations are.
func Inject(fsys FS, fault func(op Op, name string) error) FS { return &injector{fsys, fault} }

type injector struct {
	fs    FS
	fault func(Op, string) error
}

type injectedFile struct {
	File
	in   *injector
	name string
}

func (in *injector) file(op Op, name string, open func(string) (File, error)) (File, error) {
	if err := in.fault(op, name); err != nil {
		return nil, err
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	return &injectedFile{f, in, name}, nil
}

func (in *injector) Create(name string) (File, error) { return in.file(OpCreate, name, in.fs.Create) }
func (in *injector) Open(name string) (File, error)   { return in.file(OpOpen, name, in.fs.Open) }

func (in *injector) OpenReadWrite(name string) (File, error) {
	return in.file(OpOpen, name, in.fs.OpenReadWrite)
}

func (in *injector) Rename(from, to string) error {
	if err := in.fault(OpRename, from); err != nil {
		return err
	}
	return in.fs.Rename(from, to)
}

func (in *injector) Remove(name string) error {
	if err := in.fault(OpRemove, name); err != nil {
		return err
	}
	return in.fs.Remove(name)
}

func (in *injector) List(dir string) ([]string, error) {
	if err := in.fault(OpList, dir); err != nil {
		return nil, err
	}
	return in.fs.List(dir)
}

func (in *injector) MkdirAll(dir string) error {
	if err := in.fault(OpMkdir, dir); err != nil {
		return err
	}
	return in.fs.MkdirAll(dir)
}

func (in *injector) SyncDir(dir string) error {
	if err := in.fault(OpSyncDir, dir); err != nil {
		return err
	}
	return in.fs.SyncDir(dir)
}

func (in *injector) Lock(name string) (io.Closer, error) {
	if err := in.fault(OpLock, name); err != nil {
		return nil, err
	}
	return in.fs.Lock(name)
}

func (f *injectedFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.in.fault(OpRead, f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *injectedFile) Map() ([]byte, error) {
	if err := f.in.fault(OpRead, f.name); err != nil {
		return nil, err
	}
	return f.File.Map()
}

func (f *injectedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.in.fault(OpWrite, f.name); err != nil {
		if !errors.Is(err, io.ErrShortWrite) {
			return 0, err
		}
		n, werr := f.File.WriteAt(p[:len(p)/2], off)
		return n, errors.Join(err, werr)
	}
	return f.File.WriteAt(p, off)
}

func (f *injectedFile) Truncate(size int64) error {
	if err := f.in.fault(OpTruncate, f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *injectedFile) Sync() error {
	if err := f.in.fault(OpSync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}
