package main

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/preview"
)

// previewText is a preview for people.
func previewText(p previewed) string {
	var b strings.Builder
	for i := range p.Mappings {
		if i > 0 {
			b.WriteString("\n")
		}
		writePreview(&b, &p.Mappings[i])
	}
	if p.Problem != "" {
		fmt.Fprintf(&b, "\nMarketo could not be asked all: %s\n", printable(p.Problem))
	}
	return b.String()
}

func writePreview(b *strings.Builder, m *preview.Mapping) {
	fmt.Fprintf(b, "%s: %s -> %s (%s)\n", printable(m.Mapping), printable(m.Table), printable(m.Object), strings.ToLower(m.Operation))
	for _, f := range m.Findings {
		fmt.Fprintf(b, "%s  %s\n", strings.ToUpper(f.Level.String()), printable(f.String()))
	}
	if m.Problem != "" {
		fmt.Fprintf(b, "its rows cannot be shown: %s\n", printable(m.Problem))
		return
	}
	for i := range m.Rows {
		writePreviewRow(b, &m.Rows[i])
	}
	b.WriteString("\n")
	line := func(name, text string) { fmt.Fprintf(b, "%-9s%s\n", name, text) }
	line("rows", countedVerdicts(m))
	switch {
	case m.UsedByUnknown != "":
		line("used by", "not known: "+printable(m.UsedByUnknown))
	case len(m.UsedBy) > 0:
		line("used by", printable(strings.Join(m.UsedBy, ", "))+": objects that are created set off campaigns that wait for them")
	}
	if e := m.Existing; e != nil {
		text := fmt.Sprintf("the table has about %s rows: a backfill takes %s", number(uint64(e.Rows)), callsText(uint64(e.Calls)))
		if e.Day > 0 {
			text += fmt.Sprintf(", %.1f%% of a day's", 100*e.Day)
		}
		if e.Seconds > 0 {
			text += ", and " + seconds(e.Seconds) + " at the limits"
		}
		line("existing", text)
	}
	if m.Unknown != "" {
		line("a day", "not known: "+m.Unknown)
	}
	if d := m.Daily; d != nil {
		text := fmt.Sprintf("%s changes, by those of %s: %s where each is full, %s at most", number(uint64(d.Changes)), seconds(d.Seconds), callsText(uint64(d.Least)), callsText(uint64(d.Most)))
		if d.Day > 0 {
			text += fmt.Sprintf(" (%.1f%% of a day's)", 100*d.Day)
		}
		line("a day", text+"; cdcsync run --shadow measures it")
	}
}

// countedVerdicts says how many rows end how.
func countedVerdicts(m *preview.Mapping) string {
	if len(m.Rows) == 0 {
		return "none in the table"
	}
	var parts []string
	for _, v := range []preview.Verdict{preview.Created, preview.Changed, preview.Unchanged, preview.Skipped, preview.Rejected, preview.LeftOut, preview.Sent} {
		if n := m.Count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case m.Unasked != "":
		text += "; Marketo was not asked: " + printable(m.Unasked)
	case m.Asked > 0:
		text += "; Marketo was asked in " + callsText(uint64(m.Asked))
	}
	return text
}

func callsText(n uint64) string {
	if n == 1 {
		return "1 call"
	}
	return number(n) + " calls"
}

func writePreviewRow(b *strings.Builder, r *preview.Row) {
	text := "  " + string(r.Verdict)
	if r.Reason != "" {
		text += ": " + printable(r.Reason)
	}
	if r.Updated != "" {
		text += "; Marketo has it as of " + printable(r.Updated)
	}
	b.WriteString("\n" + text + "\n")
	const indent = "    "
	lines := [][]string{{indent + "FROM", "ROW", "ATTRIBUTE", "OBJECT", "IN MARKETO"}}
	for i := range r.Attributes {
		a := &r.Attributes[i]
		theirs := ""
		if a.Changes {
			theirs = shownValue(a.Marketo)
		} else if a.Marketo != nil {
			theirs = "the same"
		}
		if a.Problem != "" {
			theirs += " REFUSED: " + a.Problem
		}
		lines = append(lines, []string{indent + printable(a.From), shownValue(a.Column), printable(a.Name), shownValue(a.Value), strings.TrimSpace(printable(theirs))})
	}
	writeTable(b, lines, len(lines[0]))
}

// mostShown is how many characters of a value people see; JSON has all of it.
const mostShown = 40

func shownValue(v *preview.Value) string {
	switch {
	case v == nil:
		return ""
	case v.Omitted:
		return "(left out)"
	case v.Null:
		return "(null)"
	}
	text := printable(v.Text)
	if runes := []rune(text); len(runes) > mostShown {
		text = string(runes[:mostShown-1]) + "…"
	}
	return `"` + text + `"`
}
