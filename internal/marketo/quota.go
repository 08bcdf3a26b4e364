package marketo

import (
	"sync"
	"time"
	_ "time/tzdata" // the quota day needs America/Chicago where no zone files are installed
)

// central is the zone of Marketo's quota day. Without zone data it is
// standard time all year, which is late by an hour in summer, never early.
var central = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		return time.FixedZone("CST", -6*60*60)
	}
	return zone
})

// QuotaDay names the day, as YYYY-MM-DD, whose calls a call at now counts
// among: Marketo counts calendar days of US Central time.
func QuotaDay(now time.Time) string { return now.In(central()).Format(time.DateOnly) }

// NextReset is when the quota day of now ends: the next midnight in US Central
// time, 23, 24 or 25 hours after the last.
func NextReset(now time.Time) time.Time {
	y, m, d := now.In(central()).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, central())
}

// lastReset is when the quota day of now began.
func lastReset(now time.Time) time.Time {
	y, m, d := now.In(central()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, central())
}
