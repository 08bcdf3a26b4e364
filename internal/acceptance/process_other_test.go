//go:build !linux

package acceptance_test

import (
	"syscall"
	"testing"
)

// withTest does nothing: only Linux can tie a child to its parent.
func withTest() *syscall.SysProcAttr { return nil }

// peakMemory is not known here.
func (p *process) peakMemory(*testing.T) (int64, bool) { return 0, false }
