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

// visibleIn reports whether a transaction that has committed is visible in a
// snapshot, as pg_snapshot's text has it: xmin:xmax:xip,xip. The snapshot's
// numbers count epochs, xid does not: it is taken to be the one nearest to
// xmax, as all that can still be asked about are.
func visibleIn(snapshot string, xid uint32) (bool, error) {
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
	full := xmax + uint64(int64(int32(xid-uint32(xmax))))
	switch {
	case full >= xmax:
		return false, nil
	case full < xmin:
		return true, nil
	}
	running := strings.Split(parts[2], ",")
	return !slices.Contains(running, strconv.FormatUint(full, 10)), nil
}
