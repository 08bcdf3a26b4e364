package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// facts is what the catalog knows beyond replication.Server and
// catalog.Table.
type facts struct {
	// Settings holds some settings as SHOW has them; those that the server's
	// version lacks are missing.
	Settings map[string]string `json:"settings"`
	// MayCreate is set when the role may create in the database.
	MayCreate bool `json:"may_create"`
	// Physical names the physical replication slots: a standby may use them.
	Physical []string `json:"physical"`
	// Walsenders is who streams from the server.
	Walsenders walsenders `json:"walsenders"`
	// Members are the tables that the publication names one by one.
	Members []named `json:"members"`
	// Writers are transactions that have written and are open for long: a
	// slot is created only after their end.
	Writers []writer `json:"writers"`
	// Tables are the mapped tables that exist.
	Tables []tableFacts `json:"tables"`
	// Names are tables of the database, at most 5,000, as schema.name.
	Names []string `json:"names"`
}

type named struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
}

type writer struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

type tableFacts struct {
	named
	// Owned is set when the role has the rights of the owner.
	Owned bool `json:"owned"`
	// Ancestors are the partitioned tables it is a partition of.
	Ancestors []named `json:"ancestors"`
	// Leaves are the partitions that hold its rows.
	Leaves []leaf `json:"leaves"`
	// Indexes are those that may serve as the replica identity.
	Indexes []index `json:"indexes"`
	// Filter are the columns that the publication's row filter asks about, Listed
	// those of its column list; nil without one.
	Filter []string `json:"filter"`
	Listed []string `json:"listed"`
	// Heirs are the tables that inherit from it without being partitions: their
	// rows are rows of it in a query, and not in the stream.
	Heirs []string `json:"heirs"`
	// PartitionKey are the columns that it is partitioned by.
	PartitionKey []string `json:"partition_key"`
	// PartitionedByExpression is set when it is partitioned by more than columns.
	PartitionedByExpression bool `json:"partitioned_by_expression"`
}

// leaf is a partition, with what it sends of an old row.
type leaf struct {
	named
	Persistence string   `json:"persistence"`
	Identity    []string `json:"identity"`
	Indexes     []index  `json:"indexes"`
}

// index is unique, immediate, without predicate or expression, over columns
// that are not null.
type index struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Primary bool     `json:"primary"`
}

// identityIndexes selects the indexes of relation r that may be its identity.
const identityIndexes = `(SELECT jsonb_agg(jsonb_build_object('name', x.relname, 'columns', ` + replication.IndexColumns + `, 'primary', i.indisprimary)
		ORDER BY i.indisprimary DESC, x.relname)
	FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
	WHERE i.indrelid = r.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
		AND i.indpred IS NULL AND i.indexprs IS NULL
		AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE k.ord <= i.indnkeyatts AND NOT a.attnotnull))`

// memberOf is the publication's row of relation r, as JSON: older versions know
// neither filter nor list.
const memberOf = `FROM (SELECT to_jsonb(pr) AS row FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid
	WHERE p.pubname = $1 AND pr.prrelid = r.oid) m`

// factsSQL takes the publication, the mapped tables as JSON, how long a
// transaction is open before it is worth a word, and the slot. It runs as any role on PostgreSQL 13 and later.
const factsSQL = `
SELECT jsonb_build_object(
	'settings', (SELECT jsonb_object_agg(name, current_setting(name)) FROM pg_settings WHERE name IN (
		'max_slot_wal_keep_size', 'idle_replication_slot_timeout', 'max_replication_slots', 'max_wal_senders',
		'synchronized_standby_slots', 'synchronous_standby_names')),
	'walsenders', ` + walsendersSQL + `,
	'may_create', has_database_privilege(current_database(), 'CREATE'),
	'physical', (SELECT jsonb_agg(slot_name ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'),
	'members', (SELECT jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname, 'kind', c.relkind) ORDER BY n.nspname, c.relname)
		FROM pg_publication p JOIN pg_publication_rel m ON m.prpubid = p.oid
		JOIN pg_class c ON c.oid = m.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = $1),
	'writers', (SELECT jsonb_agg(w ORDER BY w.since) FROM (
		SELECT 'process ' || pid || COALESCE(' of user ' || usename, '') AS name, xact_start AS since FROM pg_stat_activity
			WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start <= now() - $3::interval
		UNION ALL SELECT 'prepared transaction ' || gid, prepared FROM pg_prepared_xacts
			WHERE prepared <= now() - $3::interval ORDER BY since LIMIT 5) w),
	'names', (SELECT jsonb_agg(name) FROM (SELECT n.nspname || '.' || c.relname AS name
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		ORDER BY n.nspname, c.relname LIMIT 5000) t),
	'tables', (SELECT jsonb_agg(jsonb_build_object(
			'schema', n.nspname, 'name', r.relname, 'kind', r.relkind, 'owned', pg_has_role(r.relowner, 'USAGE'),
			'indexes', ` + identityIndexes + `,
			'filter', (SELECT jsonb_agg(DISTINCT a.attname) ` + memberOf + `, regexp_matches(m.row->>'prqual', ':varattno ([0-9]+)', 'g') v(found)
				JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = v.found[1]::int),
			'listed', (SELECT jsonb_agg(a.attname ORDER BY a.attnum) ` + memberOf + `, jsonb_array_elements_text(
					CASE WHEN jsonb_typeof(m.row->'prattrs') = 'array' THEN m.row->'prattrs' END) v(listed)
				JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = v.listed::int),
			'heirs', (WITH RECURSIVE heir AS (SELECT i.inhrelid AS oid FROM pg_inherits i WHERE i.inhparent = r.oid
					UNION SELECT i.inhrelid FROM pg_inherits i JOIN heir ON i.inhparent = heir.oid)
				SELECT jsonb_agg(hn.nspname || '.' || h.relname ORDER BY hn.nspname, h.relname) FROM heir
				JOIN pg_class h ON h.oid = heir.oid JOIN pg_namespace hn ON hn.oid = h.relnamespace WHERE NOT h.relispartition),
			'partitioned_by_expression', EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = r.oid AND p.partexprs IS NOT NULL),
			'partition_key', (SELECT jsonb_agg(a.attname ORDER BY k.ord) FROM pg_partitioned_table p
				CROSS JOIN unnest(p.partattrs::int2[]) WITH ORDINALITY k(attnum, ord)
				JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum WHERE p.partrelid = r.oid),
			'ancestors', (SELECT jsonb_agg(jsonb_build_object('schema', an.nspname, 'name', a.relname, 'kind', a.relkind))
				FROM pg_partition_ancestors(r.oid) u JOIN pg_class a ON a.oid = u.relid
				JOIN pg_namespace an ON an.oid = a.relnamespace WHERE a.oid <> r.oid),
			'leaves', (SELECT jsonb_agg(l.leaf ORDER BY l.oid) FROM (
				SELECT r.oid, jsonb_build_object('schema', n.nspname, 'name', r.relname, 'kind', r.relkind, 'persistence', r.relpersistence,
					'identity', (SELECT ` + replication.IdentityColumns + ` FROM pg_class c WHERE c.oid = r.oid), 'indexes', ` + identityIndexes + `) AS leaf
				FROM pg_partition_tree(mapped.oid) t JOIN pg_class r ON r.oid = t.relid JOIN pg_namespace n ON n.oid = r.relnamespace
				WHERE t.isleaf AND r.oid <> mapped.oid) l))
			ORDER BY n.nspname, r.relname)
		FROM (SELECT c.oid FROM jsonb_array_elements($2::jsonb) w
			JOIN pg_namespace s ON s.nspname = w->>'schema' JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = w->>'name') mapped
		JOIN pg_class r ON r.oid = mapped.oid JOIN pg_namespace n ON n.oid = r.relnamespace))`

// readFacts asks for the facts in one statement.
func readFacts(ctx context.Context, session *replication.Catalog, tables []mapping.Table, patience time.Duration) (facts, error) {
	wanted := make([]named, len(tables))
	for i, t := range tables {
		wanted[i] = named{Schema: t.Schema, Name: t.Name}
	}
	param, err := json.Marshal(wanted)
	if err != nil {
		return facts{}, fmt.Errorf("read catalog: %w", err)
	}
	var f facts
	if err := session.JSON(ctx, &f, factsSQL, session.Source.Publication, string(param), patience.String(), session.Source.Slot); err != nil {
		return facts{}, fmt.Errorf("read catalog: %w", err)
	}
	return f, nil
}

// table returns the facts of a mapped table; empty ones for a missing table.
func (f *facts) table(t mapping.Table) tableFacts {
	for _, known := range f.Tables {
		if known.Schema == t.Schema && known.Name == t.Name {
			return known
		}
	}
	return tableFacts{}
}
