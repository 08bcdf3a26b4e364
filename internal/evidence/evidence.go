// Package evidence holds what others saw of a daemon against what the daemon
// promises: the order of values per object, the bound on repetition, the
// limits of Marketo, the position of the slot, and the books of the daemon's
// own metrics. That tables and objects agree at the end is package agreement.
//
// The witnesses are the server and a simulated Marketo, which know nothing of
// each other; the daemon's word counts for its books only. Every value of an
// object carries a version that its row raises with every change, so that a
// witness can tell older from newer.
//
// The limit: it sees what came to pass, not what might have. So a Verdict says
// how much it has seen, and one that has seen too little is a failure.
package evidence

import (
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// Call is one write call, as Marketo saw it.
type Call struct {
	ID int
	// Start is the arrival, Applied the execution, End the moment the answer
	// left or the connection broke; zero for what did not happen.
	Start, Applied, End time.Time
	// Answered is set when statuses went to a client that was there.
	Answered bool
}

// Write is one value of an object, at the moment it was applied.
type Write struct {
	Version int64
	Call    int
	At      time.Time
}

// Log is all that Marketo saw of one object type.
type Log struct {
	Calls map[int]Call
	// Writes holds the values of each object in the order they were applied,
	// those applied a second time among them.
	Writes map[string][]Write
}

// Of reads the log of a simulator that records histories. Version is the
// attribute that holds the version.
func Of(s *simulator.Simulator, typeName, version string) (Log, error) {
	log := Log{Calls: map[int]Call{}, Writes: map[string][]Write{}}
	for _, c := range s.Calls() {
		if (c.Operation == "sync" || c.Operation == "delete") && !c.Applied.IsZero() {
			log.Calls[c.ID] = callOf(c)
		}
	}
	for key := range s.Objects(typeName) {
		for _, v := range s.History(typeName, key) {
			w := Write{Call: v.Call, At: v.At}
			if _, err := fmt.Sscan(v.Fields[version], &w.Version); err != nil {
				return Log{}, fmt.Errorf("object %s: version %q is not a number", key, v.Fields[version])
			}
			log.Writes[key] = append(log.Writes[key], w)
		}
	}
	return log, nil
}

// Counted returns the calls that count against Marketo's limits: all but those
// for a token.
func Counted(s *simulator.Simulator) []Call {
	var calls []Call
	for _, c := range s.Calls() {
		if c.Operation != "token" {
			calls = append(calls, callOf(c))
		}
	}
	return calls
}

func callOf(c simulator.Call) Call {
	return Call{
		ID: c.ID, Start: c.Start, Applied: c.Applied, End: c.End,
		Answered: !c.End.IsZero() && c.HTTPStatus == 200 && c.Fault == "" && !c.ClientGone,
	}
}

// Verdict is what came of one look.
type Verdict struct {
	// Promise is what was looked at, in a few words.
	Promise string
	// Seen counts what was looked at.
	Seen int
	// Problems are the first violations, at most mostProblems; More counts the
	// others.
	Problems []string
	More     int
}

const mostProblems = 10

func (v *Verdict) add(format string, args ...any) {
	if len(v.Problems) == mostProblems {
		v.More++
		return
	}
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// Err says what was violated, or that fewer than least things were seen: too
// little to prove anything. It is nil when the promise held.
func (v Verdict) Err(least int) error {
	switch {
	case len(v.Problems) > 0 && v.More > 0:
		return fmt.Errorf("%s:\n%s\nand %d more", v.Promise, strings.Join(v.Problems, "\n"), v.More)
	case len(v.Problems) > 0:
		return fmt.Errorf("%s:\n%s", v.Promise, strings.Join(v.Problems, "\n"))
	case v.Seen < least:
		return fmt.Errorf("%s: %d seen, fewer than %d prove nothing", v.Promise, v.Seen, least)
	}
	return nil
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
