package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// statusText is a status for people: the state and its reason first.
func statusText(s snapshot.Status, backfills ...admin.Backfill) string {
	var b strings.Builder
	switch {
	case s.Ready && s.State == "current":
		b.WriteString("ready: everything" + except(s.Report) + " is delivered\n")
	case s.Ready:
		fmt.Fprintf(&b, "ready: %s\n", printable(s.State))
	default:
		fmt.Fprintf(&b, "NOT READY (%s): %s\n", printable(s.State), printable(s.Reason))
	}
	if s.Advice != "" {
		fmt.Fprintf(&b, "What to do: %s\n", s.Advice)
	}
	last := s.Advice
	for _, o := range s.Obstacles[min(1, len(s.Obstacles)):] {
		fmt.Fprintf(&b, "ALSO (%s): %s\n", printable(o.State), printable(o.Reason))
		if o.Advice != "" && o.Advice != last {
			fmt.Fprintf(&b, "What to do: %s\n", o.Advice)
		}
		last = o.Advice
	}
	for _, notice := range s.Notices {
		fmt.Fprintf(&b, "NOTE: %s\n", printable(notice))
	}
	b.WriteString("\n")
	if s.Report == nil {
		fmt.Fprintf(&b, "%-14s%s\n", "version", printable(s.Version))
		return b.String()
	}
	writeReport(&b, s, backfillLines(backfills))
	return b.String()
}

func writeReport(b *strings.Builder, s snapshot.Status, backfills string) {
	r := s.Report
	line := func(name, text string) { fmt.Fprintf(b, "%-14s%s\n", name, text) }
	line("in Marketo", freshness(r, s.Time))
	line("waiting", waiting(r))
	line("parked", parkedLine(r.Parked))
	line("calls today", callsToday(r.Calls, s.Time))
	line("calls", calls(r.Calls))
	if len(r.Calls.Faults) > 0 {
		line("failed calls", faults(r.Calls.Faults))
	}
	line("slot", slot(r.Source))
	if r.Source.Transaction != nil {
		line("transaction", transaction(*r.Source.Transaction))
	}
	line("WAL kept", kept(r.Source))
	b.WriteString(backfills)
	line("version", printable(s.Version))
	b.WriteString("\n")
	writeMappings(b, r.Mappings)
	writeStanding(b, s)
}

func freshness(r *snapshot.Report, now time.Time) string {
	switch {
	case r.Through == nil:
		return "not known yet: what the server had at the start is still being read"
	case r.Behind != nil && *r.Behind > 0:
		return fmt.Sprintf("everything%s committed by %s, %s ago", except(r), r.Through.Local().Format(clock), seconds(*r.Behind))
	}
	return fmt.Sprintf("everything%s, as of %s", except(r), now.Local().Format(clock))
}

// clock is how times are shown, with their zone.
const clock = "2006-01-02 15:04:05 MST"

// except says what everything leaves out.
func except(r *snapshot.Report) string {
	switch {
	case r == nil || r.Parked == 0:
		return ""
	case r.Parked == 1:
		return " except 1 parked object"
	}
	return " except " + number(r.Parked) + " parked objects"
}

func waiting(r *snapshot.Report) string {
	text := fmt.Sprintf("%s objects (%s)", number(r.Pending), amount(r.PendingBytes))
	if r.Held > 0 {
		text += fmt.Sprintf("; newer values of %s keys are held until a call with unknown outcome is over", number(r.Held))
	}
	if r.Backpressure {
		text += "; reading waits, PostgreSQL keeps the WAL"
	}
	return text
}

func parkedLine(n int) string {
	if n == 0 {
		return "0 objects"
	}
	return number(n) + " objects; see cdcsync parked list"
}

func callsToday(c snapshot.Calls, now time.Time) string {
	text := number(c.Today)
	if c.Limit > 0 {
		text += fmt.Sprintf(" of %s", number(c.Limit))
	} else {
		text += ", no limit"
	}
	text += fmt.Sprintf("; the day ends in %s", span(c.Resets.Sub(now))) + forecast(c)
	if c.Exhausted {
		text += "; Marketo says that they are used up"
	}
	if c.Pace > 0 {
		text += fmt.Sprintf("; they run short, so batches that waiting can fill further leave every %s", seconds(c.Pace))
	}
	return text
}

// forecast says what others have made of the calls of the day, and when these will
// be used up at its rate so far. In its first half hour, and where they last, it says
// nothing of that.
func forecast(c snapshot.Calls) (text string) {
	if c.UsedUp != nil {
		text += "; at the rate of the day so far they are used up at " + c.UsedUp.Local().Format(clock)
	}
	if c.Others == nil {
		return text
	}
	text += fmt.Sprintf("; other integrations have made %s, as of %s", number(*c.Others), c.OthersAt.Local().Format(clock))
	if c.Instance > 0 {
		text += fmt.Sprintf(", which leaves %s of the instance's %s", number(max(c.Instance-c.Today-*c.Others, 0)), number(c.Instance))
	}
	if c.InstanceUsedUp != nil {
		text += ": all together they are used up at " + c.InstanceUsedUp.Local().Format(clock) + " at the rate of the day so far"
	}
	return text
}

// backfillLines are those that have not ended, and those whose rows are not in Marketo
// although they have.
func backfillLines(all []admin.Backfill) string {
	var b strings.Builder
	for _, one := range all {
		if one.Ended != nil {
			if one.Refused > 0 {
				fmt.Fprintf(&b, "%-14s%s: %s, %s of %s rows refused; see cdcsync backfill list --refused\n", "backfill", printable(one.Mapping), printable(one.State), number(uint64(one.Refused)), number(uint64(one.Rows)))
			}
			continue
		}
		rows := number(uint64(one.Rows))
		if one.Estimate > 0 { // it is not counted before it begins
			rows += " of about " + number(uint64(one.Estimate))
		}
		fmt.Fprintf(&b, "%-14s%s: %s, %s rows, %s objects", "backfill", printable(one.Mapping), printable(one.State), rows, number(uint64(one.Objects)))
		if one.Refused > 0 {
			fmt.Fprintf(&b, ", %s refused", number(uint64(one.Refused)))
		}
		if one.SecondsLeft > 0 && one.State == "running" {
			fmt.Fprintf(&b, ", %s calls and %s left", number(uint64(one.CallsLeft)), seconds(one.SecondsLeft))
		}
		if one.Reason != "" {
			fmt.Fprintf(&b, "; %s", printable(one.Reason))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func calls(c snapshot.Calls) string {
	text := fmt.Sprintf("%s since the start, %s in flight", number(c.Sent), number(c.InFlight))
	if c.PerCall != nil {
		text += fmt.Sprintf(", %.1f objects per call", *c.PerCall)
	}
	if c.PerChange != nil {
		text += fmt.Sprintf(", %.1f calls per 1,000 changes", *c.PerChange)
	}
	if c.Unknown > 0 {
		text += fmt.Sprintf(", %s with an unknown outcome", number(c.Unknown))
	}
	if c.Limited != "" {
		text += "; the next one waits for the limit: " + printable(c.Limited)
	}
	return text
}

func faults(f map[string]uint64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, printable(name)+" "+number(f[name]))
	}
	return strings.Join(parts, ", ")
}

func slot(s snapshot.Source) string {
	text := fmt.Sprintf("%s: received %s, checkpoint %s", printable(s.Slot), s.Received, s.Checkpoint)
	if s.Confirmed != "" {
		text += ", acknowledged " + s.Confirmed
	}
	text += fmt.Sprintf(", lag %s", amount(s.Lag))
	switch {
	case s.Growing:
		text += " and growing"
	case s.CatchUp >= 1:
		text += fmt.Sprintf(", %s to go at this rate", seconds(s.CatchUp))
	}
	if !s.Connected {
		text += "; not connected"
	}
	return text
}

// transaction is how far a large one has been read.
func transaction(t snapshot.Transaction) string {
	return fmt.Sprintf("%s changes read in %s of the one committed at %s (%s)", number(t.Changes), seconds(t.Seconds), t.Commit, t.Committed.Local().Format(clock))
}

// kept is the WAL that waits for us on the server, and how long that goes well.
func kept(s snapshot.Source) string {
	text := amount(uint64(max(s.Retained, 0)))
	if s.MostRetained > 0 {
		text += " of " + amount(uint64(s.MostRetained))
	}
	if s.Safe == nil {
		return text + "; PostgreSQL keeps it without limit (max_slot_wal_keep_size)"
	}
	text += fmt.Sprintf("; after %s more PostgreSQL may drop the slot", amount(uint64(max(*s.Safe, 0))))
	if s.Drop > 0 {
		text += fmt.Sprintf(", in %s at this rate", seconds(s.Drop))
	}
	return text
}

// order is the order of the statuses of an object, the good ones first.
var order = []string{"CREATED", "UPDATED", "UNCHANGED", "SKIPPED", "DELETED", "FAILED", "NONE"}

// writeMappings writes a line for each mapping. Statuses that none of them has
// had take no room.
func writeMappings(b *strings.Builder, mappings []snapshot.Mapping) {
	shown := slices.DeleteFunc(slices.Clone(order), func(status string) bool {
		return !slices.ContainsFunc(mappings, func(m snapshot.Mapping) bool { return m.Statuses[status] > 0 })
	})
	rows := [][]string{slices.Concat([]string{"MAPPING", "ROWS", "FILTERED", "COALESCED", "CONFIRMED"}, shown, []string{"PENDING", "PARKED", "P50", "P99"})}
	for _, m := range mappings {
		row := []string{printable(m.Name), number(m.Rows), number(m.Filtered), number(m.Coalesced), number(m.Confirmed)}
		for _, status := range shown {
			row = append(row, number(m.Statuses[status]))
		}
		p50, p99 := "-", "-"
		if m.Latency != nil {
			p50, p99 = seconds(m.Latency.P50), seconds(m.Latency.P99)
		}
		rows = append(rows, append(row, number(m.Pending), number(m.Parked), p50, p99))
	}
	writeTable(b, rows, 1)
}

// writeStanding says of mappings that stand what the reasons above do not.
func writeStanding(b *strings.Builder, s snapshot.Status) {
	told := func(why string) bool {
		return slices.ContainsFunc(s.Obstacles, func(o snapshot.Obstacle) bool { return strings.Contains(o.Reason, why) })
	}
	for _, m := range s.Report.Mappings {
		for _, stands := range [][2]string{{"stopped", m.Stopped}, {"blocked", m.Blocked}} {
			if why := stands[1]; why != "" && !told(why) {
				fmt.Fprintf(b, "\n%s is %s: %s\n", printable(m.Name), stands[0], printable(why))
			}
		}
		if m.Paused == "" {
			continue
		}
		fmt.Fprintf(b, "\n%s is paused", printable(m.Name))
		if !told(m.Paused) {
			fmt.Fprintf(b, " %s", printable(m.Paused))
		}
		fmt.Fprintf(b, "; %s of WAL are kept for it", amount(m.PausedWAL))
		if m.LeftFrom != "" {
			fmt.Fprintf(b, ", and what came since %s waits there", m.LeftFrom)
		}
		b.WriteByte('\n')
	}
}
