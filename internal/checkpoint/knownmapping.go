package checkpoint

import "time"

// MappingID is what a mapping is known by from life to life, as its name may
// change.
type MappingID struct {
	Schema, Table string
	// Object is the custom object type, in lower case.
	Object string
}

// KnownMapping is a mapping as it was last configured.
type KnownMapping struct {
	MappingID
	Name string
	// Rules is JSON of what makes its objects, which package mapping writes and
	// compares (Definition.Record, Compare).
	Rules string
	// Loaded is set where the rows that its table had count as sent: a whole
	// backfill is done, or the mapping is older than such records. Nothing sends
	// them again by itself.
	Loaded bool
	// Since is when it was seen first, Changed when its Rules changed last.
	Since, Changed time.Time
}
