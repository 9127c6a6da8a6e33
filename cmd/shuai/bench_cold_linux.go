package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// forgetFile has the kernel drop the pages of a file that nobody has mapped from its cache.
func forgetFile(name string) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	const dontNeed = 4 // POSIX_FADV_DONTNEED
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); errno != 0 {
		return fmt.Errorf("drop %s from the page cache: %w", name, errno)
	}
	return nil
}
