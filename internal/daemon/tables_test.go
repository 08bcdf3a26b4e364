package daemon

import (
	"context"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/identity"
)

// What could not be saved is saved after the next look: otherwise the next
// start would compare with tables of long ago.
func TestTablesThatWereNotSavedAreNotKnown(t *testing.T) {
	d, store := newDaemon(t)
	now := []identity.Table{{Schema: "public", Name: "thing", OID: 7}}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := d.record(ended, store, nil, now); err == nil {
		t.Fatal("a save that failed is no error")
	}
	if d.tables.known != nil {
		t.Errorf("known: got %v, want nothing", d.tables.known)
	}
	if err := d.record(t.Context(), store, d.tables.known, now); err != nil {
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

// Several may ask for the status at once.
func TestNoticesLeaveTheAcceptedOnesAlone(t *testing.T) {
	d, _ := newDaemon(t)
	accepted := []string{"gap", ""}[:1]
	d.accepted.Store(&accepted)
	d.tables.notices = []string{"table"}
	if got := d.notices(); len(got) != 2 || got[0] != "gap" || got[1] != "table" {
		t.Errorf("got %q", got)
	}
	if spare := accepted[:2][1]; spare != "" {
		t.Errorf("%q was written into memory that is shared", spare)
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
