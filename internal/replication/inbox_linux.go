package replication

import (
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inbox is the kernel's queue of what has come on a TCP connection and was not
// read yet: the place where the rows of a busy stream come together.
//
// A walsender writes every row by itself. A write that finds the window open
// is sent, acknowledged and announced by itself, which costs the server as much
// again as decoding the row, or more; one that finds it closed is only appended
// to what waits. So a server that is near gets a narrow window: it is closed most
// of the time, and opens for many rows at once.
type inbox struct {
	// r reads the connection, and may hold pieces of it that came before.
	r      io.Reader
	raw    syscall.RawConn
	narrow bool
	// failed is an error that came behind bytes.
	failed error
}

const (
	// narrowBuffer is SO_RCVBUF of a narrow inbox; the window is about as
	// many bytes, since the kernel doubles the one and halves the other. Half
	// of it makes the server wait, three times as much leaves the window open.
	narrowBuffer = 16 << 10
	// nearRTT is the largest round-trip time at which the server is taken to
	// be on this machine, maybe in a container. Over any distance a narrow
	// window would be what limits the rate.
	nearRTT = 50 * time.Microsecond
	// segment is the size of TCP segments that the server is asked for: as on
	// Ethernet. Those of the loopback interface are larger than a narrow
	// window, which may then open by the sender's timer only.
	segment = 1460
	// worthTaking is how much a read must bring for more to be there. It is
	// more than one of the pieces that pgconn reads in the background while it
	// waits to write, of 8 KiB: nothing may be taken past one of those.
	worthTaking = narrowBuffer * 3 / 4
)

// newInbox returns that of conn, which r reads; nil where there is none.
func newInbox(conn net.Conn, r io.Reader) *inbox {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	i := &inbox{r: r, raw: raw}
	i.narrowIf(near)
	return i
}

// near reports whether a narrow window serves a connection. Where the kernel
// does not say how far the server is, it does not.
func near(info *unix.TCPInfo) bool {
	rtt := time.Duration(info.Min_rtt) * time.Microsecond
	return info.Advmss <= segment && 0 < rtt && rtt <= nearRTT
}

// narrowIf makes the inbox narrow if fits says so. A connection that is closed
// or refuses to tell stays as it is.
func (i *inbox) narrowIf(fits func(*unix.TCPInfo) bool) {
	_ = i.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		i.narrow = err == nil && fits(info) &&
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, narrowBuffer) == nil
	})
}

// gather is how long rows should come together in a busy stream.
func (i *inbox) gather() time.Duration {
	if i.narrow {
		return nearGatherTime
	}
	return gatherTime
}

// lowWater sets from how many bytes on the kernel takes the connection for
// readable. The runtime watches every connection all the time: without this
// the rows of a busy stream wake it one by one, whether anybody wants to read
// or not.
//
// Source: socket(7), SO_RCVLOWAT; for poll and epoll on TCP since Linux 4.18.
func (i *inbox) lowWater(bytes int) {
	_ = i.raw.Control(func(fd uintptr) {
		// One that the kernel refuses, it does not need.
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
	})
}

// Read waits for bytes. From a narrow inbox it also takes what the server
// sends as soon as there is room: all that has come together on its side.
func (i *inbox) Read(p []byte) (int, error) {
	if err := i.failed; err != nil {
		i.failed = nil
		return 0, err
	}
	n, err := i.r.Read(p)
	if !i.narrow || err != nil || n < worthTaking {
		return n, err
	}
	for n < len(p) {
		more, err := i.take(p[n:])
		if more <= 0 || err != nil {
			i.failed = err
			break
		}
		n += more
	}
	return n, nil
}

// take reads without waiting; nothing without an error means that nothing is
// here, or that the connection has ended, which the next Read will tell.
func (i *inbox) take(p []byte) (n int, err error) {
	controlErr := i.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), p)
		return true
	})
	switch {
	case controlErr != nil:
		return 0, controlErr
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	}
	return n, err
}
