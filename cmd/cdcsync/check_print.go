package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/preflight"
)

// marks stand before the findings, and colours are theirs on a terminal.
var (
	marks   = map[preflight.Level]string{preflight.OK: "ok", preflight.Warn: "warn", preflight.Fail: "FAIL", preflight.Skipped: "skip", preflight.Unseen: "????"}
	colours = map[preflight.Level]string{preflight.OK: "32", preflight.Warn: "33", preflight.Fail: "31", preflight.Skipped: "2", preflight.Unseen: "35"}
)

// widest is the widest check that the others are aligned to.
const widest = 44

// writeText prints every section, each remedy under its finding with its SQL
// on a line of its own, and a summary.
func (c *checkup) writeText(w io.Writer) error {
	paint := painter(w)
	var b strings.Builder
	for _, s := range c.sections {
		if len(s.findings) == 0 {
			continue
		}
		width := 0
		for _, f := range s.findings {
			if n := utf8.RuneCountInString(f.Check); n <= widest {
				width = max(width, n)
			}
		}
		fmt.Fprintf(&b, "%s\n", s.name)
		for _, f := range s.findings {
			mark := paint(fmt.Sprintf("%-4s", marks[f.Level]), f.Level)
			fmt.Fprintf(&b, "  %s  %-*s  %s\n", mark, width, f.Check, f.Detail)
			if f.Remedy.Words != "" {
				fmt.Fprintf(&b, "          %s\n", f.Remedy.Words)
			}
			if f.Remedy.SQL != "" {
				fmt.Fprintf(&b, "            %s\n", f.Remedy.SQL)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(c.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// summary counts the findings and says what follows.
func (c *checkup) summary() string {
	warnings, failed, unseen := c.count(preflight.Warn), c.count(preflight.Fail), c.count(preflight.Unseen)
	conclusion := "nothing stands in the way of a start"
	switch {
	case c.refusal != nil:
		conclusion = "a start would be refused"
	case failed > 0:
		conclusion = "this must be fixed first"
	case unseen > 0:
		conclusion = "not everything could be looked at"
	case c.count(preflight.Skipped) > 0 && len(c.sections) == 2:
		conclusion = "the configuration is right as far as it goes by itself"
	}
	return fmt.Sprintf("failed: %d, not seen: %d, warnings: %d, ok: %d; %s", failed, unseen, warnings, c.count(preflight.OK), conclusion)
}

// painter colours marks where w is a terminal and NO_COLOR is not set
// (https://no-color.org).
func painter(w io.Writer) func(mark string, level preflight.Level) string {
	file, ok := w.(*os.File)
	if ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		info, err := file.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	} else {
		ok = false
	}
	return func(mark string, level preflight.Level) string {
		if !ok {
			return mark
		}
		return "\x1b[" + colours[level] + "m" + mark + "\x1b[0m"
	}
}

// writeJSON prints the findings as one JSON object.
func (c *checkup) writeJSON(w io.Writer) error {
	type finding struct {
		Section string `json:"section"`
		preflight.Finding
	}
	report := struct {
		Findings []finding `json:"findings"`
		Failed   int       `json:"failed"`
		Unseen   int       `json:"unseen"`
		Warnings int       `json:"warnings"`
		Refused  string    `json:"refused,omitempty"`
		Exit     int       `json:"exit"`
	}{
		Findings: []finding{}, Failed: c.count(preflight.Fail), Unseen: c.count(preflight.Unseen),
		Warnings: c.count(preflight.Warn), Exit: exitCode(c.verdict()),
	}
	if c.refusal != nil {
		report.Refused = c.refusal.Code
	}
	for _, s := range c.sections {
		for _, f := range s.findings {
			report.Findings = append(report.Findings, finding{s.name, f})
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}
