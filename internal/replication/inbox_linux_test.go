package replication

import (
	"bytes"
	"errors"
	"github.com/cdcsync/cdcsync/internal/conninfo"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// connected returns both ends of a TCP connection that was made with dial.
func connected(t *testing.T, dial *net.Dialer) (client, server *net.TCPConn) {
	t.Helper()
	conn, other := ends(t, dial, "tcp", "127.0.0.1:0")
	return conn.(*net.TCPConn), other.(*net.TCPConn)
}

// ends returns both ends of a connection that was made with dial.
func ends(t *testing.T, dial *net.Dialer, network, address string) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dial.Dial(network, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return conn, other
}

// narrowed returns a narrow inbox, and the server's end. The round-trip time
// of a machine that is busy with other tests can be any, so it is not asked.
func narrowed(t *testing.T) (*inbox, *net.TCPConn) {
	t.Helper()
	client, server := connected(t, dialer(conninfo.Info{}, true))
	conn := keepDetachable(client)
	i := newInbox(conn, conn)
	if i == nil {
		t.Fatal("no inbox on a TCP connection")
	}
	i.narrowIf(func(info *unix.TCPInfo) bool {
		info.Min_rtt = 1
		return near(info)
	})
	if !i.narrow {
		t.Fatal("the inbox of a near server is not narrow")
	}
	return i, server
}

// A narrow window needs segments smaller than itself, and a server that is near.
func TestNear(t *testing.T) {
	for name, test := range map[string]struct {
		info unix.TCPInfo
		want bool
	}{
		"this machine":             {unix.TCPInfo{Advmss: 1460, Min_rtt: 12}, true},
		"another":                  {unix.TCPInfo{Advmss: 1448, Min_rtt: 200}, false},
		"segments of the loopback": {unix.TCPInfo{Advmss: 65483, Min_rtt: 12}, false},
		"nothing known":            {unix.TCPInfo{}, false},
	} {
		if got := near(&test.info); got != test.want {
			t.Errorf("%s: near() = %v, want %v", name, got, test.want)
		}
	}
	plain, _ := connected(t, &net.Dialer{})
	conn := keepDetachable(plain)
	if i := newInbox(conn, conn); i.narrow {
		t.Error("narrow with segments as large as the loopback interface has them")
	}
	if newInbox(plain, plain) != nil {
		t.Error("an inbox on what cannot be detached")
	}
}

// TestInboxSuitsMessages: long ones get a wider window, with room between what
// makes it wide and what makes it narrow again.
func TestInboxSuitsMessages(t *testing.T) {
	i, _ := narrowed(t)
	for _, step := range []struct{ mean, buffer int }{
		{130, narrowBuffer}, {longMessage - 1, narrowBuffer}, {longMessage, wideBuffer}, {1 << 20, wideBuffer},
		{longMessage / 2, wideBuffer}, {longMessage/2 - 1, narrowBuffer}, {longMessage / 2, narrowBuffer},
	} {
		i.suit(step.mean)
		if got := receiveBuffer(t, i.conn); got != 2*step.buffer { // the kernel doubles it
			t.Errorf("after messages of %d bytes: a buffer of %d, want twice %d", step.mean, got, step.buffer)
		}
	}
	far, _ := sockets(t, "tcp")
	j := newInbox(far, far)
	before := receiveBuffer(t, far)
	if j.suit(1 << 10); receiveBuffer(t, far) != before {
		t.Error("an inbox that is not narrow was changed")
	}
}

func receiveBuffer(t *testing.T, d *detachable) (size int) {
	t.Helper()
	var err error
	if controlErr := d.control(func(fd int) { size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF) }); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	return size
}

// TestNarrowInboxCarriesEverything: no byte is lost, doubled or held back,
// whatever the sizes; one message is larger than window and buffer, and others
// are long enough for a wider window and short enough for a narrow one again.
func TestNarrowInboxCarriesEverything(t *testing.T) {
	i, server := narrowed(t)
	w := newWire(i)
	widened, wide := 0, false
	w.gather = i.gather()
	w.suit = func(mean int) {
		if i.suit(mean); i.wide != wide {
			widened, wide = widened+1, i.wide
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	sizes := []int{3 * usualBuffer}
	for n := range 40_000 {
		longest := 300
		if n > 10_000 && n < 20_000 {
			longest = 8 * longMessage
		}
		sizes = append(sizes, random.IntN(longest))
	}
	go func() {
		for n, size := range sizes {
			if _, err := server.Write(framed('d', bytes.Repeat([]byte{byte(n)}, size))); err != nil {
				return // the test ends before
			}
		}
		server.Close()
	}()
	for n, size := range sizes {
		_, body, err := w.next()
		if err != nil || len(body) != size || bytes.Count(body, []byte{byte(n)}) != size {
			t.Fatalf("message %d: %d bytes, %v; want %d", n, len(body), err, size)
		}
	}
	if _, _, err := w.next(); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
	if widened < 2 {
		t.Errorf("the window was changed %d times, want wider and back", widened)
	}
}

// TestNarrowInboxBreaks: what came before a connection broke is read, and then
// why it broke.
func TestNarrowInboxBreaks(t *testing.T) {
	i, server := narrowed(t)
	if _, err := server.Write(make([]byte, narrowBuffer)); err != nil {
		t.Fatal(err)
	}
	got, p := 0, make([]byte, usualBuffer)
	for got < narrowBuffer {
		n, err := i.Read(p)
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		got += n
	}
	server.SetLinger(0)
	server.Close()
	if n, err := i.Read(p); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read() = %d, %v; want a connection that was reset", n, err)
	}
	// The same, found behind bytes.
	i.failed = syscall.ECONNRESET
	if n, err := i.Read(p); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read() = %d, %v; want the error that came behind bytes", n, err)
	}
}

// TestNarrowInboxKeepsTheOrder: what the reader above still holds comes before
// what the kernel has, also when it holds as much as it can at once.
func TestNarrowInboxKeepsTheOrder(t *testing.T) {
	i, server := narrowed(t)
	const piece = 8 << 10 // of pgconn's background reader
	held := bytes.Repeat([]byte{1}, 2*piece)
	i.r = io.MultiReader(bytes.NewReader(held[:piece]), bytes.NewReader(held[piece:]), i.r)
	if _, err := server.Write(bytes.Repeat([]byte{2}, narrowBuffer)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for p := make([]byte, usualBuffer); len(got) < len(held)+narrowBuffer; {
		n, err := i.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p[:n]...)
	}
	if !bytes.HasPrefix(got, held) || bytes.Count(got, []byte{2}) != narrowBuffer {
		t.Error("bytes came out of order")
	}
}
