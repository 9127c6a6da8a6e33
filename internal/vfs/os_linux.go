package vfs

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// isResident says whether all of mapped memory is in the page cache.
func isResident(data []byte) bool {
	pages := make([]byte, (uint64(len(data))+pageSize-1)/pageSize)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), uintptr(unsafe.Pointer(&pages[0])))
	for _, p := range pages {
		if p&1 == 0 {
			return false
		}
	}
	return errno == 0
}
