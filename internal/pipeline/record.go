package pipeline

import (
	"context"
	"log/slog"
	"sync"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/confirmed"
	"github.com/cdcsync/cdcsync/internal/delivery"
)

// looksAtOnce is the most objects that are looked up in one go.
const looksAtOnce = 500

// Record is what is remembered of confirmed objects, and how many saves the store
// had taken when it was opened.
type Record struct {
	*confirmed.Record
	Saves uint64
}

// recorder looks up what is remembered of objects, for the machine, and has it
// remembered before it is saved.
type recorder struct {
	record *Record // nil for none
	log    *slog.Logger
	// saves counts those of this life that are in the store.
	saves uint64

	mu     sync.Mutex
	wanted []delivery.Look
	// lost is set once nothing is remembered any more.
	lost bool
	// more is told that there are some that are wanted.
	more chan struct{}
	// found brings what came of them.
	found chan delivery.Looked
}

func newRecorder(r *Runner) *recorder {
	return &recorder{record: r.Record, log: r.Log, more: make(chan struct{}, 1), found: make(chan delivery.Looked, looksAtOnce)}
}

// ask takes a question. It never waits.
func (c *recorder) ask(l delivery.Look) {
	c.mu.Lock()
	c.wanted = append(c.wanted, l)
	c.mu.Unlock()
	signal(c.more)
}

// run answers until life ends. What cannot be read is taken for unknown: then it
// is sent.
func (c *recorder) run(life context.Context) error {
	for {
		looks := c.next()
		if len(looks) == 0 {
			select {
			case <-c.more:
				continue
			case <-life.Done():
				return nil
			}
		}
		keys := make([]string, len(looks))
		for i := range looks {
			keys[i] = looks[i].Key
		}
		found, err := c.record.Look(keys)
		c.lose(err)
		for i := range looks {
			select {
			case c.found <- delivery.Looked{Look: looks[i].Look, Found: found[i]}:
			case <-life.Done():
				return nil
			}
		}
	}
}

// lose tells, once, that nothing is remembered any more.
func (c *recorder) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !c.lost {
		c.lost = true
		c.log.Warn("what was confirmed is not remembered any more; all changes are sent until the next start", "err", err)
	}
}

// next takes the questions that waited longest.
func (c *recorder) next() []delivery.Look {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.wanted), looksAtOnce)
	looks := c.wanted[:n:n]
	c.wanted = c.wanted[n:]
	return looks
}

// keep has what a save confirms remembered, before the store has the save. Where
// that fails nothing is remembered, which is no reason not to save.
func (c *recorder) keep(s *checkpoint.Save) {
	if c.record == nil {
		return
	}
	c.record.Saving(c.record.Saves + c.saves + 1)
	c.lose(c.record.Write(s.Confirmed, s.Forgotten))
}

// kept notes that the store has it.
func (c *recorder) kept() { c.saves++ }
