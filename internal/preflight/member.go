package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// inspectMember looks at a table's place in a publication that exists.
func (in *inspection) inspectMember(t *catalog.Table) {
	p := in.server.Publication
	if p == nil {
		return
	}
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name) + ": publication"
	known := in.facts.table(name)
	entry := p.Table(t.Schema, t.Name)
	switch {
	case t.Kind == "p" && !p.ViaRoot:
		in.partitioned(check, t, known)
	case entry == nil && in.behindRoot(check, known):
	case entry == nil:
		in.fail(check, "the table is not in publication "+in.publication+in.fromNowOn(),
			"as the table's and the publication's owner, run:", alterPublication(in.publication, "ADD TABLE "+member(t)))
	default:
		in.inspectEntry(check, t, entry)
	}
}

// inspectHeirs warns of tables that inherit from this one, such as partitions of
// the old kind and chunks of hypertables.
func (in *inspection) inspectHeirs(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	heirs := in.facts.table(name).Heirs
	if len(heirs) == 0 {
		return
	}
	in.warn(label(name)+": inheritance", fmt.Sprintf("%s inherit from it: their rows show in a query of the table, but their changes do not come as the table's, and are not delivered", list(heirs)),
		"nothing to do where none of their rows is to be delivered; otherwise map each of them to an object type of its own, or make the table a partitioned one (PARTITION BY), whose rows all come as its own")
}

// partitioned reports a partitioned table whose changes come as those of its
// partitions, which no mapping knows.
func (in *inspection) partitioned(check string, t *catalog.Table, known tableFacts) {
	var statements []string
	if !in.names(t) && !slices.ContainsFunc(known.Leaves, func(l leaf) bool { return in.server.Publication.Table(l.Schema, l.Name) != nil }) {
		statements = append(statements, alterPublication(in.publication, "ADD TABLE "+member(t)))
	}
	statements = append(statements, alterPublication(in.publication, "SET (publish_via_partition_root = true)"))
	in.fail(check, fmt.Sprintf("the table is partitioned, and publication %s does not publish it as a whole: its changes come as those of its partitions, if at all%s", in.publication, in.fromNowOn()),
		"as the table's and the publication's owner, run:", strings.Join(statements, " "))
}

// names reports whether the publication names the table.
func (in *inspection) names(t *catalog.Table) bool {
	return slices.ContainsFunc(in.facts.Members, func(m named) bool { return m.Schema == t.Schema && m.Name == t.Name })
}

// behindRoot reports a partition whose changes come as those of the table it
// is a partition of.
func (in *inspection) behindRoot(check string, known tableFacts) bool {
	for _, a := range known.Ancestors {
		if !in.server.Publication.ViaRoot || in.server.Publication.Table(a.Schema, a.Name) == nil {
			continue
		}
		in.fail(check, fmt.Sprintf("the table is a partition of %s.%s, and its changes come as those of that table", a.Schema, a.Name),
			fmt.Sprintf("map %s.%s instead, or, if no partitioned table is mapped, as the publication's owner, run:", a.Schema, a.Name),
			alterPublication(in.publication, "SET (publish_via_partition_root = false)"))
		return true
	}
	return false
}

// inspectEntry looks at the column list and the row filter.
func (in *inspection) inspectEntry(check string, t *catalog.Table, entry *replication.PublishedTable) {
	lacking := in.unlisted(t, entry)
	if lacking != nil {
		in.fail(check+" columns", fmt.Sprintf("the column list in publication %s leaves out %s, which a mapping needs%s", in.publication, list(lacking), in.fromNowOn()),
			"as the table's and the publication's owner, run:", in.rejoin(t, in.columnList(t, slices.Concat(entry.Columns, lacking)), entry.Filter))
	} else {
		in.ok(check, "the table is in publication %s", in.publication)
	}
	if entry.Filter != "" {
		in.warn(check+" filter", fmt.Sprintf("publication %s sends only rows with %s: a row that stops matching comes as a delete, one that begins to match as an insert, and no other row comes at all", in.publication, entry.Filter),
			"nothing to do if that is meant; otherwise, as the table's and the publication's owner, run:", in.rejoin(t, in.columnList(t, slices.Concat(entry.Columns, lacking)), ""))
	}
}

// unlisted returns the mapped columns that the table has, the stream could
// send and the publication leaves out.
func (in *inspection) unlisted(t *catalog.Table, entry *replication.PublishedTable) []string {
	if entry.Columns == nil {
		return nil
	}
	var lacking []string
	for _, c := range t.Columns {
		if c.Generated == "" && !slices.Contains(entry.Columns, c.Name) && slices.Contains(in.columns(t), c.Name) {
			lacking = append(lacking, c.Name)
		}
	}
	return lacking
}

// columns returns the columns that any mapping of the table reads.
func (in *inspection) columns(t *catalog.Table) []string {
	var columns []string
	for _, i := range in.set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}) {
		columns = append(columns, missing(in.set.Columns(i), columns)...)
	}
	return columns
}

// columnList writes a column list in the order of the table; "" for all.
func (in *inspection) columnList(t *catalog.Table, columns []string) string {
	var listed []string
	all := true
	for _, c := range t.Columns {
		wanted := slices.Contains(columns, c.Name)
		plain := c.Generated == ""
		if wanted && (plain || in.server.Version >= publishedGenerated) {
			listed = append(listed, c.Name)
		}
		// A list says more than none where it leaves a column out, or names
		// a generated one.
		all = all && wanted == plain
	}
	if all {
		return ""
	}
	return " (" + idents(listed) + ")"
}

// rejoin takes the table out of the publication and puts it back in one
// transaction: there is no other way to change its list or its filter alone.
func (in *inspection) rejoin(t *catalog.Table, columns, filter string) string {
	if filter != "" {
		filter = " WHERE (" + filter + ")"
	}
	return "BEGIN; " + alterPublication(in.publication, "DROP TABLE "+member(t)) + " " +
		alterPublication(in.publication, "ADD TABLE "+member(t)+columns+filter) + " COMMIT;"
}
