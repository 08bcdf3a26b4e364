package acceptance_test

import (
	"fmt"
	"slices"
)

// name gives a name that nothing has.
func (a *alteration) name(prefix string) string {
	a.names++
	return fmt.Sprint(prefix, a.names)
}

// define is a statement that changes the structure.
func (a *alteration) define() string {
	if a.breaks && a.rng.IntN(4) == 0 {
		return a.breaking()
	}
	switch a.rng.IntN(10) {
	case 0, 1:
		return a.addColumn()
	case 2:
		return a.dropColumn()
	case 3:
		return a.renameColumn()
	case 4, 5:
		return "ALTER TABLE stock ALTER " + a.pick("n TYPE bigint", "n TYPE int", "id TYPE bigint", "id TYPE int",
			"name TYPE varchar(500)", "name TYPE text", "memo TYPE varchar", "memo TYPE text")
	case 6:
		return a.identify()
	case 7:
		return a.check()
	case 8:
		return a.other()
	}
	return a.pick("ALTER TABLE stock ALTER memo SET STORAGE EXTERNAL", "ALTER TABLE stock ALTER memo SET STORAGE EXTENDED",
		"ALTER TABLE stock SET (fillfactor = 70)", "ALTER TABLE stock ALTER name SET DEFAULT 'd'", "ALTER TABLE stock ALTER name DROP DEFAULT",
		"CREATE INDEX "+a.name("by")+" ON stock (n)", "COMMENT ON TABLE stock IS 'c'")
}

func (a *alteration) addColumn() string {
	name := a.name("x")
	a.extra = append(a.extra, name)
	kind := a.pick("int", "int DEFAULT 7", "float8 DEFAULT random()", "text NOT NULL DEFAULT 'v'", generated, "bigserial", "text[] DEFAULT '{a,b}'")
	if kind == generated {
		if a.barred() {
			kind = "int"
		} else {
			a.computed = append(a.computed, name)
		}
	}
	return "ALTER TABLE stock ADD " + name + " " + kind
}

const generated = "int GENERATED ALWAYS AS (1 + 1) STORED"

// barred reports whether a generated column would keep the table from being
// updated: from PostgreSQL 18 on it must not be part of the replica identity.
func (a *alteration) barred() bool { return a.identity == "FULL" && a.version >= 18 }

func (a *alteration) dropColumn() string {
	if len(a.extra) == 0 {
		return a.addColumn()
	}
	i := a.rng.IntN(len(a.extra))
	name := a.extra[i]
	a.extra = slices.Delete(a.extra, i, i+1)
	return "ALTER TABLE stock DROP " + name
}

func (a *alteration) renameColumn() string {
	if len(a.extra) == 0 {
		return a.addColumn()
	}
	i := a.rng.IntN(len(a.extra))
	before := a.extra[i]
	a.extra[i] = a.name("x")
	if slices.Contains(a.computed, before) {
		a.computed = append(a.computed, a.extra[i])
	}
	return "ALTER TABLE stock RENAME " + before + " TO " + a.extra[i]
}

// identify changes what updates and deletes send of the old row. The index of
// the primary key is made anew only where it is not what was named.
func (a *alteration) identify() string {
	if a.identity != "INDEX" && a.rng.IntN(3) == 0 {
		before := a.pkey
		a.pkey = a.name("stock_pkey")
		return fmt.Sprintf("ALTER TABLE stock DROP CONSTRAINT %s, ADD CONSTRAINT %s PRIMARY KEY (id)", before, a.pkey)
	}
	a.identity = a.pick("FULL", "DEFAULT", "INDEX")
	if a.barred() && slices.ContainsFunc(a.computed, func(name string) bool { return slices.Contains(a.extra, name) }) {
		a.identity = "DEFAULT"
	}
	identity := a.identity
	if identity == "INDEX" {
		identity = "USING INDEX " + a.pkey
	}
	return "ALTER TABLE stock REPLICA IDENTITY " + identity
}

func (a *alteration) check() string {
	if len(a.checks) > 0 && a.rng.IntN(2) == 0 {
		name := a.checks[0]
		a.checks = a.checks[1:]
		return "ALTER TABLE stock DROP CONSTRAINT " + name
	}
	name := a.name("c")
	a.checks = append(a.checks, name)
	return "ALTER TABLE stock ADD CONSTRAINT " + name + " CHECK (id > 0)"
}

// other makes a table that nobody maps, publishes it, or drops it.
func (a *alteration) other() string {
	if len(a.others) > 0 {
		name := a.others[0]
		if a.rng.IntN(2) == 0 {
			a.others = a.others[1:]
			return "DROP TABLE " + name
		}
		return fmt.Sprintf("ALTER PUBLICATION %s SET TABLE %s", a.config.publication, "ONLY stock, "+name)
	}
	name := a.name("other")
	a.others = append(a.others, name)
	return "CREATE TABLE " + name + " AS SELECT id, n FROM stock"
}

// breaking is a statement that a mapping may not survive, with the word that
// tells; a seed has one kind of it. Values that go or change without an event
// are followed by an update of all rows, as an operator would do.
func (a *alteration) breaking() string {
	type way struct{ sql, word string }
	again := "DROP TABLE stock; CREATE TABLE stock (id int PRIMARY KEY, n int, name text, memo text); ALTER PUBLICATION " + a.config.publication + " ADD TABLE stock"
	ways := []way{
		{"TRUNCATE stock", "truncate"},
		{again, "stock"},
		{"ALTER TABLE stock RENAME TO stocks; ALTER TABLE stocks RENAME TO stock", "stock"},
		{"ALTER PUBLICATION " + a.config.publication + " DROP TABLE stock; ALTER PUBLICATION " + a.config.publication + " ADD TABLE stock", "publication"},
		{"ALTER TABLE stock DROP name; ALTER TABLE stock ADD name text; UPDATE stock SET n = n", "name"},
		{"ALTER TABLE stock RENAME name TO label; UPDATE stock SET n = n; ALTER TABLE stock RENAME label TO name", "name"},
		{"ALTER TABLE stock ALTER n TYPE bigint USING n * 2; UPDATE stock SET n = n", "stock"},
	}
	w := ways[a.seed%uint64(len(ways))]
	a.broken = append(a.broken, w.word)
	if w.sql == again {
		a.extra, a.checks, a.identity, a.pkey = nil, nil, "DEFAULT", "stock_pkey"
	}
	return w.sql
}
