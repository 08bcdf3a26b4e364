package preflight

import (
	"fmt"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// foreign is pg_class.relkind of a foreign table.
const foreign = "f"

// inspectPartitions looks for partitions whose changes no publication can send:
// the server takes them for the table, and leaves them out of the stream.
func (in *inspection) inspectPartitions(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	for _, l := range in.facts.table(name).Leaves {
		check := label(name) + ": partition " + l.Schema + "." + l.Name
		switch {
		case l.Kind == foreign:
			in.warn(check, "it is a foreign table: its rows show in a query of the table, but they change on another server, and are not delivered; a row that moves there comes as a delete",
				"nothing to do where none of its rows is to be delivered; otherwise deliver them from that server")
		case l.Persistence != "p":
			in.fail(check, fmt.Sprintf("it is unlogged, so that its changes are not in the WAL, and not delivered%s", in.fromNowOn()),
				"as its owner, run:", alterTable(l.Schema, l.Name, "SET LOGGED"))
		}
	}
}
