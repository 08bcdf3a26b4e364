package rowread

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// looked is what a look at a table for a chunk has found. It holds as long as the
// catalog rows that it comes from are the same ones.
type looked struct {
	name   catalog.TableName
	rows   string
	table  catalog.Table
	key    chunkKey
	filter string
	// atATime is how many rows came soon enough as one part; zero for not known.
	atATime int
}

func (c *Chunk) begin(ctx context.Context, name catalog.TableName, columns []string) error {
	r := c.session
	kind := r.looked.table.Kind
	if r.looked.name != name {
		var err error
		if kind, err = r.kindOf(ctx, name); err != nil {
			return err
		}
	}
	if err := r.replayed(ctx, &c.Snapshot); err != nil {
		return err
	}
	results, err := r.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; "+
		"LOCK TABLE "+rowsOf(name, kind)+" IN ACCESS SHARE MODE; "+
		"SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text; "+flushedSQL+"; "+r.catalogRowsAgain(name)).ReadAll()
	if err != nil {
		return err
	}
	if err := c.took(results); err != nil {
		return err
	}
	if err := c.look(ctx, name, kind, results[4].Rows); err != nil {
		return err
	}
	if err := r.prepare(ctx, name); err != nil {
		return err
	}
	c.Table, c.key, c.filter = r.looked.table, r.looked.key, r.looked.filter
	c.Key = c.key.names()
	c.Relation = c.Table.Relation()
	c.Relation.Columns = slices.DeleteFunc(c.Relation.Columns, func(col pgoutput.Column) bool {
		return !slices.Contains(columns, col.Name) && !slices.Contains(c.Key, col.Name)
	})
	for _, name := range c.Key {
		c.places = append(c.places, slices.IndexFunc(c.Relation.Columns, func(col pgoutput.Column) bool { return col.Name == name }))
	}
	return nil
}

// took takes the snapshot.
func (c *Chunk) took(results []*pgconn.Result) (err error) {
	if c.Snapshot.Transactions, err = pgoutput.ParseTransactions(string(results[2].Rows[0][0])); err != nil {
		return err
	}
	return onDisk(&c.Snapshot.Transactions, results[3].Rows)
}

// look finds out what the table is, as of the snapshot, unless that is known: found
// are the rows of the catalog that it comes from.
func (c *Chunk) look(ctx context.Context, name catalog.TableName, kind string, found [][][]byte) error {
	r, rows := c.session, ""
	if len(found) == 1 {
		rows = string(found[0][0])
	}
	if rows != "" && r.looked.name == name && r.looked.rows == rows {
		return nil
	}
	r.looked = looked{}
	tables, err := r.Describe(ctx, []catalog.TableName{name})
	if err != nil {
		return err
	}
	l := looked{name: name, rows: rows, table: tables[0]}
	switch {
	case l.table.Kind != kind:
		return problem(replication.Unavailable, "the table has just been replaced by another")
	case l.table.RowSecurityActive:
		return problem(replication.Privileges, "row security hides rows of the table from this role, and it would seem that they are not there; "+
			"as a superuser, run: ALTER ROLE … BYPASSRLS, or read as the owner of the table")
	}
	if l.key, err = r.chunkKey(ctx, &l.table); err != nil {
		return err
	}
	if err := r.JSON(ctx, &l.filter, filterJSON, r.Source.Publication, name.Schema, name.Name); err != nil {
		return err
	}
	r.looked = l
	return nil
}

// catalogRowsSQL asks which rows of the catalog describe an ordinary table, its
// columns, their types, its indexes, and its place in the publication: a row that
// was changed is another one. It finds none for a partitioned table, as those of its
// partitions count, too. Asking that is a twentieth of asking what they say.
func catalogRowsSQL(publication string, name catalog.TableName) string {
	literal := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
	rows := func(of, where string) string {
		return "(SELECT pg_catalog.string_agg(pg_catalog.concat(x.oid, ' ', x.xmin, ' ', x.ctid), ',' ORDER BY x.ctid) FROM pg_catalog." + of + " x WHERE " + where + ")"
	}
	return "SELECT pg_catalog.concat_ws('|', c.oid, c.xmin, c.ctid, pg_catalog.row_security_active(c.oid), " +
		strings.ReplaceAll(rows("pg_attribute", "x.attrelid = c.oid AND x.attnum > 0"), "x.oid", "x.attnum") + ", " +
		rows("pg_type", "x.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid)") + ", " +
		strings.ReplaceAll(rows("pg_index", "x.indrelid = c.oid"), "x.oid", "x.indexrelid") + ", " +
		rows("pg_class", "x.oid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)") + ", " +
		rows("pg_publication", "x.pubname = "+literal(publication)) + ", " +
		rows("pg_publication_rel", "x.prrelid = c.oid") + ") FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND c.oid = pg_catalog.to_regclass(" +
		literal(pgx.Identifier{name.Schema, name.Name}.Sanitize()) + ")"
}

// catalogRowsAgain is catalogRowsSQL, of which the server has made a plan where it was
// asked before: that takes it ten times as long as the answer.
func (r *Session) catalogRowsAgain(name catalog.TableName) string {
	if r.prepared == name {
		return "EXECUTE catalog_rows"
	}
	return catalogRowsSQL(r.Source.Publication, name)
}

// prepare has the server keep a plan for the next chunk of a table.
func (r *Session) prepare(ctx context.Context, name catalog.TableName) error {
	if r.prepared == name {
		return nil
	}
	err := r.conn.Exec(ctx, "DEALLOCATE ALL; PREPARE catalog_rows AS "+catalogRowsSQL(r.Source.Publication, name)).Close()
	if err == nil {
		r.prepared = name
	}
	return err
}

// forget has the next chunk look at its table anew.
func (r *Session) forget() { r.looked, r.prepared = looked{}, catalog.TableName{} }

// replayed asks a standby how far it is, before its snapshot is taken. A server that
// is none does not become one while a session of it lasts.
func (r *Session) replayed(ctx context.Context, s *backfill.Snapshot) error {
	if r.primary {
		return nil
	}
	var lsn *string
	if err := r.JSON(ctx, &lsn, "SELECT COALESCE(to_jsonb(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END), 'null')"); err != nil {
		return fmt.Errorf("ask for the place of the standby: %w", err)
	}
	if lsn == nil {
		r.primary = true
		return nil
	}
	var err error
	s.Standby = true
	s.Replayed, err = pgoutput.ParseLSN(*lsn)
	return err
}
