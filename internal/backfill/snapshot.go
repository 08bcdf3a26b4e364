package backfill

import "github.com/cdcsync/cdcsync/internal/pgoutput"

// Snapshot says which transactions the rows of a chunk have.
type Snapshot struct {
	pgoutput.Transactions
	// Standby is set when the rows were read on a standby, whose snapshots do not
	// name what is running. What it shows goes by its write-ahead log alone: the
	// commits before Replayed, which was asked for before the snapshot was taken,
	// are seen for certain, and all others are taken for unseen.
	Standby  bool
	Replayed pgoutput.LSN
}

// sees reports whether the rows have what a transaction did that has come in the
// stream.
func (s *Snapshot) sees(t transaction) bool {
	if s.Standby {
		return t.commit < s.Replayed
	}
	return s.See(t.xid)
}

// transaction is one of the stream: its number, and the start of its commit
// record.
type transaction struct {
	commit pgoutput.LSN
	xid    uint32
}
