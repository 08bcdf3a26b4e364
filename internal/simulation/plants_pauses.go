package simulation

import (
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
)

// pausePlants lose somebody's word that a mapping is to wait, or to go on.
func pausePlants() []plant {
	dropping := func(resume bool) func(*Simulator, delivery.Event) []delivery.Event {
		return func(_ *Simulator, ev delivery.Event) []delivery.Event {
			if pause, ok := ev.(delivery.Pause); ok && !pause.Backfill && (pause.Reason == "") == resume {
				return nil
			}
			return []delivery.Event{ev}
		}
	}
	return []plant{
		{name: "a paused mapping goes on", event: dropping(false)},
		{name: "a mapping that was resumed stands", event: dropping(true)},
		{name: "what is paused is forgotten at a start", forgetPauses: true},
		{name: "what is paused may fill memory", event: pausedTogether},
		{name: "what was left in postgresql is not read again", sameLife: true},
		{name: "what comes of a paused mapping is left out for good", effect: onSave(func(s *Simulator, sv *checkpoint.Save) {
			if s.reader.left != [len(mappings)]bool{} && !s.reader.inside {
				sv.Checkpoint = max(sv.Checkpoint, s.reader.received)
			}
		})},
	}
}

// pausedTogether pauses all mappings with one, as long as one is: then none has to leave
// memory to others.
func pausedTogether(s *Simulator, ev delivery.Event) (all []delivery.Event) {
	pause, ok := ev.(delivery.Pause)
	if !ok || pause.Backfill {
		return []delivery.Event{ev}
	}
	for i := range mappings {
		if pause.Reason == "" && s.paused[i].on {
			return nil
		}
		all = append(all, delivery.Pause{Mapping: i, Reason: pause.Reason})
	}
	return all
}
