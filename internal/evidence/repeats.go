package evidence

import (
	"slices"
	"time"
)

// Repeats is what was sent again although it had been answered.
type Repeats struct {
	// Killed holds the times at which the daemon was killed, in order. An
	// answer that it had not saved by then is lost to it.
	Killed []time.Time
	// Calls is how many calls may be lost that way at one kill.
	Calls int
	// Patience is how long the daemon waits for an answer: one that took
	// longer it may have given up.
	Patience time.Duration
}

// Hold holds that nothing was sent again but, after a kill, the objects of at
// most Calls calls. It returns how many objects were sent again, too.
func (r Repeats) Hold(l Log) (v Verdict, again int) {
	v.Promise = "bounded repetition"
	lost := make([]map[int]bool, len(r.Killed))
	for key, writes := range l.Writes {
		last := map[int64]Write{}
		for _, w := range writes {
			v.Seen++
			before, repeated := last[w.Version]
			last[w.Version] = w
			call := l.Calls[before.Call]
			if !repeated || !call.Answered || l.Calls[w.Call].Start.Before(call.End) {
				continue // not answered, or executed late
			}
			again++
			kill, _ := slices.BinarySearchFunc(r.Killed, call.Start, time.Time.Compare)
			if kill < len(r.Killed) && !r.Killed[kill].After(w.At) {
				if lost[kill] == nil {
					lost[kill] = map[int]bool{}
				}
				lost[kill][before.Call] = true
				continue
			}
			if call.End.Sub(call.Start) < r.Patience {
				v.add("object %s version %d was sent again within a life, %s after its answer", key, w.Version, w.At.Sub(call.End))
			}
		}
	}
	for i, calls := range lost {
		if len(calls) > r.Calls {
			v.add("after kill %d the objects of %d answered calls were sent again, at most %d may be", i+1, len(calls), r.Calls)
		}
	}
	return v, again
}
