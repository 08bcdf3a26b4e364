package confirmed

import (
	"encoding/binary"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// appendEntry writes what an entry says of c: five numbers, the length of its
// status and the status, and its digests.
func appendEntry(b []byte, c *checkpoint.Confirmed) []byte {
	for _, n := range []uint64{c.Shape, uint64(c.At.Commit), c.At.Seq, uint64(c.Time.UnixMicro()), c.Call} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	status := c.Status[:min(len(c.Status), 255)]
	b = append(append(b, byte(len(status))), status...)
	for _, d := range c.Digests {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	return b
}

const entryNumbers = 5 * 8

// readEntry is the reverse; nil for what is none.
func readEntry(b []byte, key string) *checkpoint.Confirmed {
	if len(b) <= entryNumbers || len(b) < entryNumbers+1+int(b[entryNumbers]) {
		return nil
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	c := &checkpoint.Confirmed{
		Key: key, Shape: number(0), At: pgoutput.Position{Commit: pgoutput.LSN(number(1)), Seq: number(2)},
		Time: time.UnixMicro(int64(number(3))).UTC(), Call: number(4),
	}
	b = b[entryNumbers:]
	n := int(b[0])
	c.Status, b = string(b[1:1+n]), b[1+n:]
	if len(b)%8 != 0 {
		return nil
	}
	c.Digests = make([]uint64, len(b)/8)
	for i := range c.Digests {
		c.Digests[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return c
}
