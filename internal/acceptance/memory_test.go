package acceptance_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

const mebibyte = 1 << 20

// atMost checks the largest size that the process ever had. It is to be the
// program as it is released.
func (p *process) atMost(t *testing.T, limit int64) {
	t.Helper()
	peak, known := p.peakMemory(t)
	switch {
	case !known:
		t.Logf("not compared: %d MiB", peak/mebibyte)
	case peak > limit:
		t.Errorf("the process took %d MiB, want at most %d", peak/mebibyte, limit/mebibyte)
	default:
		t.Logf("the process took %d MiB of %d", peak/mebibyte, limit/mebibyte)
	}
}

// TestWhatNobodyUsesIsNotHeld streams what is large and of no concern: a
// message of somebody else, a column that is not mapped, a table that is not
// mapped.
func TestWhatNobodyUsesIsNotHeld(t *testing.T) {
	needServer(t)
	t.Parallel()
	busyPlace(t)
	w := newItems(t, server, "rest", 10, simulator.Options{})
	w.exec(`ALTER TABLE items ADD COLUMN large bytea, ALTER large SET STORAGE EXTERNAL`)
	w.exec(`ALTER TABLE items REPLICA IDENTITY FULL`)
	w.exec(`CREATE TABLE other (id int PRIMARY KEY, large text); ALTER TABLE other ALTER large SET STORAGE EXTERNAL`)
	w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR ALL TABLES`)
	w.program = static
	p := w.start()
	w.exec(`SELECT pg_logical_emit_message(false, 'foreign', repeat('m', 300 << 20))`)
	w.exec(`UPDATE items SET version = 1, large = convert_to(repeat('c', 60 << 20), 'UTF8') WHERE id = 1`)
	w.exec(`UPDATE items SET version = 2 WHERE id = 1`)
	w.exec(`INSERT INTO other VALUES (1, repeat('t', 60 << 20))`)
	w.exec(`UPDATE items SET version = 3 WHERE id = 2`)
	w.settle(p)
	w.itemsAgree()
	p.atMost(t, 96*mebibyte)
	p.stop(t)
}

// TestLargeMappedValue streams a value that is larger than any call may be. It
// is parked, and costs no more than three times its size.
func TestLargeMappedValue(t *testing.T) {
	needServer(t)
	t.Parallel()
	busyPlace(t)
	w := newItems(t, server, "soap", 10, simulator.Options{})
	w.exec(`ALTER TABLE items ALTER pad SET STORAGE EXTERNAL`)
	w.program = static
	p := w.start()
	w.exec(`UPDATE items SET version = 1, pad = repeat('v', 50 << 20) WHERE id = 1`)
	w.exec(`UPDATE items SET version = 1 WHERE id = 2`)
	w.settle(p)
	w.awaitParked(1)
	p.atMost(t, (96+3*50)*mebibyte)
	p.stop(t)
}

// TestDatabaseWithoutEncoding has text of an encoding that nobody knows: the
// object is parked, and nothing else is held up.
func TestDatabaseWithoutEncoding(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newWorld(t, server, api, simulator.Options{Dedupe: map[string][]string{"Item": {"id"}}})
		w.database += "_legacy"
		if err := server.Exec(t.Context(), "postgres", `CREATE DATABASE `+w.database+` ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`); err != nil {
			t.Fatal(err)
		}
		w.config.url, w.config.mappings = server.URL(w.database), items
		w.disconnect()
		w.conn = nil
		w.exec(`CREATE TABLE items (id bigint PRIMARY KEY, version bigint NOT NULL, pad text)`)
		p := w.start()
		w.exec(`INSERT INTO items VALUES (1, 1, 'plain'), (2, 1, E'M\xfcller'), (3, 1, E'M\xc3\xbcller')`)
		w.exec(`INSERT INTO items VALUES (4, 1, 'plain')`)
		w.settle(p)
		w.awaitParked(1)
		if _, body := w.get("/api/v1/parked"); !strings.Contains(body, "characters") {
			t.Errorf("parked with another reason: %s", body)
		}
		if n := len(w.sim.Objects("Item")); n != 3 {
			t.Errorf("%d objects are there, want 3", n)
		}
		p.stop(t)
	})
}
