package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/cdcsync/cdcsync/internal/audit"
)

func (r *auditRun) print() error {
	if r.ask.json {
		return writeIndented(r.out, r.report)
	}
	_, err := io.WriteString(r.out, r.report.text())
	return err
}

// mostFindings is how many findings are printed; all of them are in the JSON.
const mostFindings = 100

func (a *audited) text() string {
	var b strings.Builder
	rows := [][]string{{"MAPPING", "BY", "ROWS", "COMPARED", "MISSING", "DIFFERENT", "EXTRA", "DOUBLED", "WAITING"}}
	for _, t := range a.Mappings {
		row := []string{printable(t.Mapping), string(t.Method)}
		for _, n := range []int{t.Rows, t.Compared, t.Missing, t.Different} {
			row = append(row, number(n))
		}
		extra := "-"
		if t.Extra != nil {
			extra = number(*t.Extra)
		}
		rows = append(rows, append(row, extra, number(t.Doubled), number(t.Waiting)))
	}
	writeTable(&b, rows, 2)
	a.writeFindings(&b)
	for i := range a.Mappings {
		writeNotes(&b, &a.Mappings[i])
	}
	a.writeRepaired(&b)
	fmt.Fprintf(&b, "%s calls were made\n", number(a.Calls))
	return b.String()
}

func (a *audited) writeFindings(b *strings.Builder) {
	for i, f := range a.Findings {
		if i == 0 {
			b.WriteByte('\n')
		}
		if i == mostFindings {
			fmt.Fprintf(b, "and %s more; --json has all of them\n", number(len(a.Findings)-i))
			break
		}
		fmt.Fprintf(b, "%-9s  %s %s", f.Kind, printable(f.Mapping), printable(f.Key))
		if f.Attributes != nil {
			b.WriteString(": " + printable(strings.Join(f.Attributes, ", ")))
		}
		if r := f.Refused; r != nil {
			b.WriteString("; a backfill could not send its row at " + r.At.Local().Format(clock))
			if r.Code != "" {
				b.WriteString(" (" + printable(r.Code) + ")")
			}
		}
		b.WriteByte('\n')
	}
}

// writeNotes says what was not compared, or not looked for, and why.
func writeNotes(b *strings.Builder, t *audit.Tally) {
	for _, n := range []struct {
		n    int
		what string
	}{
		{t.Retained, "have no row, and stay by on_delete"},
		{t.Unmappable, "of rows that cannot become objects were not compared"},
		{t.Shared, "have a key of several rows, and were not compared"},
		{t.Unjudged, "that may differ were not looked at twice: " + t.Why},
	} {
		if n.n > 0 {
			fmt.Fprintf(b, "%s: %s %s\n", printable(t.Mapping), objects(n.n), printable(n.what))
		}
	}
	if t.ExtraUnknown != "" {
		fmt.Fprintf(b, "%s: objects without any row were not looked for: %s\n", printable(t.Mapping), printable(t.ExtraUnknown))
	}
	if t.Waiting > 0 {
		fmt.Fprintf(b, "%s: %s waiting: on their way, parked, or refused by a backfill and to be tried again; see cdcsync parked list, cdcsync backfill list --refused\n", printable(t.Mapping), number(t.Waiting))
	}
}

func (a *audited) writeRepaired(b *strings.Builder) {
	for _, one := range a.Repaired {
		if n := one.Sent + one.Removed + one.Deleted + one.Left; n > 0 {
			fmt.Fprintf(b, "%s: repaired: %s sent, %s without a row removed, %s of doubled ones deleted, %s left\n", printable(one.Mapping), number(one.Sent), number(one.Removed), number(one.Deleted), number(one.Left))
		}
		for _, why := range one.Why {
			fmt.Fprintf(b, "%s: left: %s\n", printable(one.Mapping), printable(why))
		}
	}
}
