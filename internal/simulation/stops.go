package simulation

import (
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// breaks has changes break mappings, which stop for the rest of the life, while
// lives end again and again.
func (p *profile) breaks(s *Simulator) {
	p.broken = pick(s, 0.01, 0.05, 0.3)
	p.kills, p.stops = true, true
	if p.chaosEvery == 0 {
		p.chaosEvery = pick(s, 2*time.Second, 20*time.Second)
	}
	p.config.MaxSettled = pick(s, 0, 3, 30)
	if s.chance(0.5) {
		p.config.MaxPending = pick(s, 3, 20)
	}
}

// breakAt may have the change at hand stop its mapping, as a reader would whose
// mapping it does not fit.
func (s *Simulator) breakAt(m int) {
	r := &s.reader
	if s.profile.broken == 0 || s.healed || r.stops[m] || r.seq <= r.skip || !s.chance(s.profile.broken) {
		return
	}
	r.stops[m] = true
	s.covered.MappingsStopped++
	s.tracef("mapping %d is stopped at %s, change %d", m, r.final, r.seq)
	r.entries = append(r.entries, delivery.Entry{Kind: delivery.EntryStop, Seq: r.seq,
		Write: mapping.Write{Mapping: m, Problem: &mapping.Problem{Code: "stopped", Message: "a change does not fit"}}})
}

// anyStopped reports whether a mapping is stopped in this life.
func (r *reader) anyStopped() bool {
	for _, stopped := range r.stops {
		if stopped {
			return true
		}
	}
	return false
}

// stoppedFrom reports whether to leaves a change out, as its mapping was stopped.
func (s *Simulator) stoppedFrom(to *checkpoint.SettledTo, k, stamp int32) bool {
	object := strings.ToLower(mappings[s.keys[k].mapping].shape.Type)
	for _, stopped := range to.Stopped {
		if stopped.Object == object && stopped.From.Compare(s.position(stamp)) <= 0 {
			return true
		}
	}
	return false
}
