package checkpoint_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// latest ends at 120, and was received before the position 130.
var latest = checkpoint.Commit{Final: 100, End: 120, XID: 7, At: at(1)}

func TestTraceStartsAtTheLatestTransactionWhereTheSlotLags(t *testing.T) {
	for _, tt := range []struct {
		name            string
		latest          checkpoint.Commit
		confirmed, from checkpoint.LSN
		over            bool
	}{
		{"the slot lags", latest, 90, 100, false},
		{"the slot is at its commit record", latest, 100, 100, false},
		{"the slot has seen it", latest, 120, 120, true},
		{"the slot is at the position", latest, 130, 130, true},
		{"it is not known", checkpoint.Commit{}, 90, 130, true},
		{"it is newer than the position", checkpoint.Commit{Final: 140, End: 150, XID: 7, At: at(1)}, 90, 130, true},
	} {
		trace, from := checkpoint.NewTrace(tt.latest, 130, tt.confirmed)
		if from != tt.from || trace.Over() != tt.over {
			t.Errorf("%s: from %s, over %t, want %s, %t", tt.name, from, trace.Over(), tt.from, tt.over)
		}
	}
}

// step is a transaction (final, xid, second) that comes, or a keepalive (final).
type step struct {
	final checkpoint.LSN
	xid   uint32
	sec   int
}

func TestTraceRefusesAnotherHistory(t *testing.T) {
	for _, tt := range []struct {
		name      string
		confirmed checkpoint.LSN
		seen      []checkpoint.LSN
		steps     []step
		want      string // a word of the refusal of the last step
	}{
		{"the same", 90, []checkpoint.LSN{140, 160}, []step{{95, 0, 0}, {100, 7, 1}, {140, 8, 2}, {140, 0, 0}, {160, 9, 3}, {170, 9, 4}, {500, 0, 0}}, ""},
		{"the latest is missing", 90, nil, []step{{110, 7, 1}}, "0/64"},
		{"another number", 90, nil, []step{{100, 8, 1}}, "0/64"},
		{"another time", 90, nil, []step{{100, 7, 2}}, "0/64"},
		{"an earlier one", 90, nil, []step{{95, 5, 0}}, "0/64"},
		{"nothing came", 90, nil, []step{{119, 0, 0}, {120, 0, 0}}, "0/64"},
		{"one in between", 90, nil, []step{{100, 7, 1}, {125, 8, 1}}, "0/7D"},
		{"one that the slot has not seen", 120, nil, []step{{125, 8, 1}}, "0/7D"},
		{"a later one is missing", 120, []checkpoint.LSN{140}, []step{{141, 8, 1}}, "0/8C"},
		{"of two, too", 130, []checkpoint.LSN{160, 140, 0, 20, 140}, []step{{140, 8, 1}, {161, 8, 1}}, "0/A0"},
		{"nothing came of a later one", 130, []checkpoint.LSN{140}, []step{{141, 0, 0}, {142, 0, 0}}, "0/8C"},
		{"later ones come again and again", 130, []checkpoint.LSN{140}, []step{{135, 6, 1}, {140, 8, 1}, {150, 8, 1}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trace, _ := checkpoint.NewTrace(latest, 130, tt.confirmed, tt.seen...)
			for i, s := range tt.steps {
				var refusal *checkpoint.Refusal
				if s.xid == 0 {
					refusal = trace.Passed(s.final)
				} else {
					var known bool
					known, refusal = trace.Begin(s.final, s.xid, at(s.sec))
					if want := s.final == 100 && refusal == nil; known != want {
						t.Errorf("step %d: known %t, want %t", i, known, want)
					}
				}
				if last := i == len(tt.steps)-1 && tt.want != ""; (refusal != nil) != last {
					t.Fatalf("step %d: %v", i, refusal)
				}
				if refusal != nil && (refusal.Code != checkpoint.WrongHistory || !strings.Contains(refusal.Reason, "at "+tt.want)) {
					t.Errorf("refused with %v, want %s", refusal, tt.want)
				}
			}
			if tt.want == "" && !trace.Over() {
				t.Error("something is still to come")
			}
		})
	}
}

// A time of the store has microseconds, as PostgreSQL's has.
func TestCommitIsKnownAgain(t *testing.T) {
	c := latest
	c.At = at(1).Add(1500 * time.Nanosecond)
	if !c.Is(100, 7, at(1).Add(time.Microsecond)) || c.Is(100, 7, at(1).Add(2*time.Microsecond)) {
		t.Error("the time is not compared to the microsecond")
	}
}

func TestRefusalOfAnotherHistoryNamesTheGap(t *testing.T) {
	trace, _ := checkpoint.NewTrace(latest, 130, 90)
	_, refusal := trace.Begin(110, 7, at(1))
	full := checkpoint.OtherHistory(refusal, healthy(), &there)
	if full.Span == nil || *full.Span != (checkpoint.Span{From: there.LSN, To: there.LSN - 10}) || !strings.Contains(full.Remedy, "--accept-gap "+full.Span.String()) || refusal.Span != nil {
		t.Errorf("got %+v, %v", full, full.Span)
	}
}

func TestWindowKnowsTheLatestTransaction(t *testing.T) {
	w := checkpoint.NewWindow(10)
	w.Mark(15)
	if _, ok := w.Latest(); ok {
		t.Fatal("there was no transaction")
	}
	open := func(final checkpoint.LSN, xid uint32) checkpoint.Ref {
		ref := w.Open()
		w.Announce(ref, final, xid, at(int(xid)))
		return ref
	}
	first := open(20, 1)
	w.Add(first)
	w.Close(first, 25, at(1))
	w.Close(open(30, 2), 35, at(2)) // folded into the first
	w.Mark(40)
	if _, ok := w.Latest(); ok {
		t.Fatal("nothing is settled yet")
	}
	w.Settle(first)
	if got, ok := w.Latest(); !ok || got != (checkpoint.Commit{Final: 30, End: 35, XID: 2, At: at(2)}) || w.Frontier() != 40 {
		t.Errorf("got %+v at %s", got, w.Frontier())
	}
	// One that ends where its record begins was given up there.
	w.Close(open(50, 3), 51, at(3))
	if got, ok := w.Latest(); !ok || got != (checkpoint.Commit{}) {
		t.Errorf("got %+v of one that was given up", got)
	}
}
