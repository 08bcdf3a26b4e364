// Package preflight looks at everything a start needs before anything is
// sent: the server, the slot, the publication, every mapped table, and what
// Marketo says about the object types.
//
// It promises to change nothing, on either side, and to report everything it
// finds in one run, each finding with the operator's next step; a remedy in
// SQL is complete and can be pasted as it is. It looks at one moment, and does
// so again every half minute while the daemon runs.
// It cannot see whether the rows already in a table are in Marketo.
package preflight

import (
	"fmt"
	"strings"
)

// Error is every finding of Level Fail.
type Error struct{ Findings []Finding }

// Error lists the findings with their remedies, one per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Failed returns an *Error of the findings of Level Fail; nil when there are
// none.
func Failed(findings []Finding) error {
	var failed []Finding
	for _, f := range findings {
		if f.Level == Fail {
			failed = append(failed, f)
		}
	}
	if failed == nil {
		return nil
	}
	return &Error{failed}
}

// report collects findings.
type report struct{ findings []Finding }

func (r *report) add(level Level, check, detail string, remedy Remedy) {
	r.findings = append(r.findings, Finding{Check: check, Level: level, Detail: detail, Remedy: remedy})
}

func (r *report) ok(check, format string, args ...any) {
	r.add(OK, check, fmt.Sprintf(format, args...), Remedy{})
}

func (r *report) warn(check, detail, words string, statements ...string) {
	r.add(Warn, check, detail, Remedy{words, strings.Join(statements, " ")})
}

func (r *report) fail(check, detail, words string, statements ...string) {
	r.add(Fail, check, detail, Remedy{words, strings.Join(statements, " ")})
}

// about gives what look finds its scope and table, as far as it has none of its
// own.
func (r *report) about(scope Scope, table string, look func()) {
	from := len(r.findings)
	look()
	for i := from; i < len(r.findings); i++ {
		f := &r.findings[i]
		if f.Scope == ScopeStart {
			f.Scope = scope
		}
		if f.Table == "" {
			f.Table = table
		}
	}
}
