package daemon

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// What is found while changes stream is told for what it is: a right to read rows
// that is taken away keeps nothing out of the stream, and a table that leaves the
// publication does. A start, a check and a connection decide alike meanwhile.
func TestWhatIsFoundWhileChangesStream(t *testing.T) {
	c := clustertest.Start(t, cluster.Options{})
	run := func(sql string) {
		t.Helper()
		if err := c.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TABLE thing (id int PRIMARY KEY, name text); CREATE ROLE app LOGIN REPLICATION; GRANT SELECT ON thing TO app; CREATE PUBLICATION p FOR TABLE thing`)
	d, store := newDaemon(t)
	set, err := mapping.Compile([]mapping.Definition{{
		Name: "things", Schema: "public", Table: "thing", Object: "Thing",
		Key:        []mapping.Rule{{Attribute: "tid", Column: "id"}},
		Attributes: []mapping.Rule{{Attribute: "name", Column: "name"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.Config.Set, d.Config.Source.Slot, d.Config.Source.Publication = set, "s", "p"
	source := &replication.Source{URL: strings.Replace(c.URL("postgres"), "postgres@", "app@", 1), Slot: "s", Publication: "p"}
	for _, step := range []struct {
		sql  string
		want delivery.Condition
	}{
		{"SELECT 1", ""},
		{"REVOKE SELECT ON thing FROM app", delivery.Unreadable},
		{"GRANT SELECT ON thing TO app", ""},
		{"ALTER TABLE thing ENABLE ROW LEVEL SECURITY", delivery.Unreadable},
		{"ALTER TABLE thing DISABLE ROW LEVEL SECURITY", ""},
		{"ALTER PUBLICATION p SET (publish = 'update, delete')", delivery.Unfit},
	} {
		run(step.sql)
		_, found, err := d.lookAgain(t.Context(), source, store)
		if err != nil {
			t.Fatal(err)
		}
		if step.want == "" && len(found) > 0 || step.want != "" && (len(found) == 0 || found[len(found)-1].Condition != step.want) {
			t.Errorf("%s: %+v, want %q", step.sql, found, step.want)
		}
	}
	state, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run("ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate')")
	run("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
	examine := func(want string) Examination {
		t.Helper()
		x, err := Examine(t.Context(), d.Config, source, Known{State: &state})
		if err != nil || x.DecisionErr != nil || x.Decision.Refusal == nil || x.Decision.Refusal.Code != want {
			t.Errorf("want %s, got %+v, %v, %v", want, x.Decision.Refusal, err, x.DecisionErr)
		}
		return x
	}
	seen := examine(checkpoint.StoreLost).Server
	state.Checkpoint = &checkpoint.Checkpoint{System: seen.System, Timeline: seen.Timeline, Database: "postgres", Slot: "s", LSN: seen.Slot.Confirmed}
	run("DROP PUBLICATION p")
	examine(checkpoint.PublicationMissing)
	run("SELECT pg_drop_replication_slot('s')")
	examine(checkpoint.SlotMissing)
}
