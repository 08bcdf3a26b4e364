package delivery

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

var (
	start = LSN(100)
	epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	visit = &marketo.Shape{Type: "Visit", Key: []string{"id"}, Attributes: []string{"city", "note"}}
)

// rig drives a Machine by hand: saves succeed at once unless held, calls wait
// to be answered by the test.
type rig struct {
	t         *testing.T
	m         *Machine
	now       time.Time
	lsn       LSN
	holdSaves bool
	saves     []*checkpoint.Save
	calls     []Send
	reads     []Read
	logs      []Log
	confirmed LSN
	finished  *Finished
	settled   []uint64 // tickets
	look      func(Look)
	refused   []BackfillPaused
}

func newRig(t *testing.T, change func(*Config)) *rig {
	return restartRig(t, checkpoint.State{Clean: true, Checkpoint: &checkpoint.Checkpoint{LSN: start}}, change)
}

func restartRig(t *testing.T, state checkpoint.State, change func(*Config)) *rig {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Mappings = []Mapping{{Name: "visits", Object: "Visit", Shape: visit}, {Name: "plain", Object: "Plain", Separate: true}}
	cfg.Capacity = marketo.Capacity{Objects: 3}
	cfg.Limits = marketo.Limits{ConcurrentCalls: 2}
	if change != nil {
		change(&cfg)
	}
	return &rig{t: t, m: New(cfg, state, epoch), now: epoch, lsn: 1000, confirmed: start - 1}
}

func (r *rig) step(ev Event) {
	r.t.Helper()
	effects := append([]Effect(nil), r.m.Step(r.now, ev)...)
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			r.calls = append(r.calls, e)
		case Save:
			s := copyOf(e.Save)
			r.saves = append(r.saves, &s)
			if !r.holdSaves {
				r.step(Saved{})
			}
		case Acknowledge:
			if e.LSN <= r.confirmed {
				r.t.Fatalf("confirm went from %s to %s", r.confirmed, e.LSN)
			}
			r.confirmed = e.LSN
		case Read:
			r.reads = append(r.reads, e)
		case Look:
			r.look(e)
		case TicketSettled:
			r.settled = append(r.settled, e.Ticket)
		case BackfillPaused:
			r.refused = append(r.refused, e)
		case Tell:
			e.To <- e.Answer
		case Answer:
			e.To <- e.Answer
		case Log:
			r.logs = append(r.logs, e)
		case Finished:
			r.finished = &e
		}
	}
}

// pass lets time go by, with a Tick at every deadline on the way.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	pass(r.t, r.m, &r.now, d, r.step)
}

// pass moves now by d, and steps with a Tick at every deadline of m on the way.
func pass(t *testing.T, m *Machine, now *time.Time, d time.Duration, step func(Event)) {
	t.Helper()
	end := now.Add(d)
	for range 10_000 {
		at := m.Deadline()
		if at.IsZero() || at.After(end) {
			*now = end
			step(Tick{})
			return
		}
		if at.After(*now) {
			*now = at
		}
		step(Tick{})
	}
	t.Fatal("the machine keeps asking to be woken at once")
}

// exist makes objects known to be at Marketo.
func (r *rig) exist(ids ...string) {
	for _, id := range ids {
		key := upsert(id).Key
		keyed, folded := HashKey(key)
		r.m.known.existing.note(&item{key: key, hash: r.m.keys.hash(keyed), folded: folded}, marketo.Upsert, marketo.Updated)
	}
}

func write(op marketo.Operation, id string, rest ...string) mapping.Write {
	values := []marketo.Value{{Kind: marketo.String, Text: id}}
	for _, text := range rest {
		v := marketo.Value{Kind: marketo.String, Text: text}
		if text == "-" {
			v = marketo.Value{}
		}
		values = append(values, v)
	}
	return mapping.Write{Key: "\x00" + id + "\x00", Operation: op, Bytes: 10, Object: marketo.NewObject(visit, values)}
}

func upsert(id string, rest ...string) mapping.Write { return write(marketo.Upsert, id, rest...) }

// commit sends one transaction and returns its end.
func (r *rig) commit(writes ...mapping.Write) LSN {
	r.t.Helper()
	final := r.lsn
	entries := []Entry{{Kind: EntryBegin, LSN: final, Time: r.now}}
	for i, w := range writes {
		entries = append(entries, Entry{Kind: EntryWrite, Seq: uint64(i + 1), Write: w})
	}
	end := final + 10
	r.lsn = end
	entries = append(entries, Entry{Kind: EntryCommit, LSN: end})
	r.step(&Received{Entries: entries})
	return end
}

func (r *rig) answer(call Send, outcomes ...marketo.Outcome) {
	r.t.Helper()
	reply := marketo.Reply{Results: make([]marketo.Result, len(call.Batch.Objects))}
	for i := range reply.Results {
		outcome := marketo.Confirmed
		if i < len(outcomes) {
			outcome = outcomes[i]
		}
		reply.Results[i] = marketo.Result{Outcome: outcome, Status: marketo.Updated, Message: "because"}
	}
	r.step(Answered{Call: call.Call, Reply: reply})
}

func (r *rig) fail(call Send, class marketo.FaultClass) {
	r.t.Helper()
	r.step(Answered{Call: call.Call, Reply: marketo.Reply{Fault: &marketo.Fault{Class: class, Code: "x"}}})
}

// take returns the calls made since the last take, which must be n.
func (r *rig) take(n int) []Send {
	r.t.Helper()
	if len(r.calls) != n {
		r.t.Fatalf("calls = %d, want %d: %s", len(r.calls), n, text(r.calls))
	}
	calls := r.calls
	r.calls = nil
	return calls
}

func text(calls []Send) string {
	s := ""
	for _, c := range calls {
		s += c.Batch.Operation.String() + "["
		for i, o := range c.Batch.Objects {
			if i > 0 {
				s += " "
			}
			for j, v := range o.Values() {
				if j > 0 {
					s += ","
				}
				switch v.Kind {
				case marketo.Omitted:
					s += "-"
				case marketo.Null:
					s += "null"
				default:
					s += v.Text
				}
			}
		}
		s += "]"
	}
	return s
}

func (r *rig) want(calls []Send, want string) {
	r.t.Helper()
	if got := text(calls); got != want {
		r.t.Fatalf("calls:\n got %s\nwant %s", got, want)
	}
}

func TestFullBatchGoesAtOnceAndTheRestAfterMaxWait(t *testing.T) {
	r := newRig(t, nil)
	end := r.commit(upsert("1", "a"), upsert("2", "b"), upsert("3", "c"), upsert("4", "d"))
	first := r.take(1)
	r.want(first, "UPSERT[1,a,- 2,b,- 3,c,-]")
	r.pass(999 * time.Millisecond)
	r.take(0)
	r.pass(time.Millisecond)
	second := r.take(1)
	r.want(second, "UPSERT[4,d,-]")
	r.answer(second[0])
	r.pass(time.Second)
	if r.confirmed != start {
		t.Fatalf("confirmed %s while the first call is unanswered", r.confirmed)
	}
	r.answer(first[0])
	r.pass(time.Second)
	if r.confirmed != end {
		t.Fatalf("confirmed %s, want %s", r.confirmed, end)
	}
}

func TestCoalescing(t *testing.T) {
	partial := upsert("1", "-", "n2")
	partial.Partial = true
	set := write(marketo.Update, "1", "-", "gone")
	for _, test := range []struct {
		name   string
		writes []mapping.Write
		want   []string
	}{
		{"newer wins", []mapping.Write{upsert("1", "a", "n"), upsert("1", "b", "m")}, []string{"UPSERT[1,b,m]"}},
		{"unchanged keeps older", []mapping.Write{upsert("1", "a", "n"), partial}, []string{"UPSERT[1,a,n2]"}},
		{"delete replaces", []mapping.Write{upsert("1", "a", "n"), write(marketo.Delete, "1")}, []string{"DELETE[1,-,-]"}},
		{"created again", []mapping.Write{write(marketo.Delete, "1"), upsert("1", "a", "-")}, []string{"UPSERT[1,a,null]"}},
		{"set on waiting row", []mapping.Write{upsert("1", "a", "n"), set}, []string{"UPSERT[1,a,gone]"}},
		{"row on waiting set", []mapping.Write{set, upsert("1", "a", "n")}, []string{"UPSERT[1,a,n]"}},
		{"insert then set", []mapping.Write{write(marketo.Insert, "1", "a"), set}, []string{"INSERT[1,a,-]", "UPDATE[1,-,gone]"}},
		{"delete then update", []mapping.Write{write(marketo.Delete, "1"), set}, []string{"DELETE[1,-,-]", "UPDATE[1,-,gone]"}},
		{"delete, insert", []mapping.Write{write(marketo.Delete, "1"), write(marketo.Insert, "1", "a", "n")}, []string{"UPSERT[1,a,n]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, nil)
			var end LSN
			for _, w := range test.writes {
				end = r.commit(w)
			}
			for _, want := range test.want {
				r.pass(time.Second)
				calls := r.take(1)
				r.want(calls, want)
				r.answer(calls[0])
			}
			r.pass(time.Second)
			r.take(0)
			if r.confirmed != end {
				t.Fatalf("confirmed %s, want %s", r.confirmed, end)
			}
		})
	}
}

func TestSeparateMappingSendsEveryChange(t *testing.T) {
	r := newRig(t, nil)
	for _, city := range []string{"a", "b", "c"} {
		w := upsert("1", city)
		w.Mapping = 1
		r.commit(w)
	}
	for _, city := range []string{"a", "b", "c"} {
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, "UPSERT[1,"+city+",-]")
		r.answer(calls[0])
	}
}

func TestOneCallInFlightPerKey(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	first := r.take(1)
	r.commit(upsert("1", "b"))
	r.commit(upsert("1", "c"))
	r.pass(10 * time.Second)
	r.take(0)
	r.answer(first[0])
	r.pass(time.Second)
	r.want(r.take(1), "UPSERT[1,c,-]")
}

func TestUnknownOutcomeHoldsNewerValues(t *testing.T) {
	r := newRig(t, nil)
	r.exist("1", "2")
	r.commit(upsert("1", "a"), upsert("2", "a"))
	r.pass(time.Second)
	first := r.take(1)
	started := r.now
	r.commit(upsert("1", "b"))
	r.pass(5 * time.Second)
	r.fail(first[0], marketo.FaultUnknown)
	r.commit(upsert("1", "c"))
	r.pass(2 * time.Second)
	again := r.take(1)
	r.want(again, "UPSERT[1,a,- 2,a,-]")
	r.answer(again[0])
	r.pass(started.Add(149 * time.Second).Sub(r.now))
	r.take(0)
	r.pass(2 * time.Second)
	r.want(r.take(1), "UPSERT[1,c,-]")
}

func TestCallOfTheLastLifeHoldsItsKeys(t *testing.T) {
	state := checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true,
		InFlight: []checkpoint.Call{{ID: 7, Keys: []string{upsert("1").Key}}},
	}
	r := restartRig(t, state, nil)
	r.commit(upsert("1", "a"), upsert("2", "a"))
	r.pass(time.Second)
	r.want(r.take(1), "UPSERT[2,a,-]")
	r.pass(148 * time.Second)
	r.take(0)
	r.pass(2 * time.Second)
	r.want(r.take(1), "UPSERT[1,a,-]")
	var ended []uint64
	for _, s := range r.saves {
		ended = append(ended, s.Ended...)
	}
	if got := fmt.Sprint(ended); got != "[7]" {
		t.Errorf("ended calls %s, want [7]", got)
	}
}

func TestAfterPowerLossEveryKeyWaits(t *testing.T) {
	r := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}}, nil)
	r.commit(upsert("1", "a"))
	r.pass(149 * time.Second)
	r.take(0)
	r.pass(time.Second)
	r.take(1)
}

func TestReplayedChangesAreNotSentAgain(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.commit(upsert("2", "a"))
	r.commit(upsert("3", "a"))
	calls := r.take(1)
	r.answer(calls[0], marketo.Retry)
	var settled []checkpoint.Settled
	for _, s := range r.saves {
		settled = append(settled, s.Settled...)
	}
	if len(settled) != 2 {
		t.Fatalf("settled entries = %d, want those of keys 2 and 3", len(settled))
	}
	again := restartRig(t, checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true, Settled: settled,
	}, nil)
	again.commit(upsert("1", "a"))
	again.commit(upsert("2", "a"))
	again.commit(upsert("3", "a"))
	end := again.commit(upsert("3", "b"))
	again.pass(time.Second)
	calls = again.take(1)
	again.want(calls, "UPSERT[1,a,- 3,b,-]")
	again.answer(calls[0])
	again.pass(time.Second)
	if again.confirmed != end {
		t.Fatalf("confirmed %s, want %s", again.confirmed, end)
	}
}

func TestRejectedObjectIsParkedBeforeTheCheckpointPasses(t *testing.T) {
	r := newRig(t, nil)
	end := r.commit(upsert("1", "a"), upsert("2", "<b> & c"), upsert("3", "c"))
	calls := r.take(1)
	r.holdSaves = true
	r.answer(calls[0], marketo.Confirmed, marketo.Reject)
	last := r.saves[len(r.saves)-1]
	if len(last.Parked) != 1 || last.Parked[0].Payload != `{"id":"2","city":"<b> & c"}` || last.Parked[0].Message != "because" {
		t.Fatalf("parked %+v", last.Parked)
	}
	if last.Checkpoint != end {
		t.Fatalf("checkpoint %s, want %s in the same save", last.Checkpoint, end)
	}
	if r.confirmed != start {
		t.Fatal("confirmed before the save ended")
	}
	r.holdSaves = false
	r.step(Saved{})
	r.pass(time.Second)
	if r.confirmed != end {
		t.Fatalf("confirmed %s, want %s", r.confirmed, end)
	}
	r.commit(upsert("2", "good"))
	r.pass(time.Second)
	r.answer(r.take(1)[0])
	if last := r.saves[len(r.saves)-1]; len(last.Resolved) != 1 {
		t.Errorf("resolved %v, want the parked key", last.Resolved)
	}
}

func TestPartialChangeOfParkedObjectReadsTheRow(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "bad", "long"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Reject)
	partial := upsert("1", "good")
	partial.Partial = true
	end := r.commit(partial)
	r.pass(time.Second)
	r.take(0)
	if len(r.reads) != 1 {
		t.Fatalf("reads = %d, want 1", len(r.reads))
	}
	r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "good", "long")})
	r.pass(time.Second)
	calls := r.take(1)
	r.want(calls, "UPSERT[1,good,long]")
	r.answer(calls[0])
	r.pass(time.Second)
	if r.confirmed != end {
		t.Fatalf("confirmed %s, want %s", r.confirmed, end)
	}
}

func TestStoreThatFailsStopsSendingAndConfirming(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"))
	first := r.take(1)
	r.holdSaves = true
	r.answer(first[0])
	end := r.commit(upsert("4", "a"), upsert("5", "a"), upsert("6", "a"))
	for range 5 {
		r.step(Saved{Err: fmt.Errorf("disk full")})
		r.take(0)
		r.pass(15 * time.Second)
	}
	if r.confirmed != start {
		t.Fatalf("confirmed %s without a save", r.confirmed)
	}
	r.holdSaves = false
	r.step(Saved{})
	r.pass(time.Second)
	r.answer(r.take(1)[0])
	r.pass(time.Second)
	if r.confirmed != end {
		t.Fatalf("confirmed %s, want %s", r.confirmed, end)
	}
	errors := 0
	for _, l := range r.logs {
		if l.Level == slog.LevelError {
			errors++
		}
	}
	if errors != 1 {
		t.Errorf("errors logged = %d, want one for the change of state", errors)
	}
}

func TestStop(t *testing.T) {
	r := newRig(t, nil)
	end := r.commit(upsert("1", "a"))
	r.step(Stop{SendUntil: r.now.Add(10 * time.Second)})
	calls := r.take(1)
	if r.finished != nil {
		t.Fatal("finished with a call in flight")
	}
	r.answer(calls[0])
	if r.finished == nil || r.finished.Left != 0 || r.confirmed != end {
		t.Fatalf("finished %+v, confirmed %s, want %s", r.finished, r.confirmed, end)
	}
	if last := r.saves[len(r.saves)-1]; !last.Clean || !last.Sync {
		t.Errorf("last save %+v is not clean and synced", last)
	}
}

func TestStopGivesUpSendingInTime(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"), upsert("2", "a"))
	r.pass(time.Second)
	r.fail(r.take(1)[0], marketo.FaultRetry)
	r.m.pauses.outage.until = r.now.Add(time.Hour)
	r.step(Stop{SendUntil: r.now.Add(10 * time.Second)})
	r.pass(11 * time.Second)
	if r.finished == nil || r.finished.Left != 2 {
		t.Fatalf("finished %+v, want 2 left", r.finished)
	}
}

func TestKeepaliveIsConfirmedOnlyWhenNothingIsUnsettled(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.step(&Received{Entries: []Entry{{Kind: EntryMark, LSN: 5000}}})
	r.pass(10 * time.Second)
	if r.confirmed != start {
		t.Fatalf("confirmed %s with an object unsettled", r.confirmed)
	}
	r.answer(r.take(1)[0])
	r.pass(time.Second)
	if r.confirmed != 5000 {
		t.Fatalf("confirmed %s, want the keepalive's WAL end", r.confirmed)
	}
	r.step(&Received{Entries: []Entry{{Kind: EntryMark, LSN: 6000, Urgent: true}}})
	if r.confirmed != 6000 {
		t.Fatalf("confirmed %s, want an urgent mark at once", r.confirmed)
	}
}

func TestAcceptingIsBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPending = 2 })
	r.commit(upsert("1", "a"))
	if !r.m.Accepting() {
		t.Fatal("not accepting below the bound")
	}
	r.commit(upsert("2", "a"))
	if r.m.Accepting() {
		t.Fatal("accepting at the bound")
	}
	r.pass(time.Second)
	r.answer(r.take(1)[0])
	if !r.m.Accepting() || r.m.memory.bytes != 0 || r.m.keys.n != 0 {
		t.Fatalf("accepting %v, bytes %d, keys %d after all is settled", r.m.Accepting(), r.m.memory.bytes, r.m.keys.n)
	}
}

func TestWhatIsSavedUnsyncedIsSyncedSoon(t *testing.T) {
	r := newRig(t, nil)
	r.pass(time.Second)
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.take(1)
	r.pass(2 * time.Second)
	last := r.saves[len(r.saves)-1]
	if !last.Sync || last.Checkpoint != 0 {
		t.Fatalf("last save %+v, want a synced one although the checkpoint stands still", last)
	}
	n := len(r.saves)
	r.pass(time.Minute)
	if len(r.saves) != n {
		t.Errorf("saves with nothing to save: %d", len(r.saves)-n)
	}
}
