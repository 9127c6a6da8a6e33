//go:build !linux

package main

import "errors"

func forgetFile(string) error { return errors.New("--cold needs Linux, whose page cache it drops") }
