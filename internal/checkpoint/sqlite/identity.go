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

// Follow records, durably, that the server is on a later timeline, which has
// everything that is settled, or that the database has another name: the
// position stays as it is.
func (s *Store) Follow(ctx context.Context, timeline int32, database string) error {
	if err := s.follow(ctx, timeline, database); err != nil {
		return fmt.Errorf("record timeline and database: %w", explain(err))
	}
	return nil
}

func (s *Store) follow(ctx context.Context, timeline int32, database string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.known.ck
	switch {
	case old == nil || old.LSN == 0:
		return errors.New("the slot was never identified")
	case timeline < old.Timeline:
		return fmt.Errorf("the timeline goes back from %d to %d", old.Timeline, timeline)
	case database == "":
		return errors.New("the database has no name")
	case timeline == old.Timeline && database == old.Database:
		return nil
	}
	c := *old
	c.Timeline, c.Database = timeline, database
	return s.become(ctx, c)
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
		_, err := s.write.ExecContext(ctx, identifySQL, c.System, c.Timeline, c.Database, c.Slot, int64(c.LSN), storedChecksum(c))
		return err
	})
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
