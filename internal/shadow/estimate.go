package shadow

import (
	"math"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

const day = 24 * time.Hour

// Seen is what was seen of one mapping.
type Seen struct {
	Mapping string `json:"mapping"`
	Object  string `json:"object"`
	// Changes counts the row changes of its table, Filtered those that asked for no
	// object, Merged those that went with another, Unchanged those that Marketo would
	// have had already, Unmappable those that could not become an object.
	Changes    int64 `json:"changes"`
	Filtered   int64 `json:"filtered"`
	Merged     int64 `json:"merged"`
	Unchanged  int64 `json:"unchanged"`
	Unmappable int64 `json:"unmappable"`
	Calls
	// Day is how many changes of the table a day has by PostgreSQL's statistics; nil
	// where these do not say.
	Day *float64 `json:"changes_a_day,omitempty"`
	// CallsDay is the estimate.
	CallsDay float64 `json:"calls_a_day"`
}

// estimate is how many calls a day of a mapping has of which so much was seen in a
// part 1/k of a day. objects fit into a full call.
//
// Calls that leave as their time is up come as often as there is time, and full ones
// as often as there are changes. So the first are as many in every part of a day, and
// what a day has more, which was not seen, as of a load at night, comes in full
// ones; a day that has less in all than the first alone would be has fewer of them.
func (s *Seen) estimate(k float64, objects int) float64 {
	partial, full := float64(s.Calls.Calls-s.Full)*k, float64(s.Full)*k
	if s.Day == nil {
		return partial + full
	}
	if s.Objects == 0 {
		return math.Ceil(*s.Day * s.kept() / float64(objects))
	}
	each := float64(s.Changes) / float64(s.Objects) // changes to an object
	ofPartial := float64(s.Objects-s.FullObjects) * each * k
	ofFull := float64(s.FullObjects) * each * k
	rest := *s.Day - ofPartial
	switch {
	case rest <= 0:
		return partial * *s.Day / ofPartial
	case rest <= ofFull:
		return partial + full*rest/ofFull
	}
	return partial + full + (rest-ofFull)*s.kept()/float64(objects)
}

// kept is the part of the changes that asks for an object.
func (s *Seen) kept() float64 {
	if s.Changes == 0 {
		return 1
	}
	return 1 - float64(s.Filtered)/float64(s.Changes)
}

// Estimate is what a day costs, by what was seen.
type Estimate struct {
	// Seconds is how long was watched, Began when that began.
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Statistics is how many seconds PostgreSQL's statistics go back; 0 where they do
	// not say.
	Statistics float64 `json:"statistics_seconds"`
	// DayUnknown says why Seen.Day is not known; empty where it is.
	DayUnknown string `json:"changes_a_day_unknown,omitempty"`
	Mappings   []Seen `json:"mappings"`
	// Calls are those of all mappings.
	Calls Calls `json:"total"`
	// CallsDay is the estimate of a day, and Limit the calls that it has, 0 for no
	// limit; Share is the part of them. Hours is how long the calls of a day take at
	// the limit of calls in 20 seconds, 0 without one.
	CallsDay float64 `json:"calls_a_day"`
	Limit    int     `json:"limit"`
	Share    float64 `json:"share_of_day"`
	Hours    float64 `json:"hours_at_the_limit"`
	// Ended says why it ended before its time; "" when it did not.
	Ended string `json:"ended_early,omitempty"`
}

// Of estimates a day. counted is how long the statistics go back that Seen.Day is
// from.
func Of(seen []Seen, began time.Time, watched, counted time.Duration, objects int, limits marketo.Limits, perDay int) Estimate {
	e := Estimate{Began: began.UTC(), Seconds: watched.Seconds(), Statistics: counted.Seconds(), Limit: perDay}
	if counted <= 0 {
		e.DayUnknown = "PostgreSQL does not say since when it counts the changes of this database: its statistics were never reset, or it is a standby"
	}
	if watched <= 0 {
		return e
	}
	k := float64(day) / float64(watched)
	for i := range seen {
		s := seen[i]
		s.CallsDay = s.estimate(k, max(objects, 1))
		e.CallsDay += s.CallsDay
		e.Calls.Calls += s.Calls.Calls
		e.Calls.Objects += s.Objects
		e.Calls.Full += s.Full
		e.Calls.FullObjects += s.FullObjects
		e.Mappings = append(e.Mappings, s)
	}
	e.CallsDay = math.Round(e.CallsDay)
	if perDay > 0 {
		e.Share = e.CallsDay / float64(perDay)
	}
	if limits.CallsPer20s > 0 {
		e.Hours = e.CallsDay / float64(limits.CallsPer20s) * marketo.Window.Hours()
	}
	return e
}
