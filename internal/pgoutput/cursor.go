package pgoutput

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// cursor reads a message's fields in order. The first failure sticks: after
// it every read returns zero, so that a decoder can read a whole structure
// and look at err once. It never reads beyond the message and never panics.
type cursor struct {
	rest []byte
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	c.rest = nil
}

// take returns the next n bytes, which alias the message.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.fail("truncated: %d bytes wanted, %d left", n, len(c.rest))
		return nil
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) lsn() LSN { return LSN(c.uint64()) }

// string reads a string that ends in a zero byte.
func (c *cursor) string() string {
	end := bytes.IndexByte(c.rest, 0)
	if end < 0 {
		c.fail("truncated: a string without an end in %d bytes", len(c.rest))
		return ""
	}
	s := string(c.rest[:end])
	c.rest = c.rest[end+1:]
	return s
}

// count reads an element count and checks it against what the message can
// hold when an element takes at least size bytes, so that a bad count cannot
// ask for more memory than the message has.
func (c *cursor) count(n, size int) int {
	if c.err == nil && (n < 0 || n > len(c.rest)/size) {
		c.fail("truncated: %d elements announced, %d bytes left", n, len(c.rest))
	}
	if c.err != nil {
		return 0
	}
	return n
}

// Epoch is PostgreSQL's zero of time, 2000-01-01 00:00 UTC, in microseconds
// of Unix time.
const Epoch = 946684800 * 1_000_000

func (c *cursor) time() time.Time {
	return time.UnixMicro(int64(c.uint64()) + Epoch).UTC()
}

// end checks that nothing is left over.
func (c *cursor) end() {
	if c.err == nil && len(c.rest) > 0 {
		c.fail("%d bytes too many", len(c.rest))
	}
}
