package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func pauseCommand() *cobra.Command {
	var ask asking
	var reason string
	cmd := &cobra.Command{
		Use:   "pause [MAPPING...]",
		Short: "Have mappings wait until they are resumed, also over restarts",
		Long: `Have mappings wait until they are resumed, also over restarts. Without MAPPING
all of them wait, those that are configured later among them.

Nothing of a paused mapping is sent, nor of its backfill; calls that are under way
end. Changes keep their place: PostgreSQL keeps the WAL from the oldest of them on.
Other mappings go on: what comes of a paused one beyond a quarter of memory
(delivery.max_pending) is left in PostgreSQL. A daemon with a paused mapping is not
ready.`,
		Example: `  cdcsync pause roadshow --reason 'the object type is being changed'
  cdcsync pause`,
		RunE: func(cmd *cobra.Command, names []string) error {
			return ask.pause(cmd, admin.PauseAsk{Mappings: names, Reason: reason}, "paused")
		},
	}
	ask.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for others to see in status")
	return cmd
}

func resumeCommand() *cobra.Command {
	var ask asking
	cmd := &cobra.Command{
		Use:   "resume [MAPPING...]",
		Short: "Have mappings go on that were paused",
		Long: `Have mappings go on that were paused, from where they stood. Without MAPPING it
is so for all. Where changes were left in PostgreSQL meanwhile, the daemon ends its
work in order and begins anew to read them, in the same process. A backfill that was
paused by itself is resumed with cdcsync backfill resume.`,
		Example: `  cdcsync resume roadshow
  cdcsync resume`,
		RunE: func(cmd *cobra.Command, names []string) error {
			return ask.pause(cmd, admin.PauseAsk{Mappings: names, Resume: true}, "resumed")
		},
	}
	ask.flags(cmd)
	return cmd
}

// pause asks the daemon, and prints what has changed and what is paused.
func (a *asking) pause(cmd *cobra.Command, what admin.PauseAsk, done string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	answer, err := client.Pause(cmd.Context(), what)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Name(), explain(err))
	}
	if a.json {
		return writeIndented(cmd.OutOrStdout(), answer)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), changedText(answer, done, time.Now()))
	return err
}

// changedText says which mappings were paused or resumed, and which others are paused.
func changedText(a admin.Paused, done string, now time.Time) string {
	text := done + ": " + printable(strings.Join(a.Changed, ", ")) + "\n"
	if len(a.Changed) == 0 {
		text = "nothing was changed\n"
	}
	for _, p := range a.Paused {
		if !slices.Contains(a.Changed, p.Name) {
			text += printable(fmt.Sprintf("%s is paused %s", p.Name, pausedText(p, now))) + "\n"
		}
	}
	return text
}

// pausedText says since when, by which command and why.
func pausedText(p admin.PausedMapping, now time.Time) string {
	text := "since " + p.Since.Local().Format(clock)
	if gone := now.Sub(p.Since); gone >= time.Second {
		text += " (" + span(gone) + ")"
	}
	text += ", by " + p.Command
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}
