package confirmed

import (
	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Digest is a keyed hash of the i-th attribute's value. It is never 0, and means
// nothing in another record.
func (r *Record) Digest(i int, v marketo.Value) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(r.file.head.secret ^ uint64(i)<<8 ^ uint64(v.Kind))
	_, _ = d.WriteString(v.Text)
	return max(d.Sum64(), 1)
}

// hashOf is a keyed hash of an object's key.
func (r *Record) hashOf(key string) hash {
	var d xxhash.Digest
	d.ResetWithSeed(^r.file.head.secret)
	_, _ = d.WriteString(key)
	a := d.Sum64()
	d.ResetWithSeed(r.file.head.secret + a)
	_, _ = d.WriteString(key)
	return hash{a, d.Sum64()}
}
