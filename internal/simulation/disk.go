package simulation

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

const lifeBits = 40

// state is what a store holds.
type state struct {
	lsn      LSN
	clean    bool
	boot     int
	inFlight []checkpoint.Call
	through  []int32 // newest settled change of each key
	to       *checkpoint.SettledTo
	parked   map[int32]checkpoint.Parked
	lacking  map[int32]bool
	quota    checkpoint.Quota
	sent     pgoutput.Position
	// cursor is how far the backfill is, refused the keys of its rows that were,
	// with the changes that they had.
	cursor  int32
	refused map[int32]int32
	lags    []checkpoint.Lag
}

// save is one group commit.
type save struct {
	checkpoint.Save
	number int32
	life   uint64
	// offered are the changes that the refused rows had.
	offered map[int32]int32
	// fresh are the confirmations that came before it and must be in it.
	fresh []confirmation
}

// disk is the store: what a process would find, what would survive a loss of
// power, and the saves between the two.
type disk struct {
	now, synced state
	unsynced    []save
	under       *save // the save under way
	begun       bool
	boot        int
	life        uint64
	saves       int32
	full        time.Duration // no space until then
}

var errNoSpace = errors.New("no space left on device")

func newState(keys int) state {
	return state{lsn: firstLSN, clean: true, through: make([]int32, keys), parked: map[int32]checkpoint.Parked{}, lacking: map[int32]bool{}, refused: map[int32]int32{}}
}

// copyState returns what a loss of power leaves of a synced state.
func copyState(st state) state {
	st.inFlight, st.through = slices.Clone(st.inFlight), slices.Clone(st.through)
	st.parked, st.lacking, st.refused = maps.Clone(st.parked), maps.Clone(st.lacking), maps.Clone(st.refused)
	return st
}

func (d *disk) reset(keys int) {
	*d = disk{now: newState(keys), synced: newState(keys)}
}

// copySave keeps what the machine will reuse.
func copySave(sv *checkpoint.Save) checkpoint.Save {
	c := *sv
	c.Started = slices.Clone(sv.Started)
	for i := range c.Started {
		c.Started[i].Keys = slices.Clone(c.Started[i].Keys)
	}
	c.Ended = slices.Clone(sv.Ended)
	c.Settled = slices.Clone(sv.Settled)
	if sv.SettledTo != nil {
		to := *sv.SettledTo
		to.Except, to.Rules, to.Stopped = slices.Clone(to.Except), slices.Clone(to.Rules), slices.Clone(to.Stopped)
		c.SettledTo = &to
	}
	c.Parked = slices.Clone(sv.Parked)
	c.Resolved = slices.Clone(sv.Resolved)
	c.Lacking = slices.Clone(sv.Lacking)
	c.Confirmed, c.Forgotten = slices.Clone(sv.Confirmed), slices.Clone(sv.Forgotten)
	c.Cursors, c.Refused = slices.Clone(sv.Cursors), slices.Clone(sv.Refused)
	c.Lags = slices.Clone(sv.Lags)
	if sv.Quota != nil {
		q := *sv.Quota
		c.Quota = &q
	}
	return c
}

// apply writes a save into a state.
func (s *Simulator) apply(st *state, sv *save) {
	if sv.Checkpoint != 0 {
		st.lsn = sv.Checkpoint
	}
	full := func(id uint64) uint64 {
		if id>>lifeBits == 0 {
			id |= sv.life << lifeBits
		}
		return id
	}
	for _, c := range sv.Started {
		c.ID = full(c.ID)
		st.inFlight = append(st.inFlight, c)
	}
	for _, id := range sv.Ended {
		st.inFlight = slices.DeleteFunc(st.inFlight, func(c checkpoint.Call) bool { return c.ID == full(id) })
	}
	if sv.Clean {
		st.inFlight = nil
	}
	if sv.SettledTo != nil {
		st.to = sv.SettledTo
		clear(st.through)
	}
	for _, e := range sv.Settled {
		if sv.SettledTo != nil && e.Through.Compare(sv.SettledTo.Through) <= 0 {
			continue
		}
		i := s.changeOf(parseKey(e.Key), e.Through)
		if k := s.changes[i].key; i > st.through[k] {
			st.through[k] = i
		}
	}
	for _, key := range sv.Resolved {
		delete(st.parked, parseKey(key))
		delete(st.lacking, parseKey(key))
	}
	for _, key := range sv.Lacking {
		delete(st.parked, parseKey(key))
		st.lacking[parseKey(key)] = true
	}
	for _, p := range sv.Parked {
		st.parked[parseKey(p.Key)] = p
		delete(st.lacking, parseKey(p.Key))
	}
	for _, c := range sv.Cursors {
		st.cursor = parse(c.Value)
	}
	for _, r := range sv.Refused {
		st.refused[parseKey(r.Key)] = sv.offered[parseKey(r.Key)]
	}
	if sv.Quota != nil {
		st.quota = *sv.Quota
	}
	if st.sent.Compare(sv.Sent) < 0 {
		st.sent = sv.Sent
	}
	if sv.Lags != nil {
		st.lags = sv.Lags
	}
	st.clean, st.boot = sv.Clean, s.disk.boot
}

// begin starts a save.
func (s *Simulator) begin(sv *checkpoint.Save) {
	d := &s.disk
	if d.under != nil {
		s.fail("store", "two saves at once")
	}
	for _, c := range sv.Started {
		if c.ID == 0 || c.ID>>lifeBits != 0 {
			s.fail("store", "call %d is not a number of this life", c.ID)
		}
	}
	if objects, _ := s.process.machine.Load(); sv.SettledTo != nil && len(sv.SettledTo.Except) > objects {
		s.fail("memory", "%d keys are excepted from what is settled, with %d objects in memory", len(sv.SettledTo.Except), objects)
	}
	d.saves++
	d.under = &save{Save: copySave(sv), number: d.saves, fresh: s.process.fresh}
	s.process.fresh = nil
	s.noteStarted(d.under)
	d.under.offered = s.offeredOf(sv.Refused)
	in := s.between(200*time.Microsecond, 10*time.Millisecond)
	if s.profile.slowDisk && s.rng.IntN(10) == 0 {
		in = s.between(0, 8*time.Second)
	}
	s.covered.save(sv)
	s.planFor(in, evSaved, 0)
}

// saved ends the save under way.
func (s *Simulator) saved() {
	if s.disk.full > s.now {
		s.covered.FailedSaves++
		s.tracef("save failed")
		s.process.fresh = append(s.disk.under.fresh, s.process.fresh...)
		s.disk.under = nil
		s.step(delivery.Saved{Err: errNoSpace})
		return
	}
	s.finishSave()
	s.step(delivery.Saved{})
}

// finishSave makes the save under way part of what a process finds.
func (s *Simulator) finishSave() {
	d := &s.disk
	sv := d.under
	d.under = nil
	s.checkMove(sv)
	if !d.begun {
		d.begun = true
		d.life++
		sv.Sync = true
	}
	sv.life = d.life
	s.remember(sv)
	s.apply(&d.now, sv)
	d.unsynced = append(d.unsynced, *sv)
	s.settleParked(sv)
	s.checkSaved(sv)
	switch {
	case sv.Sync || sv.Clean:
		s.syncTo(len(d.unsynced))
	case s.profile.powerLoss && s.rng.IntN(16) == 0:
		// Power goes when there is something to lose.
		s.planFor(s.between(0, 100*time.Millisecond), evPowerLoss, 0)
	}
	s.tracef("saved #%d: checkpoint %s, sync %v, clean %v", sv.number, d.now.lsn, sv.Sync, sv.Clean)
}

// syncTo makes the first n unsynced saves survive a loss of power.
func (s *Simulator) syncTo(n int) {
	d := &s.disk
	for i := range d.unsynced[:n] {
		s.apply(&d.synced, &d.unsynced[i])
	}
	d.unsynced = slices.Delete(d.unsynced, 0, n)
}

// loseDisk is what a loss of power leaves: what was synced, and as many of the
// later saves as the disk happened to write.
func (s *Simulator) loseDisk() {
	d := &s.disk
	if n := len(d.unsynced); n > 0 {
		s.syncTo(s.rng.IntN(n + 1))
	}
	for i := range d.unsynced {
		s.unsettleParked(&d.unsynced[i])
		s.covered.LostSaves++
	}
	d.unsynced = d.unsynced[:0]
	if d.now.quota.Day == d.synced.quota.Day {
		s.limits.forgotten += d.now.quota.Calls - d.synced.quota.Calls
	} else {
		s.limits.forgotten += d.now.quota.Calls
	}
	d.now = copyState(d.synced)
	d.boot++
}

// load is what a process finds at start.
func (s *Simulator) load() checkpoint.State {
	d := &s.disk
	st := checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: d.now.lsn},
		Clean:      d.now.clean, SameBoot: d.saves == 0 || d.now.boot == d.boot,
		InFlight: slices.Clone(d.now.inFlight), Quota: d.now.quota, Sent: d.now.sent, Lags: slices.Clone(d.now.lags),
	}
	if to := d.now.to; to != nil && to.Through.Commit >= d.now.lsn {
		st.SettledTo = to
		s.covered.SettledToLoaded++
	}
	for k := range s.keys {
		if i := d.now.through[k]; i != 0 && s.position(i).Commit >= d.now.lsn {
			st.Settled = append(st.Settled, checkpoint.Settled{Key: s.text(int32(k)), Through: s.position(i)})
		}
		if p, ok := d.now.parked[int32(k)]; ok {
			st.Parked = append(st.Parked, p)
		}
		if d.now.lacking[int32(k)] {
			st.Lacking = append(st.Lacking, s.text(int32(k)))
		}
	}
	s.covered.Lagging += len(st.Lags)
	d.begun = false
	return st
}
