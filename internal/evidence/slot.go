package evidence

import (
	"cmp"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Committed is one change of a row; End is the end of its transaction.
type Committed struct {
	End     pgoutput.LSN
	Key     string
	Version int64
}

// Position says that the slot had reached Confirmed when it was At.
type Position struct {
	Confirmed pgoutput.LSN
	At        time.Time
}

// Slot holds that the slot never stood at or behind a change before Marketo
// had answered a call with that version of the object, or a later one. Seen
// counts changes; without positions behind them there is nothing to hold.
func (l Log) Slot(changes []Committed, positions []Position) Verdict {
	v := Verdict{Promise: "nothing is forgotten before it is settled"}
	changes = slices.SortedStableFunc(slices.Values(changes), func(a, b Committed) int { return cmp.Compare(a.End, b.End) })
	positions = slices.SortedStableFunc(slices.Values(positions), func(a, b Position) int { return cmp.Compare(a.Confirmed, b.Confirmed) })
	earliest := fromHereOn(positions)
	answered := l.answers()
	for _, c := range changes {
		from, _ := slices.BinarySearchFunc(positions, c.End, func(p Position, end pgoutput.LSN) int { return cmp.Compare(p.Confirmed, end) })
		if from == len(positions) {
			v.add("object %s version %d, committed up to %s: the slot never came there", c.Key, c.Version, c.End)
			continue
		}
		v.Seen++
		at, known := first(answered[c.Key], c.Version)
		if seen := positions[earliest[from]]; !known || at.After(seen.At) {
			v.add("object %s version %d, committed up to %s: the slot stood at %s when it was %s, and the first answer for it came %s",
				c.Key, c.Version, c.End, seen.Confirmed, clock(seen.At), clock(at))
		}
	}
	return v
}

// fromHereOn returns, for each position, the index of the one that was seen
// first among it and those after it.
func fromHereOn(positions []Position) []int {
	earliest := make([]int, len(positions))
	for i := len(positions) - 1; i >= 0; i-- {
		earliest[i] = i
		if i+1 < len(positions) && positions[earliest[i+1]].At.Before(positions[i].At) {
			earliest[i] = earliest[i+1]
		}
	}
	return earliest
}

// answer says that a version of an object, or a later one, had been answered.
type answer struct {
	version int64
	at      time.Time
}

// answers holds those of each object, ordered by version.
func (l Log) answers() map[string][]answer {
	all := make(map[string][]answer, len(l.Writes))
	for key, writes := range l.Writes {
		var known []answer
		for _, w := range writes {
			if call := l.Calls[w.Call]; call.Answered {
				known = append(known, answer{w.Version, call.End})
			}
		}
		slices.SortStableFunc(known, func(a, b answer) int { return cmp.Compare(a.version, b.version) })
		for i := len(known) - 2; i >= 0; i-- {
			if known[i+1].at.Before(known[i].at) {
				known[i].at = known[i+1].at
			}
		}
		all[key] = known
	}
	return all
}

func first(known []answer, version int64) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(known, version, func(a answer, v int64) int { return cmp.Compare(a.version, v) })
	if i == len(known) {
		return time.Time{}, false
	}
	return known[i].at, true
}
