-- A store as version 1 made it, with a checkpoint, a call in flight and a settled
-- change, whose records hold their keys one after the other.
PRAGMA journal_mode = WAL;
CREATE TABLE life (            -- one row: this store's processes
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  number   INTEGER NOT NULL,   -- lives so far
  clean    INTEGER NOT NULL,   -- 1 after an orderly end
  boot     TEXT    NOT NULL,   -- the machine's boot id at the last save
  saves    INTEGER NOT NULL,
  saved_at TEXT    NOT NULL
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
INSERT INTO life VALUES (1, 0, 1, '', 0, '');
PRAGMA application_id = 1128547155;
PRAGMA user_version = 1;
