package acceptance_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestTypesAreToldByTheCatalog: what a type is does not follow from its name.
// A row that comes with the stream and one that is read again make the same
// object.
func TestTypesAreToldByTheCatalog(t *testing.T) {
	columns := []struct{ name, typ, value, want string }{
		{"mood", `_mood`, `'{x}'`, `{x}`},
		{"calm", `_mood`, `'ok'`, `ok`},
		{"moods", `_mood[]`, `array['ok', '{x}', null]::_mood[]`, `["ok","{x}",null]`},
		{"positive", `posint[]`, `'{1,null,3}'`, `[1,null,3]`},
		{"list", `intlist`, `'{{1,2},{3,4}}'`, `[[1,2],[3,4]]`},
		{"lists", `intlist[]`, `array['{1,2}', null, '{}']::intlist[]`, `[[1,2],null,[]]`},
		{"feeling", `feeling`, `'{x}'`, `{x}`},
		{"feelings", `feeling[]`, `array['ok', '{x}']::feeling[]`, `["ok","{x}"]`},
		{"whole", `far.int4`, `'seven'`, `seven`},
		{"wholes", `far.int4[]`, `'{seven,"{x}"}'`, `["seven","{x}"]`},
		{"pair", `pair`, `row(1, 'a b')`, `(1,"a b")`},
		{"pairs", `pair[]`, `array[row(1, 'a b'), null]::pair[]`, `["(1,\"a b\")",null]`},
		{"somewhere", `somewhere`, `row(1, 'a')`, `(1,a)`},
		{"boxes", `box[]`, `'{(1,1),(0,0);(3,3),(2,2)}'`, `["(1,1),(0,0)","(3,3),(2,2)"]`},
		{"myboxes", `mybox[]`, `'{(1,1),(0,0);(3,3),(2,2)}'`, `["(1,1),(0,0)","(3,3),(2,2)"]`},
		{"flag", `flag`, `true`, `true`},
		{"span", `span`, `'[1,5)'`, `[1,5)`},
		{"spans", `span[]`, `array['[1,5)', 'empty']::span[]`, `["[1,5)","empty"]`},
		{"docs", `doc[]`, `array['{"a": 1}', 'null']::doc[]`, `[{"a": 1},null]`},
		{"classes", `regclass[]`, `'{pg_class,pg_type}'`, `["pg_class","pg_type"]`},
		{"identifier", `information_schema.sql_identifier`, `'abc'`, `abc`},
		{"numbers", `information_schema.cardinal_number[]`, `'{1,2}'`, `[1,2]`},
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newWorld(t, server, api, simulator.Options{Dedupe: map[string][]string{"Thing": {"id"}}})
		w.exec(`CREATE SCHEMA far;
			CREATE TYPE _mood AS ENUM ('ok', '{x}'); CREATE TYPE far.int4 AS ENUM ('seven', '{x}');
			CREATE DOMAIN posint AS int CHECK (value > 0); CREATE DOMAIN intlist AS int[];
			CREATE DOMAIN feeling AS _mood; CREATE TYPE pair AS (a int, b text); CREATE DOMAIN somewhere AS pair;
			CREATE DOMAIN mybox AS box; CREATE DOMAIN yes AS bool; CREATE DOMAIN flag AS yes;
			CREATE TYPE span AS RANGE (subtype = int8, multirange_type_name = spanset); CREATE DOMAIN doc AS jsonb;
			CREATE TABLE thing (id int PRIMARY KEY, n int, memo text); ALTER TABLE thing ALTER COLUMN memo SET STORAGE external`)
		names, values, attributes, want := "", "", "", map[string]string{}
		for _, c := range columns {
			w.exec(`ALTER TABLE thing ADD COLUMN ` + c.name + ` ` + c.typ)
			names += ", " + c.name
			values += ", " + c.value
			attributes += ", " + c.name + ": " + c.name
			want[c.name] = c.want
		}
		insert := `INSERT INTO thing (n, memo, id` + names + `) VALUES (0, repeat('x', 9000), $1` + values + `)`
		w.exec(insert, 1)
		w.config.mappings = `
  - table: public.thing
    object: Thing
    key: {id: id}
    attributes: {n: n, memo: memo` + attributes + `}
`
		p := w.start()
		w.exec(insert, 2)
		w.exec(`UPDATE thing SET n = 1 WHERE id = 1`) // lacks memo, so that the row is read
		w.settle(p)
		p.stop(t)
		for _, id := range []string{"1", "2"} {
			object := maps.Clone(w.sim.Objects("Thing")[id])
			if len(object["memo"]) != 9000 {
				t.Errorf("object %s has a memo of %d bytes", id, len(object["memo"]))
			}
			for name, text := range want {
				if object[name] != text {
					t.Errorf("object %s: %s is %q, want %q", id, name, object[name], text)
				}
			}
		}
		w.noViolations()
	})
}

// TestBeyondBMP: Marketo gets characters beyond U+FFFF as the mapping says.
func TestBeyondBMP(t *testing.T) {
	const name = "Zoë 🙂 東京 𠮷!"
	want := map[string]string{"keep": name, "replace": "Zoë \uFFFD 東京 \uFFFD!", "strip": "Zoë  東京 !"}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		dedupe, mappings := map[string][]string{}, ""
		for _, policy := range []string{"keep", "replace", "strip", "reject"} {
			dedupe["Thing_"+policy] = []string{"id"}
			mappings += `
  - name: ` + policy + `
    table: public.thing
    object: Thing_` + policy + `
    key: {id: id}
    attributes: {name: name, start: {expr: 'name[:5]'}}
    beyond_bmp: ` + policy + `
`
		}
		w := newWorld(t, server, api, simulator.Options{Dedupe: dedupe})
		w.exec(`CREATE TABLE thing (id int PRIMARY KEY, name text)`)
		w.config.mappings = mappings
		p := w.start()
		w.exec(`INSERT INTO thing VALUES (1, $1), (2, 'plain')`, name)
		w.settle(p)
		p.stop(t)
		for policy, text := range want {
			object := w.sim.Objects("Thing_" + policy)["1"]
			start := string([]rune(text)[:5])
			if policy == "strip" {
				start = "Zoë "
			}
			if object["name"] != text || object["start"] != start {
				t.Errorf("%s: got %q, want %q and %q", policy, object, text, start)
			}
		}
		if objects := w.sim.Objects("Thing_reject"); len(objects) != 1 || objects["2"]["name"] != "plain" {
			t.Errorf("reject: got %q, want object 2 alone", objects)
		}
		w.noViolations()
	})
}

// TestFieldsAreWrittenAsMarketoWantsThem: over REST, where Marketo describes
// its objects, numbers and words become booleans where a field is one.
func TestFieldsAreWrittenAsMarketoWantsThem(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newWorld(t, server, api, simulator.Options{Types: []simulator.Type{{Name: "Thing", Dedupe: []string{"id"}, Fields: []simulator.Field{
			{Name: "id", Type: simulator.Integer}, {Name: "vip", Type: simulator.Boolean}, {Name: "said", Type: simulator.Boolean},
			{Name: "active", Type: simulator.Boolean}, {Name: "size", Type: simulator.Integer}, {Name: "zip", Type: simulator.String},
		}}}})
		w.exec(`CREATE TABLE thing (id text PRIMARY KEY, vip smallint, said text, size text, zip int)`)
		w.config.mappings = `
  - table: public.thing
    object: Thing
    key: {id: id}
    attributes: {vip: vip, said: said, size: size, zip: zip, active: {value: true}}
    on_delete: {set: {active: false}}
`
		said := []string{"true", "false"}
		if api == "rest" {
			said = []string{"t", "No"} // over SOAP nobody knows the field
		}
		p := w.start()
		w.exec(`INSERT INTO thing VALUES ('1', 1, $1, '42', 12345), ('2', 0, $2, null, null), ('3', null, null, '7', 1)`, said[0], said[1])
		w.exec(`DELETE FROM thing WHERE id = '3'`)
		w.settle(p)
		p.stop(t)
		want := map[string]map[string]string{
			"1": {"id": "1", "vip": "true", "said": "true", "size": "42", "zip": "12345", "active": "true"},
			"2": {"id": "2", "vip": "false", "said": "false", "active": "true"},
			"3": {"id": "3", "size": "7", "zip": "1", "active": "false"},
		}
		if got := w.sim.Objects("Thing"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		describes := func() (n int) {
			for _, c := range w.sim.Calls() {
				if c.Operation == "describe" {
					n++
				}
			}
			return n
		}
		if n := describes(); n > 1 || api == "rest" && n == 0 {
			t.Errorf("%d calls to describe, want one", n)
		}
		before := describes()
		p = w.start() // what was heard lasts for a day
		w.exec(`UPDATE thing SET vip = 1 WHERE id = '2'`)
		w.settle(p)
		p.stop(t)
		if describes() != before || w.sim.Objects("Thing")["2"]["vip"] != "true" {
			t.Errorf("%d calls to describe, and %v", describes(), w.sim.Objects("Thing")["2"])
		}
		w.noViolations()
	})
}

// TestFieldIsAdded: a field that Marketo gets while the daemon runs is written, as Marketo
// wants it, from the reload on that maps it.
func TestFieldIsAdded(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		thing := simulator.Type{Name: "Thing", Dedupe: []string{"id"}, Fields: []simulator.Field{{Name: "id", Type: simulator.Integer}}}
		w := newWorld(t, server, api, simulator.Options{Types: []simulator.Type{thing}})
		w.exec(`CREATE TABLE thing (id int PRIMARY KEY, vip smallint)`)
		const mappings = "\n  - {table: public.thing, object: Thing, key: {id: id}, on_delete: ignore, backfill: false, attributes: {"
		w.config.mappings = mappings + "}}\n"
		p := w.start()
		w.exec(`INSERT INTO thing VALUES (1, 0)`)
		w.settle(p)
		thing.Fields = append(thing.Fields, simulator.Field{Name: "vip", Type: simulator.Boolean})
		if err := w.sim.Extend([]simulator.Type{thing}); err != nil {
			t.Fatal(err)
		}
		w.config.mappings = mappings + "vip: vip}}\n"
		w.configure()
		if output := w.succeeds("reload"); !strings.Contains(output, "attributes.vip") {
			t.Errorf("reload: %s", output)
		}
		w.awaitReady(p)
		w.exec(`UPDATE thing SET vip = 1`)
		w.settle(p)
		if o := w.sim.Objects("Thing")["1"]; o["vip"] != "true" {
			t.Errorf("the object is %v", o)
		}
		w.noViolations()
		p.stop(t)
	})
}
