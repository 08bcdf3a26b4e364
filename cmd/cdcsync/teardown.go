package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/teardown"
)

func teardownCommand() *cobra.Command {
	var file string
	var yes bool
	cmd := &cobra.Command{
		Use:   "teardown -c FILE",
		Short: "Drop the replication slot and the publication, when cdcsync is to go",
		Long: `Drop the replication slot and the publication, when cdcsync is to go.

A slot that nobody reads from makes PostgreSQL keep all WAL, until its disk is
full. Changes that were not delivered are lost with it. Teardown asks before,
unless --yes is given, and refuses while somebody reads from the slot. What is in
Marketo stays, and so does the state file, which may hold parked objects: remove
it by hand.`,
		Example: `  cdcsync teardown -c cdcsync.yaml`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return usageError{err}
			}
			return takeAway(cmd, conf, yes)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func takeAway(cmd *cobra.Command, conf *config.Config, yes bool) error {
	ctx := cmd.Context()
	// A daemon that is between two connections holds its state file.
	if kept := readState(ctx, conf.State.SQLite); errors.Is(kept.err, sqlite.ErrInUse) {
		return fmt.Errorf("teardown: %w", kept.err)
	}
	source, err := daemon.Source(conf.Source)
	if err != nil {
		return usageError{err}
	}
	slow := patientOn(cmd.ErrOrStderr())
	end := slow.while("looking at the slot and the publication")
	plan, err := teardown.Look(ctx, source)
	end()
	if err != nil {
		return fmt.Errorf("teardown: %w", err)
	}
	if plan.Nothing() {
		_, err := io.WriteString(cmd.OutOrStdout(), "nothing to drop: there is neither the slot nor the publication\n")
		return err
	}
	if !yes {
		if yes, err = agreed(cmd, "", plan.String()+"would be dropped"); err != nil {
			return fmt.Errorf("teardown: %w", err)
		} else if !yes {
			return errors.New("teardown: nothing was dropped")
		}
	}
	end = slow.while("dropping them")
	err = plan.Carry(ctx)
	end()
	if err != nil {
		return fmt.Errorf("teardown: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "dropped:\n%sremove %s and what is beside it by hand, if its parked objects are of no use any more\n", plan, conf.State.SQLite)
	return err
}
