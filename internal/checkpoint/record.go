package checkpoint

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// A record is what a blob of the store holds: four bytes of CRC-32C (little
// endian) over all that follows, then fields one after the other: numbers as
// unsigned varints, strings as their length and their bytes. SQLite has no
// checksum of its own on what it has stored.

const checksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("record is damaged")

func startRecord(b []byte) []byte { return append(b[:0], 0, 0, 0, 0) }

func sealRecord(b []byte) []byte {
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[checksumSize:], castagnoli))
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// fields reads the fields of a record. Its first error sticks.
type fields struct {
	b   []byte
	err error
}

// openRecord checks a record and returns its fields.
func openRecord(b []byte) *fields {
	if len(b) < checksumSize || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[checksumSize:], castagnoli) {
		return &fields{err: errDamaged}
	}
	return &fields{b: b[checksumSize:]}
}

// more reports whether there is another field.
func (f *fields) more() bool { return f.err == nil && len(f.b) > 0 }

func (f *fields) number() uint64 {
	if f.err != nil {
		return 0
	}
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.err = errDamaged
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) string() string {
	n := f.number()
	if f.err != nil {
		return ""
	}
	if n > uint64(len(f.b)) {
		f.err = errDamaged
		return ""
	}
	s := string(f.b[:n])
	f.b = f.b[n:]
	return s
}

func appendPosition(b []byte, at replication.Position) []byte {
	b = binary.AppendUvarint(b, uint64(at.Commit))
	return binary.AppendUvarint(b, at.Seq)
}

func (f *fields) position() replication.Position {
	return replication.Position{Commit: LSN(f.number()), Seq: f.number()}
}

// appendSettled writes entries as a record over b.
func appendSettled(b []byte, entries []Settled) []byte {
	b = startRecord(b)
	for i := range entries {
		b = appendString(b, entries[i].Key)
		b = appendPosition(b, entries[i].Through)
	}
	return sealRecord(b)
}

// readSettled calls each for every entry of a record.
func readSettled(b []byte, each func(Settled)) error {
	f := openRecord(b)
	for f.more() {
		var e Settled
		e.Key, e.Through = f.string(), f.position()
		if f.err == nil {
			each(e)
		}
	}
	return f.err
}

// appendKeys writes keys as a record over b.
func appendKeys(b []byte, keys []string) []byte {
	b = startRecord(b)
	for _, key := range keys {
		b = appendString(b, key)
	}
	return sealRecord(b)
}

func readKeys(b []byte) ([]string, error) {
	var keys []string
	f := openRecord(b)
	for f.more() {
		if key := f.string(); f.err == nil {
			keys = append(keys, key)
		}
	}
	return keys, f.err
}

// checksum covers a checkpoint, so that a flipped bit cannot move it.
func (c Checkpoint) checksum() int64 {
	b := startRecord(nil)
	b = appendString(b, c.System)
	b = binary.AppendVarint(b, int64(c.Timeline))
	b = appendString(b, c.Database)
	b = appendString(b, c.Slot)
	b = binary.AppendUvarint(b, uint64(c.LSN))
	return int64(crc32.Checksum(b, castagnoli))
}
