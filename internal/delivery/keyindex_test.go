package delivery

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// chains does what a map would, also where hashes collide and wrap around.
func TestChains(t *testing.T) {
	for _, mask := range []uint64{0, 3, 1<<63 | 7, ^uint64(0)} {
		rng := rand.New(rand.NewPCG(mask, 1))
		c, want := newKeyIndex(rng), make(map[string]*item)
		hash := func(key string) uint64 { return -(c.hash(KeyHash(key)) & mask) }
		for range 20_000 {
			key := strconv.Itoa(rng.IntN(300))
			if it := want[key]; it != nil && rng.IntN(2) == 0 {
				c.remove(it)
				delete(want, key)
			} else {
				want[key] = &item{key: key, hash: hash(key)}
				c.put(want[key])
			}
			other := strconv.Itoa(rng.IntN(300))
			if got := c.first(hash(other), other); got != want[other] || c.n != len(want) {
				t.Fatalf("mask %x: key %s gives %v, want %v; %d keys, want %d", mask, other, got, want[other], c.n, len(want))
			}
		}
		for key, it := range want {
			if got := c.first(hash(key), key); got != it {
				t.Fatalf("mask %x: key %s gives %v, want %v", mask, key, got, it)
			}
		}
	}
}
