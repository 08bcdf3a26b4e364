package admin

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"
)

// ServeOn is Serve on a listener whose port the system has chosen.
func ServeOn(ctx context.Context, listener net.Listener, handler http.Handler) error {
	return serve(ctx, listener, "", handler)
}

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

// NewWithEvents is New with other times and bounds for events.
func NewWithEvents(o Options, every, slow time.Duration, most int) http.Handler {
	e := o.events()
	e.every, e.slow, e.most = every, slow, most
	return newHandler(o, e)
}

// ServeWith is ServeOn with a web configuration.
var ServeWith = serve
