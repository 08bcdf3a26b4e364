package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// twoTables is a reader of things and others; plus is a third mapping, of things.
func twoTables(t *testing.T, plus ...mapping.Definition) *reader {
	t.Helper()
	define := func(name, object string, column string) mapping.Definition {
		return mapping.Definition{Name: name, Schema: "public", Table: name, Object: object,
			Key: []mapping.Rule{{Attribute: "id", Column: "id"}}, Attributes: []mapping.Rule{{Attribute: "n", Column: column}},
			OnDelete: mapping.DeletePolicy{Delete: true}, OnTruncate: mapping.TruncateHalt}
	}
	set, err := mapping.Compile(append([]mapping.Definition{define("things", "Thing", "n"), define("others", "Other", "n")}, plus...))
	if err != nil {
		t.Fatal(err)
	}
	return newTestReader(t, func(r *Runner) { r.Mappings = set })
}

var others = &pgoutput.Relation{ID: 8, Schema: "public", Name: "others", Identity: pgoutput.IdentityDefault, Columns: things.Columns}

func insertedOther(id int) *pgoutput.Change {
	c := inserted(id)
	c.Relation = others
	return c
}

// told shows what the machine would get, with the mappings of what is stopped.
func (r *reader) told() string {
	var words []string
	for _, e := range r.entries {
		switch e.Kind {
		case delivery.EntryBegin:
			words = append(words, "begin")
		case delivery.EntryWrite:
			words = append(words, fmt.Sprintf("%d@%d", e.Write.Mapping, e.Seq))
		case delivery.EntryStop:
			words = append(words, fmt.Sprintf("stop %d@%d", e.Write.Mapping, e.Seq))
		case delivery.EntryCommit:
			words = append(words, "commit")
		}
	}
	r.entries = r.entries[:0]
	return strings.Join(words, " ")
}

// A change that breaks one mapping stops that one, at its place, and once: what
// comes of others goes on.
func TestMappingIsStopped(t *testing.T) {
	truncate := &pgoutput.Truncate{Relations: []*pgoutput.Relation{things}}
	r := twoTables(t)
	err := r.feed(t, &pgoutput.Begin{Final: 100}, things, inserted(1), others, insertedOther(1), truncate, inserted(2), truncate, insertedOther(2), &pgoutput.Commit{LSN: 100, End: 110},
		&pgoutput.Begin{Final: 120}, inserted(3), insertedOther(3), &pgoutput.Commit{LSN: 120, End: 130})
	if err != nil {
		t.Fatal(err, r.status().Problem)
	}
	reason := ""
	for _, e := range r.entries {
		if e.Kind == delivery.EntryStop {
			reason = e.Write.Problem.Message
		}
	}
	if !strings.Contains(reason, "truncated") || !strings.Contains(reason, "cdcsync run --accept-gap 0/64..0/65") {
		t.Errorf("stopped for %q", reason)
	}
	if got := r.told(); got != "begin 0@1 1@2 stop 0@3 1@6 commit begin 1@2 commit" {
		t.Errorf("got %s", got)
	}
	// With the other one nothing is left.
	if err := r.feed(t, &pgoutput.Begin{Final: 140}, &pgoutput.Truncate{Relations: []*pgoutput.Relation{others}}); !errors.Is(err, errHalted) {
		t.Errorf("nothing goes on: %v, want a halt", err)
	}
}

// A description that one mapping of the table does not fit binds the others, and
// binds as much when it comes again over another connection.
func TestDescriptionThatOneMappingDoesNotFit(t *testing.T) {
	keyOnly := mapping.Definition{Name: "keys", Schema: "public", Table: "things", Object: "Key", Key: []mapping.Rule{{Attribute: "id", Column: "id"}}}
	r := twoTables(t, keyOnly)
	changed := *things
	changed.Columns = []pgoutput.Column{things.Columns[0], {Name: "n", Type: 17, Modifier: -1}} // bytea has no place in an object
	change := inserted(2)
	change.Relation = &changed
	if err := r.feed(t, things, &pgoutput.Begin{Final: 100}, inserted(1), &changed, change); err != nil {
		t.Fatal(err)
	}
	if got := r.told(); got != "begin 0@1 2@1 stop 0@2 2@2" {
		t.Errorf("got %s", got)
	}
	if err := r.feed(t, &pgoutput.Begin{Final: 100}, things, inserted(1), &changed, change, change, &pgoutput.Commit{LSN: 100, End: 110}); err != nil {
		t.Fatal(err)
	}
	if got := r.told(); got != "2@3 commit" {
		t.Errorf("over another connection: got %s", got)
	}
}

// A description that no longer fits when it comes again stops its mapping behind
// what the machine has already.
func TestStopIsBehindWhatWasHandedOver(t *testing.T) {
	r := twoTables(t)
	begin := &pgoutput.Begin{Final: 100}
	if err := r.feed(t, things, begin, inserted(1), inserted(2), inserted(3)); err != nil {
		t.Fatal(err)
	}
	changed := *things
	changed.Columns = []pgoutput.Column{things.Columns[0], {Name: "n", Type: 17, Modifier: -1}}
	if err := r.feed(t, begin, &changed); err != nil {
		t.Fatal(err)
	}
	if got := r.told(); got != "begin 0@1 0@2 0@3 stop 0@4" {
		t.Errorf("got %s", got)
	}
}

// What a look at the database finds of some tables stops their mappings when the
// next transaction begins; what it finds of all halts reading.
func TestLookStopsMappings(t *testing.T) {
	r := twoTables(t)
	look := &delivery.Obstacle{Condition: delivery.Halted, Reason: "table public.things was taken out", Mappings: []int{0}}
	if err := r.feed(t, &pgoutput.Begin{Final: 100}, things, inserted(1)); err != nil {
		t.Fatal(err)
	}
	r.order(look)
	if err := r.feed(t, inserted(2), &pgoutput.Commit{LSN: 100, End: 110}, &pgoutput.Begin{Final: 120}, inserted(3), others, insertedOther(3)); err != nil {
		t.Fatal(err)
	}
	if got := r.told(); got != "begin 0@1 0@2 commit begin stop 0@1 1@2" || look.Condition != delivery.MappingStopped || r.haltReason.Load() != nil {
		t.Errorf("got %s, %s", got, look.Condition)
	}
	for _, mappings := range [][]int{nil, {0, 1}} {
		r := twoTables(t)
		if r.order(&delivery.Obstacle{Condition: delivery.Halted, Reason: "all", Mappings: mappings}); r.haltReason.Load() == nil {
			t.Errorf("%v: reading goes on", mappings)
		}
	}
}

// Of a mapping that the machine takes nothing more of nothing more is handed over,
// in the middle of a transaction, too, and no change of its table stops it.
func TestMappingIsLeftOut(t *testing.T) {
	r := twoTables(t)
	if err := r.feed(t, &pgoutput.Begin{Final: 100}, things, inserted(1)); err != nil {
		t.Fatal(err)
	}
	r.leaveTo(0)
	r.leaveTo(0)
	truncate := &pgoutput.Truncate{Relations: []*pgoutput.Relation{things}}
	if err := r.feed(t, inserted(2), others, insertedOther(2), truncate, &pgoutput.Commit{LSN: 100, End: 110}); err != nil {
		t.Fatal(err)
	}
	if got := r.told(); got != "begin 0@1 1@3 commit" {
		t.Errorf("got %s", got)
	}
	err := r.feed(t, &pgoutput.Begin{Final: 140}, &pgoutput.Truncate{Relations: []*pgoutput.Relation{others}})
	if !errors.Is(err, errHalted) {
		t.Errorf("nothing goes on: %v, want a halt", err)
	}
}
