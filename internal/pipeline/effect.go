package pipeline

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/failpoint"
)

// carryOut does what the machine wants done.
func (r *Runner) carryOut(e delivery.Effect, life context.Context, group *errgroup.Group) {
	switch e := e.(type) {
	case delivery.Send:
		select {
		case r.sends <- e:
		default: // all are busy
			group.Go(func() error { return r.send(life, e) })
		}
	case delivery.Save:
		r.toSave <- e.Save
	case delivery.Acknowledge:
		failpoint.Hit("acknowledge.before")
		r.acknowledged.Store(uint64(e.LSN))
		r.synced.Store(uint64(e.LSN))
		r.reader.acknowledgeSynced()
		failpoint.Hit("acknowledge.after")
	case delivery.Read:
		r.rows.Ask(e)
	case delivery.Look:
		r.recorder.ask(e)
	case delivery.Tell:
		e.To <- e.Answer
	case delivery.Answer:
		e.To <- e.Answer
	case delivery.TellErased:
		e.To <- e.Answer
	case delivery.LeaveOut:
		r.reader.leaveTo(e.Mapping)
	case delivery.TicketSettled, delivery.BackfillPaused:
		r.backfills.note(life, e)
	case delivery.Log:
		r.Log.Log(life, e.Level, e.Message, e.Args...)
	}
}

// send carries e out and its reply back, and then what else is to be sent.
func (r *Runner) send(life context.Context, e delivery.Send) error {
	for {
		reply := r.Client.Sync(life, e.Batch)
		failpoint.Hit("call.before_answer")
		select {
		case r.answers <- delivery.Answered{Call: e.Call, Reply: reply}:
		case <-life.Done():
			return nil
		}
		select {
		case e = <-r.sends:
		case <-life.Done():
			return nil
		}
	}
}

// save writes saves into the store, one after the other.
func (r *Runner) save(life context.Context) error {
	for {
		select {
		case s := <-r.toSave:
			failpoint.Hit("save.before")
			r.recorder.keep(s)
			failpoint.Hit("save.remembered")
			err := r.Store.Save(life, r.published(*s))
			if err == nil {
				r.recorder.kept()
				r.backfills.saved(s)
			}
			failpoint.Hit("save.after")
			switch {
			case life.Err() != nil:
				return nil
			case errors.Is(err, checkpoint.ErrClosed):
				return err
			}
			r.saved <- err
		case <-life.Done():
			return nil
		}
	}
}

// published says of what publication the latest transaction is.
func (r *Runner) published(s checkpoint.Save) checkpoint.Save {
	if s.Latest != nil && *s.Latest != (checkpoint.Commit{}) {
		latest := *s.Latest
		latest.Publication = r.Source.Publication
		s.Latest = &latest
	}
	return s
}
