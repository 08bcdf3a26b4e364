package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func traceCommand() *cobra.Command {
	var ask asking
	var marketo bool
	cmd := &cobra.Command{
		Use:   "trace MAPPING KEY",
		Short: "Say where a row is on its way to Marketo, and why",
		Long: `Say where a row is on its way to Marketo, and why.

KEY has the values of the mapping's key columns, those of a key of several columns
with commas between them, or as ["a,b","c"] where one has a comma in it. It is looked
for in the table as it is now, in the queue, among the parked objects, among what
backfills left, and among what is remembered of confirmed objects (delivery.suppress_unchanged). No values are shown but the key, and
no call to Marketo is made, unless --marketo asks for what it has: that takes one.`,
		Example: `  cdcsync trace roadshow 42
  cdcsync trace roadshow 42 --marketo
  cdcsync trace orders 7,2026-03-01 --json`,
		Args: exactly(2, "MAPPING and KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			traced, err := client.Trace(cmd.Context(), args[0], args[1])
			if err != nil {
				return fmt.Errorf("trace: %w", explain(err))
			}
			if marketo {
				has, err := client.TraceMarketo(cmd.Context(), admin.TraceAsk{Mapping: args[0], Key: args[1]})
				if err != nil {
					return fmt.Errorf("trace: %w", explain(err))
				}
				traced.Marketo = &has
			}
			if ask.json {
				err = writeIndented(cmd.OutOrStdout(), traced)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), tracedText(traced))
			}
			if err != nil {
				return fmt.Errorf("trace: %w", err)
			}
			return nil
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&marketo, "marketo", false, "ask Marketo what it has of the object, in one call")
	return cmd
}

// tracedText is the way of a row for people: the answer first.
func tracedText(t admin.Traced) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n\n", printable(t.Object), printable(t.Key), verdictOf(t))
	line := func(name, text string) { fmt.Fprintf(&b, "%-11s%s\n", name, text) }
	line("row", rowText(t))
	if len(t.Queue) == 0 {
		line("queue", "nothing of it")
	}
	for _, q := range t.Queue {
		line("queue", queuedText(t, q))
	}
	if p := t.Parked; p != nil {
		text := fmt.Sprintf("%s, %s; tried %s, last at %s", p.Operation, reasonText(p.Code, p.Message), times(p.Attempts), p.Last.Local().Format(clock))
		if p.Next != nil {
			text += "; it is tried again at " + p.Next.Local().Format(clock)
		}
		line("parked", text+"; see cdcsync parked show "+p.ID)
	} else {
		line("parked", "no")
	}
	for _, r := range t.Refused {
		text := fmt.Sprintf("of backfill %s at %s: %s", r.Backfill, r.At.Local().Format(clock), reasonText(r.Code, r.Message))
		if r.Next != nil {
			text += "; it is tried again at " + r.Next.Local().Format(clock)
		}
		line("refused", text)
	}
	if c := t.Confirmed; c != nil {
		text := fmt.Sprintf("%s at %s, in call %d", printable(c.Status), c.At.Local().Format(clock), c.Call)
		if c.LSN != "" {
			text += ", as of the commit at " + printable(c.LSN)
		}
		if c.Compared {
			text += "; " + difference(c.Differs)
		}
		line("confirmed", text)
	}
	if t.Marketo != nil {
		writeInMarketo(line, t.Marketo)
	}
	if t.Through != nil {
		line("in Marketo", "every change committed by "+t.Through.Local().Format(clock)+", but for what stands here, and what is parked")
	}
	return b.String()
}

// difference says how the row as it is now compares.
func difference(differs []string) string {
	if len(differs) == 0 {
		return "the row is the same"
	}
	return "the row has other values now: " + printable(strings.Join(differs, ", "))
}

// writeInMarketo says what Marketo has of the key.
func writeInMarketo(line func(name, text string), m *admin.InMarketo) {
	if len(m.Objects) == 0 {
		line("Marketo", "has no such object")
		return
	}
	for _, o := range m.Objects {
		text := "has the object"
		if len(m.Objects) > 1 {
			text = fmt.Sprintf("has %d objects of this key, one of them", len(m.Objects))
		}
		if o.GUID != "" {
			text += " " + printable(o.GUID)
		}
		if o.Updated != "" {
			text += ", updated at " + printable(o.Updated)
		}
		if m.Compared {
			text += "; " + difference(o.Differs)
		}
		line("Marketo", text)
	}
}

// verdictOf is the answer in a few words.
func verdictOf(t admin.Traced) string {
	switch {
	case len(t.Queue) > 0:
		return "on its way: it " + printable(t.Queue[0].Waits)
	case t.Parked != nil && t.Parked.Waits:
		return "not in Marketo as its row is: it was refused, and is tried again by itself"
	case t.Parked != nil:
		return "not in Marketo as its row is: it was refused, and waits for somebody"
	case len(t.Refused) > 0:
		return "a backfill could not send it; a change of the row since may have"
	case t.Unread != "":
		return "nothing of it waits; its table could not be asked"
	case t.Rows == 0:
		return "no row has this key, and nothing of it waits"
	case !t.Matches:
		return "its row is left out by where, and nothing of it waits"
	}
	return "nothing of it waits: what was committed of it, and received, is done with"
}

func rowText(t admin.Traced) string {
	switch {
	case t.Unread != "":
		return "not read: " + printable(t.Unread)
	case t.Rows == 0:
		return "none in " + printable(t.Table) + " now"
	}
	text := fmt.Sprintf("there in %s now", printable(t.Table))
	if t.Rows > 1 {
		text = fmt.Sprintf("%d rows in %s have this key now", t.Rows, printable(t.Table))
	}
	switch {
	case !t.Matches:
		text += ", left out by where"
	case t.Problem != "":
		text += ", which cannot become an object: " + printable(t.Problem)
	}
	return text
}

func queuedText(t admin.Traced, q admin.Queued) string {
	text := q.Operation
	if q.Mapping != t.Mapping {
		text += " of mapping " + printable(q.Mapping)
	}
	switch {
	case q.Committed != nil:
		text += fmt.Sprintf(" committed at %s (%s)", q.Committed.Local().Format(clock), q.LSN)
	case q.From == "backfill":
		text += " of a backfill"
	case q.From == "parked":
		text += ", parked and tried again"
	}
	return text + fmt.Sprintf(", here for %s: %s", span(time.Since(q.Since)), printable(q.Waits))
}

// reasonText is why something was refused.
func reasonText(code, message string) string {
	if code == "" {
		return printable(message)
	}
	return printable(code + " " + message)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return number(n) + " times"
}
