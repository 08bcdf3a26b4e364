package sqlite

import "context"

// change does all of what fill does, or nothing, beside the saves: the row of the
// table state, and with it whether the last life ended in order, stays as it is.
// With sync it survives the loss of power, otherwise with the next synced Save.
func (s *Store) change(ctx context.Context, sync bool, fill func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(sync); err != nil {
		return err
	}
	if err := s.setSync(ctx, sync); err != nil {
		return err
	}
	s.grown += 2 * pageSize
	if err := s.transact(ctx, func() error { return fill(ctx) }); err != nil {
		return s.notice(err)
	}
	s.emptyLog(ctx)
	return nil
}
