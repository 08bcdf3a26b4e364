//go:build !unix

package cluster

import (
	"errors"
	"os"
	"syscall"
)

// account is never used: without Unix signals no server can be stopped, so
// none is started.
type account struct{}

func serverAccount() (*account, error) {
	return nil, errors.New("throwaway servers need a Unix system; use an existing PostgreSQL server instead")
}

func (*account) own(string) error { return nil }

func (*account) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func signal(process *os.Process, _ Mode) error { return process.Kill() }
