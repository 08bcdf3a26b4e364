package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// messageWidth and keyWidth are how much of Marketo's words, and of a key, a
// table shows.
const (
	messageWidth = 60
	keyWidth     = 40
)

func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return number(n) + " objects"
}

// parkedText is a listing for people: the groups first, they tell what is the
// matter.
func parkedText(p admin.Parked) string {
	if p.Total == 0 {
		return "nothing is parked that fits\n"
	}
	var b strings.Builder
	b.WriteString(objects(p.Total) + "\n\n" + groupsText(p.Groups))
	if len(p.Entries) == 0 {
		return b.String()
	}
	rows := [][]string{{"ID", "MAPPING", "KEY", "CODE", "OPERATION", "PARKED", "TRIES", "NEXT TRY"}}
	for _, e := range p.Entries {
		key, next := cut(printable(e.Key), keyWidth), "-"
		if key == "" {
			key = "(none)"
		}
		if e.Next != nil {
			next = local(*e.Next)
		}
		rows = append(rows, []string{e.ID, printable(e.Mapping), key, code(e.Code), e.Operation, local(e.First), number(e.Attempts), next})
	}
	b.WriteString("\n")
	writeTable(&b, rows, len(rows[0]))
	if more := p.Total - len(p.Entries); p.Next != "" && more > 0 {
		fmt.Fprintf(&b, "and %s more; see them with --limit %d\n", number(more), p.Total)
	}
	return b.String()
}

// groupsText is the groups alone.
func groupsText(groups []admin.Group) string {
	rows := [][]string{{"MAPPING", "CODE", "MESSAGE", "FIRST", "LAST", "OBJECTS", "WAITING"}}
	for _, g := range groups {
		rows = append(rows, []string{
			printable(g.Mapping), code(g.Code), cut(printable(g.Message), messageWidth), local(g.First), local(g.Last),
			number(g.Count), number(g.Waiting),
		})
	}
	var b strings.Builder
	writeTable(&b, rows, 5)
	return b.String()
}

func code(code string) string {
	if code == "" {
		return admin.NoCode
	}
	return printable(code)
}

func local(t time.Time) string { return t.Local().Format(time.DateTime) }

// entryText is one object with everything that is known of it.
func entryText(e admin.Entry) string {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-14s%s\n", name, text) }
	line("id", e.ID)
	line("mapping", printable(e.Mapping))
	line("object", printable(e.Object))
	line("key", printable(e.Key))
	line("operation", e.Operation)
	line("code", code(e.Code))
	line("message", printable(e.Message))
	line("changed", fmt.Sprintf("%s, at %s", local(e.Committed), e.LSN))
	line("parked", local(e.First))
	line("last tried", fmt.Sprintf("%s, tries so far: %s", local(e.Last), number(e.Attempts)))
	switch {
	case e.Next != nil:
		line("next try", local(*e.Next)+", by itself")
	case e.Waits:
		line("next try", "by itself")
	default:
		line("next try", "when somebody asks for it: cdcsync parked retry "+e.ID)
	}
	b.WriteString("\nWhat was to be written:\n")
	var payload bytes.Buffer
	if err := json.Indent(&payload, e.Payload, "  ", "  "); err != nil {
		return b.String() + "  (nothing)\n"
	}
	for row := range strings.Lines(payload.String()) {
		row = printable(strings.TrimSuffix(row, "\n"))
		if !strings.HasPrefix(row, " ") {
			row = "  " + row
		}
		b.WriteString(row + "\n")
	}
	return b.String()
}

// actedText says what an action came to.
func (a *acting) actedText(sum admin.Acted) string {
	var b strings.Builder
	switch {
	case sum.Done+sum.Missing+len(sum.Problems) == 0:
		b.WriteString("nothing is parked that fits\n")
	case a.discard:
		fmt.Fprintf(&b, "%s given up\n", objects(sum.Done))
	default:
		fmt.Fprintf(&b, "%s queued again; those that are refused again come back to cdcsync parked list\n", objects(sum.Done))
	}
	if sum.Missing > 0 {
		fmt.Fprintf(&b, "%s done with by a newer change in between\n", objects(sum.Missing))
	}
	slices.Sort(sum.Problems)
	for i, problem := range slices.Compact(sum.Problems) {
		if i == 10 {
			b.WriteString("not queued: and others\n")
			break
		}
		fmt.Fprintf(&b, "not queued: %s\n", printable(problem))
	}
	return b.String()
}
