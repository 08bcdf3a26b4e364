package backfill

import (
	"math"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Cost is what a backfill takes of Marketo's limits, at most: rows that are left
// out cost nothing.
type Cost struct {
	Rows, Calls int64
	// Time is how long it takes at the limits, without anything else to send; zero
	// where there are none.
	Time time.Duration
	// Day is the part of a day's calls, 1 for all of them; zero for no limit.
	Day float64
}

// CostOf estimates what rows cost: so many objects fit into a call, and backfills
// may use a share of the limits.
func CostOf(rows int64, objects int, limits marketo.Limits, share float64) Cost {
	c := Cost{Rows: rows, Calls: (rows + int64(objects) - 1) / int64(max(objects, 1))}
	if limits.CallsPer20s > 0 {
		most := math.Max(1, share*float64(limits.CallsPer20s))
		c.Time = time.Duration(float64(c.Calls) / most * float64(marketo.Window))
	}
	if limits.CallsPerDay > 0 {
		c.Day = float64(c.Calls) / float64(limits.CallsPerDay)
		// What is over the day's share waits for the next day.
		if days := math.Floor(c.Day / share); days >= 1 {
			c.Time = max(c.Time, time.Duration(days*24*float64(time.Hour)))
		}
	}
	return c
}
