package replication

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tuneSocket sets what has to be set before the connection is made. streams says
// that it is to bring a stream: see inbox. Small segments would cost others, which
// bring many rows in one write.
func tuneSocket(unacknowledged time.Duration, streams bool) func(network, address string, raw syscall.RawConn) error {
	return func(network, _ string, raw syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var err error
		controlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
			if streams {
				// Where it is refused, no inbox will be narrow.
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment)
			}
		})
		return errors.Join(controlErr, err)
	}
}

// checkPeer sees to it that the server behind a Unix socket runs as owner.
func checkPeer(conn net.Conn, owner string) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return fmt.Errorf("requirepeer: %w", err)
	}
	var peer *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(controlErr, err); err != nil {
		return fmt.Errorf("requirepeer: %w", err)
	}
	wanted, err := user.Lookup(owner)
	if err != nil {
		return problem(Configuration, "requirepeer: this machine has no such user")
	}
	if wanted.Uid != strconv.Itoa(int(peer.Uid)) {
		return problem(Certificate, "requirepeer: the server behind the socket runs as another user (uid %d)", peer.Uid)
	}
	return nil
}
