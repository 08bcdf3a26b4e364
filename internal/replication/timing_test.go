package replication_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
	"github.com/cdcsync/cdcsync/internal/replication"
)

func open(t *testing.T, source *replication.Source, from pgoutput.LSN) *replication.Stream {
	t.Helper()
	s, err := source.Stream(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Abort)
	return s
}

// TestStatusInterval: an hour during which nobody reads. The server hears of
// us at least every interval, and never that anything is confirmed.
func TestStatusInterval(t *testing.T) {
	tests := []struct {
		name          string
		senderTimeout string
		configured    time.Duration
		want          time.Duration
	}{
		{"default", "60000", 0, 10 * time.Second},
		{"a third of the server's timeout", "6000", 0, 2 * time.Second},
		{"no timeout", "0", 0, 10 * time.Second},
		{"configured", "60000", 3 * time.Second, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWalsender(t)
				w.senderTimeout = tt.senderTimeout
				source := w.source()
				source.StatusInterval = tt.configured
				begun := time.Now()
				s := open(t, source, 0x64)
				time.Sleep(time.Hour)
				s.Abort()
				last := begun
				for i, status := range w.seen() {
					if gap := status.at.Sub(last); gap > tt.want {
						t.Fatalf("%s between statuses, want at most %s", gap, tt.want)
					}
					if status.write != 0x64 || status.flush != 0 || status.apply != 0 {
						t.Fatalf("status %d = %+v, want write 64, flush and apply 0", i, status)
					}
					last = status.at
				}
				if rest := begun.Add(time.Hour).Sub(last); rest > tt.want {
					t.Errorf("no status in the last %s", rest)
				}
			})
		})
	}
}

// TestStatusPositions: what a status says before and after a transaction was
// received and confirmed, and that nothing above what came is ever said.
func TestStatusPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		w.script = func(w *walsender) {
			w.send(data(pgoutputtest.Begin(0x90)), data(pgoutputtest.Commit(0x90, 0xa0)), keepalive(0xb0, false))
		}
		s := open(t, w.source(), 0)
		s.Acknowledge(0x95) // settled in an earlier life; not yet received in this one
		time.Sleep(time.Millisecond)
		for range 2 {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
			if s.Acknowledged() > s.Received() {
				t.Errorf("confirmed %s of %s received", s.Acknowledged(), s.Received())
			}
		}
		synctest.Wait()
		time.Sleep(200 * time.Millisecond)
		if !s.Buffered() {
			t.Error("Buffered() = false with a keepalive in memory")
		}
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		if s.Buffered() {
			t.Error("Buffered() = true with nothing left")
		}
		s.Acknowledge(0xa0)
		time.Sleep(200 * time.Millisecond)
		s.Abort()
		seen := w.seen()
		for i, status := range seen {
			if status.flush > status.write || status.flush != status.apply || i > 0 && status.flush < seen[i-1].flush {
				t.Errorf("status %d = %+v", i, status)
			}
		}
		if first := seen[0]; first.write != 0x64 || first.flush > 0x64 {
			t.Errorf("the first status = %+v, want write 64, where the slot stands, and no more confirmed", first)
		}
		if last := seen[len(seen)-1]; last.write != 0xb0 || last.flush != 0xa0 {
			t.Errorf("the last status = %+v, want write b0, flush a0", last)
		}
	})
}

// TestAcknowledgeRate: a thousand acknowledgements in a second make ten statuses.
func TestAcknowledgeRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		s := open(t, w.source(), 0xf000)
		for i := range 1000 {
			s.Acknowledge(pgoutput.LSN(i + 1))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(150 * time.Millisecond)
		s.Abort()
		seen := w.seen()
		if len(seen) < 36 || len(seen) > 44 {
			t.Errorf("%d statuses for a second of confirmations, want about 41", len(seen))
		}
		if last := seen[len(seen)-1]; last.flush != 1000 {
			t.Errorf("the last status confirms %d, want 1000", last.flush)
		}
	})
}

// TestSpin: a server that is shutting down answers every status with a
// request for the next. The stream paces its answers and ends.
func TestSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		w.answer = func(w *walsender, _ standbyStatus) { go w.send(keepalive(0xb0, true)) }
		s := open(t, w.source(), 0)
		begun := time.Now()
		for {
			if _, err := s.Next(); err != nil {
				wantReason(t, err, replication.Stopping)
				if class := replication.Classify(err); class != replication.RetrySoon {
					t.Errorf("class = %v, want %v", class, replication.RetrySoon)
				}
				break
			}
		}
		if took := time.Since(begun); took < time.Second || took > 5*time.Second {
			t.Errorf("it took %s, want time enough to confirm, and not much more", took)
		}
		if n, most := len(w.seen()), 10*int(time.Since(begun)/time.Second+1); n > most {
			t.Errorf("%d statuses, want at most %d", n, most)
		}
	})
}

// TestNoSpin: requests between data, or far apart, are no shutdown.
func TestNoSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		w.script = func(w *walsender) {
			for i := range uint64(100) {
				w.send(data(pgoutputtest.Begin(0x100+2*i)), data(pgoutputtest.Commit(0x100+2*i, 0x101+2*i)), keepalive(0xf00, true))
				time.Sleep(10 * time.Millisecond)
			}
			for range 100 {
				w.send(keepalive(0xf00, true))
				time.Sleep(time.Second)
			}
			for i := range uint64(100) {
				w.send(keepalive(0xf00+i, true))
			}
			w.send(data(pgoutputtest.Start('Q')))
		}
		s := open(t, w.source(), 0)
		for {
			if _, err := s.Next(); err != nil {
				wantReason(t, err, replication.Protocol)
				return
			}
		}
	})
}

// TestSilence: a server that says nothing although it was asked is given up,
// later the next time, as it may only be busy.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		source := w.source()
		limit := time.Minute
		for range 6 {
			s := open(t, source, 0)
			begun := time.Now()
			_, err := s.Next()
			wantReason(t, err, replication.Silent)
			if took := time.Since(begun); took < limit || took > limit+15*time.Second {
				t.Errorf("given up after %s, want about %s", took, limit)
			}
			s.Abort()
			limit = min(2*limit, 8*time.Minute)
		}
		asked := 0
		for _, status := range w.seen() {
			if status.reply {
				asked++
			}
		}
		if asked == 0 {
			t.Error("the server was never asked for a sign of life")
		}
	})
}

// TestQuietServer: a server that answers when asked is left alone.
func TestQuietServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		w.answer = func(w *walsender, s standbyStatus) {
			if s.reply {
				go w.send(keepalive(0x64, false))
			}
		}
		s := open(t, w.source(), 0)
		ended := drain(s, false)
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("the stream ended: %v", err)
		default:
		}
		s.Abort()
		<-ended
	})
}

// TestStoppingWhileNobodyReads: the question on the side finds out; any other
// refusal means nothing.
func TestStoppingWhileNobodyReads(t *testing.T) {
	for code, reason := range map[string]replication.Reason{"57P03": replication.Stopping, "53300": replication.Cancelled} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWalsender(t)
				s := open(t, w.source(), 0)
				w.mu.Lock()
				w.refuse = &pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: "no"}
				w.mu.Unlock()
				time.Sleep(time.Minute)
				s.Abort()
				_, err := s.Next()
				wantReason(t, err, reason)
			})
		})
	}
}

// TestEnds: what the server may send beside data, and how the stream ends.
func TestEnds(t *testing.T) {
	tests := []struct {
		name   string
		sent   pgproto3.BackendMessage
		reason replication.Reason
	}{
		{"publication skipped", &pgproto3.NoticeResponse{Severity: "WARNING", Code: "55000", Message: `skipped loading publication "p"`}, replication.PublicationMissing},
		{"the same, translated", &pgproto3.NoticeResponse{Severity: "WARNUNG", Code: "55000", Message: "…", Routine: "LoadPublications"}, replication.PublicationMissing},
		{"publication missing", &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704", Message: "no"}, replication.PublicationMissing},
		{"column lists differ", &pgproto3.ErrorResponse{Severity: "ERROR", Code: "0A000", Message: "no"}, replication.PublicationUnsuitable},
		{"terminated", &pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P01", Message: "no"}, replication.Terminated},
		{"disk full", &pgproto3.ErrorResponse{Severity: "ERROR", Code: "53100", Message: "no"}, replication.Exhausted},
		{"unknown", &pgproto3.ErrorResponse{Severity: "ERROR", Code: "XX000", Message: "no"}, replication.ServerError},
		{"end of the command", &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, replication.Stopping},
		{"end of the copy", &pgproto3.CopyDone{}, replication.Stopping},
		{"foreign message", &pgproto3.ParseComplete{}, replication.Protocol},
		{"bad change", data(pgoutputtest.Start('I').U32(9)), replication.Protocol},
		{"empty data", &pgproto3.CopyData{}, replication.Protocol},
		{"unknown data", &pgproto3.CopyData{Data: []byte("x")}, replication.Protocol},
		{"short keepalive", &pgproto3.CopyData{Data: []byte("k0000")}, replication.Protocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWalsender(t)
				w.script = func(w *walsender) {
					w.send(&pgproto3.ParameterStatus{Name: "work_mem", Value: "1"},
						&pgproto3.NoticeResponse{Severity: "NOTICE", Code: "00000", Message: "nothing"},
						&pgproto3.NotificationResponse{Channel: "c"}, keepalive(0x70, false), tt.sent)
				}
				s := open(t, w.source(), 0)
				if m, err := s.Next(); err != nil {
					t.Fatalf("Next() = %v, %v; want the keepalive", m, err)
				}
				_, err := s.Next()
				wantReason(t, err, tt.reason)
				if _, again := s.Next(); again != err {
					t.Errorf("Next() again = %v, want the same error", again)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Errorf("Close() = %v after Next's error", err)
				}
			})
		})
	}
}

// TestCloseOfADeadServer: Close is bounded.
func TestCloseOfADeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalsender(t)
		stuck := make(chan struct{})
		w.answer = func(*walsender, standbyStatus) { <-stuck }
		s := open(t, w.source(), 0)
		time.Sleep(time.Second)
		begun := time.Now()
		if err := s.Close(t.Context()); err == nil {
			t.Error("Close() of a server that does not read: got no error")
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("Close took %s", took)
		}
		close(stuck)
	})
}

func TestSessionChecks(t *testing.T) {
	tests := []struct {
		name   string
		change func(*walsender)
		reason replication.Reason
	}{
		{"dates", func(w *walsender) { w.parameters["DateStyle"] = "German, DMY" }, replication.Session},
		{"zone", func(w *walsender) { w.parameters["TimeZone"] = "Europe/Berlin" }, replication.Session},
		{"encoding", func(w *walsender) { w.parameters["client_encoding"] = "LATIN1" }, replication.Session},
		{"bytea", func(w *walsender) { w.byteaOutput = "escape" }, replication.Session},
		{"version", func(w *walsender) { w.version = "new" }, replication.Protocol},
		{"timeout", func(w *walsender) { w.senderTimeout = "1min" }, replication.Protocol},
		{"starting up", func(w *walsender) { w.refuse = &pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P03"} }, replication.Unavailable},
		{"password", func(w *walsender) { w.refuse = &pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01"} }, replication.Credentials},
		{"invalidated", func(w *walsender) {
			w.slot = strings.Replace(w.slot, `"retained"`, `"invalidation_reason":"idle_timeout","retained"`, 1)
		}, replication.SlotLost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWalsender(t)
			tt.change(w)
			_, err := w.source().Stream(t.Context(), 0)
			wantReason(t, err, tt.reason)
		})
	}
}

// TestStartCommand: logical messages are asked for where somebody wants them and
// the server has them.
func TestStartCommand(t *testing.T) {
	const plain = `START_REPLICATION SLOT "s" LOGICAL 0/64 (proto_version '1', publication_names '"p"'`
	for _, test := range []struct {
		version  string
		messages bool
		want     string
	}{
		{"130021", true, plain + ")"},
		{"140000", true, plain + ", messages 'true')"},
		{"140000", false, plain + ")"},
	} {
		w := newWalsender(t)
		w.version = test.version
		source := w.source()
		source.Messages = test.messages
		open(t, source, 0)
		if got := w.commands[len(w.commands)-1]; got != test.want {
			t.Errorf("version %s, messages %v: %s, want %s", test.version, test.messages, got, test.want)
		}
	}
}

func TestDialError(t *testing.T) {
	source := newWalsender(t).source()
	source.Dial = (&net.Dialer{Timeout: time.Nanosecond}).DialContext
	_, err := source.Inspect(t.Context())
	wantReason(t, err, replication.Network)
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error %q has several lines", err)
	}
	if replication.Classify(errors.New("anything")) != replication.RetrySoon || replication.Diagnose(nil) != replication.NoReason {
		t.Error("an unknown error is not retried soon, or nil has a reason")
	}
}
