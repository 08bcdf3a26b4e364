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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dial.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return conn.(*net.TCPConn), other.(*net.TCPConn)
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

// TestNarrowInboxCarriesEverything: no byte is lost, doubled or held back,
// whatever the sizes; one message is larger than window and buffer.
func TestNarrowInboxCarriesEverything(t *testing.T) {
	i, server := narrowed(t)
	w := newWire(i)
	w.gather = i.gather()
	random := rand.New(rand.NewPCG(1, 2))
	sizes := []int{3 * usualBuffer}
	for range 20_000 {
		sizes = append(sizes, random.IntN(300))
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
