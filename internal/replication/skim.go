package replication

import (
	"encoding/binary"
	"io"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// worthSkipping is the size from which on a value that nobody needs is passed
// over in a message that is skimmed.
const worthSkipping = 1 << 10

// skim reads a CopyData message that is larger than the wire's buffer, without
// the large values that nobody needs: they are passed over as they come, and
// null in what is returned. What is returned is a message by itself, valid until
// the next call. Other messages come as they are.
type skim struct {
	wire  *wire
	need  func(rel *pgoutput.Relation, column int) bool
	rels  func(id uint32) *pgoutput.Relation
	left  int // bytes of the message that were not read yet
	kept  []byte
	error error
}

// next reads the message that begins at the wire's start.
func (s *skim) next(size int) ([]byte, error) {
	s.kept, s.left, s.error = nil, size, nil
	s.pass(5) // kind and length
	s.keep(1)
	if s.error == nil && s.kept[0] == 'w' {
		s.keep(dataHeader - 1)
		s.payload()
	}
	s.keep(s.left)
	whole := s.kept
	s.kept = nil // it is the caller's alone, who drops it with the next message
	return whole, s.error
}

// payload reads what leads to the values of a message, and them.
func (s *skim) payload() {
	switch kind := s.byte(); kind {
	case 'M':
		s.keep(1 + 8) // flags and position
		for s.error == nil && s.byte() != 0 {
		}
		s.value(false)
	case 'I', 'U', 'D':
		rel := s.rels(s.uint32())
		for s.error == nil && s.left > 0 {
			s.byte() // which tuple
			s.tuple(rel)
		}
	}
}

func (s *skim) tuple(rel *pgoutput.Relation) {
	n := int(s.uint16())
	if rel == nil || n != len(rel.Columns) {
		s.keep(s.left) // the decoder says what is wrong with it
		return
	}
	for i := range n {
		if s.byte() != 't' {
			continue
		}
		at := len(s.kept) - 1
		if needed := s.need(rel, i); !s.value(needed) && s.error == nil {
			s.kept = append(s.kept[:at], 'n')
		}
		if s.error != nil {
			return
		}
	}
}

// value reads a length and as many bytes. It reports whether they were kept;
// those that were not leave a length of zero.
func (s *skim) value(needed bool) bool {
	n := int(int32(s.uint32()))
	if s.error != nil || n < 0 || n > s.left {
		s.keep(s.left) // the decoder says what is wrong with it
		return true
	}
	if needed || n < worthSkipping {
		s.keep(n)
		return true
	}
	binary.BigEndian.PutUint32(s.kept[len(s.kept)-4:], 0)
	s.pass(n)
	return false
}

func (s *skim) byte() byte {
	if b := s.keep(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *skim) uint16() uint16 {
	if b := s.keep(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (s *skim) uint32() uint32 {
	if b := s.keep(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// keep takes the next n bytes into the message and returns them; fewer at its
// end.
func (s *skim) keep(n int) []byte {
	n = min(n, s.left)
	if s.error != nil || n == 0 {
		return nil
	}
	at := len(s.kept)
	if cap(s.kept)-at < n {
		// Exactly as much as a large value takes. Memory that is announced and
		// never comes is not touched either.
		grown := make([]byte, at, at+n+usualBuffer/8)
		copy(grown, s.kept)
		s.kept = grown
	}
	s.kept = s.kept[:at+n]
	s.error = s.wire.take(s.kept[at:])
	s.left -= n
	if s.error != nil {
		return nil
	}
	return s.kept[at:]
}

// pass reads n bytes and forgets them.
func (s *skim) pass(n int) {
	n = min(n, s.left)
	s.left -= n
	for n > 0 && s.error == nil {
		if s.wire.start == s.wire.end {
			s.error = cut(s.wire.fill())
		}
		passed := min(n, s.wire.end-s.wire.start)
		s.wire.start += passed
		n -= passed
	}
}

// take fills p, from what was read and then straight from the server.
func (w *wire) take(p []byte) error {
	n := copy(p, w.buf[w.start:w.end])
	w.start += n
	for n < len(p) {
		// Small pieces go through the buffer, so that more comes with them.
		if len(p)-n < usualBuffer {
			if err := w.fill(); err != nil {
				return cut(err)
			}
			came := copy(p[n:], w.buf[w.start:w.end])
			w.start += came
			n += came
			continue
		}
		came, err := w.read(p[n:])
		w.bytes.Add(uint64(came))
		n += came
		if came == 0 && err != nil {
			return cut(err)
		}
	}
	return nil
}

// cut names an end in the middle of a message.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
