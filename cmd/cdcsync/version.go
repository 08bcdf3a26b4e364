package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/version"
)

// linked is the version that the linker sets for a release.
var linked string

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and what is known of the build",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			build := version.Read(linked)
			if asJSON {
				return writeIndented(cmd.OutOrStdout(), build)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "cdcsync", build)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
