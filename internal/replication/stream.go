package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// ErrClosed is returned by Next after Close or Abort.
var ErrClosed = errors.New("the stream is closed")

// Endpoint says which server a Stream is connected to.
type Endpoint struct {
	// System is the cluster's system identifier, a decimal number.
	System   string
	Timeline int32
	Database string
}

// Stream is one replication connection. One goroutine calls Next; Acknowledge,
// Close, Abort and the questions may be called from others. A Stream writes
// statuses by itself, whether or not anybody calls Next, so the connection
// lives while its reader is held back.
//
// Somebody must call Close or Abort, also after an error of Next: they wait
// for the Stream's goroutine.
type Stream struct {
	conn     net.Conn
	wire     *wire
	server   Endpoint
	interval time.Duration
	silence  time.Duration
	silences *atomic.Int32
	probe    func(context.Context) error
	logger   *slog.Logger

	// reading is held by Next, and guards what only the reader uses.
	reading   sync.Mutex
	decoder   pgoutput.Decoder
	keepalive pgoutput.Keepalive
	spin      spin
	// large is set while the last message has memory of its own.
	large bool
	err   error

	// received is the highest position that came on this connection, the
	// start included; acknowledged is what Acknowledge was called with.
	received, acknowledged atomic.Uint64
	messages               atomic.Uint64

	wake chan struct{} // something to tell the server soon
	// asking is set when somebody wants a sign of life.
	asking   atomic.Bool
	leaving  chan struct{} // closed by Close
	leave    sync.Once
	broken   chan struct{} // closed by fail
	breakage sync.Once
	cause    error         // why; set before broken is closed
	reported chan struct{} // closed when the reporting goroutine has ended
	unwatch  func() bool
}

// run starts the goroutine that reports to the server. The end of ctx breaks
// the stream.
func (s *Stream) run(ctx context.Context) {
	s.wake = make(chan struct{}, 1)
	s.leaving = make(chan struct{})
	s.broken = make(chan struct{})
	s.reported = make(chan struct{})
	s.wire.idle.Store(s.wire.now())
	s.unwatch = context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	go func() {
		defer close(s.reported)
		s.report(ctx)
	}()
}

// Next returns the next message, and waits for it: there is no deadline, as a
// server may be silent for long while it skips what is not published. It
// returns one of the types that Message lists. The message is valid until the
// next call. An error is final: the connection is closed, and every later
// call returns the same.
func (s *Stream) Next() (pgoutput.Message, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	for s.err == nil {
		m, err := s.receive()
		if m != nil {
			return m, nil
		}
		if err != nil {
			s.end(err)
		}
	}
	return nil, s.err
}

// end keeps the error that Next goes on returning. When the connection was
// broken from here, that reason counts and not what reading made of it.
func (s *Stream) end(err error) {
	s.fail(fmt.Errorf("read stream: %w", err))
	s.err = s.cause
}

// receive reads one message of the server; it returns neither message nor
// error for one that does not concern the caller.
func (s *Stream) receive() (pgoutput.Message, error) {
	if s.large {
		s.large = false
		s.decoder.Forget()
	}
	kind, body, err := s.wire.next()
	if err != nil {
		return nil, err
	}
	s.large = len(body) > usualBuffer
	select {
	case <-s.leaving:
		s.err = ErrClosed
		return nil, nil
	default:
	}
	if kind == 'd' {
		s.messages.Add(1)
		return s.copyData(body)
	}
	return nil, s.interlude(kind, body)
}

// The headers of what comes in CopyData messages: kind, two positions and a
// time; kind, position, time and a flag.
const (
	dataHeader    = 1 + 8 + 8 + 8
	keepaliveSize = 1 + 8 + 8 + 1
)

func (s *Stream) copyData(body []byte) (pgoutput.Message, error) {
	switch {
	case len(body) >= dataHeader && body[0] == 'w':
		// The header's positions are zero or those inside the message.
		m, err := s.decoder.Decode(body[dataHeader:])
		if err != nil {
			return nil, &Error{Reason: Protocol, Err: err}
		}
		s.spin.data()
		if commit, ok := m.(*pgoutput.Commit); ok {
			s.receivedUpTo(commit.End)
			s.silences.Store(0)
		}
		return m, nil
	case len(body) == keepaliveSize && body[0] == 'k':
		return s.alive(pgoutput.LSN(binary.BigEndian.Uint64(body[1:])), body[keepaliveSize-1] != 0)
	case len(body) == 0:
		return nil, problem(Protocol, "an empty CopyData message")
	}
	return nil, problem(Protocol, "a CopyData message of kind %q and %d bytes", body[0], len(body))
}

func (s *Stream) alive(end pgoutput.LSN, reply bool) (pgoutput.Message, error) {
	if reply {
		if s.spin.asked(time.Now(), end) {
			return nil, problem(Stopping, "the server is shutting down and waits for this stream to end")
		}
		s.nudge()
	}
	s.receivedUpTo(end)
	s.keepalive = pgoutput.Keepalive{WALEnd: end, Reply: reply}
	return &s.keepalive, nil
}

// receivedUpTo is called by the reader only.
func (s *Stream) receivedUpTo(lsn pgoutput.LSN) {
	if uint64(lsn) > s.received.Load() {
		s.received.Store(uint64(lsn))
	}
}

// Buffered reports whether Next would return without waiting for the network.
// Only the goroutine that calls Next may call it.
func (s *Stream) Buffered() bool { return s.wire.complete() }

// InTransaction reports whether a Begin has come whose Commit has not. Only
// the goroutine that calls Next may call it.
func (s *Stream) InTransaction() bool { return s.decoder.InTransaction() }

// TypeName names a type that is not built in, once the stream has described
// it. Only the goroutine that calls Next may call it.
func (s *Stream) TypeName(oid uint32) (pgoutput.TypeName, bool) { return s.decoder.TypeName(oid) }

// Server returns what the stream is connected to.
func (s *Stream) Server() Endpoint { return s.server }

// Ask has the server send a Keepalive now, which says how far it has read. It
// comes by itself only when something was written.
func (s *Stream) Ask() {
	s.asking.Store(true)
	s.nudge()
}

// Acknowledge says that everything up to lsn is settled and that the server may
// forget it: lsn is a Commit's End, or a Keepalive's WALEnd when everything
// before it is settled. Positions only move forward; a lower one is ignored.
// What lies beyond the last position received on this connection is told to
// the server when it has been received, not before.
func (s *Stream) Acknowledge(lsn pgoutput.LSN) {
	for {
		old := s.acknowledged.Load()
		if uint64(lsn) <= old {
			return
		}
		if s.acknowledged.CompareAndSwap(old, uint64(lsn)) {
			s.nudge()
			return
		}
	}
}

// nudge has a status written soon.
func (s *Stream) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Received returns the highest position received on this connection; at
// least the one where it started.
func (s *Stream) Received() pgoutput.LSN { return pgoutput.LSN(s.received.Load()) }

// Acknowledged returns the position that statuses acknowledge; zero before the first
// Acknowledge.
func (s *Stream) Acknowledged() pgoutput.LSN {
	return pgoutput.LSN(min(s.acknowledged.Load(), s.received.Load()))
}

// Counters returns the bytes read on this connection, and the messages,
// keepalives included.
func (s *Stream) Counters() (bytes, messages uint64) {
	return s.wire.bytes.Load(), s.messages.Load()
}

// Broken is closed when the connection is, from either side; Cause says why
// then. What came before may still be in Next.
func (s *Stream) Broken() <-chan struct{} { return s.broken }

// Cause returns why the connection broke; only once Broken is closed.
func (s *Stream) Cause() error { return s.cause }

// fail breaks the connection. The first error counts.
func (s *Stream) fail(err error) {
	s.breakage.Do(func() {
		s.cause = err
		close(s.broken)
		_ = s.conn.Close() // what it held back is lost either way
	})
}
