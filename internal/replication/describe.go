package replication

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// IndexColumns is SQL that selects the key columns of index i, in order.
const IndexColumns = `(SELECT jsonb_agg(a.attname ORDER BY k.ord)
	FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.ord <= i.indnkeyatts)`

// isIdentity is SQL that says whether index i is the replica identity of relation c.
const isIdentity = `(c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)`

// IdentityColumns is SQL for the columns of the replica identity of relation c, a
// row of pg_class: NULL for none.
const IdentityColumns = `CASE c.relreplident
		WHEN 'f' THEN (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
		ELSE (SELECT ` + IndexColumns + ` FROM pg_index i WHERE i.indrelid = c.oid AND ` + isIdentity + `) END`

// tablesByName takes the names as a JSON array, and returns one of the tables in
// their order: null for one that does not exist. It is one statement, because
// planning it takes the server longer than a look at a table, and is asked
// again every half minute.
const tablesByName = tablesJSON + `n.nspname = w.name->>'schema' AND c.relname = w.name->>'name') d ON true`

// tablesByOID takes the OIDs as a JSON array.
const tablesByOID = tablesJSON + `c.oid = (w.name #>> '{}')::oid) d ON true`

const tablesJSON = `
SELECT COALESCE(jsonb_agg(d.description ORDER BY w.ord), '[]')
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY w(name, ord) LEFT JOIN LATERAL (SELECT jsonb_build_object(
	'schema', n.nspname, 'name', c.relname, 'oid', c.oid::bigint, 'kind', c.relkind, 'persistence', c.relpersistence, 'identity', c.relreplident,
	'identity_columns', ` + IdentityColumns + `,
	'primary_key', (SELECT ` + IndexColumns + ` FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
	'unique', (SELECT jsonb_agg(` + IndexColumns + ` ORDER BY i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid
		AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL),
	'odd_partitions', (SELECT jsonb_agg(pt.relid::regclass::text ORDER BY pt.relid) FROM pg_partition_tree(c.oid) pt
		JOIN pg_class leaf ON leaf.oid = pt.relid WHERE pt.isleaf AND leaf.relreplident <> c.relreplident),
	'row_security', c.relrowsecurity, 'row_security_active', row_security_active(c.oid),
	'may_read', has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
	'rows', c.reltuples,
	'columns', (SELECT jsonb_agg(jsonb_build_object(
			'number', a.attnum, 'name', a.attname, 'type', a.atttypid::bigint, 'modifier', a.atttypmod,
			'base', b.oid::bigint, 'base_name', b.typname, 'enum', b.typtype = 'e', 'array', b.typoutput = 'pg_catalog.array_out'::regproc, 'locale', ` + looseLocale + `,
			'formatted', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
			'generated', a.attgenerated, 'storage', a.attstorage) ORDER BY a.attnum)
		FROM pg_attribute a JOIN pg_type own ON own.oid = a.atttypid
		JOIN pg_type b ON b.oid = CASE own.typbasetype WHEN 0 THEN own.oid ELSE (
			WITH RECURSIVE chain(oid) AS (SELECT own.typbasetype
			UNION ALL SELECT t.typbasetype FROM chain JOIN pg_type t ON t.oid = chain.oid WHERE t.typbasetype <> 0)
			SELECT chain.oid FROM chain JOIN pg_type t ON t.oid = chain.oid WHERE t.typbasetype = 0) END
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS description
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `

// Describe reads what the catalog says about a table, over a session of its
// own. A missing table is no error: its Exists is unset.
func (s *Source) Describe(ctx context.Context, schema, name string) (catalog.Table, error) {
	session, err := s.Catalog(ctx)
	if err != nil {
		return catalog.Table{}, fmt.Errorf("describe table %s.%s: %w", schema, name, err)
	}
	defer session.Close(ctx)
	tables, err := session.Describe(ctx, []catalog.TableName{{Schema: schema, Name: name}})
	if err != nil {
		return catalog.Table{}, err
	}
	return tables[0], nil
}

// DescribeOID reads what the catalog says about the table with this OID, over a
// session of its own. A table that is gone is no error: its Exists is unset.
func (s *Source) DescribeOID(ctx context.Context, oid uint32) (catalog.Table, error) {
	session, err := s.Catalog(ctx)
	if err != nil {
		return catalog.Table{}, fmt.Errorf("describe table with OID %d: %w", oid, err)
	}
	defer session.Close(ctx)
	var tables []catalog.Table
	if err := session.JSON(ctx, &tables, tablesByOID, fmt.Sprintf("[%d]", oid)); err != nil {
		return catalog.Table{}, fmt.Errorf("describe table with OID %d: %w", oid, err)
	}
	if len(tables) != 1 {
		return catalog.Table{}, fmt.Errorf("describe table with OID %d: %d answers", oid, len(tables))
	}
	return tables[0], nil
}

// Describe is Source.Describe for any number of tables. The answers are in the
// order of the names.
func (c *Catalog) Describe(ctx context.Context, names []catalog.TableName) ([]catalog.Table, error) {
	if len(names) == 0 {
		return nil, nil
	}
	tables, err := describe(ctx, c.conn, names)
	if err != nil && len(names) > 1 {
		return nil, fmt.Errorf("describe %d tables: %w", len(names), err)
	}
	if err != nil {
		return nil, fmt.Errorf("describe table %s.%s: %w", names[0].Schema, names[0].Name, err)
	}
	return tables, nil
}

func describe(ctx context.Context, conn *pgconn.PgConn, names []catalog.TableName) ([]catalog.Table, error) {
	wanted, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	var tables []catalog.Table
	if err := queryJSON(ctx, conn, &tables, tablesByName, string(wanted)); err != nil {
		return nil, err
	}
	if len(tables) != len(names) {
		return nil, fmt.Errorf("the catalog knows %d tables of %d names", len(tables), len(names))
	}
	for i, n := range names {
		tables[i].Schema, tables[i].Name = n.Schema, n.Name
	}
	return tables, describeTypes(ctx, conn, tables)
}

// describeTypes asks for the types of all columns at once, unless all are the
// same in every database.
func describeTypes(ctx context.Context, conn *pgconn.PgConn, tables []catalog.Table) error {
	var columns []pgoutput.Column
	for i := range tables {
		for _, c := range tables[i].Columns {
			if c.Type >= pgoutput.FixedOIDs {
				columns = append(columns, pgoutput.Column{Type: c.Type})
			}
		}
	}
	if columns == nil {
		return nil
	}
	facts, err := askFacts(ctx, conn, 0, columns)
	if err != nil {
		return err
	}
	for i := range tables {
		tables[i].Types = facts.Types
	}
	return nil
}
