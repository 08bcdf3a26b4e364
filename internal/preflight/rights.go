package preflight

import (
	"fmt"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// inspectRights looks at whether rows can be read from the table. The stream
// itself needs no such right.
func (in *inspection) inspectRights(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name) + ": rights"
	user := in.server.User
	why, needed := in.reads(t)
	level := Warn
	if needed {
		level = Fail
	}
	switch {
	case !t.MayRead:
		in.add(level, check, fmt.Sprintf("role %s may not read the table; %s", user, why), Remedy{"as the table's and the schema's owner, run:",
			"GRANT USAGE ON SCHEMA " + ident(t.Schema) + " TO " + ident(user) + "; GRANT SELECT ON " + ident(t.Schema, t.Name) + " TO " + ident(user) + ";"})
	case t.RowSecurityActive:
		in.add(level, check, fmt.Sprintf("row security hides rows of the table from role %s, so that reads fail; %s", user, why),
			Remedy{"as a superuser, run:", "ALTER ROLE " + ident(user) + " BYPASSRLS;"})
	default:
		in.ok(check, "role %s may read the table", user)
	}
}

// reads says why rows are read, and whether delivery could come to a stop
// over one that cannot be.
func (in *inspection) reads(t *catalog.Table) (why string, needed bool) {
	if t.Identity != pgoutput.IdentityFull {
		if large := toastable(t, in.columns(t)); len(large) > 0 {
			return fmt.Sprintf("an update that leaves a large value of %s alone comes without it, and the row may have to be read again", list(large)), true
		}
	}
	if in.backfilled(t) {
		return "the rows that it has cannot be sent (backfill: true), nor parked objects tried again", false
	}
	return "parked objects cannot be tried again without reading their rows", false
}

// backfilled reports whether a mapping of the table asks for the rows that it has.
func (in *inspection) backfilled(t *catalog.Table) bool {
	for i := range in.set.Len() {
		if d := in.set.Definition(i); d.Schema == t.Schema && d.Table == t.Name && d.Backfill == mapping.BackfillYes {
			return true
		}
	}
	return false
}
