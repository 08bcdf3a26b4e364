package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
)

func eraseCommand() *cobra.Command {
	var ask asking
	var force bool
	cmd := &cobra.Command{
		Use:   "erase MAPPING KEY",
		Short: "Erase what is kept of a row that was deleted",
		Long: `Erase what is kept of a row that was deleted.

For somebody who asks to be forgotten: delete the row first, and let that reach
Marketo. What is kept beside it is taken out then: the parked object with its values,
what backfills were refused or asked for, what is known to be lacking, and what is
remembered as confirmed. The state file is written anew, so that nothing of it is left
in parts that are free. KEY has the values of the mapping's key columns, those of a key
of several columns with commas between them, or as ["a,b","c"] where one has a comma
in it; each mapping of the table is asked for by itself.

While the daemon runs it does that; otherwise it is done here, with the state file of
the configuration. The database is asked in both cases. The exit code is 0 when nothing
is left, and 1 otherwise.`,
		Example: `  cdcsync erase roadshow 42
  cdcsync erase orders 7,2026-03-01 --json`,
		Args: exactly(2, "MAPPING and KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			erased, err := ask.erase(cmd, admin.EraseAsk{Mapping: args[0], Key: args[1], Force: force})
			if err != nil {
				return fmt.Errorf("erase: %w", explain(err))
			}
			if ask.json {
				err = writeIndented(cmd.OutOrStdout(), erased)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), erasedText(erased))
			}
			if err == nil && len(erased.Left) > 0 {
				err = errors.New("not all of it could be erased")
			}
			return err
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "although the row is still there, or cannot be looked for")
	return cmd
}

// erase has the daemon do it, or does it where none runs.
func (a *asking) erase(cmd *cobra.Command, what admin.EraseAsk) (admin.Erased, error) {
	client, err := a.client()
	if err != nil {
		return admin.Erased{}, err
	}
	erased, err := client.Erase(cmd.Context(), what)
	if !errors.Is(err, admin.ErrUnreachable) || a.address != "" {
		return erased, err
	}
	conf, err := config.Load(a.file, os.LookupEnv)
	if err != nil {
		return admin.Erased{}, fmt.Errorf("the daemon does not run, and without it the configuration is needed: %w", err)
	}
	return daemon.EraseStopped(cmd.Context(), conf, what)
}

// erasedText says what was there, and what is left.
func erasedText(e admin.Erased) string {
	var b strings.Builder
	fmt.Fprintf(&b, "erased what was kept of %s %s\n\n", printable(e.Object), printable(e.Fields))
	line := func(name, text string) { fmt.Fprintf(&b, "%-11s%s\n", name, text) }
	found := func(name string, n int, one, many string) {
		switch {
		case n == 1:
			line(name, one)
		case n > 1:
			line(name, number(n)+" "+many)
		default:
			line(name, "nothing")
		}
	}
	found("parked", e.Parked, "one object, with its values", "objects, with their values")
	found("refused", e.Refused, "one entry of a backfill", "entries of backfills")
	found("asked for", e.Asked, "by one backfill", "backfills")
	found("lacking", e.Lacking, "one entry", "entries")
	if e.Remembered {
		line("confirmed", "what was remembered of it, if anything")
	}
	for _, left := range e.Left {
		line("LEFT", printable(left))
	}
	if e.Marketo != "" {
		line("in Marketo", printable(e.Marketo))
	}
	return b.String()
}
