package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// backfillAhead has two of four places for a backfill, and calls of it that are
// recorded ahead.
func backfillAhead(t *testing.T) (*rig, []Send) {
	t.Helper()
	r := newRig(t, func(c *Config) {
		c.Capacity.Objects = 1
		c.Limits = marketo.Limits{ConcurrentCalls: 4}
	})
	r.offer(1, "1", rows(0, 100)...)
	r.answerRound(r.take(2), time.Millisecond)
	if n := r.m.ahead.bulk; n != 2*aheadRounds || n != len(r.m.ahead.calls) {
		t.Fatalf("%d calls are recorded ahead, %d of the backfill, want %d", len(r.m.ahead.calls), n, 2*aheadRounds)
	}
	return r, r.take(2)
}

// A backfill's calls are recorded ahead, too, and take no place but their own.
func TestCallsOfABackfillAreRecordedAhead(t *testing.T) {
	r, calls := backfillAhead(t)
	if n := r.answerRound(calls, time.Millisecond); n != 2 {
		t.Errorf("%d calls went before the answers were saved, want 2", n)
	}
	r.take(2)
	r.commit(upsert("a"), upsert("b"), upsert("c"))
	r.pass(time.Second)
	if live := r.take(2); live[0].Batch.Objects[0].Value(0).Text != "a" {
		t.Errorf("beside the two of the backfill: %s", text(live))
	}
}

// Of a mapping that is stopped or paused, none of them goes.
func TestBackfillsCallsAheadAreTakenBack(t *testing.T) {
	for name, end := range map[string]Event{
		"paused":          Pause{Mapping: 0, Reason: "a person"},
		"backfill paused": Pause{Mapping: 0, Backfill: true, Reason: "a person"},
		"stopped": &Received{Entries: []Entry{
			{Kind: EntryBegin, LSN: 0x900000, XID: 900},
			{Kind: EntryStop, Seq: 1, Write: mapping.Write{Problem: &mapping.Problem{Code: "stopped", Message: "broken"}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r, calls := backfillAhead(t)
			r.step(end)
			r.answerRound(calls, time.Millisecond)
			r.pass(time.Second)
			r.take(0)
			if len(r.m.ahead.calls) != 0 || r.m.ahead.bulk != 0 {
				t.Errorf("%d calls are still recorded ahead", len(r.m.ahead.calls))
			}
		})
	}
}
