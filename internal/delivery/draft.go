package delivery

import "github.com/cdcsync/cdcsync/internal/checkpoint"

// above keeps what the checkpoint does not cover: only that would come again.
func above(settled []checkpoint.Settled, frontier LSN) []checkpoint.Settled {
	kept := settled[:0]
	for _, s := range settled {
		if s.Through.Commit >= frontier {
			kept = append(kept, s)
		}
	}
	clear(settled[len(kept):])
	return kept
}

func emptyDraft(s *checkpoint.Save) bool {
	return len(s.Started) == 0 && len(s.Ended) == 0 && len(s.Settled) == 0 &&
		len(s.Parked) == 0 && len(s.Resolved) == 0 && len(s.Lacking) == 0 && len(s.Deletions) == 0 &&
		len(s.Cursors) == 0 && len(s.Refused) == 0 && len(s.Unrefused) == 0 && s.Lags == nil
}

// reset empties s and keeps its memory for the next draft.
func reset(s checkpoint.Save) checkpoint.Save {
	clear(s.Started)
	clear(s.Settled)
	clear(s.Parked)
	return checkpoint.Save{
		Started: s.Started[:0], Ended: s.Ended[:0], Settled: s.Settled[:0],
		Parked: s.Parked[:0], Resolved: s.Resolved[:0], Lacking: s.Lacking[:0],
	}
}

// joinDrafts returns what two drafts hold together, the older first; what only
// the newer one says stays as it is there.
func joinDrafts(older, newer *checkpoint.Save) checkpoint.Save {
	all := *newer
	all.Started = append(older.Started, newer.Started...)
	all.Ended = append(older.Ended, newer.Ended...)
	all.Settled = append(older.Settled, newer.Settled...)
	all.Parked = append(older.Parked, newer.Parked...)
	all.Resolved = append(older.Resolved, newer.Resolved...)
	all.Lacking = append(older.Lacking, newer.Lacking...)
	all.Deletions = append(older.Deletions, newer.Deletions...)
	all.Confirmed = append(older.Confirmed, newer.Confirmed...)
	all.Forgotten = append(older.Forgotten, newer.Forgotten...)
	all.Cursors = append(older.Cursors, newer.Cursors...)
	all.Refused = append(older.Refused, newer.Refused...)
	all.Unrefused = append(older.Unrefused, newer.Unrefused...)
	if all.Lags == nil {
		all.Lags = older.Lags
	}
	return all
}
