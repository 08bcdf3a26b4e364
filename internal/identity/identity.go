// Package identity knows mapped tables again: what is the same table, and has
// it been in the stream without a gap?
//
// The stream says neither. A table that is renamed, replaced by another, or
// taken out of the publication and put back leaves no trace in it, nor does a
// partition that is detached, emptied or attached with rows. So the catalog's
// own numbers are kept from look to look, across lives, and compared: a name
// may be taken over, a number may not.
//
// Compare is pure. It tells what was lost as far as the catalog can show it;
// not what came and went between two looks and left the numbers as they were.
package identity

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

// Table is a mapped table as the catalog showed it at one moment.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	OID    uint32 `json:"oid"`
	// Publication changes whenever the publication itself is altered. Owner is
	// whose it is, Publishes all else that is set of it; both are empty in the
	// record of an older release.
	Publication string `json:"publication"`
	Owner       string `json:"owner,omitempty"`
	Publishes   string `json:"publishes,omitempty"`
	// Members are the OIDs of the catalog's rows by which the publication has
	// the table: one that is taken out and put back has another.
	Members []uint32 `json:"members"`
	Columns []Column `json:"columns"`
	// Filenode changes when the table is rewritten or emptied at once.
	Filenode uint32 `json:"filenode"`
	// Unlogged is set while what changes is not in the WAL; in a record until
	// somebody has accepted that it was so.
	Unlogged bool `json:"unlogged,omitempty"`
	// Leaves are the partitions that hold its rows.
	Leaves []Leaf `json:"leaves,omitempty"`
	// Mappings are those of the table.
	Mappings []Mapping `json:"mappings"`
	// Former are OIDs of tables that had its place before, accepted by somebody:
	// changes of theirs that are still to be read are changes of this one.
	Former []uint32 `json:"former,omitempty"`
}

// Column is a column of a Table, with its type as SQL writes it.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Parts are the labels of the enums that the type is made from, by the number
	// of each, and the types of the attributes of composite types.
	Parts map[string]string `json:"parts,omitempty"`
}

// Leaf is a partition.
type Leaf struct {
	Name     string `json:"name"`
	OID      uint32 `json:"oid"`
	Filenode uint32 `json:"filenode"`
	// Rows is set when it has any, or had any since it was emptied last.
	Rows bool `json:"rows"`
	// Fresh is set when nothing has counted its rows since it was made, emptied
	// or rewritten.
	Fresh bool `json:"fresh,omitempty"`
	// Attached is set when it was a table of its own before.
	Attached bool `json:"attached,omitempty"`
	// Unlogged is that of a Table.
	Unlogged bool `json:"unlogged,omitempty"`
}

// Mapping is a mapping of a Table.
type Mapping struct {
	Name   string `json:"name"`
	Object string `json:"object"`
}

func (t *Table) String() string { return t.Schema + "." + t.Name }

// Record writes t for a store.
func (t *Table) Record() (string, error) {
	text, err := json.Marshal(t)
	return string(text), err
}

// Read reads what Record has written.
func Read(record string) (Table, error) {
	var t Table
	if err := json.Unmarshal([]byte(record), &t); err != nil {
		return Table{}, fmt.Errorf("read the record of a mapped table: %w", err)
	}
	return t, nil
}

// adopt takes from a set what the catalog does not know.
func (t *Table) adopt(set *mapping.Set) {
	for _, i := range set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}) {
		d := set.Definition(i)
		t.Mappings = append(t.Mappings, Mapping{d.Name, d.Object})
	}
}

// Accept makes now the continuation of known, whatever lies between them.
func Accept(known, now Table) Table {
	former := slices.Concat(known.Former, []uint32{known.OID})
	now.Former = slices.DeleteFunc(former, func(oid uint32) bool { return oid == now.OID || oid == 0 })
	slices.Sort(now.Former)
	now.Former = slices.Compact(now.Former)
	return now
}

// Unlogged returns known with what of it is UNLOGGED now, and whether that is
// more than it was: once a table is LOGGED again the catalog does not tell any
// more that its changes were not in the WAL.
func Unlogged(known []Table, now View) (marked []Table, more bool) {
	marked = slices.Clone(known)
	for i := range marked {
		k := &marked[i]
		n := find(now.Tables, k)
		if n == nil || n.OID != k.OID {
			continue
		}
		more = more || n.Unlogged && !k.Unlogged
		k.Unlogged = k.Unlogged || n.Unlogged
		k.Leaves = slices.Clone(k.Leaves)
		for j := range k.Leaves {
			leaf := &k.Leaves[j]
			if !leaf.Unlogged && slices.ContainsFunc(n.Leaves, func(l Leaf) bool { return l.OID == leaf.OID && l.Unlogged }) {
				leaf.Unlogged, more = true, true
			}
		}
	}
	return marked, more
}

// find returns the table that known is now: the one of the same OID, else the
// one of the same name; nil for none.
func find(tables []Table, known *Table) *Table {
	same := func(is func(*Table) bool) *Table {
		for i := range tables {
			if is(&tables[i]) {
				return &tables[i]
			}
		}
		return nil
	}
	return cmp.Or(
		same(func(t *Table) bool { return t.OID == known.OID }),
		same(func(t *Table) bool { return t.Schema == known.Schema && t.Name == known.Name }))
}
