package confirmed

import "encoding/binary"

// index leads from a hash to the page that its object must be on: a table by the
// leading bits, and trees for those that follow. It grows with the pages, however
// uneven hashes are.
type index struct {
	roots [1 << rootBits]ref
	nodes [][2]ref
}

// ref is a page's number; with branch set that of a node; 0 for none.
type ref uint32

const (
	rootBits     = 8
	branch   ref = 1 << 31
)

// find returns the page of a hash, 0 for none, and by how many leading bits it was
// chosen.
func (x *index) find(a uint64) (number ref, depth int) {
	r, depth := x.roots[a>>(64-rootBits)], rootBits
	for r&branch != 0 {
		r = x.nodes[r&^branch][a>>(63-depth)&1]
		depth++
	}
	return r, depth
}

// put leads hashes that begin with the depth bits of prefix to a page. Where other
// pages are led to by more bits already, they stay, and the page gets the rest:
// a split that was cut short leaves a page that says that it is for more than it
// is.
func (x *index) put(prefix uint64, depth int, number ref) {
	at := &x.roots[prefix>>(64-rootBits)]
	for d := rootBits; d < depth; d++ {
		if *at&branch == 0 {
			old := *at
			*at = branch | ref(len(x.nodes)) // before the nodes move
			x.nodes = append(x.nodes, [2]ref{old, old})
		}
		at = &x.nodes[*at&^branch][prefix>>(63-d)&1]
	}
	x.fill(at, number)
}

// fill puts a page wherever below at there is none, and at at itself.
func (x *index) fill(at *ref, number ref) {
	if *at&branch == 0 {
		*at = number
		return
	}
	for i := range 2 {
		if child := &x.nodes[*at&^branch][i]; *child == 0 || *child&branch != 0 {
			x.fill(child, number)
		}
	}
}

// append writes the index behind b.
func (x *index) append(b []byte) []byte {
	for _, r := range x.roots {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	for _, n := range x.nodes {
		b = binary.LittleEndian.AppendUint32(b, uint32(n[0]))
		b = binary.LittleEndian.AppendUint32(b, uint32(n[1]))
	}
	return b
}

// read is the reverse.
func (x *index) read(b []byte) {
	next := func() ref {
		r := ref(binary.LittleEndian.Uint32(b))
		b = b[4:]
		return r
	}
	for i := range x.roots {
		x.roots[i] = next()
	}
	x.nodes = make([][2]ref, 0, len(b)/8)
	for len(b) > 0 {
		x.nodes = append(x.nodes, [2]ref{next(), next()})
	}
}
