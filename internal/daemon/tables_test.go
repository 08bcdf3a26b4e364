package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/identity"
)

// What could not be saved is saved after the next look: otherwise the next
// start would compare with tables of long ago.
func TestTablesThatWereNotSavedAreNotKnown(t *testing.T) {
	d, store := newDaemon(t)
	now := []identity.Table{{Schema: "public", Name: "thing", OID: 7}}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := d.saveTables(ended, store, nil, now); err == nil {
		t.Fatal("a save that failed is no error")
	}
	if d.tables.known != nil {
		t.Errorf("known: got %v, want nothing", d.tables.known)
	}
	if err := d.saveTables(t.Context(), store, d.tables.known, now); err != nil {
		t.Fatal(err)
	}
	state, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Relations) != 1 || len(d.tables.known) != 1 {
		t.Errorf("saved %d and known %d tables, want one", len(state.Relations), len(d.tables.known))
	}
}

// What was accepted stands beside what is noted of tables, for a week.
func TestNoticesOfWhatWasAcceptedEnd(t *testing.T) {
	d, _ := newDaemon(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d.noteAccepted([]checkpoint.Accepted{{At: at, Span: "0/1..0/2", Code: checkpoint.PassedOver}})
	d.passedOver(checkpoint.Accepted{At: at.Add(24 * time.Hour), Span: "0/3..0/4", Code: checkpoint.PassedOver})
	d.tables.notices = []string{"table"}
	for days, want := range map[int]int{0: 3, 6: 3, 7: 2, 8: 1} {
		got := d.notices(at.AddDate(0, 0, days))
		if len(got) != want || got[len(got)-1] != "table" {
			t.Errorf("after %d days: %q, want %d", days, got, want)
		}
	}
}

// Large values of a table that had another name are not passed over as those of
// a table that no mapping has.
func TestRenamedTablesAreKnownByTheirOID(t *testing.T) {
	d, _ := newDaemon(t)
	d.tables.known = []identity.Table{{Schema: "public", Name: "thing", OID: 7, Former: []uint32{5}}}
	for _, tt := range []struct {
		name string
		oid  uint32
		want bool
	}{{"thing", 7, false}, {"thing", 5, false}, {"old", 7, true}, {"old", 5, true}, {"other", 8, false}} {
		if got := d.renamed(catalog.TableName{Schema: "public", Name: tt.name}, tt.oid); got != tt.want {
			t.Errorf("%s with OID %d: renamed %t, want %t", tt.name, tt.oid, got, tt.want)
		}
	}
}
