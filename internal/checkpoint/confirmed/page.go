package confirmed

import (
	"encoding/binary"
	"hash/crc32"
)

const pageSize = 4096

// page is one page of the file: a header, and entries one behind the other. All
// numbers are little endian.
type page [pageSize]byte

const (
	// The header: checksum of all behind it, depth, number of bytes in use, and
	// the leading bits of the hashes, of which depth count.
	atDepth  = 4
	atUsed   = 6
	atPrefix = 8
	atEntry  = 16

	// An entry: its hash, its length with these two, and what it says.
	hashSize = 16
	atData   = hashSize + 2
	// mostData is the longest that an entry may say.
	mostData = pageSize - atEntry - atData
)

// hash is of an object's key. Its leading bits are those of its first number.
type hash struct{ a, b uint64 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// begin empties p, and makes it that of hashes which begin as prefix does.
func (p *page) begin(prefix uint64, depth int) {
	clear(p[:])
	p[atDepth] = byte(depth)
	binary.LittleEndian.PutUint64(p[atPrefix:], prefix&mask(depth))
	p.setUsed(atEntry)
}

// mask has the leading n bits set.
func mask(n int) uint64 { return ^(^uint64(0) >> n) }

func (p *page) depth() int     { return int(p[atDepth]) }
func (p *page) prefix() uint64 { return binary.LittleEndian.Uint64(p[atPrefix:]) }
func (p *page) used() int      { return int(binary.LittleEndian.Uint16(p[atUsed:])) }
func (p *page) setUsed(n int)  { binary.LittleEndian.PutUint16(p[atUsed:], uint16(n)) }

func (p *page) seal() {
	binary.LittleEndian.PutUint32(p[:], crc32.Checksum(p[atDepth:], castagnoli))
}

// sound reports whether p is a page as it was sealed.
func (p *page) sound() bool {
	return binary.LittleEndian.Uint32(p[:]) == crc32.Checksum(p[atDepth:], castagnoli) && p.depth() <= deepest && p.used() >= atEntry && p.used() <= pageSize
}

// find returns where the entry of h begins and ends; 0 for none.
func (p *page) find(h hash) (from, to int) {
	for at, used := atEntry, p.used(); at+atData <= used; {
		n := int(binary.LittleEndian.Uint16(p[at+hashSize:]))
		if n < atData || at+n > used {
			return 0, 0
		}
		if p.hashAt(at) == h {
			return at, at + n
		}
		at += n
	}
	return 0, 0
}

func (p *page) hashAt(at int) hash {
	return hash{binary.LittleEndian.Uint64(p[at:]), binary.LittleEndian.Uint64(p[at+8:])}
}

// count returns the number of entries.
func (p *page) count() (n int) {
	for at, used := atEntry, p.used(); at+atData <= used; n++ {
		size := int(binary.LittleEndian.Uint16(p[at+hashSize:]))
		if size < atData {
			break
		}
		at += size
	}
	return n
}

// remove takes out the entry of h, if there is one.
func (p *page) remove(h hash) bool {
	from, to := p.find(h)
	if to == 0 {
		return false
	}
	used := p.used()
	copy(p[from:], p[to:used])
	clear(p[used-(to-from) : used])
	p.setUsed(used - (to - from))
	return true
}

// add appends an entry; false when there is no room for it.
func (p *page) add(h hash, data []byte) bool {
	at := p.used()
	n := atData + len(data)
	if at+n > pageSize {
		return false
	}
	binary.LittleEndian.PutUint64(p[at:], h.a)
	binary.LittleEndian.PutUint64(p[at+8:], h.b)
	binary.LittleEndian.PutUint16(p[at+hashSize:], uint16(n))
	copy(p[at+atData:], data)
	p.setUsed(at + n)
	return true
}

// split moves the entries whose next bit is set to other, and makes both pages one
// bit deeper. Entries that are of neither are left out.
func (p *page) split(other *page) {
	old := *p
	depth := old.depth()
	bit := uint64(1) << (63 - depth)
	p.begin(old.prefix(), depth+1)
	other.begin(old.prefix()|bit, depth+1)
	for at, used := atEntry, old.used(); at+atData <= used; {
		n := int(binary.LittleEndian.Uint16(old[at+hashSize:]))
		if n < atData || at+n > used {
			return
		}
		h := old.hashAt(at)
		switch data := old[at+atData : at+n]; h.a & mask(depth+1) {
		case p.prefix():
			p.add(h, data)
		case other.prefix():
			other.add(h, data)
		}
		at += n
	}
}

// deepest is how many leading bits a page may be chosen by.
const deepest = 60
