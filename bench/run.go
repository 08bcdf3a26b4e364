package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// result is one run.
type result struct {
	Workload  string `json:"workload"`
	Contender string `json:"contender"`
	Rows      int    `json:"rows"`
	// Seconds is from the start of the process to the end confirmed.
	Seconds float64 `json:"seconds"`
	// CPU is that of the contender, Walsender that of PostgreSQL's process
	// for it, in seconds.
	CPU       float64 `json:"cpu_seconds"`
	Walsender float64 `json:"walsender_cpu_seconds"`
	// Peak is the largest resident size, in bytes.
	Peak    int64 `json:"peak_bytes"`
	Calls   int   `json:"calls"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Fewest is the smallest number of calls that would have done, given what
	// was read when; zero where it is not worked out.
	Fewest int `json:"fewest_calls,omitempty"`
	// Load is the machine's load average before the run.
	Load string `json:"load_average"`
}

// longestRun bounds a run; what takes longer is broken.
const longestRun = 30 * time.Minute

// run lets a contender read a backlog from a slot of its own.
func (s *stage) run(ctx context.Context, c contender, b backlog) (r result, err error) {
	r = result{Workload: b.name, Contender: c.name, Rows: b.rows, Load: loadAverage()}
	slot, p, err := s.begin(ctx, c, b, sinkSettings{}, setting{delivery: s.delivery})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.database.dropSlot(ctx, slot)) }()
	fewest := s.fewest(ctx, c, b, p)
	err = s.watch(ctx, c, b, slot, p, &r)
	var fewestErr error
	r.Fewest, fewestErr = fewest()
	err = errors.Join(err, fewestErr)
	err = s.end(ctx, c, b, p, &r, err)
	return r, err
}

// end stops a contender, and accounts for its run unless that failed with err.
func (s *stage) end(ctx context.Context, c contender, b backlog, p *process, r *result, err error) error {
	if stopErr := p.stop(c.ours); stopErr != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", c.name, stopErr))
	}
	r.CPU = (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds()
	if err != nil {
		return err
	}
	return s.account(ctx, c, b, r)
}

// begin starts a contender on a backlog, with a slot of its own, which the
// caller drops, and a sink that has seen nothing yet.
func (s *stage) begin(ctx context.Context, c contender, b backlog, sink sinkSettings, set setting) (slot string, p *process, err error) {
	if slot, err = s.database.copySlot(ctx, b.name); err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.database.dropSlot(ctx, slot))
		}
	}()
	if err := s.sink.reset(ctx, sink); err != nil {
		return slot, nil, err
	}
	set.workload, set.slot, set.end = b.workload, slot, b.end
	cmd, err := s.command(ctx, c, set)
	if err != nil {
		return slot, nil, err
	}
	p, err = start(cmd)
	return slot, p, err
}

// watch looks at a run until its end is confirmed.
func (s *stage) watch(ctx context.Context, c contender, b backlog, slot string, p *process, r *result) error {
	walsender := 0
	return until(ctx, longestRun, "the end is confirmed", func() (bool, error) {
		state, err := s.database.slot(ctx, slot)
		if err != nil {
			return false, err
		}
		if state.walsender != 0 {
			walsender = state.walsender
		}
		r.Peak = max(r.Peak, peakOf(p.cmd.Process.Pid))
		if walsender != 0 {
			r.Walsender = max(r.Walsender, cpuOf(walsender).Seconds())
		}
		if state.confirmed < b.end {
			return false, p.failed()
		}
		if c.ours || p.over() {
			r.Seconds = time.Since(p.began).Seconds()
			return true, nil
		}
		return false, nil
	})
}

// account asks the sink what it got, and refuses a run that lost something.
func (s *stage) account(ctx context.Context, c contender, b backlog, r *result) error {
	if c.api == "" {
		return nil
	}
	stats, err := s.sink.stats(ctx)
	if err != nil {
		return err
	}
	r.Calls, r.Objects, r.Bytes = stats.Calls, stats.Objects, stats.Bytes
	switch {
	case !stats.Last:
		return fmt.Errorf("%s confirmed the end of %s, and the sink has not got its last row", c.name, b.name)
	case b.keys == 0 && stats.Objects < b.rows:
		return fmt.Errorf("%s confirmed the end of %s, and the sink has %d of %d rows", c.name, b.name, stats.Objects, b.rows)
	}
	return nil
}

// process is a contender at work.
type process struct {
	cmd    *exec.Cmd
	began  time.Time
	output bytes.Buffer
	ended  chan struct{}
	err    error // set before ended is closed
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, began: time.Now(), ended: make(chan struct{})}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.output
	}
	cmd.WaitDelay = settleTime
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// failed is the error of a process that ended before its work was done.
func (p *process) failed() error {
	if !p.over() || p.err == nil {
		return nil
	}
	return fmt.Errorf("it ended: %w %s", p.err, p.said())
}

// said is the end of what the process wrote to its standard error.
func (p *process) said() string {
	text := p.output.String()
	if f, ok := p.cmd.Stderr.(*os.File); ok {
		data, _ := os.ReadFile(f.Name())
		text = string(data)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// stop ends a process that goes on for ever, in order, and waits for it.
func (p *process) stop(endless bool) error {
	if endless && !p.over() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	<-p.ended
	if f, ok := p.cmd.Stderr.(*os.File); ok {
		defer f.Close()
	}
	if p.err != nil {
		return fmt.Errorf("%w: %s", p.err, p.said())
	}
	return nil
}
