package replication

import (
	"encoding/binary"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// status is what a standby status update says; all of it is always sent as it
// is, zero included: the server reads a flush of zero as "nothing confirmed".
type status struct {
	write, flush, apply pgoutput.LSN
	at                  time.Time
	// reply asks the server for a sign of life.
	reply bool
}

// append appends the CopyData message with the update, 39 bytes; see the
// chapter "Streaming Replication Protocol".
func (s status) append(b []byte) []byte {
	b = append(b, 'd')
	b = binary.BigEndian.AppendUint32(b, 4+34)
	b = append(b, 'r')
	b = binary.BigEndian.AppendUint64(b, uint64(s.write))
	b = binary.BigEndian.AppendUint64(b, uint64(s.flush))
	b = binary.BigEndian.AppendUint64(b, uint64(s.apply))
	b = binary.BigEndian.AppendUint64(b, uint64(s.at.UnixMicro()-pgoutput.Epoch))
	if s.reply {
		return append(b, 1)
	}
	return append(b, 0)
}

// spin recognises a server that is shutting down and waits for us: it answers
// every status with a keepalive that asks for the next one, and sends nothing
// else. At any other time it asks only after half of wal_sender_timeout
// without a status. As statuses are paced, it takes about two seconds to be
// sure; a stream that acknowledges the WAL end meanwhile lets the server stop.
type spin struct {
	count int
	last  time.Time
	end   pgoutput.LSN
}

const (
	spinCount = 20
	spinGap   = 500 * time.Millisecond
)

// data notes that something else than a keepalive came.
func (s *spin) data() { s.count = 0 }

// asked notes a keepalive that asks for a reply, and reports whether the
// server is stopping.
func (s *spin) asked(now time.Time, end pgoutput.LSN) bool {
	if end != s.end || now.Sub(s.last) > spinGap {
		s.count = 0
	}
	s.count++
	s.last, s.end = now, end
	return s.count >= spinCount
}
