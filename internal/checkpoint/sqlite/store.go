package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/boot"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Store is the durable state: one SQLite file in WAL mode, mode 0600, with one
// writing process at a time. People may read it with the sqlite3 shell while
// it is in use. Its methods may be called from several goroutines; saves take
// turns.
type Store struct {
	path string
	file fs.FileInfo // of path as it was opened
	boot string
	lock *lock
	// read is apart from write so that listing parked objects does not wait
	// for saves, nor they for it.
	read *sql.DB
	from int64 // the version it was migrated from; 0 for none

	mu     sync.Mutex // guards all below
	pool   *sql.DB    // has write alone
	write  *sql.Conn  // one connection, so that its PRAGMAs hold
	stmts  statements
	known  known
	spare  *calls // to make the next known.calls in
	begun  bool   // whether this process has saved
	ended  bool   // whether its last save was that of an orderly end
	full   bool   // whether commits are synced now
	grown  int    // bytes written to the log since it was last emptied, about
	buf    []byte
	broken error
}

// known is what the store remembers of its file, as of the last save. The
// next one is made from it, and takes its place when it is committed.
type known struct {
	ck    *checkpoint.Checkpoint
	sent  pgoutput.Position
	life  int64  // lives count from 1
	calls *calls // in flight
	// oldest is below or at the first max_commit of the table settled;
	// noneSettled when that is empty.
	oldest int64
	// settledTo is the position of the table settled_to; noneSettled when that
	// is empty.
	settledTo int64
}

const noneSettled = math.MaxInt64

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
	s, err := open(ctx, path, boot.ID())
	if err != nil {
		return nil, fmt.Errorf("open state file %s: %w", path, explain(err))
	}
	return s, nil
}

func open(ctx context.Context, path, boot string) (*Store, error) {
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
	s := &Store{path: path, boot: boot, lock: l, spare: &calls{}, full: true}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// connect opens the database, checks it and reads what Save needs to know.
func (s *Store) connect(ctx context.Context) error {
	var err error
	if s.pool, err = database(s.path, 1, "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)", "wal_autocheckpoint(0)"); err != nil {
		return err
	}
	if s.write, err = s.pool.Conn(ctx); err != nil {
		return err
	}
	if err := s.writeLogAnew(ctx); err != nil {
		return err
	}
	if s.from, err = checkSchema(ctx, s.write, s.path); err != nil {
		return err
	}
	if s.read, err = database(s.path, 2, "query_only(1)"); err != nil {
		return err
	}
	if s.known, err = loadKnown(ctx, s.write, s.boot); err != nil {
		return err
	}
	if s.file, err = os.Stat(s.path); err != nil {
		return err
	}
	s.grown = leftLog(s.path)
	return s.prepare(ctx)
}

func loadKnown(ctx context.Context, db querier, boot string) (known, error) {
	r, err := loadRow(ctx, db, boot)
	if err != nil {
		return known{}, err
	}
	k := known{ck: r.ck, sent: r.sent, life: r.life}
	if k.calls, err = writeCalls(r.calls); err != nil {
		return known{}, fmt.Errorf("inflight: %w", err)
	}
	if err := db.QueryRowContext(ctx, oldestSQL, int64(noneSettled)).Scan(&k.oldest); err != nil {
		return known{}, fmt.Errorf("settled: %w", err)
	}
	if err := db.QueryRowContext(ctx, settledToSQL, int64(noneSettled)).Scan(&k.settledTo); err != nil {
		return known{}, fmt.Errorf("settled to: %w", err)
	}
	return k, nil
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

// Migrated returns the version of the file that Open brought up to this
// release's, and where a copy of it as it was is kept; false when it did not.
func (s *Store) Migrated() (from, to int64, kept string, ok bool) {
	return s.from, schemaVersion, copyPath(s.path, s.from), s.from != 0
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
	errs := []error{s.stmts.close()}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	for _, db := range []*sql.DB{s.read, s.pool} {
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
