package simulation

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// startPlants forget something at a start, or call an end clean that is not.
func startPlants() []plant {
	return []plant{
		{name: "no hold after an unclean start", state: func(_ *Simulator, st *checkpoint.State) { st.InFlight = nil }},
		{name: "no hold after a loss of power", state: func(_ *Simulator, st *checkpoint.State) { st.SameBoot = true }},
		{name: "a call has a number of another life", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			for i := range sv.Started {
				sv.Started[i].ID |= 1 << lifeBits
			}
		})},
		{name: "hold after a loss of power ends with the life", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			sv.Started = slices.DeleteFunc(sv.Started, func(c checkpoint.Call) bool { return len(c.Keys) == 0 })
		})},
		{name: "what the last life settled is forgotten", state: func(_ *Simulator, st *checkpoint.State) { st.Settled = nil }},
		{name: "what the last life settled is forgotten too early", state: func(_ *Simulator, st *checkpoint.State) {
			st.Settled = slices.DeleteFunc(st.Settled, func(e checkpoint.Settled) bool { return e.Through.Seq > 1 })
		}},
		{name: "the last life is said to have settled more", state: func(s *Simulator, st *checkpoint.State) {
			for i, e := range st.Settled {
				st.Settled[i].Through = s.position(s.keys[parseKey(e.Key)].last)
			}
		}},
		{name: "what is settled is forgotten at a start where one record stands for it", state: func(_ *Simulator, st *checkpoint.State) { st.SettledTo = nil }},
		{name: "the keys that are not settled are forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) {
			if st.SettledTo != nil {
				st.SettledTo = &checkpoint.SettledTo{Through: st.SettledTo.Through, Rules: st.SettledTo.Rules}
			}
		}},
		{name: "where a mapping was stopped is forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) {
			if st.SettledTo != nil {
				to := *st.SettledTo
				to.Stopped, st.SettledTo = nil, &to
			}
		}},
		{name: "which mappings lag is forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) { st.Lags = nil }},
		{name: "what was sent of a mapping that lags is forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) {
			for i := range st.Lags {
				st.Lags[i].Sent = pgoutput.Position{}
			}
		}},
		{name: "what was sent is forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) { st.Sent = pgoutput.Position{} }},
		{name: "what was sent is not saved", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) { sv.Sent = pgoutput.Position{} })},
		{name: "what Marketo lacks is forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) { st.Lacking = nil }},
		{name: "time is what the wall clock says", wallTime: true},
		{name: "limits are forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) { st.Quota = checkpoint.Quota{} }},
		{name: "parked objects are forgotten at a start", state: func(_ *Simulator, st *checkpoint.State) { st.Parked = nil }},
		{name: "who waits is answered by what was received", received: true},
		{name: "every end is clean", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) { sv.Clean = true })},
		{name: "rows are handed in, and their cursor is saved at once", state: func(s *Simulator, _ *checkpoint.State) {
			s.disk.now.cursor = max(s.disk.now.cursor, s.backfill.next)
		}},
		{name: "what is remembered of objects outlives a loss of power", keepRecord: true},
		{name: "what is confirmed is remembered after the store has it", lateRecord: true},
		{name: "what is deleted is remembered", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) { sv.Forgotten = nil })},
		{name: "finished at once", effect: func(s *Simulator, e delivery.Effect) []delivery.Effect {
			if s.process.stopping {
				return []delivery.Effect{e, delivery.Finished{}}
			}
			return []delivery.Effect{e}
		}},
	}
}

// limitPlants exceed a limit by one, or a bound by far.
func limitPlants() []plant {
	one := func(n *int) {
		if *n > 0 {
			*n++
		}
	}
	return []plant{
		{name: "one call too many in 20 seconds", config: func(c *delivery.Config) { one(&c.Limits.CallsPer20s) }},
		{name: "one call too many at once", config: func(c *delivery.Config) { one(&c.Limits.ConcurrentCalls) }},
		{name: "one call too many a day", config: func(c *delivery.Config) { one(&c.Limits.CallsPerDay) }},
		{name: "one object too many", config: func(c *delivery.Config) { one(&c.Capacity.Objects) }},
		{name: "a few bytes too many", config: func(c *delivery.Config) { c.Capacity.Bytes *= 2 }},
		{name: "too much in memory", config: func(c *delivery.Config) { c.MaxPending *= 20 }},
		{name: "too many bytes in memory", config: func(c *delivery.Config) { c.MaxPendingBytes *= 20 }},
		{name: "a slot that stands is called ready", config: func(c *delivery.Config) { c.MaxStand = 10 * time.Minute }},
		{name: "too few attempts", config: func(c *delivery.Config) { c.MaxAttempts-- }},
	}
}

// streamPlants lose, repeat, reorder or spoil what comes from the stream.
func streamPlants() []plant {
	onEntries := func(change func(*Simulator, []delivery.Entry) []delivery.Entry) func(*Simulator, delivery.Event) []delivery.Event {
		return func(s *Simulator, ev delivery.Event) []delivery.Event {
			if r, ok := ev.(*delivery.Received); ok {
				ev = &delivery.Received{Entries: change(s, slices.Clone(r.Entries))}
			}
			return []delivery.Event{ev}
		}
	}
	return []plant{
		{name: "a change is dropped", event: onEntries(func(s *Simulator, entries []delivery.Entry) []delivery.Entry {
			return slices.DeleteFunc(entries, func(e delivery.Entry) bool {
				return e.Kind == delivery.EntryWrite && s.rng.IntN(40) == 0
			})
		})},
		{name: "a mapping is stopped without a word", event: onEntries(func(_ *Simulator, entries []delivery.Entry) []delivery.Entry {
			return slices.DeleteFunc(entries, func(e delivery.Entry) bool { return e.Kind == delivery.EntryStop })
		})},
		{name: "a change is taken for one before it", event: onEntries(func(s *Simulator, entries []delivery.Entry) []delivery.Entry {
			for i := range entries {
				if e := &entries[i]; e.Kind == delivery.EntryWrite && s.rng.IntN(40) == 0 {
					if before := s.changes[stampOf(e.Write.Object)].previous; before != 0 {
						e.Write = s.write(before)
					}
				}
			}
			return entries
		})},
		{name: "partial is taken for whole", event: onEntries(func(_ *Simulator, entries []delivery.Entry) []delivery.Entry {
			for i := range entries {
				entries[i].Write.Partial = false
			}
			return entries
		})},
		{name: "objects made of a part are taken for whole", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok {
				a.Reply.Results = slices.Clone(a.Reply.Results)
				for i := range a.Reply.Results {
					if r := &a.Reply.Results[i]; r.Status == marketo.Created {
						r.Status = marketo.Updated
					}
				}
				ev = a
			}
			return []delivery.Event{ev}
		}},
		{name: "row is not read again", event: onEntries(func(_ *Simulator, entries []delivery.Entry) []delivery.Entry {
			for i := range entries {
				entries[i].Write.Reread = false
			}
			return entries
		})},
		{name: "the end of a row is taken for a part of it", event: onEntries(func(_ *Simulator, entries []delivery.Entry) []delivery.Entry {
			for i := range entries {
				if w := &entries[i].Write; w.Operation == marketo.Update && entries[i].Kind == delivery.EntryWrite {
					w.Operation, w.Partial = marketo.Upsert, true
				}
			}
			return entries
		})},
		{name: "every row is gone", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if row, ok := ev.(delivery.RowRead); ok {
				ev = delivery.RowRead{Read: row.Read}
			}
			return []delivery.Event{ev}
		}},
		{name: "marks are lost", event: onEntries(func(_ *Simulator, entries []delivery.Entry) []delivery.Entry {
			return slices.DeleteFunc(entries, func(e delivery.Entry) bool { return e.Kind == delivery.EntryMark })
		})},
		{name: "rows of a backfill that the stream has newer are kept", keepTouched: true},
		{name: "objects without a row are removed without a look", unasked: true},
		{name: "rows of a backfill are handed in before their mark", early: true},
		{name: "a backfill may create any number of objects", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if o, ok := ev.(*delivery.Offered); ok {
				o.Announced = 0
			}
			return []delivery.Event{ev}
		}},
		{name: "a cut transaction is skipped one short", forgetSkip: true},
		{name: "positions lack their place in the transaction", event: onEntries(func(_ *Simulator, entries []delivery.Entry) []delivery.Entry {
			for i := range entries {
				if entries[i].Kind == delivery.EntryWrite {
					entries[i].Seq = pgoutput.Position{Seq: 1}.Seq
				}
			}
			return entries
		})},
	}
}
