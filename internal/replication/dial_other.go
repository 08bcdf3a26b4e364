//go:build !linux

package replication

import "syscall"

// tuneSocket does nothing: the options are Linux's.
func tuneSocket(_, _ string, _ syscall.RawConn) error { return nil }
