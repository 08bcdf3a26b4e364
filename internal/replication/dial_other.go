//go:build !linux

package replication

import (
	"net"
	"syscall"
	"time"
)

// tuneSocket does nothing: the options are Linux's.
func tuneSocket(time.Duration, bool) func(network, address string, raw syscall.RawConn) error {
	return nil
}

// checkPeer refuses: this program can ask for the other side on Linux only.
func checkPeer(net.Conn, string) error {
	return problem(Configuration, "requirepeer is for Linux only; leave it out")
}
