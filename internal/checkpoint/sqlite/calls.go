package sqlite

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

const (
	// callBits is the width of a call's number; the number of its life is above.
	callBits = 40
	// callsStep is what the size of a record of calls is a multiple of.
	callsStep = 1024
)

// calls are the calls in flight as one record, which a save writes as a whole:
// for each call its id, the number of its keys and its keys. Keys are packed
// within their call, so that a call can be left out without reading the others.
//
// Zeros follow; no call has the id zero. They keep the record at one size over
// many saves: SQLite then writes in place, and only the pages that change.
type calls struct {
	record []byte // empty for no calls
	spans  []span
}

// span is where in the record a call is.
type span struct {
	id       uint64
	from, to int
}

// callID puts the number of life above a call's, unless it has one.
func callID(id uint64, life int64) uint64 {
	if id>>callBits == 0 {
		id |= uint64(life) << callBits
	}
	return id
}

// change makes c what is in flight when before was, and sv is saved in life.
func (c *calls) change(before *calls, sv *checkpoint.Save, life int64) error {
	c.record, c.spans = startRecord(c.record), c.spans[:0]
	for _, old := range before.spans {
		if !ends(sv, old.id, life) {
			c.add(old.id, before.record[old.from:old.to])
		}
	}
	for i := range sv.Started {
		id := callID(sv.Started[i].ID, life)
		if c.holds(id) {
			return fmt.Errorf("save call: %d is in flight already", id)
		}
		if !ends(sv, id, life) {
			c.start(id, sv.Started[i].Keys)
		}
	}
	if sv.Clean || len(c.spans) == 0 {
		c.record, c.spans = c.record[:0], c.spans[:0]
		return nil
	}
	c.seal(len(before.record))
	return nil
}

// ends reports whether sv ends the call id.
func ends(sv *checkpoint.Save, id uint64, life int64) bool {
	return slices.ContainsFunc(sv.Ended, func(ended uint64) bool { return callID(ended, life) == id })
}

func (c *calls) holds(id uint64) bool {
	return slices.ContainsFunc(c.spans, func(s span) bool { return s.id == id })
}

// add appends a call that is written already.
func (c *calls) add(id uint64, written []byte) {
	from := len(c.record)
	c.record = append(c.record, written...)
	c.spans = append(c.spans, span{id, from, len(c.record)})
}

func (c *calls) start(id uint64, keys []string) {
	from := len(c.record)
	c.record = binary.AppendUvarint(c.record, id)
	c.record = binary.AppendUvarint(c.record, uint64(len(keys)))
	c.record = appendPacked(c.record, keys)
	c.spans = append(c.spans, span{id, from, len(c.record)})
}

// seal ends the record with zeros and a checksum. It keeps the size that the
// record had before, unless that is too small, or much too large.
func (c *calls) seal(before int) {
	size := before
	if need := len(c.record); need > size || need < size/4 {
		size = (need + callsStep - 1) / callsStep * callsStep
	}
	c.record = append(c.record, make([]byte, size-len(c.record))...)
	sealRecord(c.record)
}

// readCalls reads a record of calls, which is empty for none.
func readCalls(b []byte) ([]checkpoint.Call, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var all []checkpoint.Call
	f := openRecord(b)
	for f.more() {
		call := checkpoint.Call{ID: f.number()}
		if call.ID == 0 {
			break
		}
		n, key := f.number(), ""
		for ; n > 0 && f.err == nil; n-- {
			key = f.shared(key)
			call.Keys = append(call.Keys, key)
		}
		if f.err == nil {
			all = append(all, call)
		}
	}
	return all, f.err
}

// writeCalls makes the record of calls as they were read. Two calls of one id
// are damage.
func writeCalls(all []checkpoint.Call) (*calls, error) {
	c := &calls{}
	if err := c.change(&calls{}, &checkpoint.Save{Started: all}, 0); err != nil {
		return nil, errDamaged
	}
	return c, nil
}
