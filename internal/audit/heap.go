package audit

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// heap holds what is to be compared on disk, in piles by the hash of the key: what
// one key has is in one pile, and a pile is small enough for memory. Its files have
// no names, so that nothing is left of them.
type heap struct {
	files []*os.File
	piles []*bufio.Writer
	buf   []byte
}

// want is what an entry is: an object, or what a row asks of one.
type want byte

const (
	// anObject is what an extract has.
	anObject want = iota
	// oneObject: there should be one.
	oneObject
	// noObject: there should be none.
	noObject
	// maybeObject: there may be one.
	maybeObject
)

// entry is one row or object.
type entry struct {
	want want
	// key is keyOf, spelling the key as it is written.
	key, spelling string
	// columns are the values of a row's key columns.
	columns []string
	// guid is the hash of an object's id.
	guid uint64
	// has are hashes of the attributes, 0 for those that are not compared.
	has []uint32
}

// pileEntries is about how many entries a pile has: some megabytes.
const pileEntries = 20_000

func newHeap(entries int64) (*heap, error) {
	h := &heap{}
	for range min(max(entries/pileEntries, 4), 200) {
		f, err := os.CreateTemp("", "cdcsync-audit-")
		if err != nil {
			h.close()
			return nil, fmt.Errorf("a file for what is compared: %w; set TMPDIR to a directory with room", err)
		}
		h.files = append(h.files, f)
		h.piles = append(h.piles, bufio.NewWriterSize(f, 16<<10))
		_ = os.Remove(f.Name()) // where an open file cannot be removed, close does it
	}
	return h, nil
}

func (h *heap) close() {
	for _, f := range h.files {
		_ = f.Close() // nobody reads it any more
		_ = os.Remove(f.Name())
	}
}

// put adds an entry.
func (h *heap) put(e *entry) error {
	b := h.buf[:0]
	b = append(b, byte(e.want))
	b = appendText(appendText(b, e.key), e.spelling)
	b = binary.AppendUvarint(b, uint64(len(e.columns)))
	for _, c := range e.columns {
		b = appendText(b, c)
	}
	b = binary.LittleEndian.AppendUint64(b, e.guid)
	b = binary.AppendUvarint(b, uint64(len(e.has)))
	for _, hash := range e.has {
		b = binary.LittleEndian.AppendUint32(b, hash)
	}
	h.buf = b
	pile := h.piles[hash64(e.key)%uint64(len(h.piles))]
	var size [binary.MaxVarintLen64]byte
	if _, err := pile.Write(size[:binary.PutUvarint(size[:], uint64(len(b)))]); err != nil {
		return fmt.Errorf("write what is compared: %w", err)
	}
	if _, err := pile.Write(b); err != nil {
		return fmt.Errorf("write what is compared: %w; set TMPDIR to a directory with room", err)
	}
	return nil
}

// each visits the piles, by the keys that they have.
func (h *heap) each(visit func(pile map[string][]entry) error) error {
	for i, f := range h.files {
		if err := h.piles[i].Flush(); err != nil {
			return fmt.Errorf("write what is compared: %w; set TMPDIR to a directory with room", err)
		}
		h.piles[i] = nil
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read what is compared: %w", err)
		}
		pile, err := readPile(bufio.NewReaderSize(f, 64<<10))
		if err != nil {
			return fmt.Errorf("read what is compared: %w", err)
		}
		if err := visit(pile); err != nil {
			return err
		}
		_ = f.Close()
	}
	return nil
}

func readPile(r *bufio.Reader) (map[string][]entry, error) {
	pile := map[string][]entry{}
	for {
		size, err := binary.ReadUvarint(r)
		if err == io.EOF {
			return pile, nil
		}
		if err != nil {
			return nil, err
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		e := readEntry(b)
		pile[e.key] = append(pile[e.key], e)
	}
}

// readEntry is the inverse of put.
func readEntry(b []byte) (e entry) {
	e.want, b = want(b[0]), b[1:]
	text := func() string {
		n, used := binary.Uvarint(b)
		s := string(b[used : used+int(n)])
		b = b[used+int(n):]
		return s
	}
	count := func() int {
		n, used := binary.Uvarint(b)
		b = b[used:]
		return int(n)
	}
	e.key, e.spelling = text(), text()
	for range count() {
		e.columns = append(e.columns, text())
	}
	e.guid, b = binary.LittleEndian.Uint64(b), b[8:]
	for range count() {
		e.has = append(e.has, binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	return e
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func hash64(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s) // a hash takes everything
	return h.Sum64()
}

// hashOf is the hash of an attribute as it is compared; never 0.
func hashOf(canonical string) uint32 {
	sum := hash64(canonical)
	return max(uint32(sum^sum>>32), 1)
}
