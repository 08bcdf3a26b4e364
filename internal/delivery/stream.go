package delivery

import (
	"log/slog"
	"math"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// stream is where in the stream the Machine is.
type stream struct {
	// inside is set between the begin and the commit of a transaction, of which
	// the others tell.
	inside   bool
	open     checkpoint.Ref
	commit   LSN
	xid      uint32
	timeline int32
	time     time.Time
	// sentBefore is the newest change that an earlier life has sent, until the
	// stream has come to it again; see passed.
	sentBefore pgoutput.Position
	// lags is set while a mapping may lag behind the others: see lag.
	lags bool
}

// received takes a piece of the stream into the queue.
func (m *Machine) received(now time.Time, entries []Entry) {
	for i := range entries {
		if i%prefetchAtOnce == 0 {
			m.prefetchKeys(entries[i:])
		}
		e := &entries[i]
		switch e.Kind {
		case EntryBegin:
			m.stream.open, m.stream.inside = m.window.Open(), true
			m.stream.commit, m.stream.time, m.stream.xid, m.stream.timeline = e.LSN, e.Time, e.XID, e.Timeline
			m.reads.rows.passed(e.LSN)
			m.window.Announce(m.stream.open, e.LSN, e.XID, e.Time)
			m.passed(pgoutput.Position{Commit: e.LSN})
		case EntryWrite:
			at := pgoutput.Position{Commit: m.stream.commit, Seq: e.Seq}
			m.enqueue(now, e, at)
			m.advanced(m.stream.open)
			m.passed(at)
		case EntryCommit:
			m.passed(pgoutput.Position{Commit: m.stream.commit, Seq: math.MaxUint64})
			m.window.Close(m.stream.open, e.LSN, m.stream.time)
			m.stream.inside = false
			m.count.Transactions++
			m.endOfTransaction(now)
		case EntryStop:
			m.stopMapping(now, e)
		case EntryFiltered:
			m.advanced(m.stream.open)
		case EntryMark:
			if !m.stream.inside {
				m.window.Mark(e.LSN)
				m.passed(pgoutput.Position{Commit: e.LSN})
			}
			m.ledger.urgent = m.ledger.urgent || e.Urgent
		}
	}
	if m.behind() && m.full() && m.replayed.foreign() && !m.catchesUp() {
		// More comes again than an earlier life can have held.
		m.stream.sentBefore = pgoutput.Position{}
		m.log(slog.LevelWarn, "mappings are not what they were in the middle of what was being delivered: what was settled of it is sent again, and objects may go back for a moment")
	}
}

// behind reports whether the stream has not come to the newest change yet that
// an earlier life has sent. Nothing is sent until then: what was sent for a key
// may stand for several of its changes, and the first of them alone would take
// the object a step back.
func (m *Machine) behind() bool { return m.stream.sentBefore != pgoutput.Position{} }

// passed notes that the stream has come to at.
func (m *Machine) passed(at pgoutput.Position) {
	if m.behind() && at.Compare(m.stream.sentBefore) >= 0 {
		m.stream.sentBefore = pgoutput.Position{}
	}
	m.replayed.passed(at)
	if m.stream.lags {
		m.passedOf(at)
	}
}
