package checkpoint

import (
	"fmt"
	"slices"
	"time"
)

// Trace is what has to come again over a new connection, if the server has the
// history that changes were delivered from. A copy of a server's disk, made
// before and started since, has the same identity, the same slot and, in time, as
// much WAL: only what is in it tells. Nothing else is known to go back so.
//
// The zero Trace wants nothing.
type Trace struct {
	// latest is the transaction that was delivered last, while it has to come.
	latest Commit
	// base is the position up to which nothing else comes.
	base LSN
	// seen are starts of commit records beyond base that have come before, in
	// order.
	seen []LSN
}

// NewTrace returns what has to come, and where to start for it. latest is the
// newest transaction of those that were received, zero where that is not known,
// base is the position to go on from, confirmed the slot's; seen are starts of
// commit records of which changes were received.
//
// A server sends what was committed after the slot's position. It is the usual
// thing after a kill that this lags, and costs that the latest transaction is read
// again; where it does not lag, the slot itself has seen that transaction, or
// is of a copy that had it.
func NewTrace(latest Commit, base, confirmed LSN, seen ...LSN) (t Trace, from LSN) {
	if latest == (Commit{}) || latest.End > base {
		return Trace{}, base
	}
	t.base = base
	for _, commit := range seen {
		if commit >= base && commit >= confirmed && !slices.Contains(t.seen, commit) {
			t.seen = append(t.seen, commit)
		}
	}
	slices.Sort(t.seen)
	if confirmed >= latest.End {
		return t, confirmed
	}
	t.latest = latest
	return t, latest.Final
}

// Begin takes the next transaction of the stream. known is set when it is the
// latest one, which is delivered. A refusal says that it cannot be of the history
// that changes were delivered from.
func (t *Trace) Begin(final LSN, xid uint32, at time.Time) (known bool, r *Refusal) {
	switch {
	case t.latest != (Commit{}):
		if !t.latest.Is(final, xid, at) {
			return false, t.missing(t.latest.Final)
		}
		t.latest = Commit{}
		return true, nil
	case final < t.base:
		return false, &Refusal{Code: WrongHistory, Reason: fmt.Sprintf("the server has a transaction that commits at %s, where there was none when changes up to %s were delivered: %s", final, t.base, copied)}
	case len(t.seen) > 0 && t.seen[0] < final:
		return false, t.missing(t.seen[0])
	case len(t.seen) > 0 && t.seen[0] == final:
		t.seen = t.seen[1:]
	}
	return false, nil
}

// Passed says that the server has sent all that is in its WAL before end.
func (t *Trace) Passed(end LSN) *Refusal {
	switch {
	case t.latest != (Commit{}) && end >= t.latest.End:
		return t.missing(t.latest.Final)
	case len(t.seen) > 0 && end > t.seen[0]+1:
		return t.missing(t.seen[0])
	}
	return nil
}

// Over reports whether all has come.
func (t *Trace) Over() bool { return t.latest == (Commit{}) && len(t.seen) == 0 }

func (t *Trace) missing(final LSN) *Refusal {
	return &Refusal{Code: WrongHistory, Reason: fmt.Sprintf("the server does not have the transaction that commits at %s, of which changes were delivered: %s", final, copied)}
}

const copied = "it was restored from a copy that is older than that, and has gone on otherwise since"

// OtherHistory completes a refusal of a Trace by what is seen of the server.
func OtherHistory(r *Refusal, server ServerView, ck *Checkpoint) *Refusal {
	full := *r
	full.Remedy = "connect to the server that has it; if that is gone, " + startAfresh(server)
	return offer(&full, server, ck)
}
