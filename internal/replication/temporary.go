package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// CreateTemporarySlot is CreateSlot for a slot that goes with its session, whatever
// ends it. The next Stream is over that session; a later one finds no slot.
func (s *Source) CreateTemporarySlot(ctx context.Context) (pgoutput.LSN, error) {
	if err := s.Validate(); err != nil {
		return 0, err
	}
	a, err := s.approach(ctx, cancelling)
	if err != nil {
		return 0, fmt.Errorf("create temporary slot: %w", err)
	}
	limit := or(s.SlotTimeout, defaultSlotTimeout)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	point, err := s.createBy(ctx, bounded, a.conn, "CREATE_REPLICATION_SLOT "+pgx.Identifier{s.Slot}.Sanitize()+" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT", limit)
	if err == nil {
		a.look, err = s.look(ctx, a.conn)
	}
	if err == nil && a.look.slot == nil {
		err = problem(SlotMissing, "create slot %s: it is not there", s.Slot)
	}
	if err != nil {
		a.Close(ctx)
		return 0, err
	}
	a.look.slot.Temporary = false // that of this session
	s.held.Store(a)
	return point, nil
}

// cancelling has the end of a context end what the server does for the session, as
// cutting the connection would not end a wait on the server.
func cancelling(config *pgconn.Config) {
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: closeTimeout}
	}
}

// Release ends the session of a temporary slot over which nobody streams.
func (s *Source) Release(ctx context.Context) {
	if held := s.held.Swap(nil); held != nil {
		held.Close(ctx)
	}
}
