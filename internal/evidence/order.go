package evidence

import "time"

// Order holds that no value was applied after a newer one of its object, over
// all lives. A call that was executed longer than hold after it began does not
// count: that is longer than the daemon is told to reckon with.
func (l Log) Order(hold time.Duration) Verdict {
	v := Verdict{Promise: "no older value after a newer one"}
	for key, writes := range l.Writes {
		var newest Write
		for _, w := range writes {
			v.Seen++
			if w.Version >= newest.Version {
				newest = w
				continue
			}
			older, newer := l.Calls[w.Call], l.Calls[newest.Call]
			if older.Applied.Sub(older.Start) <= hold {
				v.add("object %s went back from version %d to %d: call %d of %s, applied %s, after call %d of %s, applied %s, answered %v",
					key, newest.Version, w.Version, older.ID, clock(older.Start), clock(older.Applied),
					newer.ID, clock(newer.Start), clock(newer.Applied), newer.Answered)
			}
		}
	}
	return v
}

// Once holds that the versions of every object only rise: nothing was applied
// twice, and nothing old after something newer. It is what orderly ends and
// broken connections to the server must leave.
func (l Log) Once() Verdict {
	v := Verdict{Promise: "nothing twice"}
	for key, writes := range l.Writes {
		last := int64(-1)
		for _, w := range writes {
			v.Seen++
			if w.Version <= last {
				v.add("object %s: version %d came after %d", key, w.Version, last)
			}
			last = w.Version
		}
	}
	return v
}
