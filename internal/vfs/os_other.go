//go:build !unix

package vfs

import "os"

// syncDir has no counterpart outside Unix: the file system orders names itself.
func syncDir(*os.File) error { return nil }

// lockFile relies on the operator: there is no flock to take.
func lockFile(*os.File) error { return nil }

type mapping struct{}

func (*mapping) unmap() error { return nil }

// Map implements [File] by reading the file.
func (f *osFile) Map() ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	_, err = f.ReadAt(data, 0)
	return data, err
}

// WillNeed implements [File]: it is in memory.
func (f *osFile) WillNeed(uint64, uint64) {}
