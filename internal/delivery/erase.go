package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Erase has nothing kept any more of an object whose row has gone for good: it is not
// parked, not known to be lacking anything, and not remembered as confirmed. What is
// on its way is not stopped: then nothing is erased, and the answer says so.
type Erase struct {
	// Key is that of the object (mapping.Write.Key).
	Key   string
	Reply chan<- Erased
}

// Erased says what came of an Erase.
type Erased struct {
	// Waits says in words what keeps it from being erased; empty when it was.
	Waits string
	// Parked and Lacking say what there was of it.
	Parked, Lacking bool
	// Removal is set where what was parked is what removes the object at Marketo.
	Removal bool
}

// TellErased asks for the answer to an Erase to be sent; To has room for it.
type TellErased struct {
	To     chan<- Erased
	Answer Erased
}

func (Erase) event()       {}
func (TellErased) effect() {}

func (m *Machine) erase(now time.Time, ev Erase) {
	m.emit(TellErased{To: ev.Reply, Answer: m.erased(now, ev.Key)})
}

func (m *Machine) erased(now time.Time, key string) (answer Erased) {
	for _, it := range m.Find(now, key).Waiting {
		return Erased{Waits: "an object of it is on its way, which " + it.Lacks}
	}
	if m.heldUntil(key).After(now) {
		return Erased{Waits: "a call that has it may still be executed at marketo"}
	}
	if p := m.parked.objects[key]; p != nil {
		answer.Parked = true
		answer.Removal = operationOf(p.Operation) == marketo.Delete
		delete(m.parked.objects, key)
		m.count.Resolved++
		m.makeRoom()
	}
	if _, ok := m.known.incomplete[key]; ok {
		answer.Lacking = true
		delete(m.known.incomplete, key)
	}
	// The store may have what is not known here, such as that of an earlier life.
	m.ledger.draft.Resolved = append(m.ledger.draft.Resolved, key)
	m.forgetKey(key)
	return answer
}
