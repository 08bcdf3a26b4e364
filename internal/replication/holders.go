package replication

import (
	"context"
	"encoding/json"
	"fmt"
)

// UniqueIndex is a unique index that is full, valid and checked at every row,
// not at the end of a statement or transaction, and was made before the oldest
// change that the slot still has to send.
type UniqueIndex struct {
	// Keys are what it has, in order: columns and expressions, as SQL writes
	// them.
	Keys []string `json:"keys"`
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
					FROM pg_catalog.generate_series(1, i.indnkeyatts) k)))
			FROM pg_catalog.pg_index i
			WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate AND i.indpred IS NULL
				AND pg_catalog.age(i.xmin) >= COALESCE((SELECT pg_catalog.age(s.catalog_xmin)
					FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1), 0))) AS holders
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = w.name->>'schema' AND c.relname = w.name->>'name') d ON true`

// Holders looks at what keeps two rows of a table from holding one key. The
// answers are in the order of the names; nil for a table that does not exist.
func (c *Catalog) Holders(ctx context.Context, names []TableName) ([]*KeyHolders, error) {
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
