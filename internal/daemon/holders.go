package daemon

import (
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// searchable is the most rows of a table that is searched for other spellings
// of a key, where no index helps: a look at all of them takes the server a
// fraction of a second.
const searchable = 250_000

// setHolders tells the mappings what keeps two rows of their tables from holding
// one key.
func (d *Daemon) setHolders(x Examination) {
	set := d.Config.Set
	for i := range set.Len() {
		definition := set.Definition(i)
		if found := x.Source.Holders[mapping.Table{Schema: definition.Schema, Name: definition.Table}]; found != nil {
			set.SetHolders(i, x.doubts[i], holdersOf(found, definition))
		}
	}
}

// holdersOf judges the unique indexes of a table by the key of a mapping.
func holdersOf(h *replication.KeyHolders, d mapping.Definition) mapping.Holders {
	judged := mapping.Holders{Exact: h.Rows > searchable}
	judged.One, judged.OneSpelling = h.Apart(d.KeyColumns(), true)
	return judged
}
