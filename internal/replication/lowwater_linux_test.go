package replication

import (
	"net"
	"testing"
	"time"
)

// What the kernel keeps to itself is there all the same for who asks, and the
// next read waits for a single byte again.
func TestLowWater(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w := newWire(conn)
	w.gather, w.busy, w.lowWater = gatherTime, true, lowWater(conn)
	if w.lowWater == nil {
		t.Fatal("no low water on a TCP connection")
	}
	row := framed('d', []byte("row"))
	for range 3 {
		if _, err := other.Write(row); err != nil {
			t.Fatal(err)
		}
		if _, body, err := w.next(); err != nil || string(body) != "row" {
			t.Fatalf("next() = %q, %v", body, err)
		}
	}
	// The reader has come first, and waits.
	w.busy = true
	go func() {
		time.Sleep(20 * gatherTime)
		_, _ = other.Write(row)
	}()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, body, err := w.next(); err != nil || string(body) != "row" {
		t.Errorf("a row after the rest: next() = %q, %v", body, err)
	}
	if set := lowWater(struct{ net.Conn }{conn}); set != nil {
		t.Error("low water on what is no TCP connection")
	}
}
