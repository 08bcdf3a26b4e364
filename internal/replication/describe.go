package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// TableName is a table's schema and name, as the catalog spells them.
type TableName struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

// String writes schema.name.
func (n TableName) String() string { return n.Schema + "." + n.Name }

// Table is a table as the catalog describes it.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Exists is unset when there is no such relation; all else is zero then.
	Exists bool `json:"-"`
	// OID is what the table is known by, whatever its name: the stream's
	// Relation.ID.
	OID uint32 `json:"oid"`
	// Kind is pg_class.relkind: "r" a table, "p" a partitioned table, others
	// cannot be published.
	Kind string `json:"kind"`
	// Persistence is pg_class.relpersistence; only "p" is in the WAL.
	Persistence string `json:"persistence"`
	// Identity is the replica identity, and IdentityColumns the columns that
	// it sends of an old row; none means that updates and deletes fail on the
	// server once they are published.
	Identity        Identity `json:"-"`
	IdentityColumns []string `json:"identity_columns"`
	PrimaryKey      []string `json:"primary_key"`
	// Unique holds the columns of every unique index that is valid, immediate
	// and without predicate or expression.
	Unique [][]string `json:"unique"`
	// OddPartitions are the partitions whose replica identity differs from
	// the table's: theirs counts.
	OddPartitions []string      `json:"odd_partitions"`
	Columns       []TableColumn `json:"columns"`
	// RowSecurity is set when the table has it; RowSecurityActive when it
	// applies to the role that asked, whose reads then fail.
	RowSecurity       bool `json:"row_security"`
	RowSecurityActive bool `json:"row_security_active"`
	// MayRead is set when the role may read every column.
	MayRead bool `json:"may_read"`
	// Rows is the planner's estimate of the number of rows; -1 when the table
	// was never analysed.
	Rows float64 `json:"rows"`
	// Types are those of the columns that are not the same in every database,
	// and all that they are made from.
	Types map[uint32]TypeFacts `json:"-"`
}

// TableColumn is one column of a Table.
type TableColumn struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	// Type is the OID of the column's type, Base that of its base type: they
	// differ for a domain.
	Type uint32 `json:"type"`
	Base uint32 `json:"base"`
	// BaseName is the name of the base type in pg_type, e.g. int8.
	BaseName string `json:"base_name"`
	// Formatted is the type as SQL writes it, e.g. character varying(20).
	Formatted string `json:"formatted"`
	Modifier  int32  `json:"modifier"`
	NotNull   bool   `json:"not_null"`
	// Generated is "s" for a stored generated column, "v" for a virtual one,
	// "" otherwise; the stream leaves generated columns out.
	Generated string `json:"generated"`
	// Storage is pg_attribute.attstorage: "p" is never TOASTed.
	Storage string `json:"storage"`
	// Enum is set when the base type is an enum.
	Enum bool `json:"enum"`
	// Array is set when the base type is an array.
	Array bool `json:"array"`
	// Locale is that of a collation that takes texts for equal that are not
	// the same, "" for all others.
	Locale string `json:"locale"`
}

// BuiltIn returns the name of the base type if it is one of PostgreSQL's own,
// else "": others may have the same name.
func (c *TableColumn) BuiltIn() string {
	if c.Base >= FixedOIDs {
		return ""
	}
	return c.BaseName
}

// Column returns the column of that name, nil when there is none.
func (t *Table) Column(name string) *TableColumn {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// UniqueOn reports whether a unique index has exactly these columns, in any
// order: then they identify a row.
func (t *Table) UniqueOn(columns ...string) bool {
	want := slices.Sorted(slices.Values(columns))
	for _, index := range t.Unique {
		if slices.Equal(slices.Sorted(slices.Values(index)), want) {
			return true
		}
	}
	return false
}

// indexColumns selects the key columns of index i of relation c, in order.
const indexColumns = `(SELECT jsonb_agg(a.attname ORDER BY k.ord)
	FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.ord <= i.indnkeyatts)`

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
	'identity_columns', CASE c.relreplident
		WHEN 'f' THEN (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
		ELSE (SELECT ` + indexColumns + ` FROM pg_index i WHERE i.indrelid = c.oid
			AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)) END,
	'primary_key', (SELECT ` + indexColumns + ` FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
	'unique', (SELECT jsonb_agg(` + indexColumns + ` ORDER BY i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid
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

// UnmarshalJSON reads one table of the answer; null leaves t as it is.
func (t *Table) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	type plain Table
	answer := struct {
		*plain
		Identity string `json:"identity"`
	}{plain: (*plain)(t)}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	if len(answer.Identity) != 1 {
		return fmt.Errorf("replica identity %q", answer.Identity)
	}
	t.Exists, t.Identity = true, Identity(answer.Identity[0])
	return nil
}

// Describe reads what the catalog says about a table, over a session of its
// own. A missing table is no error: its Exists is unset.
func (s *Source) Describe(ctx context.Context, schema, name string) (Table, error) {
	catalog, err := s.Catalog(ctx)
	if err != nil {
		return Table{}, fmt.Errorf("describe table %s.%s: %w", schema, name, err)
	}
	defer catalog.Close(ctx)
	tables, err := catalog.Describe(ctx, []TableName{{Schema: schema, Name: name}})
	if err != nil {
		return Table{}, err
	}
	return tables[0], nil
}

// DescribeOID reads what the catalog says about the table with this OID, over a
// session of its own. A table that is gone is no error: its Exists is unset.
func (s *Source) DescribeOID(ctx context.Context, oid uint32) (Table, error) {
	catalog, err := s.Catalog(ctx)
	if err != nil {
		return Table{}, fmt.Errorf("describe table with OID %d: %w", oid, err)
	}
	defer catalog.Close(ctx)
	var tables []Table
	if err := catalog.JSON(ctx, &tables, tablesByOID, fmt.Sprintf("[%d]", oid)); err != nil {
		return Table{}, fmt.Errorf("describe table with OID %d: %w", oid, err)
	}
	if len(tables) != 1 {
		return Table{}, fmt.Errorf("describe table with OID %d: %d answers", oid, len(tables))
	}
	return tables[0], nil
}

// Describe is Source.Describe for any number of tables. The answers are in the
// order of the names.
func (c *Catalog) Describe(ctx context.Context, names []TableName) ([]Table, error) {
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

func describe(ctx context.Context, conn *pgconn.PgConn, names []TableName) ([]Table, error) {
	wanted, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	var tables []Table
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
func describeTypes(ctx context.Context, conn *pgconn.PgConn, tables []Table) error {
	var columns []Column
	for i := range tables {
		for _, c := range tables[i].Columns {
			if c.Type >= FixedOIDs {
				columns = append(columns, Column{Type: c.Type})
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
