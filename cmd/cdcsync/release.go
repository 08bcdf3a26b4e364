package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func releaseCommand() *cobra.Command {
	var ask asking
	var all bool
	cmd := &cobra.Command{
		Use:   "release MAPPING... | --all",
		Short: "Let mappings go on that wait for somebody's word",
		Long: `Let mappings go on that wait for somebody's word.

A mapping that wants to delete more objects in an hour than delivery.max_deletes
allows is held. Released, it deletes for an hour whatever it wants to. A mapping
that is blocked, as Marketo refuses all of its objects, tries again at once.

With --all this is so for every mapping, and the next call to Marketo goes at
once, too, whatever Marketo said of too many calls: of the quota of the day, or
of how long to wait.`,
		Example: `  cdcsync release roadshow
  cdcsync release --all`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return usageError{errors.New("give the mappings to release, or --all")}
			}
			client, err := ask.client()
			if err != nil {
				return err
			}
			acted, err := client.Release(cmd.Context(), admin.Released{Mappings: names, All: all})
			if err != nil {
				return fmt.Errorf("release: %w", explain(err))
			}
			switch {
			case ask.json:
				err = writeIndented(cmd.OutOrStdout(), acted)
			case acted.Done == 0:
				_, err = io.WriteString(cmd.OutOrStdout(), "nothing was held\n")
			default:
				_, err = io.WriteString(cmd.OutOrStdout(), "released; cdcsync status shows what comes of it\n")
			}
			if err == nil && len(acted.Problems) > 0 {
				err = errors.New("release: " + printable(acted.Problems[0]))
			}
			return err
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every mapping, and the calls to Marketo")
	return cmd
}
