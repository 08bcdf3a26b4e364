package delivery

import (
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// What is settled above the checkpoint is kept, so that a restart does not send
// it again. One entry for each change would grow with a transaction that never
// seems to end, and with what passes by an old change that is held up. What is
// not settled is bounded, as it is in memory. So once in a while it is kept
// instead: all is settled up to the newest change that is, but for these keys.

// beyond counts the settled changes above the checkpoint that the store has one
// by one.
type beyond struct {
	n int
	// saves has the same by save, the oldest first.
	saves []settledSave
	// except is the number of keys in the newest checkpoint.SettledTo.
	except int
}

// settledSave is the settled changes of a save, and the newest transaction of
// any of them.
type settledSave struct {
	newest LSN
	n      int
}

func (b *beyond) add(settled []checkpoint.Settled) {
	var s settledSave
	for i := range settled {
		s.newest = max(s.newest, settled[i].Through.Commit)
	}
	if s.n = len(settled); s.n > 0 {
		b.saves = append(b.saves, s)
		b.n += s.n
	}
}

func (b *beyond) restore(state checkpoint.State, to pgoutput.Position) {
	if n := len(state.Settled); n > 0 {
		b.n, b.saves = n, []settledSave{{to.Commit, n}}
	}
	if state.SettledTo != nil {
		b.except = len(state.SettledTo.Except)
	}
}

// passed takes out what the checkpoint has passed.
func (b *beyond) passed(frontier LSN) {
	passed := 0
	for passed < len(b.saves) && b.saves[passed].newest < frontier {
		b.n -= b.saves[passed].n
		passed++
	}
	if passed == 0 {
		return
	}
	b.saves = b.saves[:copy(b.saves, b.saves[passed:])]
}

// gatherSettled counts what the save that is being made keeps as settled, and
// has it keep what is not settled in the place of all that, when it is too much.
// Until all has come again that an earlier life knew of, what is not settled is
// not known; of a mapping that is stopped before, it never is.
func (m *Machine) gatherSettled(frontier LSN) {
	l := &m.ledger
	l.beyond.passed(frontier)
	l.beyond.add(l.current.Settled)
	if l.beyond.n > max(m.cfg.MaxSettled, l.beyond.except) && m.replayed.over() && !m.anyShort() {
		l.current.SettledTo = m.settledTo()
	}
}

// settledTo says which changes are not settled, but for those of the save that
// is being made.
func (m *Machine) settledTo() *checkpoint.SettledTo {
	to := &checkpoint.SettledTo{Through: m.ledger.settledTo, Stopped: m.stoppedTo()}
	for i := range m.cfg.Mappings {
		to.Rules = append(to.Rules, m.cfg.Mappings[i].Rules)
	}
	for i := range m.keys.slots {
		it := m.keys.slots[i].first
		for it != nil && (it.stage == saving || !it.windowed()) {
			it = it.after
		}
		if it == nil {
			continue
		}
		from := pgoutput.Position{Commit: m.window.Final(it.ref), Seq: uint64(it.from)}
		if from.Compare(to.Through) <= 0 {
			to.Except = append(to.Except, checkpoint.Unsettled{Key: it.key, From: from})
		}
	}
	return to
}
