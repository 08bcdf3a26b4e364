package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

const (
	// statusPause is the least time between two statuses, so that a server that
	// keeps asking gets no more than 10 a second; acknowledgePause that before one
	// that acknowledges more than the last, as what was acknowledged last of all
	// should not wait for long.
	statusPause      = 100 * time.Millisecond
	acknowledgePause = 25 * time.Millisecond
	// writeTimeout bounds one write of a status. It is a deadline on writing
	// alone: one on reading would cut the stream, and the server reads its
	// few bytes even while it cannot send.
	writeTimeout = 30 * time.Second
	// heldBack is how long nobody reads before the server is asked on the
	// side whether it is shutting down, and heldBackPause the time between
	// two such questions. Who does not read cannot see that it waits, and it
	// waits without end: an operator who stops it waits for no more than that.
	heldBack      = 5 * time.Second
	heldBackPause = 8 * time.Second
)

// report writes statuses until the stream breaks, or is closed: then it says
// goodbye. It is the only writer on the connection.
func (s *Stream) report(ctx context.Context) {
	var buf []byte
	var last, probed time.Time
	var told pgoutput.LSN // what the last status acknowledged
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.broken:
			return
		case <-s.leaving:
			buf = s.status(false).append(buf[:0])
			if err := s.write(append(buf, 'c', 0, 0, 0, 4)); err != nil {
				s.fail(fmt.Errorf("write last status: %w", err))
			}
			return
		case <-s.wake:
			pause := statusPause
			if s.Acknowledged() > told {
				pause = acknowledgePause
			}
			timer.Reset(max(0, pause-time.Since(last)))
			continue
		case <-timer.C:
		}
		waited := s.waited()
		if waited >= s.silence {
			s.silences.Add(1)
			s.fail(problem(Silent, "read stream: the server was silent for %s and did not answer", waited.Round(time.Second)))
			return
		}
		last = time.Now()
		report := s.status(s.asking.Swap(false) || waited >= s.silence/2)
		told, buf = report.flush, report.append(buf[:0])
		failpoint.Hit("status.before")
		if err := s.write(buf); err != nil {
			s.fail(fmt.Errorf("write status: %w", err))
			return
		}
		failpoint.Hit("status.after")
		next := min(s.interval, s.silence/4, heldBackPause)
		switch unread := s.unread(); {
		case unread >= heldBack && time.Since(probed) >= heldBackPause:
			probed = last
			s.askOnTheSide(ctx)
		case unread > 0:
			next = min(next, max(heldBack-unread, heldBackPause-time.Since(probed)))
		}
		timer.Reset(next)
	}
}

func (s *Stream) status(reply bool) status {
	received, acknowledged := s.Received(), s.Acknowledged()
	return status{write: received, flush: acknowledged, apply: acknowledged, at: time.Now(), reply: reply}
}

func (s *Stream) write(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// waited is how long the reader has been waiting for the server; zero while
// it does not.
func (s *Stream) waited() time.Duration {
	if since := s.wire.waiting.Load(); since != 0 {
		return time.Duration(s.wire.now() - since)
	}
	return 0
}

// unread is how long nobody has read; zero while the reader waits.
func (s *Stream) unread() time.Duration {
	if s.wire.waiting.Load() != 0 {
		return 0
	}
	return time.Duration(s.wire.now() - s.wire.idle.Load())
}

// askOnTheSide breaks the stream when the server says that it is shutting
// down: it would wait for us for ever. Any other answer, and none, says
// nothing about the stream.
func (s *Stream) askOnTheSide(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(s.interval, 3*time.Second))
	defer cancel()
	if err := s.probe(ctx); Diagnose(err) == Unavailable {
		s.fail(problem(Stopping, "read stream: the server is shutting down and waits for this stream to end"))
	}
}

// Leave begins what Close ends: the last status and the end of the copy are
// written, and Next returns ErrClosed, one that waits as soon as the server has
// answered. It returns at once. A Close that follows once nobody is in Next, or
// uses a message, is safe beside another goroutine that reads.
func (s *Stream) Leave() { s.leave.Do(func() { close(s.leaving) }) }

// Close ends the stream in order: a last status with the acknowledged position,
// then the end of the copy, so that the server has read both before the
// connection goes. A Next that waits returns ErrClosed. When ctx ends first,
// or after 5 seconds, the connection is cut; then the error says so, and the
// server may not know the last acknowledged position. After an error of Next
// there is nothing left to say, and Close returns nil. It ends the validity of
// the last message.
func (s *Stream) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	cut := context.AfterFunc(ctx, func() { s.fail(fmt.Errorf("close stream: %w", context.Cause(ctx))) })
	defer cut()
	s.Leave()
	<-s.reported

	s.reading.Lock()
	defer s.reading.Unlock()
	defer s.unwatch()
	if s.err != nil && s.err != ErrClosed {
		return nil
	}
	s.err = ErrClosed
	err := s.drain()
	s.fail(ErrClosed)
	return err
}

// drain reads what the server still sends, up to the end of the copy.
func (s *Stream) drain() error {
	for {
		kind, _, err := s.wire.next()
		select {
		case <-s.broken:
			if s.cause == ErrClosed {
				return nil // closed before
			}
			return s.cause
		default:
		}
		switch {
		case err != nil:
			return fmt.Errorf("close stream: %w", err)
		case kind == 'E':
			return nil // the server ends the session its own way
		case kind == 'Z':
			goodbye, err := (&pgproto3.Terminate{}).Encode(nil)
			if err != nil {
				return fmt.Errorf("close stream: %w", err)
			}
			return s.write(goodbye)
		}
	}
}

// Abort cuts the connection at once. A Next that waits returns ErrClosed.
func (s *Stream) Abort() {
	s.fail(ErrClosed)
	<-s.reported
	s.unwatch()
}
