package backfill

import (
	"math"
	"strings"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Mark is a place in the write-ahead log behind everything that a snapshot sees:
// the stream has passed it when it has come to a position at or behind LSN, or
// brings the message Name.
type Mark struct {
	// LSN is the end of the write-ahead log after the snapshot had been taken:
	// pg_current_wal_insert_lsn(), or on a standby pg_last_wal_replay_lsn().
	LSN pgoutput.LSN
	// Name is the content of the message that is written behind the snapshot;
	// "" for none.
	Name string
}

// Unplaced is the LSN of a mark whose message is about to be written: see
// Follower.Place.
const Unplaced = pgoutput.LSN(math.MaxUint64)

// mostTouched is how many changes are noted while a chunk is being read: that
// takes a second, and what is too much for one has its chunk read again.
const mostTouched = 1 << 18

// window is what the stream has brought since it was opened.
type window struct {
	// began are the transactions in it, touched what they did, until the rows are
	// known.
	began   []transaction
	touched []touch
	// tooMany is set when not all of it could be noted.
	tooMany bool

	// loaded is set when the rows are known; what touches them is then looked up.
	loaded   bool
	snapshot Snapshot
	mark     Mark
	keys     []string
	// rows are the places of keys, once one was asked for.
	rows   map[string]int
	fates  []fate
	passed bool
}

// touch is one change of one key.
type touch struct {
	transaction
	key  string
	what change
}

type change uint8

const (
	// whole: the stream has all that is to be known of the row.
	whole change = iota
	// part: it lacks values of the row, which were left alone.
	part
	// emptied: all rows have gone.
	emptied
	// obscure: it does not tell which row it was.
	obscure
)

// fate is what becomes of a row at the mark.
type fate uint8

const (
	kept fate = iota
	// dropped: the stream has it newer, or it has gone.
	dropped
	// again: the stream has it newer, but not all of it.
	again
)

// note takes one change in.
func (w *window) note(t touch) {
	switch {
	case w.loaded:
		w.act(t)
	case len(w.touched) >= mostTouched:
		w.tooMany = true
	default:
		w.touched = append(w.touched, t)
	}
}

// load makes the rows known, by their keys.
func (w *window) load(s Snapshot, keys []string, mark Mark) {
	w.snapshot, w.mark, w.loaded = s, mark, true
	w.keys, w.fates = keys, make([]fate, len(keys))
	for _, t := range w.touched {
		w.act(t)
	}
	w.touched, w.began = nil, nil
}

// act decides what a change means for the rows.
func (w *window) act(t touch) {
	if w.snapshot.sees(t.transaction) {
		return
	}
	switch t.what {
	case emptied, obscure:
		to := dropped
		if t.what == obscure {
			to = again
		}
		for i := range w.fates {
			w.fates[i] = to
		}
		return
	}
	i, ok := w.place(t.key)
	if !ok {
		return
	}
	if t.what == part {
		w.fates[i] = again
	} else if w.fates[i] == kept {
		w.fates[i] = dropped
	}
}

// place is that of a key among the rows.
func (w *window) place(key string) (int, bool) {
	if w.rows == nil {
		w.rows = make(map[string]int, len(w.keys))
		for i, key := range w.keys {
			w.rows[key] = i
		}
	}
	i, ok := w.rows[key]
	return i, ok
}

// Key is what a row is known by: the texts of the columns of its key.
func Key(texts ...string) string { return strings.Join(texts, "\x00") }
