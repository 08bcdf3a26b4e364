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

// Level says how grave a Finding is.
type Level uint8

const (
	// OK: as it should be, or a fact worth knowing.
	OK Level = iota
	// Warn: it works, but somebody should know.
	Warn
	// Fail: it would not work, or would lose changes.
	Fail
	// Skipped: there was no way to look, and nothing is wrong with that.
	Skipped
	// Unseen: looking failed, for a reason that may pass.
	Unseen
)

func (l Level) String() string {
	return [...]string{"ok", "warn", "fail", "skipped", "unseen"}[l]
}

// MarshalText writes the level's name, for JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one thing that was looked at.
type Finding struct {
	// Check is a short name that stays the same from run to run, such as
	// "wal_level" or "table public.orders: replica identity". What belongs to
	// a table begins with "table ".
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Detail says what was found. It holds no secret and no row value.
	Detail string `json:"detail"`
	// Remedy is the next step, in one line; "" where there is none to take.
	// Statements stand at its end, after "run: ", each ended by a semicolon.
	Remedy string `json:"remedy,omitempty"`
}

// Statements returns the SQL of the remedy and the words before it; "" where
// it has none.
func (f Finding) Statements() (words, sql string) {
	at := strings.LastIndex(f.Remedy, runs)
	if at < 0 {
		return f.Remedy, ""
	}
	return f.Remedy[:at+len(runs)-1], f.Remedy[at+len(runs):]
}

// runs stands before the statements of a remedy.
const runs = "run: "

// Error is every finding of Level Fail.
type Error struct{ Findings []Finding }

// Error lists the findings with their remedies, one per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.Check + ": " + f.Detail
		if f.Remedy != "" {
			lines[i] += "; " + f.Remedy
		}
	}
	return strings.Join(lines, "\n")
}

// OfStream keeps the findings on the publication and the mapped tables: those
// that decide which changes are in the stream.
func OfStream(findings []Finding) []Finding {
	var kept []Finding
	for _, f := range findings {
		if strings.HasPrefix(f.Check, "publication") || strings.HasPrefix(f.Check, "table ") {
			kept = append(kept, f)
		}
	}
	return kept
}

// OfCommits keeps the findings on what holds up the application's commits.
func OfCommits(findings []Finding) []Finding {
	var kept []Finding
	for _, f := range findings {
		if f.Check == checkSynchronous {
			kept = append(kept, f)
		}
	}
	return kept
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

func (r *report) add(level Level, check, detail, remedy string) {
	r.findings = append(r.findings, Finding{check, level, detail, remedy})
}

func (r *report) ok(check, format string, args ...any) {
	r.add(OK, check, fmt.Sprintf(format, args...), "")
}

func (r *report) warn(check, detail, remedy string) { r.add(Warn, check, detail, remedy) }
func (r *report) fail(check, detail, remedy string) { r.add(Fail, check, detail, remedy) }
