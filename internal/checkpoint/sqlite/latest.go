package sqlite

import (
	"encoding/binary"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// appendLatest writes c as a record over b; empty for none. Numbers have a fixed
// size: a row that keeps its size is written in place.
func appendLatest(b []byte, c checkpoint.Commit) []byte {
	if c == (checkpoint.Commit{}) {
		return []byte{}
	}
	b = startRecord(b)
	for _, n := range []uint64{uint64(c.Final), uint64(c.End), uint64(c.XID), uint64(c.At.UnixMicro())} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return sealRecord(appendString(b, c.Publication))
}

func readLatest(b []byte) (checkpoint.Commit, error) {
	if len(b) == 0 {
		return checkpoint.Commit{}, nil
	}
	f := openRecord(b)
	c := checkpoint.Commit{
		Final: checkpoint.LSN(f.fixed()), End: checkpoint.LSN(f.fixed()), XID: uint32(f.fixed()),
		At: time.UnixMicro(int64(f.fixed())).UTC(), Publication: f.string(),
	}
	if f.err != nil {
		return checkpoint.Commit{}, f.err
	}
	return c, nil
}
