package replication

import (
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// inbox is the kernel's queue of what has come on a detached connection and was
// not read yet: the place where the rows of a busy stream come together.
//
// A walsender writes every row by itself. A write that finds the window open
// is sent, acknowledged and announced by itself, which costs the server as much
// again as decoding the row, or more; one that finds it closed is only appended
// to what waits. So a server that is near gets a narrow window: it is closed most
// of the time, and opens for many rows at once.
type inbox struct {
	// r reads the connection, and may hold pieces of it that came before.
	r      io.Reader
	conn   *detachable
	narrow bool
	// wide is that a narrow inbox has been made wider, for long messages.
	wide bool
	// failed is an error that came behind bytes.
	failed error
}

const (
	// narrowBuffer is SO_RCVBUF of a narrow inbox; the window is about as
	// many bytes, since the kernel doubles the one and halves the other. Half
	// of it makes the server wait, three times as much leaves the window open.
	narrowBuffer = 16 << 10
	// wideBuffer is that for messages of longMessage bytes and more in the mean.
	// A few of those fill a segment, so that little is saved where they come
	// together, and a narrow window only has the two wait for each other. It is
	// narrow again for less than half of that.
	wideBuffer  = 64 << 10
	longMessage = 512
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

// newInbox detaches conn, which r reads, and returns its inbox; nil where it
// cannot be detached.
func newInbox(conn net.Conn, r io.Reader) *inbox {
	d, ok := conn.(*detachable)
	if !ok || !d.detach() {
		return nil
	}
	i := &inbox{r: r, conn: d}
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
// or no TCP connection, or refuses to tell, stays as it is.
func (i *inbox) narrowIf(fits func(*unix.TCPInfo) bool) {
	_ = i.conn.control(func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		i.narrow = err == nil && fits(info) &&
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, narrowBuffer) == nil
	})
}

// suit makes a narrow inbox as wide as messages of that many bytes want it.
func (i *inbox) suit(mean int) {
	wide := mean >= longMessage || i.wide && mean >= longMessage/2
	if !i.narrow || wide == i.wide {
		return
	}
	i.wide = wide
	size := narrowBuffer
	if wide {
		size = wideBuffer
	}
	_ = i.conn.control(func(fd int) { // one that the kernel refuses costs speed only
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	})
}

// gather is how long rows should come together in a busy stream.
func (i *inbox) gather() time.Duration {
	if i.narrow {
		return nearGatherTime
	}
	return gatherTime
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
		more, err := i.conn.take(p[n:])
		if more <= 0 || err != nil {
			i.failed = err
			break
		}
		n += more
	}
	return n, nil
}
