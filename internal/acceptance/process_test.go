package acceptance_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one run of the program.
type process struct {
	cmd    *exec.Cmd
	output *output
	done   chan struct{}
}

// output gathers what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts the program with the given arguments. At the end of the test
// it is killed if it still runs, and what it printed is shown if the test
// failed.
func launch(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), output: &output{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = withTest()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code tells
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		p.sane(t)
		if t.Failed() {
			t.Logf("the program printed:\n%s", shorten(p.output.String()))
		}
	})
	return p
}

// shorten keeps the beginning and the end of a long log.
func shorten(text string) string {
	const most = 6000
	if len(text) <= 2*most {
		return text
	}
	return text[:most] + "\n...\n" + text[len(text)-most:]
}

// sane fails the test if the program panicked or raced.
func (p *process) sane(t *testing.T) {
	t.Helper()
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine 1 ["} {
		if strings.Contains(p.output.String(), bad) {
			t.Errorf("the program printed %q", bad)
		}
	}
}

// kill ends the process with SIGKILL and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exit waits for the end of the process and returns its exit code; -1 when a
// signal ended it.
func (p *process) exit(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		t.Fatalf("the program still runs after %s", limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop ends the process in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t, time.Minute); code != 0 {
		t.Fatalf("exit code after SIGTERM = %d, want 0", code)
	}
}

// awaitLog waits until the program has printed text.
func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	await(t, time.Minute, func() (bool, string) {
		return strings.Contains(p.output.String(), text), "the program has not printed " + text
	})
}

// await asks again and again until ok, ever less often, and fails with the
// reason otherwise.
func await(t *testing.T, limit time.Duration, ask func() (ok bool, reason string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for pause := 5 * time.Millisecond; ; pause = min(pause*5/4, 50*time.Millisecond) {
		ok, reason := ask()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", limit, reason)
		}
		time.Sleep(pause)
	}
}
