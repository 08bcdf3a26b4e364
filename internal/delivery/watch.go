package delivery

import (
	"context"
	"time"
)

// watchEvery is how often the database is held against the mappings while
// changes stream. What a publication does not publish is missing from the
// stream without a word, so nobody else would notice.
const watchEvery = 30 * time.Second

// watch asks Fits again and again, and tells when the answer changes.
func (r *Runner) watch(life context.Context) error {
	if r.Fits == nil {
		return nil
	}
	since := time.Time{}
	for {
		select {
		case <-time.After(watchEvery):
		case <-life.Done():
			return nil
		}
		reason, err := r.Fits(life)
		if err != nil {
			continue // the reader tells of a server that does not answer
		}
		was := r.unfit.Swap(&reason)
		switch {
		case reason != "" && (was == nil || *was == ""):
			since = time.Now().Add(-watchEvery).UTC()
			r.Log.Error("database no longer fits the mappings; changes may be missing from the stream", "since", since, "reason", reason)
		case reason == "" && was != nil && *was != "":
			r.Log.Error("database fits the mappings again; what changed in between may have been missing from the stream: update those rows once more, so that they come again",
				"from", since, "to", time.Now().UTC())
		}
	}
}

// misfit is why the database no longer fits the mappings; "" when it does.
func (r *Runner) misfit() string {
	if reason := r.unfit.Load(); reason != nil {
		return *reason
	}
	return ""
}
