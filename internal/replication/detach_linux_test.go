package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sockets returns both ends of a connection over TCP or a Unix socket; the
// first can be detached.
func sockets(t *testing.T, network string) (*detachable, net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "socket")
	}
	conn, other := ends(t, &net.Dialer{}, network, address)
	d := keepDetachable(conn).(*detachable)
	t.Cleanup(func() { d.Close() })
	return d, other
}

// watched reports whether an epoll instance of this process watches the socket.
func watched(t *testing.T, d *detachable) bool {
	t.Helper()
	var stat unix.Stat_t
	fstat := func(fd int) { _ = unix.Fstat(fd, &stat) }
	if d.detached.Load() != nil {
		if err := d.control(fstat); err != nil {
			t.Fatal(err)
		}
	} else {
		raw, err := d.Conn.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) { fstat(int(fd)) }); err != nil {
			t.Fatal(err)
		}
	}
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range infos {
		info, _ := os.ReadFile(name) // one that is closed by now watches nothing
		for line := range strings.Lines(string(info)) {
			if strings.HasPrefix(line, "tfd:") && strings.Contains(line, fmt.Sprintf("ino:%x ", stat.Ino)) {
				return true
			}
		}
	}
	return false
}

func TestDetached(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			d, other := sockets(t, network)
			both(t, d, other)
			if !watched(t, d) {
				t.Fatal("the runtime does not watch a new connection; this test cannot tell")
			}
			if !d.detach() {
				t.Fatal("detach() = false")
			}
			if watched(t, d) {
				t.Error("the runtime still watches the connection")
			}
			both(t, d, other)
			if n, err := d.take(make([]byte, 10)); n != 0 || err != nil {
				t.Errorf("take() of nothing = %d, %v", n, err)
			}
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
			if n, err := d.Read(make([]byte, 10)); n != 0 || err != io.EOF {
				t.Errorf("Read() at the end = %d, %v; want EOF", n, err)
			}
		})
	}
}

// both sends a word each way.
func both(t *testing.T, a, b net.Conn) {
	t.Helper()
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		if n, err := way[0].Write([]byte("word")); n != 4 || err != nil {
			t.Fatalf("Write() = %d, %v", n, err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "word" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
}

// Who waits to read while a connection is detached goes on waiting, and gets
// what comes next.
func TestDetachWhileReading(t *testing.T) {
	for _, before := range []time.Duration{0, 20 * time.Millisecond} {
		d, other := sockets(t, "tcp")
		got := make(chan string)
		go func() {
			p := make([]byte, 10)
			n, err := d.Read(p)
			got <- fmt.Sprint(string(p[:n]), err)
		}()
		time.Sleep(before)
		if !d.detach() {
			t.Fatal("detach() = false")
		}
		if _, err := other.Write([]byte("word")); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-got:
			if got != "word<nil>" {
				t.Errorf("the reader got %s", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the reader still waits")
		}
	}
}

// The wire of a busy stream waits for a row that comes after it has let rows
// come together.
func TestBusyWireWaits(t *testing.T) {
	d, other := sockets(t, "tcp")
	w := newWire(d)
	w.gatherOn(d)
	row := framed('d', []byte("row"))
	for range 3 {
		w.busy = true
		if _, err := other.Write(row); err != nil {
			t.Fatal(err)
		}
		if _, body, err := w.next(); err != nil || string(body) != "row" {
			t.Fatalf("next() = %q, %v", body, err)
		}
	}
	w.busy = true
	go func() {
		time.Sleep(20 * gatherTime)
		_, _ = other.Write(row)
	}()
	defer time.AfterFunc(10*time.Second, func() { d.Close() }).Stop()
	if _, body, err := w.next(); err != nil || string(body) != "row" {
		t.Errorf("a row after the rest: next() = %q, %v", body, err)
	}
	opaque := struct{ net.Conn }{other}
	if conn := keepDetachable(opaque); conn != net.Conn(opaque) || newInbox(conn, conn) != nil {
		t.Error("an inbox on what has no descriptor")
	}
}

func TestDetachedCloses(t *testing.T) {
	d, _ := sockets(t, "tcp")
	d.detach()
	ended := make(chan error)
	go func() {
		_, err := d.Read(make([]byte, 10))
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := d.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a Read ended by Close returned no error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close ended no Read that waits")
	}
	for what, err := range map[string]error{
		"Read":             second(d.Read(make([]byte, 1))),
		"Write":            second(d.Write(make([]byte, 1))),
		"take":             second(d.take(make([]byte, 1))),
		"SetWriteDeadline": d.SetWriteDeadline(time.Now()),
		"Close":            d.Close(),
	} {
		if !errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "/dev") {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func second(_ int, err error) error { return err }

// A peer that reads nothing holds up a Write until its deadline, and no longer.
func TestDetachedWriteDeadline(t *testing.T) {
	d, other := sockets(t, "tcp")
	d.detach()
	if err := d.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte{1}, 1<<20)
	var err error
	written := 0
	for range 100 {
		var n int
		if n, err = d.Write(chunk); err != nil {
			written += n
			break
		}
		written += n
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write() after %d bytes = %v, want a deadline", written, err)
	}
	go func() { _, _ = io.Copy(io.Discard, other) }()
	if err := d.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Write(chunk); n != len(chunk) || err != nil {
		t.Errorf("Write() without a deadline = %d, %v", n, err)
	}
	other.(*net.TCPConn).SetLinger(0)
	other.Close()
	for err = nil; err == nil; {
		_, err = d.Write(chunk)
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write() to a peer that is gone = %v", err)
	}
}
