package acceptance_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// hand is a table whose few keys change hands at random; k is the key.
type hand struct {
	name, schema string
	// extra are more lines of the mapping; text is set where keys are texts,
	// toast where there is a memo that updates leave alone.
	extra       string
	text, toast bool
}

var hands = []hand{
	{name: "shift", schema: `CREATE TABLE shift (id int PRIMARY KEY, k int NOT NULL, name text, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED); ALTER TABLE shift REPLICA IDENTITY FULL`},
	{name: "grp", schema: `CREATE TABLE grp (id int PRIMARY KEY, k int NOT NULL, name text); ALTER TABLE grp REPLICA IDENTITY FULL`},
	{name: "code", schema: `CREATE TABLE code (id int, k text PRIMARY KEY, name text, memo text); ALTER TABLE code ALTER memo SET STORAGE EXTERNAL`, text: true, toast: true},
	{name: "part", schema: `CREATE TABLE part (id int, k int, name text, PRIMARY KEY (k, id)) PARTITION BY LIST (id);
		CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1, 2, 3, 4); CREATE TABLE part_2 PARTITION OF part DEFAULT`},
	{name: "wher", schema: `CREATE TABLE wher (id int, k int PRIMARY KEY, name text, memo text); ALTER TABLE wher ALTER memo SET STORAGE EXTERNAL`, toast: true, extra: ", where: 'name != \"x\"'"},
	{name: "wherf", schema: `CREATE TABLE wherf (id int PRIMARY KEY, k int UNIQUE DEFERRABLE, name text, memo text); ALTER TABLE wherf ALTER memo SET STORAGE EXTERNAL; ALTER TABLE wherf REPLICA IDENTITY FULL`, toast: true, extra: ", where: 'name != \"x\"'"},
	{name: "sepa", schema: `CREATE TABLE sepa (id int PRIMARY KEY, k int NOT NULL, name text, UNIQUE (k) DEFERRABLE); ALTER TABLE sepa REPLICA IDENTITY FULL`, extra: ", coalesce: false"},
	{name: "lowr", schema: `CREATE TABLE lowr (id int, k text PRIMARY KEY, name text, memo text); CREATE UNIQUE INDEX ON lowr (lower(k)); ALTER TABLE lowr ALTER memo SET STORAGE EXTERNAL`, text: true, toast: true},
	{name: "cite", schema: `CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE cite (id int, k citext PRIMARY KEY, name text)`, text: true},
	{name: "togg", schema: `CREATE TABLE togg (id int PRIMARY KEY, k int NOT NULL, name text); ALTER TABLE togg REPLICA IDENTITY FULL; ALTER TABLE togg ADD CONSTRAINT u UNIQUE (k)`},
}

// value is one of a few keys, as SQL: keys have to meet.
func (h *hand) value(n int) string {
	if !h.text {
		return strconv.Itoa(n)
	}
	word := []string{"a", "b", "c", "d"}[n%4]
	if n%8 >= 4 {
		word = strings.ToUpper(word)
	}
	if n%16 >= 8 && h.name != "cite" && h.name != "lowr" {
		word += " "
	}
	return "'" + word + "'"
}

// statement is one change of the table; it may violate a constraint.
func (h *hand) statement(r *rand.Rand) string {
	t := h.name
	n, o := h.value(r.IntN(8)), h.value(r.IntN(8))
	name := []string{"'x'", "'n" + strconv.Itoa(r.IntN(100000)) + "'"}[min(1, r.IntN(4))]
	memo, memoCol := "", ""
	if h.toast {
		memo, memoCol = ", repeat(md5('"+strconv.Itoa(r.IntN(1000))+"'), 200)", ", memo"
	}
	id := strconv.Itoa(r.IntN(8))
	switch r.IntN(14) {
	case 0, 1, 2:
		return fmt.Sprintf("INSERT INTO %s (id, k, name%s) VALUES (%s, %s, %s%s)", t, memoCol, id, n, name, memo)
	case 3:
		return fmt.Sprintf("DELETE FROM %s WHERE k = %s", t, n)
	case 4, 5:
		return fmt.Sprintf("UPDATE %s SET name = %s WHERE k = %s", t, name, n)
	case 6, 7:
		return fmt.Sprintf("UPDATE %s SET k = %s WHERE k = %s", t, o, n)
	case 8:
		if h.text {
			return fmt.Sprintf("UPDATE %s SET k = %s(k::text)", t, []string{"upper", "lower"}[r.IntN(2)])
		}
		return fmt.Sprintf("UPDATE %s SET k = (k + 1) %% 9", t)
	case 9:
		if h.text {
			return fmt.Sprintf("UPDATE %s SET k = rtrim(k::text), name = %s", t, name)
		}
		return fmt.Sprintf("UPDATE %[1]s SET k = CASE k WHEN %[2]s THEN %[3]s ELSE %[2]s END WHERE k IN (%[2]s, %[3]s)", t, n, o)
	case 10:
		if h.name == "part" {
			return fmt.Sprintf("UPDATE part SET id = (id + 4) %% 8 WHERE k = %s", n)
		}
		return fmt.Sprintf("UPDATE %s SET k = %s, name = %s WHERE k = %s", t, o, name, n)
	case 11:
		return fmt.Sprintf("DELETE FROM %[1]s WHERE k = %[2]s; INSERT INTO %[1]s (id, k, name%[3]s) VALUES (%[4]s, %[2]s, %[5]s%[6]s)", t, n, memoCol, id, name, memo)
	case 12:
		if r.IntN(3) == 0 {
			return fmt.Sprintf("DELETE FROM %s", t)
		}
		return fmt.Sprintf("DELETE FROM %s WHERE id = %s", t, id)
	case 13:
		if h.name == "togg" && r.IntN(2) == 0 {
			return "ALTER TABLE togg DROP CONSTRAINT IF EXISTS u" + []string{"", "; ALTER TABLE togg ADD CONSTRAINT u UNIQUE (k)", "; ALTER TABLE togg ADD CONSTRAINT u UNIQUE (k) DEFERRABLE"}[r.IntN(3)]
		}
	}
	return fmt.Sprintf("UPDATE %s SET id = %s, name = %s WHERE k = %s", t, id, name, n)
}

// TestKeysChangeHandsAtRandom kills and stops the program while keys change
// hands at random, with little memory and much. At rest each key that rows hold
// has an object, that of its row where it is only one, and no other key has.
func TestKeysChangeHandsAtRandom(t *testing.T) {
	rounds := 3
	if *long {
		rounds = 30
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		rule := simulator.FoldKeys
		if api == "rest" {
			rule = simulator.ExactKeys
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		w := newHands(t, api, rule)
		p := w.start()
		for range rounds {
			for range 60 {
				w.handOver(r)
				if r.IntN(20) == 0 {
					p = w.interrupt(p, r)
				}
			}
			w.awaitReady(p)
			w.settle(p)
			for i := range hands {
				w.inGoodHands(&hands[i], rule)
			}
			if t.Failed() {
				break
			}
		}
		w.noViolations()
		p.stop(t)
	})
}

func newHands(t *testing.T, api string, rule simulator.KeyRule) *world {
	t.Helper()
	dedupe := map[string][]string{}
	for _, h := range hands {
		dedupe["O"+h.name] = []string{"rid"}
	}
	w := newWorld(t, server, api, simulator.Options{Dedupe: dedupe, Keys: rule, RecordKeys: true,
		Latency: simulator.Latency{Fixed: 10 * time.Millisecond, Jitter: 0.5}})
	w.config.timeout, w.config.hold, w.config.maxWait = 2*time.Second, 2500*time.Millisecond, 30*time.Millisecond
	for _, h := range hands {
		w.exec(h.schema)
		memo := ""
		if h.toast {
			memo = ", memo: memo"
		}
		w.config.mappings += fmt.Sprintf("  - {table: public.%[1]s, object: O%[1]s, key: {rid: k}, attributes: {name: name%[2]s}, on_delete: delete%[3]s}\n", h.name, memo, h.extra)
	}
	return w
}

// interrupt ends the program in one way or the other, and starts it again.
func (w *world) interrupt(p *process, r *rand.Rand) *process {
	w.t.Helper()
	time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
	if r.IntN(2) == 0 {
		p.kill()
	} else {
		p.signal(w.t, syscall.SIGTERM)
		p.exit(w.t, time.Minute)
	}
	for range r.IntN(6) {
		w.handOver(r)
	}
	w.config.maxPending = []int{100_000, 5, 20, 50}[r.IntN(4)]
	return w.launch()
}

// handOver commits a transaction of a few changes; those of one table that
// violate a constraint are rolled back together.
func (w *world) handOver(r *rand.Rand) {
	w.t.Helper()
	w.exec("BEGIN")
	for range 1 + r.IntN(5) {
		h := &hands[r.IntN(len(hands))]
		statements := []string{"SAVEPOINT s"}
		for range 1 + r.IntN(4) {
			statements = append(statements, h.statement(r))
		}
		statements = append(statements, "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RELEASE s")
		for _, sql := range statements {
			if _, err := w.db().Exec(w.t.Context(), sql); err != nil {
				w.exec("ROLLBACK TO s")
				break
			}
		}
	}
	w.exec("COMMIT")
}

// inGoodHands compares the objects of a table with its rows.
func (w *world) inGoodHands(h *hand, rule simulator.KeyRule) {
	w.t.Helper()
	fold := func(k string) string { return k }
	if rule == simulator.FoldKeys {
		fold = mapping.Fold
	}
	query := "SELECT k::text, name, '' FROM " + h.name
	if h.toast {
		query = "SELECT k::text, name, coalesce(memo, '') FROM " + h.name
	}
	if strings.Contains(h.extra, "where") {
		query += " WHERE name <> 'x'"
	}
	rows, err := w.db().Query(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	want, got := map[string][][3]string{}, map[string]map[string]string{}
	for rows.Next() {
		var v [3]string
		if err := rows.Scan(&v[0], &v[1], &v[2]); err != nil {
			w.t.Fatal(err)
		}
		want[fold(v[0])] = append(want[fold(v[0])], v)
	}
	for _, o := range w.sim.Objects("O" + h.name) {
		got[fold(o["rid"])] = o
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		v, o := want[k], got[k]
		if o == nil {
			w.t.Errorf("%s %q: no object of %d rows", h.name, k, len(v))
		} else if len(v) == 1 && (o["name"] != v[0][1] || o["memo"] != v[0][2]) {
			w.t.Errorf("%s %q: object %v, row %.20q", h.name, k, brief(o), v[0])
		}
	}
	for k, o := range got {
		// An instance that tells spellings apart keeps that of an old one.
		if want[k] == nil && (!h.text || rule == simulator.FoldKeys) {
			w.t.Errorf("%s %q: object %v of no row", h.name, k, brief(o))
		}
	}
}
