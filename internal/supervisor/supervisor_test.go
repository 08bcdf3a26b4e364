package supervisor

import (
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A socket as systemd has it takes what is told.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s := New(func(name string) (string, bool) { return path, name == "NOTIFY_SOCKET" }, 1)
	s.Alive(time.Now())
	buffer := make([]byte, 100)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(buffer); err != nil || string(buffer[:n]) != "READY=1" {
		t.Errorf("told %q, %v", buffer[:n], err)
	}
}

func TestStates(t *testing.T) {
	var told []string
	s := &Supervisor{watchdog: 40 * time.Second, notify: func(state string) error {
		told = append(told, state)
		return nil
	}}
	begin := time.Now()
	for _, seconds := range []int{0, 1, 2, 9, 10, 11, 25} {
		s.Alive(begin.Add(time.Duration(seconds) * time.Second))
	}
	s.Status("delivering")
	s.Status("delivering\nmore")
	s.Status("current")
	s.Stopping()
	want := []string{"READY=1\nWATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STATUS=delivering", "STATUS=current", "STOPPING=1"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if s.Every() > s.watchdog/2 || s.Every() < s.watchdog/4 {
		t.Errorf("every %s of %s", s.Every(), s.watchdog)
	}
}

func TestNobody(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want time.Duration
	}{
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000"}, 10 * time.Second},
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 10 * time.Second},
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0},
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, 0},
		{map[string]string{"NOTIFY_SOCKET": "/x"}, 0},
	} {
		s := New(func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }, 7)
		if s == nil || s.Every() != tt.want {
			t.Errorf("%v: every %v, want %s", tt.env, s.Every(), tt.want)
		}
	}
	var nobody *Supervisor
	if s := New(func(string) (string, bool) { return "", false }, 7); s != nil {
		t.Error("somebody without a socket")
	}
	nobody.Alive(time.Now())
	nobody.Status("x")
	nobody.Stopping()
	if nobody.Every() != 0 {
		t.Error("nobody wants signs of life")
	}
}
