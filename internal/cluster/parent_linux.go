package cluster

import "syscall"

// withParent has the kernel stop the server when this process dies.
func withParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	attr.Pdeathsig = syscall.SIGQUIT
	return attr
}
