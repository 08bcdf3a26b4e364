//go:build !linux

package cluster

import "syscall"

// withParent does nothing: only Linux can tie a child to its parent.
func withParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }
