package delivery

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

const (
	// firstRetry and lastRetry bound the pause before a waiting object is
	// tried again; it doubles with every attempt. What it waits for, mostly a
	// lead that does not exist yet, comes within minutes or within days.
	firstRetry = time.Minute
	lastRetry  = 4 * time.Hour
	// unparkable is after how long an object is looked at again that cannot be
	// built from its row, while nothing more may be parked.
	unparkable = time.Minute
	// untilKnown is after how long it is looked again whether the stream has come to
	// what was sent before the start.
	untilKnown = 5 * time.Second
)

// parked are the objects that are parked.
type parked struct {
	objects map[string]*parkedObject
	// news is what is still to be told of them.
	news parkedNews
}

// parkedObject is an entry among the parked objects; due is when it is tried
// again, if it waits. wanted is set while somebody's wish that it is tried again has
// to wait.
type parkedObject struct {
	checkpoint.Parked
	due    time.Time
	wanted bool
}

// park ends an item that is not confirmed: it is kept in the store for a
// person, or until it is tried again, and holds nothing up.
func (m *Machine) park(now time.Time, it *item, r marketo.Result, waits bool) {
	earlier := m.parked.objects[it.key]
	if earlier == nil && len(m.parked.objects) >= m.cfg.MaxParked {
		m.block(now, int(it.mapping), true, "as many objects are parked as delivery.max_parked allows; retry or discard some, or raise it")
		if it.problem != nil {
			m.later(it, now.Add(unparkable))
		} else {
			m.back(now, it)
		}
		return
	}
	wall := m.wall(now)
	object := it.object
	if it.parkedAs() != marketo.Update {
		object = shorten(object) // an update is repeated with what it set
	}
	p := &parkedObject{Parked: checkpoint.Parked{
		Mapping: m.cfg.Mappings[it.mapping].Name, Object: m.cfg.Mappings[it.mapping].Object,
		Key: it.key, Operation: it.parkedAs().String(), At: it.at, XID: it.xid, Committed: it.newest.time(),
		Fields: fields(it.object, true), Payload: fields(object, false),
		Code: r.Code, Message: r.Message, Waits: waits,
		Attempts: 1, First: wall, Last: wall,
	}}
	if earlier != nil {
		p.First, p.Attempts = earlier.First, earlier.Attempts+1
	}
	if waits {
		p.due = now.Add(m.jitter(m.backoff(firstRetry, lastRetry, p.Attempts)))
		p.Next = m.wall(p.due)
		m.clock.timers.add(timer{at: p.due, parked: it.key})
	}
	m.parked.objects[it.key] = p
	delete(m.known.incomplete, it.key)
	m.ledger.draft.Parked = append(m.ledger.draft.Parked, p.Parked)
	m.states[it.mapping].count.Parked++
	if it.problem != nil {
		m.states[it.mapping].count.Unmappable++
	}
	if earlier == nil {
		m.noteParked(now, int(it.mapping), r.Code, r.Loggable(it.object))
	}
	m.settle(it)
}

// parkedAs is the operation that a parked entry keeps: an update that the end
// of the row asked for has to be made even if there is no row any more.
func (it *item) parkedAs() marketo.Operation {
	if it.ends {
		return marketo.Update
	}
	return it.operation
}

// resolve ends what is remembered of an object that lacked something at
// Marketo: the whole of it is there now.
func (m *Machine) resolve(key string) {
	if _, ok := m.known.incomplete[key]; ok {
		delete(m.known.incomplete, key)
		m.ledger.draft.Resolved = append(m.ledger.draft.Resolved, key)
	}
	if m.parked.objects[key] != nil {
		delete(m.parked.objects, key)
		m.ledger.draft.Resolved = append(m.ledger.draft.Resolved, key)
		m.count.Resolved++
		m.makeRoom()
	}
}

// unparked ends the entry of a parked object that is not sent: what was refused
// of it stays missing at Marketo.
func (m *Machine) unparked(key string) {
	if m.parked.objects[key] == nil {
		return
	}
	delete(m.parked.objects, key)
	m.noteIncomplete(key)
	m.count.Resolved++
	m.makeRoom()
}

// waited tries an object again whose time has come.
func (m *Machine) waited(now time.Time, key string) {
	p := m.parked.objects[key]
	if p == nil || !p.wanted && (!p.Waits || p.due.After(now)) {
		return
	}
	p.wanted = false
	if err := m.retry(now, &p.Parked); err != nil {
		m.noteUntried(p.Mapping, err)
	}
}

// retry puts a parked object back into the queue, to be read from its table
// again: what was parked may be older than what has been confirmed since. An
// object whose key has a newer change on its way needs no retry: if that is
// confirmed, it resolves the entry, and if not, it parks anew.
func (m *Machine) retry(now time.Time, p *checkpoint.Parked) error {
	keyed, folded := HashKey(p.Key)
	hash := m.keys.hash(keyed)
	head := m.keys.first(hash, p.Key)
	if head.find(p.Key) != nil {
		return nil
	}
	index, ok := m.mappingOf(p)
	if !ok {
		return fmt.Errorf("mapping %s is not configured any more; configure it again, or discard what is parked of it", p.Mapping)
	}
	object, err := objectOf(m.cfg.Mappings[index].Shape, p)
	if err != nil {
		return err
	}
	if head != nil && m.behindOf(index) {
		// In the chain of another spelling it would come between changes that an
		// earlier life may have sent as one.
		m.parked.objects[p.Key].wanted = true
		m.clock.timers.add(timer{at: now.Add(untilKnown), parked: p.Key})
		return nil
	}
	m.queue.sequence++
	it := m.blankItem()
	*it = item{
		content: content{object: object, operation: operationOf(p.Operation), needs: itsRow, partial: true, ends: p.Operation == marketo.Update.String()},
		mapping: int32(index), feed: fromParked, key: p.Key, hash: hash, folded: folded, bytes: int32(itemBytes + len(p.Payload)),
		origin: origin{
			at: p.At, xid: p.XID, sequence: m.queue.sequence,
			since: stampOf(now), committed: stampOf(p.Committed), newest: stampOf(p.Committed),
		},
	}
	if it.operation == marketo.Delete || it.ends {
		// A row may hold the key by now, in another spelling, too.
		it.needs, it.partial = 0, it.ends
		it.ask()
	}
	m.add(it)
	m.states[index].count.Retried++
	if head != nil { // another spelling of the key
		follow(head, it)
		return nil
	}
	it.last = it
	m.keys.put(it)
	m.promote(now, it)
	return nil
}

// find returns the oldest item of exactly this key in the chain that it heads;
// nil when there is none, or no chain.
func (it *item) find(key string) *item {
	for it != nil && it.key != key {
		it = it.after
	}
	return it
}

func (m *Machine) mappingOf(p *checkpoint.Parked) (int, bool) {
	for i, c := range m.cfg.Mappings {
		if c.Name == p.Mapping && strings.EqualFold(c.Object, p.Object) {
			return i, true
		}
	}
	return 0, false
}

func operationOf(text string) marketo.Operation {
	for op := marketo.Upsert; op <= marketo.Delete; op++ {
		if op.String() == text {
			return op
		}
	}
	return marketo.Upsert
}

// objectOf makes the object of a parked entry: its key, and what an update
// sets.
func objectOf(shape *marketo.Shape, p *checkpoint.Parked) (marketo.Object, error) {
	keys, err := decodeFields(p, p.Fields)
	if err != nil {
		return marketo.Object{}, err
	}
	all := make([]marketo.Value, shape.Len())
	for i, name := range shape.Key {
		if all[i] = keys[name]; all[i].Text == "" && all[i].Kind != marketo.String {
			return marketo.Object{}, fmt.Errorf("parked key of mapping %s lacks %s; discard the entry", p.Mapping, name)
		}
	}
	if p.Operation != marketo.Update.String() {
		return marketo.NewObject(shape, all), nil
	}
	values, err := decodeFields(p, p.Payload)
	if err != nil {
		return marketo.Object{}, err
	}
	for i, name := range shape.Attributes {
		all[len(shape.Key)+i] = values[name]
	}
	return marketo.NewObject(shape, all), nil
}

// decodeFields reads what fields wrote. What it left out is omitted.
func decodeFields(p *checkpoint.Parked, text string) (map[string]marketo.Value, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var raw map[string]any
	if err := decoder.Decode(&raw); err != nil {
		return nil, fmt.Errorf("parked entry of mapping %s cannot be read: %w; discard the entry", p.Mapping, err)
	}
	values := make(map[string]marketo.Value, len(raw))
	for name, v := range raw {
		switch v := v.(type) {
		case nil:
			values[name] = marketo.Value{Kind: marketo.Null}
		case string:
			values[name] = marketo.Value{Kind: marketo.String, Text: v}
		case json.Number:
			values[name] = marketo.Value{Kind: marketo.Number, Text: v.String()}
		case bool:
			values[name] = marketo.Value{Kind: marketo.Boolean, Text: fmt.Sprint(v)}
		}
	}
	return values, nil
}

// trying reports whether the parked object of a key is on its way to Marketo,
// or what came of it on its way into the store.
func (m *Machine) trying(key string) bool {
	it := m.keys.first(m.keys.hash(KeyHash(key)), key).find(key)
	return it != nil && (it.stage == saving || it.feed == fromParked)
}

// act does what an operator asks of parked objects.
func (m *Machine) act(now time.Time, ev Act) {
	var answer Acted
	for _, key := range ev.Keys {
		p := m.parked.objects[key]
		switch {
		case p == nil:
			answer.Missing++
		case ev.Discard && m.trying(key):
			answer.Problems = append(answer.Problems, "an object of mapping "+p.Mapping+" is being tried again; discard it if it is refused once more")
		case ev.Discard:
			m.unparked(key)
			answer.Done++
		default:
			if err := m.retry(now, &p.Parked); err != nil {
				answer.Problems = append(answer.Problems, err.Error())
				continue
			}
			if i, ok := m.mappingOf(&p.Parked); ok {
				m.probe(now, i)
			}
			answer.Done++
		}
	}
	m.emit(Tell{To: ev.Reply, Answer: answer})
}
