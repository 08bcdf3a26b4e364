package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// erasing is one Erase: what is known of the row, and what came of it so far.
type erasing struct {
	definition mapping.Definition
	erasure    checkpoint.Erasure
	removal    bool
	answer     admin.Erased
}

// look finds the object of a row, and refuses to go on while the row is there: what
// is kept of it would come again with its next change.
func look(ctx context.Context, runner *pipeline.Runner, ask admin.EraseAsk) (*erasing, error) {
	i, err := runner.Mappings.Find(ask.Mapping)
	if err != nil {
		return nil, err
	}
	t, err := runner.Locate(ctx, i, ask.Key)
	if err != nil {
		return nil, err
	}
	d := runner.Mappings.Definition(i)
	switch {
	case ask.Force:
	case t.Unread != "":
		return nil, fmt.Errorf("whether the row is still there is not known: %s; --force erases what is kept of it all the same", t.Unread)
	case t.Rows > 0:
		return nil, fmt.Errorf("the row is still in %s.%s: delete it there first, and let that reach marketo; --force erases what is kept of it all the same", d.Schema, d.Table)
	}
	e := &erasing{definition: d, answer: admin.Erased{Mapping: d.Name, Object: d.Object, Fields: t.Fields}}
	texts, err := mapping.ParseKeyText(d.KeyColumns(), ask.Key)
	e.erasure = checkpoint.Erasure{MappingID: pipeline.MappingID(d), Key: t.Key, Texts: texts, Asks: func(key string) bool {
		other, err := mapping.ParseKeyText(d.KeyColumns(), key)
		return err == nil && slices.Equal(other, texts)
	}}
	return e, err
}

// stored takes it out of a store.
func (e *erasing) stored(ctx context.Context, store *sqlite.Store) (more bool, err error) {
	erased, err := store.Erase(ctx, e.erasure)
	if err != nil {
		return false, err
	}
	a := &e.answer
	a.Parked += erased.Parked
	a.Lacking += erased.Lacking
	a.Refused += erased.Refused
	a.Asked += erased.Asked
	a.Left = erased.Left
	return erased.Parked+erased.Lacking+erased.Refused > 0, nil
}

// finish says what Marketo may have.
func (e *erasing) finish() admin.Erased {
	switch {
	case e.removal:
		e.answer.Marketo = "the removal of the object was parked, as marketo refused it: delete the object there by hand"
	case e.definition.OnDelete.Ignores():
		e.answer.Marketo = "the mapping leaves objects as they are when their rows go (on_delete: ignore): delete the object there by hand"
	}
	return e.answer
}

const (
	// eraseTries is how often a store is looked through: a save that was under way
	// may bring something once more.
	eraseTries = 5
	eraseAgain = 200 * time.Millisecond
)

// erase has nothing kept any more of a row, while changes are delivered.
func (d *Daemon) erase(ctx context.Context, store *sqlite.Store, ask admin.EraseAsk) (admin.Erased, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Erased{}, errStarting
	}
	e, err := look(ctx, runner, ask)
	if err != nil {
		return admin.Erased{}, err
	}
	had, err := runner.Erase(ctx, e.erasure.Key)
	switch {
	case err != nil:
		return admin.Erased{}, err
	case had.Waits != "":
		return admin.Erased{}, errors.New(had.Waits + "; wait until cdcsync trace says that nothing of it waits, then erase it")
	}
	e.removal, e.answer.Remembered = had.Removal, d.Config.Delivery.SuppressUnchanged
	for try := range eraseTries {
		more, err := e.stored(ctx, store)
		if err != nil {
			return e.answer, err
		}
		if !more && try > 0 {
			break
		}
		select {
		case <-time.After(eraseAgain):
		case <-ctx.Done():
			return e.answer, ctx.Err()
		}
	}
	e.counted(had)
	d.Log.Info("what was kept of a row is erased", "mapping", ask.Mapping, "parked", e.answer.Parked, "lacking", e.answer.Lacking,
		"refused", e.answer.Refused, "asked", e.answer.Asked, "left", len(e.answer.Left))
	return e.finish(), nil
}

// counted counts what the pipeline had, which may have been saved before the store
// was looked through.
func (e *erasing) counted(had delivery.Erased) {
	if had.Parked {
		e.answer.Parked = max(e.answer.Parked, 1)
	}
	if had.Lacking {
		e.answer.Lacking = max(e.answer.Lacking, 1)
	}
}

// EraseStopped has nothing kept any more of a row, while no daemon uses the state file
// of the configuration.
func EraseStopped(ctx context.Context, conf *config.Config, ask admin.EraseAsk) (answer admin.Erased, err error) {
	source, err := Source(conf.Source)
	if err != nil {
		return answer, err
	}
	e, err := look(ctx, &pipeline.Runner{Source: source, Mappings: conf.Set}, ask)
	if err != nil {
		return answer, err
	}
	store, err := sqlite.Open(ctx, conf.State.SQLite)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	state, err := store.Load(ctx)
	if err != nil {
		return answer, err
	}
	for i := range state.Parked {
		if p := &state.Parked[i]; p.Key == e.erasure.Key {
			e.removal = p.Operation == "DELETE"
		}
	}
	d := &Daemon{Config: conf, Log: slog.New(slog.DiscardHandler)}
	record, err := d.openRecord(ctx, store, &state)
	if err != nil {
		return answer, err
	}
	if record != nil {
		e.answer.Remembered = true
		if err := errors.Join(record.Write(nil, []string{mapping.Fold(e.erasure.Key)}), record.Close()); err != nil {
			return answer, err
		}
	}
	if _, err := e.stored(ctx, store); err != nil {
		return answer, err
	}
	return e.finish(), nil
}
