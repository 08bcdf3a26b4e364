package acceptance_test

import (
	"context"
	"encoding/binary"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// witness sees from the server's side what the program may be told and what it
// says: the changes of items with the end of their transactions, from a slot
// of its own, and how the program's slot moves.
type witness struct {
	w       *world
	slot    string
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	samples []evidence.Position
	err     error
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
	for last := pgoutput.LSN(0); ; sleep(ctx, 5*time.Millisecond) {
		var text string
		err := conn.QueryRow(ctx, "SELECT coalesce(max(confirmed_flush_lsn), '0/0')::text FROM pg_replication_slots WHERE slot_name = $1", s.w.config.slot).Scan(&text)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		lsn, err := pgoutput.ParseLSN(text)
		if err != nil {
			return err
		}
		if lsn != last {
			s.samples = append(s.samples, evidence.Position{Confirmed: pgoutput.LSN(lsn), At: time.Now()})
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
	// The watch may have missed the last move.
	s.samples = append(s.samples, evidence.Position{Confirmed: pgoutput.LSN(s.w.confirmed()), At: time.Now()})
	changes := s.changes()
	if len(s.samples) < 10 {
		t.Fatalf("%d positions of the slot prove nothing", len(s.samples))
	}
	s.w.holds(s.w.log().Slot(changes, s.samples), 1)
	t.Logf("%d changes held against %d positions of the slot", len(changes), len(s.samples))
}

// changes reads the second slot to its end.
func (s *witness) changes() []evidence.Committed {
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
	var changes []evidence.Committed
	open := 0
	for _, m := range messages {
		switch m[0] {
		case 'U': // relation, 'N', row: the identity does not change
			changes = append(changes, item(t, m[5:]))
		case 'C': // flags, start and end of the commit record, time
			end := pgoutput.LSN(binary.BigEndian.Uint64(m[10:]))
			for ; open < len(changes); open++ {
				changes[open].End = end
			}
		}
	}
	return changes
}

// item reads the first two columns of a row as pgoutput sends it.
func item(t *testing.T, m []byte) evidence.Committed {
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
	return evidence.Committed{Key: texts[0], Version: version}
}
