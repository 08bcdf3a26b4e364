package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is what stands between two fences of a page.
type block struct {
	page string
	line int
	// language is sh (commands), console (commands after "$ ", and what they
	// print), yaml, sql, or text, which is only shown.
	language, text string
	// notRun is the reason why nothing of it is run.
	notRun string
	// exits is the exit code that is expected.
	exits string
}

var (
	notRun = regexp.MustCompile(`^<!-- not run: (.{8,}) -->$`)
	exits  = regexp.MustCompile(`^<!-- exits with (\d+) -->$`)
)

// blocks returns those of a page. Each has a language, and a remark before the
// fence where a test cannot take it as it is; CONTRIBUTING.md tells both.
func blocks(t *testing.T, page, text string) []block {
	t.Helper()
	var all []block
	var open *block
	before := ""
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{page: page, line: i + 1, language: fence, exits: "0"}
			if m := notRun.FindStringSubmatch(before); m != nil {
				open.notRun = m[1]
			}
			if m := exits.FindStringSubmatch(before); m != nil {
				open.exits = m[1]
			}
			if !slices.Contains([]string{"sh", "console", "yaml", "sql", "text"}, open.language) {
				t.Errorf("%s:%d: a block of the language %q", page, i+1, open.language)
			}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
		before = line
	}
	if open != nil {
		t.Errorf("%s:%d: the block does not end", page, open.line)
	}
	return all
}

// script is what a shell runs of a block.
func (b *block) script() string {
	var out strings.Builder
	for line := range strings.Lines(b.text) {
		line = strings.TrimRight(line, "\n")
		if b.language == "console" {
			command, is := strings.CutPrefix(line, "$ ")
			if !is {
				continue
			}
			line = command
		}
		// What goes on until it is stopped has a terminal of its own.
		if command, _, _ := strings.Cut(line, " #"); forever.MatchString(command) {
			line = command + " &"
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

var (
	forever = regexp.MustCompile(`^(?:bin/)?cdcsync (?:run|simulate)\b[^&]*$`)
	// asks are commands that need a daemon.
	asks = regexp.MustCompile(`(?m)\bcdcsync (?:status|wait|trace|audit|parked|backfill|pause|resume|release|reload)\b|127\.0\.0\.1:9640`)
	runs = regexp.MustCompile(`(?m)\bcdcsync run\b`)
)

// needsDaemon reports whether a page asks a daemon that it has not started.
func needsDaemon(all []block) bool {
	for i := range all {
		if b := &all[i]; b.notRun == "" && (b.language == "sh" || b.language == "console") {
			first := asks.FindStringIndex(b.script())
			start := runs.FindStringIndex(b.script())
			if start != nil && (first == nil || start[0] < first[0]) {
				return false
			}
			if first != nil {
				return true
			}
		}
	}
	return false
}
