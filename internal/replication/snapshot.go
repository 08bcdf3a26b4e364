package replication

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNotVisible says that a transaction which the stream has carried cannot be
// seen yet: PostgreSQL streams a commit as soon as it is in the WAL, and shows
// it to others only later, with synchronous standbys much later. What is read
// meanwhile is older than what was streamed. It passes.
var ErrNotVisible = &Error{Reason: Unavailable, Err: fmt.Errorf("the transaction of a streamed change is not visible yet")}

// farAhead is how far beyond a snapshot's xmax a number cannot be one to come: a
// transaction that was streamed is a few ahead of what is visible, and no server
// has two billion numbers in use. It is an old one, of before the numbers came
// round.
const farAhead = 1 << 30

// visibleIn reports whether a transaction that has committed is visible in a
// snapshot, as pg_snapshot's text has it: xmin:xmax:xip,xip. The snapshot's
// numbers count epochs, xid does not: it is taken for one that is less than
// farAhead after xmax, or else before it, however long ago. Zero stands for a
// transaction that everybody sees.
func visibleIn(snapshot string, xid uint32) (bool, error) {
	if xid == 0 {
		return true, nil
	}
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return false, fmt.Errorf("snapshot %q is not of the form xmin:xmax:xip", snapshot)
	}
	xmin, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return false, fmt.Errorf("snapshot %q: %w", snapshot, err)
	}
	xmax, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return false, fmt.Errorf("snapshot %q: %w", snapshot, err)
	}
	ahead := xid - uint32(xmax)
	if ahead < farAhead {
		return false, nil
	}
	full := xmax + uint64(ahead) - 1<<32
	if full < xmin || full >= xmax { // the latter: from before the first epoch
		return true, nil
	}
	running := strings.Split(parts[2], ",")
	return !slices.Contains(running, strconv.FormatUint(full, 10)), nil
}
