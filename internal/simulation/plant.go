package simulation

import (
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
)

// plant is a planted mistake: something between the machine and the world
// that is not as it should be. Of its parts those that are set take effect.
type plant struct {
	name   string
	config func(*delivery.Config)
	state  func(*Simulator, *checkpoint.State)
	event  func(*Simulator, delivery.Event) []delivery.Event
	effect func(*Simulator, delivery.Effect) []delivery.Effect
	// forgetSkip makes the reader skip one change too few.
	forgetSkip bool
	// unasked has objects without a row removed without a look at the table.
	unasked bool
	// keepTouched has rows of a backfill kept that the stream has newer.
	keepTouched bool
	// keepRecord has what is remembered of objects outlive a loss of power.
	keepRecord bool
	// lateRecord has it take a save over after the store.
	lateRecord bool
	// early has them handed in at once.
	early bool
	// forgetPauses has a start not be told what is paused.
	forgetPauses bool
	// sameLife has no new life begin for a mapping that is resumed.
	sameLife bool
	// received has who waits be told what was received, not what is settled.
	received bool
	// wallTime has the machine go by a clock that is set.
	wallTime bool
}

// Plants returns the names of all planted mistakes.
func Plants() []string {
	var names []string
	for _, p := range plants() {
		names = append(names, p.name)
	}
	return names
}

func newPlant(name string) *plant {
	if name == "" {
		return &plant{}
	}
	all := plants()
	i := slices.IndexFunc(all, func(p plant) bool { return p.name == name })
	return &all[i]
}

func (p *plant) configure(c *delivery.Config) {
	if p.config != nil {
		p.config(c)
	}
}

func (p *plant) start(s *Simulator, st *checkpoint.State) {
	if p.state != nil {
		p.state(s, st)
	}
}

func (p *plant) events(s *Simulator, ev delivery.Event) []delivery.Event {
	if p.event != nil {
		return p.event(s, ev)
	}
	s.one[0] = ev
	return s.one[:]
}

func (p *plant) effects(s *Simulator, e delivery.Effect) []delivery.Effect {
	if p.effect != nil {
		return p.effect(s, e)
	}
	s.other[0] = e
	return s.other[:]
}
