package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// statements are the prepared steps of a Save. Those of the transaction are
// among them: to parse them costs as much as to run them.
type statements struct {
	begin, commit, rollback *sql.Stmt
	update                  *sql.Stmt
	settle, prune, oldest   *sql.Stmt
	unsettle                *sql.Stmt
	settleTo, pruneTo       *sql.Stmt
	park, resolve           *sql.Stmt
	lack, regain, deletions *sql.Stmt
	setCursor, dropCursor   *sql.Stmt
	refuse, unrefuse        *sql.Stmt
	setLag, dropLags        *sql.Stmt
}

// prepare fills in the statements that are given with their text.
func (s *Store) prepare(ctx context.Context) error {
	for _, p := range s.stmts.texts() {
		var err error
		if *p.stmt, err = s.write.PrepareContext(ctx, p.text); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}

type statementText struct {
	stmt **sql.Stmt
	text string
}

func (st *statements) texts() []statementText {
	return []statementText{
		{&st.begin, `BEGIN IMMEDIATE`},
		{&st.commit, `COMMIT`},
		{&st.rollback, `ROLLBACK`},
		{&st.update, updateSQL},
		{&st.settle, `INSERT INTO settled (max_commit, entries, data) VALUES (?, ?, ?)`},
		{&st.prune, `DELETE FROM settled WHERE max_commit < ?`},
		{&st.unsettle, `DELETE FROM settled`},
		{&st.settleTo, `INSERT OR REPLACE INTO settled_to (id, position, excepted, data, stopped) VALUES (1, ?, ?, ?, ?)`},
		{&st.pruneTo, `DELETE FROM settled_to WHERE position < ?`},
		{&st.oldest, oldestSQL},
		{&st.park, parkSQL},
		{&st.resolve, `DELETE FROM parked WHERE key = ?`},
		{&st.lack, `INSERT OR IGNORE INTO lacking (key) VALUES (?)`},
		{&st.deletions, `INSERT OR REPLACE INTO deletions (mapping, held, free, minutes) VALUES (?, ?, ?, ?)`},
		{&st.regain, `DELETE FROM lacking WHERE key = ?`},
		{&st.setCursor, `INSERT OR REPLACE INTO cursors (feed, value) VALUES (?, ?)`},
		{&st.dropCursor, `DELETE FROM cursors WHERE feed = ?`},
		{&st.refuse, `INSERT OR REPLACE INTO refused (feed, key, operation, code, message, waits, at, next) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{&st.setLag, `INSERT INTO lags (object, sent) VALUES (?, ?)`},
		{&st.dropLags, `DELETE FROM lags`},
		{&st.unrefuse, `DELETE FROM refused WHERE feed = ? AND key = ?`},
	}
}

// close closes them. Package sql does not, for those of one connection, and
// SQLite keeps a file open while one of them is.
func (st *statements) close() error {
	var errs []error
	for _, p := range st.texts() {
		if *p.stmt != nil {
			errs = append(errs, (*p.stmt).Close())
		}
	}
	return errors.Join(errs...)
}
