package checkpoint

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

const (
	// applicationID marks a SQLite file as ours ("CDCS").
	applicationID = 0x43444353
	// schemaVersion is SQLite's user_version. A store of a newer version is
	// refused, one of an older version is brought up to this one by migrations.
	schemaVersion = 2
)

// schema is meant to be read by people too, also while the daemon runs. Keys
// may hold any byte and are blobs; positions are integers, with their usual
// text beside them; times are RFC 3339 in UTC.
const schema = `
CREATE TABLE life (            -- one row: this store's processes
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  number   INTEGER NOT NULL,   -- lives so far
  clean    INTEGER NOT NULL,   -- 1 after an orderly end
  boot     TEXT    NOT NULL,   -- the machine's boot id at the last save
  saves    INTEGER NOT NULL,
  saved_at TEXT    NOT NULL,
  sent     BLOB    NOT NULL    -- the newest change that a call has carried
);
CREATE TABLE checkpoint (      -- at most one row
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  system   TEXT    NOT NULL,
  timeline INTEGER NOT NULL,
  database TEXT    NOT NULL,
  slot     TEXT    NOT NULL,
  position INTEGER NOT NULL,   -- 0: the slot is about to be created
  checksum INTEGER NOT NULL,
  lsn      TEXT AS (printf('%X/%X', position >> 32, position & 4294967295))
);
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
  lsn       TEXT AS (printf('%X/%X', position >> 32, position & 4294967295))
);
CREATE INDEX parked_mapping ON parked (mapping);
CREATE TABLE discarded (       -- objects that lack what was parked and given up
  key BLOB PRIMARY KEY
);
CREATE TABLE settled (         -- settled changes at or above the checkpoint
  id         INTEGER PRIMARY KEY,
  max_commit INTEGER NOT NULL,
  entries    INTEGER NOT NULL,
  data       BLOB    NOT NULL
);
CREATE INDEX settled_max_commit ON settled (max_commit);
CREATE TABLE inflight (        -- calls whose outcome is not known yet
  id   INTEGER PRIMARY KEY,    -- life << 40 | number
  keys INTEGER NOT NULL,
  data BLOB    NOT NULL
);
CREATE TABLE quota (           -- at most one row
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  day       TEXT    NOT NULL,
  calls     INTEGER NOT NULL,
  exhausted INTEGER NOT NULL,
  starts    TEXT    NOT NULL   -- JSON: nanoseconds since 1970
);
INSERT INTO life VALUES (1, 0, 1, '', 0, '', x'');
`

// migrations holds what brings a store of version i+1 to version i+2.
var migrations = [schemaVersion - 1]string{
	`ALTER TABLE life ADD COLUMN sent BLOB NOT NULL DEFAULT x'';
	 CREATE TABLE discarded (key BLOB PRIMARY KEY)`,
}

// checkSchema refuses what is not a sound store of this version, and turns an
// empty file into a store. It changes nothing in a file that it refuses.
func checkSchema(ctx context.Context, db *sql.DB) error {
	var application, version, tables int64
	err := db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).
		Scan(&application, &version, &tables)
	if err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return createSchema(ctx, db)
	case application != applicationID:
		return fmt.Errorf("a SQLite database of another program: give the path of a new file")
	case version > schemaVersion:
		return fmt.Errorf("written by a newer release (store version %d, this one knows %d): run that release, or restore a copy of the file from before it",
			version, schemaVersion)
	case version < 1:
		return fmt.Errorf("store version %d is not known: give the path of a new file", version)
	}
	if err := checkSound(ctx, db); err != nil {
		return err
	}
	if version == schemaVersion {
		return nil
	}
	steps := strings.Join(migrations[version-1:], ";")
	if err := inTransaction(ctx, db, fmt.Sprintf("%s; PRAGMA user_version = %d;", steps, schemaVersion)); err != nil {
		return fmt.Errorf("migrate from store version %d to %d: %w", version, schemaVersion, err)
	}
	return nil
}

func createSchema(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode = WAL`); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	header := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
	if err := inTransaction(ctx, db, schema+header); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return nil
}

// inTransaction runs all of statements, or none.
func inTransaction(ctx context.Context, db *sql.DB, statements string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return err
	}
	return tx.Commit()
}

// checkSound has SQLite look at the structure of every page.
func checkSound(ctx context.Context, db *sql.DB) error {
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
