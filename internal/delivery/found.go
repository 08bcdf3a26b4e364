package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Found is where the objects of a key are, in all its spellings. It is looked up
// and nothing is changed by that.
type Found struct {
	// Waiting are those in the queue, in the order in which they go.
	Waiting []FoundItem
	// Parked is set where an object of exactly this key is parked.
	Parked bool
}

// FoundItem is an object in the queue.
type FoundItem struct {
	// Mapping is its name.
	Mapping   string
	Operation marketo.Operation
	// Commit is the place of the newest change it stands for, Committed when that
	// was; zero for a row of a backfill, and for one that is tried again.
	Commit    LSN
	Committed time.Time
	// Since is when it was put into the queue.
	Since time.Time
	// Lacks says what keeps it there, as in "it waits to be sent".
	Lacks string
	// Attempts is how often Marketo has had it without a final word.
	Attempts int
	// Source says where it is from: "stream", "parked" or "backfill".
	Source string
}

// Find says where the objects of a key (mapping.Write.Key) are.
func (m *Machine) Find(now time.Time, key string) Found {
	found := Found{Parked: m.parked.objects[key] != nil}
	for it := m.keys.first(m.keys.hash(KeyHash(key)), key); it != nil; it = it.after {
		f := FoundItem{
			Mapping: m.cfg.Mappings[it.mapping].Name, Operation: it.operation,
			Since: it.since.time(), Attempts: int(it.attempts), Source: "stream",
		}
		switch it.feed {
		case fromBackfill:
			f.Source = "backfill"
		case fromParked:
			f.Source = "parked"
		default:
			f.Commit, f.Committed = it.at.Commit, it.newest.time()
		}
		switch it.stage {
		case waiting:
			f.Lacks = "waits for an older one of its key, or of another spelling of that"
		case unended:
			f.Lacks = "waits for the end of its transaction"
		case saving:
			f.Lacks = "is settled; that is being saved"
		default:
			_, f.Lacks = m.lacksYet(now, it)
		}
		found.Waiting = append(found.Waiting, f)
	}
	return found
}
