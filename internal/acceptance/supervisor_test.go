package acceptance_test

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// supervisor is a socket as systemd has it, and what it was told.
type supervisor struct {
	path string
	mu   sync.Mutex
	told []string
}

func newSupervisor(t *testing.T) *supervisor {
	t.Helper()
	s := &supervisor{path: filepath.Join(t.TempDir(), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.told = append(s.told, strings.Split(string(buffer[:n]), "\n")...)
			s.mu.Unlock()
		}
	}()
	return s
}

// count returns how often it was told what begins so.
func (s *supervisor) count(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.told {
		if strings.HasPrefix(state, prefix) {
			n++
		}
	}
	return n
}

func (s *supervisor) await(t *testing.T, prefix string, least int) {
	t.Helper()
	await(t, 30*time.Second, func() (bool, string) {
		return s.count(prefix) >= least, "the supervisor was not told " + prefix
	})
}

// systemd hears that the start has come to its end, that the loop turns, how the
// daemon is, and that it ends.
func TestSupervisorIsTold(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newWorld(t, server, "rest", simulator.Options{Dedupe: map[string][]string{"Thing": {"code"}}})
	w.exec(`CREATE TABLE things (code text PRIMARY KEY, n int, name text)`)
	w.mapThing("things", "code", "{n: n, name: name}")
	w.config.shutdown = time.Second
	s := newSupervisor(t)
	env := []string{"NOTIFY_SOCKET=" + s.path, "WATCHDOG_USEC=400000"}

	// A start that waits for PostgreSQL has not come to its end.
	url := w.config.url
	w.config.url = "postgres://nobody@127.0.0.1:1/none"
	p := w.launchWith(w.program, env...)
	s.await(t, "STATUS=NOT READY: ", 1)
	if n := s.count("READY=1") + s.count("WATCHDOG=1"); n > 0 {
		t.Errorf("told %d times that it is there, and it waits for PostgreSQL", n)
	}
	p.stop(t)

	w.config.url = url
	p = w.launchWith(w.program, env...)
	s.await(t, "READY=1", 1)
	s.await(t, "WATCHDOG=1", 6)
	s.await(t, "STATUS=ready", 1)
	w.failing(simulator.Rule{Operation: "sync", Status: 503})
	w.exec(`INSERT INTO things VALUES ('a', 1, 'a')`)
	s.await(t, "STATUS=NOT READY: marketo_failing", 1)
	s.await(t, "WATCHDOG=1", s.count("WATCHDOG=1")+6)
	p.stop(t)
	s.await(t, "STOPPING=1", 1)
	if n := s.count("READY=1"); n != 1 || !slices.Contains(s.told, "READY=1") {
		t.Errorf("told %d times that it is ready", n)
	}
}
