package delivery

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// part is the write of an update that left a large value of the row alone.
func part(op marketo.Operation, id string, rest ...string) mapping.Write {
	w := write(op, id, rest...)
	w.Partial = true
	return w
}

// conclude answers a call for one object with the status that confirms it.
func (r *rig) conclude(call Send, status marketo.Status) {
	r.t.Helper()
	r.step(Answered{Call: call.Call, Reply: marketo.Reply{Results: []marketo.Result{{Status: status, Outcome: marketo.Confirmed}}}})
}

// wantCompleted answers the question for the row of key 1, and checks that its
// rest is sent and that only then the change is settled.
func (r *rig) wantCompleted(end LSN) {
	r.t.Helper()
	r.pass(time.Second)
	if r.confirmed >= end {
		r.t.Error("settled before the object is whole")
	}
	if len(r.reads) != 1 {
		r.t.Fatalf("%d rows are read, want 1", len(r.reads))
	}
	r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "b", "n")})
	r.pass(DefaultConfig().UnknownHold)
	calls := r.take(1)
	r.want(calls, "UPSERT[1,b,n]")
	r.conclude(calls[0], marketo.Updated)
	r.pass(time.Second)
	if r.confirmed != end || !slices.Contains(r.resolved(), part(marketo.Upsert, "1").Key) {
		r.t.Errorf("confirmed %s of %s, resolved %q", r.confirmed, end, r.resolved())
	}
}

// wantSettled checks that the change is settled, and that no row was read for it.
func (r *rig) wantSettled(end LSN) {
	r.t.Helper()
	r.pass(time.Second)
	if r.confirmed != end || len(r.reads) != 0 {
		r.t.Errorf("confirmed %s of %s, %d rows read", r.confirmed, end, len(r.reads))
	}
}

// The row is older than the slot: Marketo has no object of it, and an update
// that leaves a large value alone makes one without it.
func TestObjectMadeOfAPart(t *testing.T) {
	sent := func(t *testing.T) (*rig, LSN, Send) {
		r := newRig(t, nil)
		end := r.commit(part(marketo.Upsert, "1", "b"))
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, "UPSERT[1,b,-]")
		return r, end, calls[0]
	}
	t.Run("created", func(t *testing.T) {
		r, end, call := sent(t)
		r.conclude(call, marketo.Created)
		r.wantCompleted(end)
	})
	t.Run("was there", func(t *testing.T) {
		r, end, call := sent(t)
		r.conclude(call, marketo.Updated)
		r.wantSettled(end)
		if len(r.lacking()) != 0 {
			t.Errorf("lacking %q, want none", r.lacking())
		}
	})
	t.Run("row is gone meanwhile", func(t *testing.T) {
		r, end, call := sent(t)
		r.conclude(call, marketo.Created)
		r.step(RowRead{Read: r.reads[0].Read})
		r.pass(time.Second)
		r.take(0)
		if r.confirmed != end {
			t.Errorf("confirmed %s of %s", r.confirmed, end)
		}
	})
	for _, class := range []marketo.FaultClass{marketo.FaultUnknown, marketo.FaultRetry} {
		t.Run("perhaps created, "+class.String(), func(t *testing.T) {
			r, end, call := sent(t)
			r.fail(call, class)
			r.pass(r.m.cfg.UnknownHold)
			calls := r.take(1)
			r.want(calls, "UPSERT[1,b,-]")
			r.conclude(calls[0], marketo.Updated)
			r.wantCompleted(end)
		})
	}
	t.Run("perhaps created, no status", func(t *testing.T) {
		r, end, call := sent(t)
		r.answer(call, marketo.Unknown)
		r.pass(time.Minute)
		r.conclude(r.take(1)[0], marketo.Updated)
		r.wantCompleted(end)
	})
	t.Run("not executed", func(t *testing.T) {
		r, end, call := sent(t)
		r.fail(call, marketo.FaultRate)
		r.pass(time.Minute)
		r.conclude(r.take(1)[0], marketo.Updated)
		r.wantSettled(end)
	})
	t.Run("an update makes none", func(t *testing.T) {
		r := newRig(t, nil)
		end := r.commit(part(marketo.Update, "1", "b"))
		r.pass(time.Second)
		r.fail(r.take(1)[0], marketo.FaultUnknown)
		r.pass(time.Minute)
		r.conclude(r.take(1)[0], marketo.Updated)
		r.wantSettled(end)
	})
}

// An earlier life has sent the part: what came of it, it alone knew.
func TestObjectPerhapsMadeOfAPartByAnEarlierLife(t *testing.T) {
	key := part(marketo.Upsert, "1").Key
	for name, state := range map[string]checkpoint.State{
		"in flight":       {SameBoot: true, InFlight: []checkpoint.Call{{ID: 1, Keys: []string{key}}}},
		"known to lack":   {SameBoot: true, Lacking: []string{key}},
		"power was lost":  {},
		"call of unknown": {SameBoot: true, InFlight: []checkpoint.Call{{ID: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			state.Checkpoint = &checkpoint.Checkpoint{LSN: 4000}
			r := restartRig(t, state, nil)
			r.lsn = 5000
			r.wantCompleted(r.commit(part(marketo.Upsert, "1", "b")))
		})
	}
}

// Rows may be large, and be wanted by the thousand: as many are asked for as
// memory has room for what comes.
func TestRowsAreReadAsMemoryAllows(t *testing.T) {
	const rows, size = 1000, 10_000
	r := newRig(t, func(c *Config) { c.MaxPendingBytes = 1 << 20 })
	var writes []mapping.Write
	for i := range rows {
		w := upsert(strconv.Itoa(i), "a")
		w.Reread = true
		writes = append(writes, w)
	}
	end := r.commit(writes...)
	answered, held, most := 0, 0, 0
	for round := 0; r.confirmed != end && round < 2*rows; round++ {
		if n := len(r.reads) - answered; n > readsAtOnce {
			t.Fatalf("%d rows are asked for at once", n)
		}
		for ; answered < len(r.reads); answered, held = answered+1, held+1 {
			w := upsert(strconv.Itoa(answered), "a", "large")
			w.Bytes = size
			r.step(RowRead{Read: r.reads[answered].Read, State: RowMatches, Write: w})
		}
		most = max(most, held)
		r.pass(time.Second)
		for _, call := range r.take(len(r.calls)) {
			held -= len(call.Batch.Objects)
			r.answer(call)
		}
	}
	if answered != rows || r.confirmed != end {
		t.Errorf("%d of %d rows were read, confirmed %s of %s", answered, rows, r.confirmed, end)
	}
	if allowed := 1<<20/2/size + readsAtOnce; most > allowed {
		t.Errorf("%d rows of %d bytes in memory, want at most %d", most, size, allowed)
	}
}
