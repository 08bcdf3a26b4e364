package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/shadow"
	"github.com/cdcsync/cdcsync/internal/version"
)

// shadowing is what run --shadow is told.
type shadowing struct {
	on, json       bool
	watch, latency time.Duration
}

func (s *shadowing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.on, "shadow", false, "send nothing, and say how many calls a day takes")
	cmd.Flags().DurationVar(&s.watch, "for", 0, "with --shadow: how long to watch, such as 1h; until stopped when left out")
	cmd.Flags().DurationVar(&s.latency, "latency", 500*time.Millisecond, "with --shadow: how long a call to Marketo takes")
	cmd.Flags().BoolVar(&s.json, "json", false, "with --shadow: print the estimate as JSON")
}

// given reports whether a flag was given that needs --shadow.
func (s *shadowing) given(cmd *cobra.Command) bool {
	f := cmd.Flags()
	return f.Changed("for") || f.Changed("latency") || f.Changed("json")
}

func (s *shadowing) run(cmd *cobra.Command, c *config.Config, log *slog.Logger) error {
	if s.watch < 0 || s.latency < 0 {
		return usageError{errors.New("--for and --latency cannot be negative")}
	}
	d := &daemon.Shadow{Daemon: &daemon.Daemon{Config: c, Log: log, Version: version.Read(linked)}, For: s.watch, Latency: s.latency}
	e, err := d.Run(cmd.Context())
	var unfit *preflight.Error
	if errors.As(err, &unfit) {
		return usageError{fmt.Errorf("database and configuration do not fit:\n%w", err)}
	}
	if err != nil {
		return fmt.Errorf("shadow run: %w", err)
	}
	if s.json {
		err = writeIndented(cmd.OutOrStdout(), e)
	} else {
		_, err = io.WriteString(cmd.OutOrStdout(), shadowText(e))
	}
	if err == nil && e.Ended != "" {
		err = errors.New(e.Ended)
	}
	if err != nil {
		return fmt.Errorf("shadow run: %w", err)
	}
	return nil
}

// shadowText is an estimate for people: the answer first.
func shadowText(e shadow.Estimate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a day takes about %s", callsText(uint64(e.CallsDay)))
	if e.Limit > 0 {
		fmt.Fprintf(&b, ", %.1f%% of the %s allowed", 100*e.Share, number(e.Limit))
	}
	if e.Hours > 0 {
		fmt.Fprintf(&b, ", %s at the limit of calls in 20 seconds", seconds(e.Hours*3600))
	}
	b.WriteString("\n")
	fmt.Fprintf(&b, "watched for %s from %s: %s objects in %s; nothing was sent\n", seconds(e.Seconds), e.Began.Local().Format(clock), number(uint64(e.Calls.Objects)), callsText(uint64(e.Calls.Calls)))
	switch {
	case e.DayUnknown != "":
		fmt.Fprintf(&b, "how many changes a day has is not known, as %s; so a day is taken to be like the time that was watched: watch a busy hour\n", e.DayUnknown)
	case e.Statistics < 24*3600:
		fmt.Fprintf(&b, "PostgreSQL's statistics go back %s: what a day has besides, such as a load at night, is not in them\n", seconds(e.Statistics))
	default:
		fmt.Fprintf(&b, "what a day has besides is by PostgreSQL's statistics of %s\n", seconds(e.Statistics))
	}
	if !slices.ContainsFunc(e.Mappings, func(m shadow.Seen) bool { return m.Changes > 0 }) {
		b.WriteString("no mapped row changed in that time: watch for longer\n")
	}
	b.WriteString("\n")
	rows := [][]string{{"MAPPING", "CHANGES", "FILTERED", "MERGED", "UNCHANGED", "UNMAPPABLE", "OBJECTS", "CALLS", "FULL", "CHANGES A DAY", "CALLS A DAY"}}
	for i := range e.Mappings {
		m := &e.Mappings[i]
		day := "-"
		if m.Day != nil {
			day = number(uint64(*m.Day))
		}
		n := func(n int64) string { return number(uint64(n)) }
		rows = append(rows, []string{printable(m.Mapping), n(m.Changes), n(m.Filtered), n(m.Merged), n(m.Unchanged), n(m.Unmappable), n(m.Objects), n(m.Calls.Calls), n(m.Full), day, number(uint64(m.CallsDay + 0.5))})
	}
	writeTable(&b, rows, 1)
	return b.String()
}
