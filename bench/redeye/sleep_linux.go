package main

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// timer is a timerfd(2).
type timer struct {
	fd   int
	file *os.File
}

var timers = sync.Pool{New: func() any {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return (*timer)(nil)
	}
	return &timer{fd, os.NewFile(uintptr(fd), "timerfd")}
}}

// sleep is [time.Sleep] to a few dozen microseconds, where that of a process with nothing to do rounds up to a millisecond.
func sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t, _ := timers.Get().(*timer)
	if t == nil || unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil) != nil {
		time.Sleep(d)
		return
	}
	var expirations [8]byte
	if _, err := t.file.Read(expirations[:]); err != nil {
		time.Sleep(d)
		return
	}
	timers.Put(t)
}
