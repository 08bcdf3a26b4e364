package checkpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"sync"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// Store is the durable state: one SQLite file in WAL mode, mode 0600, with one
// writing process at a time. People may read it with the sqlite3 shell while
// it is in use. Its methods may be called from several goroutines; saves take
// turns.
type Store struct {
	path string
	boot string
	lock *lock
	// read is apart from write so that listing parked objects does not wait
	// for saves, nor they for it.
	read *sql.DB

	mu     sync.Mutex // guards all below
	write  *sql.DB    // one connection, so that its PRAGMAs hold
	stmts  statements
	ck     *Checkpoint
	sent   replication.Position // of the last save, or the one under way
	life   int64                // of the last save; lives count from 1
	begun  bool                 // whether this process has saved
	full   bool                 // whether commits are synced now
	grown  int                  // bytes written to the log since it was last emptied, about
	buf    []byte
	broken error
}

// statements are the prepared steps of a Save.
type statements struct {
	touch, move                  *sql.Stmt
	start, end, endAll           *sql.Stmt
	settle, prune, park, resolve *sql.Stmt
	discard, regain              *sql.Stmt
	quota                        *sql.Stmt
}

const (
	remedyUnwritable = "make the file and its directory writable for this user"

	remedyDamaged = "restore the file from a copy, or move it away, drop the slot and start again"

	// logLimit is how far SQLite's log may grow before it is emptied into the
	// database file: a few milliseconds of work, two syncs.
	logLimit = 16 << 20
)

// Open opens the store at path, and creates it where there is none (a lost
// file is a new store: Resume notices). The file beside it with the suffix
// .lock keeps other processes out. Close must be called.
//
// Errors say what to do: the store is in use, may be read by others, is
// damaged, belongs to another program or to a newer release.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open state file %s: %w", path, explain(err))
	}
	return s, nil
}

func open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	l, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, boot: bootID(), lock: l, full: true}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// connect opens the database, checks it and reads what Save needs to know.
func (s *Store) connect(ctx context.Context) error {
	var err error
	if s.write, err = database(s.path, 1, "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)", "wal_autocheckpoint(0)"); err != nil {
		return err
	}
	if err := checkSchema(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = database(s.path, 2, "query_only(1)"); err != nil {
		return err
	}
	if s.ck, err = loadCheckpoint(ctx, s.write); err != nil {
		return err
	}
	if err := s.write.QueryRowContext(ctx, `SELECT number FROM life`).Scan(&s.life); err != nil {
		return fmt.Errorf("load life: %w", err)
	}
	if s.sent, err = loadSent(ctx, s.write); err != nil {
		return err
	}
	return s.prepare(ctx)
}

// database opens path with at most n connections. A lock that another program
// holds is waited for, 5 seconds at most.
func database(path string, n int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

func (s *Store) prepare(ctx context.Context) error {
	for stmt, text := range map[**sql.Stmt]string{
		&s.stmts.touch:   `UPDATE life SET number = ?, clean = ?, boot = ?, saves = saves + 1, saved_at = ?, sent = ?`,
		&s.stmts.move:    `UPDATE checkpoint SET position = ?1, checksum = ?2 WHERE position <= ?1`,
		&s.stmts.start:   `INSERT INTO inflight (id, keys, data) VALUES (?, ?, ?)`,
		&s.stmts.end:     `DELETE FROM inflight WHERE id = ?`,
		&s.stmts.endAll:  `DELETE FROM inflight`,
		&s.stmts.settle:  `INSERT INTO settled (max_commit, entries, data) VALUES (?, ?, ?)`,
		&s.stmts.prune:   `DELETE FROM settled WHERE max_commit < ?`,
		&s.stmts.park:    parkSQL,
		&s.stmts.resolve: `DELETE FROM parked WHERE key = ?`,
		&s.stmts.discard: `INSERT OR IGNORE INTO discarded (key) VALUES (?)`,
		&s.stmts.regain:  `DELETE FROM discarded WHERE key = ?`,
		&s.stmts.quota:   `REPLACE INTO quota (id, day, calls, exhausted, starts) VALUES (1, ?, ?, ?, ?)`,
	} {
		var err error
		if *stmt, err = s.write.PrepareContext(ctx, text); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}

// Close empties SQLite's log into the file, closes it and gives up the lock.
// It saves nothing: an orderly end is a Save with Clean before it.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.close(); err != nil {
		return fmt.Errorf("close state file: %w", explain(err))
	}
	return nil
}

func (s *Store) close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.release())...)
}

// explain adds the next step to an error of SQLite.
func explain(err error) error {
	switch code(err) & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: free some space on its disk; saving goes on by itself then", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %s", err, remedyUnwritable)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: another program holds a write lock on the file; end it", err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %s", err, remedyDamaged)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%w: look at the disk and at the kernel's log, then start again", err)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %s", err, remedyUnwritable)
	}
	if errors.Is(err, errDamaged) {
		return fmt.Errorf("%w: %s", err, remedyDamaged)
	}
	return err
}

// code returns SQLite's extended result code, zero for an error that is not
// SQLite's.
func code(err error) int {
	var e interface { // *sqlite.Error, which tests cannot make
		error
		Code() int
	}
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
