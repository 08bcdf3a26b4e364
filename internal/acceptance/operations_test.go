package acceptance_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/agreement"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// identities are the tables of TestOperations, one for each replica identity
// that sends old rows. All are keyed by k.
var identities = []struct{ name, sql string }{
	{"keyed", `CREATE TABLE %s (k int PRIMARY KEY, city text, state text, nick text, note text)`},
	{"whole", `CREATE TABLE %s (k int NOT NULL UNIQUE, city text, state text, nick text, note text);
		ALTER TABLE whole REPLICA IDENTITY FULL`},
	{"indexed", `CREATE TABLE %s (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int NOT NULL, city text, state text, nick text, note text);
		CREATE UNIQUE INDEX indexed_k ON indexed (k); ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_k`},
}

// script changes the tables and works out what must become of it.
type script struct {
	w        *world
	rows     map[string]map[int]*row
	expected map[string]*expected
}

// newScript makes the tables, the mappings, and one object for every third key
// in each type, so that UPDATE finds something and INSERT something in its
// way.
func newScript(t *testing.T, api string, keys int) *script {
	t.Helper()
	dedupe := map[string][]string{}
	s := &script{rows: map[string]map[int]*row{}, expected: map[string]*expected{}}
	mappings := ""
	for _, id := range identities {
		s.rows[id.name] = map[int]*row{}
		for _, k := range kinds {
			object := strings.ToUpper(id.name[:1]) + id.name[1:] + k.name
			dedupe[object] = []string{"rid"}
			s.expected[object] = &expected{k, id.name != "whole", map[string]map[string]string{}}
			mappings += k.yaml(id.name, object)
		}
	}
	// A server of its own: many changes of tables elsewhere on a server make it
	// forget descriptions, so that it sends them anew, as after ANALYZE.
	s.w = newWorld(t, ownServer(t, nil), api, simulator.Options{Dedupe: dedupe})
	s.w.config.mappings = mappings
	for _, id := range identities {
		s.w.exec(fmt.Sprintf(id.sql, id.name))
		// The stream describes a table anew after ANALYZE: then it is asked who holds
		// a key until the next look, and a row that does is sent, newer than it came.
		s.w.exec(`ALTER TABLE ` + id.name + ` ALTER note SET STORAGE EXTERNAL, SET (autovacuum_enabled = false)`)
	}
	s.seed(keys)
	return s
}

// seed writes objects to the simulator that no row has made.
func (s *script) seed(keys int) {
	t := s.w.t
	t.Helper()
	loaded := s.load()
	client, err := daemon.Client(loaded.Marketo, nil)
	if err != nil {
		t.Fatal(err)
	}
	for object, e := range s.expected {
		shape := &marketo.Shape{Key: []string{"rid"}, Attributes: []string{"city"}}
		batch := &marketo.Batch{Type: object, Operation: marketo.Upsert}
		for k := 0; k <= keys; k += 3 {
			key := fmt.Sprint(k)
			e.objects[key] = map[string]string{"rid": key, "city": "seeded"}
			batch.Objects = append(batch.Objects, marketo.NewObject(shape, []marketo.Value{
				{Kind: marketo.Number, Text: key}, {Kind: marketo.String, Text: "seeded"},
			}))
		}
		if reply := client.Sync(t.Context(), batch); reply.Fault != nil {
			t.Fatal(reply.Fault)
		}
	}
}

// load reads the configuration as the program does.
func (s *script) load() *config.Config {
	s.w.t.Helper()
	loaded, err := config.Load(s.w.configure(), os.LookupEnv)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return loaded
}

// change makes one change of a table and notes what follows from it. Within a
// transaction the caller begins and ends it.
func (s *script) change(table string, before, after *row, sql string, args ...any) {
	s.w.t.Helper()
	s.w.exec(strings.ReplaceAll(sql, "TABLE", table), args...)
	if before != nil {
		delete(s.rows[table], before.k)
	}
	if after != nil {
		s.rows[table][after.k] = after
	}
	for object, e := range s.expected {
		if strings.HasPrefix(strings.ToLower(object), table) {
			e.change(before, after)
		}
	}
}

func (s *script) insert(table string, r row) {
	s.w.t.Helper()
	s.change(table, nil, &r, `INSERT INTO TABLE (k, city, state, nick, note) VALUES ($1, $2, $3, $4, $5)`, r.k, r.city, r.state, r.nick, r.note)
}

// update changes a row; the note is not mentioned unless it changes, so that
// the stream leaves it out when it is large.
func (s *script) update(table string, k int, edit func(*row)) {
	s.w.t.Helper()
	before := s.rows[table][k]
	after := *before
	edit(&after)
	if after.note == before.note {
		s.change(table, before, &after, `UPDATE TABLE SET k = $2, city = $3, state = $4, nick = $5 WHERE k = $1`, k, after.k, after.city, after.state, after.nick)
		return
	}
	s.change(table, before, &after, `UPDATE TABLE SET k = $2, city = $3, state = $4, nick = $5, note = $6 WHERE k = $1`, k, after.k, after.city, after.state, after.nick, after.note)
}

func (s *script) delete(table string, k int) {
	s.w.t.Helper()
	s.change(table, s.rows[table][k], nil, `DELETE FROM TABLE WHERE k = $1`, k)
}

// check compares every type with what is expected, and the rows with their
// objects by the program's own rules. Where large values were left out of the
// stream, rows were read from their tables, at a time that is not known: values
// between may never have been sent. Then exact is unset, and only that is
// compared which does not depend on them.
func (s *script) check(exact bool) {
	t := s.w.t
	t.Helper()
	for object, e := range s.expected {
		if !exact && !strings.HasPrefix(object, "Whole") && (e.kind.onDelete != "delete" || e.kind.operation != "UPSERT") {
			continue
		}
		for _, d := range e.differences(s.w.sim.Objects(object), exact) {
			t.Errorf("%s: %s", object, d)
		}
	}
	loaded := s.load()
	source, err := daemon.Source(loaded.Source)
	if err != nil {
		t.Fatal(err)
	}
	report, err := agreement.Compare(context.Background(), source, loaded.Set, s.w.sim.Objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, tally := range report.Mappings {
		// The others do not promise that an object is as its row.
		if strings.HasSuffix(tally.Name, "UpsertAlways") && (tally.Different > 0 || tally.Missing > 0 || tally.Rows == 0) {
			t.Errorf("agreement: %+v %v", tally, report.Findings)
		}
	}
	s.w.noViolations()
}

func text(s string) *string { return &s }

// large is a value that PostgreSQL stores apart from its row.
func large() *string { return note(300) }

// note is a value of that many times 16 bytes.
func note(length int) *string {
	return text(strings.Repeat(fmt.Sprintf("%016x", rand.Uint64()), length))
}

// TestOperations puts each kind of change through each operation and delete
// policy of each replica identity.
func TestOperations(t *testing.T) {
	const keys = 40
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		s := newScript(t, api, keys)
		p := s.w.start()
		for _, id := range identities {
			for k := 1; k <= 20; k++ {
				s.insert(id.name, row{k: k, city: text("city"), state: text("ok"), nick: text("nick"), note: large()})
			}
		}
		s.w.settle(p)
		s.check(true)
		for _, id := range identities {
			s.walk(id.name)
		}
		s.w.settle(p)
		s.check(true)
		s.shorten()
		for i, length := range []int{1, 300} {
			for range 300 {
				s.random(identities[rand.IntN(len(identities))].name, keys, length)
			}
			s.w.settle(p)
			s.check(i == 0)
		}
		p.stop(t)
	})
}

// walk makes every kind of change once, to rows of their own.
func (s *script) walk(table string) {
	s.w.t.Helper()
	s.update(table, 1, func(r *row) { r.city = text("other") }) // large value untouched
	s.update(table, 2, func(r *row) { r.note = large() })
	s.delete(table, 3)
	s.update(table, 4, func(r *row) { r.k = 24 }) // key change with a large value untouched
	s.update(table, 5, func(r *row) { r.k, r.note = 25, text("short") })
	s.update(table, 6, func(r *row) { r.state = text("XX") }) // stops to match
	s.update(table, 7, func(r *row) { r.state = text("XX") })
	s.update(table, 7, func(r *row) { r.state, r.city = text("ok"), text("back") }) // begins to match again
	s.update(table, 8, func(r *row) { r.city, r.nick = nil, nil })
	s.update(table, 9, func(r *row) { r.state = nil })
	s.delete(table, 10)
	s.insert(table, row{k: 10, city: text("anew")}) // without the other values
	s.insert(table, row{k: 31, state: text("XX"), note: large()})
	s.update(table, 31, func(r *row) { r.state = text("ok") }) // begins to match with a large value untouched
	s.insert(table, row{k: 32, state: text("XX")})
	s.delete(table, 32)
	s.update(table, 11, func(r *row) { r.state = text("XX") })
	s.update(table, 11, func(r *row) { r.k = 26 }) // moves while it does not match
	s.update(table, 26, func(r *row) { r.state = text("ok") })
	s.update(table, 12, func(r *row) { r.note = text("") })

	s.w.exec(`BEGIN`)
	s.insert(table, row{k: 33, city: text("one")})
	s.update(table, 33, func(r *row) { r.city = text("two") })
	s.delete(table, 33)
	s.insert(table, row{k: 33, city: text("three")})
	s.update(table, 33, func(r *row) { r.k = 34 })
	s.w.exec(`COMMIT`)

	s.update(table, 13, func(r *row) { r.note = text("short") })
	s.update(table, 14, func(r *row) { r.note = text("short") })
	s.w.exec(`BEGIN`) // two rows change places
	s.update(table, 13, func(r *row) { r.k = -1 })
	s.update(table, 14, func(r *row) { r.k = 13 })
	s.update(table, -1, func(r *row) { r.k = 14 })
	s.w.exec(`COMMIT`)

	s.w.exec(`BEGIN`)
	s.w.exec(`UPDATE ` + table + ` SET city = 'never'`)
	s.w.exec(`ROLLBACK`)
}

// shorten takes all large values away.
func (s *script) shorten() {
	s.w.t.Helper()
	for table, rows := range s.rows {
		for _, k := range slices.Sorted(maps.Keys(rows)) {
			s.update(table, k, func(r *row) { r.note = note(1) })
		}
	}
}

// random makes one change without waiting for what became of earlier ones;
// length is that of the notes.
func (s *script) random(table string, keys, length int) {
	s.w.t.Helper()
	k := 1 + rand.IntN(keys)
	r := row{k: k, city: text(fmt.Sprint("city ", rand.IntN(1000))), state: pick("ok", "XX", "fine"), nick: pick("", "nick"), note: text("short")}
	if rand.IntN(4) == 0 {
		r.nick = nil
	}
	if rand.IntN(3) == 0 {
		r.note = note(length)
	}
	switch known := s.rows[table][k]; {
	case known == nil:
		s.insert(table, r)
	case rand.IntN(5) == 0:
		s.delete(table, k)
	default:
		moveTo := k
		if to := 1 + rand.IntN(keys); rand.IntN(5) == 0 && s.rows[table][to] == nil {
			moveTo = to
		}
		s.update(table, k, func(edit *row) {
			r.k = moveTo
			if rand.IntN(2) == 0 {
				r.note = edit.note
			}
			*edit = r
		})
	}
}

func pick(choices ...string) *string { return text(choices[rand.IntN(len(choices))]) }

// TestInsertOnlyTable maps a table with REPLICA IDENTITY NOTHING: rows can only
// be inserted.
func TestInsertOnlyTable(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.config.mappings = strings.Replace(items, "on_delete: delete", "operation: INSERT", 1)
		w.exec(`ALTER TABLE items REPLICA IDENTITY NOTHING`)
		w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE items WITH (publish = 'insert')`)
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'pad' FROM generate_series(1, 500) i`)
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
	})
}

// TestTruncate empties a table under each policy.
func TestTruncate(t *testing.T) {
	tests := []struct {
		name, mapping string
		halts         bool
	}{
		{"ignored on request", items + "    on_truncate: ignore\n", false},
		{"ignored with on_delete", strings.Replace(items, "on_delete: delete", "on_delete: ignore", 1), false},
		{"halts by default", items, true},
		{"halts on request", strings.Replace(items, "on_delete: delete", "on_truncate: halt", 1), true},
	}
	needServer(t)
	t.Parallel()
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, apis[i%2], 10, simulator.Options{})
			w.config.mappings = tt.mapping
			p := w.start()
			w.exec(`UPDATE items SET version = 1`)
			w.settle(p)
			before := w.lsn(`SELECT pg_current_wal_lsn()`)
			w.exec(`TRUNCATE items`)
			w.exec(`INSERT INTO items VALUES (11, 1, 'pad')`)
			if !tt.halts {
				w.settle(p)
				if got := w.sim.Count("Item"); got != 11 {
					t.Errorf("objects = %d, want all 11", got)
				}
				p.stop(t)
				return
			}
			await(t, time.Minute, func() (bool, string) {
				status, body := w.get("/readyz")
				return status == 503 && strings.Contains(strings.ToLower(body), "truncate"), "readyz: " + body
			})
			p.stop(t)
			if got := w.sim.Count("Item"); got != 10 {
				t.Errorf("objects = %d, want the 10 from before", got)
			}
			if got := w.confirmed(); got > before+1<<12 && got >= w.lsn(`SELECT pg_current_wal_lsn()`) {
				t.Errorf("the slot stands at %s, behind the truncate", got)
			}
			p = w.launch()
			await(t, time.Minute, func() (bool, string) {
				status, body := w.get("/readyz")
				return status == 503 && strings.Contains(strings.ToLower(body), "truncate"), "readyz in the next life: " + body
			})
			p.stop(t)
		})
	}
}
