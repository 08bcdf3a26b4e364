package checkpointtest

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func (m *image) moveBackfill(b *checkpoint.Backfill, to checkpoint.BackfillState, at time.Time, why string) {
	if b.State != to {
		b.Changed = at
	}
	b.State, b.Err = to, why
	if to == checkpoint.BackfillRunning && b.Started.IsZero() {
		b.Started = at
	}
	if !to.Ended() {
		return
	}
	if b.Ended.IsZero() {
		b.Ended = at
	}
	delete(m.cursors, b.Feed())
	defer m.recountRefused(b)
	if to != checkpoint.BackfillDone || !b.Whole() {
		return
	}
	m.mappings = slices.Clone(m.mappings)
	for i := range m.mappings {
		if m.mappings[i].MappingID == b.MappingID {
			m.mappings[i].Loaded = true
		}
	}
	m.forgetRefused(b)
}

// forgetRefused forgets what earlier backfills of the mapping could not send.
func (m *image) forgetRefused(b *checkpoint.Backfill) {
	for i := range m.backfills {
		earlier := &m.backfills[i]
		if earlier.MappingID != b.MappingID || earlier.ID >= b.ID {
			continue
		}
		for k := range m.refused {
			if k.Feed == earlier.Feed() {
				delete(m.refused, k)
			}
		}
	}
}

// recountRefused counts what is left of the refused rows of the others of the mapping.
func (m *image) recountRefused(b *checkpoint.Backfill) {
	for i := range m.backfills {
		other := &m.backfills[i]
		if other.MappingID != b.MappingID || other.ID == b.ID || other.Ended.IsZero() || other.Refused == 0 {
			continue
		}
		other.Refused = 0
		for k := range m.refused {
			if k.Feed == other.Feed() {
				other.Refused++
			}
		}
	}
}

// forget leaves out backfills that ended long ago, and say nothing any more.
func (m *image) forget() {
	const kept = 100
	stuck := map[string]bool{}
	for k := range m.refused {
		stuck[k.Feed] = true
	}
	last := map[checkpoint.MappingID]int64{}
	for i := range m.backfills {
		if b := &m.backfills[i]; b.Whole() {
			last[b.MappingID] = b.ID
		}
	}
	old := len(m.backfills) - kept
	at := -1
	m.backfills = slices.DeleteFunc(m.backfills, func(b checkpoint.Backfill) bool {
		at++
		return at < old && b.State.Ended() && last[b.MappingID] != b.ID && !stuck[b.Feed()]
	})
}
