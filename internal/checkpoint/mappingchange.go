package checkpoint

import "time"

// MappingChange is what became of a mapping between two lives, in plain words.
type MappingChange struct {
	MappingID
	Mapping string
	At      time.Time
	Text    string
	// Remedy is what to do; Reload is set where that is to send all rows again, so
	// that it is done with once somebody has.
	Remedy string
	Reload bool
}

// MappingNews is what a start has found of mappings: how they are configured now,
// what has changed, and which are called otherwise.
type MappingNews struct {
	Known   []KnownMapping
	Changes []MappingChange
	Renamed []Renamed
}

// Renamed is a mapping of an object type that has another name now.
type Renamed struct{ Object, From, To string }
