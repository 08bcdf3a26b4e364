package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

// UniqueIndex is a unique index that is valid and has all rows.
type UniqueIndex struct {
	// Keys are what it has, in order: columns and expressions, as SQL writes
	// them.
	Keys []string `json:"keys"`
	// Deferrable is set when it is checked at the end of a statement or a
	// transaction, and not at every row.
	Deferrable bool `json:"deferrable"`
	// Young is set when it may have been made after the oldest change that the
	// slot still has to send.
	Young bool `json:"young"`
}

// KeyHolders is what the catalog knows of the rows that may hold a key.
type KeyHolders struct {
	Indexes []UniqueIndex `json:"indexes"`
	// Rows is the planner's estimate of the number of rows; -1 when the table
	// was never analysed.
	Rows float64 `json:"rows"`
	// Blind holds the columns whose type or collation takes different texts
	// for equal: citext, and collations that are not deterministic.
	Blind []string `json:"blind"`
	// Spelled holds the columns whose values may differ in case or trailing
	// blanks.
	Spelled []string `json:"spelled"`
}

// Apart reports whether an index keeps two rows from having the same values in
// the columns of a key, and whether one does so also for values that differ in
// case or trailing blanks alone. With always, only indexes count that held at
// every moment of what is still to come, also within a transaction; without it,
// those that hold at the end of every transaction from now on.
func (h *KeyHolders) Apart(key []string, always bool) (apart, spelled bool) {
	exact, folded := map[string]bool{}, map[string]bool{}
	for _, name := range key {
		for _, column := range []string{name, pgx.Identifier{name}.Sanitize()} {
			exact[column] = true
			for _, way := range []string{"lower(%s)", "upper(%s)", "lower(%s::text)", "upper(%s::text)",
				"lower(rtrim(%s))", "upper(rtrim(%s))", "lower(rtrim(%s::text))", "upper(rtrim(%s::text))"} {
				folded[strings.Replace(way, "%s", column, 1)] = true
			}
			if !h.Folds(name) {
				folded[column] = true
			}
		}
	}
	for _, index := range h.Indexes {
		if always && (index.Deferrable || index.Young) {
			continue
		}
		spells := !slices.ContainsFunc(index.Keys, func(key string) bool { return !folded[key] })
		spelled = spelled || spells
		apart = apart || spells || !slices.ContainsFunc(index.Keys, func(key string) bool { return !exact[key] && !folded[key] })
	}
	return apart, spelled
}

// Folds reports whether values of a column that PostgreSQL tells apart may
// differ in case or trailing blanks alone.
func (h *KeyHolders) Folds(column string) bool {
	return slices.Contains(h.Spelled, column) && !slices.Contains(h.Blind, column)
}

// holdersJSON takes the slot and the names of tables. The row of an index in
// the catalog is younger than a change of its definition: where it is no
// younger than what the slot keeps the catalog for, the index was the same for
// every change that is still to come.
const holdersJSON = `
SELECT COALESCE(pg_catalog.jsonb_agg(d.holders ORDER BY w.ord), '[]')
FROM pg_catalog.jsonb_array_elements($2::pg_catalog.jsonb) WITH ORDINALITY w(name, ord) LEFT JOIN LATERAL (
	SELECT pg_catalog.jsonb_build_object(
		'rows', c.reltuples,
		'blind', (SELECT pg_catalog.jsonb_agg(a.attname) FROM pg_catalog.pg_attribute a
			JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
				AND (t.typname = 'citext' OR NOT COALESCE(l.collisdeterministic, true))),
		'spelled', (SELECT pg_catalog.jsonb_agg(a.attname) FROM pg_catalog.pg_attribute a
			JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (t.typcategory IN ('S', 'E') OR t.oid >= 16384)),
		'indexes', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('keys',
				(SELECT pg_catalog.jsonb_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, true) ORDER BY k)
					FROM pg_catalog.generate_series(1, i.indnkeyatts) k),
				'deferrable', NOT i.indimmediate,
				'young', pg_catalog.age(i.xmin) < COALESCE((SELECT pg_catalog.age(s.catalog_xmin)
					FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1), 0)))
			FROM pg_catalog.pg_index i
			WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indpred IS NULL)) AS holders
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = w.name->>'schema' AND c.relname = w.name->>'name') d ON true`

// Holders looks at what keeps two rows of a table from holding one key. The
// answers are in the order of the names; nil for a table that does not exist.
func (c *Catalog) Holders(ctx context.Context, names []catalog.TableName) ([]*KeyHolders, error) {
	param, err := json.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("look at unique indexes: %w", err)
	}
	var holders []*KeyHolders
	if err := c.JSON(ctx, &holders, holdersJSON, c.Source.Slot, string(param)); err != nil {
		return nil, fmt.Errorf("look at unique indexes: %w", err)
	}
	return holders, nil
}
