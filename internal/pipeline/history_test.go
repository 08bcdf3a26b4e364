package pipeline

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// lagging is a reader that goes on at 90, with a slot that has not seen the
// transaction 80..85.
func lagging(t *testing.T) *reader {
	t.Helper()
	r := newTestReader(t, func(r *Runner) {
		r.Source = &replication.Source{Slot: "s", Publication: "p"}
		r.State.Latest = checkpoint.Commit{Final: 80, End: 85, XID: 7, At: time.Unix(1000, 0), Publication: "p"}
	})
	r.reconnects(t, 80)
	return r
}

// reconnects has the next connection begin, as far as that needs no server.
func (r *reader) reconnects(t *testing.T, from pgoutput.LSN) {
	t.Helper()
	if got := r.beginHistory(r.received, 70); got != from {
		t.Fatalf("starts at %s, want %s", got, from)
	}
}

var latestBegin = &pgoutput.Begin{Final: 80, XID: 7, Time: time.Unix(1000, 0)}

// What was delivered last comes once more where the slot lags, and is passed over.
// Its descriptions bind no earlier than a change of them is delivered.
func TestLatestTransactionIsPassedOver(t *testing.T) {
	r := lagging(t)
	misfit := *things
	misfit.Columns = misfit.Columns[1:]
	if err := r.feed(t, latestBegin, &misfit, inserted(1), &pgoutput.Truncate{Relations: []*pgoutput.Relation{things}}, things, inserted(2), &pgoutput.Commit{LSN: 80, End: 85}, &pgoutput.Keepalive{WALEnd: 95}); err != nil {
		t.Fatal(err)
	}
	if r.runner.Mappings.Of(things) != nil {
		t.Error("a description of what was delivered is bound")
	}
	if err := r.feed(t, &pgoutput.Begin{Final: 100, XID: 8}, inserted(3), &pgoutput.Commit{LSN: 100, End: 110}); err != nil {
		t.Fatal(err)
	}
	if got := r.gathered(); got != "mark@95 begin@100 1:3 commit@110" {
		t.Errorf("got %s", got)
	}
	// The one that was received last is the one to come now.
	r.reconnects(t, 100)
	if err := r.feed(t, &pgoutput.Begin{Final: 100, XID: 8}, inserted(3), &pgoutput.Commit{LSN: 100, End: 110}); err != nil || r.gathered() != "" {
		t.Errorf("it does not come again: %v", err)
	}
}

// A server without what was delivered is refused, whatever it sends first.
func TestAnotherHistoryIsRefused(t *testing.T) {
	for name, messages := range map[string][]pgoutput.Message{
		"another transaction": {&pgoutput.Begin{Final: 82, XID: 7, Time: time.Unix(1000, 0)}},
		"another number":      {&pgoutput.Begin{Final: 80, XID: 8, Time: time.Unix(1000, 0)}},
		"none":                {&pgoutput.Keepalive{WALEnd: 84}, &pgoutput.Keepalive{WALEnd: 200}},
		"one after it":        {latestBegin, &pgoutput.Commit{LSN: 80, End: 85}, &pgoutput.Begin{Final: 86}},
	} {
		r := lagging(t)
		r.runner.StateFile, r.runner.ConfigFile = "/x/state.db", "/x/c.yaml"
		err := r.feed(t, messages...)
		var refused *checkpoint.Refusal
		if !errors.As(err, &refused) || refused.Code != checkpoint.WrongHistory || strings.Contains(err.Error(), "/x/") != (refused.Span != nil) || r.gathered() != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// So is one whose transaction in the place of what was cut is another.
	r := lagging(t)
	if err := r.feed(t, latestBegin, &pgoutput.Commit{LSN: 80, End: 85}, &pgoutput.Begin{Final: 100, XID: 8}, things, inserted(1)); err != nil {
		t.Fatal(err)
	}
	r.reconnects(t, 80)
	var refused *checkpoint.Refusal
	if err := r.feed(t, latestBegin, &pgoutput.Commit{LSN: 80, End: 85}, &pgoutput.Begin{Final: 120, XID: 8}); !errors.As(err, &refused) {
		t.Errorf("without the transaction that was cut: %v", err)
	}
}

// A server is told of no position before it is known to be the one: its slot would
// move, and what tells it would come no more.
func TestNothingIsAcknowledgedToAServerThatIsNotKnown(t *testing.T) {
	r := lagging(t)
	if err := r.feed(t, &pgoutput.Keepalive{WALEnd: 80}); err != nil || r.sameHistory.Load() {
		t.Errorf("known before the latest transaction came: %v", err)
	}
	if err := r.feed(t, latestBegin); err != nil || !r.sameHistory.Load() {
		t.Errorf("not known once that came: %v", err)
	}
	r.reconnects(t, 80)
	if r.sameHistory.Load() {
		t.Error("the next connection's server is known before anything came")
	}
	if err := r.feed(t, &pgoutput.Begin{Final: 80, XID: 8}); err == nil || r.sameHistory.Load() {
		t.Errorf("known by another transaction: %v", err)
	}
}

// A large one is not read to its end.
func TestLatestTransactionThatIsLarge(t *testing.T) {
	r := lagging(t)
	if err := r.feed(t, latestBegin); err != nil {
		t.Fatal(err)
	}
	change := inserted(1)
	var err error
	n := 0
	for ; err == nil && n < 2*mostAgain; n++ {
		err = r.feed(t, change)
	}
	if !errors.Is(err, errProven) || n != mostAgain+1 {
		t.Errorf("after %d changes: %v", n, err)
	}
	r.reconnects(t, 85)
	if err := r.feed(t, &pgoutput.Begin{Final: 100, XID: 8}); err != nil {
		t.Errorf("behind it: %v", err)
	}
	r.reconnects(t, 80) // the server may be another one by now
}

// Another publication may not have what the last one sent.
func TestHistoryOfAnotherPublicationIsNotKnown(t *testing.T) {
	r := newTestReader(t, func(r *Runner) {
		r.Source = &replication.Source{Slot: "s", Publication: "q"}
		r.State.Latest = checkpoint.Commit{Final: 80, End: 85, XID: 7, Publication: "p"}
	})
	r.reconnects(t, 90)
}
