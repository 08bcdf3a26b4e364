package checkpoint

import "time"

// Paused is a mapping that waits by somebody's word, over restarts too.
type Paused struct {
	// MappingID is EveryMapping where all of them wait, those to come among them.
	MappingID
	// Mapping is the name that it had.
	Mapping string
	Since   time.Time
	// Command is what it was paused with, Reason why, as somebody put it; empty for
	// not said.
	Command, Reason string
}

// EveryMapping stands for all mappings.
var EveryMapping = MappingID{Schema: "*", Table: "*", Object: "*"}
