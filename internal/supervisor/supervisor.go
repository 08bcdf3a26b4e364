// Package supervisor tells whoever runs the process how it is: systemd, over
// the socket that a unit of Type=notify gets (sd_notify). Without one nothing is
// told.
//
// The watchdog is fed by turns of the pipeline's loop alone: a process whose loop
// hangs is ended and started again, whatever else of it goes on. An outage of
// PostgreSQL or of Marketo does not hang the loop.
package supervisor

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Supervisor is who runs the process. A nil one is nobody.
type Supervisor struct {
	notify func(state string) error
	// watchdog is the longest time without a sign of life; zero is for ever.
	watchdog time.Duration

	mu     sync.Mutex
	ready  bool
	fed    time.Time
	status string
}

// New returns the supervisor that the environment names; nil for nobody. getenv
// finds a variable, as os.LookupEnv does, pid is that of this process.
func New(getenv func(string) (string, bool), pid int) *Supervisor {
	if socket, ok := getenv("NOTIFY_SOCKET"); !ok || socket == "" {
		return nil
	}
	s := &Supervisor{notify: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
	text, _ := getenv("WATCHDOG_USEC")
	if us, err := strconv.ParseInt(text, 10, 64); err == nil && us > 0 {
		s.watchdog = time.Duration(us) * time.Microsecond
	}
	// With a process id the watchdog is that process's.
	if text, ok := getenv("WATCHDOG_PID"); ok && text != strconv.Itoa(pid) {
		s.watchdog = 0
	}
	return s
}

// Every is how often Alive has to be called at least; zero for never.
func (s *Supervisor) Every() time.Duration {
	if s == nil {
		return 0
	}
	return s.watchdog / 3
}

// Alive is called at every turn of the pipeline's loop. The first call says that
// the start has come to its end.
func (s *Supervisor) Alive(now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var states []string
	if !s.ready {
		s.ready = true
		states = append(states, "READY=1")
	}
	if s.watchdog > 0 && (s.fed.IsZero() || now.Sub(s.fed) >= s.watchdog/4) {
		s.fed = now
		states = append(states, "WATCHDOG=1")
	}
	s.tell(states...)
}

// Reloading stands for Alive while there is no loop, between the end of one
// configuration and the start of the next. Before the first Alive it says nothing.
func (s *Supervisor) Reloading(now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	if ready {
		s.Alive(now)
	}
}

// Stopping says that the process ends in order.
func (s *Supervisor) Stopping() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell("STOPPING=1")
}

// Status says in one line how the process is.
func (s *Supervisor) Status(line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line, _, _ = strings.Cut(line, "\n")
	if line != s.status {
		s.status = line
		s.tell("STATUS=" + line)
	}
}

// tell sends states. A supervisor that does not take them will find out by
// itself: there is nobody else to tell.
func (s *Supervisor) tell(states ...string) {
	if len(states) > 0 {
		_ = s.notify(strings.Join(states, "\n"))
	}
}
