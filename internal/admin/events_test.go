package admin_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// eventful is a daemon of which every look shows another state.
func eventful() (admin.Options, *atomic.Int64) {
	o, looks := full().options(), new(atomic.Int64)
	o.Status = func(context.Context) snapshot.Status {
		return snapshot.Status{State: "current", Ready: true, Version: strings.Repeat("x", 1<<10), Time: time.Unix(looks.Add(1), 0).UTC()}
	}
	o.Backfills = func(context.Context, admin.BackfillAsk) (admin.Backfills, error) {
		return admin.Backfills{Backfills: []admin.Backfill{}}, nil
	}
	return o, looks
}

func TestEventsTellHowThingsAre(t *testing.T) {
	o, _ := eventful()
	ending := make(chan struct{})
	o.Ending = ending
	server := httptest.NewServer(admin.NewWithEvents(o, 10*time.Millisecond, time.Second, 2))
	defer server.Close()
	res, err := http.Get(server.URL + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("type: got %q", got)
	}
	statuses, backfills := 0, 0
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		switch lines.Text() {
		case "event: status":
			statuses++
		case "event: backfills":
			backfills++
		}
		if statuses == 3 {
			break
		}
	}
	if backfills != 1 {
		t.Errorf("backfills that stay the same were told %d times, want once", backfills)
	}
	close(ending)
	for lines.Scan() {
		continue
	}
	if err := lines.Err(); err != nil {
		t.Errorf("end: got %v, want the end of the stream", err)
	}
}

// Two are let in, and one more when one of them has gone.
func TestEventsAreBounded(t *testing.T) {
	o, _ := eventful()
	server := httptest.NewServer(admin.NewWithEvents(o, 10*time.Millisecond, time.Second, 2))
	defer server.Close()
	get := func() *http.Response {
		res, err := http.Get(server.URL + "/api/v1/events")
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first, second, third := get(), get(), get()
	_ = third.Body.Close()
	if first.StatusCode != 200 || second.StatusCode != 200 || third.StatusCode != 503 {
		t.Errorf("got %d, %d, %d; want 200, 200, 503", first.StatusCode, second.StatusCode, third.StatusCode)
	}
	_ = first.Body.Close()
	defer second.Body.Close()
	for range 100 {
		again := get()
		_ = again.Body.Close()
		if again.StatusCode == 200 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("nobody is let in after one has gone")
}

// One that does not read is dropped, and does not keep others from being told.
func TestEventsDropWhoDoesNotRead(t *testing.T) {
	o, looks := eventful()
	var open atomic.Int64
	server := httptest.NewUnstartedServer(admin.NewWithEvents(o, time.Millisecond, 50*time.Millisecond, 1))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	silent, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_ = silent.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := silent.Write([]byte("GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if looks.Load() > 10 && open.Load() == 0 {
			return
		}
	}
	t.Errorf("after %d events that nobody read, %d connections are open, want none", looks.Load(), open.Load())
}

// The server's own time limits for requests do not end them.
func TestEventsOutliveTheTimeOfARequest(t *testing.T) {
	o, _ := eventful()
	server := httptest.NewUnstartedServer(admin.NewWithEvents(o, 50*time.Millisecond, time.Second, 1))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	server.Start()
	defer server.Close()
	res, err := http.Get(server.URL + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for told := 0; told < 8; {
		if !lines.Scan() {
			t.Fatalf("after %d events: %v, want more", told, lines.Err())
		}
		if lines.Text() == "event: status" {
			told++
		}
	}
}
