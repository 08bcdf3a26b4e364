package marketo_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

// Reply.Left says when Marketo had the request at the latest: never before it
// was there, and not at all where it never left.
func TestReplyTellsWhenTheRequestLeft(t *testing.T) {
	arrived := make(chan time.Time, 1)
	each(t, readFirst(func(http.ResponseWriter, *http.Request) { arrived <- time.Now() }), func(t *testing.T, c marketo.Client) {
		reply := c.Sync(t.Context(), single())
		if at := <-arrived; reply.Left.IsZero() || reply.Left.After(time.Now()) || at.Sub(reply.Left) > time.Second {
			t.Errorf("left %s, arrived %s", reply.Left, at)
		}
	})
	t.Run("a connection that waits", func(t *testing.T) {
		// The client can only connect once somebody accepts.
		const wait = 300 * time.Millisecond
		began := time.Now()
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(wait)
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}
		url := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		c, err := soap.New(soap.Config{
			Endpoint: url + "/soap/mktows/2_3", User: userID, Secret: func() (string, error) { return secret, nil },
			Transport: &http.Transport{DialContext: dial},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if reply := c.Sync(t.Context(), single()); reply.Left.Sub(began) < wait {
			t.Errorf("left %s after the call began, although connecting took %s", reply.Left.Sub(began), wait)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if reply := soapAt(t, "http://"+l.Addr().String()).Sync(t.Context(), single()); !reply.Left.IsZero() {
			t.Errorf("left %s, although there was nobody to connect to", reply.Left)
		}
	})
}
