package sqlite

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A record is what a blob of the store holds: four bytes of CRC-32C (little
// endian) over all that follows, then fields one after the other: numbers as
// unsigned varints, strings as their length and their bytes. SQLite has no
// checksum of its own on what it has stored.
//
// Keys are packed: those that follow each other are mostly alike, and what fits
// one page of the file costs a save one page. A key is the number of bytes that
// it shares with the one before it, and its other bytes; a commit position is
// the difference to the one before it. Records of settled changes begin with a
// zero then, and so do those that store version 2 had of each call's keys: in
// records of version 1 it would be an empty key, and no key is empty.

const (
	checksumSize = 4

	packed = 0
	// mostShared bounds what reading a packed record can come to.
	mostShared = 255
)

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

// appendShared writes key as what it does not share with before.
func appendShared(b []byte, before, key string) []byte {
	n := 0
	for most := min(len(before), len(key), mostShared); n < most && before[n] == key[n]; n++ {
	}
	b = binary.AppendUvarint(b, uint64(n))
	return appendString(b, key[n:])
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

// packed reports whether a record with keys is packed.
func (f *fields) packed() bool {
	if !f.more() || f.b[0] != packed {
		return false
	}
	f.b = f.b[1:]
	return true
}

// shared reads a key that follows before.
func (f *fields) shared(before string) string {
	n := f.number()
	if n > uint64(min(len(before), mostShared)) && f.err == nil {
		f.err = errDamaged
	}
	rest := f.string()
	if f.err != nil {
		return ""
	}
	return before[:n] + rest
}

// signed reads what binary.AppendVarint wrote: a number whose lowest bit is the
// sign.
func (f *fields) signed() int64 {
	n := f.number()
	return int64(n>>1) ^ -int64(n&1)
}

func appendPosition(b []byte, at pgoutput.Position) []byte {
	b = binary.AppendUvarint(b, uint64(at.Commit))
	return binary.AppendUvarint(b, at.Seq)
}

func (f *fields) position() pgoutput.Position {
	return pgoutput.Position{Commit: checkpoint.LSN(f.number()), Seq: f.number()}
}

// appendSettled writes entries as a packed record over b.
func appendSettled(b []byte, entries []checkpoint.Settled) []byte {
	b = append(startRecord(b), packed)
	var before checkpoint.Settled
	for i := range entries {
		e := &entries[i]
		b = appendShared(b, before.Key, e.Key)
		b = binary.AppendVarint(b, int64(e.Through.Commit-before.Through.Commit))
		b = binary.AppendUvarint(b, e.Through.Seq)
		before = *e
	}
	return sealRecord(b)
}

// readSettled calls each for every entry of a record.
func readSettled(b []byte, each func(checkpoint.Settled)) error {
	f := openRecord(b)
	tight := f.packed()
	var e checkpoint.Settled
	for f.more() {
		if tight {
			e.Key = f.shared(e.Key)
			e.Through.Commit += checkpoint.LSN(f.signed())
			e.Through.Seq = f.number()
		} else {
			e.Key, e.Through = f.string(), f.position()
		}
		if f.err == nil {
			each(e)
		}
	}
	return f.err
}

// appendPacked appends keys, each as what it does not share with the one before
// it.
func appendPacked(b []byte, keys []string) []byte {
	before := ""
	for _, key := range keys {
		b = appendShared(b, before, key)
		before = key
	}
	return b
}

// readKeys reads the keys of a call as stores up to version 2 have them.
func readKeys(b []byte) ([]string, error) {
	var keys []string
	f := openRecord(b)
	tight, key := f.packed(), ""
	for f.more() {
		if tight {
			key = f.shared(key)
		} else {
			key = f.string()
		}
		if f.err == nil {
			keys = append(keys, key)
		}
	}
	return keys, f.err
}

// sentSize is that of a record of what was sent. It is filled up with zeros: a
// row that keeps its size is written in place.
const sentSize = checksumSize + 2*binary.MaxVarintLen64

// appendSent writes at as a record over b; empty for none.
func appendSent(b []byte, at pgoutput.Position) []byte {
	if at == (pgoutput.Position{}) {
		return []byte{}
	}
	b = appendPosition(startRecord(b), at)
	return sealRecord(append(b, make([]byte, sentSize-len(b))...))
}

func readSent(b []byte) (pgoutput.Position, error) {
	if len(b) == 0 {
		return pgoutput.Position{}, nil
	}
	f := openRecord(b)
	at := f.position()
	return at, f.err
}

// checksum covers a checkpoint, so that a flipped bit cannot move it.
func checksum(c checkpoint.Checkpoint) uint32 {
	b := startRecord(nil)
	b = appendString(b, c.System)
	b = binary.AppendVarint(b, int64(c.Timeline))
	b = appendString(b, c.Database)
	b = appendString(b, c.Slot)
	b = binary.AppendUvarint(b, uint64(c.LSN))
	return crc32.Checksum(b, castagnoli)
}
