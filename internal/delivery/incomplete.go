package delivery

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// A change may carry a part of its row only: PostgreSQL does not send a large
// value that an update left alone. That is enough where Marketo has the rest.
// Where it may not have it, the row is read from its table.

// known is what is known of objects at Marketo.
type known struct {
	// incomplete holds the keys of which Marketo may lack a part until the whole
	// object is confirmed: what was parked and given up, and objects that came
	// to be from a part of their rows, or may have.
	incomplete map[string]struct{}
	// existing are the objects that are known to be there.
	existing existing
	looks    looks
}

// noteIncomplete remembers that Marketo may lack a part of an object: a change
// that carries a part of the row only has to be completed.
func (m *Machine) noteIncomplete(key string) {
	if m.isIncomplete(key) {
		return
	}
	m.known.incomplete[key] = struct{}{}
	m.ledger.draft.Lacking = append(m.ledger.draft.Lacking, key)
}

// stillLacking keeps the noted keys of which Marketo may still lack a part: a store
// takes what is resolved first, whichever was said last.
func (m *Machine) stillLacking(noted []string) []string {
	return slices.DeleteFunc(noted, func(key string) bool {
		_, incomplete := m.known.incomplete[key]
		return !incomplete
	})
}

// isIncomplete reports whether Marketo may lack something of an object that a change
// of a part of it would not bring.
func (m *Machine) isIncomplete(key string) bool {
	_, incomplete := m.known.incomplete[key]
	return incomplete || m.parked.objects[key] != nil
}

// confirmsPart reports whether a status confirms an object of which Marketo may
// lack what the stream did not carry: one that it did not have before, such as
// that of a row which is older than the slot.
func (m *Machine) confirmsPart(it *item, status marketo.Status) bool {
	return it.creates() && (status == marketo.Created || m.isIncomplete(it.key))
}

// creates reports whether sending it makes an object of a part of its row,
// where there is none.
func (it *item) creates() bool { return it.partial && it.operation != marketo.Update }

// complete has the rest of the object sent, too, before it is settled.
func (m *Machine) complete(now time.Time, it *item) {
	m.noteIncomplete(it.key)
	it.needs.set(itsRow, true)
	it.repeat, it.made = false, true
	m.promote(now, it)
}

// unsure notes that an attempt may have made an object of a part of its row:
// the status of the next one will not tell. Nor is an object known to be there
// that may have been deleted; and what is remembered of it may not hold any more.
func (m *Machine) unsure(it *item) {
	m.forgetRecord(it)
	if it.operation == marketo.Delete {
		m.known.existing.forget(it)
	}
	if it.creates() {
		m.noteIncomplete(it.key)
	}
}
