package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// NoGapError says that what was to be accepted is not there: wrong usage.
type NoGapError struct{ Text string }

func (e *NoGapError) Error() string { return e.Text }

// overGap returns the decision that goes over the gap of a refusal, if it is
// the very one that was accepted, and what to record of it. What may be a place
// in the stream is looked for there.
func (d *Daemon) overGap(decision checkpoint.Decision, state checkpoint.State) (checkpoint.Decision, *checkpoint.Accepted, error) {
	refusal, asked := decision.Refusal, d.AcceptGap
	switch {
	case refusal == nil && asked == nil:
		return decision, nil, nil
	case refusal == nil:
		return decision, nil, d.noGap(state)
	case asked == nil:
		return decision, nil, refusal
	case refusal.Span == nil || *refusal.Span != *asked:
		other := *refusal
		other.Reason += fmt.Sprintf(" (--accept-gap %s is not what is missing here)", asked)
		return decision, nil, &other
	}
	a := &checkpoint.Accepted{At: time.Now().UTC(), Span: asked.String(), Code: refusal.Code, Reason: refusal.Reason}
	if asked.New {
		return checkpoint.Decision{Action: checkpoint.Create}, a, nil
	}
	return checkpoint.Decision{Action: checkpoint.Continue, LSN: asked.To}, a, nil
}

// accepted reports whether a gap was accepted before.
func accepted(state checkpoint.State, gap checkpoint.Span) bool {
	return slices.ContainsFunc(state.Accepted, func(a checkpoint.Accepted) bool { return a.Span == gap.String() })
}

// noGap looks at an --accept-gap where nothing is refused.
func (d *Daemon) noGap(state checkpoint.State) error {
	asked := *d.AcceptGap
	if accepted(state, asked) {
		d.Log.Warn("the gap was accepted before; take --accept-gap away", "gap", asked.String())
		return nil
	}
	if asked.IsTransaction() && state.Checkpoint != nil && asked.From >= state.Checkpoint.LSN {
		d.passOver = asked.From
		return nil
	}
	if ck := state.Checkpoint; ck != nil && ck.LSN != 0 && !asked.New && asked.From >= ck.LSN && asked.To > asked.From {
		d.passUnpublished = asked
		return nil
	}
	return &NoGapError{fmt.Sprintf("--accept-gap %s: there is no such gap; start without it, and a start that is refused, or /readyz, names what may be accepted", asked)}
}

// accept records the gap, and returns the state without what was known of the
// stream before it.
func (d *Daemon) accept(ctx context.Context, source *replication.Source, store *sqlite.Store, b beginning) (checkpoint.State, error) {
	here := checkpoint.Checkpoint{
		System: b.Server.System, Timeline: b.Server.Timeline, Database: b.Server.Database,
		Slot: source.Slot, LSN: b.Decision.LSN,
	}
	if err := store.Accept(ctx, here, *b.accepted); err != nil {
		return b.state, err
	}
	d.Log.Warn("gap accepted: changes in it are not delivered", "gap", b.accepted.Span, "code", b.accepted.Code, "reason", b.accepted.Reason)
	for _, statement := range d.resend() {
		d.Log.Warn("rows whose changes were in the gap are sent again by an update", "statement", statement)
	}
	return store.Load(ctx)
}

// resend returns a statement for each mapped table that has all its rows sent
// again.
func (d *Daemon) resend() []string {
	var statements []string
	for _, t := range d.Config.Set.Tables() {
		statements = append(statements, resendTable(d.Config.Set, t))
	}
	return statements
}

func resendTable(set *mapping.Set, t mapping.Table) string {
	column := pgx.Identifier{set.Columns(set.Mappings(t)[0])[0]}.Sanitize()
	return fmt.Sprintf("UPDATE %s SET %s = %s;", pgx.Identifier{t.Schema, t.Name}.Sanitize(), column, column)
}

// acceptedShown is how long people are told of what was accepted; the state file
// keeps it for good.
const acceptedShown = 7 * 24 * time.Hour

// noteAccepted keeps what was accepted in sight.
func (d *Daemon) noteAccepted(all []checkpoint.Accepted) { d.accepted.Store(&all) }

func (d *Daemon) acceptedNote(a checkpoint.Accepted) string {
	when := a.At.Format("2006-01-02 15:04")
	if a.Code == checkpoint.PassedOver {
		return fmt.Sprintf("%s UTC: left out of the stream, as accepted (%s): %s", when, a.Span, a.Reason)
	}
	return fmt.Sprintf("%s UTC: went on over a gap, as accepted (%s, %s): changes in it were not delivered; to send the rows again, run: %s",
		when, a.Span, a.Code, strings.Join(d.resend(), " "))
}

// passedOver notes what was left out while changes stream.
func (d *Daemon) passedOver(a checkpoint.Accepted) {
	var all []checkpoint.Accepted
	if known := d.accepted.Load(); known != nil {
		all = slices.Clone(*known)
	}
	d.noteAccepted(append(all, a))
}

// acceptedNotes are on what was accepted of late.
func (d *Daemon) acceptedNotes(now time.Time) (notes []string) {
	if known := d.accepted.Load(); known != nil {
		for _, a := range *known {
			if now.Sub(a.At) < acceptedShown {
				notes = append(notes, d.acceptedNote(a))
			}
		}
	}
	return notes
}
