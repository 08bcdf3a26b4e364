package acceptance_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// things is the table of the tests that have rows read again: memo is stored
// apart, so that an update which leaves it alone does not carry it.
const things = `
	CREATE TABLE thing (code text PRIMARY KEY, n int, name text, memo text);
	ALTER TABLE thing ALTER memo SET STORAGE EXTERNAL`

func newThings(t *testing.T, api, mapping string) *world {
	t.Helper()
	w := newWorld(t, server, api, simulator.Options{Dedupe: map[string][]string{"Thing": {"code"}}})
	w.config.mappings = `
  - table: public.thing
    object: Thing
    key: {code: code}
    attributes: {n: n, name: name}
` + mapping
	return w
}

// TestRowStopsMatching has rows stop matching in an update that leaves alone
// the large value which where asks about: only the table can tell, and no other
// change will.
func TestRowStopsMatching(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for onDelete, want := range map[string]string{"delete": "", "{set: {n: 0}}": "0", "ignore": "1"} {
			t.Run(onDelete, func(t *testing.T) {
				t.Parallel()
				w := newThings(t, api, `
    where: 'n > 0 && memo != "none"'
    on_delete: `+onDelete)
				w.exec(things)
				p := w.start()
				w.exec(`INSERT INTO thing SELECT i, 1, 'a', $1::text FROM generate_series(1, 8) i`, large())
				w.settle(p)
				w.exec(`UPDATE thing SET n = -1 WHERE code <= '4'`)
				w.settle(p)
				objects := w.sim.Objects("Thing")
				for _, code := range []string{"1", "2", "3", "4"} {
					if got := objects[code]["n"]; got != want {
						t.Errorf("object %s of a row that stopped matching has n %q, want %q", code, got, want)
					}
				}
				if got := objects["5"]["n"]; got != "1" {
					t.Errorf("object 5 has n %q, want 1", got)
				}
				w.noViolations()
				p.stop(t)
			})
		}
	})
}

// TestSharedKey reads again a row whose key another row has, too. It is parked,
// and what comes behind it goes on.
func TestSharedKey(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, api, "    on_delete: delete\n    where: 'memo != \"none\"'")
		w.exec(things)
		w.exec(`ALTER TABLE thing DROP CONSTRAINT thing_pkey, ADD PRIMARY KEY (code, name)`)
		p := w.start()
		w.exec(`INSERT INTO thing SELECT i, 1, 'a', $1::text FROM generate_series(1, 3) i`, large())
		w.exec(`INSERT INTO thing SELECT '2', 1, 'b', $1::text`, large())
		w.settle(p)
		w.exec(`UPDATE thing SET n = 2`)
		w.settle(p)
		w.awaitParked(1)
		if got := w.parkedNow().Groups[0].Code; got != "shared_key" {
			t.Errorf("parked with code %q, want shared_key", got)
		}
		objects := w.sim.Objects("Thing")
		if objects["1"]["n"] != "2" || objects["3"]["n"] != "2" {
			t.Errorf("objects %v, want n of 2 for 1 and 3", objects)
		}
		p.stop(t)
	})
}
