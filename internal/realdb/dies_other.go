//go:build !linux

package realdb

import "syscall"

func diesWithParent() *syscall.SysProcAttr { return nil }
