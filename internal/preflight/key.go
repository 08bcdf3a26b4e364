package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// inspectKeys looks at whether the key columns identify a row.
func (in *inspection) inspectKeys(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name) + ": key of "
	for _, i := range in.set.Mappings(name) {
		d := in.set.Definition(i)
		columns := d.KeyColumns()
		if slices.ContainsFunc(columns, func(column string) bool { return t.Column(column) == nil }) {
			continue // told with the columns
		}
		var nullable, alter []string
		for _, column := range columns {
			if !t.Column(column).NotNull {
				nullable = append(nullable, column)
				alter = append(alter, "ALTER COLUMN "+ident(column)+" SET NOT NULL")
			}
		}
		if nullable != nil {
			in.warn(check+d.Name+" (null)", fmt.Sprintf("%s may be null: a row without a key is parked", list(nullable)),
				"leave such rows out with where, or, as the table's owner, run:", alterTable(t.Schema, t.Name, strings.Join(alter, ", ")))
		}
		if h := in.holders[name]; h != nil {
			in.inspectSharing(t, h, check+d.Name, columns)
		}
	}
}

// inspectSharing warns where two rows may come to have one object.
func (in *inspection) inspectSharing(t *catalog.Table, h *replication.KeyHolders, check string, columns []string) {
	apart, spelled := h.Apart(columns, false)
	switch {
	case !apart:
		in.add(Warn, check, fmt.Sprintf("nothing keeps two rows from having the same %s: they would write one object, and the last one wins", list(columns)),
			in.keepApart(t, columns, quoted(columns)))
	case !spelled:
		folds := slices.DeleteFunc(slices.Clone(columns), func(column string) bool { return !h.Folds(column) })
		in.add(Warn, check+" (spelling)", fmt.Sprintf("nothing keeps out two rows whose %s differ in case or trailing blanks alone: Marketo may take their keys for one, and then they write one object, and the last one wins", list(folds)),
			in.keepApart(t, columns, foldedKeys(t, columns, folds)))
	}
}

// keepApart is how the owner of a table has no two rows with the same keys of a
// unique index, which are made of the columns. No keys say that no index can.
func (in *inspection) keepApart(t *catalog.Table, columns, keys []string) Remedy {
	known := in.facts.table(mapping.Table{Schema: t.Schema, Name: t.Name})
	byOtherMeans := fmt.Sprintf("make sure that %s stays unique by other means, such as values of one sequence", list(columns))
	outside := missing(known.PartitionKey, columns)
	switch {
	case slices.ContainsFunc(known.Leaves, func(l leaf) bool { return l.Kind == foreign }):
		return Remedy{Words: "PostgreSQL takes no unique index on a table with a partition that is a foreign table: " + byOtherMeans}
	case known.PartitionedByExpression:
		return Remedy{Words: "PostgreSQL takes no unique index on a table that is partitioned by an expression: " + byOtherMeans}
	case outside != nil:
		return Remedy{Words: fmt.Sprintf("PostgreSQL takes no unique index without the columns that the table is partitioned by: add %s to the key of the mapping, or %s", list(outside), byOtherMeans)}
	case keys == nil, missing(quoted(known.PartitionKey), keys) != nil:
		return Remedy{Words: fmt.Sprintf("no unique index can do that for this table; make sure that values of %s do not differ in that way alone, or key the mapping by other columns", list(columns))}
	}
	how := "UNIQUE INDEX CONCURRENTLY"
	if t.Kind == "p" { // cannot be built concurrently
		how = "UNIQUE INDEX"
	}
	return Remedy{"as the table's owner, run:", "CREATE " + how + " ON " + ident(t.Schema, t.Name) + " (" + strings.Join(keys, ", ") + ");"}
}

// foldedKeys are the keys of a unique index that tells keys apart without case
// and trailing blanks of the columns in folds; nil where there is none, as for
// enums, whose texts an index cannot have.
func foldedKeys(t *catalog.Table, columns, folds []string) []string {
	keys := quoted(columns)
	for i, column := range columns {
		if !slices.Contains(folds, column) {
			continue
		}
		if !slices.Contains([]string{"text", "varchar", "bpchar", "name"}, t.Column(column).BuiltIn()) {
			return nil
		}
		keys[i] = "lower(rtrim(" + keys[i] + "))"
	}
	return keys
}
