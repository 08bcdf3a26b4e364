package evidence

import (
	"slices"
	"time"
)

// Limits are those of Marketo. Zero leaves one out.
type Limits struct {
	// Window is the span of time that at most Calls may begin in.
	Window time.Duration
	Calls  int
	AtOnce int
	// InAll bounds the calls of the whole log.
	InAll int
}

// Hold holds that no limit was ever exceeded.
func (l Limits) Hold(calls []Call) Verdict {
	v := Verdict{Promise: "within the limits", Seen: len(calls)}
	calls = slices.SortedFunc(slices.Values(calls), func(a, b Call) int { return a.Start.Compare(b.Start) })
	for i, c := range calls {
		if l.Calls > 0 && i >= l.Calls {
			if span := c.Start.Sub(calls[i-l.Calls].Start); span < l.Window {
				v.add("%d calls began within %s, up to call %d at %s", l.Calls+1, span, c.ID, clock(c.Start))
			}
		}
		running := 1
		for j := i - 1; j >= 0 && l.AtOnce > 0; j-- {
			if calls[j].End.IsZero() || calls[j].End.After(c.Start) {
				running++
			}
			if i-j > 100*l.AtOnce {
				break // calls do not take that long
			}
		}
		if l.AtOnce > 0 && running > l.AtOnce {
			v.add("%d calls ran at once when call %d began at %s", running, c.ID, clock(c.Start))
		}
	}
	if l.InAll > 0 && len(calls) > l.InAll {
		v.add("%d calls, %d are allowed", len(calls), l.InAll)
	}
	return v
}
