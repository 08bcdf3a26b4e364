package acceptance_test

import (
	"fmt"
	"strings"
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

// TestAuditOfKeysWithCommas: keys that cannot stand in a list are asked for in another
// form, which Marketo documents for keys of several fields only. Where it refuses that,
// all others are looked at, and these are told.
func TestAuditOfKeysWithCommas(t *testing.T) {
	needServer(t)
	t.Parallel()
	for _, listed := range []bool{false, true} {
		t.Run(fmt.Sprintf("listed %t", listed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, "rest", simulator.Options{ListedKeys: listed, Types: []simulator.Type{{Name: "Firm_c", Dedupe: []string{"name"},
				Fields: []simulator.Field{{Name: "name", Type: simulator.String}, {Name: "city", Type: simulator.String}}}}})
			w.exec(`CREATE TABLE firms (name text PRIMARY KEY, city text)`)
			w.exec(`INSERT INTO firms SELECT 'Firm ' || i || CASE WHEN i % 100 = 0 THEN ', Inc.' ELSE '' END, 'Köln' FROM generate_series(1, 400) i`)
			w.config.mappings = "\n  - {name: firms, table: public.firms, object: Firm_c, backfill: true, key: {name: name}, attributes: {city: city}}\n"
			p := w.start()
			w.awaitBackfill(p, "done")
			w.settle(p)
			a, said, code := w.audit()
			unjudged, want := 0, 0
			if len(a.Mappings) == 1 {
				unjudged = a.Mappings[0].Unjudged
			}
			if listed {
				want = 4
			}
			if len(a.Findings) != 0 || unjudged != want || (code == 0) == listed || listed && !strings.Contains(said, "has a comma") {
				t.Errorf("exit code %d, %+v\n%s", code, a, said)
			}
			p.stop(t)
		})
	}
}

// TestAuditOfKeysThatNoRowCanHave: what others have made under keys that are no values
// of the column is removed where it can be named, and told where not; all else is
// repaired beside it.
func TestAuditOfKeysThatNoRowCanHave(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newWorld(t, server, "rest", simulator.Options{Types: []simulator.Type{{Name: "Num_c", Dedupe: []string{"id"}, Link: simulator.Link{Field: "lead", Lead: "Id"}, Created: time.Now().Add(-time.Hour),
		Fields: []simulator.Field{{Name: "id", Type: simulator.String}, {Name: "lead", Type: simulator.Integer}}}}})
	w.exec(`CREATE TABLE nums (id int PRIMARY KEY, lead int)`)
	w.exec(`INSERT INTO nums SELECT i, i FROM generate_series(1, 20) i`)
	w.config.mappings = "\n  - {name: nums, table: public.nums, object: Num_c, backfill: true, on_delete: delete, key: {id: id}, attributes: {lead: lead}}\n"
	p := w.start()
	w.awaitBackfill(p, "done")
	w.settle(p)
	shape := &marketo.Shape{Type: "Num_c", Key: []string{"id"}, Attributes: []string{"lead"}}
	b := &marketo.Batch{Type: "Num_c"}
	for _, key := range []string{"abc", "99999999999", "7777", "3"} {
		b.Objects = append(b.Objects, marketo.NewObject(shape, []marketo.Value{{Kind: marketo.String, Text: key}, {Kind: marketo.Number, Text: "99"}}))
	}
	if reply := w.marketo().Sync(t.Context(), b); reply.Fault != nil {
		t.Fatal(reply.Fault)
	}
	a, said, code := w.audit("--by", "extract", "--poll", "20ms", "--repair", "--remove-extra")
	want := map[audit.Kind][]string{audit.Extra: {"id=7777", "id=99999999999", "id=abc"}, audit.Different: {"id=3"}}
	if sameFound(t, a.found(), want); code != 6 || len(a.Repaired) != 1 || a.Repaired[0].Sent != 1 || a.Repaired[0].Removed != 2 || a.Repaired[0].Left != 1 {
		t.Errorf("exit code %d, %+v\n%s", code, a.Repaired, said)
	}
	if n := w.sim.Count("Num_c"); n != 21 {
		t.Errorf("%d objects are left, want those of 20 rows and one", n)
	}
	p.stop(t)
}
