package scaffold

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/preflight"
)

// step is something that somebody has to do before the first start, and all that was
// found which asks for it.
type step struct {
	found []string
	// words say what to do. Where it is statements, they end with "run:".
	words      string
	statements []string
}

// stepsOf joins findings that one person mends with statements, so that each of these
// stands once.
func stepsOf(findings []preflight.Finding) []step {
	var steps []step
	for _, f := range findings {
		at := slices.IndexFunc(steps, func(s step) bool { return f.Remedy.SQL != "" && s.words == f.Remedy.Words })
		if at < 0 {
			at = len(steps)
			steps = append(steps, step{words: f.Remedy.Words})
		}
		s := &steps[at]
		s.found = append(s.found, f.Check+": "+f.Detail)
		for _, statement := range statements(f.Remedy.SQL) {
			if !slices.Contains(s.statements, statement) {
				s.statements = append(s.statements, statement)
			}
		}
	}
	return steps
}

// lines are the findings, and then what to do about them.
func (s *step) lines() []string {
	var all []string
	for _, found := range s.found {
		all = append(all, "- "+found)
	}
	if s.words != "" {
		all = append(all, "  "+s.words)
	}
	for _, statement := range s.statements {
		all = append(all, "    "+statement)
	}
	return all
}

// statements takes SQL apart, at the semicolons that stand in no quotes.
func statements(sql string) []string {
	var all []string
	var quote byte
	start := 0
	for i := range len(sql) {
		switch c := sql[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ';':
			all = append(all, strings.TrimSpace(sql[start:i+1]))
			start = i + 1
		}
	}
	return all
}
