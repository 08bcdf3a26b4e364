package preflight

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// What a server of another version, a standby, or a slot in trouble says,
// without having one.
func TestServerStates(t *testing.T) {
	set, err := mapping.Compile([]mapping.Definition{{
		Name: "orders", Schema: "public", Table: "orders", Object: "Order",
		Key:        []mapping.Rule{{Attribute: "oid", Column: "id"}},
		Attributes: []mapping.Rule{{Attribute: "loud", Column: "loud"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		edit  func(in *inspection)
		check string
		want  string // level and detail; "" for no finding
	}{
		{"old", func(in *inspection) { in.server.Version = 120022 }, "server version", "fail PostgreSQL 12.22 is too old"},
		{"standby before 16", func(in *inspection) { in.server.InRecovery, in.server.Version = true, 150018 }, "recovery", "fail the server is a standby, which before PostgreSQL 16 cannot decode"},
		{"standby", func(in *inspection) { in.server.InRecovery = true }, "recovery", "warn the server is a standby: the slot is lost if"},
		{"standby without slot", func(in *inspection) { in.server.InRecovery, in.server.Slot = true, nil }, "recovery", "warn the server is a standby: creating the slot waits"},
		{"standby without publication", func(in *inspection) { in.server.InRecovery, in.server.Slot, in.server.Publication = true, nil, nil }, "publication", "fail p does not exist, and a start cannot create it: the server is a standby"},
		{"primary", func(*inspection) {}, "recovery", ""},
		{"encoding", func(in *inspection) { in.server.Encoding = "SQL_ASCII" }, "encoding", "warn the database is SQL_ASCII"},
		{"idle timeout", func(in *inspection) { in.facts.Settings = map[string]string{"idle_replication_slot_timeout": "1d"} }, "idle_replication_slot_timeout", "warn is 1d: the slot is lost"},
		{"no idle timeout", func(in *inspection) { in.facts.Settings = map[string]string{"idle_replication_slot_timeout": "0"} }, "idle_replication_slot_timeout", ""},
		{"no standby", func(*inspection) {}, "failover", ""},
		{"standby, no failover slot", func(in *inspection) { in.facts.Physical = []string{"replica"} }, "failover", "warn there may be a standby (physical slot replica), and the slot is not copied"},
		{"standby, failover slot", func(in *inspection) { in.facts.Physical, in.server.Slot.Failover = []string{"replica"}, true }, "failover", "warn there may be a standby (physical slot replica), and changes do not wait for it"},
		{"standby, no slot yet", func(in *inspection) { in.facts.Physical, in.server.Slot = []string{"replica"}, nil }, "failover", "warn there may be a standby (physical slot replica), and changes do not wait for it"},
		{"standby, failover slot that waits", func(in *inspection) {
			in.facts.Physical, in.server.Slot.Failover = []string{"replica"}, true
			in.facts.Settings = map[string]string{"synchronized_standby_slots": "replica"}
		}, "failover", "ok the slot is copied to standbys"},
		{"copy of a slot", func(in *inspection) { in.server.InRecovery, in.server.Slot.Synced = true, true }, "recovery", "fail the server is a standby, and slot s on it a copy"},
		{"standby of 16", func(in *inspection) { in.facts.Physical, in.server.Version = []string{"replica"}, 160001 }, "failover", "warn there may be a standby (physical slot replica), and before PostgreSQL 17"},
		{"slot lost", func(in *inspection) { in.server.Slot.WALStatus = "lost" }, "slot", "fail replication slot s was invalidated: WAL that it needs is gone"},
		{"slot of another database", func(in *inspection) { in.server.Slot.Database = "other" }, "slot", "fail replication slot s belongs to database other, not db"},
		{"slot of another database, no publication", func(in *inspection) { in.server.Slot.Database, in.server.Publication = "other", nil }, "publication", "fail p does not exist, and a start cannot create it: role app"},
		{"slot, no publication", func(in *inspection) { in.server.Publication = nil }, "publication", "fail p does not exist, although the slot does"},
		{"slot in use", func(in *inspection) { in.server.Slot.Active, in.server.Slot.ActivePID = true, 77 }, "slot in use", "warn process 77 reads from slot s"},
		{"slot in use takes no walsender", func(in *inspection) { in.server.Slot.Active, in.server.FreeSenders = true, 0 }, "free walsenders", ""},
		{"no walsender, first start", func(in *inspection) { in.server.Slot, in.server.FreeSenders = nil, 0 }, "free walsenders", "fail all walsenders are taken"},
		{"no walsender, later", func(in *inspection) { in.server.FreeSenders = 0 }, "free walsenders", "warn all walsenders are taken"},
		{"slot about to be lost", func(in *inspection) { in.server.Slot.WALStatus = "unreserved" }, "slot retention", "warn slot s is about to be lost"},
		{"slot", func(in *inspection) { in.server.Slot.RetainedBytes = 20 << 20 }, "slot", "ok s stands at 0/10 and keeps 20 MiB of WAL"},
		{"generated column of 18", func(in *inspection) { in.server.Version = 180001 }, "table public.orders: column loud", "fail mapping \"orders\": attributes.loud: column \"loud\" is a generated column"},
		{"generated column of 18, published", func(in *inspection) {
			in.server.Version, in.server.Publication.Tables[0].Columns = 180001, []string{"id", "loud"}
		}, "table public.orders: column loud", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := healthy(set)
			tt.edit(in)
			in.inspectServer()
			in.inspectSlot()
			in.inspectPublication()
			in.inspectTable(&in.tables[0])
			got := ""
			for _, f := range in.findings {
				if f.Check == tt.check {
					got += f.Level.String() + " " + f.Detail
				}
				if f.Level == Fail && f.Remedy == (Remedy{}) {
					t.Errorf("%s fails without a remedy", f.Check)
				}
			}
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("%s: got %q, want %q", tt.check, got, tt.want)
			}
		})
	}
}

// healthy is an inspection of table orders with nothing wrong but that column
// loud is a generated one.
func healthy(set *mapping.Set) *inspection {
	table := catalog.Table{
		Schema: "public", Name: "orders", Exists: true, Kind: "r", Persistence: "p",
		Identity: pgoutput.IdentityDefault, IdentityColumns: []string{"id"}, Unique: [][]string{{"id"}}, MayRead: true,
		Columns: []catalog.TableColumn{
			{Name: "id", Type: 23, Base: 23, BaseName: "int4", NotNull: true, Storage: "p"},
			{Name: "loud", Type: 25, Base: 25, BaseName: "text", Generated: "s", Storage: "x"},
		},
	}
	return &inspection{
		server: replication.Server{
			Version: 170001, Database: "db", User: "app", WALLevel: "logical", FreeSlots: 1, FreeSenders: 1, MayReplicate: true, Encoding: "UTF8",
			Slot: &catalog.Slot{Name: "s", Plugin: "pgoutput", Type: "logical", Database: "db", Restart: 8, Confirmed: 16, WALStatus: "reserved"},
			Publication: &replication.PublicationState{
				Name: "p", Insert: true, Update: true, Delete: true, Truncate: true,
				Tables: []replication.PublishedTable{{Schema: "public", Name: "orders", Columns: []string{"id"}}},
			},
		},
		slot: "s", publication: "p", set: set, locate: func(m mapping.Mistake) string { return m.Error() }, tables: []catalog.Table{table},
	}
}
