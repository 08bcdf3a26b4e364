package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Intend records that the slot of c is about to be created, durably, so that
// a crash between its creation and Identify can be told from a lost store. Its
// LSN must be zero. An earlier intention is replaced; a position is not: that
// is an error.
func (s *Store) Intend(ctx context.Context, c checkpoint.Checkpoint) error {
	if err := s.replace(ctx, c, checkIntend); err != nil {
		return fmt.Errorf("record intended slot: %w", explain(err))
	}
	return nil
}

// Identify records, durably, which slot of which server the store belongs to
// and where it begins. In a store that has a position it may change only the
// timeline, and never to a lower LSN.
func (s *Store) Identify(ctx context.Context, c checkpoint.Checkpoint) error {
	if err := s.replace(ctx, c, checkIdentify); err != nil {
		return fmt.Errorf("record slot: %w", explain(err))
	}
	return nil
}

// followed returns the checkpoint after f; nil where f changes nothing.
func followed(old *checkpoint.Checkpoint, f checkpoint.Following) (*checkpoint.Checkpoint, error) {
	switch {
	case old == nil || old.LSN == 0:
		return nil, errors.New("follow the server: the slot was never identified")
	case f.Timeline < old.Timeline:
		return nil, fmt.Errorf("follow the server: the timeline goes back from %d to %d", old.Timeline, f.Timeline)
	case f.Database == "":
		return nil, errors.New("follow the server: the database has no name")
	case f.Timeline == old.Timeline && f.Database == old.Database:
		return nil, nil
	}
	c := *old
	c.Timeline, c.Database = f.Timeline, f.Database
	return &c, nil
}

func (s *Store) replace(ctx context.Context, c checkpoint.Checkpoint, check func(old *checkpoint.Checkpoint, c checkpoint.Checkpoint) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := check(s.known.ck, c); err != nil {
		return err
	}
	return s.become(ctx, c)
}

// become gives the store another checkpoint, durably.
func (s *Store) become(ctx context.Context, c checkpoint.Checkpoint) error {
	return s.commit(ctx, &checkpoint.Save{Sync: true}, func(next *known) error {
		next.ck = &c
		return s.identify(ctx, c)
	})
}

func (s *Store) identify(ctx context.Context, c checkpoint.Checkpoint) error {
	_, err := s.write.ExecContext(ctx, identifySQL, c.System, c.Timeline, c.Database, c.Slot, int64(c.LSN), storedChecksum(c))
	return err
}

func checkIntend(old *checkpoint.Checkpoint, c checkpoint.Checkpoint) error {
	switch {
	case c.LSN != 0:
		return errors.New("an intention has no position")
	case old != nil && old.LSN != 0:
		return fmt.Errorf("the store already belongs to slot %q at %s", old.Slot, old.LSN)
	}
	return nil
}

func checkIdentify(old *checkpoint.Checkpoint, c checkpoint.Checkpoint) error {
	if c.LSN == 0 || c.LSN > math.MaxInt64 {
		return fmt.Errorf("position %s is not possible", c.LSN)
	}
	if old == nil || old.LSN == 0 {
		return nil
	}
	if old.System != c.System || old.Database != c.Database || old.Slot != c.Slot {
		return fmt.Errorf("the store belongs to slot %q of database %q: give this one a state file of its own", old.Slot, old.Database)
	}
	if c.LSN < old.LSN {
		return fmt.Errorf("the position goes back from %s to %s", old.LSN, c.LSN)
	}
	return nil
}
