package delivery

// Place is a place in the WAL, of one timeline of the server's history; of which
// one is not known where Timeline is 0.
type Place struct {
	LSN      LSN
	Timeline int32
}

// Reach says how far delivery is with what was committed before a Place.
type Reach uint8

const (
	// NotYet: something of it may still be on its way, or nobody knows.
	NotYet Reach = iota
	// Reached: all of it is in Marketo, parked objects aside, as far as it is in
	// the stream: that begins where the slot was made.
	Reached
	// OtherHistory: the server is on a later timeline, in which the place is
	// another one, if it is there at all.
	OtherHistory
)

// Reached is the answer to whoever waits for a commit. It is never a false yes:
// none is given on the word of an earlier life or of a server that nobody is
// connected to, as the next one may have another history, nor while the stream
// may leave out changes of mapped tables.
func (r Report) Reached(p Place) Reach {
	switch {
	case !r.Source.Connected || r.Source.Timeline == 0:
		return NotYet
	case p.Timeline != 0 && p.Timeline < r.Source.Timeline:
		return OtherHistory
	case p.Timeline > r.Source.Timeline || r.leavesOut() || r.Settled < p.LSN:
		return NotYet
	}
	return Reached
}

// leavesOut reports whether changes may be missing from the stream.
func (r Report) leavesOut() bool {
	for _, o := range r.Misfits {
		if o.Condition == Unfit || o.Condition == Halted {
			return true
		}
	}
	return false
}

// settledThrough is below what everything is settled, and in the store.
func (m *Machine) settledThrough() LSN {
	if m.ledger.saving || !emptyDraft(&m.ledger.draft) {
		return m.ledger.saved
	}
	// Only the position itself, moved by other people's WAL, is not saved yet.
	return max(m.ledger.saved, m.window.Frontier())
}
