package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/daemon"
)

func stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Rewrite the state file for an older release",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(downgradeCommand())
	return cmd
}

func downgradeCommand() *cobra.Command {
	var to int64
	cmd := &cobra.Command{
		Use:   "downgrade --to VERSION FILE",
		Short: "Rewrite the state file for an older release",
		Long: `Rewrite the state file for an older release.

A release refuses the state file of a newer one, and says which version of the
file it knows. Stop the daemon, run this with the newer release, and start the
older one: it goes on where the newer one was. What the older one does not know
is left out; a copy of the file as it was is kept beside it.`,
		Example: `  cdcsync state downgrade --to 5 /var/lib/cdcsync/state.db`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || to == 0 {
				return wrongUsage(cmd, "give --to and the state file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			// A release that does not keep it would leave it out of date.
			if err := os.Remove(daemon.RecordFile(args[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("delete what is remembered of confirmed objects: %w", err)
			}
			if err := sqlite.Downgrade(cmd.Context(), args[0], to); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has store version %d now; start the release that knows it\n", args[0], to)
			return err
		},
	}
	cmd.Flags().Int64Var(&to, "to", 0, "the version of the file that the older release knows")
	return cmd
}
