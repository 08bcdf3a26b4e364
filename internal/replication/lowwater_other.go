//go:build !linux

package replication

import "net"

// lowWater is known to gain something on Linux only.
func lowWater(net.Conn) func(bytes int) { return nil }
