package rowread

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Session reads rows of tables by their keys. It is not for several goroutines
// at once. Close ends it.
type Session struct {
	*replication.Catalog
	conn *pgconn.PgConn
	// atOnce is how many writes are looked up at once; zero for firstAtOnce.
	atOnce int
	// looked is the table that a chunk was read of last, prepared the one of which the
	// server has a plan to look at; primary is set when it is known to be no standby.
	looked   looked
	prepared catalog.TableName
	primary  bool
}

// Open opens a session to read rows over.
func Open(ctx context.Context, source *replication.Source) (*Session, error) {
	session, err := source.Catalog(ctx)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return &Session{Catalog: session, conn: session.Conn()}, nil
}

// Snapshot is a table as of one moment, to read rows of. Its table is locked
// against changes of its definition until End, which must come before the
// Session begins another.
type Snapshot struct {
	Table catalog.Table
	// Relation describes the rows that are read: the columns asked for that
	// the table has, in the table's order, generated ones among them.
	Relation *pgoutput.Relation
	// Seen are the transactions whose changes the rows have.
	Seen pgoutput.Transactions

	session *Session
	conn    *pgconn.PgConn
	key     []keyColumn
	// Several asks for more than two rows of a key, MostRows at most, and with
	// Folded for all spellings even where a row has the key exactly: for a caller
	// to whom not every row counts.
	Several bool
	// whole asks for all rows that a query of the table has: those that the
	// publication leaves out, and those of tables that inherit from it.
	whole bool
	// filter is the publication's row filter as SQL; "" for none.
	filter string
	// fold is how Folded compares; the zero fold before it is asked for.
	fold fold
}

// Snapshot looks at a table and prepares to read rows by the values of the key
// columns. The rows have these columns, all of them when columns is nil. Rows that
// the row filter of the publication leaves out are not there, as in the stream;
// its column list is not looked at. Reading fails where row security would hide
// rows.
//
// The lock comes before the snapshot: an older snapshot would see an empty
// table behind an ALTER TABLE that rewrites it. It is the weakest there is,
// ACCESS SHARE, and is waited for no longer than Source.LockTimeout.
func (r *Session) Snapshot(ctx context.Context, name catalog.TableName, key, columns []string) (*Snapshot, error) {
	return r.snapshot(ctx, &Snapshot{session: r, conn: r.conn}, name, key, columns)
}

func (r *Session) snapshot(ctx context.Context, s *Snapshot, name catalog.TableName, key, columns []string) (*Snapshot, error) {
	if err := s.begin(ctx, name, key, columns); err != nil {
		return nil, errors.Join(fmt.Errorf("read rows of %s.%s: %w", name.Schema, name.Name, withRemedy(err)), s.End(ctx))
	}
	return s, nil
}

func (s *Snapshot) begin(ctx context.Context, name catalog.TableName, key, columns []string) error {
	if len(key) == 0 {
		return problem(replication.Unreadable, "no column to find rows by")
	}
	kind, err := s.session.kindOf(ctx, name)
	if err != nil {
		return err
	}
	results, err := s.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; "+
		"LOCK TABLE "+s.rowsOf(name, kind)+" IN ACCESS SHARE MODE; "+
		"SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text; "+flushedSQL).ReadAll()
	if err != nil {
		return err
	}
	if s.Seen, err = pgoutput.ParseTransactions(string(results[2].Rows[0][0])); err != nil {
		return err
	}
	if err := onDisk(&s.Seen, results[3].Rows); err != nil {
		return err
	}
	tables, err := s.session.Describe(ctx, []catalog.TableName{name})
	if err != nil {
		return err
	}
	s.Table = tables[0]
	if s.Table.Kind != kind {
		return problem(replication.Unavailable, "the table has just been replaced by another")
	}
	s.Relation = s.Table.Relation()
	if columns != nil {
		s.Relation.Columns = slices.DeleteFunc(s.Relation.Columns, func(c pgoutput.Column) bool { return !slices.Contains(columns, c.Name) })
	}
	if s.key, err = s.session.keyColumns(ctx, &s.Table, key); err != nil {
		return err
	}
	if !s.whole {
		if err := s.session.JSON(ctx, &s.filter, filterJSON, s.session.Source.Publication, name.Schema, name.Name); err != nil {
			return err
		}
	}
	return s.conn.Exec(ctx, "SAVEPOINT row").Close()
}

// withRemedy has the text of a server's error end with what to do.
func withRemedy(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return &replication.Error{Reason: replication.Diagnose(err), Err: err}
	}
	return err
}

// problem makes an error with a reason.
func problem(reason replication.Reason, text string, args ...any) error {
	return &replication.Error{Reason: reason, Err: fmt.Errorf(text, args...)}
}

// kindOf returns what a table is: "r", or "p" for a partitioned one.
func (r *Session) kindOf(ctx context.Context, table catalog.TableName) (string, error) {
	var kind string
	err := r.JSON(ctx, &kind, `SELECT to_jsonb(COALESCE((SELECT c.relkind::text FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2), ''))`, table.Schema, table.Name)
	switch {
	case err != nil:
		return "", fmt.Errorf("look up the table: %w", err)
	case kind == "":
		return "", problem(replication.TableMissing, "the table does not exist")
	case kind != "r" && kind != "p":
		return "", problem(replication.Unreadable, "it is not a table")
	}
	return kind, nil
}

// rowsOf names what holds a table's own rows, as the stream publishes them:
// those of its partitions, and not those of tables that inherit from it.
func rowsOf(name catalog.TableName, kind string) string {
	quoted := pgx.Identifier{name.Schema, name.Name}.Sanitize()
	if kind == "p" {
		return quoted
	}
	return "ONLY " + quoted
}

// rowsOf names what holds the rows that are asked for.
func (s *Snapshot) rowsOf(name catalog.TableName, kind string) string {
	if s.whole {
		return pgx.Identifier{name.Schema, name.Name}.Sanitize()
	}
	return rowsOf(name, kind)
}

// End ends the snapshot.
func (s *Snapshot) End(ctx context.Context) error {
	if s.conn.IsClosed() {
		return nil
	}
	return s.conn.Exec(ctx, "ROLLBACK").Close()
}

// sqlState is the code of a server's error; "" when it is none.
func sqlState(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}
