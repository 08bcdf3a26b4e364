package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// View is what the catalog says of the mapped tables at one moment.
type View struct {
	// Tables are those that exist, in the order of the set.
	Tables []Table
	// Names are the present names of relations that were asked for by OID; one
	// that is gone has none.
	Names map[uint32]string
}

// publishedSchemas is the version of PostgreSQL that brought publications of
// whole schemas.
const publishedSchemas = 150000

// lookSQL takes the publication, the names of the mapped tables and known OIDs
// as JSON. It locks no table but partitions that nothing has counted yet, for a
// moment each.
const lookSQL = `
WITH RECURSIVE publication AS (SELECT * , xmin FROM pg_publication WHERE pubname = $1),
mapped AS (SELECT w.ord, c.oid, c.relname, c.relfilenode, c.relpersistence, n.oid AS schema, n.nspname
	FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY w(name, ord)
	JOIN pg_namespace n ON n.nspname = w.name->>'schema' JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name->>'name'),
above AS (SELECT oid AS mapped, oid FROM mapped
	UNION SELECT a.mapped, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid JOIN pg_class c ON c.oid = a.oid WHERE c.relispartition),
below AS (SELECT oid AS mapped, oid, NULL::xid AS since FROM mapped
	UNION ALL SELECT b.mapped, i.inhrelid, i.xmin FROM below b JOIN pg_inherits i ON i.inhparent = b.oid JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relispartition),
members AS MATERIALIZED (SELECT a.mapped, r.oid FROM above a JOIN pg_publication_rel r ON r.prrelid = a.oid JOIN publication p ON p.oid = r.prpubid
	UNION SELECT m.oid, p.oid FROM mapped m, publication p WHERE p.puballtables{{schemas}})
SELECT jsonb_build_object(
	'names', (SELECT jsonb_object_agg(c.oid::text, n.nspname || '.' || c.relname) FROM jsonb_array_elements_text($3::jsonb) k
		JOIN pg_class c ON c.oid = k::oid JOIN pg_namespace n ON n.oid = c.relnamespace),
	'tables', (SELECT jsonb_agg(jsonb_build_object('schema', m.nspname, 'name', m.relname, 'oid', m.oid::bigint, 'filenode', m.relfilenode::bigint,
		'publication', (SELECT p.oid::text || '/' || p.xmin::text FROM publication p),
		'owner', (SELECT p.pubowner::text FROM publication p),
		'publishes', (SELECT (to_jsonb(p) - ARRAY['oid', 'xmin', 'pubname', 'pubowner'])::text FROM publication p),
		'unlogged', m.relpersistence = 'u',
		'members', (SELECT jsonb_agg(x.oid::bigint ORDER BY x.oid) FROM members x WHERE x.mapped = m.oid),
		'columns', (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
				'parts', CASE WHEN a.atttypid >= 16384 THEN ` + partsSQL + ` END) ORDER BY a.attnum)
			FROM pg_attribute a WHERE a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped),
		'leaves', (SELECT jsonb_agg(jsonb_build_object('name', ln.nspname || '.' || l.relname, 'oid', l.oid::bigint, 'filenode', l.relfilenode::bigint,
				'rows', CASE WHEN l.relpages > 0 OR pg_stat_get_live_tuples(l.oid) > 0 THEN true ELSE coalesce(pg_relation_size(l.oid), 0) > 0 END,
				'fresh', l.relpages = 0 AND l.reltuples <= 0, 'unlogged', l.relpersistence = 'u',
				'attached', t.xmin::text <> b.since::text) ORDER BY l.oid)
			FROM below b JOIN pg_class l ON l.oid = b.oid JOIN pg_namespace ln ON ln.oid = l.relnamespace JOIN pg_type t ON t.oid = l.reltype
			WHERE b.mapped = m.oid AND b.oid <> m.oid AND l.relkind IN ('r', 'f'))) ORDER BY m.ord) FROM mapped m))`

// partsSQL tells what the texts of column a's type are made from, as far as
// ALTER TYPE can change it: every value of the type has another text then.
const partsSQL = `(WITH RECURSIVE made(oid) AS (SELECT a.atttypid UNION SELECT x.oid FROM made JOIN pg_type t ON t.oid = made.oid CROSS JOIN LATERAL (
		SELECT t.typbasetype UNION ALL SELECT t.typelem UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
		UNION ALL SELECT o.atttypid FROM pg_attribute o WHERE t.typtype = 'c' AND o.attrelid = t.typrelid AND o.attnum > 0 AND NOT o.attisdropped) x(oid))
	SELECT jsonb_object_agg(part, value) FROM (
		SELECT 'label ' || e.oid, e.enumlabel::text FROM made JOIN pg_enum e ON e.enumtypid = made.oid
		UNION ALL SELECT 'attribute ' || t.oid || '.' || o.attnum, o.atttypid::text FROM made JOIN pg_type t ON t.oid = made.oid
			JOIN pg_attribute o ON t.typtype = 'c' AND o.attrelid = t.typrelid AND o.attnum > 0 AND NOT o.attisdropped) p(part, value))`

const schemasSQL = `
	UNION SELECT a.mapped, s.oid FROM above a JOIN pg_class c ON c.oid = a.oid JOIN pg_publication_namespace s ON s.pnnspid = c.relnamespace
		JOIN publication p ON p.oid = s.pnpubid`

// Look asks the catalog about the tables of a set, and for the names of those
// in known.
func Look(ctx context.Context, session *replication.Catalog, version int, set *mapping.Set, known []Table) (View, error) {
	view, err := look(ctx, session, version, set, known)
	if err != nil {
		return View{}, fmt.Errorf("look at the mapped tables: %w", err)
	}
	return view, nil
}

func look(ctx context.Context, session *replication.Catalog, version int, set *mapping.Set, known []Table) (View, error) {
	names := set.TableNames()
	oids := []string{}
	for _, t := range known {
		oids = append(oids, strconv.FormatUint(uint64(t.OID), 10))
	}
	wanted, err := json.Marshal(names)
	if err != nil {
		return View{}, err
	}
	asked, err := json.Marshal(oids)
	if err != nil {
		return View{}, err
	}
	schemas := ""
	if version >= publishedSchemas {
		schemas = schemasSQL
	}
	var answer struct {
		Names  map[string]string `json:"names"`
		Tables []Table           `json:"tables"`
	}
	sql := strings.Replace(lookSQL, "{{schemas}}", schemas, 1)
	if err := session.JSON(ctx, &answer, sql, session.Source.Publication, string(wanted), string(asked)); err != nil {
		return View{}, err
	}
	view := View{Tables: answer.Tables, Names: make(map[uint32]string)}
	for text, name := range answer.Names {
		oid, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return View{}, err
		}
		view.Names[uint32(oid)] = name
	}
	for i := range view.Tables {
		view.Tables[i].adopt(set)
	}
	return view, nil
}
