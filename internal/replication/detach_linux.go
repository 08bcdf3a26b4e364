package replication

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// detachable is a connection that can be taken from the runtime's poller.
//
// The kernel wakes the runtime for whatever comes on a connection, whether or
// not anybody reads. A walsender writes every row by itself, so the rows of a
// busy stream wake it one by one while the reader works on those it has, which
// costs more than to decode them. What comes on a detached connection wakes
// nobody who does not wait for it; who waits takes a thread.
//
// Only SetWriteDeadline works on a detached connection; the other deadlines
// fail.
type detachable struct {
	net.Conn
	// detached is the same socket under another descriptor, nil until then.
	detached atomic.Pointer[os.File]
	// detaching is held while one descriptor takes the other's place.
	detaching sync.Mutex
}

// keepDetachable returns conn so that it can be detached, or as it is where it
// cannot.
func keepDetachable(conn net.Conn) net.Conn {
	if _, ok := conn.(syscall.Conn); !ok {
		return conn
	}
	return &detachable{Conn: conn}
}

// detach takes the connection from the poller. One that the system refuses
// another descriptor stays where it is. Nobody else may write meanwhile;
// somebody may read.
func (d *detachable) detach() bool {
	d.detaching.Lock()
	defer d.detaching.Unlock()
	raw, err := d.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	controlErr := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlErr != nil || err != nil {
		return false
	}
	// Not before nobody reads by the old descriptor: the mode is the socket's,
	// and a Read that blocks in it cannot be ended.
	_ = d.Conn.Close()
	// A file in blocking mode is left alone by the poller; in the other mode,
	// should the system insist on it, it is watched as before.
	_ = unix.SetNonblock(fd, false)
	d.detached.Store(os.NewFile(uintptr(fd), ""))
	return true
}

func (d *detachable) Read(p []byte) (int, error) {
	file := d.detached.Load()
	if file == nil {
		n, err := d.Conn.Read(p)
		if err == nil || n > 0 {
			return n, err
		}
		// Maybe it waited while the connection was detached.
		d.detaching.Lock()
		file = d.detached.Load()
		d.detaching.Unlock()
		if file == nil {
			return n, err
		}
	}
	n, err := file.Read(p)
	return n, d.plain("read", err)
}

func (d *detachable) Write(p []byte) (int, error) {
	file := d.detached.Load()
	if file == nil {
		return d.Conn.Write(p)
	}
	n, err := file.Write(p)
	if errors.Is(err, syscall.EAGAIN) {
		err = os.ErrDeadlineExceeded
	}
	return n, d.plain("write", err)
}

// SetWriteDeadline sets when a Write gives up that the peer does not take.
func (d *detachable) SetWriteDeadline(t time.Time) error {
	file := d.detached.Load()
	if file == nil {
		return d.Conn.SetWriteDeadline(t)
	}
	var limit unix.Timeval // zero is no limit
	if !t.IsZero() {
		limit = unix.NsecToTimeval(max(time.Until(t), time.Microsecond).Nanoseconds())
	}
	var err error
	controlErr := d.control(func(fd int) {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	})
	return d.plain("set", errors.Join(controlErr, err))
}

// Close ends a Read that waits, too.
func (d *detachable) Close() error {
	file := d.detached.Load()
	if file == nil {
		return d.Conn.Close()
	}
	_ = d.control(func(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) }) // fails where the peer was first
	return d.plain("close", file.Close())
}

// take reads what is here from a detached connection, without waiting. Nothing
// without an error means that nothing is here, or that the connection has ended,
// which the next Read will tell.
func (d *detachable) take(p []byte) (n int, err error) {
	controlErr := d.control(func(fd int) {
		n, _, err = unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
	})
	if err == unix.EAGAIN || err == unix.EINTR {
		err = nil
	}
	return max(n, 0), d.plain("read", errors.Join(controlErr, err))
}

// control calls f with a detached connection's descriptor, which stays open
// meanwhile.
func (d *detachable) control(f func(fd int)) error {
	raw, err := d.detached.Load().SyscallConn()
	if err != nil {
		return net.ErrClosed
	}
	if raw.Control(func(fd uintptr) { f(int(fd)) }) != nil {
		return net.ErrClosed
	}
	return nil
}

// plain names the connection in an error in place of the file.
func (d *detachable) plain(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: d.LocalAddr().Network(), Source: d.LocalAddr(), Addr: d.RemoteAddr(), Err: err}
}
