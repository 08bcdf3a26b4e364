package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// looseLocale selects the locale of attribute a if its collation is not
// deterministic, else null. The column that holds it has had three names.
const looseLocale = `(SELECT COALESCE(pg_catalog.to_jsonb(l)->>'colllocale', pg_catalog.to_jsonb(l)->>'colliculocale', l.collcollate, 'und')
	FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic)`

// factsJSON takes OIDs of types as a JSON array and the OID of a relation.
// PostgreSQL 13 and later.
const factsJSON = `
WITH RECURSIVE wanted(oid) AS (
	SELECT w::oid FROM pg_catalog.jsonb_array_elements_text($1::jsonb) w
	UNION SELECT part.oid FROM wanted JOIN pg_catalog.pg_type t ON t.oid = wanted.oid
		CROSS JOIN LATERAL (VALUES (t.typbasetype), (CASE WHEN t.typoutput = 'pg_catalog.array_out'::regproc THEN t.typelem END)) part(oid)
	WHERE part.oid <> 0)
SELECT pg_catalog.jsonb_build_object(
	'types', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
			'oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype, 'base', t.typbasetype::bigint,
			'element', COALESCE(e.oid, 0)::bigint, 'delimiter', COALESCE(e.typdelim, ','),
			'citext', EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
				WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
					AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND x.extname = 'citext' AND t.typname = 'citext')))
		FROM wanted JOIN pg_catalog.pg_type t USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
		LEFT JOIN pg_catalog.pg_type e ON t.typoutput = 'pg_catalog.array_out'::regproc AND e.oid = t.typelem),
	'locales', (SELECT pg_catalog.jsonb_object_agg(a.attname, ` + looseLocale + `)
		FROM pg_catalog.pg_attribute a WHERE a.attrelid = $2::oid AND a.attnum > 0 AND NOT a.attisdropped AND ` + looseLocale + ` IS NOT NULL))`

// Facts asks the catalog what it knows of the types of a relation that the
// stream has described, in one question. named gives the names of types that
// are gone meanwhile.
func (c *Catalog) Facts(ctx context.Context, rel *pgoutput.Relation, named func(oid uint32) (pgoutput.TypeName, bool)) (*catalog.Facts, error) {
	f, err := askFacts(ctx, c.conn, rel.ID, rel.Columns)
	if err != nil {
		return nil, fmt.Errorf("read the types of %s.%s: %w", rel.Schema, rel.Name, err)
	}
	for _, column := range rel.Columns {
		if _, known := f.Types[column.Type]; known || column.Type < pgoutput.FixedOIDs {
			continue
		}
		if name, ok := named(column.Type); ok {
			if f.Named == nil {
				f.Named = make(map[uint32]pgoutput.TypeName)
			}
			f.Named[column.Type] = name
		}
	}
	return f, nil
}

func askFacts(ctx context.Context, conn *pgconn.PgConn, relation uint32, columns []pgoutput.Column) (*catalog.Facts, error) {
	oids := []uint32{}
	for _, column := range columns {
		if column.Type >= pgoutput.FixedOIDs {
			oids = append(oids, column.Type)
		}
	}
	wanted, err := json.Marshal(oids)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Types   []catalog.TypeFacts `json:"types"`
		Locales map[string]string   `json:"locales"`
	}
	if err := queryJSON(ctx, conn, &answer, factsJSON, string(wanted), strconv.FormatUint(uint64(relation), 10)); err != nil {
		return nil, err
	}
	f := &catalog.Facts{Types: make(map[uint32]catalog.TypeFacts, len(answer.Types)), Locales: answer.Locales}
	for _, t := range answer.Types {
		f.Types[t.OID] = t
	}
	return f, nil
}
