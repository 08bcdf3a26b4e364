package pipeline

import (
	"context"
	"log/slog"
	"slices"
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

// watchDatabase asks LookAgain again and again, and tells when the answer changes.
func (r *Runner) watchDatabase(life context.Context) error {
	if r.LookAgain == nil {
		return nil
	}
	watch := databaseWatch{log: r.Log}
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
			// The reader tells of a server that does not answer.
			found = watch.failed(err)
		} else {
			watch.passed(found)
			r.noteServer(server)
		}
		for i := range found {
			if o := &found[i]; o.Condition == delivery.Halted {
				r.reader.order(o)
			}
		}
		r.found.Store(&found)
		watch.tell(found, time.Now().UTC())
	}
}

// databaseWatch tells what changes between two looks at the database.
type databaseWatch struct {
	log *slog.Logger
	// found is what the last look that did not fail has found: it stands until
	// somebody has looked again. failures counts those in a row that failed since.
	found    []delivery.Obstacle
	failures int
	// since is from when on what was told has stood.
	since map[told]time.Time
}

// told is an obstacle that was told of.
type told struct {
	condition delivery.Condition
	reason    string
}

// blindAfter is how many looks may fail in a row before that is a reason not to
// be ready: what the stream leaves out goes unnoticed.
const blindAfter = 4

func (w *databaseWatch) passed(found []delivery.Obstacle) { w.found, w.failures = found, 0 }

// failed returns what stands after one more look that failed.
func (w *databaseWatch) failed(err error) []delivery.Obstacle {
	w.failures++
	if w.failures < blindAfter {
		return w.found
	}
	return append(slices.Clone(w.found), delivery.Obstacle{Condition: delivery.Unfit,
		Reason: "the tables and the publication cannot be looked at, so that nobody would notice what the stream leaves out: " + err.Error(),
		Remedy: "see that the role may connect and ask the catalog beside the stream; cdcsync check looks in the same way"})
}

// tell logs what stands for the first time, and what stands no more.
func (w *databaseWatch) tell(found []delivery.Obstacle, now time.Time) {
	if w.since == nil {
		w.since = make(map[told]time.Time)
	}
	stands := make(map[told]bool, len(found))
	for _, o := range found {
		key := told{o.Condition, o.Reason}
		stands[key] = true
		if _, known := w.since[key]; !known {
			w.since[key] = now.Add(-watchEvery)
			w.tellBegin(key)
		}
	}
	for key, since := range w.since {
		if !stands[key] {
			delete(w.since, key)
			w.tellEnd(key, since, now, slices.ContainsFunc(found, func(o delivery.Obstacle) bool { return ofStream(o.Condition) }))
		}
	}
}

// ofStream reports whether changes may be missing from the stream for what is
// found under a condition.
func ofStream(c delivery.Condition) bool {
	return c != delivery.Synchronous && c != delivery.Unreadable
}

func (w *databaseWatch) tellBegin(t told) {
	about := []any{"state", string(t.condition), "since", w.since[t], "reason", t.reason}
	switch t.condition {
	case delivery.Synchronous:
		w.log.Error("database waits for this program", about...)
	case delivery.Unreadable:
		w.log.Warn("rows cannot be read", about...)
	default:
		w.log.Error("database no longer fits the mappings; changes may be missing from the stream", about...)
	}
}

// tellEnd tells that something stands no more; others is set where something else
// still takes changes from the stream.
func (w *databaseWatch) tellEnd(t told, from, to time.Time, others bool) {
	about := []any{"from", from, "to", to, "reason", t.reason}
	switch {
	case t.condition == delivery.Synchronous:
		w.log.Info("database waits for this program no more", about...)
	case t.condition == delivery.Unreadable:
		w.log.Info("rows can be read again", about...)
	case others:
		w.log.Error("database does not fit the mappings for another reason than before; changes may be missing from the stream for both", about...)
	default:
		w.log.Error("database fits the mappings again; what changed in between may have been missing from the stream: update those rows once more, so that they come again", about...)
	}
}

// misfits are why the database no longer fits the mappings.
func (r *Runner) misfits() []delivery.Obstacle {
	if found := r.found.Load(); found != nil {
		return *found
	}
	return nil
}
