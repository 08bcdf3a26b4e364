package acceptance_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// witness sees from the server's side what the program may be told and what it
// says: the changes of items with the end of their transactions, from a slot
// of its own, and how the program's slot moves.
type witness struct {
	w       *world
	slot    string
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	samples []sample
	err     error
}

// sample says that the program's slot had reached confirmed when it was at.
type sample struct {
	confirmed pglogrepl.LSN
	at        time.Time
}

// committed is one change of an item; end is the end of its transaction.
type committed struct {
	end     pglogrepl.LSN
	id      string
	version int64
}

// callWitness begins to watch. The program's slot need not exist yet.
func (w *world) callWitness() *witness {
	w.t.Helper()
	s := &witness{w: w, slot: w.database + "_witness"}
	w.exec("CREATE PUBLICATION witness FOR TABLE items")
	w.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", s.slot)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wait.Go(func() { s.err = s.watch(ctx) })
	w.t.Cleanup(func() { s.leave() })
	return s
}

// watch notes every new position of the slot, with a time after it was seen.
func (s *witness) watch(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.w.cluster.URL(s.w.database))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for last := pglogrepl.LSN(0); ; sleep(ctx, 2*time.Millisecond) {
		var text string
		err := conn.QueryRow(ctx, "SELECT coalesce(max(confirmed_flush_lsn), '0/0')::text FROM pg_replication_slots WHERE slot_name = $1", s.w.config.slot).Scan(&text)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		lsn, err := pglogrepl.ParseLSN(text)
		if err != nil {
			return err
		}
		if lsn != last {
			s.samples = append(s.samples, sample{lsn, time.Now()})
			last = lsn
		}
	}
}

func (s *witness) leave() {
	s.cancel()
	s.wait.Wait()
}

// swear checks that the slot never stood at or behind a change before the
// simulator had answered a call with that version of the item, or a later one.
func (s *witness) swear() {
	t := s.w.t
	t.Helper()
	s.leave()
	if s.err != nil {
		t.Fatalf("watch the slot: %v", s.err)
	}
	changes := s.changes()
	if len(changes) == 0 || len(s.samples) < 10 {
		t.Fatalf("%d changes and %d positions prove nothing", len(changes), len(s.samples))
	}
	answered := s.answers()
	slices.SortStableFunc(changes, func(a, b committed) int { return cmp.Compare(a.end, b.end) })
	slices.SortStableFunc(s.samples, func(a, b sample) int { return cmp.Compare(a.confirmed, b.confirmed) })
	bad := 0
	for i, next := range changes {
		at := answered.first(next)
		// The samples at or behind this change; the earliest must be late enough.
		from, _ := slices.BinarySearchFunc(s.samples, next.end, func(p sample, end pglogrepl.LSN) int { return cmp.Compare(p.confirmed, end) })
		if from == len(s.samples) {
			t.Errorf("change %d of %d at %s: the slot never came there", i, len(changes), next.end)
			break
		}
		earliest := slices.MinFunc(s.samples[from:], func(a, b sample) int { return a.at.Compare(b.at) })
		if (at.IsZero() || at.After(earliest.at)) && bad < 10 {
			bad++
			t.Errorf("item %s version %d, committed up to %s: the slot stood at %s when it was %s, and the first answer for it came %s",
				next.id, next.version, next.end, earliest.confirmed, earliest.at.Format(time.StampMicro), at.Format(time.StampMicro))
		}
	}
	t.Logf("%d changes held against %d positions of the slot", len(changes), len(s.samples))
}

// changes reads the second slot to its end.
func (s *witness) changes() []committed {
	t := s.w.t
	t.Helper()
	rows, err := s.w.db().Query(t.Context(), `SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'witness')`, s.slot)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		t.Fatal(err)
	}
	var changes []committed
	open := 0
	for _, m := range messages {
		switch m[0] {
		case 'U': // relation, 'N', row: the identity does not change
			changes = append(changes, item(t, m[5:]))
		case 'C': // flags, start and end of the commit record, time
			end := pglogrepl.LSN(binary.BigEndian.Uint64(m[10:]))
			for ; open < len(changes); open++ {
				changes[open].end = end
			}
		}
	}
	return changes
}

// item reads the first two columns of a row as pgoutput sends it.
func item(t *testing.T, m []byte) committed {
	t.Helper()
	if m[0] != 'N' {
		t.Fatalf("an update begins with %q", m[0])
	}
	m = m[3:]
	var texts [2]string
	for i := range texts {
		if m[0] != 't' {
			t.Fatalf("a value of kind %q", m[0])
		}
		n := binary.BigEndian.Uint32(m[1:])
		texts[i], m = string(m[5:5+n]), m[5+n:]
	}
	version, err := strconv.ParseInt(texts[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return committed{id: texts[0], version: version}
}

// answers holds, for each item, when calls with it were answered, ordered by
// version: at is the earliest answer for the version or a later one.
type answers map[string][]answer

type answer struct {
	version int64
	at      time.Time
}

// first returns the earliest answer for the version of c or a later one; zero
// if there was none.
func (a answers) first(c committed) time.Time {
	known := a[c.id]
	i, _ := slices.BinarySearchFunc(known, c.version, func(k answer, v int64) int { return cmp.Compare(k.version, v) })
	if i == len(known) {
		return time.Time{}
	}
	return known[i].at
}

// answers reads the histories of all items.
func (s *witness) answers() answers {
	s.w.t.Helper()
	ended := s.w.answered()
	all := answers{}
	for id := range s.w.sim.Objects("Item") {
		var known []answer
		for _, v := range s.w.history(id) {
			if call, ok := ended[v.call]; ok {
				known = append(known, answer{v.version, call.End})
			}
		}
		slices.SortStableFunc(known, func(a, b answer) int { return cmp.Compare(a.version, b.version) })
		for i := len(known) - 2; i >= 0; i-- {
			if known[i+1].at.Before(known[i].at) {
				known[i].at = known[i+1].at
			}
		}
		all[id] = known
	}
	return all
}

// answered returns the calls whose answer the simulator sent to a client that
// was there.
func (w *world) answered() map[int]simulator.Call {
	calls := map[int]simulator.Call{}
	for _, c := range w.writes() {
		if !c.End.IsZero() && c.HTTPStatus == 200 && c.Fault == "" && !c.ClientGone {
			calls[c.ID] = c
		}
	}
	return calls
}

// neverBack checks that nothing old overwrote something newer, kills or not. It
// returns how many versions were applied.
func (w *world) neverBack() int {
	w.t.Helper()
	calls := map[int]simulator.Call{}
	for _, c := range w.writes() {
		calls[c.ID] = c
	}
	answered := w.answered()
	bad, versions, late := 0, 0, 0
	for id := range w.sim.Objects("Item") {
		var newest applied
		for _, v := range w.history(id) {
			versions++
			if v.version >= newest.version {
				newest = v
				continue
			}
			older, newer := calls[v.call], calls[newest.call]
			_, known := answered[newest.call]
			switch {
			case older.Applied.Sub(older.Start) > w.config.hold:
				late++ // longer than the program is told to reckon with
			case bad < 10:
				bad++
				w.t.Errorf("item %s went back from version %d to %d: call %d of %s, applied %s, after call %d of %s, applied %s, answered %v",
					id, newest.version, v.version, older.ID, stamp(older.Start), stamp(older.Applied), newer.ID, stamp(newer.Start), stamp(newer.Applied), known)
			}
		}
	}
	if late > 0 {
		w.t.Logf("%d late writes by calls that took longer than %s", late, w.config.hold)
	}
	return versions
}

func stamp(t time.Time) string { return t.Format("05.000") }
