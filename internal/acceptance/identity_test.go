package acceptance_test

import (
	"strings"
	"testing"
	"time"
)

// TestTableThatIsNoLongerTheSame has a mapped table change its name or its
// place, or leave the publication for a while, which the stream tells nobody:
// while the program runs, it halts at once where the stream shows it at all;
// after it was stopped, it refuses to start, says why, and goes on when that is
// accepted.
func TestTableThatIsNoLongerTheSame(t *testing.T) {
	needServer(t)
	t.Parallel()
	tests := []struct {
		name        string
		publication string
		change      string
		// running are words of the halt; none where the stream does not show it.
		running, stopped []string
	}{
		{"renamed", "", `ALTER TABLE thing RENAME TO thing2; INSERT INTO thing2 VALUES ('b', 2, 'two')`,
			[]string{"public.thing2", "renamed"}, []string{"called public.thing2", "set table: public.thing2"}},
		{"moved to another schema", "", `CREATE SCHEMA other; ALTER TABLE thing SET SCHEMA other; INSERT INTO other.thing VALUES ('b', 2, 'two')`,
			[]string{"other.thing", "another schema"}, []string{"called other.thing"}},
		{"swapped", "FOR ALL TABLES", `CREATE TABLE thing_new (LIKE thing INCLUDING ALL); ALTER TABLE thing RENAME TO thing_old; ALTER TABLE thing_new RENAME TO thing; INSERT INTO thing VALUES ('b', 2, 'two')`,
			[]string{"another table"}, []string{"another table"}},
		{"dropped and created anew", "FOR ALL TABLES", `DROP TABLE thing; CREATE TABLE thing (code text PRIMARY KEY, n int, name text, memo text); INSERT INTO thing VALUES ('b', 2, 'two')`,
			[]string{"another table"}, []string{"another table"}},
		{"out of the publication and back", "", `ALTER PUBLICATION {p} DROP TABLE thing; INSERT INTO thing VALUES ('b', 2, 'two'); ALTER PUBLICATION {p} ADD TABLE thing`,
			nil, []string{"taken out of the publication and put back"}},
		{"out of the schema and back", "FOR TABLES IN SCHEMA public", `ALTER PUBLICATION {p} DROP TABLES IN SCHEMA public; INSERT INTO thing VALUES ('b', 2, 'two'); ALTER PUBLICATION {p} ADD TABLES IN SCHEMA public`,
			nil, []string{"taken out of the publication and put back"}},
		{"schema renamed", "", `INSERT INTO thing VALUES ('b', 2, 'two'); ALTER SCHEMA public RENAME TO other; CREATE SCHEMA public`,
			nil, []string{"called other.thing"}},
		{"publication altered and back", "", `ALTER PUBLICATION {p} SET (publish = 'delete'); INSERT INTO thing VALUES ('b', 2, 'two'); ALTER PUBLICATION {p} SET (publish = 'insert, update, delete, truncate')`,
			nil, []string{"publication of table public.thing was altered"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newHistory(t, apis[i%2])
			if strings.Contains(tt.publication, "IN SCHEMA") && w.version() < 15 {
				t.Skip("PostgreSQL 14 has no publications of schemas")
			}
			if tt.publication != "" {
				w.exec(`CREATE PUBLICATION ` + w.config.publication + ` ` + tt.publication)
			}
			p := w.start()
			w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
			w.settle(p)
			if tt.running == nil {
				p.stop(t)
			}
			for sql := range strings.SplitSeq(tt.change, "; ") {
				w.exec(strings.ReplaceAll(sql, "{p}", w.config.publication))
			}
			if tt.running != nil {
				w.halts(time.Minute, tt.running...)
				p.stop(t)
			}
			code, said := w.check()
			if code != 3 {
				t.Errorf("check ends with %d, want 3", code)
			}
			p = w.launch()
			if got := p.exit(t, time.Minute); got != 3 {
				t.Errorf("exit code = %d, want 3", got)
			}
			for _, word := range append(tt.stopped, "table_changed") {
				if !strings.Contains(p.output.String(), word) || !strings.Contains(said, word) {
					t.Errorf("the start or check does not say %q", word)
				}
			}
			// A table that is not there cannot be gone on with, and its mapping
			// is not gone.
			for _, text := range []string{p.output.String(), said} {
				if got, want := strings.Contains(text, "--accept-table 'public.thing'"), w.value(`to_regclass('public.thing') IS NOT NULL`) == "true"; got != want {
					t.Errorf("--accept-table is named: %t, want %t, in\n%s", got, want, text)
				}
				if strings.Contains(text, "is gone: changes for it") {
					t.Errorf("a mapping is told to be gone in\n%s", text)
				}
			}
		})
	}
}

// TestTableIsOutForAMoment takes a mapped table out of the publication and puts
// it back while the program runs, between two looks.
func TestTableIsOutForAMoment(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newHistory(t, "soap")
	p := w.start()
	w.exec(`ALTER PUBLICATION ` + w.config.publication + ` DROP TABLE thing`)
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
	w.exec(`ALTER PUBLICATION ` + w.config.publication + ` ADD TABLE thing`)
	w.halts(time.Minute, "taken out of the publication and put back")
	p.stop(t)
}

// TestRenamedTableIsFollowed corrects the mapping after its table was renamed:
// what waits from before the rename is delivered, and what follows.
func TestRenamedTableIsFollowed(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newHistory(t, api)
		p := w.start()
		p.stop(t)
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
		w.exec(`ALTER TABLE thing RENAME TO thing2`)
		w.exec(`INSERT INTO thing2 VALUES ('b', 2, 'two')`)
		w.mapThing("public.thing2", "code", "{n: n, name: name}")
		if code, said := w.check(); code != 0 {
			t.Errorf("check ends with %d: %s", code, said)
		}
		p = w.start()
		w.settle(p)
		w.wantThing("a", "n=1 name=one")
		w.wantThing("b", "n=2 name=two")
		p.stop(t)
	})
}

// TestReplacedTableIsAccepted goes on over a table that took the place of
// another, once somebody says so: with what waits of both.
func TestReplacedTableIsAccepted(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newHistory(t, api)
		w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR ALL TABLES`)
		w.start().stop(t)
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
		w.exec(`CREATE TABLE thing_new (LIKE thing INCLUDING ALL)`)
		w.exec(`INSERT INTO thing_new SELECT * FROM thing`)
		w.exec(`BEGIN; ALTER TABLE thing RENAME TO thing_old; ALTER TABLE thing_new RENAME TO thing; COMMIT`)
		w.exec(`INSERT INTO thing VALUES ('b', 2, 'two')`)
		p := w.launch()
		if got := p.exit(t, time.Minute); got != 3 {
			t.Errorf("exit code = %d, want 3", got)
		}
		p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.thing")
		w.awaitReady(p)
		w.settle(p)
		w.wantThing("a", "n=1 name=one")
		w.wantThing("b", "n=2 name=two")
		p.stop(t)
		p = w.start() // it is recorded
		p.stop(t)
	})
}

// TestMappingThatIsGone takes a mapping out while its changes are unread.
func TestMappingThatIsGone(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newHistory(t, "rest")
	w.exec(`CREATE TABLE other (id int PRIMARY KEY)`)
	one := w.config.mappings
	w.config.mappings += "\n  - {name: other, table: public.other, object: Thing2, key: {code: id}}\n"
	w.start().stop(t)
	w.exec(`INSERT INTO other VALUES (1)`)
	w.config.mappings = one
	if code, said := w.check(); code != 0 || !strings.Contains(said, "mapping other") {
		t.Errorf("check ends with %d and does not tell of the mapping: %s", code, said)
	}
	p := w.start()
	p.awaitLog(t, "mapping other (public.other to Thing2) is gone")
	if _, status := w.get("/api/v1/status"); !strings.Contains(status, "mapping other (public.other to Thing2) is gone") {
		t.Error("the status does not tell of the mapping that is gone")
	}
	w.settle(p)
	p.stop(t)
}

// TestTableIsAPartitionForAWhile attaches a mapped table to another, by whose
// root its changes are sent then, and detaches it again: nothing but the stream
// tells, and only before the first of these changes.
func TestTableIsAPartitionForAWhile(t *testing.T) {
	needServer(t)
	t.Parallel()
	for i, published := range []string{"FOR ALL TABLES", "FOR TABLE thing, parent"} {
		t.Run(published, func(t *testing.T) {
			t.Parallel()
			w := newHistory(t, apis[i%2])
			w.exec(`ALTER TABLE thing ALTER n SET NOT NULL; CREATE TABLE parent (LIKE thing) PARTITION BY LIST (n)`)
			w.exec(`CREATE TABLE other PARTITION OF parent FOR VALUES IN (2)`)
			w.exec(`CREATE PUBLICATION ` + w.config.publication + ` ` + published + ` WITH (publish_via_partition_root = true, publish = 'insert, update, delete')`)
			w.config.mappings += "    on_truncate: ignore\n"
			w.exec(`ALTER TABLE parent REPLICA IDENTITY FULL; ALTER TABLE other REPLICA IDENTITY FULL`)
			p := w.start()
			w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
			w.exec(`INSERT INTO parent VALUES ('x', 2, 'two')`) // nothing to do with us
			w.exec(`BEGIN; INSERT INTO thing VALUES ('b', 1, 'one'); INSERT INTO parent VALUES ('y', 2, 'two'); COMMIT`)
			w.settle(p)
			w.wantThing("b", "n=1 name=one")
			w.exec(`ALTER TABLE parent ATTACH PARTITION thing FOR VALUES IN (1)`)
			w.exec(`INSERT INTO parent VALUES ('x', 2, 'two')`)
			w.exec(`INSERT INTO thing VALUES ('c', 1, 'one')`)
			w.exec(`ALTER TABLE parent DETACH PARTITION thing`)
			w.exec(`INSERT INTO thing VALUES ('d', 1, 'one')`)
			if w.version() < 15 {
				// PostgreSQL 14 goes on to send a table as it began to in this session.
				w.settle(p)
				w.wantThing("c", "n=1 name=one")
				w.wantThing("d", "n=1 name=one")
				p.stop(t)
				return
			}
			w.halts(10*time.Second, "public.thing came as one of public.parent", "--accept-table 'public.thing'")
			p.stop(t)
			w.checkForesees("public.thing came as one of public.parent")
			w.wantThing("d", "")
			p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.thing")
			w.awaitReady(p)
			w.settle(p)
			w.wantThing("d", "n=1 name=one")
			p.stop(t)
		})
	}
}

// TestTableIsUnloggedForAWhile takes a table out of the WAL and puts it back,
// seen so by a running program, or by a start. It is what it is to leave the
// publication for a while.
func TestTableIsUnloggedForAWhile(t *testing.T) {
	needServer(t)
	t.Parallel()
	for i, running := range []bool{true, false} {
		t.Run(map[bool]string{true: "running", false: "stopped"}[running], func(t *testing.T) {
			t.Parallel()
			w := newHistory(t, apis[i])
			w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR ALL TABLES`)
			p := w.start()
			if !running {
				p.stop(t)
			}
			w.exec(`ALTER TABLE thing SET UNLOGGED`)
			w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
			if running {
				w.halts(time.Minute, "table public.thing is UNLOGGED")
				p.stop(t)
			} else if got := w.launch().exit(t, time.Minute); got != 3 {
				t.Errorf("exit code of a start beside an unlogged table = %d, want 3", got)
			}
			w.exec(`ALTER TABLE thing SET LOGGED`)
			p = w.launch()
			if got := p.exit(t, time.Minute); got != 3 || !strings.Contains(p.output.String(), "was UNLOGGED for a while") {
				t.Errorf("exit code of the next start = %d, want 3, for it was unlogged", got)
			}
			p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.thing")
			w.awaitReady(p)
			w.exec(`UPDATE thing SET n = n`)
			w.settle(p)
			w.wantThing("a", "n=1 name=one")
			p.stop(t)
			w.start().stop(t) // it is recorded
		})
	}
}

// TestPublicationIsOwnedAnew gives the publication another owner, which takes
// nothing from the stream.
func TestPublicationIsOwnedAnew(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newHistory(t, "rest")
	w.start().stop(t)
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
	role := w.database + "_owner"
	w.exec(`CREATE ROLE ` + role + ` SUPERUSER; ALTER PUBLICATION ` + w.config.publication + ` OWNER TO ` + role)
	p := w.start()
	p.awaitLog(t, "the publication of table public.thing has another owner")
	w.settle(p)
	w.wantThing("a", "n=1 name=one")
	p.stop(t)
	w.start().stop(t)
	w.exec(`REASSIGN OWNED BY ` + role + ` TO CURRENT_USER; DROP ROLE ` + role)
}
