package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func backfillRetryCommand() *cobra.Command {
	var ask asking
	what := admin.BackfillAsk{Action: admin.BackfillRetry}
	var all bool
	cmd := &cobra.Command{
		Use:   "retry MAPPING... | --all",
		Short: "Send the rows once more that backfills could not send, as they are now",
		Long: `Send the rows once more that backfills could not send, as they are now.

It starts a backfill of the rows that cdcsync backfill list --refused has of these
mappings, and says what that costs, as cdcsync backfill start does. What is refused
again is kept by the new backfill. Rows that have gone, or that the mapping leaves
out by now, are refused no more. Those without a key that they could be found by are
left: cdcsync backfill start sends them with all others.`,
		Example: `  cdcsync backfill retry roadshow
  cdcsync backfill retry roadshow --code 1003
  cdcsync backfill retry --all`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return usageError{errors.New("give the mappings whose refused rows are to be sent, or --all")}
			}
			if cmd.Flags().Changed("code") && what.Code == "" {
				return usageError{errors.New(`--code is empty; "-" is for rows without one`)}
			}
			what.Mappings = names
			return ask.backfills(cmd, what, retriedText)
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every mapping")
	cmd.Flags().StringVar(&what.Code, "code", "", `only rows that were refused with this code; "-" for those without one`)
	return cmd
}

func retriedText(b admin.Backfills) string {
	if len(b.Backfills) == 0 {
		return "no such row is refused; cdcsync backfill list --refused shows those that are\n"
	}
	var left strings.Builder
	for _, one := range b.Backfills {
		if one.RefusedLeft > 0 {
			fmt.Fprintf(&left, "%s: %s more rows are refused; retry again when these are done\n", one.Mapping, number(one.RefusedLeft))
		}
	}
	return startedText(b) + left.String()
}

// refusedText lists refused rows, where they were asked for.
func refusedText(b admin.Backfills) string {
	rows := [][]string{{"ID", "MAPPING", "KEY", "CODE", "REFUSED AT", "NEXT TRY", "MESSAGE"}}
	var more strings.Builder
	for _, one := range b.Backfills {
		for _, r := range one.RefusedRows {
			row := []string{fmt.Sprint(one.ID), one.Mapping, printable(r.Key), "-", r.At.Local().Format(clock), "-", printable(r.Message)}
			if r.Code != "" {
				row[3] = printable(r.Code)
			}
			if r.Next != nil {
				row[5] = r.Next.Local().Format(clock)
			}
			rows = append(rows, row)
		}
		if n := one.Refused - int64(len(one.RefusedRows)); len(one.RefusedRows) > 0 && n > 0 {
			fmt.Fprintf(&more, "%d %s: and %s more; --limit lists more of them\n", one.ID, one.Mapping, number(uint64(n)))
		}
	}
	if len(rows) == 1 {
		return ""
	}
	var out strings.Builder
	out.WriteString("\n")
	writeTable(&out, rows, len(rows[0]))
	return out.String() + more.String()
}
