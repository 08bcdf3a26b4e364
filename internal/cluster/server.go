package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Mode says how a server is stopped; the words are those of pg_ctl.
type Mode string

const (
	// Fast ends all sessions, writes a checkpoint and stops. It waits for
	// every replication client to confirm all it was sent.
	Fast Mode = "fast"
	// Immediate stops without a checkpoint, like a crash.
	Immediate Mode = "immediate"
)

// ErrStopped is returned by Stop and Kill when the server does not run.
var ErrStopped = errors.New("the server is not running")

// server is one run of the postgres program.
type server struct {
	process *os.Process
	// done is closed when the process has ended; err is set before.
	done chan struct{}
	err  error
}

// start runs the server and waits until it accepts connections.
func (c *Cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startupWait)
	defer cancel()
	s, err := c.launch()
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if err := c.awaitReady(ctx, s); err != nil {
		stopErr := s.stop(context.Background(), Immediate)
		return errors.Join(fmt.Errorf("start postgres: %w; its log ends:\n%s", err, tail(c.Log())), stopErr)
	}
	c.mu.Lock()
	c.server = s
	c.mu.Unlock()
	return nil
}

// launch starts the program on a goroutine that keeps its thread until the
// program ends: Linux delivers the parent death signal when the thread that
// started the child ends, not when the process does.
func (c *Cluster) launch() (*server, error) {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data())
	cmd.Dir = c.dir
	cmd.Env = environment(c.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = withParent(c.account.attributes())

	s := &server{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.done)
		defer log.Close()
		err := cmd.Start()
		s.process = cmd.Process
		started <- err
		if err == nil {
			s.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-s.done
		return nil, err
	}
	return s, nil
}

// awaitReady waits until postmaster.pid names this process and says "ready",
// which is what pg_ctl looks at too.
func (c *Cluster) awaitReady(ctx context.Context, s *server) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if data, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid")); err == nil {
			lines := strings.Split(string(data), "\n")
			if len(lines) > 7 && lines[0] == strconv.Itoa(s.process.Pid) && strings.TrimSpace(lines[7]) == "ready" {
				return nil
			}
		}
		select {
		case <-s.done:
			return fmt.Errorf("the program ended: %w", exitReason(s.err))
		case <-ctx.Done():
			return fmt.Errorf("wait until it accepts connections: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

func exitReason(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// stop signals the server and waits for its end. When ctx ends first, the
// server goes on stopping.
func (s *server) stop(ctx context.Context, mode Mode) error {
	if err := signal(s.process, mode); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop postgres: %w", ctx.Err())
	}
}

// Stop stops the server and waits for its end. When ctx ends before, the
// server is still stopping, and Stop may be called again. Stop of a server
// that does not run is ErrStopped.
func (c *Cluster) Stop(ctx context.Context, mode Mode) error {
	c.mu.Lock()
	s := c.server
	c.mu.Unlock()
	if s == nil {
		return ErrStopped
	}
	if err := s.stop(ctx, mode); err != nil {
		return err
	}
	c.forget(s)
	return nil
}

// Kill ends the server with SIGKILL, as the kernel does when memory is short.
// Its sessions end a moment later by themselves.
func (c *Cluster) Kill() error {
	c.mu.Lock()
	s := c.server
	c.mu.Unlock()
	if s == nil {
		return ErrStopped
	}
	if err := s.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill postgres: %w", err)
	}
	<-s.done
	c.forget(s)
	return nil
}

func (c *Cluster) forget(s *server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == s {
		c.server = nil
	}
}

// Restart starts the server again on the same port and data, after a fast
// stop when it still runs.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.Stop(ctx, Fast); err != nil && !errors.Is(err, ErrStopped) {
		return err
	}
	// After Kill the old sessions hold the shared memory for a moment.
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := c.start(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if !strings.Contains(err.Error(), "still in use") {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
