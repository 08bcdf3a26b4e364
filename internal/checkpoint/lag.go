package checkpoint

import "github.com/cdcsync/cdcsync/internal/pgoutput"

// Lag is of an object type whose mappings were stopped while others went on: for
// it, Sent stands in the place of State.Sent.
type Lag struct {
	// Object is its name in lower case.
	Object string
	// Sent is the newest of its own changes that a call has carried.
	Sent pgoutput.Position
}

// Stopped says that no change of an object type is settled from From on, whatever
// a SettledTo says.
type Stopped struct {
	Object string // in lower case
	From   pgoutput.Position
}
