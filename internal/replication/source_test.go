package replication_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread/rowreadtest"
)

func TestValidate(t *testing.T) {
	t.Setenv("PGPASSFILE", "")
	good := replication.Source{URL: "postgres://u@localhost/d", Slot: "a_1", Publication: "P"}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	tests := []struct {
		name                   string
		url, slot, publication string
		want                   string
	}{
		{"capitals in the slot", good.URL, "Slot", "p", `slot name "Slot"`},
		{"empty slot", good.URL, "", "p", "slot name"},
		{"long slot", good.URL, strings.Repeat("a", 64), "p", "slot name"},
		{"no publication", good.URL, "s", "", "publication name"},
		{"bad port", "postgres://u:hunter2@localhost:hunter2/d", "s", "p", "source url"},
		{"bad escape", "postgres://u:hunter2%zz@localhost/d", "s", "p", "source url"},
		{"bad pair", "host=localhost password='hunter2", "s", "p", "source url"},
		{"no pair", "hunter2", "s", "p", "source url"},
		{"missing certificate", "postgres://u:hunter2@localhost/d?sslmode=verify-full&sslrootcert=missing.pem", "s", "p", "missing.pem"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reason := replication.Configuration
			if tt.name == "missing certificate" {
				reason = replication.File // it may come, as files are read for every connection
			}
			s := replication.Source{URL: tt.url, Slot: tt.slot, Publication: tt.publication}
			err := s.Validate()
			wantReason(t, err, reason)
			if !strings.Contains(fmt.Sprint(err), tt.want) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
				t.Errorf("Validate() = %v; want %q and no password", err, tt.want)
			}
			for _, use := range []func() error{
				func() error { _, err := s.Inspect(t.Context()); return err },
				func() error { _, err := s.CreateSlot(t.Context()); return err },
				func() error { _, err := s.Stream(t.Context(), 0); return err },
				func() error { return s.DropSlot(t.Context()) },
				func() error { return s.CreatePublication(t.Context(), nil) },
			} {
				wantReason(t, use(), reason)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	d := newDatabase(t, table+`; CREATE TABLE "Odd" (a int PRIMARY KEY, b int)`)
	got, err := d.source.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Slot != nil || got.Publication != nil {
		t.Errorf("slot %v, publication %v before they exist; want nil", got.Slot, got.Publication)
	}
	if want := d.value("SELECT system_identifier FROM pg_control_system()"); got.System != want {
		t.Errorf("System = %s, want %s", got.System, want)
	}
	if got.Timeline != 1 || got.Database != d.name || got.User != "postgres" || got.Version < 130000 || got.WALLevel != "logical" ||
		got.InRecovery || got.Encoding != "UTF8" || got.SenderTimeout != senderTimeout || got.FreeSlots < 1 || got.FreeSenders < 1 ||
		!got.MayReplicate || !got.BypassesRLS || got.Current == 0 || got.Flushed == 0 {
		t.Errorf("Inspect() = %+v", got)
	}

	point := d.capture("t", "Odd")
	s := d.stream(0)
	if got, err = d.source.Inspect(t.Context()); err != nil {
		t.Fatal(err)
	}
	slot := got.Slot
	if slot == nil || slot.Name != d.name || slot.Plugin != "pgoutput" || slot.Type != "logical" || slot.Database != d.name || slot.TwoPhase || slot.Temporary ||
		!slot.Active || slot.ActivePID == 0 || slot.Confirmed != point || slot.Restart == 0 || slot.WALStatus != "reserved" || slot.Flaw(d.name) != catalog.NoFlaw {
		t.Errorf("slot = %+v, problem %v", slot, slot.Flaw(d.name))
	}
	if flaw := slot.Flaw("elsewhere"); flaw != catalog.OtherDatabase {
		t.Errorf("flaw in another database = %v", flaw)
	}
	p := got.Publication
	if p == nil || !p.Insert || !p.Update || !p.Delete || !p.Truncate || p.AllTables || p.ViaRoot || len(p.Tables) != 2 {
		t.Fatalf("publication = %+v", p)
	}
	if odd := p.Table("public", "Odd"); odd == nil || odd.Filter != "" || got.Version >= 150000 && !slices.Equal(odd.Columns, []string{"a", "b"}) {
		t.Errorf("table Odd = %+v", odd)
	}
	if p.Table("public", "odd") != nil || (*replication.PublicationState)(nil).Table("a", "b") != nil {
		t.Error("Table() finds a table that is not published")
	}
	if e := s.Server(); e.System != got.System || e.Timeline != got.Timeline || e.Database != d.name {
		t.Errorf("the stream's server = %+v, want that of Inspect", e)
	}
}

func TestDescribe(t *testing.T) {
	d := newDatabase(t, `CREATE TYPE mood AS ENUM ('sad'); CREATE DOMAIN inner_d AS int CHECK (VALUE > 0); CREATE DOMAIN outer_d AS inner_d;
		CREATE TABLE "T" (b int NOT NULL, a outer_d, m mood, v varchar(20), g int GENERATED ALWAYS AS (b + 1) STORED, gone int,
			PRIMARY KEY (b), UNIQUE (a, b), UNIQUE (v) DEFERRABLE);
		CREATE UNIQUE INDEX partial ON "T" (a) WHERE a > 5; CREATE UNIQUE INDEX expression ON "T" (lower(v));
		ALTER TABLE "T" DROP gone; ALTER TABLE "T" ENABLE ROW LEVEL SECURITY;
		CREATE UNLOGGED TABLE u (id int); CREATE VIEW v AS SELECT 1 AS one;
		CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
		ALTER TABLE p1 REPLICA IDENTITY FULL`)
	got, err := d.source.Describe(t.Context(), "public", "T")
	if err != nil {
		t.Fatal(err)
	}
	if !got.Exists || got.Kind != "r" || got.Persistence != "p" || got.Identity != pgoutput.IdentityDefault ||
		!slices.Equal(got.IdentityColumns, []string{"b"}) || !slices.Equal(got.PrimaryKey, []string{"b"}) ||
		!got.RowSecurity || got.RowSecurityActive || !got.MayRead || len(got.OddPartitions) != 0 {
		t.Errorf("Describe() = %+v", got)
	}
	for columns, want := range map[string]bool{"b": true, "a b": true, "b a": true, "a": false, "v": false, "": false, "a b v": false} {
		if unique := got.UniqueOn(strings.Fields(columns)...); unique != want {
			t.Errorf("UniqueOn(%s) = %v, want %v", columns, unique, want)
		}
	}
	var names []string
	for _, c := range got.Columns {
		names = append(names, c.Name)
	}
	if want := []string{"b", "a", "m", "v", "g"}; !slices.Equal(names, want) {
		t.Errorf("columns %v, want %v", names, want)
	}
	a, m, v, g := got.Column("a"), got.Column("m"), got.Column("v"), got.Column("g")
	if a.Base != 23 || a.BaseName != "int4" || a.Type == 23 || a.Formatted != "public.outer_d" || a.NotNull {
		t.Errorf("domain over domain = %+v", a)
	}
	if !m.Enum || m.BaseName != "mood" || v.Formatted != "character varying(20)" || v.Storage != "x" || g.Generated != "s" || !got.Column("b").NotNull {
		t.Errorf("columns %+v", got.Columns)
	}
	if got.Column("gone") != nil {
		t.Error("a dropped column is found")
	}

	for name, check := range map[string]func(catalog.Table) bool{
		"missing": func(t catalog.Table) bool { return !t.Exists && t.Name == "missing" },
		"u":       func(t catalog.Table) bool { return t.Persistence == "u" && len(t.IdentityColumns) == 0 },
		"v":       func(t catalog.Table) bool { return t.Kind == "v" },
		"p": func(t catalog.Table) bool {
			return t.Kind == "p" && slices.Equal(t.OddPartitions, []string{"public.p1"})
		},
		"p1": func(t catalog.Table) bool {
			return t.Identity == pgoutput.IdentityFull && slices.Equal(t.IdentityColumns, []string{"id"})
		},
	} {
		if got, err := d.source.Describe(t.Context(), "public", name); err != nil || !check(got) {
			t.Errorf("Describe(%s) = %+v, %v", name, got, err)
		}
	}
	session := d.session()
	several, err := session.Describe(t.Context(), []catalog.TableName{{Schema: "public", Name: "p1"}, {Schema: "public", Name: "missing"}, {Schema: "public", Name: "T"}})
	if err != nil || len(several) != 3 || several[0].Name != "p1" || several[1].Exists || !reflect.DeepEqual(several[2], got) {
		t.Errorf("Catalog.Describe() = %+v, %v", several, err)
	}
	if none, err := session.Describe(t.Context(), nil); err != nil || none != nil {
		t.Errorf("Catalog.Describe(nil) = %+v, %v", none, err)
	}
}

// TestPlainRole: a role with nothing but REPLICATION can inspect and stream;
// what it lacks is named. Row security is an error, not a filter.
func TestPlainRole(t *testing.T) {
	d := newDatabase(t, table+"; INSERT INTO t VALUES (1, 'a'); CREATE TABLE hidden (id int PRIMARY KEY)")
	d.capture("t")
	role := "plain_" + d.name
	d.exec("CREATE ROLE "+role+" LOGIN REPLICATION", "CREATE ROLE weak_"+d.name+" LOGIN",
		"ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; GRANT SELECT ON hidden TO "+role)
	as := func(user string) *replication.Source {
		return &replication.Source{URL: strings.Replace(d.source.URL, "postgres@", user+"@", 1), Slot: d.name, Publication: d.name}
	}
	plain := as(role)
	got, err := plain.Inspect(t.Context())
	if err != nil || !got.MayReplicate || got.BypassesRLS || got.System == "" || got.Slot == nil {
		t.Errorf("Inspect() = %+v, %v", got, err)
	}
	s, err := plain.Stream(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Abort()
	described, err := plain.Describe(t.Context(), "public", "t")
	if err != nil || described.MayRead {
		t.Errorf("Describe() = %+v, %v; want MayRead unset", described, err)
	}
	_, err = rowreadtest.Open(t, plain).Take("t", "id")
	wantReason(t, err, replication.Privileges)
	err = rowreadtest.Open(t, plain).Begin("hidden", "id").Rows(t.Context(), rowreadtest.Texts("1"), nil)
	wantReason(t, err, replication.Privileges)

	other := as(role)
	other.Publication = "another"
	err = other.CreatePublication(t.Context(), []catalog.TableName{{Schema: "public", Name: "t"}})
	wantReason(t, err, replication.Privileges)
	if want := `CREATE PUBLICATION "another" FOR TABLE ONLY "public"."t"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("CreatePublication() = %v, want the statement for the owner: %s", err, want)
	}
	_, err = as("weak_"+d.name).Stream(t.Context(), 0)
	wantReason(t, err, replication.Privileges)
	_, err = as("nobody_" + d.name).Inspect(t.Context())
	wantReason(t, err, replication.Credentials)
}

func TestCreatePublicationErrors(t *testing.T) {
	d := newDatabase(t, table+"; CREATE VIEW v AS SELECT 1; CREATE UNLOGGED TABLE u (id int)")
	public := func(name string) []catalog.TableName {
		return []catalog.TableName{{Schema: "public", Name: name}}
	}
	for name, reason := range map[string]replication.Reason{
		"missing": replication.TableMissing, "v": replication.PublicationUnsuitable, "u": replication.PublicationUnsuitable,
	} {
		wantReason(t, d.source.CreatePublication(t.Context(), public(name)), reason)
	}
	wantReason(t, d.source.CreatePublication(t.Context(), nil), replication.Configuration)
	if err := d.source.CreatePublication(t.Context(), public("t")); err != nil {
		t.Fatal(err)
	}
	wantReason(t, d.source.CreatePublication(t.Context(), public("t")), replication.PublicationExists)
}

// TestCreateSlotWaits: an open transaction that has written holds the slot
// up; it is named, and no slot is left behind.
func TestCreateSlotWaits(t *testing.T) {
	d := newDatabase(t, table)
	conn, err := d.source.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO public.t VALUES (1, 'open')").ReadAll(); err != nil {
		t.Fatal(err)
	}
	d.source.SlotTimeout = 300 * time.Millisecond
	_, err = d.source.CreateSlot(t.Context())
	wantReason(t, err, replication.SlotWait)
	if want := fmt.Sprintf("pid %d of user postgres (transaction ", conn.PID()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("CreateSlot() = %v, want %q in it", err, want)
	}
	if n := d.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '" + d.name + "'"); n != "0" {
		t.Errorf("%s slots are left, want none", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	d.source.SlotTimeout = 0
	if _, err := d.source.CreateSlot(ctx); replication.Diagnose(err) == replication.SlotWait || err == nil {
		t.Errorf("CreateSlot() with its context over = %v, want that and not the slot's own limit", err)
	}
	if _, err := conn.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
		t.Fatal(err)
	}
	d.createSlot()
	_, err = d.source.CreateSlot(t.Context())
	wantReason(t, err, replication.SlotExists)
}

func TestStreamRefusals(t *testing.T) {
	d := newDatabase(t, table)
	refused := func(from pgoutput.LSN, reason replication.Reason) {
		t.Helper()
		s, err := d.source.Stream(t.Context(), from)
		if s != nil {
			s.Abort()
		}
		wantReason(t, err, reason)
		if err != nil && !strings.Contains(err.Error(), reason.Remedy()) {
			t.Errorf("error %q lacks its remedy", err)
		}
	}
	refused(0, replication.SlotMissing)
	wantReason(t, d.source.DropSlot(t.Context()), replication.SlotMissing)
	for making, reason := range map[string]replication.Reason{
		"pg_create_logical_replication_slot('" + d.name + "', 'test_decoding')":         replication.SlotUnsuitable,
		"pg_create_physical_replication_slot('" + d.name + "', true)":                   replication.SlotUnsuitable,
		"pg_create_logical_replication_slot('" + d.name + "', 'pgoutput', false, true)": replication.SlotUnsuitable,
		"pg_create_physical_replication_slot('" + d.name + "')":                         replication.SlotUnsuitable,
	} {
		d.exec("SELECT " + making)
		refused(0, reason)
		if err := d.source.DropSlot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	point := d.capture("t")
	refused(point-1, replication.Gap)
	refused(0xff00000000, replication.ServerBehind)
	s := d.stream(0)
	refused(0, replication.SlotBusy)
	s.Abort()

	elsewhere := newDatabase(t, "")
	elsewhere.source.Slot = d.name
	clustertest.Eventually(t, "the slot is free", func() bool {
		return d.value("SELECT active FROM pg_replication_slots WHERE slot_name = '"+d.name+"'") == "f"
	})
	if _, err := elsewhere.source.Stream(t.Context(), 0); replication.Diagnose(err) != replication.SlotUnsuitable {
		t.Errorf("a slot of another database: %v", err)
	}
}

// TestPublicationMissing: the server notices with the first change.
func TestPublicationMissing(t *testing.T) {
	d := newDatabase(t, table)
	d.createSlot()
	d.exec("INSERT INTO t VALUES (1, 'a')")
	wantEnd(t, drain(d.stream(0), false), replication.PublicationMissing)
	// Created now it is younger than the slot's position: that does not help.
	d.exec("CREATE PUBLICATION " + d.name + " FOR TABLE t")
	clustertest.Eventually(t, "the slot is free", func() bool {
		return d.value("SELECT active FROM pg_replication_slots WHERE slot_name = '"+d.name+"'") == "f"
	})
	wantEnd(t, drain(d.stream(0), false), replication.PublicationMissing)
}

// TestSlotLost: a slot whose WAL was removed is refused for good.
func TestSlotLost(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	d.exec("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
	t.Cleanup(func() {
		for _, sql := range []string{"ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()"} {
			if err := d.cluster.Exec(context.Background(), d.name, sql); err != nil {
				t.Error(err)
			}
		}
	})
	clustertest.Eventually(t, "the slot is lost", func() bool {
		d.exec("CREATE TABLE filler (); DROP TABLE filler", "SELECT pg_switch_wal()", "CHECKPOINT")
		return d.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '"+d.name+"'") == "lost"
	})
	_, err := d.source.Stream(t.Context(), 0)
	wantReason(t, err, replication.SlotLost)
	if class := replication.Classify(err); class != replication.Fatal {
		t.Errorf("class %v, want %v", class, replication.Fatal)
	}
	if got, err := d.source.Inspect(t.Context()); err != nil || got.Slot == nil || got.Slot.WALStatus != "lost" || got.Slot.Restart != 0 {
		t.Errorf("Inspect() = %+v, %v", got.Slot, err)
	}
}

// TestPublicationOfNeededColumns: only what is needed and the replica identity,
// and no list where it would make statements of the owner fail.
func TestPublicationOfNeededColumns(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE t (id int PRIMARY KEY, a text, b text, g text GENERATED ALWAYS AS (a) STORED);
		CREATE TABLE f (id int PRIMARY KEY, a text, b text); ALTER TABLE f REPLICA IDENTITY FULL`)
	if d.value("SHOW server_version_num") < "150000" {
		t.Skip("no column lists")
	}
	d.source.Needs = func(_ catalog.TableName, column string) bool { return column == "a" }
	d.source.PublishNeeded = true
	d.capture("t", "f")
	got := d.value(`SELECT string_agg(tablename || ' ' || attnames::text, '; ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = current_database()`)
	if want := "f {id,a,b}; t {id,a}"; got != want {
		t.Errorf("published: %s, want %s", got, want)
	}
	d.exec("INSERT INTO t VALUES (1, 'x', 'y')", "UPDATE t SET b = 'z'", "INSERT INTO f VALUES (1, 'x', 'y')", "UPDATE f SET b = 'z'")
}
