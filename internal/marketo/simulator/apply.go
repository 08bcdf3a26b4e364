package simulator

import (
	"strings"
	"time"
)

// The statuses of an object, in SOAP's words; UNCHANGED and SKIPPED are in
// Marketo's prose, not in its old schema.
const (
	statusCreated   = "CREATED"
	statusUpdated   = "UPDATED"
	statusUnchanged = "UNCHANGED"
	statusSkipped   = "SKIPPED"
	statusFailed    = "FAILED"
	statusDeleted   = "DELETED"
)

// result is what became of one object.
type result struct {
	status string
	key    string
	// problem is set for FAILED, and says why for SKIPPED and for UNCHANGED
	// by a delete, for REST's sake.
	problem *problem
	// doubled is set when the object was made by another call while this one
	// was under way: Marketo does not promise that it makes one object of both.
	doubled bool
}

var (
	objectExists  = &problem{"1017", "Object already exists"}
	objectMissing = &problem{"1013", "Object not found"}
	duplicateKey  = &problem{"1036", "Duplicate object found in input"}
)

// apply executes the edits of a call, which arrived at start, in their order:
// the last writer wins. It is the only place where stored objects change.
func (t *table) apply(mode string, edits []edit, call int, start time.Time) []result {
	results := make([]result, len(edits))
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	w := writer{table: t, schema: t.schema.Load(), now: now, call: call, start: start.Sub(t.created)}
	w.values = make([]string, len(w.schema.fields))
	for i := range edits {
		e := &edits[i]
		if e.problem != nil {
			results[i] = result{status: statusFailed, key: e.key, problem: e.problem}
			continue
		}
		doubled := mode != modeDelete && mode != modeUpdate && w.doubles(e.key)
		results[i] = w.write(mode, e)
		results[i].key, results[i].doubled = e.key, doubled
	}
	return results
}

// writer applies the edits of one call while the table is locked.
type writer struct {
	table  *table
	schema *schema
	now    time.Time
	call   int
	start  time.Duration // since the table was made
	values []string
	row    []byte
}

// doubles marks the object of a key as there twice if it was made by another
// call since this one arrived.
func (w *writer) doubles(key string) bool {
	object, exists := w.table.objects[key]
	if !exists || object.maker == w.call || object.born <= w.start {
		return false
	}
	object.doubled = true
	w.table.objects[strings.Clone(key)] = object
	return true
}

func (w *writer) write(mode string, e *edit) result {
	before, exists := w.table.objects[e.key]
	switch {
	case mode == modeDelete && !exists:
		return result{status: statusUnchanged, problem: objectMissing}
	case mode == modeDelete && e.guid != "" && before.doubled:
		before.doubled = false
		w.table.objects[strings.Clone(e.key)] = before
		w.record(e.key, statusDeleted, before.row)
		return result{status: statusDeleted}
	case mode == modeDelete:
		delete(w.table.objects, e.key)
		w.table.sorted = nil
		w.record(e.key, statusDeleted, "")
		return result{status: statusDeleted}
	case mode == modeInsert && exists:
		return result{status: statusSkipped, problem: objectExists}
	case mode == modeUpdate && !exists:
		return result{status: statusSkipped, problem: objectMissing}
	}
	readRow(before.row, w.values)
	for _, a := range e.set {
		w.values[a.column] = a.value
	}
	w.row = appendRow(w.row[:0], w.values)
	if exists && string(w.row) == before.row {
		w.record(e.key, statusUnchanged, before.row)
		return result{status: statusUnchanged}
	}
	after := before
	after.row, after.updated = string(w.row), w.now.Unix()
	// The key may alias the whole body of the call, and a map keeps the last
	// string it was given, also for a key that it has.
	key := strings.Clone(e.key)
	if exists {
		w.table.objects[key] = after
		w.record(e.key, statusUpdated, after.row)
		return result{status: statusUpdated}
	}
	after.created, after.born, after.maker = after.updated, w.now.Sub(w.table.created), w.call
	w.table.objects[key] = after
	w.table.sorted = nil
	w.record(e.key, statusCreated, after.row)
	return result{status: statusCreated}
}

func (w *writer) record(key, status, row string) {
	if !w.table.record {
		return
	}
	key = strings.Clone(key)
	version := Version{Call: w.call, At: w.now, Status: status, Fields: w.schema.fieldsOf(row)}
	w.table.history[key] = append(w.table.history[key], version)
}
