package delivery

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// replayed is what earlier lives settled at or above the checkpoint: it comes
// again, and is not sent again.
type replayed struct {
	// keys says through which change each key is settled, by its folded form.
	keys map[string]pgoutput.Position
	// Everything up to through is settled, too, but what is of the keys in except
	// from a change on, by keyHash: should two of them have one hash, more is
	// sent again than need be. known says of which mappings this holds.
	through pgoutput.Position
	except  map[uint64]pgoutput.Position
	known   []bool
	// stopped says of mappings from where on it does not.
	stopped map[int]pgoutput.Position
	// to is the newest change that it tells of.
	to pgoutput.Position
}

func newReplayed(state checkpoint.State, mappings []Mapping) replayed {
	r := replayed{known: make([]bool, len(mappings))}
	if len(state.Settled) > 0 {
		r.keys = make(map[string]pgoutput.Position, len(state.Settled))
	}
	for _, s := range state.Settled {
		key := mapping.Fold(s.Key)
		if at, ok := r.keys[key]; !ok || at.Compare(s.Through) < 0 {
			r.keys[key] = s.Through
		}
		if r.to.Compare(s.Through) < 0 {
			r.to = s.Through
		}
	}
	to := state.SettledTo
	if to == nil {
		return r
	}
	r.through = to.Through
	if r.to.Compare(to.Through) < 0 {
		r.to = to.Through
	}
	r.stopped = make(map[int]pgoutput.Position, len(to.Stopped))
	r.except = make(map[uint64]pgoutput.Position, len(to.Except))
	for _, e := range to.Except {
		hash := KeyHash(e.Key)
		if at, ok := r.except[hash]; !ok || e.From.Compare(at) < 0 {
			r.except[hash] = e.From
		}
	}
	for i := range mappings {
		r.known[i] = slices.Contains(to.Rules, mappings[i].Rules)
		for _, s := range to.Stopped {
			if s.Object == strings.ToLower(mappings[i].Object) {
				r.stopped[i] = s.From
			}
		}
	}
	return r
}

// has reports whether a write of the change at is settled, in whatever spelling
// of its key: the changes of a chain are settled in order.
func (r *replayed) has(w *mapping.Write, hash uint64, at pgoutput.Position) bool {
	if r.to == (pgoutput.Position{}) {
		return false
	}
	if len(r.keys) > 0 {
		if through, ok := r.keys[mapping.Fold(w.Key)]; ok && at.Compare(through) <= 0 {
			return true
		}
	}
	if at.Compare(r.through) > 0 || !r.known[w.Mapping] {
		return false
	}
	if from, ok := r.stopped[w.Mapping]; ok && at.Compare(from) >= 0 {
		return false
	}
	from, ok := r.except[hash]
	return !ok || at.Compare(from) < 0
}

// passed forgets all of it when the stream has come further: no change comes
// twice in a life.
func (r *replayed) passed(at pgoutput.Position) {
	if !r.over() && at.Compare(r.to) > 0 {
		*r = replayed{}
	}
}

// over reports whether nothing that it tells of may come any more.
func (r *replayed) over() bool { return r.to == (pgoutput.Position{}) }

// foreign reports whether a mapping's changes may come again that cannot be told
// from those that are settled, as its rules are not what they were.
func (r *replayed) foreign() bool {
	return r.through != (pgoutput.Position{}) && slices.Contains(r.known, false)
}
