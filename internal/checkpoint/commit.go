package checkpoint

import "time"

// Commit identifies a transaction of one history: another history may have a
// transaction at the same place, but not this one. The zero Commit is none.
type Commit struct {
	// Final and End are where its commit record begins and ends.
	Final, End LSN
	XID        uint32
	// At is its commit time, to the microsecond.
	At time.Time
	// Publication is the one by which the stream had it: by another it may be
	// missing.
	Publication string
}

// Is reports whether the transaction that begins like this is c.
func (c *Commit) Is(final LSN, xid uint32, at time.Time) bool {
	return c.Final == final && c.XID == xid && c.At.UnixMicro() == at.UnixMicro()
}
