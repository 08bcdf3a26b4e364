package delivery

import "time"

// SourceReport is the part of a Report on the replication connection.
type SourceReport struct {
	Connected bool
	// Timeline is that of the server at the newest connection; 0 before the first.
	Timeline int32
	// Problem is why nothing is read, in plain words; "" when all is well.
	Problem string
	// Halted is set once reading has halted, whether or not the connection stands.
	Halted bool
	// Connects counts the connections made, Disconnects those that ended and
	// attempts that failed, by reason.
	Connects    uint64
	Disconnects map[string]uint64
	Bytes       uint64
	Messages    uint64
	// Received is the end of what was received, Server the end of the server's
	// WAL as far as it is known, never less.
	Received LSN
	Server   LSN
	// Current is as of when all that the server had has been received; zero if
	// it never was. Silent is since when the server has had more and has sent
	// nothing; zero when that is not so.
	Current time.Time
	Silent  time.Time
	// Transaction is the one that is being read; its Since is zero for none.
	Transaction Transaction
	// Lag is how far the slot is behind.
	Lag SlotLag
	// Rows holds the row changes of each mapping.
	Rows []RowReport
}

// RowReport counts the row changes of one mapping.
type RowReport struct {
	Inserts, Updates, Deletes uint64
	// Filtered counts those of them that asked for nothing to be written.
	Filtered uint64
	// WithoutOldKey counts updates that did not tell the key the row had,
	// though on_delete asks for something when it changes.
	WithoutOldKey uint64
}

// SlotLag is how far the slot is behind the server.
type SlotLag struct {
	// At is when the server was asked last; zero before the first time.
	At time.Time
	// Retained is the WAL that the slot keeps on the server, in bytes.
	Retained int64
	// Safe is how many bytes of WAL may still be written before PostgreSQL may
	// drop the slot; nil where it never does.
	Safe *int64
	// CatchUp is when the slot will have caught up at the present rate, zero
	// where that is not known or there is nothing to catch up with; Growing is
	// set where it never will.
	CatchUp time.Duration
	Growing bool
	// Drop is when Safe will be used up at the present rate; zero when it is not
	// shrinking.
	Drop time.Duration
}

// Transaction is one that is being read.
type Transaction struct {
	XID uint32
	// Commit is where its commit record begins, Committed its commit time.
	Commit    LSN
	Committed time.Time
	// Changes counts those of its changes that have been read, Since is when
	// its first one came in this life.
	Changes uint64
	Since   time.Time
}

// Large reports whether it is worth telling of.
func (t Transaction) Large(now time.Time) bool {
	return t.Changes >= largeChanges || !t.Since.IsZero() && now.Sub(t.Since) >= largeAge
}

// largeChanges and largeAge are from when on a transaction is called large.
const largeChanges = 10_000

const largeAge = 10 * time.Second
