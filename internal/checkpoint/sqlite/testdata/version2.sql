-- A store as version 2 made it in its second life, which has not ended in order:
-- calls of both lives are in flight, and every table has something in it.
PRAGMA journal_mode = WAL;
CREATE TABLE life (            -- one row: this store's processes
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  number   INTEGER NOT NULL,   -- lives so far
  clean    INTEGER NOT NULL,   -- 1 after an orderly end
  boot     TEXT    NOT NULL,   -- the machine's boot id at the last save
  saves    INTEGER NOT NULL,
  saved_at TEXT    NOT NULL,
  sent     BLOB    NOT NULL    -- the newest change that a call has carried
);
INSERT INTO life VALUES(1,2,0,'another boot',4,'2025-11-23T15:05:05.123456789Z',X'8644fedbe8eeac0bac02');
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
INSERT INTO checkpoint VALUES(1,'7312345678901234567',1,'shop','cdcsync',23803728,3183384350);
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
INSERT INTO parked VALUES(X'7669736974730031303200','visits','Visit','{"visit":102}','{"visit":102,"fair":"Expo"}','UPSERT',23803724,2,'2025-11-23T15:04:05.123456789Z','1006','Field not found',1,'2025-11-23T16:04:05.123456789Z',3,'2025-11-23T15:04:05.123456789Z','2025-11-23T15:05:05.123456789Z');
CREATE TABLE discarded (       -- objects that lack what was parked and given up
  key BLOB PRIMARY KEY
);
INSERT INTO discarded VALUES(X'6c65616473003130');
CREATE TABLE settled (         -- settled changes at or above the checkpoint
  id         INTEGER PRIMARY KEY,
  max_commit INTEGER NOT NULL,
  entries    INTEGER NOT NULL,
  data       BLOB    NOT NULL
);
INSERT INTO settled VALUES(1,23803736,2,X'45cdb11100000b7669736974730031303000a0ddd9160300076c6561647300371001');
INSERT INTO settled VALUES(2,23803744,1,X'df779bed00000b7669736974730031303000c0ddd91601');
CREATE TABLE inflight (        -- calls whose outcome is not known yet
  id   INTEGER PRIMARY KEY,    -- life << 40 | number
  keys INTEGER NOT NULL,
  data BLOB    NOT NULL
);
INSERT INTO inflight VALUES(1099511627777,3,X'b1dbcf0500000b76697369747300313030000902310000076c656164730037');
INSERT INTO inflight VALUES(2199023255553,1,X'e94c5d9500000b7669736974730031303000');
INSERT INTO inflight VALUES(2199023255554,2,X'7f1c16800000076c656164730038060139');
CREATE TABLE quota (           -- at most one row
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  day       TEXT    NOT NULL,
  calls     INTEGER NOT NULL,
  exhausted INTEGER NOT NULL,
  starts    TEXT    NOT NULL   -- JSON: nanoseconds since 1970
);
INSERT INTO quota VALUES(1,'2025-11-23',1234,1,'[1763910245123456789,1763910246123456789]');
CREATE INDEX parked_mapping ON parked (mapping);
CREATE INDEX settled_max_commit ON settled (max_commit);
PRAGMA application_id = 1128547155;
PRAGMA user_version = 2;
