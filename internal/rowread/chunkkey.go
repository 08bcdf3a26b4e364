package rowread

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// chunkKey is a unique index by which a table can be read in parts.
type chunkKey struct {
	Index   string        `json:"index"`
	Primary bool          `json:"primary"`
	Columns []chunkColumn `json:"columns"`
	// Faults says why it cannot be used, in words; none where it can.
	Faults []string `json:"faults"`
}

// chunkColumn is a column of the index, and how the index orders it. Names are
// qualified, as in keyColumn.
type chunkColumn struct {
	Name string `json:"name"`
	// Type is the base type. Domain is set where the column's own type is made
	// from it: operators of enums, ranges, arrays and composites do not take one.
	Type   string `json:"type"`
	Domain bool   `json:"domain"`
	// Collation is that of the index where the column has another one.
	Collation string `json:"collation"`
	// Equal, After, From and Before are the operators of the index's own class,
	// in the order of the index: From is After or equal.
	Equal  string `json:"equal"`
	After  string `json:"after"`
	From   string `json:"from"`
	Before string `json:"before"`
}

// chunkKeysJSON takes a table's OID as text and returns its unique indexes, the
// primary key first. Strategies of a btree: 1 <, 2 <=, 3 =, 4 >=, 5 >.
const chunkKeysJSON = `
SELECT COALESCE(jsonb_agg(jsonb_build_object('index', x.relname, 'primary', i.indisprimary,
	'faults', to_jsonb(array_remove(ARRAY[
		CASE WHEN NOT i.indimmediate THEN 'it is deferrable' END,
		CASE WHEN NOT (i.indisvalid AND i.indisready) THEN 'it is not valid' END,
		CASE WHEN i.indpred IS NOT NULL THEN 'it covers a part of the rows only' END,
		CASE WHEN i.indexprs IS NOT NULL THEN 'it has an expression' END,
		CASE WHEN am.amname <> 'btree' THEN 'it is no btree' END,
		CASE WHEN EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE k.ord <= i.indnkeyatts AND NOT a.attnotnull) THEN 'a column of it may be null' END], NULL)),
	'columns', (SELECT jsonb_agg(jsonb_build_object('name', a.attname,
			'type', quote_ident(tn.nspname) || '.' || quote_ident(b.typname), 'domain', own.typtype = 'd',
			'collation', CASE WHEN k.coll NOT IN (0, a.attcollation) THEN (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname)
				FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = k.coll) ELSE '' END,
			'equal', ` + strategy + `3), 'after', ` + strategy + `CASE WHEN k.down THEN 1 ELSE 5 END),
			'from', ` + strategy + `CASE WHEN k.down THEN 2 ELSE 4 END), 'before', ` + strategy + `CASE WHEN k.down THEN 5 ELSE 1 END)) ORDER BY k.ord)
		FROM (SELECT attnum, ord, class, coll, option & 1 = 1 AS down FROM ROWS FROM (unnest(i.indkey::int2[]), unnest(i.indclass::oid[]), unnest(i.indcollation::oid[]), unnest(i.indoption::int2[]))
			WITH ORDINALITY k(attnum, class, coll, option, ord) WHERE ord <= i.indnkeyatts) k
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		JOIN pg_type own ON own.oid = a.atttypid
		JOIN pg_type b ON b.oid = CASE own.typbasetype WHEN 0 THEN own.oid ELSE (
			WITH RECURSIVE chain(oid) AS (SELECT own.typbasetype
			UNION ALL SELECT t.typbasetype FROM chain JOIN pg_type t ON t.oid = chain.oid WHERE t.typbasetype <> 0)
			SELECT chain.oid FROM chain JOIN pg_type t ON t.oid = chain.oid WHERE t.typbasetype = 0) END
		JOIN pg_namespace tn ON tn.oid = b.typnamespace
		JOIN pg_opclass oc ON oc.oid = k.class)) ORDER BY i.indisprimary DESC, i.indexrelid), '[]')
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam
WHERE i.indrelid = $1::oid AND i.indisunique`

const strategy = `(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')' FROM pg_amop p
	JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
	WHERE p.amopfamily = oc.opcfamily AND p.amoplefttype = oc.opcintype AND p.amoprighttype = oc.opcintype AND p.amopstrategy = `

// oddPartitionsJSON takes a table's OID and a list of replica identities, and
// returns the partitions that have another one.
const oddPartitionsJSON = `SELECT COALESCE(jsonb_agg(t.relid::regclass::text ORDER BY t.relid), '[]')
	FROM pg_partition_tree($1::oid::regclass) t JOIN pg_class c ON c.oid = t.relid
	WHERE t.isleaf AND NOT c.relreplident = ANY ($2::"char"[])`

// chunkKey chooses the index to read a table by: one that tells rows apart at
// once, and whose columns the stream has of every old row.
func (r *Session) chunkKey(ctx context.Context, t *catalog.Table) (chunkKey, error) {
	var keys []chunkKey
	if err := r.JSON(ctx, &keys, chunkKeysJSON, strconv.FormatUint(uint64(t.OID), 10)); err != nil {
		return chunkKey{}, fmt.Errorf("look for a key: %w", err)
	}
	for i := range keys {
		k := &keys[i]
		if slices.ContainsFunc(k.Columns, func(c chunkColumn) bool { return !tells(t, c.Name) }) {
			k.Faults = append(k.Faults, "the replica identity lacks a column of it")
		}
		if slices.ContainsFunc(k.Columns, func(c chunkColumn) bool { return c.After == "" || c.Before == "" || c.From == "" || c.Equal == "" }) {
			k.Faults = append(k.Faults, "its type has no order")
		}
	}
	usable := slices.IndexFunc(keys, func(k chunkKey) bool { return len(k.Faults) == 0 })
	if usable < 0 {
		return chunkKey{}, problem(replication.Unreadable, "%s", noChunkKey(keys))
	}
	key := keys[usable]
	return key, r.partitionsTell(ctx, t, key)
}

// tells reports whether the stream has a column of every old row, or has none of
// any: then no row is changed, as the server refuses it.
func tells(t *catalog.Table, column string) bool {
	return silent(t) || slices.Contains(t.IdentityColumns, column)
}

func silent(t *catalog.Table) bool {
	return t.Identity == pgoutput.IdentityNothing || len(t.IdentityColumns) == 0
}

// partitionsTell checks the same of partitions, whose own replica identity counts.
func (r *Session) partitionsTell(ctx context.Context, t *catalog.Table, key chunkKey) error {
	if t.Kind != "p" || silent(t) {
		return nil
	}
	fits := []string{string(pgoutput.IdentityFull), string(t.Identity)}
	if key.Primary {
		fits = append(fits, string(pgoutput.IdentityDefault))
	} else if t.Identity == pgoutput.IdentityFull {
		fits = fits[:1]
	}
	var odd []string
	if err := r.JSON(ctx, &odd, oddPartitionsJSON, strconv.FormatUint(uint64(t.OID), 10), "{"+strings.Join(fits, ",")+"}"); err != nil {
		return fmt.Errorf("look at the partitions: %w", err)
	}
	if len(odd) > 0 {
		return problem(replication.Unreadable, "the replica identity of partition %s does not have the key (%s) of the table; give it that of the table: ALTER TABLE %s REPLICA IDENTITY …",
			odd[0], strings.Join(key.names(), ", "), odd[0])
	}
	return nil
}

// noChunkKey says why a table cannot be read in parts, and what is possible.
func noChunkKey(keys []chunkKey) string {
	var b strings.Builder
	b.WriteString("the table cannot be read in parts beside its changes: that takes a primary key, or a unique index that is not deferrable, covers all rows, has no expression, " +
		"and whose columns are NOT NULL and in the replica identity")
	for _, k := range keys {
		fmt.Fprintf(&b, "; %s: %s", k.Index, strings.Join(k.Faults, ", "))
	}
	b.WriteString(". Add a primary key, or make an index such and set it as the replica identity; " +
		"or leave out the backfill, and send rows by updating them (UPDATE … SET column = column, a few thousand at a time)")
	return b.String()
}

func (k *chunkKey) names() (names []string) {
	for _, c := range k.Columns {
		names = append(names, c.Name)
	}
	return names
}

// column is a column of the row as the operators take it, value parameter n of
// its type.
func (c *chunkColumn) column() string {
	s := "t." + pgx.Identifier{c.Name}.Sanitize()
	if c.Domain {
		s += "::" + c.Type
	}
	if c.Collation != "" {
		s += " COLLATE " + c.Collation
	}
	return s
}

func (c *chunkColumn) value(n int) string {
	return "$" + strconv.Itoa(n) + "::pg_catalog.text::" + c.Type
}

// order is the ORDER BY of the index, or the other way round.
func (k *chunkKey) order(backwards bool) string {
	var by []string
	for i := range k.Columns {
		c := &k.Columns[i]
		operator := c.Before
		if backwards {
			operator = c.After
		}
		by = append(by, c.column()+" USING "+operator)
	}
	return strings.Join(by, ", ")
}

// after is the condition that a row comes behind the key in the parameters that
// follow these many: a comparison of rows where one operator does for all columns,
// which an index is good for as a whole.
func (k *chunkKey) after(parameters int) string {
	same := !slices.ContainsFunc(k.Columns, func(c chunkColumn) bool { return c.After != k.Columns[0].After })
	first := &k.Columns[0]
	if len(k.Columns) == 1 {
		return first.column() + " " + first.After + " " + first.value(parameters+1)
	}
	if same {
		var columns, values []string
		for i := range k.Columns {
			columns, values = append(columns, k.Columns[i].column()), append(values, k.Columns[i].value(parameters+i+1))
		}
		return "ROW(" + strings.Join(columns, ", ") + ") " + first.After + " ROW(" + strings.Join(values, ", ") + ")"
	}
	condition := ""
	for i := len(k.Columns) - 1; i >= 0; i-- {
		c := &k.Columns[i]
		own := c.column() + " " + c.After + " " + c.value(parameters+i+1)
		if condition != "" {
			own = "(" + own + " OR " + c.column() + " " + c.Equal + " " + c.value(parameters+i+1) + " AND " + condition + ")"
		}
		condition = own
	}
	return first.column() + " " + first.From + " " + first.value(parameters+1) + " AND " + condition
}
