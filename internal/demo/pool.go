package demo

import "math/rand/v2"

// pool holds the keys of the rows that one worker may change. A key is in it
// once.
type pool[K comparable] struct {
	keys []K
	at   map[K]int
}

func (p *pool[K]) add(key K) {
	if p.at == nil {
		p.at = map[K]int{}
	}
	if _, known := p.at[key]; known {
		return
	}
	p.at[key] = len(p.keys)
	p.keys = append(p.keys, key)
}

// remove takes a key out; one that is not in the pool is fine.
func (p *pool[K]) remove(key K) {
	at, known := p.at[key]
	if !known {
		return
	}
	last := p.keys[len(p.keys)-1]
	p.keys[at], p.at[last] = last, at
	p.keys = p.keys[:len(p.keys)-1]
	delete(p.at, key)
}

// pick returns any key; false when there is none.
func (p *pool[K]) pick(rng *rand.Rand) (K, bool) {
	if len(p.keys) == 0 {
		var none K
		return none, false
	}
	return p.keys[rng.IntN(len(p.keys))], true
}
