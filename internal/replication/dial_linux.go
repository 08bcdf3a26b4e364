package replication

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledgedLimit has the kernel drop a connection whose bytes are not
// acknowledged for that long; the default is about a quarter of an hour.
const unacknowledgedLimit = time.Minute

// tuneSocket sets what has to be set before the connection is made.
func tuneSocket(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledgedLimit.Milliseconds()))
		// Where it is refused, no inbox will be narrow.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment)
	})
	return errors.Join(controlErr, err)
}
