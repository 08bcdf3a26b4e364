package soap

import (
	"slices"
	"strings"
	"sync"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// matcher gives each object of a batch the status that repeats its key: a
// reply has neither index nor id, and its order means nothing.
type matcher struct {
	batch   *marketo.Batch
	results []marketo.Result
	seen    []bool
	next    int
	// entry is the status that was read last.
	entry soapStatus
}

var matchers = sync.Pool{New: func() any { return new(matcher) }}

// newMatcher returns one for a reply to b.
func newMatcher(b *marketo.Batch) *matcher {
	m, n := matchers.Get().(*matcher), len(b.Objects)
	*m = matcher{batch: b, results: marketo.NewResults(n), seen: slices.Grow(m.seen, n)[:n], entry: m.entry}
	clear(m.seen)
	return m
}

// recycle ends the use of m, but for its results.
func (m *matcher) recycle() {
	m.batch, m.results, m.seen = nil, nil, m.seen[:0]
	m.entry.forget()
	matchers.Put(m)
}

// settle takes in one status. One for an object that was not sent changes
// nothing; a second one for the same object takes its first away.
func (m *matcher) settle(e *soapStatus) {
	i := m.find(e)
	if i < 0 {
		return
	}
	m.next = i + 1
	if m.seen[i] {
		m.results[i] = marketo.Result{}
		return
	}
	m.seen[i] = true
	status := marketo.StatusOf(e.status)
	m.results[i] = marketo.Result{Status: status, Outcome: marketo.OutcomeOf(m.batch.Operation, status)}
	if len(e.message) > 0 {
		m.results[i].Message = marketo.Brief(e.message)
	}
}

// find returns the index of the object that e is about, or -1. Statuses
// usually come in the order of the objects, so it starts after the last.
func (m *matcher) find(e *soapStatus) int {
	if string(e.objType) != m.batch.Type && !strings.EqualFold(m.batch.Type, string(e.objType)) {
		return -1
	}
	n := len(m.batch.Objects)
	for step := range n {
		i := m.next + step
		if i >= n {
			i -= n
		}
		if e.isOf(&m.batch.Objects[i]) {
			return i
		}
	}
	return -1
}

// isOf reports whether the key of e is the key of o: the same names, each
// once, in any order, with exactly the same values.
func (e *soapStatus) isOf(o *marketo.Object) bool {
	names := o.Shape.Key
	if len(e.names) != len(names) || len(names) == 0 || len(names) > 64 {
		return false
	}
	var taken uint64
	for i, name := range names {
		at := i
		if string(e.names[i]) != name {
			at = e.named(name)
		}
		if at < 0 || taken&(1<<at) != 0 {
			return false
		}
		if _, text, _ := o.Read(i); string(e.values[at]) != text {
			return false
		}
		taken |= 1 << at
	}
	return true
}

// named finds the attribute of that name, compared exactly first and then, as
// Marketo does not keep case, without it.
func (e *soapStatus) named(name string) int {
	for i, n := range e.names {
		if string(n) == name {
			return i
		}
	}
	for i, n := range e.names {
		if strings.EqualFold(string(n), name) {
			return i
		}
	}
	return -1
}
