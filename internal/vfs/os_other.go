//go:build !unix

package vfs

import "os"

// syncDir has no counterpart outside Unix: the file system orders names itself.
func syncDir(*os.File) error { return nil }

// lockFile relies on the operator: there is no flock to take.
func lockFile(*os.File) error { return nil }
