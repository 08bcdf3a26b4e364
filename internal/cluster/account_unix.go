//go:build unix

package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that the server runs as; nil means our own.
type account struct {
	uid, gid uint32
}

// serverAccount returns nil unless this process is root's: then it is the
// user postgres, or nobody where there is none.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &account{uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody; run this as another user")
}

// own gives a file or directory to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// attributes start a program as the account, in its own process group so that
// Ctrl-C in a terminal reaches only us.
func (a *account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// signal tells the postmaster to stop; see "Shutting Down the Server" in
// PostgreSQL's documentation.
func signal(process *os.Process, mode Mode) error {
	switch mode {
	case Fast:
		return process.Signal(syscall.SIGINT)
	case Immediate:
		return process.Signal(syscall.SIGQUIT)
	}
	return fmt.Errorf("unknown mode %q; use fast or immediate", mode)
}
