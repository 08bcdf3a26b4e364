package checkpoint

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Confirmed is what is remembered of an object that Marketo has confirmed: not
// its values, but what tells whether another one has the same. It belongs to one
// endpoint, object type and history of the database.
type Confirmed struct {
	// Key identifies the object (mapping.Write.Key).
	Key string
	// Shape tells what Digests are of: another one means that nothing is known.
	Shape uint64
	// Digests has one for each attribute in the order of the object's shape: a
	// keyed hash of the value, or 0 where it is not known.
	Digests []uint64
	// Status is Marketo's word, At the newest change that the object stands for
	// (zero for a row that was read), Time when it was confirmed, and Call the
	// call that carried it.
	Status string
	At     pgoutput.Position
	Time   time.Time
	Call   uint64
}
