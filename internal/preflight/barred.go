package preflight

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// refused is what comes of a publication and a replica identity that do not go
// together.
const refused = ": the server refuses every UPDATE and DELETE of the table, to the application too"

// inspectBarred looks at what a publication asks of the replica identity beyond
// the mappings: a row filter needs its columns in it, and all of the identity's
// must be sent. It reports whether the application's statements pass.
func (in *inspection) inspectBarred(check string, t *catalog.Table, known tableFacts) bool {
	if p := in.published(); !p.Update && !p.Delete {
		return true
	}
	good := in.judgeFilter(check, t, known.named, t.IdentityColumns, known, known.Indexes)
	for _, l := range known.Leaves {
		if l.Kind != foreign {
			good = in.judgeFilter(check+" of "+l.Schema+"."+l.Name, t, l.named, l.Identity, known, l.Indexes) && good
		}
	}
	good = in.judgeList(check+" (column list)", t, known) && good
	return in.judgeGenerated(check+" (generated columns)", t, known) && good
}

// judgeFilter reports whether the identity of the table, or of a partition,
// has all that the row filter asks about.
func (in *inspection) judgeFilter(check string, t *catalog.Table, owner named, identity []string, known tableFacts, indexes []index) bool {
	lacking := missing(known.Filter, identity)
	if lacking == nil {
		return true
	}
	in.fail(check+" (row filter)", fmt.Sprintf("the row filter of publication %s asks about %s, which the replica identity (%s) does not have"+refused, in.publication, list(lacking), orNothing(identity)),
		"filter by columns of the replica identity only, or, as the table's owner, run:",
		alterTable(owner.Schema, owner.Name, "REPLICA IDENTITY "+betterIdentity(indexes, slices.Concat(in.keys(t), missing(known.Filter, in.keys(t))))))
	return false
}

// judgeList reports whether the column list has all of the replica identity.
// FULL means every column, which no list has.
func (in *inspection) judgeList(check string, t *catalog.Table, known tableFacts) bool {
	unsent := missing(t.IdentityColumns, known.Listed)
	switch {
	case known.Listed == nil:
	case t.Identity == pgoutput.IdentityFull:
		in.fail(check, fmt.Sprintf("publication %s has a column list for the table, whose replica identity is FULL"+refused, in.publication),
			"give the table a replica identity that the list has, or, as the table's and the publication's owner, run:", in.rejoin(t, "", in.filterOf(t)))
		return false
	case unsent != nil:
		in.fail(check, fmt.Sprintf("publication %s does not send %s, which the replica identity has"+refused, in.publication, list(unsent)),
			"give the table a replica identity without it, or, as the table's and the publication's owner, run:", in.rejoin(t, in.columnList(t, slices.Concat(known.Listed, unsent)), in.filterOf(t)))
		return false
	}
	return true
}

// judgeGenerated reports whether the replica identity has no generated column
// that is not sent: from PostgreSQL 18 on such an identity is refused. FULL has
// all of them, also where the start is yet to make the publication.
func (in *inspection) judgeGenerated(check string, t *catalog.Table, known tableFacts) bool {
	if in.server.Version < publishedGenerated || known.Listed != nil {
		return true
	}
	var unsent []string
	stored := in.server.Publication != nil
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Generated == "" || !slices.Contains(t.IdentityColumns, c.Name) || in.sendsGenerated(t, c) {
			continue
		}
		unsent = append(unsent, c.Name)
		stored = stored && c.Generated == "s"
	}
	if unsent == nil {
		return true
	}
	remedy := Remedy{Words: "give the table a primary key, and then a replica identity of it"}
	if better := betterIdentity(known.Indexes, in.keys(t)); stored {
		remedy = Remedy{"as the publication's owner, run:", alterPublication(in.publication, "SET (publish_generated_columns = stored)")}
	} else if better != "FULL" {
		remedy = Remedy{"as the table's owner, run:", alterTable(t.Schema, t.Name, "REPLICA IDENTITY "+better)}
	}
	in.add(Fail, check, fmt.Sprintf("the replica identity has the generated columns %s, which publication %s does not send"+refused, list(unsent), in.publication), remedy)
	return false
}

// filterOf is the publication's row filter for the table; "" without one.
func (in *inspection) filterOf(t *catalog.Table) string {
	if entry := in.server.Publication.Table(t.Schema, t.Name); entry != nil {
		return entry.Filter
	}
	return ""
}
