package replication

import (
	"net"
	"syscall"
)

// lowWater returns a function that sets from how many bytes on the kernel
// takes conn for readable; nil where it cannot. The runtime watches every
// connection all the time: without this the rows of a busy stream wake it one
// by one, whether anybody wants to read or not.
//
// Source: socket(7), SO_RCVLOWAT; for poll and epoll on TCP since Linux 4.18.
func lowWater(conn net.Conn) func(bytes int) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	var wanted int
	set := func(fd uintptr) {
		// One that the kernel refuses, it does not need.
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, wanted)
	}
	return func(bytes int) {
		wanted = bytes
		_ = raw.Control(set) // fails when conn is closed: so will the read
	}
}
