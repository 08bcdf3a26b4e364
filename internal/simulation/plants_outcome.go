package simulation

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// plants makes all planted mistakes afresh: some remember things of a run.
func plants() []plant {
	return slices.Concat(positionPlants(), parkingPlants(), callPlants(), keyPlants(), startPlants(), limitPlants(), streamPlants(), pausePlants())
}

// onSave is an effect that changes saves.
func onSave(change func(*Simulator, *checkpoint.Save)) func(*Simulator, delivery.Effect) []delivery.Effect {
	return func(s *Simulator, e delivery.Effect) []delivery.Effect {
		save, ok := e.(delivery.Save)
		if !ok {
			return []delivery.Effect{e}
		}
		c := copySave(save.Save)
		change(s, &c)
		return []delivery.Effect{delivery.Save{Save: &c}}
	}
}

// positionPlants move the checkpoint, or what is acknowledged, too early or back.
func positionPlants() []plant {
	return []plant{
		{name: "acknowledge before the save has ended", effect: func(s *Simulator, e delivery.Effect) []delivery.Effect {
			if save, ok := e.(delivery.Save); ok && save.Save.Checkpoint > s.process.acknowledged {
				return []delivery.Effect{e, delivery.Acknowledge{LSN: save.Save.Checkpoint}}
			}
			return []delivery.Effect{e}
		}},
		{name: "acknowledge what is not synced", event: func(s *Simulator, ev delivery.Event) []delivery.Event {
			if saved, ok := ev.(delivery.Saved); ok && saved.Err == nil && s.disk.now.lsn > s.disk.synced.lsn {
				s.acknowledge(s.disk.now.lsn)
			}
			return []delivery.Event{ev}
		}},
		{name: "checkpoint is the newest settled", effect: onSave(func(s *Simulator, sv *checkpoint.Save) {
			for _, e := range sv.Settled {
				end := s.end(s.changeAt(parseKey(e.Key), e.Through))
				sv.Checkpoint = max(sv.Checkpoint, end)
			}
		})},
		{name: "checkpoint goes back", effect: onSave(func(s *Simulator, sv *checkpoint.Save) {
			if sv.Checkpoint != 0 && s.rng.IntN(10) == 0 {
				sv.Checkpoint = s.disk.now.lsn - 1
			}
		})},
		{name: "mark is acknowledged with objects unsettled", event: func(s *Simulator, ev delivery.Event) []delivery.Event {
			if r, ok := ev.(*delivery.Received); ok && r.Entries[0].Kind == delivery.EntryMark && r.Entries[0].LSN > s.process.acknowledged {
				s.acknowledge(r.Entries[0].LSN)
			}
			return []delivery.Event{ev}
		}},
	}
}

// parkingPlants get what is settled or parked wrong.
func parkingPlants() []plant {
	var late []checkpoint.Parked
	return []plant{
		{name: "parked after settling", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			late, sv.Parked = sv.Parked, late
		})},
		{name: "parked nowhere", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) { sv.Parked = nil })},
		{name: "what was given up is forgotten", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			sv.Resolved, sv.Lacking = append(sv.Resolved, sv.Lacking...), nil
		})},
		{name: "a retry by hand gives up", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if act, ok := ev.(delivery.Act); ok {
				act.Discard = true
				ev = act
			}
			return []delivery.Event{ev}
		}},
		{name: "settled is not saved", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) { sv.Settled = nil })},
		{name: "all is settled to one change too far", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			if sv.SettledTo != nil {
				sv.SettledTo.Through.Seq++
			}
		})},
		{name: "a key is not settled after its first change that is not", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			if sv.SettledTo != nil {
				for i := range sv.SettledTo.Except {
					sv.SettledTo.Except[i].From.Seq++
				}
			}
		})},
		{name: "settled too far", effect: onSave(func(s *Simulator, sv *checkpoint.Save) {
			for i, e := range sv.Settled {
				k := parseKey(e.Key)
				sv.Settled[i].Through = s.position(s.keys[k].last)
			}
		})},
	}
}

// callPlants get calls wrong: their answers, their holds, their objects.
func callPlants() []plant {
	var ids []uint64
	return []plant{
		{name: "timeout counts as confirmed", event: func(s *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok && a.Reply.Fault != nil && a.Reply.Fault.Class == marketo.FaultUnknown {
				results := make([]marketo.Result, s.objectsOf(a.Call))
				for i := range results {
					results[i] = marketo.Result{Status: marketo.Updated, Outcome: marketo.Confirmed}
				}
				ev = delivery.Answered{Call: a.Call, Reply: marketo.Reply{Results: results}}
			}
			return []delivery.Event{ev}
		}},
		{name: "timeout counts as not executed", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok && a.Reply.Fault != nil && a.Reply.Fault.Class == marketo.FaultUnknown {
				fault := *a.Reply.Fault
				fault.Class = marketo.FaultRetry
				ev = delivery.Answered{Call: a.Call, Reply: marketo.Reply{Fault: &fault}}
			}
			return []delivery.Event{ev}
		}},
		{name: "a call that leaves late is not told of", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok {
				a.Reply.Left = time.Time{}
				ev = a
			}
			return []delivery.Event{ev}
		}},
		{name: "a call that broke is repeated by the client", event: func(s *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok && a.Reply.Fault != nil && a.Reply.Fault.Class == marketo.FaultUnknown {
				s.repeatCall(a.Call)
			}
			return []delivery.Event{ev}
		}},
		{name: "calls that are refused as too many are made go again at once", event: func(s *Simulator, ev delivery.Event) []delivery.Event {
			return s.goOn(ev, marketo.FaultRate, marketo.FaultConcurrency)
		}},
		{name: "Marketo's word on the quota is not believed", event: func(s *Simulator, ev delivery.Event) []delivery.Event {
			return s.goOn(ev, marketo.FaultQuota)
		}},
		{name: "no hold", config: func(c *delivery.Config) { c.UnknownHold = 1 }},
		{name: "hold shorter than marketo's limit", config: func(c *delivery.Config) { c.UnknownHold = serverLimit - 20*time.Second }},
		{name: "status of another object", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok && len(a.Reply.Results) > 1 {
				r := slices.Clone(a.Reply.Results)
				slices.Reverse(r)
				ev = delivery.Answered{Call: a.Call, Reply: marketo.Reply{Results: r}}
			}
			return []delivery.Event{ev}
		}},
		{name: "missing status counts as confirmed", event: func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if a, ok := ev.(delivery.Answered); ok {
				r := slices.Clone(a.Reply.Results)
				for i := range r {
					if r[i].Outcome == marketo.Unknown {
						r[i].Outcome = marketo.Confirmed
					}
				}
				ev = delivery.Answered{Call: a.Call, Reply: marketo.Reply{Results: r, Fault: a.Reply.Fault}}
			}
			return []delivery.Event{ev}
		}},
		{name: "two calls per key", effect: func(s *Simulator, e delivery.Effect) []delivery.Effect {
			if send, ok := e.(delivery.Send); ok && s.rng.IntN(50) == 0 {
				return []delivery.Effect{e, send}
			}
			return []delivery.Effect{e}
		}},
		{name: "key twice in a call", effect: func(s *Simulator, e delivery.Effect) []delivery.Effect {
			if send, ok := e.(delivery.Send); ok && len(send.Batch.Objects) < s.profile.config.Capacity.Objects {
				b := *send.Batch
				b.Objects = append(slices.Clone(b.Objects), b.Objects[0])
				e = delivery.Send{Call: send.Call, Batch: &b}
			}
			return []delivery.Effect{e}
		}},
		{name: "call ends in the store when it starts", effect: onSave(func(_ *Simulator, sv *checkpoint.Save) {
			for _, c := range sv.Started {
				ids = append(ids, c.ID)
			}
			sv.Ended, ids = append(sv.Ended, ids...), nil
			sv.Started = nil
		})},
	}
}

// goOn has the machine go on at once after faults of some classes.
func (s *Simulator) goOn(ev delivery.Event, classes ...marketo.FaultClass) []delivery.Event {
	if a, ok := ev.(delivery.Answered); ok && a.Reply.Fault != nil && slices.Contains(classes, a.Reply.Fault.Class) {
		s.acted.releases++
		return []delivery.Event{ev, delivery.Release{}}
	}
	return []delivery.Event{ev}
}

// repeatCall has a call of this life that broke arrive once more.
func (s *Simulator) repeatCall(id uint64) {
	n := len(s.calls) - 1
	for s.calls[n].id != id || s.calls[n].life != s.process.life {
		n--
	}
	again := s.calls[n]
	again.keys, again.stamps = slices.Clone(again.keys), slices.Clone(again.stamps)
	again.start, again.heard = s.now, true
	s.calls = append(s.calls, again)
	s.plan(s.between(time.Millisecond, time.Second), evExecute, len(s.calls)-1)
}

// objectsOf is the number of objects of a call of this life.
func (s *Simulator) objectsOf(id uint64) int {
	for i := len(s.calls) - 1; ; i-- {
		if s.calls[i].id == id && s.calls[i].life == s.process.life {
			return len(s.calls[i].keys)
		}
	}
}
