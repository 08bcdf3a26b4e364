package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func parkedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "See the objects that Marketo did not take, and act on them",
		Long: `See the objects that Marketo did not take, and act on them.

An object that Marketo refuses, or that cannot be made from its row, is parked:
kept with the reason, while everything else goes on. One that waits for
something in Marketo, such as a lead, is tried again by itself. A later change
of its row that is confirmed takes a parked object away.

These commands ask the running daemon. While none runs, the table "parked" of
the state file has the same, for sqlite3 to read.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(parkedListCommand(), parkedShowCommand(), parkedExportCommand(), parkedActCommand(false), parkedActCommand(true))
	return cmd
}

func parkedListCommand() *cobra.Command {
	var ask asking
	var query admin.Query
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List parked objects, and how many there are of each kind",
		Example: `  cdcsync parked list
  cdcsync parked list --mapping roadshow --code 1004
  cdcsync parked list --waiting --limit 0 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit := query.Limit
			if limit < 0 {
				return usageError{errors.New("--limit is less than 0; give the most objects to list, 0 for the groups alone")}
			}
			client, err := ask.client()
			if err != nil {
				return err
			}
			listed, err := gather(cmd.Context(), client, query)
			if err != nil {
				return fmt.Errorf("parked list: %w", explain(err))
			}
			if ask.json {
				err = writeIndented(cmd.OutOrStdout(), listed)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), parkedText(listed))
			}
			if err != nil {
				return fmt.Errorf("parked list: %w", err)
			}
			return nil
		},
	}
	ask.flags(cmd)
	cmd.Flags().StringVar(&query.Mapping, "mapping", "", "only those of this mapping")
	cmd.Flags().StringVar(&query.Code, "code", "", `only those with this code; "-" for those without one`)
	cmd.Flags().StringVar(&query.Key, "key", "", "only this key, written id=42 or MKTOID=7,rid=42, or this id")
	cmd.Flags().BoolVar(&query.Waiting, "waiting", false, "only those that are tried again by themselves")
	cmd.Flags().IntVar(&query.Limit, "limit", 50, "the most objects to list; 0 for the groups alone")
	return cmd
}

// gather lists as many objects as query.Limit asks for, over as many pages as
// that takes.
func gather(ctx context.Context, client *admin.Client, query admin.Query) (admin.Parked, error) {
	const most = 1000
	left := query.Limit
	query.Limit = min(left, most)
	if left == 0 {
		query.Limit = -1
	}
	listed, err := client.Parked(ctx, query)
	for err == nil && listed.Next != "" && len(listed.Entries) < left {
		query.After, query.Limit = listed.Next, min(left-len(listed.Entries), most)
		var more admin.Parked
		more, err = client.Parked(ctx, query)
		listed.Entries, listed.Next = append(listed.Entries, more.Entries...), more.Next
	}
	return listed, err
}

func parkedShowCommand() *cobra.Command {
	var ask asking
	var mapping string
	cmd := &cobra.Command{
		Use:   "show KEY|ID",
		Short: "Show one parked object with everything that is known of it",
		Long: `Show one parked object with everything that is known of it: Marketo's words, and
the values that were to be written. KEY is written as parked list writes it,
id=42 or MKTOID=7,rid=42.`,
		Example: `  cdcsync parked show id=42
  cdcsync parked show 0f2c8d41a7be --json`,
		Args: exactly(1, "one KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			entry, err := client.Show(cmd.Context(), args[0], mapping)
			if err != nil {
				return fmt.Errorf("parked show: %w", explain(err))
			}
			if ask.json {
				err = writeIndented(cmd.OutOrStdout(), entry)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), entryText(entry))
			}
			if err != nil {
				return fmt.Errorf("parked show: %w", err)
			}
			return nil
		},
	}
	ask.flags(cmd)
	cmd.Flags().StringVar(&mapping, "mapping", "", "the mapping, where a key is parked in several")
	return cmd
}
