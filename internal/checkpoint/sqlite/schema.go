package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	// applicationID marks a SQLite file as ours ("CDCS").
	applicationID = 0x43444353
	// schemaVersion is SQLite's user_version. A store of a newer version is
	// refused, one of an older version is brought up to this one by migrations.
	schemaVersion = 6
	// pageSize is that of new stores; older ones keep theirs. The row of the
	// table state fits one such page, or a few: a save is cheaper the fewer it
	// writes.
	pageSize = 8192
)

// stateTable has the one row that every save rewrites, and most saves nothing
// else: one table, so that such a save costs a page or two.
const stateTable = `
CREATE TABLE state (           -- one row
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  life      INTEGER NOT NULL,  -- processes that have saved so far
  clean     INTEGER NOT NULL,  -- 1 after an orderly end
  boot      TEXT    NOT NULL,  -- the machine's boot id at the last save
  saves     INTEGER NOT NULL,
  saved_at  TEXT    NOT NULL,
  sent      BLOB    NOT NULL,  -- the newest change that a call has carried
  system    TEXT,              -- the checkpoint; NULL to checksum: no slot yet
  timeline  INTEGER,
  database  TEXT,
  slot      TEXT,
  position  INTEGER,           -- 0: the slot is about to be created
  checksum  INTEGER,
  day       TEXT    NOT NULL,  -- the quota day, YYYY-MM-DD
  day_calls INTEGER NOT NULL,
  exhausted INTEGER NOT NULL,
  starts    TEXT    NOT NULL,  -- JSON: nanoseconds since 1970
  inflight  INTEGER NOT NULL,  -- number of calls whose outcome is not known yet
  calls     BLOB    NOT NULL,
  lsn       TEXT AS (CASE WHEN position NOT NULL THEN printf('%X/%X', position >> 32, position & 4294967295) END)
);
`

// latestColumn is of version 6.
const latestColumn = `
ALTER TABLE state ADD COLUMN latest BLOB NOT NULL DEFAULT x''; -- the newest transaction up to the checkpoint
`

// relationsTable has what mapped tables were when they were last looked at.
const relationsTable = `
CREATE TABLE relations (       -- mapped tables as they were last seen
  schema TEXT    NOT NULL,
  name   TEXT    NOT NULL,
  oid    INTEGER NOT NULL,
  seen   TEXT    NOT NULL,
  record TEXT    NOT NULL,     -- JSON
  PRIMARY KEY (schema, name)
);
`

// schema is meant to be read by people too, also while the daemon runs. Keys
// may hold any byte and are blobs; positions are integers, with their usual
// text beside them; times are RFC 3339 in UTC.
const schema = stateTable + latestColumn + relationsTable + acceptedTable + deletionsTable + settledToTable + stoppedColumn + lagsTable + backfillTables + controlTables + `
CREATE TABLE parked (          -- objects that were not confirmed
  key       BLOB    PRIMARY KEY,
  mapping   TEXT    NOT NULL,
  object    TEXT    NOT NULL,
  fields    TEXT    NOT NULL,
  payload   TEXT    NOT NULL,
  operation TEXT    NOT NULL,
  position  INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  committed TEXT    NOT NULL,
  code      TEXT    NOT NULL,
  message   TEXT    NOT NULL,
  waits     INTEGER NOT NULL,  -- 1: tried again by itself, at next
  next      TEXT    NOT NULL,
  attempts  INTEGER NOT NULL,
  first     TEXT    NOT NULL,
  last      TEXT    NOT NULL,
  lsn       TEXT AS (printf('%X/%X', position >> 32, position & 4294967295)),
  xid       INTEGER NOT NULL DEFAULT 0  -- its transaction, 0 where that is not known
);
CREATE INDEX parked_mapping ON parked (mapping);
CREATE TABLE lacking (         -- objects that may lack a part of their rows
  key BLOB PRIMARY KEY
);
CREATE TABLE settled (         -- settled changes at or above the checkpoint
  id         INTEGER PRIMARY KEY,
  max_commit INTEGER NOT NULL,
  entries    INTEGER NOT NULL,
  data       BLOB    NOT NULL
);
CREATE INDEX settled_max_commit ON settled (max_commit);
INSERT INTO state (id, life, clean, boot, saves, saved_at, sent, day, day_calls, exhausted, starts, inflight, calls)
  VALUES (1, 0, 1, '', 0, '', x'', '', 0, 0, '[]', 0, x'');
`

// checkSchema refuses what is not a sound store of this version, and turns an
// empty file into a store. It changes nothing in a file that it refuses. It
// returns the version that it migrated from; 0 when it did not.
func checkSchema(ctx context.Context, db *sql.Conn, path string) (from int64, err error) {
	var application, version, tables int64
	err = db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).
		Scan(&application, &version, &tables)
	if err != nil {
		return 0, fmt.Errorf("read header: %w", err)
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return 0, createSchema(ctx, db)
	case application != applicationID:
		return 0, fmt.Errorf("a SQLite database of another program: give the path of a new file")
	case version > schemaVersion:
		return 0, fmt.Errorf("written by a newer release (store version %d, this one knows %d): run that release; to take it back, have it rewrite the file: cdcsync state downgrade --to %d %s; a copy from before it is %s, good for as long as that release has delivered nothing",
			version, schemaVersion, schemaVersion, path, copyPath(path, schemaVersion))
	case version < 1:
		return 0, fmt.Errorf("store version %d is not known: give the path of a new file", version)
	}
	if err := checkSound(ctx, db); err != nil {
		return 0, err
	}
	if version == schemaVersion {
		return 0, nil
	}
	if err := copyBeside(ctx, db, path, version); err != nil {
		return 0, fmt.Errorf("keep a copy of the file before it is migrated, as %s: %w", copyPath(path, version), err)
	}
	if err := migrate(ctx, db, version); err != nil {
		return 0, fmt.Errorf("migrate from store version %d to %d: %w", version, schemaVersion, err)
	}
	return version, nil
}

func createSchema(ctx context.Context, db *sql.Conn) error {
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = %d; PRAGMA journal_mode = WAL", pageSize)); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	err := inTransaction(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", schema, applicationID, schemaVersion))
		return err
	})
	if err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return nil
}

// inTransaction does all of what step does, or nothing.
func inTransaction(ctx context.Context, db *sql.Conn, step func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := step(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// checkSound has SQLite look at the structure of every page.
func checkSound(ctx context.Context, db *sql.Conn) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("check file: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the file is damaged (%s): %s", verdict, remedyDamaged)
	}
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return fmt.Errorf("set journal mode: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %s, not wal: put the state file on a local disk", mode)
	}
	return nil
}
