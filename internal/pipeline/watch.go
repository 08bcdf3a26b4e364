package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// watchEvery is how often the database is held against the mappings while
// changes stream. What a publication does not publish is missing from the
// stream without a word, so nobody else would notice.
const watchEvery = 30 * time.Second

// watchTimeout bounds one look: a server that does not answer, and does not
// end the connection either, must not end all looking.
const watchTimeout = time.Minute

// watchDatabase asks Fits again and again, and tells when the answer changes.
func (r *Runner) watchDatabase(life context.Context) error {
	if r.LookAgain == nil {
		return nil
	}
	watched := databaseWatch{log: r.Log, reasons: map[string]time.Time{}, waits: map[string]bool{}}
	for {
		select {
		case <-time.After(watchEvery):
		case <-life.Done():
			return nil
		}
		look, cancel := context.WithTimeout(life, watchTimeout)
		server, found, err := r.LookAgain(look)
		cancel()
		if err != nil {
			// The reader tells of a server that does not answer. What was found
			// stands until somebody has looked again.
			found = watched.failedLook(r.misfits(), err)
		} else {
			watched.failures = 0
			r.noteServer(server)
		}
		r.found.Store(&found)
		for _, o := range found {
			if o.Condition == delivery.Halted {
				r.reader.haltReason.Store(&o.Reason)
			}
		}
		watched.tell(found, time.Now().UTC())
	}
}

// databaseWatch tells what changes between two looks at the database.
type databaseWatch struct {
	log *slog.Logger
	// reasons holds since when each one has stood.
	reasons map[string]time.Time
	// waits has those of them that take nothing from the stream.
	waits map[string]bool
	// failures counts the looks in a row that failed.
	failures int
}

// blindAfter is how many looks may fail in a row before that is a reason not to
// be ready: what the stream leaves out goes unnoticed.
const blindAfter = 4

// failedLook returns what stands after one more look that failed.
func (w *databaseWatch) failedLook(stood []delivery.Obstacle, err error) []delivery.Obstacle {
	w.failures++
	found := slices.DeleteFunc(slices.Clone(stood), func(o delivery.Obstacle) bool { return strings.HasPrefix(o.Reason, blind) })
	if w.failures >= blindAfter {
		found = append(found, delivery.Obstacle{Condition: delivery.Unfit, Reason: blind + err.Error(), Remedy: "see that the role may connect and ask the catalog beside the stream; cdcsync check looks in the same way"})
	}
	return found
}

// blind opens the reason of looks that fail.
const blind = "the tables and the publication cannot be looked at, so that nobody would notice what the stream leaves out: "

func (w *databaseWatch) tell(found []delivery.Obstacle, now time.Time) {
	stands := make(map[string]bool, len(found))
	for _, o := range found {
		stands[o.Reason] = true
		if _, known := w.reasons[o.Reason]; !known {
			w.reasons[o.Reason] = now.Add(-watchEvery)
			about := []any{"state", string(o.Condition), "since", w.reasons[o.Reason], "reason", o.Reason}
			if o.Condition == delivery.Synchronous {
				w.waits[o.Reason] = true
				w.log.Error("database waits for this program", about...)
				continue
			}
			w.log.Error("database no longer fits the mappings; changes may be missing from the stream", about...)
		}
	}
	for reason, since := range w.reasons {
		if !stands[reason] {
			delete(w.reasons, reason)
			if w.waits[reason] {
				delete(w.waits, reason)
				w.log.Info("database waits for this program no more", "from", since, "to", now, "reason", reason)
				continue
			}
			if slices.ContainsFunc(found, func(o delivery.Obstacle) bool { return o.Condition != delivery.Synchronous }) {
				w.log.Error("database does not fit the mappings for another reason than before; changes may be missing from the stream for both",
					"from", since, "to", now, "reason", reason)
				continue
			}
			w.log.Error("database fits the mappings again; what changed in between may have been missing from the stream: update those rows once more, so that they come again",
				"from", since, "to", now, "reason", reason)
		}
	}
}

// misfits are why the database no longer fits the mappings.
func (r *Runner) misfits() []delivery.Obstacle {
	if found := r.found.Load(); found != nil {
		return *found
	}
	return nil
}
