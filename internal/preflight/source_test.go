package preflight_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// setup is a source with something wrong. Its findings are in testdata under
// its name.
type setup struct {
	name string
	ddl  string
	// role, where given, is what the source connects as; ddl creates it.
	role     string
	mappings []mapping.Definition
	// since is the first server version, as server_version_num, that knows
	// what ddl asks for; zero means all.
	since int
}

func one(edit func(d *mapping.Definition)) []mapping.Definition {
	return []mapping.Definition{orders(edit)}
}

func column(attribute, name string) func(d *mapping.Definition) {
	return func(d *mapping.Definition) {
		d.Attributes = append(d.Attributes, mapping.Rule{Attribute: attribute, Column: name})
	}
}

var tableSetups = []setup{
	{name: "table_missing", ddl: `CREATE TABLE order_s (id int PRIMARY KEY); CREATE SCHEMA shop`, mappings: one(nil)},
	{name: "table_elsewhere", ddl: `CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY)`, mappings: one(nil)},
	{name: "table_view", ddl: `CREATE VIEW orders AS SELECT 1 AS id, ''::text AS city`, mappings: one(nil)},
	{name: "table_unlogged", ddl: `CREATE UNLOGGED TABLE orders (id int PRIMARY KEY, city text)`, mappings: one(nil)},
	{name: "columns", ddl: `CREATE TABLE orders (id int PRIMARY KEY, ciyt text, photo bytea)`, mappings: one(func(d *mapping.Definition) {
		column("photo", "photo")(d)
		d.Where = "stat == 'x'"
	})},
	{name: "generated", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text, loud text GENERATED ALWAYS AS (upper(city)) STORED)`, mappings: one(func(d *mapping.Definition) {
		d.Attributes = append(d.Attributes, mapping.Rule{Attribute: "loud", Expr: `loud + "!"`})
	})},
	{name: "types", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text, weight real, at timestamp)`, mappings: one(func(d *mapping.Definition) {
		column("weight", "weight")(d)
		column("at", "at")(d)
	})},
	{name: "identity_none", ddl: `CREATE TABLE orders (id int NOT NULL UNIQUE, city text)`, mappings: one(nil)},
	{name: "identity_nothing", ddl: ordersDDL + `; ALTER TABLE orders REPLICA IDENTITY NOTHING`, mappings: one(deletes)},
	{name: "identity_nothing_inserts", ddl: ordersDDL + `; ALTER TABLE orders REPLICA IDENTITY NOTHING;
		CREATE PUBLICATION identity_nothing_inserts FOR TABLE orders WITH (publish = 'insert')`, mappings: one(inserts)},
	{name: "identity_none_inserts", ddl: `CREATE TABLE orders (id int NOT NULL UNIQUE, city text);
		CREATE PUBLICATION identity_none_inserts FOR TABLE orders WITH (publish = 'insert')`, mappings: one(inserts)},
	{name: "identity_full_only", ddl: `CREATE TABLE orders (id int, city text)`, mappings: one(nil)},
	{name: "identity_other", ddl: `CREATE TABLE orders (n serial PRIMARY KEY, id int NOT NULL UNIQUE, city text)`, mappings: one(nil)},
	{name: "identity_partition", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text) PARTITION BY RANGE (id);
		CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (9); CREATE TABLE orders_2 PARTITION OF orders DEFAULT;
		ALTER TABLE orders_2 REPLICA IDENTITY NOTHING`, mappings: one(nil)},
	{name: "old_rows", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text, state int)`, mappings: one(func(d *mapping.Definition) {
		d.Where = "state > 3"
		d.Attributes[0] = mapping.Rule{Attribute: "city", Expr: "upper(city)"}
		deletes(d)
	})},
	{name: "key_nullable", ddl: `CREATE TABLE orders (id int, city text); ALTER TABLE orders REPLICA IDENTITY FULL`, mappings: one(nil)},
	{name: "key_deferrable", ddl: `CREATE TABLE orders (n serial PRIMARY KEY, id int NOT NULL UNIQUE DEFERRABLE, city text); ALTER TABLE orders REPLICA IDENTITY FULL`, mappings: one(nil)},
	{name: "key_index_only", ddl: `CREATE TABLE orders (n serial PRIMARY KEY, id int NOT NULL, city text); CREATE INDEX ON orders (id);
		CREATE UNIQUE INDEX ON orders (id) WHERE id > 5; CREATE UNIQUE INDEX ON orders (id, city); ALTER TABLE orders REPLICA IDENTITY FULL`, mappings: one(nil)},
	{name: "key_spelling", ddl: `CREATE TABLE orders (id text PRIMARY KEY, city text)`, mappings: one(nil)},
	{name: "key_spelling_two", ddl: `CREATE TABLE orders (id varchar(20), "Region" char(3), n int, city text, PRIMARY KEY (n, "Region", id))`, mappings: one(func(d *mapping.Definition) {
		d.Key = append(d.Key, mapping.Rule{Attribute: "region", Column: "Region"}, mapping.Rule{Attribute: "n", Column: "n"})
	})},
	{name: "key_spelling_kept", ddl: `CREATE TABLE orders (id varchar PRIMARY KEY, city text); CREATE UNIQUE INDEX ON orders (lower(id))`, mappings: one(nil)},
	{name: "key_spelling_enum", ddl: `CREATE TYPE kind AS ENUM ('a', 'A'); CREATE TABLE orders (id kind PRIMARY KEY, city text)`, mappings: one(nil)},
	{name: "key_spelling_partitions", ddl: `CREATE TABLE orders (id text PRIMARY KEY, city text) PARTITION BY HASH (id);
		CREATE TABLE orders_1 PARTITION OF orders FOR VALUES WITH (MODULUS 1, REMAINDER 0);
		CREATE PUBLICATION key_spelling_partitions FOR TABLE orders WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "key_partitions_by_expression", ddl: `CREATE TABLE orders (id int NOT NULL, city text) PARTITION BY RANGE ((id % 10));
		CREATE TABLE orders_1 PARTITION OF orders DEFAULT; ALTER TABLE orders REPLICA IDENTITY FULL; ALTER TABLE orders_1 REPLICA IDENTITY FULL;
		CREATE PUBLICATION key_partitions_by_expression FOR TABLE orders WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "rights", ddl: ordersDDL + `; CREATE PUBLICATION rights FOR TABLE orders; CREATE ROLE rights_app LOGIN REPLICATION`, role: "rights_app", mappings: one(nil)},
	{name: "rights_small", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city int); CREATE PUBLICATION rights_small FOR TABLE orders; CREATE ROLE rights_small_app LOGIN REPLICATION`,
		role: "rights_small_app", mappings: one(nil)},
	{name: "rights_backfill", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city int); CREATE PUBLICATION rights_backfill FOR TABLE orders; CREATE ROLE rights_backfill_app LOGIN REPLICATION`,
		role: "rights_backfill_app", mappings: one(func(d *mapping.Definition) { d.Backfill = mapping.BackfillYes })},
	{name: "row_security", ddl: ordersDDL + `; CREATE PUBLICATION row_security FOR TABLE orders; CREATE ROLE row_security_app LOGIN REPLICATION;
		GRANT SELECT ON orders TO row_security_app; ALTER TABLE orders ENABLE ROW LEVEL SECURITY`, role: "row_security_app", mappings: one(nil)},
}

// takes adds an attribute that is looked up in crm.users.
func takes(attribute, column string, match ...mapping.Match) func(d *mapping.Definition) {
	return func(d *mapping.Definition) {
		d.Attributes = append(d.Attributes, mapping.Rule{Attribute: attribute, Lookup: &mapping.Lookup{Schema: "crm", Table: "users", Column: column, Match: match}})
	}
}

const lookupDDL = `CREATE SCHEMA crm; CREATE TABLE orders (id int PRIMARY KEY, city text, user_id int, code varchar(9), at date);
	CREATE TABLE crm.users (id bigint PRIMARY KEY, uid uuid, kind text, since timestamp, email text, photo bytea); ANALYZE crm.users`

var byID = mapping.Match{Theirs: "id", Ours: "user_id"}

var lookupSetups = []setup{
	{name: "lookup", ddl: lookupDDL, mappings: one(func(d *mapping.Definition) {
		takes("email", "email", byID)(d)
		takes("since", "since", mapping.Match{Theirs: "kind", Ours: "code"}, mapping.Match{Theirs: "id", Ours: "user_id"})(d)
	})},
	{name: "lookup_table_missing", ddl: ordersDDL + `; CREATE TABLE users (user_id int)`, mappings: one(takes("email", "email", mapping.Match{Theirs: "id", Ours: "id"}))},
	{name: "lookup_view", ddl: ordersDDL + `; CREATE SCHEMA crm; CREATE VIEW crm.users AS SELECT 1 AS id, ''::text AS email`, mappings: one(takes("email", "email", mapping.Match{Theirs: "id", Ours: "id"}))},
	{name: "lookup_columns", ddl: lookupDDL, mappings: one(func(d *mapping.Definition) {
		takes("email", "mail", byID)(d)
		takes("photo", "photo", byID)(d)
		takes("kind", "kind", mapping.Match{Theirs: "user_id", Ours: "user_id"})(d)
		takes("since", "since", mapping.Match{Theirs: "id", Ours: "usr_id"})(d)
	})},
	{name: "lookup_types", ddl: lookupDDL, mappings: one(func(d *mapping.Definition) {
		takes("a", "email", mapping.Match{Theirs: "uid", Ours: "user_id"})(d)
		takes("b", "email", mapping.Match{Theirs: "id", Ours: "code"})(d)
		takes("c", "email", mapping.Match{Theirs: "since", Ours: "at"})(d)
		takes("d", "email", mapping.Match{Theirs: "kind", Ours: "user_id"})(d)
	})},
	{name: "lookup_index", ddl: lookupDDL + `; CREATE INDEX ON crm.users (kind)`, mappings: one(func(d *mapping.Definition) {
		takes("a", "email", mapping.Match{Theirs: "email", Ours: "city"})(d)
		takes("b", "email", mapping.Match{Theirs: "kind", Ours: "city"})(d)
	})},
	{name: "lookup_rights", ddl: lookupDDL + `; CREATE PUBLICATION lookup_rights FOR TABLE orders; CREATE ROLE lookup_rights_app LOGIN REPLICATION; GRANT SELECT ON orders TO lookup_rights_app`,
		role: "lookup_rights_app", mappings: one(takes("email", "email", byID))},
	{name: "lookup_row_security", ddl: lookupDDL + `; CREATE PUBLICATION lookup_row_security FOR TABLE orders; CREATE ROLE lookup_row_security_app LOGIN REPLICATION;
		GRANT USAGE ON SCHEMA crm TO lookup_row_security_app; GRANT SELECT ON orders, crm.users TO lookup_row_security_app; ALTER TABLE crm.users ENABLE ROW LEVEL SECURITY`,
		role: "lookup_row_security_app", mappings: one(takes("email", "email", byID))},
}

var serverSetups = []setup{
	{name: "role", ddl: ordersDDL + `; CREATE PUBLICATION role FOR TABLE orders; CREATE ROLE role_app LOGIN; GRANT SELECT ON orders TO role_app`, role: "role_app", mappings: one(nil)},
	{name: "publication_rights", ddl: ordersDDL + `; CREATE TABLE "Odd ""One" (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE ROLE publication_rights_app LOGIN REPLICATION; GRANT SELECT ON orders, "Odd ""One" TO publication_rights_app`, role: "publication_rights_app",
		mappings: []mapping.Definition{orders(nil), {Name: "odd", Schema: "public", Table: `Odd "One`, Object: "Odd", Key: []mapping.Rule{{Attribute: "id", Column: "id"}}}}},
	{name: "publication_create", ddl: `CREATE ROLE publication_create_app LOGIN REPLICATION; CREATE TABLE orders (id int PRIMARY KEY, city text); ALTER TABLE orders OWNER TO publication_create_app`,
		role: "publication_create_app", mappings: one(nil)},
	{name: "publication_gone", ddl: ordersDDL + `; SELECT pg_create_logical_replication_slot('publication_gone', 'pgoutput')`, mappings: one(nil)},
	{name: "operations", ddl: ordersDDL + `; CREATE PUBLICATION operations FOR TABLE orders WITH (publish = 'insert')`, mappings: one(deletes)},
	{name: "truncate", ddl: ordersDDL + `; CREATE PUBLICATION truncate FOR TABLE orders WITH (publish = 'insert, update, delete');
		SELECT pg_create_logical_replication_slot('truncate', 'pgoutput')`, mappings: one(func(d *mapping.Definition) { d.OnTruncate = mapping.TruncateHalt })},
	{name: "not_published", ddl: ordersDDL + `; CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE heir () INHERITS (other);
		CREATE PUBLICATION not_published FOR TABLE other`, mappings: one(nil)},
	{name: "all_tables", ddl: ordersDDL + `; CREATE TABLE other (id int PRIMARY KEY); CREATE PUBLICATION all_tables FOR ALL TABLES`, mappings: one(nil)},
	{name: "column_list", ddl: ordersDDL + `; CREATE PUBLICATION column_list FOR TABLE orders (id, state) WHERE (id > 5)`, mappings: one(nil), since: 150000},
	{name: "partitions", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text) PARTITION BY RANGE (id);
		CREATE TABLE orders_1 PARTITION OF orders DEFAULT; CREATE PUBLICATION partitions FOR TABLE orders`, mappings: one(nil)},
	{name: "partitions_absent", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text) PARTITION BY RANGE (id);
		CREATE TABLE orders_1 PARTITION OF orders DEFAULT; CREATE PUBLICATION partitions_absent`, mappings: one(nil)},
	{name: "partitions_by_another", ddl: `CREATE TABLE orders (id int NOT NULL, at date NOT NULL, city text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
		CREATE TABLE orders_1 PARTITION OF orders DEFAULT; CREATE PUBLICATION partitions_by_another FOR TABLE orders WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "partitions_without_key", ddl: `CREATE TABLE orders (id int NOT NULL, at date NOT NULL, city text) PARTITION BY RANGE (at);
		CREATE TABLE orders_1 PARTITION OF orders DEFAULT; CREATE PUBLICATION partitions_without_key FOR TABLE orders WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "heirs", ddl: ordersDDL + `; CREATE TABLE orders_2025 (PRIMARY KEY (id)) INHERITS (orders); CREATE TABLE orders_2025_1 () INHERITS (orders_2025);
		CREATE PUBLICATION heirs FOR TABLE ONLY orders`, mappings: one(nil)},
	{name: "behind_root", ddl: `CREATE TABLE years (id int PRIMARY KEY, city text) PARTITION BY RANGE (id);
		CREATE TABLE orders PARTITION OF years DEFAULT; CREATE PUBLICATION behind_root FOR TABLE years WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "partition_unlogged", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text) PARTITION BY RANGE (id);
		CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (9); CREATE UNLOGGED TABLE orders_2 PARTITION OF orders DEFAULT;
		CREATE PUBLICATION partition_unlogged FOR TABLE orders WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "partition_foreign", ddl: `CREATE TABLE orders (id int NOT NULL, city text) PARTITION BY RANGE (id); ALTER TABLE orders REPLICA IDENTITY FULL;
		CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (9); ALTER TABLE orders_1 REPLICA IDENTITY FULL; ALTER TABLE orders_1 ADD UNIQUE (id);
		CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE orders_2 PARTITION OF orders DEFAULT SERVER far;
		CREATE PUBLICATION partition_foreign FOR TABLE orders WITH (publish_via_partition_root = true)`, mappings: one(nil)},
	{name: "filter_outside_identity", ddl: ordersDDL + `; CREATE PUBLICATION filter_outside_identity FOR TABLE orders WHERE (state = 'x' AND id > 5)`, mappings: one(nil), since: 150000},
	{name: "filter_of_partitions", ddl: `CREATE TABLE orders (id int PRIMARY KEY, city text) PARTITION BY RANGE (id);
		CREATE TABLE orders_1 (city text, id int NOT NULL PRIMARY KEY); ALTER TABLE orders ATTACH PARTITION orders_1 DEFAULT; ALTER TABLE orders REPLICA IDENTITY FULL;
		CREATE PUBLICATION filter_of_partitions FOR TABLE orders WHERE (city <> 'x') WITH (publish_via_partition_root = true)`, mappings: one(nil), since: 150000},
	{name: "filter_of_inserts", ddl: ordersDDL + `; CREATE PUBLICATION filter_of_inserts FOR TABLE orders WHERE (state = 'x') WITH (publish = 'insert')`, mappings: one(inserts), since: 150000},
	{name: "list_without_identity", ddl: ordersDDL + `; ALTER TABLE orders ADD UNIQUE (id, state), ALTER state SET NOT NULL; ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_id_state_key;
		CREATE PUBLICATION list_without_identity FOR TABLE orders (id, city)`, mappings: one(nil), since: 150000},
	{name: "list_full", ddl: ordersDDL + `; ALTER TABLE orders REPLICA IDENTITY FULL; CREATE PUBLICATION list_full FOR TABLE orders (id, city)`, mappings: one(nil), since: 150000},
	{name: "full_with_generated", ddl: ordersDDL + `; ALTER TABLE orders ADD loud text GENERATED ALWAYS AS (upper(city)) STORED; ALTER TABLE orders REPLICA IDENTITY FULL;
		CREATE PUBLICATION full_with_generated FOR TABLE orders`, mappings: one(nil), since: 180000},
	{name: "full_with_virtual", ddl: ordersDDL + `; ALTER TABLE orders ADD loud text GENERATED ALWAYS AS (upper(city)); ALTER TABLE orders REPLICA IDENTITY FULL`, mappings: one(nil), since: 180000},
	{name: "slot_two_phase", ddl: ordersDDL + `; CREATE PUBLICATION slot_two_phase FOR TABLE orders; SELECT pg_create_logical_replication_slot('slot_two_phase', 'pgoutput', false, true)`, mappings: one(nil)},
	{name: "slot_physical", ddl: ordersDDL + `; CREATE PUBLICATION slot_physical FOR TABLE orders; SELECT pg_create_physical_replication_slot('slot_physical')`, mappings: one(nil)},
}

// Every set-up is found, in these words; every statement of a remedy runs as
// it is printed, and then the finding is gone.
func TestSourceFindings(t *testing.T) {
	for _, s := range slices.Concat(tableSetups, lookupSetups, serverSetups) {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, sharedCluster(t), s.name, s.mappings...)
			if v := w.version(); v < s.since {
				t.Skipf("server version %d does not know the set-up, %d does", v, s.since)
			}
			w.run(s.ddl)
			if s.role != "" {
				w.as(s.role)
			}
			found := troubles(w.look())
			golden(t, s.name, text(found))
			var cured []string
			for _, f := range found {
				if f.Remedy.SQL != "" {
					w.run(f.Remedy.SQL)
					cured = append(cured, f.Check)
				}
			}
			for _, f := range troubles(w.look()) {
				if slices.Contains(cured, f.Check) {
					t.Errorf("still there after its remedy: %s: %s: %s", f.Level, f.Check, f.Detail)
				}
			}
		})
	}
}

// A source in order has no other finding than OK, before and after the start
// has made publication and slot.
func TestSourceInOrder(t *testing.T) {
	w := newWorld(t, sharedCluster(t), "fine", orders(nil))
	w.run(ordersDDL)
	golden(t, "fine_before", text(w.look()))
	w.run(`CREATE PUBLICATION fine FOR TABLE ONLY orders; SELECT pg_create_logical_replication_slot('fine', 'pgoutput')`)
	findings := w.look()
	if got := text(troubles(findings)); got != "" {
		t.Errorf("got:\n%s\nwant nothing", got)
	}
	if err := preflight.Failed(findings); err != nil {
		t.Errorf("Failed() = %v, want nil", err)
	}
}

// Settings that need a restart.
func TestServerSettings(t *testing.T) {
	sharedCluster(t) // skips where there is no server
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{
		"wal_level": "replica", "max_wal_senders": "0", "max_replication_slots": "0", "max_slot_wal_keep_size": "64MB",
	}})
	w := newWorld(t, c, "settings", orders(nil))
	w.run(ordersDDL)
	found := w.look()
	golden(t, "settings", text(troubles(found)))
	if !slices.ContainsFunc(found, func(f preflight.Finding) bool {
		return f.Check == "max_slot_wal_keep_size" && f.Level == preflight.OK && strings.HasPrefix(f.Detail, "64MB: ")
	}) {
		t.Errorf("max_slot_wal_keep_size is not told in:\n%s", text(found))
	}
	for _, f := range troubles(found) {
		w.run(f.Remedy.SQL)
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(troubles(w.look())); got != "" {
		t.Errorf("after the remedies and a restart:\n%s\nwant nothing", got)
	}
}

func TestFailed(t *testing.T) {
	findings := []preflight.Finding{
		{Check: "a", Level: preflight.Fail, Detail: "is wrong", Remedy: preflight.Remedy{Words: "as the owner, run:", SQL: "SELECT 1;"}},
		{Check: "b", Level: preflight.Warn, Detail: "is odd"},
		{Check: "c", Level: preflight.Unseen, Detail: "did not answer"},
		{Check: "d", Level: preflight.Fail, Detail: "is wrong too"},
	}
	err := preflight.Failed(findings)
	var failed *preflight.Error
	if !errors.As(err, &failed) || len(failed.Findings) != 2 {
		t.Fatalf("Failed() = %#v, want an *Error of two findings", err)
	}
	if got, want := err.Error(), "a: is wrong; as the owner, run: SELECT 1;\nd: is wrong too"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	text, err := json.Marshal(findings[:2])
	if want := `[{"check":"a","level":"fail","detail":"is wrong","remedy":"as the owner, run: SELECT 1;"},{"check":"b","level":"warn","detail":"is odd"}]`; err != nil || string(text) != want {
		t.Errorf("as JSON: %s, %v, want %s", text, err, want)
	}
}

func TestSourceCannotLook(t *testing.T) {
	w := newWorld(t, sharedCluster(t), "gone", orders(nil))
	session, err := w.source.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, err := session.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session.Close(t.Context())
	if seen, err := preflight.Source(t.Context(), session, server, w.set, nil); err == nil || seen.Findings != nil {
		t.Errorf("Source() = %v, %v, want an error alone", seen.Findings, err)
	}
}

// A transaction that has written keeps a slot from being created.
func TestOpenTransactions(t *testing.T) {
	w := newWorld(t, sharedCluster(t), "writers", orders(nil))
	conn, err := pgconn.Connect(t.Context(), w.source.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"BEGIN", "CREATE TABLE a ()", "PREPARE TRANSACTION 'it''s'", "BEGIN", "CREATE TABLE b ()"} {
		if err := conn.Exec(t.Context(), sql).Close(); err != nil {
			t.Fatal(err)
		}
	}
	defer w.run("ROLLBACK PREPARED 'it''s'")
	findings, err := preflight.OpenTransactions(t.Context(), w.source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 2 || !strings.HasPrefix(findings[0].Detail, "prepared transaction it's has been open since 20") || !strings.HasPrefix(findings[1].Detail, "process ") {
		t.Errorf("open transactions:\n%s\nwant the prepared and the open one", text(findings))
	}
	if findings, err := preflight.OpenTransactions(t.Context(), w.source, time.Minute); err != nil || findings != nil {
		t.Errorf("transactions open for a minute: %v, %v, want none", findings, err)
	}
}

// One that has written keeps WAL of a slot that is there, too.
func TestOpenTransactionsKeepWAL(t *testing.T) {
	w := newWorld(t, sharedCluster(t), "keepers", orders(nil))
	w.run("SELECT pg_create_logical_replication_slot('keepers', 'pgoutput')")
	conn, err := pgconn.Connect(t.Context(), w.source.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.Exec(t.Context(), "BEGIN; CREATE TABLE a ()").Close(); err != nil {
		t.Fatal(err)
	}
	findings, err := preflight.OpenTransactions(t.Context(), w.source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || !strings.HasSuffix(findings[0].Detail, "the slot keeps all WAL since then, whatever is delivered") {
		t.Errorf("open transactions:\n%s\nwant what it keeps", text(findings))
	}
}
