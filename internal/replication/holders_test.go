package replication_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// What the catalog says of the indexes of a real table, judged by keys.
func TestHolders(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE items (id int PRIMARY KEY, pos int UNIQUE DEFERRABLE, code text UNIQUE, "Name" varchar(9), part int, city text, UNIQUE (id, city));
		CREATE UNIQUE INDEX ON items (lower(rtrim("Name")), part); CREATE UNIQUE INDEX ON items (part) WHERE part > 5; CREATE INDEX ON items (city)`)
	session := d.session()
	found, err := session.Holders(t.Context(), []catalog.TableName{{Schema: "public", Name: "items"}, {Schema: "public", Name: "none"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found[0] == nil || found[1] != nil {
		t.Fatalf("Holders() = %v, want one and nil", found)
	}
	type judged struct{ apart, spelled bool }
	for _, test := range []struct {
		key          []string
		now, forever judged
	}{
		{[]string{"id"}, judged{true, true}, judged{true, true}},
		{[]string{"id", "code"}, judged{true, true}, judged{true, true}},
		{[]string{"pos"}, judged{true, true}, judged{}},
		{[]string{"code"}, judged{true, false}, judged{true, false}},
		{[]string{"Name", "part"}, judged{true, true}, judged{true, true}},
		{[]string{"Name"}, judged{}, judged{}},
		{[]string{"part"}, judged{}, judged{}},
		{[]string{"city"}, judged{}, judged{}},
	} {
		var now, forever judged
		now.apart, now.spelled = found[0].Apart(test.key, false)
		forever.apart, forever.spelled = found[0].Apart(test.key, true)
		if now != test.now || forever != test.forever {
			t.Errorf("%v: now %v, at every moment %v, want %v and %v", test.key, now, forever, test.now, test.forever)
		}
	}

	young := replication.KeyHolders{Indexes: []replication.UniqueIndex{{Keys: []string{"id"}, Young: true}}}
	if apart, _ := young.Apart([]string{"id"}, true); apart {
		t.Error("an index that is younger than changes of the slot holds for them")
	}
	if apart, _ := young.Apart([]string{"id"}, false); !apart {
		t.Error("an index does not hold because it is young")
	}
}
