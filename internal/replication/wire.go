package replication

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

const (
	// usualBuffer is what one read may bring. Fewer, larger reads are most of
	// what a reader of many small messages can save.
	usualBuffer = 256 << 10
	// largestMessage is the server's own limit for a message.
	largestMessage = 1 << 30

	// A walsender writes every row by itself, and who reads a backlog as fast
	// as it comes gets every row by itself: both then spend more on waking
	// each other than on the rows. So while as much as busyBytes came in the
	// last busyTime, the reader lets rows come together for gatherTime after
	// a read of less than smallRead. A stream that is not that busy waits for
	// nothing.
	busyBytes  = 10 << 10
	busyTime   = 10 * time.Millisecond
	smallRead  = 64 << 10
	gatherTime = time.Millisecond
	// nearGatherTime is that of a narrow inbox: rows that fill the window come
	// one by one, those behind them together.
	nearGatherTime = 2 * time.Millisecond
)

// wire cuts the server's bytes into protocol messages without copying them.
//
// While the session is set up, pgconn reads through it; then Read hands out
// one byte at a time, so that pgconn holds nothing back when the stream takes
// over with next.
type wire struct {
	r          io.Reader
	buf        []byte
	start, end int

	// waiting is when the reader began to wait for the server, zero while it
	// does not; idle is when it last stopped. Both in clock's nanoseconds.
	waiting, idle atomic.Int64
	bytes         atomic.Uint64
	clock         time.Time

	// gather is how long to let rows come together while the stream is busy;
	// zero means not at all. Since began, came bytes and messages have come,
	// lastRead of the bytes in the last read.
	gather time.Duration
	// large, where there is one, reads a CopyData message that is larger than
	// the buffer: its body.
	large func(size int) ([]byte, error)
	// suit, where there is one, is told the mean size of a busy stream's
	// messages now and then.
	suit     func(mean int)
	busy     bool
	began    int64
	came     int
	messages int
	lastRead int
}

func newWire(r io.Reader) *wire {
	return &wire{r: r, buf: make([]byte, usualBuffer), clock: time.Now()}
}

// gatherOn has the rows of a busy stream on conn come together. Over TLS that
// would gain nothing and cost all: a read returns one record, which is one row,
// however many have come.
func (w *wire) gatherOn(conn net.Conn) {
	if _, encrypted := conn.(*tls.Conn); encrypted {
		return
	}
	w.gather = gatherTime
	if i := newInbox(conn, w.r); i != nil {
		w.r, w.gather, w.suit = i, i.gather(), i.suit
	}
}

// now is the time on wire's own clock; never zero.
func (w *wire) now() int64 { return int64(time.Since(w.clock)) + 1 }

func (w *wire) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if w.start == w.end {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	p[0] = w.buf[w.start]
	w.start++
	return 1, nil
}

// next returns the next message's kind and body. The body is valid until the
// next call.
func (w *wire) next() (byte, []byte, error) {
	for {
		size, err := w.size()
		if err != nil {
			return 0, nil, err
		}
		if size > 0 && w.end-w.start >= size {
			message := w.buf[w.start : w.start+size : w.start+size]
			w.start += size
			w.messages++
			return message[0], message[5:], nil
		}
		if size > usualBuffer && w.large != nil && w.buf[w.start] == 'd' {
			body, err := w.large(size)
			return 'd', body, err
		}
		if err := w.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// size is the size of the message that begins at start, zero while its header
// is not here.
func (w *wire) size() (int, error) {
	if w.end-w.start < 5 {
		return 0, nil
	}
	length := binary.BigEndian.Uint32(w.buf[w.start+1:])
	if length < 4 || length > largestMessage {
		return 0, fmt.Errorf("a message of %d bytes", length)
	}
	return 1 + int(length), nil
}

// complete reports whether next would return without reading.
func (w *wire) complete() bool {
	size, err := w.size()
	return err != nil || size > 0 && w.end-w.start >= size
}

// fill reads once, behind the part of a message that is already here. Memory
// grows with what has come, not with what a header announces.
func (w *wire) fill() error {
	held := w.end - w.start
	switch {
	case held == 0 && len(w.buf) > usualBuffer:
		w.buf = make([]byte, usualBuffer)
	case held == len(w.buf):
		grown := make([]byte, 2*len(w.buf))
		copy(grown, w.buf)
		w.buf = grown
	case w.start > 0: // at most the beginning of one message
		copy(w.buf, w.buf[w.start:w.end])
	}
	w.start, w.end = 0, held

	n, err := w.read(w.buf[w.end:])
	w.end += n
	w.bytes.Add(uint64(n))
	switch {
	case n > 0:
		return nil // an error will come again
	case err == io.EOF && held > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}

// read reads at least one byte, or returns an error.
func (w *wire) read(p []byte) (n int, err error) {
	if w.gather > 0 && w.busy && w.lastRead < smallRead {
		time.Sleep(w.gather)
	}
	w.waiting.Store(w.now())
	defer func() {
		now := w.now()
		w.idle.Store(now)
		w.waiting.Store(0)
		w.note(n, now)
	}()
	for range 100 { // a Reader may return nothing, but not for ever
		if n, err = w.r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// note takes in a read of n bytes for the question whether the stream is busy.
func (w *wire) note(n int, now int64) {
	w.lastRead = n
	w.came += n
	if took := time.Duration(now - w.began); took >= busyTime {
		w.busy = float64(w.came)/took.Seconds() >= busyBytes/busyTime.Seconds()
		if w.busy && w.suit != nil {
			w.suit(w.came / max(1, w.messages))
		}
		w.began, w.came, w.messages = now, 0, 0
	}
}
