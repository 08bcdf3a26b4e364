package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/boot"
	"github.com/cdcsync/cdcsync/internal/checkpoint/confirmed"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// RecordFile is where it is kept what Marketo has confirmed of objects, beside the
// state file of that path.
func RecordFile(state string) string { return state + ".confirmed" }

// openRecord opens what is remembered of confirmed objects; nil where that is not
// wanted, and then it is deleted: it would be out of date.
func (d *Daemon) openRecord(ctx context.Context, store *sqlite.Store, state *checkpoint.State) (*pipeline.Record, error) {
	path := RecordFile(d.Config.State.Path())
	if !d.Config.Delivery.SuppressUnchanged {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("delete what is remembered of confirmed objects: %w", err)
		}
		return nil, nil
	}
	saves, err := store.Saves(ctx)
	if err != nil {
		return nil, err
	}
	identity := d.endpoint() + " " + history(state)
	r, err := confirmed.Open(path, identity, boot.ID())
	if err != nil {
		return nil, fmt.Errorf("%w; make the file writable for this user, or set delivery.suppress_unchanged: false", err)
	}
	if r.Ahead(saves) || !state.Clean && !state.SameBoot {
		if err := r.Empty(identity); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	d.Log.Info("confirmed objects are remembered", "file", path, "objects", r.Len())
	return &pipeline.Record{Record: r, Saves: saves}, nil
}

// endpoint is that of Marketo.
func (d *Daemon) endpoint() string {
	if rest := d.Config.Marketo.REST; rest != nil {
		return rest.Endpoint
	}
	return d.Config.Marketo.SOAP.Endpoint
}

// history names what the changes are of: another one, or one with a gap, begins
// anew.
func history(state *checkpoint.State) string {
	if state.Checkpoint == nil {
		return ""
	}
	ck := state.Checkpoint
	return fmt.Sprint(ck.System, "/", ck.Database, "/", ck.Slot, "/", len(state.Accepted))
}
