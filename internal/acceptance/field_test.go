package acceptance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// fieldCase is something that went wrong elsewhere, tried on this program: a
// table of the name %[1]s, what it holds before the program starts to read and
// what comes then, a transaction each, and the objects that must come of it.
type fieldCase struct {
	name, schema, mapping string
	rows, change          []string
	want                  objects
}

var fieldCases = []fieldCase{
	{
		name:    "of three rows with one key, none of which was sent, one goes",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k int, name text); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 3, 'a')`, `INSERT INTO %[1]s VALUES (2, 3, 'a'), (3, 3, 'a')`},
		change:  []string{`DELETE FROM %[1]s WHERE id = 3`},
		want:    objects{"3 name=a"},
	}, {
		name:    "the same where on_delete sets",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k int, name text); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, on_delete: {set: {gone: true}}`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 3, 'a')`, `INSERT INTO %[1]s VALUES (2, 3, 'a'), (3, 3, 'a')`},
		change:  []string{`DELETE FROM %[1]s WHERE id = 3`},
		want:    objects{"3 name=a"},
	}, {
		name:    "rows that where leaves out have the key, too, many of them",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k int, name text, dead bool); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, where: 'not dead', on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s SELECT i, 7, 'dead', true FROM generate_series(1, 30) i`, `INSERT INTO %[1]s VALUES (51, 7, 'a', false), (52, 7, 'b', false)`},
		change:  []string{`UPDATE %[1]s SET dead = true WHERE id = 52`},
		want:    objects{"7 name=a"},
	}, {
		name:    "of two spellings one is marked as gone",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k text, name text, dead bool); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, where: 'not dead', on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'bob', 'a', false)`, `INSERT INTO %[1]s VALUES (2, 'BOB', 'b', false)`},
		change:  []string{`UPDATE %[1]s SET dead = true WHERE id = 1`},
		want:    objects{"BOB name=b"},
	}, {
		name:    "a key is used again once its row is marked as gone",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k text, name text, dead bool, memo text); CREATE UNIQUE INDEX ON %[1]s (k) WHERE NOT dead; ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, where: 'not dead', on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'k', 'a', false)`, `UPDATE %[1]s SET dead = true; INSERT INTO %[1]s VALUES (2, 'k', 'b', false)`, `UPDATE %[1]s SET dead = true`, `INSERT INTO %[1]s VALUES (3, 'k', 'c', false)`},
		change:  []string{`DELETE FROM %[1]s WHERE dead`, `UPDATE %[1]s SET dead = true; INSERT INTO %[1]s VALUES (4, 'K', 'd', false)`, `UPDATE %[1]s SET name = 'x' WHERE dead`},
		want:    objects{"K name=d"},
	}, {
		name:   "of a transaction savepoints are rolled back [go-pq-cdc#166]",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 'a'), (2, 'a')`},
		change: []string{`UPDATE %[1]s SET name = 'b' WHERE id = 1; SAVEPOINT s; UPDATE %[1]s SET id = id + 10, name = 'x'; DELETE FROM %[1]s WHERE id = 11; ROLLBACK TO s; DELETE FROM %[1]s WHERE id = 2; SAVEPOINT s; INSERT INTO %[1]s VALUES (2, 'c'); RELEASE s`},
		want:   objects{"1 name=b", "2 name=c"},
	}, {
		name:   "a column that is renamed, and one that is added, in savepoints that are rolled back",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 'a')`},
		change: []string{`INSERT INTO %[1]s VALUES (2, 'a'); SAVEPOINT s; ALTER TABLE %[1]s RENAME name TO title; INSERT INTO %[1]s VALUES (3, 'x'); UPDATE %[1]s SET title = 'y'; ROLLBACK TO s;
			UPDATE %[1]s SET name = 'b' WHERE id = 2; SAVEPOINT t; ALTER TABLE %[1]s ADD x int; UPDATE %[1]s SET x = 1, name = 'z'; ROLLBACK TO t; UPDATE %[1]s SET name = 'c' WHERE id = 1`},
		want: objects{"1 name=c", "2 name=b"},
	}, {
		name:   "a thousand subtransactions, one in seven of which fails [go-pq-cdc#166]",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 'a')`},
		change: []string{`DO $$ BEGIN FOR i IN 1..1000 LOOP BEGIN
			INSERT INTO %[1]s VALUES (i %% 3, i); IF i %% 7 = 0 THEN RAISE EXCEPTION 'no'; END IF;
			EXCEPTION WHEN unique_violation THEN UPDATE %[1]s SET name = i WHERE id = i %% 3; IF i = 1000 THEN DELETE FROM %[1]s WHERE id = 2; END IF; WHEN raise_exception THEN NULL; END; END LOOP; END $$`},
		want: objects{"0 name=999", "1 name=1000"},
	}, {
		name:   "insert on conflict",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 'a'), (2, 'a')`},
		change: []string{`INSERT INTO %[1]s VALUES (1, 'b'), (3, 'b') ON CONFLICT (id) DO UPDATE SET name = excluded.name || '2'`,
			`INSERT INTO %[1]s VALUES (2, 'c') ON CONFLICT DO NOTHING; DELETE FROM %[1]s WHERE id = 2; INSERT INTO %[1]s VALUES (2, 'd') ON CONFLICT DO NOTHING`},
		want: objects{"1 name=b2", "2 name=d", "3 name=b"},
	}, {
		name:    "names that need quotes [airbyte, conduit]",
		schema:  `CREATE TABLE %[1]s ("Primary ""Key""" int PRIMARY KEY, "name.first, last" text, "select" text)`,
		mapping: `key: {rid: 'Primary "Key"'}, attributes: {name: 'name.first, last', w: {expr: '$env["select"]'}}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'a', 's'), (2, 'a', 's')`},
		change:  []string{`UPDATE %[1]s SET "Primary ""Key""" = 3, "select" = 't' WHERE "Primary ""Key""" = 1; DELETE FROM %[1]s WHERE "Primary ""Key""" = 2`},
		want:    objects{"3 name=a w=t"},
	}, {
		name:    "a key moves and comes back in one transaction, and in two",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, name text, memo text); ALTER TABLE %[1]s ALTER memo SET STORAGE EXTERNAL`,
		mapping: `key: {rid: id}, attributes: {name: name, n: {expr: 'len(memo)'}}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s SELECT i, 'a', repeat('x', 9000) FROM generate_series(1, 4) i`},
		change: []string{`UPDATE %[1]s SET id = id + 10; UPDATE %[1]s SET id = id - 10, name = 'b'`,
			`UPDATE %[1]s SET id = id + 20 WHERE id > 2`, `UPDATE %[1]s SET id = id - 20 WHERE id > 2`, `UPDATE %[1]s SET id = 1 - id WHERE id < 2`},
		want: objects{"0 n=9000 name=b", "2 n=9000 name=b", "3 n=9000 name=b", "4 n=9000 name=b"},
	}, {
		name:    "rows stop and begin to match, with set [tiflow, pglogical#143]",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, name text, memo text); ALTER TABLE %[1]s ALTER memo SET STORAGE EXTERNAL; ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: id}, attributes: {name: name, n: {expr: 'len(memo)'}, on: {value: true}}, where: 'name != "x"', on_delete: {set: {on: false}}`,
		rows:    []string{`INSERT INTO %[1]s SELECT i, CASE WHEN i > 4 THEN 'x' ELSE 'a' END, repeat('x', 9000) FROM generate_series(1, 6) i`},
		change: []string{`UPDATE %[1]s SET name = 'x' WHERE id < 3`, `UPDATE %[1]s SET name = 'b' WHERE id IN (2, 5)`,
			`UPDATE %[1]s SET name = 'x', id = 13 WHERE id = 3`, `UPDATE %[1]s SET name = 'x' WHERE id = 4; DELETE FROM %[1]s WHERE id = 4; INSERT INTO %[1]s VALUES (4, 'c', 'cc')`,
			`UPDATE %[1]s SET id = 7 WHERE id = 6; UPDATE %[1]s SET id = 6, name = 'd' WHERE id = 5`},
		want: objects{"1 n=9000 name=a on=false", "2 n=9000 name=b on=true", "3 n=9000 name=a on=false", "4 n=2 name=c on=true",
			"5 n=9000 name=b on=false", "6 n=9000 name=d on=true"},
	}, {
		name:    "inserts that only create, each by itself",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		mapping: `operation: INSERT, coalesce: false, key: {rid: id}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'a'), (2, 'a')`},
		change: []string{`UPDATE %[1]s SET name = 'b'`, `DELETE FROM %[1]s WHERE id = 1; INSERT INTO %[1]s VALUES (1, 'c')`,
			`DELETE FROM %[1]s WHERE id = 2`, `INSERT INTO %[1]s VALUES (2, 'd')`, `UPDATE %[1]s SET id = 3, name = 'e' WHERE id = 2`, `UPDATE %[1]s SET id = 2 WHERE id = 1`},
		want: objects{"2 name=c", "3 name=e"},
	}, {
		name:    "updates that create nothing",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		mapping: `operation: UPDATE, key: {rid: id}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'a'), (2, 'a')`},
		change:  []string{`UPDATE %[1]s SET name = 'b'; DELETE FROM %[1]s WHERE id = 1; INSERT INTO %[1]s VALUES (1, 'c')`},
		want:    nil,
	}, {
		name:    "a key of two columns is shifted in one of them",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, a text, b int, name text, UNIQUE (a, b) DEFERRABLE); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: a, sid: b}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s SELECT i, 'k', i, 'n' || i FROM generate_series(1, 3) i`},
		change:  []string{`UPDATE %[1]s SET b = b + 1`, `UPDATE %[1]s SET a = 'K' WHERE b = 2`, `UPDATE %[1]s SET b = 2 WHERE b = 4; UPDATE %[1]s SET a = 'k', b = 4 WHERE b = 2 AND a = 'K'`},
		want:    objects{"k name=n1 sid=4", "k name=n2 sid=3", "k name=n3 sid=2"},
	}, {
		name:    "keys of types whose texts are many [usaspending-api#3686]",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k numeric UNIQUE DEFERRABLE, name text); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 1.0, 'a'), (2, 2.50, 'b'), (3, -0.0, 'c')`},
		change:  []string{`UPDATE %[1]s SET k = 1.000, name = 'a2' WHERE id = 1`, `UPDATE %[1]s SET k = 3.5 - k WHERE id < 3`, `DELETE FROM %[1]s WHERE k = 0`},
		want:    objects{"1 name=b", "2.5 name=a2"},
	}, {
		name:    "keys that are times",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, k timestamptz UNIQUE DEFERRABLE, name text); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, '2026-01-01 00:00+05:30', 'a'), (2, '2026-01-02 00:00Z', 'b')`},
		change:  []string{`UPDATE %[1]s SET k = CASE id WHEN 1 THEN '2026-01-02 00:00Z'::timestamptz ELSE '2025-12-31 18:30Z' END`},
		want:    objects{"2025-12-31T18:30:00+00:00 name=b", "2026-01-02T00:00:00+00:00 name=a"},
	}, {
		name:    "keys that are enums, domains and blanks",
		schema:  `CREATE TYPE %[1]s_e AS ENUM ('A', 'a', 'B'); CREATE DOMAIN %[1]s_d AS %[1]s_e; CREATE TABLE %[1]s (id int PRIMARY KEY, k %[1]s_d, c char(4), name text, UNIQUE (k, c) DEFERRABLE); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		mapping: `key: {rid: k, sid: c}, attributes: {name: name}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'A', 'x', 'a'), (2, 'B', 'y', 'b'), (3, 'B', 'z', 'c')`},
		change:  []string{`UPDATE %[1]s SET k = CASE k::text WHEN 'A' THEN 'B' ELSE 'A' END::%[1]s_d, c = CASE id WHEN 1 THEN 'y' WHEN 2 THEN 'x' ELSE 'w' END`, `DELETE FROM %[1]s WHERE id = 3`},
		want:    objects{"A name=b sid=x", "B name=a sid=y"},
	}, {
		name:   "replicated changes of another origin [pgactive, debezium]",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 'a'), (2, 'a')`},
		change: []string{`SET LOCAL session_replication_role = replica; UPDATE %[1]s SET name = 'b', id = 3 WHERE id = 1; DELETE FROM %[1]s WHERE id = 2`},
		want:   objects{"3 name=b"},
	}, {
		name:    "triggers that change the row and others [estuary]",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, up int REFERENCES %[1]s ON DELETE CASCADE ON UPDATE CASCADE, name text)`,
		mapping: `key: {rid: id}, attributes: {name: name, up: up}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c'), (5, NULL, 'e'), (6, 5, 'f')`},
		change:  []string{`UPDATE %[1]s SET id = 10 WHERE id = 5`, `DELETE FROM %[1]s WHERE id = 1; INSERT INTO %[1]s VALUES (3, NULL, 'new')`},
		want:    objects{"10 name=e", "3 name=new", "6 name=f up=10"},
	}, {
		name:    "empty text, null and blanks over what was there",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, name text, note text)`,
		mapping: `key: {rid: id}, attributes: {name: name, note: {column: note, "null": omit}}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'a', 'x'), (2, 'a', 'x'), (3, 'a', 'x')`},
		change: []string{`UPDATE %[1]s SET name = NULL, note = NULL WHERE id = 1; UPDATE %[1]s SET name = '', note = '' WHERE id = 2`,
			`DELETE FROM %[1]s WHERE id = 3; INSERT INTO %[1]s VALUES (3, 'b', NULL)`},
		want: objects{"1 note=x", "2", "3 name=b"},
	}, {
		name: "a sub-partitioned table, rows that move twice [supabase/etl#410]",
		schema: `CREATE TABLE %[1]s (id int, at int, name text, memo text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
			CREATE TABLE %[1]s_a PARTITION OF %[1]s FOR VALUES FROM (0) TO (10) PARTITION BY LIST (at);
			CREATE TABLE %[1]s_a1 PARTITION OF %[1]s_a FOR VALUES IN (1);
			CREATE TABLE %[1]s_b (memo text, name text, junk int, at int NOT NULL, id int NOT NULL); ALTER TABLE %[1]s_b DROP junk; ALTER TABLE %[1]s ATTACH PARTITION %[1]s_b FOR VALUES FROM (10) TO (20)`,
		mapping: `key: {rid: id}, attributes: {name: name, n: {expr: 'len(memo)'}}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s SELECT i, 1, 'n', repeat(md5('x'), 300) FROM generate_series(1, 3) i`},
		change: []string{`UPDATE %[1]s SET at = 12, name = 'b' WHERE id = 1; UPDATE %[1]s SET at = 1 WHERE id = 1`, `UPDATE %[1]s SET at = 12 WHERE id = 2`, `UPDATE %[1]s SET id = 4, at = 13 WHERE id = 3; UPDATE %[1]s SET name = 'c' WHERE id = 4`,
			`CREATE TABLE %[1]s_c PARTITION OF %[1]s FOR VALUES FROM (20) TO (30); UPDATE %[1]s SET at = 25 WHERE id = 4`},
		want: objects{"1 n=9600 name=b", "2 n=9600 name=n", "4 n=9600 name=c"},
	}, {
		name:    "many changes of one large value in one transaction",
		schema:  `CREATE TABLE %[1]s (id int PRIMARY KEY, name text, memo text); ALTER TABLE %[1]s ALTER memo SET STORAGE EXTERNAL`,
		mapping: `key: {rid: id}, attributes: {name: name, n: {expr: 'len(memo)'}}, on_delete: delete`,
		rows:    []string{`INSERT INTO %[1]s VALUES (1, 'a', repeat('x', 9000))`},
		change:  []string{`UPDATE %[1]s SET memo = repeat('y', 8000); UPDATE %[1]s SET name = 'b'; UPDATE %[1]s SET id = 2; UPDATE %[1]s SET memo = memo || 'z', name = 'c'; UPDATE %[1]s SET id = 3; UPDATE %[1]s SET name = 'd'`},
		want:    objects{"3 n=8001 name=d"},
	},
}

func newFieldWorld(t *testing.T, api string, rule simulator.KeyRule) *world {
	t.Helper()
	dedupe := map[string][]string{}
	for i, c := range fieldCases {
		dedupe[fmt.Sprintf("Key%d", i)] = []string{"rid"}
		if strings.Contains(c.mapping, "sid:") {
			dedupe[fmt.Sprintf("Key%d", i)] = []string{"rid", "sid"}
		}
	}
	w := newWorld(t, server, api, simulator.Options{Dedupe: dedupe, Keys: rule, RecordKeys: true})
	for i, c := range fieldCases {
		w.exec(fmt.Sprintf(c.schema, fmt.Sprintf("field%d", i)))
		mapping := c.mapping
		if mapping == "" {
			mapping = "key: {rid: id}, attributes: {name: name}, on_delete: delete"
		}
		w.config.mappings += fmt.Sprintf("  - {table: public.field%[1]d, object: Key%[1]d, on_truncate: ignore, %[2]s}\n", i, mapping)
	}
	return w
}

func (w *world) fieldStep(of func(*fieldCase) []string) {
	w.t.Helper()
	for i := range fieldCases {
		for _, sql := range of(&fieldCases[i]) {
			w.exec("BEGIN; " + fmt.Sprintf(sql, fmt.Sprintf("field%d", i)) + "; COMMIT")
		}
	}
}

func (w *world) checkFieldCases() {
	w.t.Helper()
	if p := w.parkedNow(); p.Total > 0 {
		w.t.Errorf("parked: %+v", p.Entries)
	}
	for i, c := range fieldCases {
		if got := w.shown(fmt.Sprintf("Key%d", i)); !slices.Equal(got, c.want) {
			w.t.Errorf("%s: objects\n\t%s\nwant\n\t%s", c.name, strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
		}
	}
	w.noViolations()
}

// TestFieldCases runs every case as it comes, and with all changes waiting.
func TestFieldCases(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Run("live", func(t *testing.T) {
			t.Parallel()
			w := newFieldWorld(t, api, simulator.FoldKeys)
			p := w.start()
			w.fieldStep(func(c *fieldCase) []string { return c.rows })
			w.settle(p)
			w.fieldStep(func(c *fieldCase) []string { return c.change })
			w.settle(p)
			w.checkFieldCases()
			p.stop(t)
		})
		t.Run("backlog", func(t *testing.T) {
			t.Parallel()
			w := newFieldWorld(t, api, simulator.FoldKeys)
			p := w.start()
			w.settle(p)
			p.stop(t)
			w.fieldStep(func(c *fieldCase) []string { return append(slices.Clone(c.rows), c.change...) })
			w.config.maxPending, w.config.maxWait = 3, 10*time.Millisecond
			p = w.start()
			w.settle(p)
			w.checkFieldCases()
			p.stop(t)
		})
	})
}

// TestRetryBesideRowsThatWhereLeavesOut retries a parked object whose key rows
// have, too, that where leaves out.
func TestRetryBesideRowsThatWhereLeavesOut(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, "    where: 'n > 0'\n    on_delete: delete\n")
		w.exec(`CREATE TABLE thing (id int PRIMARY KEY, code text, n int, name text); CREATE UNIQUE INDEX ON thing (code) WHERE n > 0; ALTER TABLE thing REPLICA IDENTITY FULL`)
		w.fail(simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 100, Remainder: 7, Message: "Value not allowed"}})
		p := w.start()
		w.exec(`INSERT INTO thing SELECT i, '107', 0, 'dead' FROM generate_series(1, 5) i`)
		w.exec(`INSERT INTO thing VALUES (6, '107', 1, 'live')`)
		w.settle(p)
		w.awaitParked(1)
		w.sim.Heal()
		if output, code := w.command("parked", "retry", "--all"); code != 0 {
			t.Fatalf("retry: exit code %d: %s", code, output)
		}
		w.awaitParked(0)
		w.wantNames(map[string]string{"107": "live"})
		p.stop(t)
	})
}

// TestRowLeavesThePublicationsFilter has rows stop matching the row filter of
// the publication: they come as deletes, and are in the table all the same.
func TestRowLeavesThePublicationsFilter(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, "    on_delete: delete\n")
		if w.version() < 15 {
			t.Skip("PostgreSQL 14 has no row filters")
		}
		w.exec(things)
		w.exec(`ALTER TABLE thing REPLICA IDENTITY FULL; CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE thing WHERE (n > 0)`)
		p := w.start()
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'a'), ('b', 1, 'b'), ('c', 0, 'c'), ('d', 0, 'd')`)
		w.settle(p)
		w.exec(`UPDATE thing SET n = 0 WHERE code = 'a'; UPDATE thing SET n = 1 WHERE code = 'c'`)
		w.settle(p)
		w.wantNames(map[string]string{"b": "b", "c": "c"})
		p.stop(t)
	})
}
