package pipeline

import (
	"context"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
)

// onTheWay is a piece of a chunk that is not settled.
type onTheWay struct {
	ticket uint64
	job    *job
	// cursor is what holds when it is.
	cursor backfill.Cursor
	rows   int
	// at is when it was handed in.
	at time.Time
}

// note does what the machine wants done about backfills.
func (b *backfiller) note(life context.Context, e delivery.Effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case delivery.TicketSettled:
		b.ticketSettled(e.Ticket)
	case delivery.BackfillPaused:
		for _, j := range slices.Clone(b.jobs) {
			if j.Feed() == e.Feed && b.moveLocked(life, j, checkpoint.BackfillPaused, e.Reason) == nil && j == b.running {
				b.interrupt()
			}
		}
	}
}

func (b *backfiller) ticketSettled(ticket uint64) {
	at := slices.IndexFunc(b.onTheWay, func(c onTheWay) bool { return c.ticket == ticket })
	if at < 0 {
		return
	}
	c := b.onTheWay[at]
	b.onTheWay = slices.Delete(b.onTheWay, at, at+1)
	c.job.cursor = c.cursor
	c.job.settled++
	c.job.Rows, c.job.Objects = c.cursor.Rows, c.cursor.Objects
	if c.job.State.Ended() {
		b.left = append(b.left, c.job.Feed())
		signal(b.wake)
	}
	signal(b.settled)
}

// hand notes a piece that the machine is about to get, unhand that it did not.
func (b *backfiller) hand(c onTheWay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onTheWay = append(b.onTheWay, c)
}

func (b *backfiller) unhand(ticket uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onTheWay = slices.DeleteFunc(b.onTheWay, func(c onTheWay) bool { return c.ticket == ticket })
}

// sweep takes cursors out of the store that nobody needs any more.
func (b *backfiller) sweep(life context.Context) {
	b.mu.Lock()
	var save checkpoint.Save
	for _, feed := range b.left {
		save.Cursors = append(save.Cursors, checkpoint.Cursor{Feed: feed})
	}
	b.left = nil
	b.mu.Unlock()
	if save.Cursors == nil {
		return
	}
	if err := b.runner.Store.Save(life, save); err != nil && life.Err() == nil {
		b.runner.Log.Warn("cursor of a backfill that has ended stays in the state file", "err", err)
	}
}

// saved counts what a save has of refused rows.
func (b *backfiller) saved(s *checkpoint.Save) {
	if len(s.Refused) == 0 && len(s.Unrefused) == 0 {
		return
	}
	b.overtaken.note(s.Refused, s.Unrefused)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.jobs {
		for i := range s.Refused {
			if s.Refused[i].Feed == j.Feed() {
				j.Progress.Refused++
			}
		}
		for _, key := range s.Unrefused {
			if key.Feed == j.Feed() {
				j.Progress.Refused--
			}
		}
	}
}
