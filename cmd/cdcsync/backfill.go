package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func backfillCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill",
		Short: "Send the rows that tables have, beside their changes",
		Long: `Send the rows that tables have, beside their changes.

A table is read in parts while changes go on, which go first. How far it has come
is kept: a restart goes on there, and repeats the last few calls at most. Rows
that Marketo refuses are kept by their keys, and hold up nothing.

These commands ask the running daemon.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(backfillStartCommand(), backfillListCommand(), backfillRetryCommand(),
		backfillActCommand(admin.BackfillPause, "Have backfills stand until they are resumed, also over restarts", "paused"),
		backfillActCommand(admin.BackfillResume, "Have backfills go on that were paused, or that failed", "resumed"),
		backfillActCommand(admin.BackfillCancel, "End backfills: what is on its way arrives, the rest is not sent", "cancelled"))
	return cmd
}

func backfillStartCommand() *cobra.Command {
	var ask asking
	what := admin.BackfillAsk{Action: admin.BackfillStart}
	var all bool
	cmd := &cobra.Command{
		Use:   "start MAPPING... | --all",
		Short: "Send the rows of mappings, all of them or some",
		Long: `Send the rows of mappings, all of them or some.

--where takes an expression as a mapping's where does, and sends the rows for
which both are true. --keys takes values of the mapping's key columns, those of a
key of several columns with commas between them, or as ["a,b","c"] where one has a
comma in it. Objects that Marketo does not have are created, which sets off the
campaigns that wait for that.`,
		Example: `  cdcsync backfill start roadshow
  cdcsync backfill start roadshow --where 'state == "CA"'
  cdcsync backfill start roadshow --keys 17 --keys 42
  cdcsync backfill start --all`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return usageError{errors.New("give the mappings whose rows are to be sent, or --all")}
			}
			if cmd.Flags().Changed("where") && strings.TrimSpace(what.Where) == "" {
				return usageError{errors.New("--where is empty; leave it out where all rows are meant")}
			}
			what.Mappings = names
			return ask.backfills(cmd, what, startedText)
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every mapping")
	cmd.Flags().StringVar(&what.Where, "where", "", "only rows for which this expression is true")
	cmd.Flags().StringArrayVar(&what.Keys, "keys", nil, "only the row of this key; may be given again")
	cmd.Flags().BoolVar(&what.Force, "force", false, "send objects although Marketo is known to have them as they are")
	return cmd
}

func backfillListCommand() *cobra.Command {
	var ask asking
	var refused bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List backfills: how far they have come, and what is left",
		Long: `List backfills: how far they have come, and what is left.

--refused also lists the rows that Marketo did not take, with its code. Once the
cause is fixed: cdcsync backfill retry MAPPING, or for some of them
cdcsync backfill start MAPPING --keys KEY`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageError{errors.New("--limit is a number above 0")}
			}
			what := admin.BackfillAsk{}
			if refused {
				what.Refused = limit
			}
			return ask.backfills(cmd, what, backfillsText)
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&refused, "refused", false, "list the rows that Marketo did not take, too")
	cmd.Flags().IntVar(&limit, "limit", 100, "the most of these rows of one backfill")
	return cmd
}

func backfillActCommand(action admin.BackfillAction, short, done string) *cobra.Command {
	var ask asking
	cmd := &cobra.Command{
		Use:   string(action) + " [MAPPING...]",
		Short: short,
		Long:  short + ". Without MAPPING it is so for all.",
		RunE: func(cmd *cobra.Command, names []string) error {
			return ask.backfills(cmd, admin.BackfillAsk{Action: action, Mappings: names}, func(b admin.Backfills) string {
				if len(b.Backfills) == 0 {
					return "no backfill could be " + done + "; cdcsync backfill list shows them\n"
				}
				var names []string
				for _, one := range b.Backfills {
					names = append(names, one.Mapping)
				}
				return done + ": " + strings.Join(names, ", ") + "\n"
			})
		},
	}
	ask.flags(cmd)
	return cmd
}

// backfills asks the daemon, and prints the answer.
func (a *asking) backfills(cmd *cobra.Command, what admin.BackfillAsk, text func(admin.Backfills) string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	answer, err := client.Backfills(cmd.Context(), what)
	if err != nil {
		return fmt.Errorf("backfill: %w", explain(err))
	}
	if a.json {
		return writeIndented(cmd.OutOrStdout(), answer)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text(answer))
	return err
}

func startedText(b admin.Backfills) string {
	var out strings.Builder
	for _, one := range b.Backfills {
		fmt.Fprintf(&out, "%s: about %s rows of %s, %s%s\n", one.Mapping, number(uint64(one.Estimate)), one.Table, callsText(uint64(one.CallsLeft)), costText(one))
		switch {
		case one.CampaignsUnknown != "":
			fmt.Fprintf(&out, "  which campaigns use %s is not known: %s\n", printable(one.Object), printable(one.CampaignsUnknown))
		case len(one.Campaigns) > 0:
			fmt.Fprintf(&out, "  %s is used by %s; objects that are created may set them off\n", printable(one.Object), printable(strings.Join(one.Campaigns, ", ")))
		default:
			fmt.Fprintf(&out, "  no campaign uses %s, by Marketo's word\n", printable(one.Object))
		}
	}
	if len(b.Backfills) > 0 {
		out.WriteString("cdcsync backfill list shows how far it is\n")
	}
	return out.String()
}

func costText(b admin.Backfill) string {
	text := ""
	if b.SecondsLeft > 0 {
		text += ", " + seconds(b.SecondsLeft) + " at the limits"
	}
	if b.Day > 0 {
		text += fmt.Sprintf(", %.1f%% of a day's calls", 100*b.Day)
	}
	return text
}

func backfillsText(b admin.Backfills) string {
	if len(b.Backfills) == 0 {
		return "there were no backfills; cdcsync backfill start MAPPING sends the rows that a table has\n"
	}
	rows := [][]string{{"ID", "MAPPING", "STATE", "ROWS", "OF ABOUT", "OBJECTS", "REFUSED", "CALLS LEFT", "TIME LEFT"}}
	var reasons strings.Builder
	for _, one := range b.Backfills {
		row := []string{fmt.Sprint(one.ID), one.Mapping, one.State, number(uint64(one.Rows)), "-", number(uint64(one.Objects)), number(uint64(one.Refused)), "-", "-"}
		if one.Estimate > 0 {
			row[4] = number(uint64(one.Estimate))
		}
		if one.CallsLeft > 0 {
			row[7] = number(uint64(one.CallsLeft))
		}
		if one.SecondsLeft > 0 {
			row[8] = seconds(one.SecondsLeft)
		}
		rows = append(rows, row)
		if one.Reason != "" {
			fmt.Fprintf(&reasons, "%d %s: %s\n", one.ID, one.Mapping, printable(one.Reason))
		}
	}
	var out strings.Builder
	writeTable(&out, rows, 3)
	return out.String() + reasons.String() + refusedText(b)
}
