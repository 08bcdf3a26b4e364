// Package demo shows cdcsync at work on this machine: a throwaway PostgreSQL,
// a simulated Marketo, a small shop whose rows change all the time, and the
// daemon between them, configured by a file as any other.
//
// Run promises that its end tells the truth: it fails unless every change was
// confirmed, the daemon stopped in order, the server was told so, and every
// mapped row equals its object. It leaves nothing behind unless it is asked
// to. The daemon it runs is the one that `cdcsync run` runs; what it delivers
// to is a simulator, so it says nothing about the speed of Marketo.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cdcsync/cdcsync/internal/version"
)

// API is one of the two APIs of Marketo.
type API string

// The APIs.
const (
	SOAP API = "soap"
	REST API = "rest"
)

// Options say what is shown. API, Rate and Out are required.
type Options struct {
	API API
	// Duration is how long the workload runs; zero means until enough.
	Duration time.Duration
	// Rate is the row changes a second that the workload aims at; see
	// DefaultRate.
	Rate int
	// Seed makes the workload's choices repeatable, not its timing.
	Seed uint64
	// Latency is how long the simulator takes for a call, give or take 30 %.
	Latency time.Duration
	// RealLimits has simulator and daemon keep the limits that Marketo and
	// Adobe's advice set. Otherwise only the number of calls at once is
	// limited.
	RealLimits bool
	// Outage has Marketo refuse every call for a while in the middle. A
	// Duration below 15 s has no room for it.
	Outage bool
	// Keep leaves the directory with the configuration, the log and the state.
	Keep bool
	// Version is the build that the daemon's page shows.
	Version version.Info

	// Out is what a person looks at. Live draws progress in place, as a
	// terminal can; otherwise it is a line a second.
	Out  io.Writer
	Live bool
}

// DefaultRate returns the rate that suits the limits: with Marketo's own,
// 50 calls in 20 seconds carry 250 objects a second over SOAP and 750 over
// REST when all of them are full, and these are not.
func DefaultRate(api API, realLimits bool) int {
	switch {
	case !realLimits:
		return 2000
	case api == SOAP:
		return 100
	}
	return 250
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.API != SOAP && o.API != REST:
		return fmt.Errorf("api %q: choose soap or rest", o.API)
	case o.Rate <= 0:
		return fmt.Errorf("rate %d: choose a positive number of row changes a second", o.Rate)
	case o.Duration < 0:
		return fmt.Errorf("duration %s: choose 0, which is until interrupted, or longer", o.Duration)
	case o.Latency < 0:
		return fmt.Errorf("latency %s: choose 0 or longer", o.Latency)
	}
	return nil
}

// ErrInterrupted is returned by Run when it was ended before it could compare.
var ErrInterrupted = errors.New("demo: interrupted before rows and objects were compared")

// Run shows the demo. The end of enough ends the workload early, and what
// follows is shown all the same; the end of ctx ends everything at once. The
// error is nil when rows and objects agree.
func Run(ctx context.Context, enough <-chan struct{}, o Options) (err error) {
	if err := o.Check(); err != nil {
		return err
	}
	screen := &screen{out: o.Out, live: o.Live}
	defer func() { err = errors.Join(err, screen.close()) }()
	stage, err := build(ctx, enough, o)
	defer func() { err = errors.Join(err, stage.close(), screen.sayKept(stage)) }()
	if err != nil {
		return unlessInterrupted(ctx, enough, err)
	}
	screen.say(introduction(stage, o)...)
	act := &act{stage: stage, options: o, screen: screen, began: time.Now()}
	if err := act.play(ctx, enough); err != nil {
		return unlessInterrupted(ctx, nil, err)
	}
	return act.conclude(ctx)
}

// unlessInterrupted returns err, or ErrInterrupted when that is what it comes
// from.
func unlessInterrupted(ctx context.Context, enough <-chan struct{}, err error) error {
	select {
	case <-enough:
		return ErrInterrupted
	default:
	}
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// introduction says what is about to be seen.
func introduction(s *stage, o Options) []string {
	length := "until Ctrl-C"
	if o.Duration > 0 {
		length = "for " + o.Duration.String()
	}
	api := "SOAP, 100 objects a call"
	if o.API == REST {
		api = "REST, 300 objects a call"
	}
	limits := "10 calls at once; the others are lifted (--limits real keeps them)"
	if o.RealLimits {
		limits = "50 calls in 20 s, 5 at once, 10,000 a day, as Adobe advises"
	}
	return []string{
		fmt.Sprintf("cdcsync demo: three tables of a shop change %s, about %s rows a second.", length, grouped(o.Rate)),
		"",
		"  PostgreSQL   a throwaway server, version " + s.version,
		fmt.Sprintf("  Marketo      simulated at %s, about %s a call", s.marketoURL, o.Latency),
		"  API          " + api,
		"  limits       " + limits,
		"  metrics      http://" + s.config.HTTP.Listen + "/metrics",
		"",
	}
}
