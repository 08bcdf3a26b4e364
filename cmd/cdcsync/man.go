package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/cdcsync/cdcsync/internal/version"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages, one for each command",
		Long: `Write the manual pages, one for each command, into a directory that is there.
Packages bring them along.`,
		Example: `  cdcsync man /usr/local/share/man/man1`,
		Args:    exactly(1, "one DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
				return usageError{fmt.Errorf("%s is no directory that is there; make it first", args[0])}
			}
			build := version.Read(linked)
			header := doc.GenManHeader{Section: "1", Source: "cdcsync " + build.Version, Manual: "cdcsync"}
			if !build.Time.IsZero() {
				header.Date = &build.Time
			}
			root := cmd.Root()
			each(root, func(c *cobra.Command) { c.DisableAutoGenTag = true })
			if err := doc.GenManTree(root, &header, args[0]); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return nil
		},
	}
}
