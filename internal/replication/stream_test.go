package replication_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const table = "CREATE TABLE t (id int PRIMARY KEY, s text)"

// sender returns a column of the stream's row in pg_stat_replication.
func (d *database) sender(column string) string {
	d.t.Helper()
	return d.value("SELECT " + column + " FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = '" + d.name + "'")
}

func (d *database) confirmedFlush() pgoutput.LSN {
	d.t.Helper()
	lsn, err := pgoutput.ParseLSN(d.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" + d.name + "'"))
	if err != nil {
		d.t.Fatal(err)
	}
	return lsn
}

// drain reads in the background, as a consumer that has confirmed all or
// waits for Marketo does, and hands over the error that ends the stream.
// With confirm, every position is confirmed as it comes.
func drain(s *replication.Stream, confirm bool) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for {
			m, err := s.Next()
			if err != nil {
				ended <- err
				return
			}
			switch m := m.(type) {
			case *pgoutput.Commit:
				if confirm {
					s.Acknowledge(m.End)
				}
			case *pgoutput.Keepalive:
				if confirm && !s.InTransaction() {
					s.Acknowledge(m.WALEnd)
				}
			}
		}
	}()
	return ended
}

// wantEnd waits for the end of the stream, for one of these reasons.
func wantEnd(t *testing.T, ended <-chan error, reasons ...replication.Reason) {
	t.Helper()
	select {
	case err := <-ended:
		if got := replication.Diagnose(err); !slices.Contains(reasons, got) {
			t.Errorf("the stream ended with %v, reason %q; want %q", err, got, reasons)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the stream did not end")
	}
}

// TestNothingConfirmed: what was received is written, not flushed, until
// Confirm says so; then exactly that is.
func TestNothingConfirmed(t *testing.T) {
	d := newDatabase(t, table)
	point := d.capture("t")
	d.exec("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b')")
	s := d.stream(0)
	_, first := d.read(s, 1)
	_, second := d.read(s, 1)
	if s.Received() < second || s.Acknowledged() != 0 {
		t.Errorf("received %s, confirmed %s; want at least %s and 0/0", s.Received(), s.Acknowledged(), second)
	}
	ended := drain(s, false)
	clustertest.Eventually(t, "the server knows what was received", func() bool {
		write, err := pgoutput.ParseLSN(d.sender("write_lsn"))
		return err == nil && write >= second
	})
	if flush, replay := d.sender("flush_lsn"), d.sender("replay_lsn"); flush != "" || replay != "" {
		t.Errorf("flush %q, replay %q; want none", flush, replay)
	}
	if got := d.confirmedFlush(); got != point {
		t.Errorf("the slot moved from %s to %s before anything was confirmed", point, got)
	}

	s.Acknowledge(first)
	clustertest.Eventually(t, "the slot moves", func() bool { return d.confirmedFlush() == first })
	s.Acknowledge(first - 1)
	if got := s.Acknowledged(); got != first {
		t.Errorf("Acknowledged() = %s after acknowledging less, want %s", got, first)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close() = %v", err)
	}
	wantEnd(t, ended, replication.Cancelled)
	if got := d.confirmedFlush(); got != first {
		t.Errorf("the slot stands at %s, want %s", got, first)
	}
}

// TestAcknowledgeBeyond: a position that was not received is not acknowledged.
func TestAcknowledgeBeyond(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	d.exec("INSERT INTO t VALUES (1, 'a')")
	s := d.stream(0)
	_, end := d.read(s, 1)
	s.Acknowledge(0xff00000000)
	if got := s.Acknowledged(); got < end || got > s.Received() {
		t.Errorf("Acknowledged() = %s, want what was received, %s", got, s.Received())
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.confirmedFlush(); got != s.Received() {
		t.Errorf("the slot stands at %s, want %s", got, s.Received())
	}
	d.exec("INSERT INTO t VALUES (2, 'b')")
	got, _ := d.read(d.stream(s.Received()), 1)
	if !strings.Contains(got, `"2" "b"`) {
		t.Errorf("after it the stream has %q, want the next row", got)
	}
}

// TestCloseTells: the last confirmed position reaches the server although it
// is confirmed only just before Close.
func TestCloseTells(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	from := pgoutput.LSN(0)
	for i := range 5 {
		d.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 'x')", i))
		s := d.stream(from)
		_, end := d.read(s, 1)
		s.Acknowledge(end)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.confirmedFlush(); got != end {
			t.Errorf("round %d: the slot stands at %s, want %s", i, got, end)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close() again = %v", err)
		}
		if _, err := s.Next(); !errors.Is(err, replication.ErrClosed) {
			t.Errorf("Next() after Close = %v, want ErrClosed", err)
		}
		from = end
	}
}

// TestCloseWithBacklog: Close does not wait for a reader, and copes with
// messages that nobody will read.
func TestCloseWithBacklog(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	d.exec("INSERT INTO t VALUES (0, 'first')", "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 10000) i")
	s := d.stream(0)
	_, end := d.read(s, 1)
	s.Acknowledge(end)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.confirmedFlush(); got != end {
		t.Errorf("the slot stands at %s, want %s", got, end)
	}
}

func TestAbortAndCancel(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	s := d.stream(0)
	ended := drain(s, false)
	s.Abort()
	wantEnd(t, ended, replication.Cancelled)
	s.Abort()

	ctx, cancel := context.WithCancelCause(t.Context())
	var cancelled *replication.Stream
	clustertest.Eventually(t, "the slot is free", func() bool {
		var err error
		cancelled, err = d.source.Stream(ctx, 0)
		return err == nil
	})
	ended = drain(cancelled, false)
	reason := errors.New("enough")
	cancel(reason)
	if err := <-ended; !errors.Is(err, reason) {
		t.Errorf("Next() = %v, want the context's cause", err)
	}
	if err := cancelled.Close(t.Context()); err != nil {
		t.Errorf("Close() after Next's error = %v", err)
	}
}

// TestHeldBack: a consumer that does not read for longer than
// wal_sender_timeout stays connected, and then gets everything.
func TestHeldBack(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	d.exec("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i", "INSERT INTO t VALUES (0, 'last')")
	s := d.stream(0)
	m, err := s.Next()
	if err != nil {
		t.Fatalf("Next() = %v, %v", m, err)
	}
	pid := d.sender("pid")
	time.Sleep(2 * senderTimeout) // the thing that is tested is that time passes
	if now := d.sender("pid"); pid == "" || now != pid {
		t.Fatalf("walsender %q became %q", pid, now)
	}
	changes := 0
	for commits := 0; commits < 2; {
		m, err := s.Next()
		if err != nil {
			t.Fatalf("Next() = %v after %d rows", err, changes)
		}
		switch m.(type) {
		case *pgoutput.Change:
			changes++
		case *pgoutput.Commit:
			commits++
		}
	}
	if changes != 20001 {
		t.Errorf("%d rows, want 20001", changes)
	}
}

// TestIdle: work that is not published moves the slot through keepalives, and
// an idle stream lives.
func TestIdle(t *testing.T) {
	d := newDatabase(t, table+"; CREATE TABLE other (id int)")
	d.capture("t")
	s := d.stream(0)
	ended := drain(s, true)
	d.exec("INSERT INTO other SELECT generate_series(1, 1000)")
	end, err := pgoutput.ParseLSN(d.value("SELECT pg_current_wal_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	clustertest.Eventually(t, "a keepalive moves the slot", func() bool { return d.confirmedFlush() >= end })
	pid := d.sender("pid")
	time.Sleep(senderTimeout + senderTimeout/2) // idle for longer than the timeout
	if now := d.sender("pid"); now != pid {
		t.Errorf("walsender %q became %q", pid, now)
	}
	s.Abort()
	wantEnd(t, ended, replication.Cancelled)
}

// TestCrash: after a crash the slot is behind what was confirmed; a stream
// from the consumer's own position repeats nothing.
func TestCrash(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	d.exec("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b')")
	s := d.stream(0)
	d.read(s, 1)
	_, end := d.read(s, 1)
	s.Acknowledge(end)
	clustertest.Eventually(t, "the slot moves", func() bool { return d.confirmedFlush() == end })
	ended := drain(s, false)

	if err := d.cluster.Stop(t.Context(), cluster.Immediate); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if class := replication.Classify(err); class != replication.RetrySoon {
			t.Errorf("a crash gives %v, class %v, want %v", err, class, replication.RetrySoon)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the stream survived its server")
	}
	_, err := d.source.Stream(t.Context(), end)
	wantReason(t, err, replication.Network)
	if err := d.cluster.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.confirmedFlush(); got >= end {
		t.Logf("the slot stands at %s after the crash: a checkpoint has saved %s before it", got, end)
	}
	d.exec("INSERT INTO t VALUES (3, 'c')")
	got, _ := d.read(d.stream(end), 1)
	wantLines(t, got, "relation public.t DEFAULT (id* s)", `insert t: - -> "3" "c"`)
}

func TestTerminated(t *testing.T) {
	d := newDatabase(t, table)
	d.capture("t")
	s := d.stream(0)
	ended := drain(s, false)
	d.exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '" + d.name + "'")
	wantEnd(t, ended, replication.Terminated)
	if _, err := s.Next(); replication.Diagnose(err) != replication.Terminated {
		t.Errorf("Next() again = %v, want the same error", err)
	}
}

// TestFastShutdown: a server stops at once when everything is confirmed, and
// otherwise as soon as the stream has understood what it waits for.
func TestFastShutdown(t *testing.T) {
	for _, confirm := range []bool{true, false} {
		t.Run(fmt.Sprint("confirm=", confirm), func(t *testing.T) {
			d := newDatabase(t, table)
			d.capture("t")
			s := d.stream(0)
			d.exec("INSERT INTO t VALUES (1, 'a')")
			if !confirm {
				_, end := d.read(s, 1)
				s.Acknowledge(end) // behind the WAL's end: that is what holds the server up
				d.exec("INSERT INTO t VALUES (2, 'b')")
				d.read(s, 1)
				clustertest.Eventually(t, "the server knows", func() bool { return d.confirmedFlush() == end })
			}
			ended := drain(s, confirm)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := d.cluster.Stop(ctx, cluster.Fast); err != nil {
				t.Errorf("the server did not stop: %v", err)
			}
			// A walsender may also be caught before it counts as streaming;
			// then it ends like any session.
			wantEnd(t, ended, replication.Stopping, replication.Terminated)
			if err := d.cluster.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestShutdownWhileNobodyReads: a consumer that is held back does not see the
// server's keepalives, and still lets it stop.
func TestShutdownWhileNobodyReads(t *testing.T) {
	if testing.Short() {
		t.Skip("waits 10 seconds")
	}
	d := newDatabase(t, table)
	d.capture("t")
	s := d.stream(0)
	d.exec("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b')")
	_, end := d.read(s, 1)
	s.Acknowledge(end)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := d.cluster.Stop(ctx, cluster.Fast); err != nil {
		t.Errorf("the server did not stop: %v", err)
	}
	for {
		if _, err := s.Next(); err != nil {
			wantReason(t, err, replication.Stopping)
			break
		}
	}
	if err := d.cluster.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}
