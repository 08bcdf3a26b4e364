package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// stops are the mappings of which nothing more is received in this life, as a
// change of their tables does not fit them, or as they are paused and have had their
// share of memory: others go on.
type stops struct {
	mappings []bool
	n        int
}

// add notes that one of so many mappings is stopped.
func (s *stops) add(mapping, of int) {
	if s.mappings == nil {
		s.mappings = make([]bool, of)
	}
	if !s.mappings[mapping] {
		s.mappings[mapping] = true
		s.n++
	}
}

func (s *stops) has(mapping int) bool { return s.n > 0 && s.mappings[mapping] }

// stop stops mappings at a change of the open transaction. Where nothing would be
// left that goes on, or no transaction is open, reading halts.
func (r *reader) stop(seq uint64, mappings []int, reason string) error {
	var stopping []int
	left := 0
	for i := range r.runner.Mappings.Len() {
		switch {
		case r.stops.has(i):
		case slices.Contains(mappings, i):
			stopping = append(stopping, i)
		default:
			left++
		}
	}
	if len(stopping) == 0 && r.stops.n > 0 {
		return nil // what stopped them is told
	}
	if left == 0 || !r.inside {
		return r.halt(reason)
	}
	for _, i := range stopping {
		r.stops.add(i, r.runner.Mappings.Len())
		// What the machine has of the transaction before a connection broke counts.
		r.add(delivery.Entry{Kind: delivery.EntryStop, Seq: max(seq, r.skip+1),
			Write: mapping.Write{Mapping: i, Problem: &mapping.Problem{Code: "stopped", Message: reason}}})
	}
	return nil
}

// order has reading halt for something that the stream does not show, or, where that
// is about some mappings alone, has these stop when the next transaction begins.
func (r *reader) order(o *delivery.Obstacle) {
	if len(o.Mappings) == 0 || len(o.Mappings) == r.runner.Mappings.Len() {
		r.haltReason.Store(&o.Reason)
		return
	}
	o.Condition = delivery.MappingStopped
	r.stopOrder.Store(&stopOrder{o.Reason, o.Mappings})
}

// stopOrder is which mappings are to stop, and why.
type stopOrder struct {
	reason   string
	mappings []int
}

// leaveTo has the reader hand over nothing more of a mapping that the machine takes
// nothing more of. What it has handed over the machine leaves out itself.
func (r *reader) leaveTo(mapping int) {
	for {
		had := r.left.Load()
		left := []int{mapping}
		if had != nil {
			left = append(left, *had...)
		}
		if r.left.CompareAndSwap(had, &left) {
			return
		}
	}
}

// leave stops handing over what the machine has said.
func (r *reader) leave() {
	left := r.left.Swap(nil)
	if left == nil {
		return
	}
	for _, i := range *left {
		r.stops.add(i, r.runner.Mappings.Len())
	}
}

// obey stops what is to stop.
func (r *reader) obey() error {
	if o := r.stopOrder.Swap(nil); o != nil {
		return r.stop(1, o.mappings, o.reason)
	}
	return nil
}

// going drops the writes of mappings that are stopped.
func (r *reader) going(writes []mapping.Write) []mapping.Write {
	if r.stops.n == 0 {
		return writes
	}
	return slices.DeleteFunc(writes, func(w mapping.Write) bool { return r.stops.mappings[w.Mapping] })
}

// stoppedOf returns the mappings of a table that are stopped.
func (r *reader) stoppedOf(t mapping.Table) []int {
	if r.stops.n == 0 {
		return nil
	}
	return slices.DeleteFunc(r.runner.Mappings.Mappings(t), func(i int) bool { return !r.stops.mappings[i] })
}

// bind fits the mappings of a table to a description of it, but for those that are
// stopped. Those that it does not fit stop at the next change.
func (r *reader) bind(life context.Context, past mapping.Past, m *pgoutput.Relation, facts *catalog.Facts) error {
	for {
		past.Without = r.stoppedOf(past.Table)
		err := r.runner.Mappings.BindPast(past, m, facts)
		if err == nil {
			return nil
		}
		reason := fmt.Sprintf("a change of table %s.%s does not fit its mapping: %v; fix the mapping or the table and start again", past.Table.Schema, past.Table.Name, err)
		all := r.runner.Mappings.Mappings(past.Table)
		if err := r.stopAt(life, r.seq+1, misfits(err, all), reason); err != nil {
			return err
		}
		if r.leavesOut() {
			r.leavingOut.unmapped[m] = unmapped{reason, all}
			return nil
		}
	}
}

// misfits returns the mappings that an error of binding is about; all where it does
// not say.
func misfits(err error, all []int) []int {
	mistakes, ok := err.(mapping.Mistakes)
	if !ok {
		return all
	}
	var found []int
	for _, m := range mistakes {
		if !slices.Contains(found, m.Mapping) {
			found = append(found, m.Mapping)
		}
	}
	return found
}
