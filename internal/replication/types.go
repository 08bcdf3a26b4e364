package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// FixedOIDs is the lowest OID that PostgreSQL does not give to the same type
// in every database. Source: src/include/access/transam.h, FirstGenbkiObjectId.
const FixedOIDs = 10000

// TypeKind is pg_type.typtype.
type TypeKind string

const (
	BaseType       TypeKind = "b"
	CompositeType  TypeKind = "c"
	DomainType     TypeKind = "d"
	EnumType       TypeKind = "e"
	MultirangeType TypeKind = "m"
	RangeType      TypeKind = "r"
)

// TypeFacts is a type as the catalog describes it. Arrays are told by what writes
// their text, not by their names: a type may be called _mood and be none.
type TypeFacts struct {
	OID    uint32   `json:"oid"`
	Schema string   `json:"schema"`
	Name   string   `json:"name"`
	Kind   TypeKind `json:"kind"`
	// Base is the type that a domain is made from, 0 for all others.
	Base uint32 `json:"base"`
	// Element is the type of an array's elements, 0 for all others, and
	// Delimiter what stands between them.
	Element   uint32 `json:"element"`
	Delimiter string `json:"delimiter"`
	// Citext is set for the type of the extension of that name.
	Citext bool `json:"citext"`
}

// Facts is what is known of a relation beyond what describes it in the stream.
// The zero value and nil know the types that are the same in every database,
// and nothing else.
type Facts struct {
	// Types holds the other types of the columns, and all they are made from.
	Types map[uint32]TypeFacts
	// Named holds types that the catalog has no more, by the names that the
	// stream gave them; see TypeName.
	Named map[uint32]TypeName
	// Locales holds the columns whose collation takes texts for equal that
	// are not the same, with the locale that says which: ICU's.
	Locales map[string]string
}

// Type returns a type by its OID.
func (f *Facts) Type(oid uint32) (TypeFacts, bool) {
	if f == nil {
		return TypeFacts{}, false
	}
	t, ok := f.Types[oid]
	return t, ok
}

// Name returns the name of a type that only the stream knows.
func (f *Facts) Name(oid uint32) (TypeName, bool) {
	if f == nil {
		return TypeName{}, false
	}
	n, ok := f.Named[oid]
	return n, ok
}

// Locale returns the locale of a column that compares loosely, "" for others.
func (f *Facts) Locale(column string) string {
	if f == nil {
		return ""
	}
	return f.Locales[column]
}

// collatable holds the types of fixed OID whose values compare by a collation:
// name, text, bpchar, varchar.
var collatable = []uint32{19, 25, 1042, 1043}

// Plain reports whether there are no Facts of the relation to ask for: its
// types are the same in every database, and no key compares by a collation.
func (r *Relation) Plain() bool {
	return !slices.ContainsFunc(r.Columns, func(c Column) bool {
		return c.Type >= FixedOIDs || c.Key && slices.Contains(collatable, c.Type)
	})
}

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
func (c *Catalog) Facts(ctx context.Context, rel *Relation, named func(oid uint32) (TypeName, bool)) (*Facts, error) {
	f, err := askFacts(ctx, c.conn, rel.ID, rel.Columns)
	if err != nil {
		return nil, fmt.Errorf("read the types of %s.%s: %w", rel.Schema, rel.Name, err)
	}
	for _, column := range rel.Columns {
		if _, known := f.Types[column.Type]; known || column.Type < FixedOIDs {
			continue
		}
		if name, ok := named(column.Type); ok {
			if f.Named == nil {
				f.Named = make(map[uint32]TypeName)
			}
			f.Named[column.Type] = name
		}
	}
	return f, nil
}

func askFacts(ctx context.Context, conn *pgconn.PgConn, relation uint32, columns []Column) (*Facts, error) {
	oids := []uint32{}
	for _, column := range columns {
		if column.Type >= FixedOIDs {
			oids = append(oids, column.Type)
		}
	}
	wanted, err := json.Marshal(oids)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Types   []TypeFacts       `json:"types"`
		Locales map[string]string `json:"locales"`
	}
	if err := queryJSON(ctx, conn, &answer, factsJSON, string(wanted), strconv.FormatUint(uint64(relation), 10)); err != nil {
		return nil, err
	}
	f := &Facts{Types: make(map[uint32]TypeFacts, len(answer.Types)), Locales: answer.Locales}
	for _, t := range answer.Types {
		f.Types[t.OID] = t
	}
	return f, nil
}
