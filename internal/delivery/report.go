package delivery

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// statuses is the number of values of marketo.Status.
const statuses = int(marketo.Deleted) + 1

// MappingCounts counts what became of the writes of one mapping since the
// start. Received + Retried + Offered = Replayed + Coalesced + Unchanged +
// Confirmed + Parked + Refused + Gone + Kept + Left + what is pending, always.
type MappingCounts struct {
	// Received counts the writes that came from the stream, Retried the
	// parked objects that were put back into the queue.
	Received uint64
	Retried  uint64
	// Offered counts the rows that backfills handed in, Refused those that ended
	// as refused.
	Offered, Refused uint64
	// Replayed counts those that an earlier life had settled.
	Replayed uint64
	// Coalesced counts those merged into another before it was sent, and those
	// that a row which was read and sent had already.
	Coalesced uint64
	// Unchanged counts objects settled without a call, as Marketo had them.
	Unchanged uint64
	// Confirmed counts objects settled by a status.
	Confirmed uint64
	// Parked counts objects put among the parked ones, Unmappable those of
	// them that could not be built from their row.
	Parked     uint64
	Unmappable uint64
	// Gone counts objects whose row had gone when it was read again, Kept
	// those that were not removed, as several rows hold their key.
	Gone, Kept uint64
	// Incomplete counts objects sent without values that only their row had,
	// which had gone when it was read again.
	Incomplete uint64
	// Respelled counts changes of a key into another that Marketo may take for
	// the same: the object of the old spelling was left alone.
	Respelled uint64
	// Left counts writes that were left in PostgreSQL, as their mapping is paused and
	// has had its share of memory: they come again in the next life.
	Left uint64
	// Retries counts objects sent again because of their status.
	Retries uint64
	// Statuses counts what Marketo said, by marketo.Status.
	Statuses [statuses]uint64
	Latency  Latency
}

// Counts counts what concerns all mappings.
type Counts struct {
	Transactions uint64
	Calls        uint64
	Objects      uint64
	Splits       uint64
	// Unknown counts calls with an unknown outcome.
	Unknown  uint64
	Resolved uint64
	// Faults counts faults by class and code.
	Faults map[FaultKey]uint64
	// Limited is the limit that keeps the next call waiting: "rate",
	// "concurrency", "quota", or "".
	Limited string
}

// FaultKey identifies a kind of fault.
type FaultKey struct {
	Class marketo.FaultClass
	Code  string
}

func (c *Counts) fault(f *marketo.Fault) {
	if c.Faults == nil {
		c.Faults = make(map[FaultKey]uint64)
	}
	key := FaultKey{f.Class, f.Code}
	if _, known := c.Faults[key]; !known && len(c.Faults) >= 100 {
		key.Code = "other"
	}
	c.Faults[key]++
}

// Report is a picture of the Machine.
type Report struct {
	Counts
	Mappings []MappingReport
	// Pending counts the objects that are not settled, Bytes what they hold.
	Pending, Bytes int
	InFlight       int
	Parked         int
	Held           int
	Backpressure   bool
	// Saved is the checkpoint in the store, Synced the one that is acknowledged.
	Saved, Synced LSN
	SavedAt       time.Time
	// Settled is where everything before is settled and in the store, though the
	// checkpoint may not say so yet. It is never less than Saved.
	Settled LSN
	// Through is the commit time up to which everything is settled; zero when
	// nothing is unsettled.
	Through time.Time
	Quota   marketo.Quota
	// Pace is the time between two batches that waiting can fill further, while
	// the calls of the day run short; zero while there is plenty.
	Pace time.Duration
	// Source is about the replication connection.
	Source SourceReport
	// Misfits are why the database no longer fits, none when it does; Stalled
	// is what else keeps changes from being sent or settled.
	Misfits, Stalled []Obstacle
	// Paused is set while nothing is sent, whatever the reason.
	Paused bool
}

// MappingReport is the part of a Report on one mapping.
type MappingReport struct {
	Mapping
	MappingCounts
	Pending int
	// Waits is set while full batches wait, as their keys come again.
	Waits   bool
	Blocked string
	// Stopped is why nothing more of the mapping is received in this life; "" while
	// it is.
	Stopped string
	// Paused is why its objects wait by somebody's word, PausedBackfill why those
	// of its backfill do; "" when they do not.
	Paused, PausedBackfill string
	// Oldest is the transaction of the oldest change that waits, of a mapping that
	// is Paused; zero for none.
	Oldest LSN
	// LeftFrom is from where on what comes of a mapping that is Paused is left in
	// PostgreSQL until it is resumed; zero while nothing is.
	LeftFrom LSN
	// Braked is set while the mapping is held, as it wants to delete too much.
	Braked bool
}

// Pending is the number of objects that wait or are under way.
func (m *Machine) Pending() int { return m.memory.items }

// Report returns a picture that shares nothing with the Machine.
func (m *Machine) Report(now time.Time) Report {
	r := Report{
		Counts: m.count, Pending: m.memory.items, Bytes: m.memory.bytes,
		InFlight: len(m.calls.sent), Parked: len(m.parked.objects), Held: len(m.holds.keys),
		Backpressure: !m.end.stopping && !m.Accepting(),
		Saved:        m.ledger.saved, Synced: m.ledger.synced, Settled: m.settledThrough(),
		Quota: m.calls.limiter.Snapshot(), Pace: m.pace.every,
	}
	if !m.ledger.savedAt.IsZero() {
		r.SavedAt = m.wall(m.ledger.savedAt)
	}
	r.Stalled, r.Paused = m.obstacles(now), m.paused(now)
	r.Faults = make(map[FaultKey]uint64, len(m.count.Faults))
	for k, v := range m.count.Faults {
		r.Faults[k] = v
	}
	if oldest, ok := m.window.OldestUnsettled(); ok {
		r.Through = oldest
	}
	waits := m.oldestPaused()
	for i := range m.states {
		s := &m.states[i]
		r.Mappings = append(r.Mappings, MappingReport{
			Mapping: m.cfg.Mappings[i], MappingCounts: s.count, Pending: s.pending,
			Waits: m.waitingPays(i), Blocked: s.block.reason, Stopped: s.stoppedFor(), Braked: s.brake.held,
			Paused: s.paused[live], PausedBackfill: s.paused[bulk], Oldest: waits[i], LeftFrom: s.leftFrom(),
		})
	}
	return r
}

// Balance is the part of a MappingReport that must add up: Received +
// Retried + Offered = Replayed + Coalesced + Unchanged + Confirmed + Parked +
// Refused + Gone + Kept + Left + Pending.
type Balance struct {
	Received, Retried, Offered, Replayed, Coalesced, Unchanged, Confirmed, Parked, Refused, Gone, Kept, Left uint64
	Pending                                                                                                  int
}

// Balance returns the books of one mapping.
func (m *Machine) Balance(mapping int) Balance {
	s := &m.states[mapping]
	return Balance{
		Received: s.count.Received, Retried: s.count.Retried, Offered: s.count.Offered, Refused: s.count.Refused, Unchanged: s.count.Unchanged, Replayed: s.count.Replayed, Coalesced: s.count.Coalesced,
		Confirmed: s.count.Confirmed, Parked: s.count.Parked, Gone: s.count.Gone, Kept: s.count.Kept, Left: s.count.Left, Pending: s.pending,
	}
}

// fields returns the key attributes of o, or all of them, as a JSON object.
func fields(o marketo.Object, keyOnly bool) string {
	if o.Shape == nil {
		return "{}"
	}
	n := len(o.Shape.Key)
	if !keyOnly {
		n = o.Len()
	}
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		v := o.Value(i)
		if v.Kind == marketo.Omitted {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(o.Shape.Name(i))
		b.Write(key)
		b.WriteByte(':')
		b.WriteString(jsonValue(v))
	}
	b.WriteByte('}')
	return b.String()
}

// shown is the most bytes of a value that a parked object keeps, as far as they
// are for people alone: a retry reads the row.
const shown = 4 << 10

// shorten cuts a value that is for people.
func shorten(o marketo.Object) marketo.Object {
	if o.Bytes() <= shown {
		return o
	}
	values := o.Values()
	for i := len(o.Shape.Key); i < len(values); i++ {
		if text := values[i].Text; len(text) > shown {
			values[i] = marketo.Value{Kind: marketo.String,
				Text: strings.ToValidUTF8(text[:shown], "") + fmt.Sprintf("… (the first %d bytes of %d)", shown, len(text))}
		}
	}
	return marketo.NewObject(o.Shape, values)
}

func jsonValue(v marketo.Value) string {
	switch v.Kind {
	case marketo.Number, marketo.Boolean:
		return v.Text
	case marketo.String:
		var text strings.Builder
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false) // people read it
		_ = e.Encode(v.Text)   // no text is an error
		return strings.TrimSuffix(text.String(), "\n")
	}
	return "null"
}
