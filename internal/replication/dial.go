package replication

import (
	"net"
	"time"
)

// dialer finds out within a minute that the other side is gone: the kernel
// probes an idle connection, and gives up on unacknowledged bytes.
func dialer() *net.Dialer {
	return &net.Dialer{
		Timeout: 10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 4,
		},
		Control: tuneSocket,
	}
}
