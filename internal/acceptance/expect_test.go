package acceptance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// row is a row of the tables of TestOperations. Nil is null.
type row struct {
	k                 int
	city, state, nick *string
	note              *string
}

// kind is one way to map those tables.
type kind struct {
	name      string
	operation string
	// onDelete is ignore, delete, or set, which gives active the value false.
	onDelete string
	// always leaves where out, so that every row has an object.
	always bool
}

// kinds are the mappings of each table. Those with INSERT send every change by
// itself: of two changes that become one, Marketo would take the newer value,
// of two that are sent it takes the older.
var kinds = []kind{
	{"UpsertIgnore", "UPSERT", "ignore", false},
	{"UpsertDelete", "UPSERT", "delete", false},
	{"UpsertSet", "UPSERT", "set", false},
	{"UpsertAlways", "UPSERT", "delete", true},
	{"InsertIgnore", "INSERT", "ignore", false},
	{"InsertDelete", "INSERT", "delete", false},
	{"UpdateIgnore", "UPDATE", "ignore", false},
	{"UpdateDelete", "UPDATE", "delete", false},
	{"UpdateSet", "UPDATE", "set", false},
}

// yaml is the mapping of a table.
func (k kind) yaml(table, object string) string {
	onDelete, coalesce, where := k.onDelete, k.operation != "INSERT", ""
	if onDelete == "set" {
		onDelete = "{set: {active: false}}"
	}
	if !k.always {
		where = "\n    where: 'state != \"XX\"'"
	}
	return fmt.Sprintf(`
  - name: %[2]s
    table: public.%[1]s
    object: %[2]s
    operation: %[3]s
    key: {rid: k}
    attributes:
      city: city
      state: {expr: upper(state)}
      nick: {column: nick, "null": omit}
      note: note
      active: {value: true}
    on_delete: %[4]s
    on_truncate: ignore
    coalesce: %[5]t%[6]s
`, table, object, k.operation, onDelete, coalesce, where)
}

// expected is what Marketo must hold for one mapping, worked out from the
// changes one by one, by the words of the documentation and no code of ours.
type expected struct {
	kind kind
	// blind is set where the stream does not have the old row: then what does
	// not match is treated as having matched until now.
	blind   bool
	objects map[string]map[string]string
}

func (e *expected) matches(r *row) bool {
	return r != nil && (e.kind.always || r.state == nil || *r.state != "XX")
}

// change applies one change of a row: before is nil for an insert, after for a
// delete.
func (e *expected) change(before, after *row) {
	moved := before != nil && after != nil && before.k != after.k
	if before != nil && (e.blind || e.matches(before)) && (moved || !e.matches(after)) {
		e.remove(before.k)
	}
	if e.matches(after) {
		e.write(after)
	}
}

func (e *expected) remove(k int) {
	object := e.objects[fmt.Sprint(k)]
	switch {
	case object == nil || e.kind.onDelete == "ignore":
	case e.kind.onDelete == "delete":
		delete(e.objects, fmt.Sprint(k))
	default:
		object["active"] = "false"
	}
}

func (e *expected) write(r *row) {
	key := fmt.Sprint(r.k)
	object := e.objects[key]
	switch {
	case object != nil && e.kind.operation == "INSERT", object == nil && e.kind.operation == "UPDATE":
		return
	case object == nil:
		object = map[string]string{"rid": key}
		e.objects[key] = object
	}
	set := func(name string, value *string, omit bool) {
		switch {
		case value != nil && *value != "":
			object[name] = *value
		case value == nil && omit:
		default:
			delete(object, name)
		}
	}
	state := r.state
	if state != nil {
		upper := strings.ToUpper(*state)
		state = &upper
	}
	set("city", r.city, false)
	set("state", state, false)
	set("nick", r.nick, true)
	set("note", r.note, false)
	object["active"] = "true"
}

// differences compares with what Marketo holds. Unless exact, a nick may be
// older: null leaves it as it is, and a value between may not have been sent.
func (e *expected) differences(got map[string]map[string]string, exact bool) []string {
	var found []string
	keys := slices.AppendSeq(slices.Collect(maps.Keys(e.objects)), maps.Keys(got))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		want, have := maps.Clone(e.objects[key]), got[key]
		if !exact {
			delete(want, "nick")
			delete(have, "nick")
		}
		if !maps.Equal(want, have) || (want == nil) != (have == nil) {
			found = append(found, fmt.Sprintf("%s %s: got %.200v, want %.200v", e.kind.name, key, brief(have), brief(want)))
		}
	}
	return found
}

// brief shortens the long values.
func brief(object map[string]string) map[string]string {
	short := maps.Clone(object)
	for name, value := range short {
		if len(value) > 20 {
			short[name] = fmt.Sprintf("%.8s... of %d", value, len(value))
		}
	}
	return short
}
