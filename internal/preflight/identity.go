package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// inspectIdentity looks at what the server sends of an old row, which must be
// enough to find the object.
func (in *inspection) inspectIdentity(t *replication.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name) + ": replica identity"
	if p := in.published(); t.Identity == replication.IdentityNothing && !p.Update && !p.Delete {
		in.ok(check, "%s: the publication sends no old rows", t.Identity)
		return
	}
	known := in.facts.table(name)
	keys := in.keys(t)
	good := in.judgeIdentity(check, known.named, t.IdentityColumns, known.Indexes, keys, "the table")
	for _, l := range known.Leaves {
		// The identity of the partition that holds the row decides what is sent.
		partition := fmt.Sprintf("partition %s.%s", l.Schema, l.Name)
		good = in.judgeIdentity(check+" of "+l.Schema+"."+l.Name, l.named, l.Identity, l.Indexes, keys, partition) && good
	}
	if good {
		in.ok(check, "%s: %s", t.Identity, list(t.IdentityColumns))
	}
	if t.Identity != replication.IdentityFull {
		for _, i := range in.set.Mappings(name) {
			in.inspectOldRow(t, i)
		}
	}
}

// keys returns the key columns of all mappings of the table that it has.
func (in *inspection) keys(t *replication.Table) []string {
	var keys []string
	for _, i := range in.set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}) {
		for _, r := range in.set.Definition(i).Key {
			if t.Column(r.Column) != nil {
				keys = append(keys, missing([]string{r.Column}, keys)...)
			}
		}
	}
	return keys
}

// judgeIdentity reports whether the identity covers the keys.
func (in *inspection) judgeIdentity(check string, t named, identity []string, indexes []index, keys []string, what string) bool {
	lacking := missing(keys, identity)
	remedy := "as the table's owner, run: " + alterTable(t.Schema, t.Name, "REPLICA IDENTITY "+betterIdentity(indexes, keys))
	if !slices.ContainsFunc(indexes, func(i index) bool { return i.Primary }) {
		remedy = "give it a primary key with " + list(slices.Concat(keys, missing(in.facts.table(mapping.Table{Schema: t.Schema, Name: t.Name}).PartitionKey, keys))) + ", or, " + remedy
	}
	switch p := in.published(); {
	case len(identity) == 0 && (p.Update || p.Delete):
		in.fail(check, what+" has none: once published, every UPDATE and DELETE of it fails on the server, for the application too", remedy)
		return false
	case len(lacking) > 0:
		in.fail(check, fmt.Sprintf("%s sends only %s of an old row, without the key column %s: deletes and changes of the key could not be assigned to an object", what, orNothing(identity), list(lacking)),
			"key the object by columns of the replica identity, or, "+remedy)
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
func (in *inspection) inspectOldRow(t *replication.Table, i int) {
	d := in.set.Definition(i)
	where, expressions := in.computed(i)
	check := label(mapping.Table{Schema: t.Schema, Name: t.Name}) + ": old rows of " + d.Name
	full := "nothing to do if that is rare; otherwise, as the table's owner, run: " + alterTable(t.Schema, t.Name, "REPLICA IDENTITY FULL")
	if lacking := missing(where, t.IdentityColumns); len(lacking) > 0 && !d.OnDelete.Ignores() {
		in.warn(check, fmt.Sprintf("where uses %s, which the server does not send of an old row: a change of a row that does not match is sent to Marketo as a delete all the same, because its object may exist, and costs calls", list(lacking)), full)
	}
	toasted := toastable(t, missing(append(where, missing(expressions, where)...), t.IdentityColumns))
	if len(toasted) > 0 {
		in.warn(check+" (large values)", fmt.Sprintf("where or an expression uses %s, whose large values the server leaves out of an update that does not change them: such rows are read from the table again", strings.Join(toasted, ", ")), full)
	}
}

// toastable returns those of the columns whose values may be left out of an
// update (unchanged TOAST).
func toastable(t *replication.Table, columns []string) []string {
	var found []string
	for _, name := range columns {
		if c := t.Column(name); c != nil && c.Storage != "p" && c.Generated == "" {
			found = append(found, name)
		}
	}
	return found
}

// inspectKeys looks at whether the key columns identify a row.
func (in *inspection) inspectKeys(t *replication.Table) {
	check := label(mapping.Table{Schema: t.Schema, Name: t.Name}) + ": key of "
	for _, i := range in.set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}) {
		d := in.set.Definition(i)
		var columns, nullable, alter []string
		for _, r := range d.Key {
			c := t.Column(r.Column)
			if c == nil {
				continue
			}
			columns = append(columns, c.Name)
			if !c.NotNull {
				nullable = append(nullable, c.Name)
				alter = append(alter, "ALTER COLUMN "+ident(c.Name)+" SET NOT NULL")
			}
		}
		if nullable != nil {
			in.warn(check+d.Name+" (null)", fmt.Sprintf("%s may be null: a row without a key is parked", list(nullable)),
				"leave such rows out with where, or, as the table's owner, run: "+alterTable(t.Schema, t.Name, strings.Join(alter, ", ")))
		}
		if len(columns) == len(d.Key) && !unique(t, columns) {
			remedy := "as the table's owner, run: " + uniqueIndex(t, columns)
			if outside := in.outsideKey(t, columns); outside != nil {
				remedy = fmt.Sprintf("PostgreSQL takes no unique index without the columns that the table is partitioned by: add %s to the key of the mapping, or see that %s stays unique by other means, as values of one sequence do", list(outside), list(columns))
			}
			in.warn(check+d.Name, fmt.Sprintf("nothing keeps two rows from having the same %s: they would write one object, and the last one wins", list(columns)), remedy)
		}
	}
}

// outsideKey returns what a partitioned table is partitioned by beside columns:
// every unique index of it must have these, too.
func (in *inspection) outsideKey(t *replication.Table, columns []string) []string {
	return missing(in.facts.table(mapping.Table{Schema: t.Schema, Name: t.Name}).PartitionKey, columns)
}

// unique reports whether some unique index lies within the columns.
func unique(t *replication.Table, columns []string) bool {
	for _, index := range t.Unique {
		if len(missing(index, columns)) == 0 {
			return true
		}
	}
	return false
}

func uniqueIndex(t *replication.Table, columns []string) string {
	how := "UNIQUE INDEX CONCURRENTLY"
	if t.Kind == "p" { // cannot be built concurrently
		how = "UNIQUE INDEX"
	}
	return "CREATE " + how + " ON " + ident(t.Schema, t.Name) + " (" + idents(columns) + ");"
}
