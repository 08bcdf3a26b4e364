package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// oddTables are tables as they are found: names that need quotes, every way to
// have a key or none, columns that cannot be mapped.
const oddTables = `
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE orders (id bigint PRIMARY KEY, email text, city varchar(40), total numeric(10,2), created_at timestamptz,
	photo bytea, price money, tags text[], extra jsonb, how mood, contact mail, net numeric GENERATED ALWAYS AS (total * 2) STORED);
CREATE TABLE "Road ""Show" ("Größe" int PRIMARY KEY, "quo""te" text, "no" boolean, "a$b${X}" text, "createdAt" date, "line
break" text, "größe" text, "7th" text, "*: #" text, "Strasse" text, "Straße" text, "日本" text);
CREATE TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb int PRIMARY KEY);
CREATE TABLE events (id bigint, day date, user_id int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE members (user_id int, group_id int, PRIMARY KEY (user_id, group_id));
CREATE TABLE nokey (note text);
CREATE TABLE indexed (code text NOT NULL UNIQUE, note text);
CREATE TABLE identified (code text NOT NULL, note text);
CREATE UNIQUE INDEX identified_code ON identified (code);
ALTER TABLE identified REPLICA IDENTITY USING INDEX identified_code;
CREATE TABLE wholly (code text NOT NULL UNIQUE, note text);
ALTER TABLE wholly REPLICA IDENTITY FULL;
CREATE TABLE wide (a int, b int, c int, d int, PRIMARY KEY (a, b, c, d));
CREATE TABLE floating (f float8 PRIMARY KEY);
CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY);
CREATE VIEW seen AS SELECT id FROM orders;
CREATE SCHEMA "Sales";
CREATE TABLE "Sales".orders (id int PRIMARY KEY, customer_id int)`

func propose(t *testing.T, args ...string) (text, said string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	command := rootCommand()
	command.SetOut(&out)
	command.SetErr(&errs)
	command.SetIn(strings.NewReader(""))
	command.SetArgs(append([]string{"init"}, args...))
	err := command.ExecuteContext(t.Context())
	if err != nil {
		errs.WriteString(err.Error())
	}
	return out.String(), errs.String(), exitCode(err)
}

// simulated serves a simulator and has the environment lead to it.
func simulated(t *testing.T, options simulator.Options) {
	t.Helper()
	sim := simulator.New(options)
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	t.Setenv("MARKETO_ENDPOINT", server.URL)
	t.Setenv("MARKETO_CLIENT_ID", simulator.DefaultClientID)
	t.Setenv("MARKETO_CLIENT_SECRET", simulator.DefaultClientSecret)
}

// What init writes passes check, whatever the tables are called and have.
func TestInitPassesCheck(t *testing.T) {
	pg := clustertest.Start(t, cluster.Options{})
	if err := pg.Exec(t.Context(), "postgres", oddTables); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABASE_URL", pg.URL("postgres"))
	t.Setenv("PGHOST", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "cdcsync.yaml")
	_, said, code := propose(t, "--all", "-o", file)
	if code != 0 {
		t.Fatalf("exit code %d of:\n%s", code, said)
	}
	wantLines(t, said, "mapped: 8 of 12 tables", "public.nokey: it has neither a primary key nor a unique index",
		"public.indexed: ", "REPLICA IDENTITY", "public.wide: the primary key has 4 columns", "public.floating: ",
		"to be set in the environment: MARKETO_ENDPOINT, MARKETO_CLIENT_ID, MARKETO_CLIENT_SECRET", "cdcsync check -c "+file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	wantLines(t, text, "# yaml-language-server: $schema="+config.SchemaName+"\n", "url: ${DATABASE_URL}\n",
		`table: public."Road ""Show"`, `"no": "no"  # boolean`, "a_b_X: a$$b$${X}", "row_createdAt: createdAt", `"line\nbreak"`, "field_7th: 7th", "field_x: '*: #'", "field_x_2: 日本",
		"- photo (bytea): ", "- price (money): ", "- net (numeric): PostgreSQL computes it",
		"Link field: email (the lead's e-mail address), guessed by the column's name", "Link field: customer_id",
		"email: email  # text; probably what links the object to a lead", "A partitioned table", "    backfill: true\n",
		"id: id  # bigint; the primary key", "code: code  # text; a unique index", "  #- table: public.nokey\n",
		`table: '"Sales".orders'`, "name: Sales_orders\n    object: Sales_orders_c")
	if strings.Contains(text, "events_2026") {
		t.Error("a partition is offered by itself")
	}

	// Every type is one that the simulator learns: its dedupe fields are named.
	options := simulator.Options{Dedupe: map[string][]string{}}
	t.Setenv("MARKETO_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("MARKETO_CLIENT_ID", "c")
	t.Setenv("MARKETO_CLIENT_SECRET", "s")
	if _, said, code := propose(t, "--all", "-o", filepath.Join(dir, "none.yaml")); code != 1 || !strings.Contains(said, "nothing was written, as Marketo could not be asked") || !strings.Contains(said, "unset MARKETO_ENDPOINT") {
		t.Errorf("marketo does not answer: exit code %d of:\n%s", code, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a file was written although marketo does not answer")
	}
	conf, err := config.Load(file, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range conf.Mappings {
		for _, r := range d.Key {
			options.Dedupe[d.Object] = append(options.Dedupe[d.Object], r.Attribute)
		}
	}
	simulated(t, options)
	if output, code := checkFile(t, file); code != 0 {
		t.Errorf("check: exit code %d of:\n%s", code, output)
	}

	if schema, err := os.ReadFile(filepath.Join(dir, config.SchemaName)); err != nil || !bytes.Equal(schema, config.JSONSchema) {
		t.Errorf("no schema beside the file: %v", err)
	}
	if _, said, code := propose(t, "--all", "-o", file); code != 2 || !strings.Contains(said, "--force") {
		t.Errorf("exit code %d, and a file that is there: %s", code, said)
	}
	if _, said, code := propose(t, "orders", "-o", file, "--force"); code != 0 {
		t.Errorf("exit code %d with --force of:\n%s", code, said)
	}
	initRefuses(t)
	initSaysNoSecret(t, pg)
	initAsksMarketo(t)
}

// initRefuses tries what cannot be proposed.
func initRefuses(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "which tables? name them, or use --all"},
		{"ordesr", 1, `table public.ordesr does not exist; did you mean "public.orders"?`},
		{"orders orders", 1, "named twice"},
		{"Orders", 2, "upper-case letters need quotes"},
		{"orders=", 2, "names no object"},
		{"nokey", 1, "nothing can be mapped yet, and nothing was written:\n- public.nokey: it has neither"},
		{"seen", 1, "it is no table"},
		{"volatile", 1, "SET LOGGED"},
		{"orders --all", 2, "not both"},
		{"orders --api graphql", 2, "allowed are rest and soap"},
		{"orders events=orders_c", 0, "object type orders_c is for another table already"},
	} {
		text, said, code := propose(t, strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(said, tt.want) || code != 0 && text != "" {
			t.Errorf("init %s: exit code %d, want %d, and %q in:\n%s%s", tt.args, code, tt.code, tt.want, said, text)
		}
	}
}

// initSaysNoSecret looks at where the database may be named.
func initSaysNoSecret(t *testing.T, pg *cluster.Cluster) {
	plain := pg.URL("postgres")
	secret := strings.Replace(plain, "postgres@", "postgres:hush@", 1)
	named := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(named, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ flag, value, want string }{
		{"--source", secret, "url: ${DATABASE_URL}\n"},
		{"--source", plain, "url: " + plain + "\n"},
		{"--source-file", named, "url_file: " + named + "\n"},
	} {
		text, said, code := propose(t, "orders", tt.flag, tt.value)
		if code != 0 || !strings.Contains(text, tt.want) || strings.Contains(text+said, "hush") {
			t.Errorf("%s: exit code %d, want %q in:\n%s%s", tt.flag, code, tt.want, text, said)
		}
	}
	_, said, code := propose(t, "orders", "--source", "postgres://u:hush@127.0.0.1:1/x")
	if code != 1 || strings.Contains(said, "hush") || !strings.Contains(said, "check that the server runs") {
		t.Errorf("exit code %d and no server: %s", code, said)
	}
}

// initAsksMarketo has types described: what is called alike is matched.
func initAsksMarketo(t *testing.T) {
	simulated(t, simulator.Options{Types: []simulator.Type{
		{Name: "Order_c", Dedupe: []string{"ID"}, Link: simulator.Link{Field: "eMail", Lead: "Email"}, Fields: []simulator.Field{
			{Name: "ID", Type: simulator.Integer}, {Name: "eMail", Type: simulator.Email}, {Name: "City", Type: simulator.String, Length: 20},
			{Name: "total", Type: simulator.Boolean}, {Name: "coupon", Type: simulator.String}}},
		{Name: "membership_c", Dedupe: []string{"groupId", "UserID"}, Fields: []simulator.Field{
			{Name: "groupId", Type: simulator.Integer}, {Name: "UserID", Type: simulator.Integer}}},
		{Name: "code_c", Dedupe: []string{"number"}, Fields: []simulator.Field{{Name: "number", Type: simulator.String}, {Name: "NOTE", Type: simulator.Text}}},
	}})
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	_, said, code := propose(t, "public.orders", "members=membership_c", "identified=Code_C", "-o", file)
	if code != 0 {
		t.Fatalf("exit code %d of:\n%s", code, said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, string(text), "object: Order_c\n", "ID: id  # bigint; a dedupe field of Order_c", "eMail: email  # text; links the object to Lead.Email",
		"City: city  # column city is character varying(40) and the field string: a value of more than 20 characters is refused",
		"- total (numeric(10,2)): ", "no value would be accepted", "- field coupon (string): no column has this name", "- how (public.mood): Order_c has no field of this name",
		"groupId: group_id", "UserID: user_id", "number: code  # text; a unique index, taken for a dedupe field of code_c although the names differ", "NOTE: note")
	if output, code := checkFile(t, file); code != 0 {
		t.Errorf("check: exit code %d of:\n%s\n%s", code, output, text)
	}
	got, _, code := propose(t, "wholly")
	if code != 0 || !strings.Contains(got, "Object type: Marketo has none called wholly_c; make it there, with these fields") || !strings.Contains(got, "There are Order_c, ") {
		t.Errorf("exit code %d of a type that is not there:\n%s", code, got)
	}
}

// peopleTables are tables that know of people by foreign keys alone, and some that
// know better or not at all.
const peopleTables = `
CREATE SCHEMA crm;
CREATE TABLE crm."Person" (id int PRIMARY KEY, "eMail" text, name text);
CREATE TABLE staff (region int, number int, mail varchar(80), PRIMARY KEY (region, number));
CREATE TABLE shops (id int PRIMARY KEY, name text);
CREATE TABLE visits (id int PRIMARY KEY, shop_id int REFERENCES shops, sold_by_region int, sold_by_number int,
	customer_id int REFERENCES crm."Person", note text, FOREIGN KEY (sold_by_region, sold_by_number) REFERENCES staff);
CREATE TABLE sales (id int PRIMARY KEY, region int, number int, FOREIGN KEY (region, number) REFERENCES staff);
CREATE TABLE letters (id int PRIMARY KEY, email text, customer_id int REFERENCES crm."Person");
CREATE TABLE openings (id int PRIMARY KEY, shop_id int REFERENCES shops);
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
INSERT INTO crm."Person" VALUES (7, 'ada@example.com', 'Ada');
INSERT INTO visits VALUES (1, NULL, NULL, NULL, 7, 'x')`

// A table that names nobody gets the e-mail address of the row that its foreign
// key leads to; what is proposed passes check.
func TestInitLooksUpPeople(t *testing.T) {
	pg := clustertest.Start(t, cluster.Options{})
	if err := pg.Exec(t.Context(), "postgres", peopleTables); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABASE_URL", pg.URL("postgres"))
	t.Setenv("PGHOST", "")
	t.Setenv("MARKETO_ENDPOINT", "")
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	for _, tt := range []struct {
		table, field string
		want         []string
	}{
		{"visits", "email", []string{`table: crm."Person"`, "column: eMail", "            id: customer_id\n",
			"Lookup: email comes from crm.Person.eMail", "public.staff.mail\n  # (sold_by_region, sold_by_number).", "Link field: email"}},
		{"sales", "email", []string{"table: public.staff", "            region: region\n            number: number\n"}},
		{"letters", "", []string{"Link field: email"}},
		{"openings", "", []string{"Link field: no column looks like one"}},
		{"tree", "", []string{"Link field: no column looks like one"}},
	} {
		text, said, code := propose(t, tt.table)
		if code != 0 || strings.Contains(text, "lookup:") != (tt.field != "") {
			t.Errorf("%s: exit code %d:\n%s%s", tt.table, code, said, text)
		}
		wantLines(t, text, tt.want...)
	}
	types := []simulator.Type{{Name: "visit_c", Dedupe: []string{"id"}, Link: simulator.Link{Field: "whoBought", Lead: "Email"}, Fields: []simulator.Field{
		{Name: "id", Type: simulator.Integer}, {Name: "whoBought", Type: simulator.Email}, {Name: "note", Type: simulator.Text}}},
		{Name: "sale_c", Dedupe: []string{"id"}, Fields: []simulator.Field{{Name: "id", Type: simulator.Integer}, {Name: "eMail_Address", Type: simulator.Email}}},
		{Name: "tree_c", Dedupe: []string{"id"}, Fields: []simulator.Field{{Name: "id", Type: simulator.Integer}}}}
	simulated(t, simulator.Options{Types: types})
	if _, said, code := propose(t, "visits", "sales", "tree", "-o", file); code != 0 {
		t.Fatalf("exit code %d of:\n%s", code, said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, string(text), "      whoBought:  # text; of the row that customer_id leads to; links the object to Lead.Email\n        lookup:\n",
		"      eMail_Address:  # ")
	if strings.Contains(string(text), "field whoBought") || strings.Contains(string(text), "field eMail_Address") {
		t.Errorf("a field that is looked up is left out, too:\n%s", text)
	}
	if output, code := checkFile(t, file); code != 0 {
		t.Errorf("check: exit code %d of:\n%s\n%s", code, output, text)
	}
}
