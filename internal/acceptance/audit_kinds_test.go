package acceptance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/audit"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestAuditKinds compares objects of compound keys, with values of other tables, of
// rows whose end sets an attribute, and of rows that are only inserted; none differs
// but those that were changed.
func TestAuditKinds(t *testing.T) {
	needServer(t)
	t.Parallel()
	field := func(name string, kind simulator.FieldType) simulator.Field {
		return simulator.Field{Name: name, Type: kind}
	}
	link := simulator.Link{Field: "lead", Lead: "Email"}
	created := time.Now().Add(-time.Hour)
	w := newWorld(t, server, "rest", simulator.Options{Types: []simulator.Type{
		{Name: "Stop_c", Dedupe: []string{"name", "nr"}, Link: link, Created: created, Fields: []simulator.Field{
			field("name", simulator.String), field("nr", simulator.Integer), field("lead", simulator.String), field("state", simulator.String), field("size", simulator.Float)}},
		{Name: "First_c", Dedupe: []string{"name", "nr"}, Link: link, Created: created, Fields: []simulator.Field{
			field("name", simulator.String), field("nr", simulator.Integer), field("lead", simulator.String), field("state", simulator.String)}},
	}})
	w.exec(`CREATE TABLE people (id int PRIMARY KEY, email text)`)
	w.exec(`INSERT INTO people SELECT i, 'p' || i || '@example.com' FROM generate_series(1, 50) i`)
	w.exec(`CREATE TABLE stops (name text, nr int, person int, state text, size numeric, PRIMARY KEY (name, nr))`)
	w.exec(`INSERT INTO stops SELECT 'Köln, "' || i || '"', i % 7, 1 + i % 50, 'open', i / 8.0 FROM generate_series(1, 400) i`)
	w.config.mappings = `
  - name: stops
    table: public.stops
    object: Stop_c
    backfill: true
    key: {name: name, nr: nr}
    on_delete: {set: {state: gone}}
    attributes:
      state: state
      size: size
      lead: {lookup: {table: public.people, column: email, match: {id: person}}}
  - name: first
    table: public.stops
    object: First_c
    backfill: true
    operation: INSERT
    key: {name: name, nr: nr}
    attributes:
      state: state
      lead: {lookup: {table: public.people, column: email, match: {id: person}}}
`
	p := w.start()
	await(t, time.Minute, func() (bool, string) {
		all := w.backfills()
		return len(all) == 2 && all[0].State == "done" && all[1].State == "done", fmt.Sprintf("%+v", all)
	})
	w.settle(p)
	w.exec(`DELETE FROM stops WHERE nr = 3`)
	w.exec(`UPDATE stops SET state = 'later' WHERE nr = 4`)
	w.settle(p)
	for _, by := range []string{"query", "extract"} {
		if a, said, code := w.audit("--by", by, "--poll", "20ms"); code != 0 {
			t.Errorf("%s: exit code %d, %+v\n%s", by, code, a.Findings, said)
		}
	}
	shape := &marketo.Shape{Type: "Stop_c", Key: []string{"name", "nr"}, Attributes: []string{"size"}}
	object := marketo.NewObject(shape, []marketo.Value{{Kind: marketo.String, Text: `Köln, "8"`}, {Kind: marketo.Number, Text: "1"}, {Kind: marketo.Number, Text: "99"}})
	other := marketo.NewObject(shape, []marketo.Value{{Kind: marketo.String, Text: `Köln, "9"`}, {Kind: marketo.Number, Text: "2"}})
	for op, o := range map[marketo.Operation]marketo.Object{marketo.Upsert: object, marketo.Delete: other} {
		if reply := w.marketo().Sync(t.Context(), &marketo.Batch{Type: "Stop_c", Operation: op, Objects: []marketo.Object{o}}); reply.Fault != nil {
			t.Fatal(reply.Fault)
		}
	}
	want := map[audit.Kind][]string{audit.Different: {`name=Köln, "8",nr=1`}, audit.Missing: {`name=Köln, "9",nr=2`}}
	for _, by := range []string{"query", "extract"} {
		a, said, code := w.audit("stops", "--by", by, "--poll", "20ms")
		if sameFound(t, a.found(), want); code != 6 {
			t.Errorf("%s: exit code %d\n%s", by, code, said)
		}
	}
	if a, said, code := w.audit("stops", "--by", "query", "--repair"); code != 0 || len(a.Repaired) != 1 || a.Repaired[0].Left != 0 {
		t.Errorf("repair: exit code %d, %+v\n%s", code, a.Repaired, said)
	}
	if a, said, code := w.audit("stops", "--by", "query"); code != 0 {
		t.Errorf("after repair: exit code %d, %+v\n%s", code, a.Findings, said)
	}
	p.stop(t)
}

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
