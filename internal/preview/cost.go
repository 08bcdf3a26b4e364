package preview

import (
	"math"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
)

const day = 24 * time.Hour

// ExistingOf is what a backfill of so many rows costs.
func ExistingOf(c backfill.Cost) *Existing {
	return &Existing{Rows: c.Rows, Calls: c.Calls, Seconds: c.Time.Seconds(), Day: c.Day}
}

// DailyOf bounds what a day costs in which rows are changed as often as in the time
// that they were counted. objects fit into a call, and a day has limit calls, 0 for
// no limit.
func DailyOf(changes int64, counted time.Duration, objects, limit int) *Daily {
	if counted <= 0 {
		return nil
	}
	d := &Daily{Changes: float64(changes) * float64(day) / float64(counted), Seconds: counted.Seconds()}
	d.Least, d.Most = math.Ceil(d.Changes/float64(max(objects, 1))), math.Ceil(d.Changes)
	if limit > 0 {
		d.Day = d.Most / float64(limit)
	}
	return d
}
