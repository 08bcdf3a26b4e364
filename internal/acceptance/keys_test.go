package acceptance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// objects are those of a type as "key name=… n=…", the fields sorted.
type objects []string

// keyCase is a table whose keys change hands, and the objects that must come
// of it.
type keyCase struct {
	name string
	// schema makes the table of the name %[1]s, rows what it holds before the
	// program starts to read, change what comes then: one transaction each.
	schema string
	rows   []string
	change []string
	// key is the key column, mapped to the dedupe field rid; the other
	// attributes are name, and what more says. onDelete is delete unless set.
	key, more, onDelete string
	// exact and fold are the objects afterwards at an instance that tells all
	// keys apart, and at one that compares them without case and trailing
	// blanks; fold is exact where it is left out.
	exact, fold objects
	// removes is set where objects are meant to be removed. Elsewhere none may
	// be: one that comes again would set off campaigns.
	removes bool
}

var keyCases = []keyCase{
	{
		name:   "a deferrable key is shifted",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, pos int NOT NULL, name text, UNIQUE (pos) DEFERRABLE); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		rows:   []string{`INSERT INTO %[1]s SELECT i, i, 'n' || i FROM generate_series(1, 5) i`},
		change: []string{`UPDATE %[1]s SET pos = pos + 1`},
		key:    "pos", removes: true,
		exact: objects{"2 name=n1", "3 name=n2", "4 name=n3", "5 name=n4", "6 name=n5"},
	}, {
		name:   "two rows exchange their keys",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, pos int NOT NULL, name text, UNIQUE (pos) DEFERRABLE INITIALLY DEFERRED); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 1, 'one'), (2, 2, 'two')`},
		change: []string{`UPDATE %[1]s SET pos = 3 - pos`},
		key:    "pos",
		exact:  objects{"1 name=two", "2 name=one"},
	}, {
		name:   "keys move on along a chain",
		schema: `CREATE TABLE %[1]s (pos text PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES ('a', 'first'), ('b', 'second')`},
		change: []string{`UPDATE %[1]s SET pos = 'c' WHERE pos = 'b'; UPDATE %[1]s SET pos = 'b' WHERE pos = 'a'`},
		key:    "pos", removes: true,
		exact: objects{"b name=first", "c name=second"},
	}, {
		name:   "a key that two rows have outlives one of them",
		schema: `CREATE TABLE %[1]s (id int PRIMARY KEY, grp int NOT NULL, name text); ALTER TABLE %[1]s REPLICA IDENTITY FULL`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 7, 'one')`, `INSERT INTO %[1]s VALUES (2, 7, 'two')`},
		change: []string{`DELETE FROM %[1]s WHERE id = 2`},
		key:    "grp",
		exact:  objects{"7 name=one"},
	}, {
		name:   "a row is deleted and made again in one transaction",
		schema: `CREATE TABLE %[1]s (pos int PRIMARY KEY, name text, state text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 'old', 'x')`},
		change: []string{`DELETE FROM %[1]s; INSERT INTO %[1]s VALUES (1, 'new', NULL)`},
		key:    "pos", more: `, state: {column: state, "null": omit}`,
		exact: objects{"1 name=new"},
	}, {
		name: "a row moves to another partition",
		schema: `CREATE TABLE %[1]s (pos int, at int, name text, PRIMARY KEY (pos, at)) PARTITION BY LIST (at);
			CREATE TABLE %[1]s_1 PARTITION OF %[1]s FOR VALUES IN (1); CREATE TABLE %[1]s_2 PARTITION OF %[1]s FOR VALUES IN (2)`,
		rows:   []string{`INSERT INTO %[1]s VALUES (1, 1, 'one'), (2, 1, 'two')`},
		change: []string{`UPDATE %[1]s SET at = 2 WHERE pos = 1`, `DELETE FROM %[1]s WHERE pos = 2`},
		key:    "pos", onDelete: "{set: {gone: true}}",
		exact: objects{"1 name=one", "2 gone=true name=two"},
	}, {
		name:   "keys are written in lower case",
		schema: `CREATE TABLE %[1]s (code text PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s SELECT 'Bob' || i || '@Example.com', 'n' || i FROM generate_series(1, 3) i`},
		change: []string{`UPDATE %[1]s SET code = lower(code)`},
		key:    "code",
		exact:  objects{"Bob1@Example.com name=n1", "Bob2@Example.com name=n2", "Bob3@Example.com name=n3", "bob1@example.com name=n1", "bob2@example.com name=n2", "bob3@example.com name=n3"},
		fold:   objects{"bob1@example.com name=n1", "bob2@example.com name=n2", "bob3@example.com name=n3"},
	}, {
		name:   "trailing blanks are taken away",
		schema: `CREATE TABLE %[1]s (code text PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES ('Ärger  ', 'one')`},
		change: []string{`UPDATE %[1]s SET code = 'ärger'`},
		key:    "code",
		exact:  objects{"Ärger   name=one", "ärger name=one"},
		fold:   objects{"ärger name=one"},
	}, {
		name:   "a key is equal without case for PostgreSQL, too",
		schema: `CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE %[1]s (code citext PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES ('Bob', 'one')`},
		change: []string{`UPDATE %[1]s SET code = 'BOB', name = 'two'`},
		key:    "code",
		exact:  objects{"BOB name=two", "Bob name=one"},
		fold:   objects{"BOB name=two"},
	}, {
		name:   "of two spellings one row goes",
		schema: `CREATE TABLE %[1]s (code text PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES ('bob', 'small')`, `INSERT INTO %[1]s VALUES ('BOB', 'large')`},
		change: []string{`DELETE FROM %[1]s WHERE code = 'BOB'`},
		key:    "code",
		exact:  objects{"BOB name=large", "bob name=small"},
		fold:   objects{"bob name=small"},
	}, {
		name:   "a key is taken over in another spelling",
		schema: `CREATE TABLE %[1]s (code text PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES ('Bob', 'one'), ('x', 'two')`},
		change: []string{`UPDATE %[1]s SET code = 'y' WHERE code = 'Bob'; UPDATE %[1]s SET code = 'bob' WHERE code = 'x'`},
		key:    "code", removes: true,
		exact: objects{"Bob name=one", "bob name=two", "y name=one"},
		fold:  objects{"bob name=two", "y name=one"},
	}, {
		name:   "both spellings go",
		schema: `CREATE TABLE %[1]s (code text PRIMARY KEY, name text)`,
		rows:   []string{`INSERT INTO %[1]s VALUES ('bob', 'small'), ('BOB', 'large'), ('x', 'x')`},
		change: []string{`DELETE FROM %[1]s WHERE code <> 'x'`},
		key:    "code", removes: true,
		exact: objects{"x name=x"},
	},
}

// TestKeysChangeHands runs every case at once over each API, at an instance
// that tells all keys apart and at one that does not.
func TestKeysChangeHands(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		for _, rule := range []simulator.KeyRule{simulator.ExactKeys, simulator.FoldKeys} {
			t.Run(string(rule), func(t *testing.T) {
				t.Parallel()
				w := newKeyWorld(t, api, rule)
				p := w.start()
				w.eachTransaction(func(c *keyCase) []string { return c.rows })
				w.settle(p)
				w.eachTransaction(func(c *keyCase) []string { return c.change })
				w.settle(p)
				w.checkKeyCases(rule)
				p.stop(t)
			})
		}
	})
}

// TestKeysChangeHandsWhileStopped is the same with all changes waiting in the
// slot, so that a key's changes merge as far as they may.
func TestKeysChangeHandsWhileStopped(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newKeyWorld(t, api, simulator.FoldKeys)
		p := w.start()
		w.settle(p)
		p.stop(t)
		w.eachTransaction(func(c *keyCase) []string { return append(slices.Clone(c.rows), c.change...) })
		p = w.start()
		w.settle(p)
		w.checkKeyCases(simulator.FoldKeys)
		p.stop(t)
	})
}

func (c *keyCase) table(i int) string { return fmt.Sprintf("key%d", i) }

func newKeyWorld(t *testing.T, api string, rule simulator.KeyRule) *world {
	t.Helper()
	dedupe := map[string][]string{}
	for i := range keyCases {
		dedupe[fmt.Sprintf("Key%d", i)] = []string{"rid"}
	}
	w := newWorld(t, server, api, simulator.Options{Dedupe: dedupe, Keys: rule, RecordKeys: true})
	for i := range keyCases {
		c := &keyCases[i]
		w.exec(fmt.Sprintf(c.schema, c.table(i)))
		onDelete := c.onDelete
		if onDelete == "" {
			onDelete = "delete"
		}
		w.config.mappings += fmt.Sprintf("  - {table: public.%s, object: Key%d, key: {rid: %s}, attributes: {name: name%s}, on_delete: %s}\n",
			c.table(i), i, c.key, c.more, onDelete)
	}
	return w
}

func (w *world) eachTransaction(of func(*keyCase) []string) {
	w.t.Helper()
	for i := range keyCases {
		for _, sql := range of(&keyCases[i]) {
			w.exec(fmt.Sprintf("BEGIN; "+sql+"; COMMIT", keyCases[i].table(i)))
		}
	}
}

func (w *world) checkKeyCases(rule simulator.KeyRule) {
	w.t.Helper()
	for i := range keyCases {
		c, object := &keyCases[i], fmt.Sprintf("Key%d", i)
		want := c.exact
		if rule == simulator.FoldKeys && c.fold != nil {
			want = c.fold
		}
		if got := w.shown(object); !slices.Equal(got, want) {
			w.t.Errorf("%s: objects\n\t%s\nwant\n\t%s", c.name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		for _, call := range w.writes() {
			if strings.EqualFold(call.Type, object) && call.Operation == "delete" && !c.removes {
				w.t.Errorf("%s: %v was removed", c.name, call.Keys)
			}
		}
	}
	w.noViolations()
}

// shown are the objects of a type, each with its key as it is written.
func (w *world) shown(object string) objects {
	var all objects
	for _, fields := range w.sim.Objects(object) {
		text := fields["rid"]
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if name != "rid" {
				text += " " + name + "=" + fields[name]
			}
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}
