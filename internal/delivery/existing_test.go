package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// After an unknown outcome an object goes again at once only where it is known
// to be there: two calls that create one key at the same time may make two
// objects.
func TestNothingIsCreatedBesideACallThatMayCreateIt(t *testing.T) {
	confirm := func(w mapping.Write) func(*rig) {
		return func(r *rig) {
			r.commit(w)
			r.pass(time.Second)
			r.answer(r.take(1)[0])
		}
	}
	tests := []struct {
		name   string
		before []func(*rig)
		lost   mapping.Write
		atOnce bool
	}{
		{"new", nil, upsert("1", "a"), false},
		{"new, insert", nil, write(marketo.Insert, "1", "a"), false},
		{"confirmed before", []func(*rig){confirm(upsert("1", "a"))}, upsert("1", "b"), true},
		{"an update makes nothing", nil, write(marketo.Update, "1", "a"), true},
		{"a delete makes nothing", nil, write(marketo.Delete, "1"), true},
		{"deleted since", []func(*rig){confirm(upsert("1", "a")), confirm(write(marketo.Delete, "1"))}, upsert("1", "b"), false},
		{"perhaps deleted since", []func(*rig){confirm(upsert("1", "a")), func(r *rig) {
			r.commit(write(marketo.Delete, "1"))
			r.pass(time.Second)
			r.fail(r.take(1)[0], marketo.FaultUnknown)
			r.pass(time.Second)
			r.answer(r.take(1)[0], marketo.Reject)
			r.pass(3 * time.Minute)
		}}, upsert("1", "b"), false},
		{"another one was confirmed", []func(*rig){confirm(upsert("2", "a"))}, upsert("1", "a"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			for _, step := range tt.before {
				step(r)
			}
			r.commit(tt.lost)
			r.pass(time.Second)
			r.fail(r.take(1)[0], marketo.FaultUnknown)
			began := r.now
			for len(r.calls) == 0 && r.now.Sub(began) < time.Hour {
				r.pass(100 * time.Millisecond)
			}
			waited := r.now.Sub(began)
			if tt.atOnce && waited > time.Second || !tt.atOnce && (waited < r.m.cfg.UnknownHold || waited > r.m.cfg.UnknownHold+2*time.Second) {
				t.Errorf("it went again after %s", waited)
			}
		})
	}
}

// Of a call with both, those that are there need not wait for the others; and
// what waits takes in what is newer.
func TestOnlyWhatMayBeCreatedWaits(t *testing.T) {
	r := newRig(t, nil)
	r.exist("1", "3")
	end := r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"))
	r.fail(r.take(1)[0], marketo.FaultUnknown)
	r.pass(2 * time.Second)
	again := r.take(1)
	r.want(again, "UPSERT[1,a,- 3,a,-]")
	r.answer(again[0])
	r.commit(upsert("2", "b"))
	r.pass(time.Minute)
	r.take(0)
	r.pass(2 * time.Minute)
	last := r.take(1)
	r.want(last, "UPSERT[2,b,-]")
	r.answer(last[0])
	r.pass(time.Second)
	if r.confirmed <= end {
		t.Errorf("confirmed %s, want more than %s", r.confirmed, end)
	}
}

// A call of which no byte left was not executed, and goes again at once.
func TestCallThatNeverLeftGoesAgainAtOnce(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.fail(r.take(1)[0], marketo.FaultRetry)
	r.pass(time.Second)
	r.take(1)
}

// Where a batch of new objects fails again and again while others pass, it is
// split, and its parts wait as the whole would.
func TestNewObjectsThatFailTogetherAreSplit(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 4; c.Limits = marketo.Limits{ConcurrentCalls: 2} })
	end := r.commit(upsert("1", "a"), upsert("2", "poison"), upsert("3", "a"), upsert("4", "a"))
	r.exist("9")
	for range 400 {
		for len(r.calls) > 0 {
			call := r.calls[0]
			r.calls = r.calls[1:]
			poisoned := false
			for _, o := range call.Batch.Objects {
				poisoned = poisoned || o.Value(1).Text == "poison"
			}
			if poisoned && len(call.Batch.Objects) > 1 {
				r.fail(call, marketo.FaultUnknown)
			} else if poisoned {
				r.answer(call, marketo.Reject)
			} else {
				r.answer(call)
			}
		}
		r.commit(upsert("9", "x"))
		r.pass(10 * time.Second)
	}
	if r.confirmed < end || r.m.Report(r.now).Parked != 1 {
		t.Errorf("confirmed %s of %s, parked %d", r.confirmed, end, r.m.Report(r.now).Parked)
	}
}
