//go:build !linux

package replication

import "syscall"

// limitUnacknowledged does nothing: the option is Linux's.
func limitUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
