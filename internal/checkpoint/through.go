package checkpoint

import "github.com/cdcsync/cdcsync/internal/pgoutput"

// SettledTo says that every change up to and including Through is settled, but
// for those of Except. So what is kept does not grow with what is settled: it
// follows what is not.
type SettledTo struct {
	Through pgoutput.Position
	// Except holds every key that has an unsettled change up to Through, each
	// with the oldest of them: those after it are not settled, either.
	Except []Unsettled
	// Rules says under which rules of mappings that was found, in whatever
	// order; see mapping.Definition.Rules. Others may make writes of changes, or
	// give them keys, that were never looked at.
	Rules []uint64
	// Stopped are the object types of mappings that are stopped.
	Stopped []Stopped
}

// Unsettled says that no change of Key is settled from From on.
type Unsettled struct {
	Key  string
	From pgoutput.Position
}
