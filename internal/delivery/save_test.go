package delivery

import (
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// TestAnswersShareASave: while calls are under way a save waits for others to
// join it, but never for long.
func TestAnswersShareASave(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Capacity.Objects = 1
		c.Limits = marketo.Limits{ConcurrentCalls: 5}
	})
	var writes []mapping.Write
	for i := range 15 {
		writes = append(writes, upsert(strconv.Itoa(i), "a"))
	}
	r.commit(writes...)
	calls := r.take(5)
	before := len(r.saves)
	// Not so quick that the next calls would be recorded ahead.
	r.now = r.now.Add(quickCall)
	r.m.ledger.savedAt = r.now
	for _, call := range calls[:4] {
		r.answer(call)
	}
	if got := len(r.saves) - before; got != 0 {
		t.Fatalf("saves after four of five answers: %d, want none yet", got)
	}
	r.answer(calls[4])
	if got := len(r.saves) - before; got != 1 {
		t.Fatalf("saves after five of five answers: %d, want one", got)
	}
	if s := r.saves[before]; len(s.Ended) != 5 || len(s.Started) != 5 {
		t.Errorf("the save ends %d calls and starts %d, want 5 and 5", len(s.Ended), len(s.Started))
	}
	calls = r.take(5)
	r.answer(calls[0])
	r.pass(joinTime - 1)
	r.take(0)
	r.pass(1)
	r.take(1)
}

// TestEndOfABacklogIsSyncedSoon: the slot follows in a part of SyncEvery when
// the last of many objects is settled, also of those that came when everything
// seemed to be done; for a few it waits.
func TestEndOfABacklogIsSyncedSoon(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects, c.Limits.ConcurrentCalls = drainedSync/4, 1 })
	n := 0
	deliver := func(objects int) LSN {
		var writes []mapping.Write
		for range objects {
			writes = append(writes, upsert(strconv.Itoa(n), "a"))
			n++
		}
		end := r.commit(writes...)
		for r.m.memory.items > 0 {
			if len(r.calls) == 0 {
				r.pass(r.m.cfg.MaxWait)
			}
			r.answer(r.take(1)[0])
		}
		return end
	}
	soon := r.m.cfg.SyncEvery / drainedShare
	deliver(1) // the first save of a life is synced
	end := deliver(drainedSync)
	if r.pass(soon); r.confirmed != end {
		t.Errorf("confirmed %s after %d objects, want %s", r.confirmed, drainedSync, end)
	}
	end = deliver(drainedSync / 4)
	if r.confirmed == end {
		t.Error("one sync right after another")
	}
	if r.pass(soon); r.confirmed != end {
		t.Errorf("confirmed %s with the last %d of many objects, want %s", r.confirmed, drainedSync/4, end)
	}
	end = deliver(drainedSync / 4)
	if r.pass(soon); r.confirmed == end {
		t.Errorf("an early sync for %d objects", drainedSync/2)
	}
	if r.pass(r.m.cfg.SyncEvery - soon); r.confirmed != end {
		t.Errorf("confirmed %s after SyncEvery, want %s", r.confirmed, end)
	}
}

// TestProgressOfOurOwnIsSyncedSoon: once all is settled the slot follows
// within SyncEvery; only other people's WAL may wait longer.
func TestProgressOfOurOwnIsSyncedSoon(t *testing.T) {
	r := newRig(t, nil)
	end := r.commit(upsert("1", "a"), upsert("2", "b"), upsert("3", "c"))
	r.answer(r.take(1)[0])
	if r.confirmed >= end {
		t.Fatal("confirmed at once; the test needs a save that was not synced")
	}
	r.pass(r.m.cfg.SyncEvery)
	if r.confirmed != end {
		t.Errorf("confirmed %s after %v, want %s", r.confirmed, r.m.cfg.SyncEvery, end)
	}
	r.step(&Received{Entries: []Entry{{Kind: EntryMark, LSN: end + 50}}})
	r.pass(r.m.cfg.MarkEvery - 2*time.Millisecond)
	if r.confirmed != end {
		t.Errorf("a mark was confirmed after less than %v", r.m.cfg.MarkEvery)
	}
	r.pass(2 * time.Millisecond)
	if r.confirmed != end+50 {
		t.Errorf("confirmed %s after %v, want the mark %s", r.confirmed, r.m.cfg.MarkEvery, end+50)
	}
}

// BenchmarkMachine takes objects through the queue, the window and the ledger,
// from the stream to settled, in full batches of a backlog; a time is that of
// one object.
func BenchmarkMachine(b *testing.B) {
	for _, mappings := range []int{1, 200} {
		b.Run("mappings="+strconv.Itoa(mappings), func(b *testing.B) { benchmarkMachine(b, mappings) })
	}
}

func benchmarkMachine(b *testing.B, mappings int) {
	const batch, pending = 300, 20_000
	cfg := DefaultConfig()
	for i := range mappings {
		cfg.Mappings = append(cfg.Mappings, Mapping{Name: "visits" + strconv.Itoa(i), Object: "Visit" + strconv.Itoa(i), Shape: visit})
	}
	cfg.Capacity = marketo.Capacity{Objects: batch}
	cfg.Limits = marketo.Limits{ConcurrentCalls: 5}
	m := New(cfg, checkpoint.State{Clean: true, Checkpoint: &checkpoint.Checkpoint{LSN: start}}, epoch)
	writes, hashes := make([]mapping.Write, 2*pending), make([]uint64, 2*pending)
	for i := range writes {
		writes[i] = upsert(strconv.Itoa(1_000_000+i), "Springfield", "note")
		writes[i].Mapping = i / 100 % mappings
		hashes[i] = KeyHash(writes[i].Key)
	}
	results := make([]marketo.Result, batch)
	for i := range results {
		results[i] = marketo.Result{Status: marketo.Created, Outcome: marketo.Confirmed}
	}
	entries := make([]Entry, 0, 102)
	lsn, next, now := LSN(1000), 0, epoch
	var events []Event
	b.ReportAllocs()
	for n := 0; n < b.N; {
		for m.memory.items < pending {
			entries = append(entries[:0], Entry{Kind: EntryBegin, LSN: lsn, Time: now})
			for seq := range uint64(100) {
				entries = append(entries, Entry{Kind: EntryWrite, Seq: seq + 1, Hash: hashes[next%len(writes)], Folded: true, Write: writes[next%len(writes)]})
				next++
			}
			entries = append(entries, Entry{Kind: EntryCommit, LSN: lsn + 10})
			lsn += 20
			events = append(events, respond(m.Step(now, &Received{Entries: entries}), results)...)
		}
		if len(events) == 0 {
			now = now.Add(time.Millisecond)
			events = append(events, Tick{})
		}
		ev := events[0]
		events = events[1:]
		if a, ok := ev.(Answered); ok {
			n += len(a.Reply.Results)
		}
		now = now.Add(10 * time.Microsecond)
		events = append(events, respond(m.Step(now, ev), results)...)
	}
}

// respond plays the rest of the world, where everything succeeds at once.
func respond(effects []Effect, results []marketo.Result) []Event {
	var events []Event
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			events = append(events, Answered{Call: e.Call, Reply: marketo.Reply{Results: results[:len(e.Batch.Objects)]}})
		case Save:
			events = append(events, Saved{})
		}
	}
	return events
}
