package replication_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// sample is a type with values of it, as SQL. check is SQL over the column v
// for what Marketo is to get: "" for the value's own text.
type sample struct {
	typ, check string
	values     []string
}

const jsonOf = "to_jsonb(v)::text"

// samples hold the limits of every type, and values that somebody might have.
var samples = []sample{
	{"boolean", "v::text", []string{"true", "false"}},
	{"smallint", "", []string{"-32768", "32767", "(random()*60000-30000)"}},
	{"integer", "", []string{"-2147483648", "2147483647", "(random()*4e9-2e9)"}},
	{"bigint", "", []string{"-9223372036854775808", "9223372036854775807"}},
	{"oid", "", []string{"0", "4294967295"}},
	{"numeric", "", []string{"'NaN'", "'Infinity'", "'-Infinity'", "repeat('9', 131072)::numeric", "('0.' || repeat('1', 16383))::numeric", "-0.10", "1e-20", "random()::numeric"}},
	{"numeric(12,3)", "", []string{"1", "-0.001", "random()*1e6"}},
	{"real", "", []string{"'NaN'", "'-Infinity'", "1e-45", "3.4028235e38", "0.1", "'-0'", "random()"}},
	{"double precision", "", []string{"'NaN'", "'Infinity'", "5e-324", "1.7976931348623157e308", "0.1", "1e21", "1e-7", "random()", "random()*1e17"}},
	{"text", "", []string{"''", "' a'", "E'\\t\\n\\r'", "'é ß 東京'", "repeat('x', 5000)", "'{x}'", "'NULL'", `E'\\\\ "'`}},
	{"varchar(10)", "", []string{"'a  '"}},
	{"char(6)", "rtrim(v, ' ')", []string{"'a'", "'é b'", "''"}},
	{`"char"`, "", []string{"'a'", "'0'"}},
	{"name", "", []string{"'Odd Name'"}},
	{"date", "", []string{"'0001-01-01'", "'9999-12-31'", "'0001-12-31 BC'", "'10000-01-01'", "'infinity'", "'-infinity'", "current_date - (random()*9000)::int"}},
	{"timestamp", `to_char(v, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')`, []string{"'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'4713-01-01 BC'", "'infinity'", "'2024-02-29 12:00:00.5'", "now() - random()*interval '30 years'"}},
	{"timestamptz", `to_char(v, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')`, []string{"'0001-01-01 00:00+00'", "'9999-12-31 23:59:59+00'", "'294276-01-01'", "'-infinity'", "'1890-01-01'", "'2024-03-31 02:30 Europe/Berlin'", "now() - random()*interval '30 years'"}},
	{"timestamptz(0)", `to_char(v, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')`, []string{"now()"}},
	{"time", "", []string{"'24:00'", "'00:00:00.000001'"}},
	{"timetz", "", []string{"'12:00+05:30'"}},
	{"interval", "", []string{"'1 year 2 mons -3 days 04:05:06.5'", "'-178000000 years'", "'0'"}},
	{"uuid", "", []string{"gen_random_uuid()"}},
	{"json", "", []string{`'{ "b":1, "a":[1,null]}'`, "'null'"}},
	{"jsonb", "", []string{`'{"b":1, "a":[1,null], "é":"\\u0001"}'`}},
	{"xml", "", []string{"'<a b=\"c\">d</a>'"}},
	{"inet", "", []string{"'10.0.0.1/32'", "'::1'", "'10.0.0.0/8'"}},
	{"cidr", "", []string{"'10.0.0.0/8'"}},
	{"macaddr", "", []string{"'08:00:2b:01:02:03'"}},
	{"macaddr8", "", []string{"'08:00:2b:01:02:03:04:05'"}},
	{"bit(5)", "", []string{"B'10101'"}},
	{"varbit", "", []string{"B''", "B'101'"}},
	{"point", "", []string{"'(0.1,2)'"}},
	{"circle", "", []string{"'<(1,2),3>'"}},
	{"tsvector", "", []string{"'a fat cat'::tsvector"}},
	{"tsquery", "", []string{"'fat & rat'::tsquery"}},
	{"pg_lsn", "", []string{"'16/B374D848'"}},
	{"int4range", "", []string{"'[1,5)'", "'empty'", "'(,)'"}},
	{"tstzrange", "", []string{"'[2024-01-01 00:00+02,2024-02-01)'"}},
	{"datemultirange", "", []string{"'{[2024-01-01,2024-02-01)}'"}},
	{"regclass", "", []string{"'pg_class'"}},
	{"citext", "", []string{"'Ab'"}},
	{"hstore", "", []string{`'a=>1, "b c"=>NULL'`}},
	{"ltree", "", []string{"'a.b.c'"}},
	{"mood", "", []string{"'ok'", "'so sad'"}},
	{"posint", "", []string{"5"}},
	{"pair", "", []string{`row(1, 'a "b"')`, "row(null, null)"}},
	{"span", "", []string{"'[1.5,2)'"}},
	{"integer[]", jsonOf, []string{"'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[-1:0]={7,8}'"}},
	{"text[]", jsonOf, []string{`'{a,"b,c",NULL,"NULL","","\"","\\","{x}"," y "}'`, "array[E'a\\tb', 'é東']"}},
	{"boolean[]", jsonOf, []string{"'{t,f,NULL}'"}},
	{"numeric[]", jsonOf, []string{"'{1.50,-2}'"}},
	{"jsonb[]", jsonOf, []string{`array['{"a":1}'::jsonb, null]`}},
	{"mood[]", jsonOf, []string{"'{ok,\"so sad\"}'"}},
	{"posint[]", jsonOf, []string{"'{1,NULL}'"}},
	{"uuid[]", jsonOf, []string{"array[gen_random_uuid()]"}},
	{"date[]", jsonOf, []string{"'{2024-02-29}'"}},
	{"box[]", "", []string{"'{(1,1),(0,0);(3,3),(2,2)}'"}},
	{"timestamptz[]", "", []string{"array[now()]"}},
	{"posints", jsonOf, []string{"'{1,2}'"}},
	{"bytea", "refused", []string{`'\x00ff'`}},
	{"bytea[]", "refused", []string{`array['\x00ff'::bytea]`}},
	{"money", "refused", []string{"12.5::money"}},
}

const everyTypeDDL = `CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
	CREATE TYPE mood AS ENUM ('ok', 'so sad'); CREATE DOMAIN posint AS int; CREATE TYPE pair AS (a int, b text);
	CREATE TYPE span AS RANGE (subtype = numeric); CREATE DOMAIN posints AS posint[]; CREATE DOMAIN at AS timestamptz`

// TestEveryType: whatever the settings of server, database and role, a value
// has one text in the stream, in a row that is read again and by the server's
// own word, and makes one value for Marketo, or none that is wrong.
func TestEveryType(t *testing.T) {
	t.Run("UTF8", func(t *testing.T) { holdsTypes(t, "UTF8", samples) })
	t.Run("LATIN1", func(t *testing.T) {
		var words []sample
		for _, s := range samples {
			if strings.Contains(s.typ, "text") || strings.Contains(s.typ, "char") || strings.Contains(s.typ, "json") {
				words = append(words, s)
			}
		}
		holdsTypes(t, "LATIN1", words)
	})
}

// asked are the sessions that the values are asked for over.
type asked struct {
	stream  *replication.Stream
	reader  *rowread.Session
	session *replication.Catalog
	own     *pgconn.PgConn
}

func holdsTypes(t *testing.T, encoding string, samples []sample) {
	d := newDatabaseOf(t, encoding)
	var tables []string
	ddl, inserts := everyTypeDDL, ""
	for i := range samples {
		table := fmt.Sprint("t", i)
		tables = append(tables, table)
		ddl += fmt.Sprintf("; CREATE TABLE %s (id int PRIMARY KEY, v %s)", table, samples[i].typ)
		inserts += d.insert(table, samples[i])
	}
	d.exec(ddl)
	d.capture(tables...)
	d.exec(inserts)
	var a asked
	var err error
	if a.reader, err = rowread.Open(t.Context(), d.source); err != nil {
		t.Fatal(err)
	}
	defer a.reader.Close(context.Background())
	if a.session, err = d.source.Catalog(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.session.Close(context.Background())
	if a.own, err = pgconn.Connect(t.Context(), d.source.URL); err != nil {
		t.Fatal(err)
	}
	defer a.own.Close(context.Background())
	a.stream = d.stream(0)
	for i := range samples {
		t.Run(samples[i].typ, func(t *testing.T) { a.holdsType(t, tables[i], samples[i]) })
	}
}

// newDatabaseOf makes a database of an encoding whose settings are all odd.
func newDatabaseOf(t *testing.T, encoding string) *database {
	d := newDatabase(t, "")
	name := d.name + strings.ToLower(encoding)
	for _, sql := range []string{
		fmt.Sprintf("CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", name, encoding),
		fmt.Sprintf(`DO $$ DECLARE s text; BEGIN FOREACH s IN ARRAY array['datestyle = ''SQL, DMY''', 'timezone = ''Asia/Kolkata''', 'extra_float_digits = -10',
			'bytea_output = escape', 'intervalstyle = iso_8601', 'quote_all_identifiers = on', 'xmloption = content', 'lc_monetary = ''C''']
			LOOP EXECUTE 'ALTER DATABASE %s SET ' || s; END LOOP; END $$`, name),
	} {
		if err := d.cluster.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	return &database{t: t, cluster: d.cluster, name: name, source: &replication.Source{URL: d.cluster.URL(name), Slot: name, Publication: name}}
}

// insert is the statement that inserts the values of a sample, and null.
func (d *database) insert(table string, s sample) string {
	var rows []string
	for i, v := range append(s.values, "NULL") {
		if strings.HasSuffix(d.name, "latin1") {
			v = strings.NewReplacer("東", "ü", "京", "ÿ").Replace(v)
		}
		rows = append(rows, fmt.Sprintf("(%d, (%s)::%s)", i, v, s.typ))
	}
	return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ") + ";"
}

// word returns the server's own word: text by text of v, and what check says.
func (a *asked) word(t *testing.T, table, check string) (texts, checks [][]byte) {
	if check == "" || check == "refused" {
		check = "NULL"
	}
	results, err := a.own.Exec(t.Context(), "SET client_encoding = UTF8; SET datestyle = ISO; SET timezone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex; SET intervalstyle = postgres; "+
		"SET quote_all_identifiers = off; SELECT v, "+check+" FROM "+table+" ORDER BY id").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range results[len(results)-1].Rows {
		texts, checks = append(texts, row[0]), append(checks, row[1])
	}
	return texts, checks
}

// readAgain reads the first n rows of a table by their keys.
func (a *asked) readAgain(t *testing.T, table string, n int) (*rowread.Snapshot, [][]pgoutput.Value) {
	snapshot, err := a.reader.Snapshot(t.Context(), catalog.TableName{Schema: "public", Name: table}, []string{"id"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]rowread.Key, n)
	for i := range keys {
		keys[i].Values = []string{fmt.Sprint(i)}
	}
	again := make([][]pgoutput.Value, n)
	if err := snapshot.Rows(t.Context(), keys, func(i int, rows [][]pgoutput.Value, err error) {
		if err != nil || len(rows) != 1 {
			t.Fatalf("row %d: %d rows, %v", i, len(rows), err)
		}
		again[i] = rows[0]
	}); err != nil {
		t.Fatal(err)
	}
	if err := snapshot.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	return snapshot, again
}

// holdsType compares the rows of one table, which come next in the stream.
func (a *asked) holdsType(t *testing.T, table string, s sample) {
	texts, checks := a.word(t, table, s.check)
	snapshot, again := a.readAgain(t, table, len(texts))
	set, err := mapping.Compile([]mapping.Definition{{Name: "m", Schema: "public", Table: table, Object: "M",
		Key: []mapping.Rule{{Attribute: "id", Column: "id"}}, Attributes: []mapping.Rule{{Attribute: "v", Column: "v"}}}})
	if err != nil {
		t.Fatal(err)
	}
	bound := bindType(t, set, snapshot.Relation, snapshot.Table.Facts(), s)
	for i := 0; i < len(texts); {
		m, err := a.stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *pgoutput.Relation:
			facts, err := a.session.Facts(t.Context(), m, a.stream.TypeName)
			if err != nil {
				t.Fatal(err)
			}
			bindType(t, set, m, facts, s)
		case *pgoutput.Change:
			for name, value := range map[string]pgoutput.Value{"stream": m.New[1], "row": again[i][1]} {
				if got, want := value, texts[i]; (got.Kind == pgoutput.Null) != (want == nil) || string(got.Text) != string(want) {
					t.Errorf("%s: value %d is %.80q, and the server says %.80q", name, i, got.Text, want)
				}
			}
			if bound {
				sent := set.Apply(m, nil)
				read, _, err := set.Row(0, snapshot.Relation, again[i])
				if err != nil || len(sent) != 1 {
					t.Fatal(err)
				}
				if a, b := sent[0].Object.Values(), read.Object.Values(); !reflect.DeepEqual(a, b) || !reflect.DeepEqual(sent[0].Problem, read.Problem) {
					t.Errorf("value %d is %.200q from the stream and %.200q read again", i, a, b)
				}
				holdsValue(t, i, sent[0], texts[i], checks[i], s)
			}
			i++
		}
	}
}

// bindType fits set, and reports whether the type can be mapped at all.
func bindType(t *testing.T, set *mapping.Set, rel *pgoutput.Relation, facts *catalog.Facts, s sample) bool {
	t.Helper()
	err := set.Bind(rel, facts)
	if refused := s.check == "refused"; refused != (err != nil) {
		t.Fatalf("bind: %v", err)
	}
	return err == nil
}

// holdsValue compares what Marketo is to get with the server's own word.
func holdsValue(t *testing.T, i int, w mapping.Write, text, check []byte, s sample) {
	t.Helper()
	v := w.Object.Value(1)
	if w.Problem != nil {
		for _, word := range []string{"NaN", "nfinity", " BC", "10000-", "294275-"} {
			if strings.Contains(string(text), word) {
				return
			}
		}
		t.Errorf("value %d, %.80q: %v", i, text, w.Problem)
		return
	}
	switch {
	case text == nil:
		if v.Kind != marketo.Null {
			t.Errorf("value %d: null became %q", i, v.Text)
		}
	case s.check == jsonOf:
		var got, want any
		if json.Unmarshal([]byte(v.Text), &got) != nil || json.Unmarshal(check, &want) != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("value %d is %s, and the server says %s", i, v.Text, check)
		}
	case s.check != "":
		if v.Text != string(check) {
			t.Errorf("value %d is %q, and the server says %q", i, v.Text, check)
		}
	case strings.HasSuffix(s.typ, "[]"):
		if !json.Valid([]byte(v.Text)) {
			t.Errorf("value %d is %q, which is not JSON", i, v.Text)
		}
	case v.Text != string(text):
		t.Errorf("value %d is %.80q, and the server says %.80q", i, v.Text, text)
	}
}
