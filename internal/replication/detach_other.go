//go:build !linux

package replication

import "net"

// keepDetachable returns conn as it is: to detach one is known to gain
// something on Linux only.
func keepDetachable(conn net.Conn) net.Conn { return conn }
