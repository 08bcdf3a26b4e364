package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// A connection that breaks again while a transaction is being skipped must not
// make the reader hand over changes for a second time.
func TestTransactionThatIsCutTwiceIsSkippedAsFarAsItCame(t *testing.T) {
	var r reader
	begin := &pgoutput.Begin{Final: 100}
	for _, came := range []uint64{10, 3, 0, 12} {
		if err := r.begin(begin); err != nil {
			t.Fatal(err)
		}
		r.seq = came
	}
	if err := r.begin(begin); err != nil {
		t.Fatal(err)
	}
	if r.skip != 12 || r.seq != 0 {
		t.Errorf("skip %d from %d, want 12 from 0", r.skip, r.seq)
	}
	if len(r.entries) != 1 {
		t.Errorf("transaction begun %d times, want once", len(r.entries))
	}
}

func TestPauseGrowsOnlyWhileConnectionsBringNothing(t *testing.T) {
	tests := []struct {
		name     string
		progress bool
		lasted   time.Duration
		want     int
	}{
		{"nothing came", false, time.Second, 8},
		{"nothing came for long", false, 61 * time.Second, 1},
		{"changes came", true, time.Second, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := countFailure(7, tt.progress, tt.lasted); got != tt.want {
				t.Errorf("failures in a row = %d, want %d", got, tt.want)
			}
		})
	}
	if first, eighth := pause(errStopped, 1), pause(errStopped, 8); first > 400*time.Millisecond || eighth < 10*time.Second {
		t.Errorf("pauses %s and %s, want at most 400ms and at least 10s", first, eighth)
	}
}

// things is a table with one mapping, as the stream describes it.
var things = &pgoutput.Relation{
	ID: 7, Schema: "public", Name: "things", Identity: pgoutput.IdentityDefault,
	Columns: []pgoutput.Column{{Name: "id", Type: 23, Modifier: -1, Key: true}, {Name: "n", Type: 23, Modifier: -1}},
}

// newTestReader is a reader at position 90 of a Runner without connections.
func newTestReader(t *testing.T, change func(*Runner)) *reader {
	t.Helper()
	set, err := mapping.Compile([]mapping.Definition{{
		Name: "things", Schema: "public", Table: "things", Object: "Thing",
		Key:        []mapping.Rule{{Attribute: "id", Column: "id"}},
		Attributes: []mapping.Rule{{Attribute: "n", Column: "n"}},
		OnDelete:   mapping.DeletePolicy{Delete: true}, OnTruncate: mapping.TruncateHalt,
	}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	runner := &Runner{
		Source: &replication.Source{Slot: "s"}, Mappings: set, Store: store,
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
		State: checkpoint.State{Checkpoint: &checkpoint.Checkpoint{System: "1", Timeline: 1, Database: "d", Slot: "s", LSN: 90}},
	}
	if change != nil {
		change(runner)
	}
	runner.prepare()
	return runner.reader
}

// inserted is a change of things.
func inserted(id int) *pgoutput.Change {
	text := func(n int) pgoutput.Value {
		return pgoutput.Value{Kind: pgoutput.Text, Text: fmt.Append(nil, n)}
	}
	return &pgoutput.Change{Relation: things, Operation: pgoutput.Insert, New: []pgoutput.Value{text(id), text(id)}}
}

// feed handles messages, and stops at the first error.
func (r *reader) feed(t *testing.T, messages ...pgoutput.Message) error {
	t.Helper()
	for _, m := range messages {
		if err := r.dispatch(t.Context(), nil, m); err != nil {
			return err
		}
	}
	return nil
}

// gathered shows what the machine would get, and forgets it.
func (r *reader) gathered() string {
	var words []string
	for _, e := range r.entries {
		switch e.Kind {
		case delivery.EntryBegin:
			words = append(words, fmt.Sprintf("begin@%d", uint64(e.LSN)))
		case delivery.EntryWrite:
			words = append(words, fmt.Sprintf("%d:%s", e.Seq, e.Write.Object.Value(0).Text))
		case delivery.EntryCommit:
			words = append(words, fmt.Sprintf("commit@%d", uint64(e.LSN)))
		case delivery.EntryMark:
			words = append(words, fmt.Sprintf("mark@%d", uint64(e.LSN)))
		}
	}
	r.entries = r.entries[:0]
	return strings.Join(words, " ")
}

// Over however many connections a transaction comes, the machine gets each of
// its changes exactly once, under the same number.
func TestChangesComeOnceOverCutConnections(t *testing.T) {
	const all = 4
	for first := range all + 1 {
		for second := range all + 1 {
			r := newTestReader(t, nil)
			for _, cut := range []int{first, second, all} {
				if err := r.feed(t, things, &pgoutput.Begin{Final: 100}); err != nil {
					t.Fatal(err)
				}
				for i := 1; i <= cut; i++ {
					if err := r.feed(t, inserted(i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if r.received != 90 {
				t.Errorf("cut after %d and %d: received %s inside the transaction, want 0/5A", first, second, r.received)
			}
			if err := r.feed(t, &pgoutput.Commit{LSN: 100, End: 110}); err != nil {
				t.Fatal(err)
			}
			const want = "begin@100 1:1 2:2 3:3 4:4 commit@110"
			if got := r.gathered(); got != want || r.received != 110 {
				t.Errorf("cut after %d and %d: got %s up to %s, want %s", first, second, got, r.received, want)
			}
		}
	}
}

// A transaction that comes again with fewer changes, or another one in its
// place, halts reading: something is wrong with the server or with us.
func TestTransactionThatComesAgainOtherwiseHalts(t *testing.T) {
	r := newTestReader(t, nil)
	begin := &pgoutput.Begin{Final: 100}
	if err := r.feed(t, things, begin, inserted(1), inserted(2), begin, inserted(1)); err != nil {
		t.Fatal(err)
	}
	if err := r.feed(t, &pgoutput.Commit{LSN: 100, End: 110}); !errors.Is(err, errHalted) {
		t.Errorf("with fewer changes: %v, want a halt", err)
	}
	r = newTestReader(t, nil)
	if err := r.feed(t, begin, &pgoutput.Begin{Final: 120}); !errors.Is(err, errHalted) {
		t.Errorf("another transaction: %v, want a halt", err)
	}
}

// A keepalive tells how far the server has read only outside a transaction, one
// that was cut included.
func TestKeepaliveInsideATransactionSaysNothing(t *testing.T) {
	r := newTestReader(t, nil)
	if err := r.feed(t, &pgoutput.Keepalive{WALEnd: 95}, &pgoutput.Begin{Final: 100}, &pgoutput.Keepalive{WALEnd: 99, Reply: true}); err != nil {
		t.Fatal(err)
	}
	if got := r.gathered(); got != "mark@95 begin@100" || r.received != 95 {
		t.Errorf("got %s, received %s", got, r.received)
	}
	if got := r.reached().Received; got != 101 {
		t.Errorf("inside a transaction %s is reached, want behind the start of its commit record", got)
	}
}

// What halts reading is left out in the one transaction that was named, and in
// no other; everything else of it is delivered.
func TestOnlyTheNamedTransactionIsPassed(t *testing.T) {
	truncate := &pgoutput.Truncate{Relations: []*pgoutput.Relation{things}}
	var told []checkpoint.Accepted
	r := newTestReader(t, func(r *Runner) {
		r.PassOver = 100
		r.PassedOver = func(a checkpoint.Accepted) { told = append(told, a) }
	})
	err := r.feed(t, things, &pgoutput.Begin{Final: 100}, inserted(1), truncate, inserted(2), &pgoutput.Commit{LSN: 100, End: 110})
	if got := r.gathered(); err != nil || got != "begin@100 1:1 3:2 commit@110" {
		t.Errorf("got %s, %v", got, err)
	}
	if len(told) != 1 || told[0].Span != "0/64..0/65" || !strings.Contains(told[0].Reason, "truncated") {
		t.Errorf("told %+v", told)
	}
	if err := r.feed(t, &pgoutput.Begin{Final: 120}, truncate); !errors.Is(err, errHalted) {
		t.Errorf("the next truncate: %v, want a halt", err)
	}
	if problem := r.status().Problem; !strings.Contains(problem, "cdcsync run --accept-gap 0/78..0/79") {
		t.Errorf("the halt does not name its place: %s", problem)
	}
}

// closedStore takes no saves in this life.
type closedStore struct{}

func (closedStore) Save(context.Context, checkpoint.Save) error {
	return fmt.Errorf("save state: %w", checkpoint.ErrClosed)
}

// What is left out has to be recorded first. Where it never can be, that ends the
// run, and is no connection to be made anew.
func TestLeavingOutNeedsAStore(t *testing.T) {
	r := newTestReader(t, func(r *Runner) { r.PassOver, r.Store = 100, closedStore{} })
	err := r.feed(t, things, &pgoutput.Begin{Final: 100}, &pgoutput.Truncate{Relations: []*pgoutput.Relation{things}})
	if !ends(err) || !errors.Is(err, checkpoint.ErrClosed) {
		t.Errorf("got %v, want the end of the run", err)
	}
	if ends(errors.New("save state: disk full")) {
		t.Error("an error that may pass ends the run")
	}
}

// A transaction that the server fails to decode is ended where it broke, if it
// is the one to be passed; reading goes on behind its commit record's start.
func TestUndecodedTransactionIsLeft(t *testing.T) {
	broken := &replication.Error{Reason: replication.Decoding, Err: errors.New("invalid memory alloc request size")}
	for _, over := range []delivery.LSN{0, 100, 101} {
		r := newTestReader(t, func(r *Runner) { r.PassOver = over })
		if err := r.feed(t, things, &pgoutput.Begin{Final: 100}, inserted(1)); err != nil {
			t.Fatal(err)
		}
		skipped, err := r.skipUndecoded(t.Context(), broken)
		if err != nil || skipped != (over == 100) {
			t.Fatalf("passing %d: skipped %v, %v", over, skipped, err)
		}
		if !skipped {
			if place := r.nameUndecodable(broken); !strings.Contains(place.Error(), "--accept-gap 0/64..0/65") || replication.Diagnose(place) != replication.Decoding {
				t.Errorf("the error does not name its place: %v", place)
			}
			continue
		}
		if got := r.gathered(); got != "begin@100 1:1 commit@101" || r.received != 101 || r.inside {
			t.Errorf("got %s up to %s", got, r.received)
		}
	}
}

// A connection that ends without having brought anything, again and again, is
// none, however often it is made.
func TestConnectionThatEndsAgainAndAgainIsNone(t *testing.T) {
	r := newTestReader(t, nil)
	broken := &replication.Error{Reason: replication.Decoding, Err: errors.New("cannot send")}
	seen := replication.Seen{End: 200}
	r.connected(seen, 90)
	if s := r.status(); !s.Connected || s.Problem != "" {
		t.Errorf("the first connection: %+v", s)
	}
	for n := range 3 {
		r.disconnected(broken, n+2)
		r.connected(seen, 90)
		if s := r.status(); s.Connected || !strings.Contains(s.Problem, "again and again") || !strings.Contains(s.Problem, "cannot send") {
			t.Errorf("connection %d: %+v", n+2, s)
		}
	}
	r.connection.since = time.Now().Add(-2 * time.Minute)
	if s := r.status(); !s.Connected {
		t.Errorf("one that stands for minutes: %+v", s)
	}
}

// brokenLink is a connection of tests.
type brokenLink chan struct{}

func (b brokenLink) Broken() <-chan struct{} { return b }
func (b brokenLink) Cause() error            { return io.ErrUnexpectedEOF }

// While memory is full, what was read before a halt waits to be handed over: a
// connection that breaks meanwhile is noticed all the same.
func TestAHaltedReaderNoticesABreakBehindFullMemory(t *testing.T) {
	r := newTestReader(t, nil)
	if err := r.feed(t, things, &pgoutput.Begin{Final: 100}, inserted(1)); err != nil {
		t.Fatal(err)
	}
	full := cap(r.runner.in)
	for range full {
		r.runner.in <- entryBuffer{}
	}
	link := make(brokenLink)
	close(link)
	if err := r.idle(t.Context(), nil, link); !errors.Is(err, io.ErrUnexpectedEOF) || len(r.entries) == 0 {
		t.Errorf("got %v with %d entries left, want the cause of the break, and nothing lost", err, len(r.entries))
	}

	link, stop := make(brokenLink), make(chan struct{})
	done := make(chan error)
	go func() { done <- r.idle(t.Context(), stop, link) }()
	for range full {
		<-r.runner.in
	}
	if got := <-r.runner.in; len(got.entries) == 0 {
		t.Error("what was read before the halt was not handed over")
	}
	close(stop)
	if err := <-done; !errors.Is(err, errStopped) {
		t.Errorf("got %v, want the stop", err)
	}
}

// Connections of a halted reader that end as soon as they are there are made
// anew with pauses that grow.
func TestAHaltedReaderIsInNoHurry(t *testing.T) {
	r := newTestReader(t, nil)
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithTimeout(context.Background(), 5*time.Minute)
		defer end()
		link, n := make(brokenLink), 0
		close(link)
		if err := r.holdSlotOver(life, nil, func() (breakable, error) { n++; return link, nil }); err != nil {
			t.Error(err)
		}
		if n < 10 || n > 20 {
			t.Errorf("%d connections in five minutes, want 10 to 20", n)
		}
	})
}
