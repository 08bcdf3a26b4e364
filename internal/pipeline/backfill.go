package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// BackfillStore keeps which backfills there are. How far they have come is saved
// with what they have settled.
type BackfillStore interface {
	Backfills(ctx context.Context) ([]checkpoint.Backfill, error)
	AddBackfill(ctx context.Context, b checkpoint.Backfill) (int64, error)
	MoveBackfill(ctx context.Context, id int64, to checkpoint.BackfillState, at time.Time, why string) (checkpoint.Backfill, error)
	NoteProgress(ctx context.Context, id int64, p checkpoint.Progress) error
	Refused(ctx context.Context, filter checkpoint.RefusedFilter) ([]checkpoint.Refused, error)
}

// backfiller sends rows that tables have, one backfill after the other. A chunk
// of a table is in memory while another is on its way to Marketo.
type backfiller struct {
	runner *Runner
	store  BackfillStore
	// credits is how many writes the machine takes.
	credits atomic.Int64
	// wake tells of jobs that may have work, settled of chunks that are.
	wake, settled chan struct{}

	mu   sync.Mutex
	jobs []*job
	// running is the job that is worked on, and interrupt ends the work.
	running   *job
	interrupt context.CancelFunc
	// onTheWay are the chunks that the machine has, or is about to get, in order.
	onTheWay []onTheWay
	ticket   uint64
	// cursors are those that the store had at the start, left those of backfills
	// that have ended while a chunk was on its way.
	cursors map[string]string
	left    []string
	// held are the mappings that are paused: their jobs wait, whatever state they
	// are in.
	held map[int]bool
	// overtaken are refused rows that the stream may bring newer.
	overtaken overtaken
}

// job is a backfill that has not ended.
type job struct {
	checkpoint.Backfill
	mapping int
	cursor  backfill.Cursor
	// settled counts the pieces that were in this life.
	settled int
	// began is when this life began to work on it, behind that many rows.
	began time.Time
	from  int64
	// announced is how many objects it may create in an hour; zero for any number.
	announced int
}

// errNoBackfills is returned where no store keeps them.
var errNoBackfills = errors.New("backfills are not kept here")

func newBackfiller(r *Runner) *backfiller {
	b := &backfiller{
		runner: r, store: r.Backfills, wake: make(chan struct{}, 1), settled: make(chan struct{}, 1),
		cursors: make(map[string]string), held: make(map[int]bool),
	}
	for _, c := range r.State.Cursors {
		b.cursors[c.Feed] = c.Value
	}
	return b
}

// run works on backfills until life ends or stop is closed.
func (b *backfiller) run(life context.Context, stop <-chan struct{}) error {
	if b.store == nil {
		return nil
	}
	life, end := untilEither(life, stop)
	defer end()
	if err := b.load(life); err != nil {
		if life.Err() != nil {
			return nil
		}
		return fmt.Errorf("backfills: %w", err)
	}
	var looked time.Time
	for life.Err() == nil {
		b.sweep(life)
		if err := b.forgetOvertaken(life); err != nil && life.Err() == nil {
			b.runner.Log.Warn("rows that have changed since marketo refused them are still listed as refused", "err", err)
		}
		if time.Since(looked) >= refusedEvery {
			looked = time.Now()
			if err := b.sendRefused(life, life); err != nil && life.Err() == nil {
				b.runner.Log.Warn("rows that marketo refused cannot be sent once more; it is tried again", "err", err)
			}
		}
		if j, ctx := b.next(life); j != nil {
			b.work(ctx, life, j)
			continue
		}
		select {
		case <-b.wake:
		case <-time.After(refusedEvery):
		case <-life.Done():
		}
	}
	return nil
}

// load reads what an earlier life has left.
func (b *backfiller) load(life context.Context) error {
	all, err := b.store.Backfills(life)
	if err != nil {
		return err
	}
	if err := b.loadOvertaken(life, all); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range all {
		if all[i].State.Ended() || slices.ContainsFunc(b.jobs, func(j *job) bool { return j.ID == all[i].ID }) {
			continue
		}
		if err := b.take(all[i]); err != nil {
			return err
		}
	}
	return nil
}

// take adds a backfill to those that are worked on.
func (b *backfiller) take(c checkpoint.Backfill) error {
	j := &job{Backfill: c, mapping: b.mappingOf(c.MappingID)}
	var err error
	if j.cursor, err = backfill.ParseCursor(b.cursors[c.Feed()]); err != nil {
		return err
	}
	b.overtaken.know(c.Feed(), j.mapping)
	j.Rows, j.Objects = max(j.Rows, j.cursor.Rows), max(j.Objects, j.cursor.Objects)
	b.jobs = append(b.jobs, j)
	return nil
}

// mappingOf finds the mapping that something is of; -1 for none.
func (b *backfiller) mappingOf(id checkpoint.MappingID) int {
	set := b.runner.Mappings
	for i := range set.Len() {
		if MappingID(set.Definition(i)) == id {
			return i
		}
	}
	return -1
}

// MappingID is what a mapping is known by from life to life.
func MappingID(d mapping.Definition) checkpoint.MappingID {
	return checkpoint.MappingID{Schema: d.Schema, Table: d.Table, Object: strings.ToLower(d.Object)}
}

// next is what is to be worked on, and until when: what runs goes before what
// waits.
func (b *backfiller) next(life context.Context) (*job, context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, state := range []checkpoint.BackfillState{checkpoint.BackfillRunning, checkpoint.BackfillWaiting} {
		for _, j := range b.jobs {
			if j.State == state && !b.held[j.mapping] {
				ctx, interrupt := context.WithCancel(life)
				b.running, b.interrupt = j, interrupt
				return j, ctx
			}
		}
	}
	return nil, nil
}

// work carries a backfill on until it ends, fails or is interrupted.
func (b *backfiller) work(ctx, life context.Context, j *job) {
	defer func() {
		b.mu.Lock()
		b.interrupt()
		b.running, b.interrupt = nil, nil
		b.mu.Unlock()
	}()
	if j.mapping < 0 {
		b.moved(life, j, checkpoint.BackfillFailed, "no mapping of table "+j.Schema+"."+j.Table+" to "+j.Object+" is configured any more; cancel it, or configure the mapping again")
		return
	}
	if j.State == checkpoint.BackfillWaiting && !b.moved(ctx, j, checkpoint.BackfillRunning, "") {
		return
	}
	l := loading{backfiller: b, life: life, job: j, log: b.runner.Log.With("backfill", j.ID, "mapping", j.Mapping)}
	err := l.run(ctx)
	switch {
	case err == nil:
		if b.moved(life, j, checkpoint.BackfillDone, "") {
			l.log.Info("backfill done", "rows", j.Rows, "objects", j.Objects, "refused", j.Progress.Refused)
		}
	case ctx.Err() != nil: // paused, cancelled, or the end
	default:
		if b.moved(life, j, checkpoint.BackfillFailed, err.Error()) {
			l.log.Error("backfill failed", "err", err)
		}
	}
}

// moved gives a job another state, also in the store, and reports whether that
// could be done.
func (b *backfiller) moved(ctx context.Context, j *job, to checkpoint.BackfillState, why string) bool {
	return b.move(ctx, j, to, why) == nil
}

func (b *backfiller) move(ctx context.Context, j *job, to checkpoint.BackfillState, why string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.moveLocked(ctx, j, to, why)
}

func (b *backfiller) moveLocked(ctx context.Context, j *job, to checkpoint.BackfillState, why string) error {
	if !j.State.May(to) {
		return fmt.Errorf("backfill %d is %s", j.ID, j.State)
	}
	stored, err := b.store.MoveBackfill(ctx, j.ID, to, time.Now(), why)
	if err != nil {
		if ctx.Err() == nil {
			b.runner.Log.Error("backfill cannot be recorded", "backfill", j.ID, "state", to, "err", err)
		}
		return err
	}
	// What was asked for stays: it is read without the lock meanwhile.
	j.State, j.Err = stored.State, stored.Err
	j.Changed, j.Started, j.Ended = stored.Changed, stored.Started, stored.Ended
	if to.Ended() {
		b.jobs = slices.DeleteFunc(b.jobs, func(other *job) bool { return other == j })
	}
	return nil
}

// signal has whoever waits for c look again.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// untilEither returns a context that ends with life and when stop is closed.
func untilEither(life context.Context, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(life)
	go func() {
		select {
		case <-stop:
			end()
		case <-ctx.Done():
		}
	}()
	return ctx, end
}
