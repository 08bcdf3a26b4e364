package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// Traced is where a row is: in its table, and in the machine.
type Traced struct {
	// Rows counts the rows that have the key now; Matches is set where one of them
	// is to be an object by the mapping's where, and Problem says why it cannot be.
	Rows    int
	Matches bool
	Problem *mapping.Problem
	// Unread says why the table could not be asked.
	Unread string
	// Key identifies the object (mapping.Write.Key), Fields has its dedupe fields
	// as people write them, id=42.
	Key, Fields string
	Found       delivery.Found
	// Sought is an object with the key, of the row or of nothing else.
	Sought marketo.Object
	// Row is what the row is to be as an object, with what it takes from other tables;
	// only where one Matches and has no Problem.
	Row *mapping.Write
	// Confirmed is what is remembered of the object; nil for nothing. Differs are the
	// attributes that Row has otherwise; Known is set where that could be told.
	Confirmed *checkpoint.Confirmed
	Differs   []string
	Known     bool
}

// finding asks the machine for a key.
type finding struct {
	key   string
	reply chan<- delivery.Found
}

// errNoKey says that no object can be made of a key.
const errNoKey = mapping.Unknown("no object can have this key: a part of it is empty, or not what its column takes")

// Trace looks for a row by the values of its mapping's key columns, given as in
// backfill --keys: in its table, and in the queue. It changes nothing.
func (r *Runner) Trace(ctx context.Context, index int, key string) (Traced, error) {
	t, err := r.Locate(ctx, index, key)
	if err != nil {
		return t, err
	}
	r.traceConfirmed(index, &t)
	t.Found, err = r.Find(ctx, t.Key)
	return t, err
}

// Locate is Trace as far as the table goes. It needs Source and Mappings alone, and
// no life of the Runner.
func (r *Runner) Locate(ctx context.Context, index int, key string) (Traced, error) {
	var t Traced
	d := r.Mappings.Definition(index)
	columns := d.KeyColumns()
	values, err := mapping.ParseKeyText(columns, key)
	if err != nil {
		return t, err
	}
	var sought mapping.Write
	if err := r.traceRow(ctx, index, columns, values, &t, &sought); err != nil {
		if ctx.Err() != nil || sought.Object.Shape == nil {
			return t, err
		}
		t.Unread = err.Error()
	}
	if sought.Object.Shape == nil || slices.ContainsFunc(sought.Object.Values()[:len(sought.Object.Shape.Key)], func(v marketo.Value) bool { return v.Text == "" }) {
		return t, errNoKey
	}
	t.Key, t.Fields, t.Sought = sought.Key, sought.Object.Shape.WriteKey(sought.Object.Values()), sought.Object
	return t, nil
}

// Find says where the objects of a key (mapping.Write.Key) are in the machine.
func (r *Runner) Find(ctx context.Context, key string) (found delivery.Found, err error) {
	r.prepared.Do(r.prepare)
	reply := make(chan delivery.Found, 1)
	select {
	case r.finds <- finding{key, reply}:
	case <-ctx.Done():
		return found, fmt.Errorf("ask the pipeline: %w", ctx.Err())
	}
	select {
	case found = <-reply:
		return found, nil
	case <-ctx.Done():
		return found, fmt.Errorf("ask the pipeline: %w", ctx.Err())
	}
}

// traceRow reads the rows of a key, and makes of them what the mapping does. Where
// there is none, sought is what a row would be that has the key and nothing else.
func (r *Runner) traceRow(ctx context.Context, index int, columns, key []string, t *Traced, sought *mapping.Write) error {
	session, err := rowread.Open(ctx, r.Source)
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	if err := r.traceRows(ctx, session, index, columns, key, t, sought); err != nil || !t.Matches {
		return err
	}
	if err := session.LookUp(ctx, r.Mappings, []*mapping.Write{sought}, nil); err != nil {
		return err
	}
	if t.Problem = sought.Problem; t.Problem == nil {
		t.Row = sought
	}
	return nil
}

func (r *Runner) traceRows(ctx context.Context, session *rowread.Session, index int, columns, key []string, t *Traced, sought *mapping.Write) (err error) {
	d := r.Mappings.Definition(index)
	chunk, err := session.BeginChunk(ctx, catalog.TableName{Schema: d.Schema, Name: d.Table}, r.Mappings.Columns(index))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chunk.End(ctx)) }()
	if err := r.Mappings.BindOne(index, chunk.Relation, chunk.Table.Facts()); err != nil {
		return err
	}
	defer r.Mappings.Unbind(chunk.Relation)
	if *sought, _, err = r.Mappings.Row(index, chunk.Relation, chunk.Relation.Bare(columns, key)); err != nil {
		return err
	}
	var wrong error
	unreadable := func(_ int, err *rowread.RowError) { wrong = err }
	err = chunk.Rows(ctx, columns, [][]string{key}, func(row rowread.Row) bool {
		w, matches, err := r.Mappings.Row(index, chunk.Relation, row.Values)
		if err != nil {
			wrong = err
			return false
		}
		if t.Rows++; matches || t.Rows == 1 {
			*sought, t.Matches, t.Problem = w, matches, w.Problem
		}
		return t.Rows < 100
	}, unreadable)
	return errors.Join(err, wrong)
}

// traceConfirmed adds what is remembered of the object.
func (r *Runner) traceConfirmed(index int, t *Traced) {
	if r.Record == nil {
		return
	}
	found, err := r.Record.Look([]string{mapping.Fold(t.Key)})
	if err != nil || found[0] == nil {
		return // that it cannot be read is told in the log
	}
	t.Confirmed = found[0]
	if t.Row == nil || t.Confirmed.Shape != delivery.ShapeOf(&r.Config.Mappings[index]) || len(t.Confirmed.Digests) != t.Row.Object.Len() {
		return
	}
	t.Known = true
	for i, digest := range t.Confirmed.Digests {
		if v := t.Row.Object.Value(i); v.Kind != marketo.Omitted && digest != r.Record.Digest(i, v) {
			t.Differs = append(t.Differs, t.Row.Object.Shape.Name(i))
		}
	}
}

// find answers a finding.
func find(m *delivery.Machine, now time.Time, f finding) { f.reply <- m.Find(now, f.key) }
