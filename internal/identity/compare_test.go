package identity

import (
	"strings"
	"testing"
)

func known() Table {
	return Table{
		Schema: "public", Name: "thing", OID: 7, Publication: "1/1", Members: []uint32{20}, Filenode: 70,
		Columns:  []Column{{Name: "id", Type: "integer"}, {Name: "n", Type: "integer"}},
		Mappings: []Mapping{{"thing", "Thing"}},
	}
}

// parts are the columns of known, the second one made from these parts.
func parts(pairs ...string) []Column {
	made := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		made[pairs[i]] = pairs[i+1]
	}
	return []Column{{Name: "id", Type: "integer"}, {Name: "n", Type: "integer", Parts: made}}
}

func typed() Table {
	t := known()
	t.Columns = parts("label 1", "a", "attribute 7.1", "23")
	return t
}

func partitioned() Table {
	t := known()
	t.Leaves = []Leaf{{Name: "public.p1", OID: 71, Filenode: 71, Rows: true}, {Name: "public.p2", OID: 72, Filenode: 72}}
	return t
}

func owned() Table {
	t := known()
	t.Owner, t.Publishes = "10", "all"
	return t
}

// seen is t as it is known once it was seen like this, and as it was before.
func seen(t Table, change func(*Table)) Table {
	now := t
	now.Leaves = append([]Leaf(nil), t.Leaves...)
	change(&now)
	view := View{Tables: []Table{now}}
	marked, more := Unlogged([]Table{t}, view)
	if again, most := Unlogged(marked, view); !more || most || !again[0].equal(marked[0]) || now.equal(t) {
		panic("not marked once")
	}
	return marked[0]
}

func (t Table) equal(o Table) bool {
	a, errA := t.Record()
	b, errB := o.Record()
	return errA == nil && errB == nil && a == b
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name    string
		known   Table
		change  func(*View)
		loses   bool
		want    string
		lenient bool
	}{
		{"nothing", known(), func(v *View) {}, false, "", false},
		{"renamed", known(), func(v *View) { v.Tables = nil; v.Names[7] = "public.b" }, true, "called public.b now", false},
		{"dropped", known(), func(v *View) { v.Tables = nil; delete(v.Names, 7) }, true, "was dropped", false},
		{"no longer mapped", known(), func(v *View) { v.Tables = nil }, false, "", false},
		{"followed by its mapping", known(), func(v *View) { v.Tables[0].Name = "b"; v.Names[7] = "public.b" }, false, "", false},
		{"another table", known(), func(v *View) { v.Tables[0].OID = 8 }, true, "another table", false},
		{"out of the publication", known(), func(v *View) { v.Tables[0].Members = nil }, true, "taken out of the publication", false},
		{"out and back", known(), func(v *View) { v.Tables[0].Members = []uint32{21} }, true, "put back", false},
		{"named twice, then once", known(), func(v *View) { v.Tables[0].Members = []uint32{20, 30} }, false, "", false},
		{"publication altered", known(), func(v *View) { v.Tables[0].Publication = "1/2" }, true, "altered", false},
		{"owner of the publication", owned(), func(v *View) { v.Tables[0].Publication, v.Tables[0].Owner = "1/2", "11" }, false, "has another owner", false},
		{"owner and what it publishes", owned(), func(v *View) {
			v.Tables[0].Publication, v.Tables[0].Owner, v.Tables[0].Publishes = "1/2", "11", "less"
		}, true, "altered", false},
		{"publication altered and back", owned(), func(v *View) { v.Tables[0].Publication = "1/2" }, true, "altered", false},
		{"another publication of another owner", owned(), func(v *View) { v.Tables[0].Publication, v.Tables[0].Owner = "2/2", "11" }, true, "altered", false},
		{"owner, and not known what it published", known(), func(v *View) {
			v.Tables[0].Publication, v.Tables[0].Owner, v.Tables[0].Publishes = "1/2", "11", "all"
		}, true, "altered", false},
		{"unlogged", known(), func(v *View) { v.Tables[0].Filenode, v.Tables[0].Unlogged = 99, true }, true, "table public.thing is UNLOGGED", false},
		{"unlogged for a while", seen(known(), func(t *Table) { t.Unlogged = true }), func(v *View) { v.Tables[0].Filenode, v.Tables[0].Unlogged = 99, false }, true, "table public.thing was UNLOGGED for a while", false},
		{"partition unlogged", partitioned(), func(v *View) { v.Tables[0].Leaves[0].Filenode, v.Tables[0].Leaves[0].Unlogged = 99, true }, true, "partition public.p1 of table public.thing is UNLOGGED", true},
		{"partition unlogged for a while", seen(partitioned(), func(t *Table) { t.Leaves[1].Unlogged = true }), func(v *View) {
			v.Tables[0].Leaves[1].Filenode, v.Tables[0].Leaves[1].Unlogged = 99, false
		}, true, "partition public.p2 of table public.thing was UNLOGGED for a while", true},
		{"another type", known(), func(v *View) {
			v.Tables[0].Columns = []Column{{Name: "id", Type: "integer"}, {Name: "n", Type: "bigint"}}
			v.Tables[0].Filenode = 99
		}, false, `column "n" of table public.thing has type bigint now`, false},
		{"label renamed", typed(), func(v *View) { v.Tables[0].Columns = parts("label 1", "b", "attribute 7.1", "23") }, false, `values of column "n" of table public.thing have other texts`, false},
		{"label added", typed(), func(v *View) {
			v.Tables[0].Columns = parts("label 1", "a", "attribute 7.1", "23", "label 2", "b")
		}, false, "", false},
		{"attribute added", typed(), func(v *View) {
			v.Tables[0].Columns = parts("label 1", "a", "attribute 7.1", "23", "attribute 7.2", "25")
		}, false, "have other texts", false},
		{"attribute dropped", typed(), func(v *View) { v.Tables[0].Columns = parts("label 1", "a") }, false, "have other texts", false},
		{"labels not known", known(), func(v *View) { v.Tables[0].Columns = parts("attribute 7.1", "23") }, false, "", false},
		{"rewritten", known(), func(v *View) { v.Tables[0].Filenode = 99 }, false, "was rewritten", false},
		{"partition gone", partitioned(), func(v *View) { v.Tables[0].Leaves = v.Tables[0].Leaves[1:] }, true, "public.p1 of table public.thing was detached or dropped", false},
		{"partition gone, leniently", partitioned(), func(v *View) { v.Tables[0].Leaves = v.Tables[0].Leaves[1:] }, false, "detached or dropped", true},
		{"empty partition gone", partitioned(), func(v *View) { v.Tables[0].Leaves = v.Tables[0].Leaves[:1] }, false, "", false},
		{"partition truncated", partitioned(), func(v *View) { v.Tables[0].Leaves[0].Filenode, v.Tables[0].Leaves[0].Fresh = 99, true }, true, "was truncated", false},
		{"partition rewritten", partitioned(), func(v *View) { v.Tables[0].Leaves[0].Filenode = 99 }, false, "public.p1 of table public.thing was rewritten", false},
		{"partition made", partitioned(), func(v *View) { v.Tables[0].Leaves = append(v.Tables[0].Leaves, Leaf{Name: "p3", OID: 73, Rows: true}) }, false, "", false},
		{"partition attached", partitioned(), func(v *View) {
			v.Tables[0].Leaves = append(v.Tables[0].Leaves, Leaf{Name: "p3", OID: 73, Rows: true, Attached: true})
		}, true, "p3 was attached", false},
		{"empty partition attached", partitioned(), func(v *View) {
			v.Tables[0].Leaves = append(v.Tables[0].Leaves, Leaf{Name: "p3", OID: 73, Attached: true})
		}, false, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := tt.known
			now.Leaves = append([]Leaf(nil), now.Leaves...)
			view := View{Tables: []Table{now}, Names: map[uint32]string{7: "public.thing"}}
			tt.change(&view)
			got := Compare([]Table{tt.known}, view, func(Table) bool { return !tt.lenient })
			if tt.want == "" {
				if got != nil {
					t.Fatalf("got %+v, want nothing", got)
				}
				return
			}
			if len(got) != 1 || got[0].Loses != tt.loses || !strings.Contains(got[0].Text, tt.want) || got[0].Remedy == "" {
				t.Errorf("got %+v, want one, loses %t, with %q", got, tt.loses, tt.want)
			}
		})
	}
}

func TestUnmapped(t *testing.T) {
	k := known()
	k.Mappings = append(k.Mappings, Mapping{"second", "Second"})
	now := known()
	now.Mappings[0].Name = "renamed"
	got := Unmapped([]Table{k}, View{Tables: []Table{now}}, "0/5")
	if len(got) != 1 || !strings.Contains(got[0].Text, "mapping second (public.thing to Second) is gone") || got[0].Loses {
		t.Errorf("got %+v, want the second", got)
	}
	if got := Compare([]Table{k}, View{Names: map[uint32]string{7: "public.b"}}, func(Table) bool { return true }); len(got) != 1 || !got[0].Absent {
		t.Errorf("got %+v, want one whose table is not there", got)
	}
	if got := Unmapped([]Table{k}, View{}, "0/5"); len(got) != 2 {
		t.Errorf("got %+v, want both", got)
	}
}

// What was accepted once is known under all numbers it has had.
func TestAccept(t *testing.T) {
	k, n := known(), known()
	k.Former, n.OID = []uint32{3, 9}, 9
	n = Accept(k, n)
	if len(n.Former) != 2 || n.Former[0] != 3 || n.Former[1] != 7 {
		t.Errorf("former: got %v, want 3 and 7", n.Former)
	}
	record, err := n.Record()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Read(record); err != nil || back.OID != 9 || len(back.Former) != 2 {
		t.Errorf("read again: %+v, %v", back, err)
	}
}
