package rowread

import (
	"errors"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// What the rows that were found for a key are to the mapping that asked.
func TestFoundRows(t *testing.T) {
	set, err := mapping.Compile([]mapping.Definition{{
		Name: "things", Schema: "public", Table: "thing", Object: "Thing", Where: "n > 0",
		Key: []mapping.Rule{{Attribute: "code", Column: "code"}}, Attributes: []mapping.Rule{{Attribute: "n", Column: "n"}},
		OnDelete: mapping.DeletePolicy{Delete: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	relation := &pgoutput.Relation{Schema: "public", Name: "thing", Columns: []pgoutput.Column{{Name: "code", Type: 25, Modifier: -1}, {Name: "n", Type: 23, Modifier: -1}}}
	if err := set.Bind(relation, nil); err != nil {
		t.Fatal(err)
	}
	row := func(code, n string) []pgoutput.Value {
		return []pgoutput.Value{{Kind: pgoutput.Text, Text: []byte(code)}, {Kind: pgoutput.Text, Text: []byte(n)}}
	}
	asked := delivery.Read{Read: 7, Object: marketo.NewObject(set.Shape(0), []marketo.Value{{Kind: marketo.String, Text: "bob"}, {}})}
	passing := errors.New("connection lost")
	for _, test := range []struct {
		name    string
		folded  bool
		rows    [][]pgoutput.Value
		err     error
		state   delivery.RowState
		key     string
		removes bool
		problem string
	}{
		{name: "gone", state: delivery.RowGone},
		{name: "there", rows: [][]pgoutput.Value{row("bob", "1")}, state: delivery.RowMatches, key: "bob"},
		{name: "no match", rows: [][]pgoutput.Value{row("bob", "0")}, state: delivery.RowDiffers, key: "bob", removes: true},
		{name: "several", rows: [][]pgoutput.Value{row("bob", "1"), row("bob", "2")}, state: delivery.RowShared, key: "bob"},
		{name: "several, of which one matches", rows: [][]pgoutput.Value{row("bob", "0"), row("bob", "1"), row("bob", "0")}, state: delivery.RowMatches, key: "bob"},
		{name: "several, of which none matches", rows: [][]pgoutput.Value{row("bob", "0"), row("bob", "0")}, state: delivery.RowDiffers, key: "bob", removes: true},
		{name: "more than are read, of which none matches", rows: slices.Repeat([][]pgoutput.Value{row("bob", "0")}, MostRows), state: delivery.RowShared},
		{name: "folded, one has the very key", folded: true, rows: [][]pgoutput.Value{row("BOB", "1"), row("bob", "1")}, state: delivery.RowMatches, key: "bob"},
		{name: "folded, the one that has the very key does not match", folded: true, rows: [][]pgoutput.Value{row("bob", "0"), row("BOB", "1")}, state: delivery.RowMatches, key: "BOB"},
		{name: "its own type takes other spellings", rows: [][]pgoutput.Value{row("BOB", "1")}, state: delivery.RowMatches, key: "BOB"},
		{name: "folded", folded: true, rows: [][]pgoutput.Value{row("Bob ", "1")}, state: delivery.RowMatches, key: "Bob "},
		{name: "folded, no match", folded: true, rows: [][]pgoutput.Value{row("Bob ", "0")}, state: delivery.RowDiffers, key: "Bob ", removes: true},
		{name: "folded, several", folded: true, rows: [][]pgoutput.Value{row("Bob ", "1"), row("BOB", "1")}, state: delivery.RowShared, key: "BOB"},
		{name: "folded by the server and not by us", folded: true, rows: [][]pgoutput.Value{row("b\u00f6b", "1"), row("BOB", "1")}, state: delivery.RowMatches, key: "BOB"},
		{name: "the server cannot read it", err: &RowError{State: "22012"}, problem: "unreadable"},
		{name: "passes", err: passing},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked.Folded = test.folded
			got := delivery.RowRead{Read: asked.Read}
			found(&got, set, relation, &asked, test.rows, test.err)
			key, problem := "", ""
			if got.Write.Object.Shape != nil {
				key = got.Write.Object.Value(0).Text
			}
			if got.Problem != nil {
				problem = got.Problem.Code
			}
			if got.State != test.state || key != test.key || got.Removes != test.removes || problem != test.problem || (got.Err != nil) != (test.err == passing) {
				t.Errorf("got state %d, key %q, removes %v, problem %q, error %v", got.State, key, got.Removes, problem, got.Err)
			}
		})
	}
}
