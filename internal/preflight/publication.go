package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// inspectPublication looks at the publication as a whole; its tables are
// looked at one by one with the mapped tables.
func (in *inspection) inspectPublication() {
	if in.server.Publication == nil {
		in.missingPublication()
		return
	}
	in.ok("publication", "%s publishes %s", in.publication, count(len(in.server.Publication.Tables), "table"))
	in.inspectOperations()
	in.inspectStrangers()
}

// missingPublication decides whether the first start can create it.
func (in *inspection) missingPublication() {
	const check = "publication"
	// A slot of another database is not ours, whatever is missing here.
	if s := in.server.Slot; s != nil && s.Database == in.server.Database {
		in.fail(check, fmt.Sprintf("%s does not exist, although the slot does: one created now does not exist at the slot's position", in.publication),
			"set source.publication to the right name; if it was dropped, move the state file away, so that a start creates both anew, and run:", "SELECT pg_drop_replication_slot("+literal(in.slot)+");")
		return
	}
	var tables []*catalog.Table
	var foreign []string
	for i := range in.tables {
		t := &in.tables[i]
		if !publishable(t) {
			continue // told with the table
		}
		tables = append(tables, t)
		if name := (mapping.Table{Schema: t.Schema, Name: t.Name}); !in.facts.table(name).Owned {
			foreign = append(foreign, t.Schema+"."+t.Name)
		}
	}
	reason := ""
	switch {
	case len(tables) == 0:
		in.ok(check, "%s does not exist; the first start creates it once there is a table for it", in.publication)
		return
	case in.server.InRecovery:
		reason = "the server is a standby"
	case len(foreign) > 0:
		reason = fmt.Sprintf("role %s does not own %s", in.server.User, list(foreign))
	case !in.facts.MayCreate:
		reason = fmt.Sprintf("role %s may not create in database %s", in.server.User, in.server.Database)
	default:
		in.ok(check, "%s does not exist; the first start creates it for %s", in.publication, count(len(tables), "table"))
		return
	}
	in.fail(check, fmt.Sprintf("%s does not exist, and a start cannot create it: %s", in.publication, reason),
		"as the tables' owner with CREATE on the database, or as a superuser, on the primary, run:", createPublication(in.publication, tables))
}

// operations are what a publication can publish, in the order of its option.
var operations = []string{"insert", "update", "delete", "truncate"}

// inspectOperations compares what is published with what the mappings need.
func (in *inspection) inspectOperations() {
	p := in.server.Publication
	sent := map[string]bool{"insert": p.Insert, "update": p.Update, "delete": p.Delete, "truncate": p.Truncate}
	needed := in.needed()
	var lacking, target []string
	for _, op := range operations {
		if needed[op] != "" && !sent[op] {
			lacking = append(lacking, op+" ("+needed[op]+")")
		}
		if sent[op] || needed[op] != "" {
			target = append(target, op)
		}
	}
	if lacking == nil {
		in.ok("publication operations", "%s", strings.Join(target, ", "))
		return
	}
	in.fail("publication operations", fmt.Sprintf("%s does not publish %s%s", in.publication, strings.Join(lacking, ", "), in.fromNowOn()),
		"as the publication's owner, run:", alterPublication(in.publication, "SET (publish = "+literal(strings.Join(target, ", "))+")"))
}

// needed says which operations the mappings need, and why. A mapping that only
// inserts, without a condition that a later change could fulfil, does without
// updates: so a table with REPLICA IDENTITY NOTHING can be mapped.
func (in *inspection) needed() map[string]string {
	needed := map[string]string{"insert": "every mapping needs it"}
	for i := range in.set.Len() {
		d := in.set.Definition(i)
		if (d.Operation != marketo.Insert || d.Where != "" || !d.OnDelete.Ignores()) && needed["update"] == "" {
			needed["update"] = "mapping " + d.Name + " needs it; operation: INSERT without where and on_delete does without"
		}
		if !d.OnDelete.Ignores() && needed["delete"] == "" {
			needed["delete"] = "on_delete of mapping " + d.Name + " needs it"
		}
		if d.HaltsOnTruncate() && needed["truncate"] == "" {
			needed["truncate"] = "mapping " + d.Name + " halts on it; on_truncate: ignore does without"
		}
	}
	return needed
}

// inspectStrangers names tables that are published and not mapped.
func (in *inspection) inspectStrangers() {
	const check = "publication tables"
	p := in.server.Publication
	of := make(map[mapping.Table]bool)
	for _, t := range in.set.Tables() {
		of[t] = true
	}
	mapped := func(schema, name string) bool { return of[mapping.Table{Schema: schema, Name: name}] }
	var members, strangers, covered []string
	for _, m := range in.facts.Members {
		covered = append(covered, m.Schema+"."+m.Name)
		if !mapped(m.Schema, m.Name) && !in.ancestor(m) {
			strangers = append(strangers, m.Schema+"."+m.Name)
			members = append(members, member(&catalog.Table{Schema: m.Schema, Name: m.Name, Kind: m.Kind}))
		}
	}
	if members != nil {
		in.warn(check, fmt.Sprintf("%s also publishes %s, which no mapping uses: their changes cross the network for nothing", in.publication, list(strangers)),
			"if nobody else uses the publication, as its owner, run:", alterPublication(in.publication, "DROP TABLE "+strings.Join(members, ", ")))
		return
	}
	covered = append(covered, in.leafNames()...)
	others := 0
	for _, t := range p.Tables {
		if !mapped(t.Schema, t.Name) && !slices.Contains(covered, t.Schema+"."+t.Name) {
			others++
		}
	}
	if others > 0 && (p.AllTables || len(in.facts.Members) == 0) {
		in.warn(check, fmt.Sprintf("%s publishes whole schemas or all tables, with %s that no mapping uses: their changes cross the network for nothing", in.publication, count(others, "table")),
			"before the first start, set source.publication to another name and have a publication of the mapped tables created")
	}
}

// ancestor reports whether a mapped table is a partition of m.
func (in *inspection) ancestor(m named) bool {
	return slices.ContainsFunc(in.facts.Tables, func(t tableFacts) bool { return slices.Contains(t.Ancestors, m) })
}

// leafNames are the partitions of mapped tables.
func (in *inspection) leafNames() []string {
	var names []string
	for _, t := range in.facts.Tables {
		for _, l := range t.Leaves {
			names = append(names, l.Schema+"."+l.Name)
		}
	}
	return names
}

// count shows a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
