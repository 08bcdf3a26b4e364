package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// With many mappings, memory may be full before any batch is: then nothing is
// read that could fill one, and the fullest goes at once.
func TestFullestBatchGoesWhenMemoryIsFull(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Capacity.Objects, c.MaxPending = 10, 8
		c.Limits.ConcurrentCalls = 1
	})
	of := func(mapping int, ids ...string) (writes []mapping.Write) {
		for _, id := range ids {
			w := upsert(fmt.Sprint(mapping, id), "a")
			w.Mapping = mapping
			writes = append(writes, w)
		}
		return writes
	}
	r.commit(append(of(0, "a", "b", "c"), of(1, "a", "b", "c", "d")...)...)
	r.take(0)
	r.commit(of(0, "d", "e")...)
	if r.m.Accepting() {
		t.Fatal("reading goes on")
	}
	call := r.take(1)[0]
	if call.Batch.Type != "Visit" || len(call.Batch.Objects) != 5 {
		t.Errorf("%d objects of %s went first, want the 5 of Visit", len(call.Batch.Objects), call.Batch.Type)
	}
	r.answer(call)
	r.take(0) // there is room again
	r.pass(r.m.cfg.MaxWait)
	r.take(1)
}

// Memory that is full of what is held, or under way, is no reason to send
// batches that are not full.
func TestMemoryFullOfHeldObjectsSendsNothingEarly(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects, c.MaxPending = 4, 6; c.Limits.ConcurrentCalls = 2 })
	r.exist("1", "2", "3", "4")
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"), upsert("4", "a"))
	r.fail(r.take(1)[0], marketo.FaultUnknown)
	r.pass(time.Minute)
	r.answer(r.take(1)[0])
	r.commit(upsert("1", "b"), upsert("2", "b"), upsert("3", "b"), upsert("4", "b"), upsert("5", "a"), upsert("6", "a"))
	if r.m.Accepting() {
		t.Fatal("reading goes on")
	}
	r.take(0)
	r.pass(r.m.cfg.MaxWait)
	r.take(1)
}
