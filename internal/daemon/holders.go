package daemon

import (
	"context"
	"slices"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// searchable is the most rows of a table that is searched for other spellings
// of a key, where no index helps: a look at all of them takes the server a
// fraction of a second.
const searchable = 250_000

// lookAtHolders tells the mappings what keeps two rows of their tables from
// holding one key.
func (d *Daemon) lookAtHolders(ctx context.Context, session *replication.Catalog) error {
	set := d.Config.Set
	tables := set.Tables()
	names := make([]catalog.TableName, len(tables))
	for i, t := range tables {
		names[i] = catalog.TableName(t)
	}
	looks := make([]int, set.Len())
	for i := range looks {
		looks[i] = set.Doubts(i)
	}
	found, err := session.Holders(ctx, names)
	if err != nil {
		return unreachable{err}
	}
	for i := range set.Len() {
		definition := set.Definition(i)
		at := slices.Index(tables, mapping.Table{Schema: definition.Schema, Name: definition.Table})
		if found[at] != nil {
			set.SetHolders(i, looks[i], holdersOf(found[at], definition))
		}
	}
	return nil
}

// holdersOf judges the unique indexes of a table by the key of a mapping.
func holdersOf(h *replication.KeyHolders, d mapping.Definition) mapping.Holders {
	judged := mapping.Holders{Exact: h.Rows > searchable}
	judged.One, judged.OneSpelling = h.Apart(d.KeyColumns(), true)
	return judged
}
