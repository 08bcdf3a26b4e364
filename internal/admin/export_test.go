package admin

import (
	"net"
	"testing"
)

// ServeOn is Serve on a listener whose port the system has chosen.
var ServeOn = serve

// Listener listens on a free port of the loopback address.
func Listener(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}
