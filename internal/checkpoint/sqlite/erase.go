package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// Erase takes an object out of the store: its parked entry, what is known to be
// lacking of it, and what backfills have of its row. The file is written anew then,
// and its log emptied: what was deleted, now or before, leaves no trace in pages that
// are free. What is on its way has to have arrived: a call under way has its keys in
// the store. Erase may be called while saves run.
func (s *Store) Erase(ctx context.Context, e checkpoint.Erasure) (checkpoint.Erased, error) {
	var erased checkpoint.Erased
	err := s.change(ctx, true, func(ctx context.Context) (err error) {
		erased, err = s.erase(ctx, e)
		return err
	})
	if err == nil {
		err = s.rewrite(ctx)
	}
	if err != nil {
		return erased, fmt.Errorf("erase an object: %w", explain(err))
	}
	copies, err := filepath.Glob(s.path + ".v*")
	if err != nil {
		return erased, fmt.Errorf("erase an object: %w", err)
	}
	for _, path := range copies {
		erased.Left = append(erased.Left, path+" is a copy of the state file from another release, and may have it: delete the copy")
	}
	return erased, nil
}

func (s *Store) erase(ctx context.Context, e checkpoint.Erasure) (erased checkpoint.Erased, err error) {
	for _, d := range []struct {
		from string
		n    *int
	}{{"parked", &erased.Parked}, {"lacking", &erased.Lacking}, {"refused", &erased.Refused}} {
		result, err := s.write.ExecContext(ctx, `DELETE FROM `+d.from+` WHERE key = ?`, []byte(e.Key))
		if err != nil {
			return erased, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return erased, err
		}
		*d.n = int(n)
	}
	if err := s.eraseAsked(ctx, e, &erased); err != nil {
		return erased, err
	}
	if err := s.eraseSpellings(ctx, e, &erased); err != nil {
		return erased, err
	}
	if _, err := s.write.ExecContext(ctx, `UPDATE backfill SET refused = (SELECT count(*) FROM refused WHERE feed = ?1 || backfill.id) WHERE state IN ('done', 'cancelled')`, checkpoint.BackfillFeed); err != nil {
		return erased, err
	}
	var onTheWay bool
	err = s.write.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM state WHERE instr(calls, ?1)) OR EXISTS (SELECT 1 FROM settled_to WHERE instr(data, ?1))`, []byte(e.Key)).Scan(&onTheWay)
	if onTheWay {
		erased.Left = append(erased.Left, "a call that may be under way has its key: erase it once more in a few minutes")
	}
	return erased, err
}

// eraseSpellings tells of what is kept under another spelling of the key: it may be
// that of the same person, or of another row.
func (s *Store) eraseSpellings(ctx context.Context, e checkpoint.Erasure, erased *checkpoint.Erased) error {
	rows, err := s.write.QueryContext(ctx, `SELECT key FROM parked UNION SELECT key FROM refused UNION SELECT key FROM lacking`)
	if err != nil {
		return err
	}
	defer rows.Close()
	others := 0
	for folded := mapping.Fold(e.Key); rows.Next(); {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return err
		}
		if string(key) != e.Key && mapping.Fold(string(key)) == folded {
			others++
		}
	}
	if others > 0 {
		erased.Left = append(erased.Left, "the same key in other case, or with other blanks at its end, is among what is kept: if it is of the same person, erase that, too (cdcsync parked list, backfill list --refused)")
	}
	return rows.Err()
}

// asked reports whether an expression names one of the values.
func asked(expression string, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		return regexp.MustCompile(`(^|[^\pL\pN_])` + regexp.QuoteMeta(text) + `([^\pL\pN_]|$)`).MatchString(expression)
	})
}

// erasedExpression takes the place of an expression that named the row. It is not
// empty: the backfill did not send every row.
const erasedExpression = "(erased)"

// eraseAsked takes the row out of what backfills were asked for.
func (s *Store) eraseAsked(ctx context.Context, e checkpoint.Erasure, erased *checkpoint.Erased) error {
	all, err := listBackfills(ctx, s.write, 0)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.MappingID != e.MappingID {
			continue
		}
		if err := s.eraseCursor(ctx, b, e, erased); err != nil {
			return err
		}
		keys := slices.DeleteFunc(slices.Clone(b.Keys), e.Asks)
		named := asked(b.Where, e.Texts)
		switch {
		case len(keys) == len(b.Keys) && !named:
			continue
		case !b.State.Ended():
			erased.Left = append(erased.Left, fmt.Sprintf("backfill %d asks for it: wait for its end, or cancel it: cdcsync backfill cancel %s", b.ID, b.Mapping))
			continue
		case len(keys) == 0 && len(b.Keys) > 0:
			keys = []string{erasedExpression}
		}
		if named {
			b.Where = erasedExpression
		}
		if keys == nil {
			keys = []string{}
		}
		text, err := json.Marshal(keys)
		if err != nil {
			return err
		}
		if _, err := s.write.ExecContext(ctx, `UPDATE backfill SET keys = ?, filter = ? WHERE id = ?`, string(text), b.Where, b.ID); err != nil {
			return err
		}
		erased.Asked++
	}
	return nil
}

// eraseCursor tells of a backfill that stands at the row.
func (s *Store) eraseCursor(ctx context.Context, b checkpoint.Backfill, e checkpoint.Erasure, erased *checkpoint.Erased) error {
	rows, err := s.write.QueryContext(ctx, `SELECT value FROM cursors WHERE feed = ?`, b.Feed())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		var c struct {
			After []string `json:"after"`
			Until []string `json:"until"`
		}
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return err
		}
		at := func(place []string) bool {
			return place != nil && !slices.ContainsFunc(e.Texts, func(text string) bool { return !slices.Contains(place, text) })
		}
		switch {
		case at(c.After):
			erased.Left = append(erased.Left, fmt.Sprintf("backfill %d stands behind this row, which is its place: have it go on (cdcsync backfill resume %[2]s), or cancel it (cdcsync backfill cancel %[2]s)", b.ID, b.Mapping))
		case at(c.Until):
			erased.Left = append(erased.Left, fmt.Sprintf("backfill %d ends at this row: wait for its end, or cancel it: cdcsync backfill cancel %s", b.ID, b.Mapping))
		}
	}
	return rows.Err()
}

// rewrite writes the file anew, without what was deleted, and empties the log.
func (s *Store) rewrite(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(true); err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, `VACUUM`); err != nil {
		return s.notice(err)
	}
	var busy, frames, moved int
	if err := s.write.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return s.notice(err)
	}
	s.grown = 0
	if busy != 0 {
		return fmt.Errorf("somebody reads the file, so that its log %s cannot be emptied: try again", filepath.Base(s.path)+"-wal")
	}
	return nil
}
