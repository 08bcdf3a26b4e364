package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// inspectIdentity looks at what the server sends of an old row, which must be
// enough to find the object.
func (in *inspection) inspectIdentity(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name) + ": replica identity"
	if p := in.published(); t.Identity == pgoutput.IdentityNothing && !p.Update && !p.Delete {
		in.ok(check, "%s: the publication sends no old rows", t.Identity)
		return
	}
	known := in.facts.table(name)
	keys := in.keys(t)
	good := in.judgeIdentity(check, known.named, t.IdentityColumns, known.Indexes, keys, "the table")
	for _, l := range known.Leaves {
		if l.Kind == foreign { // sends nothing
			continue
		}
		// The identity of the partition that holds the row decides what is sent.
		partition := fmt.Sprintf("partition %s.%s", l.Schema, l.Name)
		good = in.judgeIdentity(check+" of "+l.Schema+"."+l.Name, l.named, l.Identity, l.Indexes, keys, partition) && good
	}
	good = in.inspectBarred(check, t, known) && good
	if good {
		in.ok(check, "%s: %s", t.Identity, list(t.IdentityColumns))
	}
	if t.Identity != pgoutput.IdentityFull {
		for _, i := range in.set.Mappings(name) {
			in.inspectOldRow(t, i)
		}
	}
}

// keys returns the key columns of all mappings of the table that it has.
func (in *inspection) keys(t *catalog.Table) []string {
	var keys []string
	for _, i := range in.set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}) {
		for _, column := range in.set.Definition(i).KeyColumns() {
			if t.Column(column) != nil {
				keys = append(keys, missing([]string{column}, keys)...)
			}
		}
	}
	return keys
}

// judgeIdentity reports whether the identity covers the keys.
func (in *inspection) judgeIdentity(check string, t named, identity []string, indexes []index, keys []string, what string) bool {
	lacking := missing(keys, identity)
	remedy := Remedy{"as the table's owner, run:", alterTable(t.Schema, t.Name, "REPLICA IDENTITY "+betterIdentity(indexes, keys))}
	if !slices.ContainsFunc(indexes, func(i index) bool { return i.Primary }) {
		known := in.facts.table(mapping.Table{Schema: t.Schema, Name: t.Name})
		if !known.PartitionedByExpression {
			remedy.Words = "give it a primary key with " + list(slices.Concat(keys, missing(known.PartitionKey, keys))) + ", or, " + remedy.Words
		}
	}
	switch p := in.published(); {
	case len(identity) == 0 && (p.Update || p.Delete):
		in.add(Fail, check, what+" has none: once published, every UPDATE and DELETE of it fails on the server, for the application too", remedy)
		return false
	case len(lacking) > 0:
		remedy.Words = "key the object by columns of the replica identity, or, " + remedy.Words
		in.add(Fail, check, fmt.Sprintf("%s sends only %s of an old row, without the key column %s: deletes and changes of the key could not be assigned to an object", what, orNothing(identity), list(lacking)),
			remedy)
		return false
	}
	return true
}

func orNothing(columns []string) string {
	if len(columns) == 0 {
		return "nothing"
	}
	return list(columns)
}

// betterIdentity is the narrowest identity that covers the keys.
func betterIdentity(indexes []index, keys []string) string {
	best := "FULL"
	width := 0
	for _, i := range indexes {
		if len(missing(keys, i.Columns)) > 0 || width > 0 && len(i.Columns) >= width {
			continue
		}
		width = len(i.Columns)
		best = "USING INDEX " + ident(i.Name)
		if i.Primary {
			best = "DEFAULT"
		}
	}
	return best
}

// inspectOldRow warns of what costs more because old rows come without some
// columns.
func (in *inspection) inspectOldRow(t *catalog.Table, i int) {
	d := in.set.Definition(i)
	where, expressions := in.computed(i)
	check := label(mapping.Table{Schema: t.Schema, Name: t.Name}) + ": old rows of " + d.Name
	full := Remedy{"nothing to do if that is rare; otherwise, as the table's owner, run:", alterTable(t.Schema, t.Name, "REPLICA IDENTITY FULL")}
	if lacking := missing(where, t.IdentityColumns); len(lacking) > 0 && !d.OnDelete.Ignores() {
		in.add(Warn, check, fmt.Sprintf("where uses %s, which the server does not send of an old row: a change of a row that does not match is sent to Marketo as a delete all the same, because its object may exist, and costs calls", list(lacking)), full)
	}
	toasted := toastable(t, missing(append(where, missing(expressions, where)...), t.IdentityColumns))
	if len(toasted) > 0 {
		in.add(Warn, check+" (large values)", fmt.Sprintf("where or an expression uses %s, whose large values the server leaves out of an update that does not change them: such rows are read from the table again", strings.Join(toasted, ", ")), full)
	}
}

// toastable returns those of the columns whose values may be left out of an
// update (unchanged TOAST).
func toastable(t *catalog.Table, columns []string) []string {
	var found []string
	for _, name := range columns {
		if c := t.Column(name); c != nil && c.Storage != "p" && c.Generated == "" {
			found = append(found, name)
		}
	}
	return found
}
