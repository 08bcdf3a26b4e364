package acceptance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillOfWideRowsByKeys sends every row whose key was given, also where they
// are more than a chunk of a table may have.
func TestBackfillOfWideRowsByKeys(t *testing.T) {
	needServer(t)
	t.Parallel()
	const rows = 180
	w := newWorld(t, server, "rest", simulator.Options{Dedupe: map[string][]string{"Wide": {"id"}}})
	w.exec(`CREATE TABLE wide (id int PRIMARY KEY, note text)`)
	w.exec(`INSERT INTO wide SELECT i, repeat(md5(i::text), 800) FROM generate_series(1, $1::int) i`, rows)
	w.config.mappings = "\n  - {name: wide, table: public.wide, object: Wide, backfill: false, key: {id: id}, attributes: {note: note}}\n"
	p := w.start()
	args := []string{"backfill", "start", "wide"}
	for i := range rows {
		args = append(args, "--keys", fmt.Sprint(i+1))
	}
	if output, code := w.command(args...); code != 0 {
		t.Fatal(output)
	}
	w.awaitBackfill(p, "done")
	if n := w.sim.Count("Wide"); n != rows {
		t.Errorf("%d objects of %d rows", n, rows)
	}
	p.stop(t)
}

// TestBackfillOfKeysThatAreNone: a key that no row can have, and one that is given
// twice, are no reason not to send the others.
func TestBackfillOfKeysThatAreNone(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 20, simulator.Options{})
		p := w.start()
		w.succeeds("backfill", "start", "items", "--keys", "7", "--keys", "abc", "--keys", "007", "--keys", "99999999999999999999", "--keys", "12", "--keys", "", "--keys", "21")
		if done := w.awaitBackfill(p, "done"); done.Rows != 2 || done.Refused != 0 {
			t.Errorf("the backfill says %+v", done)
		}
		if output, code := w.command("backfill", "start", "items", "--where", ""); code != 2 || !strings.Contains(output, "--where is empty") {
			t.Errorf("an empty condition: exit code %d: %s", code, output)
		}
		if n := w.sim.Count("Item"); n != 2 {
			t.Errorf("%d objects of two rows", n)
		}
		p.stop(t)
	})
}

// TestKeysWithCommas: whatever the values of a key of several columns have in them, it
// can be named.
func TestKeysWithCommas(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newWorld(t, server, "rest", simulator.Options{Dedupe: map[string][]string{"Stop": {"name", "nr"}}})
	w.exec(`CREATE TABLE stops (name text, nr int, state text, PRIMARY KEY (name, nr))`)
	w.exec(`INSERT INTO stops VALUES ('Acme, "Inc."', 1, 'open'), ('Acme', 1, 'open'), ('"quoted"', 2, 'open'), ('other', 3, 'open')`)
	w.config.mappings = "\n  - {name: stops, table: public.stops, object: Stop, backfill: false, on_delete: ignore, key: {name: name, nr: nr}, attributes: {state: state}}\n"
	p := w.start()
	const acme, quoted = `["Acme, \"Inc.\"","1"]`, `"quoted",2`
	w.succeeds("backfill", "start", "stops", "--keys", acme, "--keys", quoted)
	if done := w.awaitBackfill(p, "done"); done.Objects != 2 || w.sim.Count("Stop") != 2 {
		t.Errorf("the backfill says %+v, and there are %d objects", done, w.sim.Count("Stop"))
	}
	if output, code := w.command("backfill", "start", "stops", "--keys", `Acme, "Inc.",1`); code != 1 || !strings.Contains(output, "where one has a comma in it") {
		t.Errorf("a key that is not quoted: exit code %d: %s", code, output)
	}
	if traced := w.succeeds("trace", "stops", acme, "--marketo"); !strings.Contains(traced, "there in public.stops") {
		t.Errorf("trace: %s", traced)
	}
	w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Code: "1003"}})
	w.succeeds("backfill", "start", "stops", "--keys", acme)
	w.awaitBackfill(p, "done")
	w.sim.Heal()
	// A refused row is listed as it can be given.
	if listed := w.succeeds("backfill", "list", "--refused"); !strings.Contains(listed, acme) {
		t.Errorf("refused rows: %s", listed)
	}
	w.exec(`DELETE FROM stops WHERE name LIKE 'Acme, %'`)
	w.settle(p)
	var erased admin.Erased
	if err := json.Unmarshal([]byte(w.succeeds("erase", "stops", acme, "--json")), &erased); err != nil || erased.Refused != 1 || erased.Asked != 2 {
		t.Errorf("erased: %+v, %v", erased, err)
	}
	p.stop(t)
}
