package checkpoint

import "time"

// Relation is a mapped table as it was last seen.
type Relation struct {
	Schema, Name string
	OID          uint32
	// Seen is when.
	Seen time.Time
	// Record is JSON, which package identity writes and reads.
	Record string
}
