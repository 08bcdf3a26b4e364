package delivery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// commit hands a transaction over.
func (s *story) commit(d *datadriven.TestData) {
	final := s.lsn
	entries := []Entry{{Kind: EntryBegin, LSN: final, Time: s.now, XID: s.xid}}
	for i, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		if line == "" {
			continue
		}
		entries = append(entries, Entry{Kind: EntryWrite, Seq: uint64(i + 1), Write: s.change(d, line)})
	}
	s.lsn, s.xid = final+10, s.xid+1
	entries = append(entries, Entry{Kind: EntryCommit, LSN: s.lsn})
	s.committed = append(s.committed, entries)
	s.step(&Received{Entries: slices.Clone(entries)})
}

// offer hands rows of a backfill in: offer TICKET [more] [again], and a line for
// each row.
func (s *story) offer(d *datadriven.TestData) {
	given := words(d)
	ev := &Offered{
		Ticket: uint64(s.number(d, given[0])), Feed: "backfill:1", Cursor: given[0],
		Refused: map[string][]string{}, Last: !slices.Contains(given, "more"),
	}
	for line := range strings.Lines(d.Input) {
		w := s.change(d, strings.TrimSpace(line))
		if ev.Writes = append(ev.Writes, w); slices.Contains(given, "again") {
			ev.Refused[w.Key] = []string{ev.Feed}
		}
	}
	s.step(ev)
}

// stream hands over again what a life that has just begun is to be sent.
func (s *story) stream() {
	for _, entries := range s.committed {
		if entries[len(entries)-1].LSN > s.disk.Checkpoint.LSN {
			s.step(&Received{Entries: slices.Clone(entries)})
		}
	}
}

// change reads a line: OPERATION ID [VALUE…] [flag…].
func (s *story) change(d *datadriven.TestData, line string) mapping.Write {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		d.Fatalf(s.t, "a change is OPERATION ID [VALUE…]: %s", line)
	}
	op := slices.Index([]string{"insert", "update", "upsert", "delete"}, fields[0])
	if op < 0 {
		d.Fatalf(s.t, "no such operation: %s", fields[0])
	}
	operation := []marketo.Operation{marketo.Insert, marketo.Update, marketo.Upsert, marketo.Delete}[op]
	var values, flags []string
	for _, f := range fields[2:] {
		if strings.HasPrefix(f, "+") {
			flags = append(flags, f)
		} else {
			values = append(values, f)
		}
	}
	w := write(operation, fields[1], values...)
	w.Removal = operation == marketo.Delete
	for _, flag := range flags {
		switch flag {
		case "+plain":
			w.Mapping = 1
		case "+partial":
			w.Partial = true
		case "+reread":
			w.Reread = true
		case "+ask":
			w.Ask = true
		case "+removal":
			w.Removal = true
		case "+unmappable":
			w.Problem = &mapping.Problem{Code: "bad_value", Message: "cannot be mapped"}
		default:
			d.Fatalf(s.t, "no such flag: %s", flag)
		}
	}
	return w
}

// outcomes are the words of an answer for one object.
var outcomes = map[string]marketo.Result{
	"created":   {Outcome: marketo.Confirmed, Status: marketo.Created},
	"updated":   {Outcome: marketo.Confirmed, Status: marketo.Updated},
	"unchanged": {Outcome: marketo.Confirmed, Status: marketo.Unchanged},
	"deleted":   {Outcome: marketo.Confirmed, Status: marketo.Deleted},
	"rejected":  {Outcome: marketo.Reject, Status: marketo.Skipped, Code: "1006", Message: "no such field"},
	"waits":     {Outcome: marketo.Wait, Status: marketo.Skipped, Code: "1004", Message: "no such lead"},
	"again":     {Outcome: marketo.Retry, Status: marketo.Skipped, Code: "1018", Message: "in use"},
	"nothing":   {Outcome: marketo.Unknown},
}

// answer gives every object of a call its status; the last word counts for the
// rest, and without one all are updated.
func (s *story) answer(d *datadriven.TestData) {
	call, given := s.call(d)
	reply := marketo.Reply{Results: make([]marketo.Result, len(call.Batch.Objects))}
	if len(given) == 0 {
		given = []string{"updated"}
	}
	for i := range reply.Results {
		word := given[min(i, len(given)-1)]
		result, known := outcomes[word]
		if !known {
			d.Fatalf(s.t, "no such status: %s", word)
		}
		reply.Results[i] = result
	}
	s.step(Answered{Call: call.Call, Reply: reply})
}

// fault ends a call as a whole.
func (s *story) fault(d *datadriven.TestData) {
	call, given := s.call(d)
	for class := marketo.FaultUnknown; class <= marketo.FaultTooLarge; class++ {
		if len(given) == 1 && class.String() == given[0] {
			s.step(Answered{Call: call.Call, Reply: marketo.Reply{Fault: &marketo.Fault{Class: class, Code: "x"}}})
			return
		}
	}
	d.Fatalf(s.t, "fault CALL CLASS")
}

// call takes the call that the first word names.
func (s *story) call(d *datadriven.TestData) (Send, []string) {
	given := words(d)
	id := uint64(s.number(d, given[0]))
	call, sent := s.calls[id]
	if !sent {
		d.Fatalf(s.t, "call %d was not sent, or was answered", id)
	}
	delete(s.calls, id)
	return call, given[1:]
}

// row answers a read: row READ gone|matches|differs|shared|unseen [VALUE…].
func (s *story) row(d *datadriven.TestData) {
	given := words(d)
	id := uint64(s.number(d, given[0]))
	read, asked := s.reads[id]
	if !asked {
		d.Fatalf(s.t, "row %d was not asked for", id)
	}
	delete(s.reads, id)
	ahead := 0
	if last := d.CmdArgs[len(d.CmdArgs)-1]; last.Key == "+ahead" {
		given, ahead = given[:len(given)-1], s.number(d, last.Vals[0])
	}
	key := read.Object.Values()[0].Text
	if last := d.CmdArgs[len(d.CmdArgs)-1]; last.Key == "+key" {
		given, key = given[:len(given)-1], last.Vals[0]
	}
	next := uint64(s.xid) + uint64(ahead)
	ev := RowRead{Read: id, Seen: &pgoutput.Transactions{Xmin: next, Xmax: next, Flushed: s.lsn + LSN(10*ahead)}}
	switch given[1] {
	case "gone":
		ev.State = RowGone
	case "matches":
		ev.State = RowMatches
		ev.Write = upsert(key, given[2:]...)
		ev.Write.Mapping = read.Mapping
	case "differs":
		ev.State, ev.Removes = RowDiffers, true
		ev.Write = write(marketo.Delete, read.Object.Values()[0].Text)
		ev.Write.Mapping, ev.Write.Removal = read.Mapping, true
	case "unseen":
		ev.Unseen, ev.Err = true, fmt.Errorf("the transaction is not visible yet")
	default:
		d.Fatalf(s.t, "no such row: %s", given[1])
	}
	s.step(ev)
}

// wait lets time go by, with a Tick at every deadline on the way.
func (s *story) wait(text string) {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	pass(s.t, s.m, &s.now, d, s.step)
}

// saves holds saves, lets those that were held succeed, or fail.
func (s *story) saves(how string) {
	held := s.held
	s.hold, s.held = how == "hold", nil
	for _, save := range held {
		if how == "fail" {
			s.step(Saved{Err: fmt.Errorf("no space left on device")})
			continue
		}
		s.keep(save)
		s.step(Saved{})
	}
}

func (s *story) act(d *datadriven.TestData) {
	act := Act{Discard: d.Cmd == "discard", Reply: make(chan Acted, 1)}
	for _, id := range words(d) {
		act.Keys = append(act.Keys, upsert(id).Key)
	}
	s.step(act)
}
