package replication_test

import (
	"maps"
	"reflect"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// TestFactsAgree: what the stream, reading rows and preflight know of a type
// is the same, wherever it is asked.
func TestFactsAgree(t *testing.T) {
	d := newDatabase(t, `CREATE EXTENSION citext; CREATE SCHEMA far;
		CREATE TYPE _mood AS ENUM ('ok', '{x}'); CREATE TYPE far._mood AS (a int); CREATE DOMAIN posint AS int; CREATE DOMAIN lists AS posint[];
		CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE t (code text COLLATE loose PRIMARY KEY, a _mood, b far._mood[], c lists, d citext, e text, f int)`)
	d.capture("t")
	d.exec(`INSERT INTO t VALUES ('x')`)
	rel, stream := d.relation("t")
	session := d.session()
	facts, err := session.Facts(t.Context(), rel, stream.TypeName)
	if err != nil {
		t.Fatal(err)
	}
	table, err := d.source.Describe(t.Context(), "public", "t")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := rowread.Open(t.Context(), d.source)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(t.Context())
	snapshot, err := reader.Snapshot(t.Context(), catalog.TableName{Schema: "public", Name: "t"}, []string{"code"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := snapshot.End(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for name, other := range map[string]*catalog.Facts{"preflight": table.Facts(), "rows": snapshot.Table.Facts()} {
		if !reflect.DeepEqual(facts, other) {
			t.Errorf("the stream knows\n%+v\n%s knows\n%+v", facts, name, other)
		}
	}
	if want := map[string]string{"code": "und-u-ks-level2"}; !maps.Equal(facts.Locales, want) {
		t.Errorf("locales %v, want %v", facts.Locales, want)
	}
	byName := map[string]catalog.TypeFacts{}
	for _, f := range facts.Types {
		byName[f.Schema+"."+f.Name] = f
	}
	if f := byName["public._mood"]; f.Kind != catalog.EnumType || f.Element != 0 {
		t.Errorf("_mood is %+v", f)
	}
	if f := byName["public.citext"]; !f.Citext || byName["public.posint"].Citext {
		t.Errorf("citext is %+v", f)
	}
	if f := byName["public._posint"]; f.Element != byName["public.posint"].OID || f.Delimiter != "," {
		t.Errorf("posint[] is %+v", f)
	}
	if f := byName["public.lists"]; f.Base != byName["public._posint"].OID {
		t.Errorf("lists is %+v", f)
	}
}

// TestFactsOfTypesThatAreGone: the names of the stream are what is left.
func TestFactsOfTypesThatAreGone(t *testing.T) {
	d := newDatabase(t, `CREATE TYPE _mood AS ENUM ('ok'); CREATE DOMAIN posint AS int; CREATE TABLE t (id int PRIMARY KEY, a _mood, b posint)`)
	d.capture("t")
	d.exec(`INSERT INTO t VALUES (1, 'ok', 5)`, `ALTER TABLE t DROP COLUMN a, DROP COLUMN b`, `DROP TYPE _mood`, `DROP DOMAIN posint`)
	rel, stream := d.relation("t")
	session := d.session()
	facts, err := session.Facts(t.Context(), rel, stream.TypeName)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint32]pgoutput.TypeName{
		rel.Columns[1].Type: {Schema: "public", Name: "_mood"},
		rel.Columns[2].Type: {Schema: "pg_catalog", Name: "int4"},
	}
	if len(facts.Types) != 0 || !maps.Equal(facts.Named, want) {
		t.Errorf("got %+v, want %v", facts, want)
	}
}

// relation reads the stream up to the description of a table.
func (d *database) relation(table string) (*pgoutput.Relation, *replication.Stream) {
	d.t.Helper()
	stream := d.stream(0)
	for {
		m, err := stream.Next()
		if err != nil {
			d.t.Fatal(err)
		}
		if rel, ok := m.(*pgoutput.Relation); ok && rel.Name == table {
			return rel, stream
		}
	}
}
